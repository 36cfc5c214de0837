#include "look.hpp"

#include <cmath>

namespace edgewise {

namespace {

// Σ of a[k]·b[k], or of a[k] if there is no b: in several sums at once, so that none waits for the last.
template <class T>
double sum(const T* a, const T* b, Size n) {
    constexpr Size AT_ONCE = 8;
    double sums[AT_ONCE] = {};
    Size k = 0;
    for (; k + AT_ONCE <= n; k += AT_ONCE)
        for (Size l = 0; l < AT_ONCE; ++l) sums[l] += b ? double(a[k + l]) * double(b[k + l]) : double(a[k + l]);
    for (; k < n; ++k) sums[0] += b ? double(a[k]) * double(b[k]) : double(a[k]);
    double all = 0;
    for (double one : sums) all += one;
    return all;
}

constexpr double NONE = std::numeric_limits<double>::quiet_NaN();

}  // namespace

Size Watched::wanted(Size step_size, Size every) const {
    const Size share = samples ? samples : std::max(few, step_size / (every < often ? 8 : 4));
    return std::min(share, step_size);
}

template <class T>
Look<T>::Look(const Structure& s, const Watched& watched, Size most_samples, int threads)
    : sweep(s, kernels<T>(), most_samples, threads), watched_(watched), threads_(threads), level_(s.plan.n_nodes),
      width_(watched.n_levels), out_square_(s.plan.n_arcs), block_square_(s.plan.n_block_arcs) {
    for (Index row = 0; row < s.plan.n_nodes; ++row) {
        level_[row] = watched.level[s.node[row]];
        if (level_[row] >= 0) ++width_[level_[row]];
    }
    sweep.expect_loss();
    sweep.expect_gates();
    sensitivity_ = Buffer<T>(times(sweep.shape.n_tiles, sweep.d_stride));
    if (s.keeps_gates) gate_ = Buffer<T>(sensitivity_.size());
    list_runs();
}

template <class T>
void Look<T>::add_run(Size begin, Size end, Index level) {
    if (level < 1 || begin == end) return;
    if (!runs_.empty() && runs_.back().end == begin && runs_.back().level == level)
        runs_.back().end = end;
    else
        runs_.push_back({begin, end, level});
}

template <class T>
void Look<T>::list_runs() {
    const PlanView& plan = sweep.s.plan;
    for (Index row = 0; row < plan.n_nodes; ++row)
        for (Index a = plan.out_start[row]; a < plan.out_start[row + 1]; ++a)
            if (level_[plan.out_row[a]] >= 0) add_run(a, a + 1, level_[row]);
    for (Index b = 0; b < plan.n_blocks; ++b) {
        const Block& block = plan.blocks[b];
        Size slot = plan.n_arcs + block.slot;
        for (Index h = 0; h < block.n_heads; ++h)
            for (Index t = 0; t < block.n_tails; ++t, ++slot)
                if (level_[block.head + h] >= 0) add_run(slot, slot + 1, level_[block.tail + t]);
    }
}

// ---- the passes ----

template <class T>
void Look<T>::passes(const Parameters<T>& p, const TrainingData<T>& data, Size place, Size count, Loss loss, T parameter,
                     Size step, double* row) {
    const Structure& s = sweep.s;
    const Size* sample = data.order + place;
    const Backward back{true, true, false, false};
    const auto tile_of = [&](Buffer<T>& rows, Size tile) { return rows.data() + tile * sweep.d_stride; };
    sweep.hold(count);
    sweep.sensitivity = sensitivity_.data();
    sweep.run(
        p, true, true, &back, false,
        [&](Size tile, int) {
            sweep.read_inputs(tile, data.x, sample);
            if (data.y) sweep.read_seeds(tile, data.y, sample);
        },
        [&](Size tile, int) {
            sweep.loss_of_tile(tile, loss, parameter, sample, data.label, data.sample_weight);
            if (gate_) std::copy_n(tile_of(sweep.d, tile), sweep.d_stride, tile_of(gate_, tile));
        });
    row[static_cast<int>(Column::step)] = static_cast<double>(step);
    row[static_cast<int>(Column::place)] = static_cast<double>(place);
    row[static_cast<int>(Column::samples)] = static_cast<double>(count);
    double* sizes = row + static_cast<int>(Column::count);
    levels(sensitivity_.data(), false, sizes + 2 * watched_.n_levels);
    follow(step, row);

    // what it starts from, weights and gates as squares; then gates as if they were open, of which a ReLU's is read off
    // the value
    square(p);
    Parameters<T> squared = p;
    squared.out_weight = out_square_.data();
    squared.block_weight = squared.block_passed = block_square_.data();
    for (const bool open : {false, true}) {
        sweep.run(
            squared, false, false, &back, false,
            [&](Size tile, int) {
                T* seed = sweep.seed.data() + tile * sweep.seed_stride();
                for (Size k = 0; !open && k < sweep.seed_stride(); ++k) seed[k] *= seed[k];
                if (open) std::fill_n(sweep.y.data() + tile * sweep.y_stride, sweep.y_stride, T(1));
                if (!s.keeps_gates) return;
                const T* gate = tile_of(gate_, tile);
                T* to = tile_of(sweep.d, tile);
                for (Size k = 0; k < sweep.d_stride; ++k) to[k] = open ? T(1) : gate[k] * gate[k];
            },
            [](Size, int) {});
        levels(sensitivity_.data(), true, sizes + (open ? 0 : watched_.n_levels));
    }
    sweep.sensitivity = nullptr;
}

template <class T>
void Look<T>::square(const Parameters<T>& p) {
    const auto squares = [&](const T* from, Buffer<T>& to) {
        share_out_pieces(threads_, static_cast<Size>(to.size()), PIECE, [&](Size begin, Size end, int) {
            for (Size k = begin; k < end; ++k) to[k] = from[k] * from[k];
        });
    };
    squares(p.out_weight, out_square_);
    squares(p.block_passed, block_square_);
}

// Roots of the means over each level's nodes and all samples, of squares or of the squares of numbers.
template <class T>
void Look<T>::levels(const T* rows, bool squared, double* sizes) const {
    const Size lanes = sweep.shape.lanes;
    std::fill_n(sizes, watched_.n_levels, 0.0);
    for (Size tile = 0; tile < sweep.n_tiles; ++tile)
        for (Index row = 0; row < sweep.s.plan.n_nodes; ++row) {
            if (level_[row] < 0) continue;
            const T* own = rows + tile * sweep.d_stride + row * lanes;
            sizes[level_[row]] += sum(own, squared ? nullptr : own, sweep.valid(tile));
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
            const double below = watched_.closed_below[node];
            for (Size tile = 0; tile < sweep.n_tiles; ++tile) {
                const T* own = (from_value ? sweep.y.data() + tile * sweep.y_stride
                                           : gate_.data() + tile * sweep.d_stride) + at * lanes;
                for (int l = 0, valid = sweep.valid(tile); l < valid; ++l) {
                    const bool nothing = from_value ? !(own[l] > T(0)) : own[l] == T(0);
                    open |= !nothing;
                    n_closed += nothing || (!from_value && std::abs(double(own[l])) < below);
                }
            }
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
void Look<T>::half(const Parameters<T>& p, const TrainingData<T>& data, Size place, Size count, Loss loss, T parameter) {
    const Size* sample = data.order + place;
    const Backward all{true, true, true, true};
    sweep.expect_gradients();
    sweep.expect_biases();
    sweep.hold(count);
    sweep.run(
        p, true, true, &all, sweep.s.can_overwrite,
        [&](Size tile, int) {
            sweep.read_inputs(tile, data.x, sample);
            if (data.y) sweep.read_seeds(tile, data.y, sample);
        },
        [&](Size tile, int) { sweep.loss_of_tile(tile, loss, parameter, sample, data.label, data.sample_weight); });
}

template <class T>
void Look<T>::heard(int which, const T* gradient, Size n, double weight) {
    if (!gradient_[which]) gradient_[which] = Buffer<T>(n);
    const T share = static_cast<T>(1 / weight);
    for (Size k = 0; k < n; ++k) gradient_[which][k] = gradient[k] * share;
}

// tr Σ and |G|², unbiased, from the gradients of both halves.
template <class T>
void Look<T>::compare(Size samples) {
    const Size n = gradient_[0].size();
    const T *one = gradient_[0].data(), *other = gradient_[1].data();
    const double signal = sum(one, other, n), sizes = sum(one, one, n) + sum(other, other, n);
    const double noise = static_cast<double>(samples) * (sizes - 2 * signal) / 2;
    double* seen = watched_.seen;
    const double share = std::isnan(seen[1]) ? 1.0 : std::min(1.0, 2 * static_cast<double>(samples) / watched_.lately);
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
    double* changed = row + static_cast<int>(Column::count) + 3 * watched_.n_levels;
    double* were = changed + watched_.n_levels - 1;
    std::fill_n(changed, 2 * (watched_.n_levels - 1), 0.0);
    const auto add = [&](double* to) {
        for (const Run& run : runs_) {
            double squares = 0;
            for (Size k = run.begin; slot_parameter && k < run.end; ++k) {
                const double one = before_[slot_parameter[k]];
                squares += one * one;
            }
            for (Size k = run.begin; !slot_parameter && k < run.end; k += PIECE)
                squares += sweep.kernels.sum_of_squares(before_.data() + k, std::min(PIECE, run.end - k));
            to[run.level - 1] += squares;
        }
    };
    add(were);
    share_out_pieces(threads_, static_cast<Size>(before_.size()), PIECE, [&](Size begin, Size end, int) {
        for (Size k = begin; k < end; ++k) before_[k] = parameter[k] - before_[k];
    });
    add(changed);
}

template class Look<float>;
template class Look<double>;

}  // namespace edgewise
