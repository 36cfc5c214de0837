// Node dropout (Srivastava et al. 2014): a value and its gate are set to 0 with probability p, else divided by 1 - p.
// Which, follows from the minibatch's key, the sample and the row alone; edgewise/dropout.py computes the same.
#pragma once

#include "network_view.hpp"
#include "vector.hpp"

namespace edgewise::EDGEWISE_ISA {

// One row of one tile, whose samples are first, first + 1, ... of the minibatch.
template <class T>
inline void drop_row(const Dropout<T>& dropout, Index row, T* values, int vectors) {
    const Size lanes = vectors * WIDTH<T>;
    const std::uint32_t of_row = static_cast<std::uint32_t>(row) * 0x85EBCA6Bu ^ dropout.key;
    for (Size l = 0; l < lanes; ++l) {
        const auto drawn = mixed(mixed(of_row) + static_cast<std::uint32_t>(dropout.first + l));
        values[l] = drawn < dropout.threshold ? T(0) : values[l] * dropout.scale;
    }
}

}  // namespace edgewise::EDGEWISE_ISA
