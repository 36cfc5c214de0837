// The passes over blocks: matrix products, samples side by side. One small kernel keeps a rectangle of sums in
// registers; forward, backward, gradient and the search for absent arcs differ in what they feed it.
#pragma once

#include "network_view.hpp"
#include "pull.hpp"
#include "shuffles.hpp"

namespace edgewise::EDGEWISE_ISA {

// The rectangle: rows × registers, as many sums as leave registers for what is multiplied.
constexpr int RECTANGLE_ROWS = VECTOR_BYTES == 64 ? 12 : VECTOR_BYTES == 32 ? 6 : 4;
constexpr int RECTANGLE_COLUMNS = 2;

// c[r][n] (+)= Σ over outer o and inner k of a[o·a_outer + r·a_row + k·a_step] x[o·x_outer + k·x_step + n], n being
// RN registers wide. Element strides throughout.
template <class T>
struct Product {
    const T* a;
    Size a_row, a_step, a_outer;
    const T* x;
    Size x_step, x_outer;
    T* c;
    Size c_row;
    Index inner, outer;
    bool add;
    T factor = 1;  // of the sums
};

template <class T, int R, int RN>
void rectangle(const Product<T>& m) {
    constexpr int W = WIDTH<T>;
    Vector<T> sum[R][RN];
    for (int r = 0; r < R; ++r)
        for (int n = 0; n < RN; ++n) sum[r][n] = Vector<T>{};
    for (Index o = 0; o < m.outer; ++o) {
        // a base for every third row, so that three rows share one address register and its index
        const T* a[(R + 2) / 3];
        for (int r = 0; r < (R + 2) / 3; ++r) a[r] = m.a + o * m.a_outer + 3 * r * m.a_row;
        const T* x = m.x + o * m.x_outer;
        for (Index k = 0; k < m.inner; ++k) {
            Vector<T> right[RN];
            for (int n = 0; n < RN; ++n) right[n] = load_unaligned(x + n * W);
            for (int r = 0; r < R; ++r) {
                const Vector<T> left = splat<Vector<T>>(a[r / 3][(r % 3) * m.a_row]);
                for (int n = 0; n < RN; ++n) sum[r][n] += left * right[n];
            }
            for (int r = 0; r < (R + 2) / 3; ++r) a[r] += m.a_step;
            x += m.x_step;
        }
    }
    for (int r = 0; r < R; ++r)
        for (int n = 0; n < RN; ++n) {
            T* c = m.c + r * m.c_row + n * W;
            const Vector<T> scaled = sum[r][n] * splat<Vector<T>>(m.factor);
            store_unaligned(c, m.add ? load_unaligned(c) + scaled : scaled);
        }
}

template <class T, int RN, int R = RECTANGLE_ROWS>
EDGEWISE_INLINE void rectangle_of_rows(const Product<T>& m, int rows) {
    if (rows == R) return rectangle<T, R, RN>(m);
    if constexpr (R > 1) rectangle_of_rows<T, RN, R - 1>(m, rows);
}

// `rows` ≤ RECTANGLE_ROWS rows of c, `registers` wide.
template <class T>
void multiply(Product<T> m, int rows, int registers) {
    constexpr int W = WIDTH<T>, RN = RECTANGLE_COLUMNS;
    int n = 0;
    for (; n + RN <= registers; n += RN) {
        rectangle_of_rows<T, RN>(m, rows);
        m.x += RN * W;
        m.c += RN * W;
    }
    if (n < registers) rectangle_of_rows<T, 1>(m, rows);
}

// Rows of a matrix, side by side: panel[k·rows + r] = a[r·a_row + k]. Up to a register is written past the panel's end.
template <class T>
void pack_rows(const T* a, Size a_row, int rows, Index n, T* panel) {
    constexpr int W = WIDTH<T>, SQUARES = (RECTANGLE_ROWS + W - 1) / W;
    Index k = 0;
    for (; k + W <= n; k += W) {
        Vector<T> square[SQUARES][W];
        for (int q = 0; q < SQUARES; ++q) {
            for (int r = 0; r < W; ++r)
                square[q][r] = load_unaligned(a + (q * W + r < rows ? q * W + r : rows - 1) * a_row + k);
            transpose<T>(square[q]);
        }
        for (int i = 0; i < W; ++i)  // what a register holds beyond the rows is written over by the next
            for (int q = 0; q * W < rows; ++q) store_unaligned(panel + static_cast<Size>(k + i) * rows + q * W, square[q][i]);
    }
    for (; k < n; ++k)
        for (int r = 0; r < rows; ++r) panel[static_cast<Size>(k) * rows + r] = a[r * a_row + k];
}

// Above so many products for each weight and rows so far apart, rows are copied side by side before they are used.
constexpr Index PACK_FROM = 256;

// ---- forward ----

// Heads h0 .. h1 - 1 of a block, in every tile. Scratch: RECTANGLE_ROWS × n_tails.
template <class T>
void forward_block(const PlanView& plan, const Parameters<T>& p, const Block& block, T* y, T* out, Size y_stride,
                   Size out_stride, int n_tiles, int vectors, Index h0, Index h1, Wanted wanted, T* scratch) {
    const Size lanes = vectors * WIDTH<T>;
    const bool keep = wanted == Wanted::value || wanted == Wanted::value_and_gate;
    for (Index h = h0; h < h1; h += RECTANGLE_ROWS) {
        const int rows = h1 - h < RECTANGLE_ROWS ? h1 - h : RECTANGLE_ROWS;
        const T* weight = p.block_weight + block.slot + static_cast<Size>(h - block.head) * block.n_tails;
        Size a_row = block.n_tails, a_step = 1;
        if (block.n_tails >= PACK_FROM && n_tiles * vectors >= 8) {
            pack_rows(weight, a_row, rows, block.n_tails, scratch);
            weight = scratch, a_row = 1, a_step = rows;
        }
        for (int tile = 0; tile < n_tiles; ++tile) {
            T* values = y + tile * y_stride;
            T* left = out ? out + tile * out_stride : nullptr;
            T* sums = (keep ? values : left) + h * lanes;
            multiply(Product<T>{weight, a_row, a_step, 0, values + block.tail * lanes, lanes, 0, sums, lanes,
                                block.n_tails, 1, false},
                     rows, vectors);
            const Parameters<T> of_tile = p.of_tile(tile * lanes);
            with_vectors(vectors, [&](auto registers) {
                for (int r = 0; r < rows; ++r)
                    finish_row(plan, of_tile, h + r, sums + r * lanes, values + (h + r) * lanes,
                               left ? left + (h + r) * lanes : nullptr, registers.value, wanted);
            });
        }
    }
}

// ---- backward ----

// So many panels are packed together: then lines of weights, which lie far apart, are used whole.
constexpr Index PANELS = 4;

// Columns r0 .. r1 - 1 of what a block passes, by RECTANGLE_ROWS from the last on: each such panel side by side, head
// after head. Up to a register is written past the end of each, and `size` is from one to the next.
template <class T>
void pack_columns(const Parameters<T>& p, const Block& block, Index r0, Index r1, T* panels, Size size) {
    constexpr int W = WIDTH<T>;
    constexpr Index AHEAD_OF_HEADS = 8;
    const T* from = p.block_passed + block.slot - block.tail;
    for (Index h = 0; h < block.n_heads; ++h, from += block.n_tails) {
        for (Index r = r0; r < r1; r += 64 / static_cast<Index>(sizeof(T)))
            __builtin_prefetch(from + static_cast<Size>(AHEAD_OF_HEADS) * block.n_tails + r);
        T* panel = panels;
        for (Index end = r1; end > r0; end -= RECTANGLE_ROWS, panel += size) {
            const Index first = end - r0 < RECTANGLE_ROWS ? r0 : end - RECTANGLE_ROWS, rows = end - first;
            T* to = panel + static_cast<Size>(h) * rows;
            for (Index r = 0; r < rows; r += W)
                if (h + 1 < block.n_heads)  // then a register's length is there to read
                    store_unaligned(to + r, load_unaligned(from + first + r));
                else
                    for (Index i = r; i < rows; ++i) to[i] = from[first + i];
        }
    }
}

// What the blocks of a segment pass to its rows r0 .. r1 - 1 (at most RECTANGLE_ROWS) in one tile: sums, row r0 first.
// `panel` holds the columns of the segment's only block, or is null.
template <class T>
void pull_blocks(const PlanView& plan, const Parameters<T>& p, Index segment, const T* d, int vectors, Index r0,
                 Index r1, const T* panel, T* sums) {
    const Size lanes = vectors * WIDTH<T>;
    bool add = false;
    for (Index k = plan.segment_block_start[segment]; k < plan.segment_block_start[segment + 1]; ++k) {
        const Block& block = plan.blocks[plan.segment_block[k]];
        const T* passed = panel ? panel : p.block_passed + block.slot + (r0 - block.tail);
        multiply(Product<T>{passed, 1, panel ? r1 - r0 : block.n_tails, 0, d + block.head * lanes, lanes, 0, sums, lanes,
                            block.n_heads, 1, add},
                 r1 - r0, vectors);
        add = true;
    }
}

// Gradients of a block's weights from tails t0 .. t1 - 1 (counted within the block), over all tiles, times `factor`.
// Scratch: tiles × lanes × RECTANGLE_COLUMNS registers.
template <class T>
void block_gradient(const Block& block, const T* y, const T* d, Size y_stride, Size d_stride,
                    int n_tiles, int vectors, Index t0, Index t1, T* gradient, bool add, T factor, T* scratch) {
    constexpr int W = WIDTH<T>, COLUMNS = RECTANGLE_COLUMNS * W;
    const Size lanes = vectors * W;
    for (Index t = t0; t < t1; t += COLUMNS) {
        const Index columns = t1 - t < COLUMNS ? t1 - t : COLUMNS;
        const int registers = (columns + W - 1) / W;
        // values with samples as rows: scratch[(tile·lanes + lane)·COLUMNS + column]
        for (int tile = 0; tile < n_tiles; ++tile)
            for (int v = 0; v < vectors; ++v)
                for (int n = 0; n < registers; ++n) {
                    Vector<T> square[W];
                    for (int i = 0; i < W; ++i) {
                        const Index column = t + n * W + i < t1 ? t + n * W + i : t1 - 1;
                        square[i] = load(y + tile * y_stride + (block.tail + column) * lanes + v * W);
                    }
                    transpose<T>(square);
                    for (int i = 0; i < W; ++i)
                        store(scratch + (tile * lanes + v * W + i) * COLUMNS + n * W, square[i]);
                }
        T* to = gradient + block.slot + t;
        const bool whole = columns == registers * W;
        alignas(VECTOR_BYTES) T edge[RECTANGLE_ROWS * COLUMNS];
        for (Index h = 0; h < block.n_heads; h += RECTANGLE_ROWS) {
            const int rows = block.n_heads - h < RECTANGLE_ROWS ? block.n_heads - h : RECTANGLE_ROWS;
            Product<T> m{d + (block.head + h) * lanes, lanes, 1, d_stride, scratch, COLUMNS, lanes * COLUMNS,
                         to + static_cast<Size>(h) * block.n_tails, block.n_tails, static_cast<Index>(lanes), n_tiles,
                         add, factor};
            if (whole) {
                multiply(m, rows, registers);
                continue;
            }
            T* destination = m.c;  // the last registers reach past the row's end: by way of a copy
            m.c = edge, m.c_row = COLUMNS, m.add = false;
            multiply(m, rows, registers);
            for (int r = 0; r < rows; ++r)
                for (Index n = 0; n < columns; ++n) {
                    T& slot = destination[static_cast<Size>(r) * block.n_tails + n];
                    slot = add ? slot + edge[r * COLUMNS + n] : edge[r * COLUMNS + n];
                }
        }
    }
}

// ---- arcs that are not there ----

static_assert(RECTANGLE_ROWS * RECTANGLE_COLUMNS * WIDTH<float> <= MOST_SUMS && RECTANGLE_COLUMNS * WIDTH<float> <= 32);

// Whether a lane is set.
template <class T>
EDGEWISE_INLINE bool any(MaskOf<Vector<T>> mask) {
    typedef std::int64_t Words __attribute__((vector_size(VECTOR_BYTES)));
    const Words words = reinterpret_cast<Words>(mask);
    std::int64_t all = 0;
    for (int i = 0; i < VECTOR_BYTES / 8; ++i) all |= words[i];
    return all != 0;
}

// sums[r·columns + c] = factor · Σ over samples k of heads[k·RECTANGLE_ROWS + r]·tails[k·columns + c], for `rows` heads and
// as many tails as a rectangle has columns; the places of those that reach the threshold in absolute value go to `hit`,
// which says how many these are. NaN reaches nothing.
template <class T>
int large_sums(const T* heads, int rows, const T* tails, Index samples, T factor, T threshold, T* sums, Index* hit) {
    constexpr int W = WIDTH<T>, COLUMNS = RECTANGLE_COLUMNS * W;
    rectangle_of_rows<T, RECTANGLE_COLUMNS>(
        Product<T>{heads, 1, RECTANGLE_ROWS, 0, tails, COLUMNS, 0, sums, COLUMNS, samples, 1, false, factor}, rows);
    const Vector<T> least = splat<Vector<T>>(threshold);
    int hits = 0;
    for (Index r = 0; r < rows; ++r)
        for (int n = 0; n < RECTANGLE_COLUMNS; ++n) {
            const Vector<T> v = load_unaligned(sums + r * COLUMNS + n * W);
            const MaskOf<Vector<T>> reached = (v >= least) | (v <= -least);
            if (!any<T>(reached)) continue;
            for (int i = 0; i < W; ++i) {
                hit[hits] = r * COLUMNS + n * W + i;
                hits += reached[i] != 0;
            }
        }
    return hits;
}

}  // namespace edgewise::EDGEWISE_ISA
