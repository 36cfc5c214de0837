// Parameters as the passes read them: by row, by head, by tail and by block, from the caller's order.
#pragma once

#include "memory.hpp"
#include "structure.hpp"

namespace edgewise {

constexpr Size PIECE = 8192;  // weights, gradients or parameters that are worth sharing out

template <class T>
struct OwnParameters {
    Buffer<T> bias, factor, in_weight, out_weight, block_weight, scaled_blocks;
    bool plain;  // every factor is 1

    Parameters<T> view() const {
        return {bias.data(), factor.data(), in_weight.data(), out_weight.data(), block_weight.data(),
                plain ? block_weight.data() : scaled_blocks.data()};
    }
};

// Room for parameters, with bias and factor by row.
template <class T>
OwnParameters<T> make_parameters(const Structure& s, const T* bias, const T* response);

// Weights in the caller's order, laid out for both passes.
template <class T>
void lay_out_weights(const Structure& s, const T* weight, OwnParameters<T>& own, int n_threads);

}  // namespace edgewise
