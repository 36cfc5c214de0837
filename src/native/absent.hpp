// Arcs that a network could have and has not: those whose weight gradients would be largest, and none of the others.
//
// The gradient of an absent arc (i, j) is r_j·Σ S(j⁻,t)·y(i) over samples, so those of the heads of one rank from the
// tails of another are a product of matrices. It is made a rectangle at a time, and what does not reach the smallest
// number still wanted is forgotten at once.
#pragma once

#include <vector>

#include "kernels.hpp"
#include "structure.hpp"

namespace edgewise {

// Where arcs may go and how many are wanted. Arcs lead from nodes of a pair's first rank to nodes of its second; pairs
// of one group compete for the arcs that are wanted of the group.
struct Places {
    const Index* rank;             // (n_nodes) by node; -1 takes no part
    const std::uint8_t* may_head;  // (n_nodes) by node
    Index n_ranks, n_pairs, n_groups;
    const Index* pair;   // (n_pairs, 2) ranks
    const Index* group;  // (n_pairs)
    const Size* wanted;  // (n_groups)
    // arcs that are there: the rows of the heads of row p are out_row[out_start[p]] .. out_row[out_start[p + 1] - 1]
    const Index *out_start, *out_row;
};

template <class T>
struct AbsentArc {
    T gradient;
    Index head, tail;  // nodes

    // The order in which arcs are wanted, in which no two are equal.
    bool before(const AbsentArc& other) const {
        const T a = gradient < 0 ? -gradient : gradient, b = other.gradient < 0 ? -other.gradient : other.gradient;
        return a != b ? a > b : head != other.head ? head < other.head : tail < other.tail;
    }
};

// Values and S(j⁻,t) of all samples, as a sweep leaves them.
template <class T>
struct Rows {
    const T *y, *d;
    Size y_stride, d_stride, lanes;
    int n_tiles;
};

template <class T>
using Groups = std::vector<std::vector<AbsentArc<T>>>;

// For each group the arcs that come first, as many as are wanted or as there are whose gradient is a number, in order.
template <class T>
Groups<T> strongest_absent(const Structure& s, const Kernels<T>& kernels, const Rows<T>& rows, const T* factor,
                           const Places& places, T divisor, int n_threads);

}  // namespace edgewise
