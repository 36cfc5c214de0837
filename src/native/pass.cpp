#include "pass.hpp"

#include <algorithm>
#include <numeric>
#include <stdexcept>

namespace edgewise {

namespace {

constexpr Size FEW_NUMBERS = Size(1) << 15;  // that are read sooner than another thread is woken

}  // namespace

template <class T>
Pass<T>::Pass(const Structure& s, std::shared_ptr<const OwnParameters<T>> parameters, const T* x, Size samples,
              bool gates, int threads)
    : parameters_(std::move(parameters)),
      sweep_(s, kernels<T>(), samples, threads), threads_(threads), gates_(gates) {
    read_tiles(s.n_inputs, [&](Size tile) { sweep_.read_inputs(tile, x, nullptr); });
}

// read(tile) for all of them, each with so many numbers a sample.
template <class T>
template <class Read>
void Pass<T>::read_tiles(Index numbers, const Read& read) {
    if (samples() * numbers < FEW_NUMBERS)
        for (Size tile = 0; tile < sweep_.n_tiles; ++tile) read(tile);
    else
        sweep_.each_tile([&](Size tile, int) { read(tile); });
}

template <class T>
Pass<T>::Pass(Pass& narrow, Size n_targets)
    : parameters_(narrow.parameters_),
      sweep_(narrow.sweep_.s, narrow.sweep_.kernels, static_cast<Size>(times(narrow.samples(), n_targets)),
             narrow.threads_),
      threads_(narrow.threads_), gates_(true), source_(&narrow) {
    narrow.require_gates();
    {
        const std::lock_guard<std::recursive_mutex> lock(narrow.asked_);
        narrow.require_values();
    }
    const PlanView& plan = sweep_.s.plan;
    bool values = plan.n_extra > 0;  // whether the recursion itself reads them
    for (Index row = 0; row < plan.n_nodes; ++row) {
        const auto activation = static_cast<Activation>(plan.activation[row]);
        if (plan.is_input[row]) continue;
        if (!gate_from_value(activation)) gate_rows_.push_back(row);
        values |= activation == Activation::relu;
    }
    if (values) require_values();
}

// Rows of the narrow pass to each target's samples, of one tile.
template <class T>
void Pass<T>::take_over(Size tile, const Buffer<T>& source, Size from_stride, const std::vector<Index>& rows, T* target) {
    const Sweep<T>& from = source_->sweep_;
    const int lanes = sweep_.shape.lanes, from_lanes = from.shape.lanes, width = sweep_.kernels.width;
    const auto at = [&](Size sample) { return source.data() + sample / from_lanes * from_stride + sample % from_lanes; };
    for (int first = 0; first < lanes; first += width) {
        const Size sample = tile * lanes + first, wanted = sample % from.samples;
        T* to = target + first;
        if (sample + width <= sweep_.samples && wanted % width == 0 && wanted + width <= from.samples) {
            sweep_.kernels.copy_register(at(wanted), from_lanes, rows.data(), static_cast<Index>(rows.size()), to, lanes);
            continue;
        }
        for (int l = 0; l < width; ++l) {
            const T* own = at(std::min(sample + l, sweep_.samples - 1) % from.samples);
            for (const Index row : rows) to[row * lanes + l] = own[row * from_lanes];
        }
    }
}

template <class T>
void Pass<T>::take_gates(Size tile, T* target) {
    take_over(tile, source_->sweep_.d, source_->sweep_.d_stride, gate_rows_, target);
}

// ---- what backward starts from ----

template <class T>
void Pass<T>::start_from_loss(Loss loss, T parameter, const T* y, const Size* label, const T* sample_weight) {
    require_gates();
    sweep_.expect_loss();
    loss_ = loss;
    loss_parameter_ = parameter;
    if (y) read_tiles(sweep_.n_seeds, [&](Size tile) { sweep_.read_seeds(tile, y, nullptr); });
    if (label) label_.assign(label, label + samples());
    if (sample_weight) sample_weight_.assign(sample_weight, sample_weight + samples());
}

template <class T>
void Pass<T>::start_from(const T* seed, Index n_seeds, const Index* seed_row) {
    require_gates();
    seed_row_.assign(seed_row, seed_row + sweep_.s.plan.n_nodes);
    sweep_.expect_seeds(n_seeds, seed_row_.data());
    read_tiles(n_seeds, [&](Size tile) { sweep_.read_sensitivities(tile, seed); });
}

template <class T>
void Pass<T>::square(bool open) {
    require_gates();
    if (began_backward() || source_ || squared_) throw std::invalid_argument("the backward pass has begun");
    const PlanView& plan = sweep_.s.plan;
    if (!open || plan.n_extra > 0) require_values();
    sweep_.expect_gates();
    const Size lanes = sweep_.shape.lanes;
    sweep_.each_tile([&](Size tile, int) {
        const T* value = sweep_.y.data() + tile * sweep_.y_stride;
        T* gate = sweep_.d.data() + tile * sweep_.d_stride;
        for (Index row = 0; row < plan.n_nodes; ++row, value += lanes, gate += lanes) {
            const auto activation = static_cast<Activation>(plan.activation[row]);
            if (plan.is_input[row] || activation == Activation::identity) continue;
            square_gates(activation, open, value, gate, lanes, gate);
        }
    });
    has_values_ = true;
    squared_.emplace(sweep_.s);
    squared_view_ = squared_->of(parameters_->view(), sweep_.n_threads);
}

template <class T>
void Pass<T>::require_gates() const {
    if (!gates_) throw std::invalid_argument("the pass has no gates: it was made for values alone");
}

// ---- running ----

template <class T>
void Pass<T>::require_values() {
    if (sweep_.overwritten) {  // forward once more
        sweep_.part_values();
        sweep_.run(view(), true, false, nullptr, false, [](Size, int) {}, [](Size, int) {});
        has_values_ = true;
    }
    if (source_ && !has_values_) {
        std::vector<Index> every(sweep_.s.plan.n_nodes);
        std::iota(every.begin(), every.end(), 0);
        sweep_.each_tile([&](Size tile, int) {
            take_over(tile, source_->sweep_.y, source_->sweep_.y_stride, every, sweep_.y.data() + tile * sweep_.y_stride);
        });
        has_values_ = true;
    }
    run(false, {});
}

// What of this has not been done yet, and the values if these have not.
template <class T>
void Pass<T>::run(bool loss, const Backward& what, bool straight) {
    if ((loss || what.sensitivities) && !sweep_.seed_row)
        throw std::invalid_argument("the backward pass has nothing to start from");
    if (source_ && what.gradients) require_values();
    const bool values = !has_values_ && !source_ && !sweep_.overwritten;
    loss = loss && loss_ && !has_loss_;
    const Backward missing{what.sensitivities && !has_.sensitivities, what.gated, what.gradients && !has_.gradients,
                           what.biases && !has_.biases};
    const bool backward = missing.sensitivities || missing.gradients || missing.biases;
    if (!values && !loss && !backward) return;
    // who asks for gradients first seldom asks for much else
    const bool over = sweep_.s.can_overwrite && !source_ && missing.gradients && missing.sensitivities;
    const bool few_outputs = Size(16) * sweep_.s.n_outputs <= sweep_.s.n_edges;  // which are then worth a place of their own
    if (over && few_outputs && !output_) output_ = Buffer<T>(times(sweep_.samples, sweep_.s.n_outputs));
    if (missing.gradients && !straight) sweep_.expect_gradients();
    if (missing.biases) sweep_.expect_biases();
    sweep_.run(
        view(), values, gates_, backward ? &missing : nullptr, over, [&](Size tile, int) {
            if (source_ && missing.sensitivities) take_gates(tile, sweep_.d.data() + tile * sweep_.d_stride);
        },
        [&](Size tile, int) {
            if (loss)
                sweep_.loss_of_tile(tile, *loss_, loss_parameter_, nullptr, label_.empty() ? nullptr : label_.data(),
                                    sample_weight_.empty() ? nullptr : sample_weight_.data());
            if (over && output_) sweep_.write_outputs(tile, output_.data());
        });
    has_values_ = (has_values_ || values) && !over;
    has_loss_ |= loss;
    has_.sensitivities |= missing.sensitivities;
    has_.gradients |= missing.gradients && !straight;
    has_.biases |= missing.biases;
}

// ---- a number for each sample and node ----

// Fills a temporary tile with rows 0 .. r1 - 1 by fill(tile, temporary, first row, last row, member), then copies its
// rows from[k] to out[sample·out_row + k]. One temporary a thread, or one for all where they share a tile's rows.
template <class T>
template <class Fill>
void Pass<T>::make_rows(Index r1, const Fill& fill, const Index* from, Index n, T* out, Size out_row) {
    const Size lanes = sweep_.shape.lanes;
    const int width = sweep_.kernels.width, vectors = sweep_.shape.vectors;
    Buffer<T> temporary(times(sweep_.d_stride, by_tile() ? sweep_.n_threads : 1));
    const auto copy = [&](Size tile, const T* rows, Size v0, Size v1) {
        const int first = static_cast<int>(v0) * width, last = std::min<int>(static_cast<int>(v1) * width, sweep_.valid(tile));
        if (first < last)
            sweep_.kernels.scatter_samples(rows, vectors, from, n, first, last - first,
                                           out + (tile * lanes + first) * out_row, out_row);
    };
    if (by_tile()) {
        sweep_.each_tile([&](Size tile, int member) {
            T* rows = temporary.data() + member * sweep_.d_stride;
            fill(tile, rows, 0, r1, member);
            copy(tile, rows, 0, vectors);
        });
        return;
    }
    for (Size tile = 0; tile < sweep_.n_tiles; ++tile) {
        share_out_pieces(sweep_.n_threads, r1, 64, [&](Size begin, Size end, int member) {
            fill(tile, temporary.data(), static_cast<Index>(begin), static_cast<Index>(end), member);
        });
        share_out_pieces(sweep_.n_threads, vectors, 1,
                         [&](Size begin, Size end, int) { copy(tile, temporary.data(), begin, end); });
    }
}

template <class T>
void Pass<T>::fill_preactivations(Wanted wanted, Size tile, T* temporary, Index r0, Index r1, int member) {
    const Structure& s = sweep_.s;
    const Size lanes = sweep_.shape.lanes;
    T* values = sweep_.y.data() + tile * sweep_.y_stride;
    sweep_.kernels.forward(s.plan, view(), values, temporary, 0, 0, 1, sweep_.shape.vectors, r0, r1, wanted,
                           sweep_.scratch(member));
    for (Index k = 0; k < s.n_inputs; ++k) {
        const Size at = s.input_row[k] * lanes;
        if (s.input_row[k] < r0 || s.input_row[k] >= r1) continue;
        if (wanted == Wanted::preactivation)
            std::copy_n(values + at, lanes, temporary + at);
        else
            std::fill_n(temporary + at, lanes, wanted == Wanted::gate ? T(1) : T(0));
    }
}

template <class T>
void Pass<T>::fill_sensitivities(Size tile, T* linear, T* temporary, Index r0, Index r1, int member, bool gated) {
    if (r0 >= r1) return;
    sweep_.kernels.backward(sweep_.s.plan, view(), sweep_.y.data() + tile * sweep_.y_stride, linear, linear, temporary, 0,
                            0, 0, 1, sweep_.shape.vectors, sweep_.seed.data() + tile * sweep_.seed_stride(), 0,
                            sweep_.seed_row, r0, r1, Backward{true, gated, false, false}, nullptr, false,
                            sweep_.scratch(member));
}

template <class T>
void Pass<T>::inputs_as_sensitivities(T* out, const Index* from, Index n, Size out_row) {
    make_rows(sweep_.s.level_start[1],  // an input has no in-arcs: all are in the first level
              [&](Size tile, T* rows, Index r0, Index r1, int member) {
                  fill_sensitivities(tile, sweep_.linear(tile), rows, r0, r1, member);
              },
              from, n, out, out_row);
}

template <class T>
void Pass<T>::nodes(Quantity quantity, T* out) {
    const std::lock_guard<std::recursive_mutex> lock(asked_);
    const Structure& s = sweep_.s;
    const Size lanes = sweep_.shape.lanes;
    const Index n = s.plan.n_nodes;
    const bool of_values = quantity == Quantity::value || quantity == Quantity::preactivation || quantity == Quantity::gate;
    if (of_values) require_values();
    if (quantity == Quantity::preactivation || quantity == Quantity::gate) {
        const Wanted wanted = quantity == Quantity::gate ? Wanted::gate : Wanted::preactivation;
        make_rows(n, [&](Size tile, T* rows, Index r0, Index r1, int member) {
            fill_preactivations(wanted, tile, rows, r0, r1, member);
        }, s.row, n, out, n);
        return;
    }
    if (quantity == Quantity::sensitivity) run(true, {});
    if (quantity == Quantity::sensitivity && !has_.sensitivities && by_tile()) {  // the recursion itself passes them by
        // those of several targets are many: S(j⁻,t) is then not kept, for it is seldom asked for too
        Buffer<T> linear(source_ ? times(sweep_.d_stride, sweep_.n_threads) : 0);
        if (!source_) sweep_.expect_gates();
        make_rows(n, [&](Size tile, T* rows, Index r0, Index r1, int member) {
            T* own = source_ ? linear.data() + member * sweep_.d_stride : sweep_.linear(tile);
            if (source_) take_gates(tile, own);
            fill_sensitivities(tile, own, rows, r0, r1, member, true);
        }, s.row, n, out, n);
        has_.sensitivities = !source_;
        return;
    }
    if (!of_values) require_sensitivities();
    if (quantity == Quantity::sensitivity) {
        make_rows(n, [&](Size tile, T* rows, Index r0, Index r1, int member) {
            fill_sensitivities(tile, sweep_.linear(tile), rows, r0, r1, member);
        }, s.row, n, out, n);
        return;
    }
    const bool value = quantity == Quantity::value;
    const T* from = value ? sweep_.y.data() : sweep_.linear();
    const Size stride = value ? sweep_.y_stride : sweep_.d_stride;
    const Size width = sweep_.kernels.width;
    share_out(sweep_.n_threads, (sweep_.samples + width - 1) / width, [&](Size piece, int) {
        const Size sample = piece * width, tile = sample / lanes;
        sweep_.kernels.scatter_samples(from + tile * stride, sweep_.shape.vectors, s.row, n,
                                       static_cast<int>(sample % lanes),
                                       static_cast<int>(std::min(width, sweep_.samples - sample)), out + sample * n, n);
    });
    if (value || !s.n_inputs) return;
    Buffer<T> inputs(times(sweep_.samples, s.n_inputs));
    inputs_as_sensitivities(inputs.data(), s.input_row, s.n_inputs, s.n_inputs);
    for (Size sample = 0; sample < sweep_.samples; ++sample)
        for (Index k = 0; k < s.n_inputs; ++k)
            out[sample * n + s.node[s.input_row[k]]] = inputs[sample * s.n_inputs + k];
}

template <class T>
void Pass<T>::output(T* out) {
    const std::lock_guard<std::recursive_mutex> lock(asked_);
    if (output_) {
        std::copy_n(output_.data(), output_.size(), out);
        return;
    }
    require_values();
    for (Size tile = 0; tile < sweep_.n_tiles; ++tile) sweep_.write_outputs(tile, out);
}

template <class T>
void Pass<T>::input_gradient(T* out) {
    const std::lock_guard<std::recursive_mutex> lock(asked_);
    require_sensitivities();
    const Structure& s = sweep_.s;
    if (s.n_inputs) inputs_as_sensitivities(out, s.input_row, s.n_inputs, s.n_inputs);
}

template <class T>
void Pass<T>::loss_per_sample(T* out) {
    const std::lock_guard<std::recursive_mutex> lock(asked_);
    if (!loss_) throw std::invalid_argument("the pass does not start from a loss");
    run(true, {});
    std::copy_n(sweep_.loss.data(), sweep_.samples, out);
}

// ---- gradients of parameters ----

template <class T>
void Pass<T>::weight_gradient(T divisor, T* out) {
    const std::lock_guard<std::recursive_mutex> lock(asked_);
    const Structure& s = sweep_.s;
    const T factor = s.tie ? T(1) : 1 / divisor;
    const bool straight = sweep_.can_go_straight(*parameters_);
    if (straight) sweep_.send_straight(factor, out);
    run(true, {true, true, true, true}, straight);
    sweep_.collect_weights(*parameters_, factor, out);
    if (s.tie) {
        std::vector<T> sum(s.n_parameters, T(0));
        for (Index e = 0; e < s.n_edges; ++e) sum[s.tie[e]] += out[e];
        for (Index e = 0; e < s.n_edges; ++e) out[e] = sum[s.tie[e]] * (1 / divisor);
    }
}

template <class T>
void Pass<T>::bias_gradient(T divisor, T* out) {
    const std::lock_guard<std::recursive_mutex> lock(asked_);
    run(true, {true, true, false, true});
    const Structure& s = sweep_.s;
    Buffer<T> by_row(s.plan.n_nodes);
    sweep_.collect_biases(s.bias_tie ? T(1) : 1 / divisor, by_row.data());
    for (Index row = 0; row < s.plan.n_nodes; ++row) out[s.node[row]] = by_row[row];
    if (s.bias_tie) {
        std::vector<T> sum(s.n_biases, T(0));
        for (Index j = 0; j < s.plan.n_nodes; ++j) sum[s.bias_tie[j]] += out[j];
        for (Index j = 0; j < s.plan.n_nodes; ++j) out[j] = sum[s.bias_tie[j]] * (1 / divisor);
    }
}

template <class T>
void Pass<T>::response_gradient(T divisor, T* out) {
    const std::lock_guard<std::recursive_mutex> lock(asked_);
    require_values();
    require_sensitivities();
    const Structure& s = sweep_.s;
    Buffer<T> aggregate(sweep_.d_stride), by_row(s.plan.n_nodes);
    for (Size tile = 0; tile < sweep_.n_tiles; ++tile)
        share_out_pieces(sweep_.n_threads, s.plan.n_nodes, 64, [&](Size begin, Size end, int member) {
            const Index r0 = static_cast<Index>(begin), r1 = static_cast<Index>(end);
            fill_preactivations(Wanted::aggregate, tile, aggregate.data(), r0, r1, member);
            sweep_.kernels.sum_products(sweep_.linear(tile), aggregate.data(),
                                        sweep_.shape.vectors, r0, r1, by_row.data(), tile > 0);
        });
    for (Index row = 0; row < s.plan.n_nodes; ++row)
        out[s.node[row]] = s.plan.is_input[row] ? T(0) : by_row[row] * (1 / divisor);
}

template <class T>
Groups<T> Pass<T>::strongest_absent(const Places& places, T divisor) {
    const std::lock_guard<std::recursive_mutex> lock(asked_);
    require_values();
    require_sensitivities();
    const Rows<T> rows{sweep_.y.data(), sweep_.linear(), sweep_.y_stride, sweep_.d_stride, sweep_.shape.lanes,
                       sweep_.n_tiles};
    return edgewise::strongest_absent(sweep_.s, sweep_.kernels, rows, parameters_->factor.data(), places, divisor,
                                      team_size(threads_));
}

// ---- a number for each sample and edge ----

// Each edge's number is one of its head, S(j⁻,t) or Φ′(s_j) (or the arc's own share of it, where the head does not sum),
// times r_j, times y(i) or w_ij.
template <class T>
void Pass<T>::combine_ends(bool derivative, T* out) {
    const Structure& s = sweep_.s;
    const PlanView& plan = s.plan;
    const Size lanes = sweep_.shape.lanes, n_left = static_cast<Size>(plan.n_nodes) + plan.n_extra;
    const int width = sweep_.kernels.width;
    Buffer<Index> head(s.n_edges), tail(s.n_edges);
    Buffer<T> scale(derivative || !parameters_->plain ? s.n_edges : 0);
    for (Index a = 0; a < plan.n_arcs; ++a) {
        tail[s.in_edge[a]] = plan.in_tail[a];
        head[s.out_edge[a]] = plan.out_row[a];
        if (scale) scale[s.in_edge[a]] = derivative ? view().in_weight[a] : T(1);
    }
    for (Index a = 0; scale && a < plan.n_arcs; ++a)
        if (plan.out_row[a] < plan.n_nodes) scale[s.out_edge[a]] *= parameters_->factor[plan.out_row[a]];
    // Blocks whose edges stand together are outer products; the other edges are runs between these.
    std::vector<const Block*> whole;
    for (Index b = 0; b < plan.n_blocks; ++b) {
        const Block& block = plan.blocks[b];
        if (!scale && block.first_edge >= 0) {
            whole.push_back(&block);
            continue;
        }
        for (Size k = 0; k < static_cast<Size>(block.n_heads) * block.n_tails; ++k) {
            const Index edge = s.block_edge[block.slot + k];
            head[edge] = block.head + static_cast<Index>(k / block.n_tails);
            tail[edge] = block.tail + static_cast<Index>(k % block.n_tails);
            if (scale)
                scale[edge] = parameters_->factor[head[edge]] *
                              (derivative ? view().block_weight[block.slot + k] : T(1));
        }
    }
    std::sort(whole.begin(), whole.end(), [](const Block* a, const Block* b) { return a->first_edge < b->first_edge; });
    Buffer<T> gates(derivative ? sweep_.d_stride : 0);
    Buffer<T> left(times(times(n_left, width), sweep_.n_threads));
    Buffer<T> right(derivative ? 0 : times(times(plan.n_nodes, width), sweep_.n_threads));
    std::vector<Index> every(n_left);
    std::iota(every.begin(), every.end(), 0);
    for (Size tile = 0; tile < sweep_.n_tiles; ++tile) {
        const T* heads = derivative ? nullptr : sweep_.linear(tile);
        const T* values = sweep_.y.data() + tile * sweep_.y_stride;
        if (derivative) {
            fill_preactivations(Wanted::gate, tile, gates.data(), 0, plan.n_nodes, 0);
            sweep_.kernels.share_out_rows(plan, view(), values, gates.data(), sweep_.shape.vectors, sweep_.scratch(0));
            heads = gates.data();
        }
        share_out(sweep_.n_threads, (sweep_.valid(tile) + width - 1) / width, [&](Size piece, int member) {
            T* l = left.data() + member * n_left * width;
            T* r = derivative ? nullptr : right.data() + static_cast<Size>(member) * plan.n_nodes * width;
            const int first = static_cast<int>(piece) * width, count = std::min(width, sweep_.valid(tile) - first);
            sweep_.kernels.scatter_samples(heads, sweep_.shape.vectors, every.data(), static_cast<Index>(n_left), first,
                                           count, l, n_left);
            if (r)
                sweep_.kernels.scatter_samples(values, sweep_.shape.vectors, every.data(), plan.n_nodes, first, count, r,
                                               plan.n_nodes);
            for (Size k = 0; k < count; ++k) {
                const T *of_heads = l + k * n_left, *of_tails = r ? r + k * plan.n_nodes : nullptr;
                T* to = out + (tile * lanes + first + k) * s.n_edges;
                Size begin = 0;
                const auto rest = [&](Size end) {
                    sweep_.kernels.combine_ends(of_heads, head.data() + begin, of_tails, tail.data() + begin,
                                                scale ? scale.data() + begin : nullptr, end - begin, to + begin);
                };
                for (const Block* block : whole) {
                    rest(block->first_edge);
                    sweep_.kernels.outer_product(of_heads + block->head, block->n_heads, of_tails + block->tail,
                                                 block->n_tails, to + block->first_edge);
                    begin = block->first_edge + static_cast<Size>(block->n_heads) * block->n_tails;
                }
                rest(s.n_edges);
            }
        });
    }
}

template <class T>
void Pass<T>::edge_derivative(T* out) {
    const std::lock_guard<std::recursive_mutex> lock(asked_);
    require_values();
    combine_ends(true, out);
}

template <class T>
void Pass<T>::weight_gradient_per_sample(T* out) {
    const std::lock_guard<std::recursive_mutex> lock(asked_);
    require_values();
    require_sensitivities();
    combine_ends(false, out);
}

template class Pass<float>;
template class Pass<double>;

}  // namespace edgewise
