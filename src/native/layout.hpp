// Between the caller's arrays, a row for each sample, and tiles, a row for each node: squares of numbers transposed.
#pragma once

#include "network_view.hpp"
#include "shuffles.hpp"

namespace edgewise::EDGEWISE_ISA {

// Samples x[sample[l]] (x[l] if sample is null) of `valid` lanes into the tile's rows to[k], k < n; lanes past the
// last valid one repeat it, so that whatever is computed of them is no stranger than the rest.
template <class T>
void gather_samples(const T* x, Size x_row, const Size* sample, int valid, const Index* to, Index n, T* y,
                    int vectors) {
    constexpr int W = WIDTH<T>;
    const Size lanes = vectors * W;
    for (int v = 0; v < vectors; ++v) {
        const T* from[W];
        const auto at = [&](int lane) { return x + (sample ? sample[lane] : lane) * x_row; };
        if ((v + 1) * W <= valid)
            for (int l = 0; l < W; ++l) from[l] = at(v * W + l);
        else
            for (int l = 0; l < W; ++l) from[l] = at(v * W + l < valid ? v * W + l : valid - 1);
        Index k = 0;
        for (; k + W <= n; k += W) {
            Vector<T> square[W];
            for (int l = 0; l < W; ++l) square[l] = load_unaligned(from[l] + k);
            transpose<T>(square);
            for (int i = 0; i < W; ++i) store(y + to[k + i] * lanes + v * W, square[i]);
        }
        for (; k < n; ++k) {
            T* row = y + to[k] * lanes + v * W;
            for (int l = 0; l < W; ++l) row[l] = from[l][k];
        }
    }
}

// The tile's rows from[k], k < n, as out[l·out_row + k] for lanes l of first .. first + count - 1.
template <class T>
void scatter_samples(const T* rows, int vectors, const Index* from, Index n, int first, int count, T* out,
                     Size out_row) {
    constexpr int W = WIDTH<T>;
    const Size lanes = vectors * W;
    for (int v = first / W; v * W < first + count; ++v) {
        const int l0 = first > v * W ? first - v * W : 0;
        const int l1 = first + count < (v + 1) * W ? first + count - v * W : W;
        T* to = out + (static_cast<Size>(v) * W - first) * out_row;
        Index k = 0;
        for (; k + W <= n; k += W) {
            Vector<T> square[W];
            for (int i = 0; i < W; ++i) square[i] = load(rows + from[k + i] * lanes + v * W);
            transpose<T>(square);
            for (int l = l0; l < l1; ++l) store_unaligned(to + l * out_row + k, square[l]);
        }
        for (; k < n; ++k) {
            const T* row = rows + from[k] * lanes + v * W;
            for (int l = l0; l < l1; ++l) to[l * out_row + k] = row[l];
        }
    }
}

// One register of each of n rows.
template <class T>
void copy_register(const T* from, Size from_row, const Index* rows, Index n, T* to, Size to_row) {
    for (Index k = 0; k < n; ++k) store(to + rows[k] * to_row, load(from + rows[k] * from_row));
}

// to[k] = from[index[k]]
template <class T>
void pick(const T* from, const Index* index, Size n, T* to) {
#pragma GCC unroll 8
    for (Size k = 0; k < n; ++k) to[k] = from[index[k]];
}

// Lanes from `valid` on become 0 in n rows: whatever was computed there must not reach a sum over samples.
template <class T>
void clear_padding(T* rows, Size n, int vectors, int valid) {
    constexpr int W = WIDTH<T>;
    const int lanes = vectors * W;
    for (Size row = 0; row < n; ++row)
        for (int l = valid; l < lanes; ++l) rows[row * lanes + l] = T(0);
}

// (+)= Σ over the tile's lanes of each of rows r0 .. r1 - 1.
template <class T>
void sum_lanes(const T* rows, int vectors, Index r0, Index r1, T* sum, bool add) {
    constexpr int W = WIDTH<T>;
    with_vectors(vectors, [&](auto registers) {
        constexpr Size L = registers.value * W;
        const auto sums_from = [&](Index row) {
            Vector<T> total[W];
            for (int i = 0; i < W; ++i) {
                const T* own = rows + (row + i) * L;
                total[i] = load(own);
                for (int v = 1; v < registers.value; ++v) total[i] += load(own + v * W);
            }
            return sums_of<T>(total);
        };
        Index row = r0;
        for (; row + W <= r1; row += W) {
            const Vector<T> sums = sums_from(row);
            store_unaligned(sum + row, add ? load_unaligned(sum + row) + sums : sums);
        }
        for (; row < r1; ++row) {
            Vector<T> total = load(rows + row * L);
            for (int v = 1; v < registers.value; ++v) total += load(rows + row * L + v * W);
            const T found = sum_of<T>(total);
            sum[row] = add ? sum[row] + found : found;
        }
    });
}

// (+)= Σ over the tile's lanes of the product of two rows, for each of rows r0 .. r1 - 1.
template <class T>
void sum_products(const T* a, const T* b, int vectors, Index r0, Index r1, T* sum, bool add) {
    constexpr int W = WIDTH<T>;
    const Size lanes = vectors * W;
    for (Index row = r0; row < r1; ++row) {
        Vector<T> total = {};
        for (int v = 0; v < vectors; ++v) total += load(a + row * lanes + v * W) * load(b + row * lanes + v * W);
        const T found = sum_of<T>(total);
        sum[row] = add ? sum[row] + found : found;
    }
}

// out[e] = left[left_index[e]] · scale[e] · right[right_index[e]]: a number for each edge from one for each node. A null
// `right` stands for ones, a null scale likewise; not both are null.
template <class T>
void combine_ends(const T* left, const Index* left_index, const T* right, const Index* right_index, const T* scale,
                  Size n_edges, T* out) {
    if (right && scale)
        for (Size e = 0; e < n_edges; ++e) out[e] = left[left_index[e]] * scale[e] * right[right_index[e]];
    else if (right)
        for (Size e = 0; e < n_edges; ++e) out[e] = left[left_index[e]] * right[right_index[e]];
    else
        for (Size e = 0; e < n_edges; ++e) out[e] = left[left_index[e]] * scale[e];
}

// out[i·n_b + k] = a[i]·b[k]
template <class T>
void outer_product(const T* a, Index n_a, const T* b, Index n_b, T* out) {
    constexpr int W = WIDTH<T>;
    for (Index i = 0; i < n_a; ++i, out += n_b) {
        const Vector<T> left = splat<Vector<T>>(a[i]);
        Index k = 0;
        for (; k + W <= n_b; k += W) store_unaligned(out + k, left * load_unaligned(b + k));
        for (; k < n_b; ++k) out[k] = a[i] * b[k];
    }
}

}  // namespace edgewise::EDGEWISE_ISA
