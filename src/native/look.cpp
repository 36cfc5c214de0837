#include "look.hpp"

#include <cmath>

namespace edgewise {

namespace {

constexpr Size AT_ONCE = 512;  // weights whose squares are summed together
constexpr Index ROWS = 64;     // of nodes whose numbers are summed in their own precision

template <class T>
bool by_level(const Structure& s, Size step_size) {
    return shape_of(s, step_size, kernels<T>().width, sizeof(T), false).by_level;
}

constexpr double NONE = std::numeric_limits<double>::quiet_NaN();

}  // namespace

Size Watched::wanted(Size step_size) const {
    const Size share = std::max(few, step_size / 4);
    return std::min(samples ? samples : every < often ? share / 2 : share, step_size);
}

template <class T>
Look<T>::Look(const Structure& s, const Watched& watched, Size step_size, bool beside, int threads)
    : sweep(s, kernels<T>(), watched.wanted(step_size), threads, beside && !by_level<T>(s, step_size)),
      squares_(s, kernels<T>(), 2 * static_cast<Size>(sweep.shape.n_tiles) * sweep.shape.lanes, threads,
               beside && !by_level<T>(s, step_size)),
      squared_(s), watched_(watched), most_threads_(threads), threads_(threads), level_(s.plan.n_nodes),
      width_(watched.n_levels) {
    for (Index row = 0; row < s.plan.n_nodes; ++row) {
        level_[row] = watched.level[s.node[row]];
        if (level_[row] >= 0) ++width_[level_[row]];
    }
    sweep.expect_loss();
    sweep.expect_gates();
    sensitivity_ = Buffer<T>(times(sweep.shape.n_tiles, sweep.d_stride));
    if (s.keeps_gates) gate_ = Buffer<T>(sensitivity_.size());
    squares_.expect_seeds(s.n_outputs, s.output_seed);
    squares_.expect_gates();
    squared_sensitivity_ = Buffer<T>(times(squares_.shape.n_tiles, squares_.d_stride));
    list_pieces();
}

template <class T>
void Look<T>::use_threads(int n) {
    threads_ = std::min(n, most_threads_);
    for (Sweep<T>* one : {&sweep, &squares_}) one->n_threads = std::min(one->n_threads, threads_);
}

// Slots come in their order.
template <class T>
void Look<T>::add_slot(Size slot, Index level) {
    if (level < 1) return;
    if (!pieces_.empty() && pieces_.back().level == level && slot - pieces_.back().begin < AT_ONCE) {
        for (Size k = pieces_.back().end; k < slot; ++k) {
            if (!leads_on_) {
                leads_on_ = Buffer<T>(sweep.n_slots());
                std::fill_n(leads_on_.data(), sweep.n_slots(), T(1));
            }
            leads_on_[k] = 0;
        }
        pieces_.back().end = slot + 1;
    } else {
        pieces_.push_back({slot, slot + 1, level});
    }
}

template <class T>
void Look<T>::list_pieces() {
    const PlanView& plan = sweep.s.plan;
    std::vector<Index> head_of_share(plan.n_extra);
    for (Index row = 0; row < plan.n_nodes; ++row)
        for (Index k = 0; plan.extra[row] >= 0 && k < plan.count[row]; ++k) head_of_share[plan.extra[row] + k] = row;
    const auto head = [&](Index a) {
        return plan.out_row[a] < plan.n_nodes ? plan.out_row[a] : head_of_share[plan.out_row[a] - plan.n_nodes];
    };
    for (Index row = 0; row < plan.n_nodes; ++row)
        for (Index a = plan.out_start[row]; a < plan.out_start[row + 1]; ++a)
            if (level_[head(a)] >= 0) add_slot(a, level_[row]);
    for (Index b = 0; b < plan.n_blocks; ++b) {
        const Block& block = plan.blocks[b];
        Size slot = plan.n_arcs + block.slot;
        for (Index h = 0; h < block.n_heads; ++h)
            for (Index t = 0; t < block.n_tails; ++t, ++slot)
                if (level_[block.head + h] >= 0) add_slot(slot, level_[block.tail + t]);
    }
}

// ---- the passes ----

constexpr Backward SENSITIVITIES{true, true, false, false}, ALL{true, true, true, true};

template <class T>
void Look<T>::expect_sums() {
    sweep.expect_gradients();
    sweep.expect_biases();
}

template <class T>
void Look<T>::keep_gates(Size tile) {
    if (gate_) std::copy_n(sweep.d.data() + tile * sweep.d_stride, sweep.d_stride, gate_.data() + tile * sweep.d_stride);
}

template <class T>
void Look<T>::passes(const Parameters<T>& p, const TrainingData<T>& data, Size place, Size count, Loss loss, T parameter,
                     Size step, bool gradient, double* row) {
    const Size* sample = data.order + place;
    if (gradient) expect_sums();
    sweep.hold(count);
    sweep.sensitivity = sensitivity_.data();
    sweep.run(
        p, true, true, gradient ? &ALL : &SENSITIVITIES, false,
        [&](Size tile, int) { sweep.read(tile, data, sample); },
        [&](Size tile, int) {
            sweep.loss_of_tile(tile, loss, parameter, sample, data.label, data.sample_weight);
            keep_gates(tile);
        });
    row[static_cast<int>(Column::place)] = static_cast<double>(place);
    row[static_cast<int>(Column::samples)] = static_cast<double>(count);
    seen(p, step, row);
}

template <class T>
void Look<T>::forward(const Parameters<T>& p, const T* x, Size count, T* output) {
    sweep.hold(count);
    sweep.run(
        p, true, true, nullptr, false, [&](Size tile, int) { sweep.read_inputs(tile, x, nullptr); },
        [&](Size tile, int) {
            sweep.write_outputs(tile, output);
            keep_gates(tile);
        });
}

template <class T>
void Look<T>::backward(const Parameters<T>& p, const T* seed, Size step, double* row) {
    sweep.sensitivity = sensitivity_.data();
    sweep.run(
        p, false, false, &SENSITIVITIES, false,
        [&](Size tile, int) { sweep.read_sensitivities(tile, seed); }, [](Size, int) {});
    seen(p, step, row);
}

// What both passes have found, and then of squares.
template <class T>
void Look<T>::seen(const Parameters<T>& p, Size step, double* row) {
    const Size units = static_cast<Size>(sweep.n_tiles) * sweep.shape.vectors;
    row[static_cast<int>(Column::step)] = static_cast<double>(step);
    double* sizes = row + static_cast<int>(Column::count);
    levels(sweep, sensitivity_.data(), 0, units, true, sizes + 2 * watched_.n_levels);
    follow(step, row);
    sweep.sensitivity = nullptr;

    const Parameters<T> squared = squared_.of(p, threads_);
    squares_.hold(2 * units * squares_.kernels.width);
    squares_.sensitivity = squared_sensitivity_.data();
    squares_.run(
        squared, false, false, &SENSITIVITIES, false, [&](Size tile, int) { start_squares(tile, units); }, [](Size, int) {});
    for (const bool open : {false, true})
        levels(squares_, squared_sensitivity_.data(), open ? units : 0, units, false, sizes + (open ? 0 : watched_.n_levels));
}

// What a tile of squares starts from: units of one register of samples, all of them with gates as they are, then all with
// gates as if they were open.
template <class T>
void Look<T>::start_squares(Size tile, Size units) {
    const PlanView& plan = sweep.s.plan;
    const Size width = squares_.kernels.width, from_lanes = sweep.shape.lanes, to_lanes = squares_.shape.lanes;
    const Size from_vectors = sweep.shape.vectors, to_vectors = squares_.shape.vectors;
    for (Size v = 0; v < to_vectors; ++v) {
        const Size unit = tile * to_vectors + v, of = unit % units;
        if (unit >= 2 * units) continue;
        const bool open = unit >= units;
        const auto source = [&](const Buffer<T>& rows, Size stride) {
            return rows.data() + of / from_vectors * stride + of % from_vectors * width;
        };
        const auto target = [&](Buffer<T>& rows, Size stride) { return rows.data() + tile * stride + v * width; };
        const T* seed = source(sweep.seed, sweep.seed_stride());
        T* squared_seed = target(squares_.seed, squares_.seed_stride());
        for (Index k = 0; k < sweep.n_seeds; ++k, seed += from_lanes, squared_seed += to_lanes)
            for (Size l = 0; l < width; ++l) squared_seed[l] = seed[l] * seed[l];
        const T* value = source(sweep.y, sweep.y_stride);
        const T* gate = gate_ ? source(gate_, sweep.d_stride) : nullptr;
        T* squared_gate = target(squares_.d, squares_.d_stride);
        T* same_value = target(squares_.y, squares_.y_stride);
        for (Index row = 0; row < plan.n_nodes; ++row, squared_gate += to_lanes) {
            const auto activation = static_cast<Activation>(plan.activation[row]);
            if (plan.n_extra > 0) std::copy_n(value + row * from_lanes, width, same_value + row * to_lanes);
            if (plan.is_input[row] || activation == Activation::identity) continue;
            square_gates(activation, open, value + row * from_lanes, gate ? gate + row * from_lanes : nullptr, width,
                         squared_gate);
        }
    }
}

// Roots of the means over each level's nodes and all samples: of numbers that are squares, or of others' squares. The
// samples are `units` registers of them from `first` on; lanes without a sample hold zeros.
template <class T>
void Look<T>::levels(const Sweep<T>& of, const T* rows, Size first, Size units, bool square, double* sizes) {
    const Size width = of.kernels.width, lanes = of.shape.lanes, vectors = of.shape.vectors;
    const Index n = of.s.plan.n_nodes;
    std::fill_n(sizes, watched_.n_levels, 0.0);
    constexpr Size FOUR = 16 / sizeof(T);  // or two: what divides every width
    for (Size unit = first; unit < first + units; ++unit) {
        const T* own = rows + unit / vectors * of.d_stride + unit % vectors * width;
        for (Index begin = 0, end; begin < n; begin = end) {
            const Index level = level_[begin];
            for (end = begin + 1; end < n && end - begin < ROWS && level_[end] == level;) ++end;
            if (level < 0) continue;
            for (Size l = 0; l < width; l += FOUR) {
                T sums[FOUR] = {};
                for (Index row = begin; row < end; ++row)
                    for (Size k = 0; k < FOUR; ++k) {
                        const T one = own[row * lanes + l + k];
                        sums[k] += square ? one * one : one;
                    }
                for (const T sum : sums) sizes[level] += static_cast<double>(sum);
            }
        }
    }
    for (Index level = 0; level < watched_.n_levels; ++level)
        sizes[level] = std::sqrt(sizes[level] / (static_cast<double>(sweep.samples) * std::max<Index>(1, width_[level])));
}

// Who was open when, and how often lately.
template <class T>
void Look<T>::follow(Size step, double* row) {
    const Structure& s = sweep.s;
    const PlanView& plan = s.plan;
    const Size lanes = sweep.shape.lanes;
    const double count = static_cast<double>(sweep.samples), lately = std::min(1.0, count / watched_.lately);
    double* seen = watched_.seen;
    seen[0] += count;
    double hidden = 0, closed = 0, dead = 0, saturated = 0;
    for (Index at = 0; at < plan.n_nodes; ++at) {
        const Index node = s.node[at];
        const auto activation = static_cast<Activation>(plan.activation[at]);
        const bool from_value = activation == Activation::relu;
        Size n_closed = 0;
        bool open = watched_.smooth[node];
        if (plan.is_input[at] || activation == Activation::identity) {
            open = true;
        } else {
            const T below = static_cast<T>(watched_.closed_below[node]);
            int n_open = 0, n_nearly = 0;
            for (Size tile = 0; tile < sweep.n_tiles; ++tile) {
                const int valid = sweep.valid(tile);
                if (from_value) {
                    const T* y = sweep.y.data() + tile * sweep.y_stride + at * lanes;
                    for (int l = 0; l < valid; ++l) n_open += y[l] > T(0);
                } else {
                    const T* gate = gate_.data() + tile * sweep.d_stride + at * lanes;
                    for (int l = 0; l < valid; ++l) {
                        n_open += gate[l] != T(0);
                        n_nearly += (gate[l] != T(0)) & (std::abs(gate[l]) < below);
                    }
                }
            }
            open |= n_open > 0;
            n_closed = sweep.samples - n_open + n_nearly;
        }
        if (open) {
            watched_.opened[node] = 1;
            watched_.last_open[node] = static_cast<std::int64_t>(seen[0]);
            watched_.step_of[node] = step;
        }
        double& share = watched_.closed[node];
        const double now = static_cast<double>(n_closed) / count;
        share = std::isnan(share) ? now : share + lately * (now - share);
        if (!watched_.hidden[node]) continue;
        ++hidden;
        closed += share;
        if (seen[0] - static_cast<double>(watched_.last_open[node]) >= watched_.dead_after)
            ++dead;
        else
            saturated += watched_.squashing[node] && share >= watched_.saturated_from;
    }
    row[static_cast<int>(Column::open)] = hidden > 0 ? 1 - closed / hidden : NONE;
    row[static_cast<int>(Column::dead)] = dead;
    row[static_cast<int>(Column::saturated)] = saturated;
}

// ---- how the gradient differs between samples ----

template <class T>
void Look<T>::gradient(const Parameters<T>& p, const TrainingData<T>& data, Size place, Size count, Loss loss,
                       T parameter) {
    const Size* sample = data.order + place;
    expect_sums();
    sweep.hold(count);
    sweep.run(
        p, true, true, &ALL, sweep.s.can_overwrite,
        [&](Size tile, int) { sweep.read(tile, data, sample); },
        [&](Size tile, int) { sweep.loss_of_tile(tile, loss, parameter, sample, data.label, data.sample_weight); });
}

// The mean over n samples has |G|² + tr Σ/n for its expected square: so of two means, one of few and one of many,
// unbiased (McCandlish et al. 2018, appendix A). Samples of unlike weights count as (Σw)²/Σw² of like ones.
template <class T>
void Look<T>::hear(double square_of_few, double few, double square_of_many, double many) {
    const double noise = (square_of_few - square_of_many) / (1 / few - 1 / many);
    const double signal = (many * square_of_many - few * square_of_few) / (many - few);
    double* seen = watched_.seen;
    const double share = std::isnan(seen[1]) ? 1.0 : std::min(1.0, few / watched_.lately);
    seen[1] = share == 1 ? noise : seen[1] + share * (noise - seen[1]);
    seen[2] = share == 1 ? signal : seen[2] + share * (signal - seen[2]);
}

// ---- what the step changes ----

template <class T>
void Look<T>::before(const T* parameter, Size n) {
    if (!before_) before_ = Buffer<T>(n);
    share_out_pieces(threads_, n, PIECE,
                     [&](Size begin, Size end, int) { std::copy(parameter + begin, parameter + end, before_.data() + begin); });
}

template <class T>
void Look<T>::after(const T* parameter, const Index* slot_parameter, double* row) {
    row[static_cast<int>(Column::noise)] = watched_.seen[1];
    row[static_cast<int>(Column::signal)] = watched_.seen[2];
    std::vector<double> sums(2 * pieces_.size());
    const auto sum = [&](Size k) {
        const Size begin = pieces_[k].begin, count = pieces_[k].end - begin;
        T old[AT_ONCE], difference[AT_ONCE];
        if (slot_parameter) {
            for (Size l = 0; l < count; ++l) {
                const Index place = slot_parameter[begin + l];
                old[l] = before_[place];
                difference[l] = parameter[place] - old[l];
            }
        } else {
            for (Size l = 0; l < count; ++l) {
                old[l] = before_[begin + l];
                difference[l] = parameter[begin + l] - old[l];
            }
        }
        if (leads_on_)
            for (Size l = 0; l < count; ++l) {
                old[l] *= leads_on_[begin + l];
                difference[l] *= leads_on_[begin + l];
            }
        sums[2 * k] = sweep.kernels.sum_of_squares(difference, count);
        sums[2 * k + 1] = sweep.kernels.sum_of_squares(old, count);
    };
    share_out_pieces(most_threads_, static_cast<Size>(pieces_.size()), PIECE / AT_ONCE, [&](Size begin, Size end, int) {
        for (Size k = begin; k < end; ++k) sum(k);
    });
    double* changed = row + static_cast<int>(Column::count) + 3 * watched_.n_levels;
    double* were = changed + watched_.n_levels - 1;
    std::fill_n(changed, 2 * (watched_.n_levels - 1), 0.0);
    for (std::size_t k = 0; k < pieces_.size(); ++k) {
        changed[pieces_[k].level - 1] += sums[2 * k];
        were[pieces_[k].level - 1] += sums[2 * k + 1];
    }
}

template <class T>
void Look<T>::changed(const T* old, const T* now, double* row) {
    for (Size slot = static_cast<Size>(edge_.size()); slot < sweep.n_slots(); ++slot) edge_.push_back(sweep.s.edge_of(slot));
    before(old, sweep.s.n_edges);
    after(now, edge_.data(), row);
}

template class Look<float>;
template class Look<double>;

}  // namespace edgewise
