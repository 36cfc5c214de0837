// Compiled once for each instruction set, with its flags: everything here lives in that set's namespace.
#include "kernels.hpp"

#include "blocks.hpp"
#include "layout.hpp"
#include "losses.hpp"
#include "optimizer_steps.hpp"
#include "pull.hpp"
#include "special_aggregations.hpp"

namespace edgewise::EDGEWISE_ISA {

// f(number of registers, whether rows are far away) with both known when it is compiled.
template <class F>
EDGEWISE_INLINE void with_registers(const PlanView& plan, int vectors, F f) {
    const bool far = static_cast<Size>(plan.n_nodes) * vectors * VECTOR_BYTES > plan.near_bytes;
    with_vectors(vectors, [&](auto registers) { far ? f(registers, Constant<1>{}) : f(registers, Constant<0>{}); });
}

template <class T>
void forward(const PlanView& plan, const Parameters<T>& p, T* y, T* out, Size y_stride, Size out_stride, int n_tiles,
             int vectors, Index r0, Index r1, Wanted wanted, T* scratch) {
    Index b = 0;
    while (b < plan.n_blocks && plan.blocks[b].head + plan.blocks[b].n_heads <= r0) ++b;
    while (r0 < r1) {
        const bool inside = b < plan.n_blocks && plan.blocks[b].head <= r0;
        Index end = b == plan.n_blocks ? r1 : inside ? plan.blocks[b].head + plan.blocks[b].n_heads : plan.blocks[b].head;
        end = end < r1 ? end : r1;
        if (inside)
            forward_block(plan, p, plan.blocks[b++], y, out, y_stride, out_stride, n_tiles, vectors, r0, end, wanted,
                          scratch);
        else
            for (int tile = 0; tile < n_tiles; ++tile)
                with_registers(plan, vectors, [&](auto registers, auto far) {
                    forward_arcs<T, registers.value, far.value>(plan, p.of_tile(tile * vectors * WIDTH<T>), y + tile * y_stride,
                                                                out ? out + tile * out_stride : nullptr, r0, end, wanted,
                                                                scratch);
                });
        r0 = end;
    }
}

// Room for the rows or columns of a block side by side.
template <class T>
Size packed_size(const PlanView& plan) {
    Index longest = 0;
    for (Index b = 0; b < plan.n_blocks; ++b) {
        longest = plan.blocks[b].n_tails > longest ? plan.blocks[b].n_tails : longest;
        longest = plan.blocks[b].n_heads > longest ? plan.blocks[b].n_heads : longest;
    }
    return longest ? (static_cast<Size>(longest) * RECTANGLE_ROWS / WIDTH<T> + 3) * WIDTH<T> : 0;
}

template <class T>
Size scratch_size(const PlanView& plan, int n_tiles, int vectors) {
    constexpr int W = WIDTH<T>;
    const Size special = static_cast<Size>(plan.largest_fan_in) * (W + 3);
    const Size backward = static_cast<Size>(RECTANGLE_ROWS) * vectors * W + PANELS * packed_size<T>(plan) + special;
    const Size square = plan.n_blocks ? static_cast<Size>(n_tiles) * vectors * W * RECTANGLE_COLUMNS * W : 0;
    return (backward > square ? backward : square) + W;
}

template <class T>
void backward(const PlanView& plan, const Parameters<T>& p, const T* y, const T* gate, T* d, T* out, Size y_stride,
              Size d_stride, Size out_stride, int n_tiles, int vectors, const T* seed, Size seed_stride, const Index* seed_row,
              Index r0, Index r1, Backward what, T* gradient, bool add, T* scratch) {
    Index segment = plan.n_segments - 1;
    while (plan.segment_start[segment] >= r1) --segment;
    T* sums = scratch;
    scratch += static_cast<Size>(RECTANGLE_ROWS) * vectors * WIDTH<T>;
    const Size packed = packed_size<T>(plan);
    for (; r1 > r0; --segment) {
        const Index start = plan.segment_start[segment] > r0 ? plan.segment_start[segment] : r0;
        const bool in_blocks = plan.segment_block_start[segment] < plan.segment_block_start[segment + 1];
        // rows are taken together as far as a rectangle of sums reaches, all of them where there is none to hold
        const Index step = in_blocks ? RECTANGLE_ROWS : r1 - start;
        Index packed_end = r1, packed_from = r1;  // rows whose panels are there
        for (Index end = r1; end > start; end -= step) {
            const Index first = end - start < step ? start : end - step;
            bool passing = false;
            for (Index row = first; in_blocks && what.sensitivities && row < end; ++row)
                passing |= out || !plan.is_input[row];
            T* panel = nullptr;
            if (passing && n_tiles * vectors >= 8 &&
                plan.segment_block_start[segment] + 1 == plan.segment_block_start[segment + 1]) {
                const Block& block = plan.blocks[plan.segment_block[plan.segment_block_start[segment]]];
                if (block.n_heads >= PACK_FROM) {
                    if (first < packed_from) {
                        packed_end = end;
                        packed_from = end - start < PANELS * step ? start : end - PANELS * step;
                        pack_columns(p, block, packed_from, packed_end, scratch, packed);
                    }
                    panel = scratch + (packed_end - end) / step * packed;
                }
            }
            for (int tile = 0; tile < n_tiles; ++tile) {
                T* linear = d + tile * d_stride;
                if (passing) pull_blocks(plan, p, segment, linear, vectors, first, end, panel, sums);
                with_registers(plan, vectors, [&](auto registers, auto far) {
                    backward_arcs<T, registers.value, far.value>(
                        plan, p.of_tile(tile * vectors * WIDTH<T>), y + tile * y_stride, gate + tile * d_stride, linear,
                        out ? out + tile * out_stride : nullptr, passing ? sums : nullptr, seed + tile * seed_stride, seed_row, first, end, what, gradient,
                        add || tile > 0, scratch + PANELS * packed);
                });
            }
        }
        r1 = start;
    }
}

template <class T>
void share_out_rows(const PlanView& plan, const Parameters<T>& p, const T* y, T* d, int vectors, T* scratch) {
    for (Index row = 0; row < plan.n_nodes; ++row)
        if (plan.extra[row] >= 0)
            share_out_row(plan, p, row, y, d + static_cast<Size>(row) * vectors * WIDTH<T>, d, vectors, scratch);
}

template <class T>
constexpr Kernels<T> TABLE{
    .width = WIDTH<T>,
    .rectangle_rows = RECTANGLE_ROWS,
    .forward = forward<T>,
    .backward = backward<T>,
    .block_gradient = block_gradient<T>,
    .large_sums = large_sums<T>,
    .share_out_rows = share_out_rows<T>,
    .loss = loss_rows<T>,
    .sum_groups = sum_groups<T>,
    .sum_of_squares = sum_of_squares<T>,
    .optimizer_step = optimizer_step<T>,
    .pick = pick<T>,
    .gather_samples = gather_samples<T>,
    .scatter_samples = scatter_samples<T>,
    .copy_register = copy_register<T>,
    .clear_padding = clear_padding<T>,
    .sum_lanes = sum_lanes<T>,
    .sum_products = sum_products<T>,
    .combine_ends = combine_ends<T>,
    .outer_product = outer_product<T>,
    .scratch_size = scratch_size<T>,
};

const Kernels<float>& float_kernels() { return TABLE<float>; }
const Kernels<double>& double_kernels() { return TABLE<double>; }

}  // namespace edgewise::EDGEWISE_ISA
