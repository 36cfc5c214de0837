// Across lanes: sums of whole registers, and transposition.
#pragma once

#include <utility>

#include "vector.hpp"

namespace edgewise::EDGEWISE_ISA {

template <class T>
using LaneNumbers = std::make_integer_sequence<int, WIDTH<T>>;

// Lane l of the result is a[l] + a[l ^ H] where bit H of l is 0, b[l] + b[l ^ H] where it is 1.
template <int H, class T, int... L>
EDGEWISE_INLINE Vector<T> add_pairs(Vector<T> a, Vector<T> b, std::integer_sequence<int, L...>) {
    constexpr int W = WIDTH<T>;
    return __builtin_shufflevector(a, b, ((L & H) ? W + L : L)...) +
           __builtin_shufflevector(a, b, ((L & H) ? W + (L ^ H) : (L ^ H))...);
}

// From W registers to one: lane l holds the sum of the lanes of v[l]. Each step halves how many there are. The sum of
// a register is added up in the same order in whichever place it stands.
template <class T>
EDGEWISE_INLINE Vector<T> sums_of(const Vector<T>* v) {
    constexpr int W = WIDTH<T>;
    Vector<T> half[W / 2];
    for (int i = 0; i < W / 2; ++i) half[i] = add_pairs<W / 2, T>(v[i], v[i + W / 2], LaneNumbers<T>{});
    if constexpr (W >= 16)
        for (int i = 0; i < 4; ++i) half[i] = add_pairs<4, T>(half[i], half[i + 4], LaneNumbers<T>{});
    if constexpr (W >= 8)
        for (int i = 0; i < 2; ++i) half[i] = add_pairs<2, T>(half[i], half[i + 2], LaneNumbers<T>{});
    if constexpr (W >= 4) half[0] = add_pairs<1, T>(half[0], half[1], LaneNumbers<T>{});
    return half[0];
}

template <class T>
EDGEWISE_INLINE T sum_of(Vector<T> v) {
    Vector<T> all[WIDTH<T>] = {};
    all[0] = v;
    return sums_of<T>(all)[0];
}

template <int H, class T, int... L>
EDGEWISE_INLINE void exchange(Vector<T>& a, Vector<T>& b, std::integer_sequence<int, L...>) {
    constexpr int W = WIDTH<T>;
    const Vector<T> upper = __builtin_shufflevector(a, b, ((L & H) ? W + (L ^ H) : L)...);
    const Vector<T> lower = __builtin_shufflevector(a, b, ((L & H) ? W + L : (L ^ H))...);
    a = upper;
    b = lower;
}

// W registers as a square: row i, lane l becomes row l, lane i.
template <class T, int H = WIDTH<T> / 2>
EDGEWISE_INLINE void transpose(Vector<T>* v) {
    for (int i = 0; i < WIDTH<T>; ++i)
        if (!(i & H)) exchange<H, T>(v[i], v[i + H], LaneNumbers<T>{});
    if constexpr (H > 1) transpose<T, H / 2>(v);
}

}  // namespace edgewise::EDGEWISE_ISA
