#include "parameters.hpp"

#include <algorithm>

#include "threads.hpp"

namespace edgewise {

template <class T>
OwnParameters<T> make_parameters(const Structure& s, const T* bias, const T* response) {
    OwnParameters<T> own;
    const PlanView& plan = s.plan;
    own.bias = Buffer<T>(plan.n_nodes);
    own.factor = Buffer<T>(plan.n_nodes);
    own.plain = true;
    for (Index row = 0; row < plan.n_nodes; ++row) {
        own.bias[row] = bias[s.node[row]];
        const bool mean = plan.aggregation[row] == static_cast<std::uint8_t>(Aggregation::mean) && plan.count[row] > 0;
        own.factor[row] = mean ? response[s.node[row]] / static_cast<T>(plan.count[row]) : response[s.node[row]];
        own.plain &= own.factor[row] == T(1) || plan.is_input[row];
    }
    own.in_weight = Buffer<T>(plan.n_arcs);
    own.out_weight = Buffer<T>(plan.n_arcs);
    own.block_weight = Buffer<T>(plan.n_block_arcs);
    if (!own.plain) own.scaled_blocks = Buffer<T>(plan.n_block_arcs);
    return own;
}

template <class T>
void lay_out_weights(const Structure& s, const T* weight, OwnParameters<T>& own, int n_threads) {
    const PlanView& plan = s.plan;
    share_out_pieces(n_threads, plan.n_arcs, PIECE, [&](Size begin, Size end, int) {
        if (s.first_in_edge >= 0)
            std::copy(weight + s.first_in_edge + begin, weight + s.first_in_edge + end, own.in_weight.data() + begin);
        else
            for (Size a = begin; a < end; ++a) own.in_weight[a] = weight[s.in_edge[a]];
        for (Size a = begin; a < end; ++a) own.out_weight[a] = weight[s.out_edge[a]];
        for (Size a = begin; !own.plain && a < end; ++a)
            if (plan.out_row[a] < plan.n_nodes) own.out_weight[a] *= own.factor[plan.out_row[a]];
    });
    for (Index b = 0; b < plan.n_blocks; ++b) {
        const Block& block = plan.blocks[b];
        const Index* edge = s.block_edge + block.slot;
        T* to = own.block_weight.data() + block.slot;
        T* scaled = own.plain ? nullptr : own.scaled_blocks.data() + block.slot;
        share_out_pieces(n_threads, static_cast<Size>(block.n_heads) * block.n_tails, PIECE, [&](Size begin, Size end, int) {
            if (block.first_edge >= 0)
                std::copy(weight + block.first_edge + begin, weight + block.first_edge + end, to + begin);
            else
                for (Size k = begin; k < end; ++k) to[k] = weight[edge[k]];
            for (Size k = begin; scaled && k < end; ++k) scaled[k] = to[k] * own.factor[block.head + k / block.n_tails];
        });
    }
}

template OwnParameters<float> make_parameters(const Structure&, const float*, const float*);
template OwnParameters<double> make_parameters(const Structure&, const double*, const double*);
template void lay_out_weights(const Structure&, const float*, OwnParameters<float>&, int);
template void lay_out_weights(const Structure&, const double*, OwnParameters<double>&, int);

}  // namespace edgewise
