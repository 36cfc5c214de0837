// A random order that a few numbers decide, such as a seed and an epoch: nothing is drawn in turn, so any epoch's order
// can be had by itself. A training step of a small network takes two microseconds, of which NumPy's generators, made
// anew for each epoch, would be a tenth.
#pragma once

#include <cstdint>
#include <utility>

#include "network_view.hpp"

namespace edgewise {

// SplitMix64 (Steele, Lea & Flood 2014).
inline std::uint64_t mixed64(std::uint64_t x) {
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
    x = (x ^ x >> 27) * 0x94D049BB133111EBu;
    return x ^ x >> 31;
}

// Durstenfeld 1964. No place is favoured by more than n / 2^32.
inline void shuffle(std::int64_t* item, Size n, std::uint64_t seed, std::uint64_t epoch, std::uint64_t part) {
    constexpr std::uint64_t STEP = 0x9E3779B97F4A7C15u;
    std::uint64_t state = mixed64(mixed64(mixed64(seed + STEP) + epoch + STEP) + part + STEP);
    for (Size k = n - 1; k > 0; --k) {
        const std::uint64_t drawn = mixed64(state += STEP) >> 32;
        std::swap(item[k], item[drawn * static_cast<std::uint64_t>(k + 1) >> 32]);
    }
}

}  // namespace edgewise
