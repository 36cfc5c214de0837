// A random order, drawn with one multiplication an item: a training step of a small network takes two microseconds, and
// NumPy's exact draws, of which some are thrown away, would be a tenth of it.
#pragma once

#include <cstdint>
#include <utility>

#include "network_view.hpp"

namespace edgewise {

// Durstenfeld 1964; random[k] is uniform among 32-bit numbers, which favours no place by more than n / 2^32.
inline void shuffle(std::int64_t* item, const std::uint32_t* random, Size n) {
    for (Size k = n - 1; k > 0; --k) {
        const auto other = static_cast<Size>(static_cast<std::uint64_t>(random[k]) * static_cast<std::uint64_t>(k + 1) >> 32);
        std::swap(item[k], item[other]);
    }
}

}  // namespace edgewise
