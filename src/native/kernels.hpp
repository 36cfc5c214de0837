// The kernels as a table of functions, one table for each instruction set and number type.
#pragma once

#include "network_view.hpp"

namespace edgewise {

constexpr int MOST_LANES = 128;  // of a tile: 8 registers of 16
constexpr int MOST_SUMS = 384;   // of a rectangle of a product: 12 rows, 2 registers of 16

template <class T>
struct Kernels {
    int width;           // numbers in a register; a tile has 1, 2, 4 or 8 registers of lanes
    int rectangle_rows;  // of a product's sums; they are two registers wide

    // forward, rows r0 .. r1 - 1 in n_tiles tiles
    void (*forward)(const PlanView&, const Parameters<T>&, T* y, T* out, Size y_stride, Size out_stride, int n_tiles,
                    int vectors, Index r0, Index r1, Wanted, T* scratch);
    // backward, rows r1 - 1 down to r0 in n_tiles tiles; see pull.hpp
    void (*backward)(const PlanView&, const Parameters<T>&, const T* y, const T* gate, T* d, T* out, Size y_stride,
                     Size d_stride, Size out_stride, int n_tiles, int vectors, const T* seed, Size seed_stride, const Index* seed_row,
                     Index r0, Index r1, Backward, T* gradient, bool add, T* scratch);
    void (*block_gradient)(const Block&, const T* y, const T* d, Size y_stride, Size d_stride,
                           int n_tiles, int vectors, Index t0, Index t1, T* gradient, bool add, T factor,
                           T* scratch);
    // the sums of a rectangle that reach a threshold; see blocks.hpp
    int (*large_sums)(const T* heads, int rows, const T* tails, Index samples, T factor, T threshold, T* sums,
                      Index* hit);
    // each special row's share, from `linear` rows; see special_aggregations.hpp
    void (*share_out_rows)(const PlanView&, const Parameters<T>&, const T* y, T* d, int vectors, T* scratch);

    void (*loss)(Loss, T parameter, const T* y, const Index* output, Index n_outputs, const Index* label,
                 const T* weight, int vectors, int valid, T* seed, T* loss);
    // to[k] = Σ over groups of from[g·stride + k], times factor; 0 if all of these are finite, else NaN
    T (*sum_groups)(const T* from, Size stride, int n_groups, Size n, T factor, T* to);
    double (*sum_of_squares)(const T* a, Size n);
    void (*optimizer_step)(const OptimizerStep<T>&, T* p, const T* g, T* first, T* second, Size n);

    void (*pick)(const T* from, const Index* index, Size n, T* to);
    void (*gather_samples)(const T* x, Size x_row, const Size* sample, int valid, const Index* to, Index n, T* y,
                           int vectors);
    void (*scatter_samples)(const T* rows, int vectors, const Index* from, Index n, int first, int count, T* out,
                            Size out_row);
    void (*copy_register)(const T* from, Size from_row, const Index* rows, Index n, T* to, Size to_row);
    void (*clear_padding)(T* rows, Size n, int vectors, int valid);
    void (*sum_lanes)(const T* rows, int vectors, Index r0, Index r1, T* sum, bool add);
    void (*sum_products)(const T* a, const T* b, int vectors, Index r0, Index r1, T* sum, bool add);
    void (*combine_ends)(const T* left, const Index* left_index, const T* right, const Index* right_index,
                         const T* scale, Size n_edges, T* out);
    void (*outer_product)(const T* a, Index n_a, const T* b, Index n_b, T* out);

    // scratch numbers that forward, backward, block_gradient and share_out_rows need
    Size (*scratch_size)(const PlanView&, int n_tiles, int vectors);
};

// The table for the machine this runs on, or for the instruction set named by EDGEWISE_ISA; std::runtime_error if that
// is unknown or not to be had here.
template <class T>
const Kernels<T>& kernels();

}  // namespace edgewise
