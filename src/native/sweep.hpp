// Both passes over all samples: who does which part of the work, in tiles of samples or level by level.
//
// The shape of the work depends on the network and the number of samples, never on the number of threads, and every
// sum over samples is added up in an order that the shape fixes: so results are the same bits for any number of threads.
#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "kernels.hpp"
#include "memory.hpp"
#include "threads.hpp"

namespace edgewise {

// A finished plan and where its parts are in the caller's order.
struct Structure {
    PlanView plan;
    Index n_edges, n_inputs, n_outputs, n_levels, n_parameters;
    const Index* node;         // (n_nodes) of each row
    const Index* row;          // (n_nodes) of each node
    const Index* level_start;  // (n_levels + 1)
    const Index* in_edge;      // (n_arcs) the caller's edge of each arc by head
    Index first_in_edge;       // these are first_in_edge, first_in_edge + 1, ... if it is not negative
    const Index* out_edge;     // (n_arcs) and by tail
    const Index* out_place;    // (n_edges) the place of each edge in out_edge, -1 in blocks; null if all are in blocks
    const Index* block_edge;   // (n_block_arcs) and in the blocks
    const Index* input_row;    // (n_inputs)
    const Index* output_row;   // (n_outputs)
    const Index* output_seed;  // (n_nodes) which output a row is, -1 if none
    const Index* tie;          // (n_edges) parameter of each edge, or null
    const Size* in_work;       // (n_nodes + 1) in-arcs of the rows before
    const Size* out_work;      // (n_nodes + 1) out-arcs of the rows before
};

struct Shape {
    int vectors, lanes, n_tiles;
    bool by_level;  // threads share out the rows of a level, rather than whole tiles
    int n_groups;   // of tiles; each group has a sum of gradients of its own
};

Shape shape_of(const Structure& s, Size samples, int width, int bytes);

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

template <class T>
class Sweep {
public:
    Sweep(const Structure& structure, const Kernels<T>& kernels, Size samples, bool with_gates, int threads);

    // x[sample[k]], or x[k] if sample is null, k < samples, to the rows of inputs; forward; and, on each tile when it
    // is done, then(tile, member).
    template <class Then>
    void forward(const Parameters<T>& p, const T* x, Size x_row, const Size* sample, Size n_samples, bool gates,
                 const Then& then);
    void backward(const Parameters<T>& p, Backward what);

    // Each tile: each(tile, member).
    template <class Each>
    void each_tile(const Each& each) {
        if (shape.by_level)
            share_out(n_threads, n_tiles, each);
        else
            share_out(n_threads, std::min(shape.n_groups, n_tiles), [&](Size group, int member) {
                for (Size tile = group; tile < n_tiles; tile += shape.n_groups) each(tile, member);
            });
    }

    // One tile's targets (real y, n_outputs a sample, or class labels) to seeds and losses; sample k of all is
    // sample[k] of the arrays, or k if that is null.
    void loss_of_tile(Size tile, Loss loss, T parameter, const T* y, Size y_row, const Size* sample, const Size* label,
                      const T* sample_weight, const Index* seed_rows);

    // The groups' gradients together, in the caller's order, divided by `divisor`.
    void collect_weights(const OwnParameters<T>& own, T divisor, T* out) const;
    // Σ S(j⁻,t) over samples, of rows r0 .. r1 - 1.
    void sum_over_samples(Index r0, Index r1, T* by_row) const;

    Structure s;
    const Kernels<T>& kernels;
    Shape shape;
    Size samples;  // now in it; at most as many as it was made for
    int n_tiles;   // that hold them
    int n_threads;
    Size y_stride, d_stride;
    Buffer<T> y, d;
    Buffer<T> seed, loss;        // (n_tiles, n_seeds, lanes), (n_tiles, lanes)
    const Index* seed_row = nullptr;  // (n_nodes)
    Index n_seeds = 0;
    Buffer<T> gradient;          // (n_groups, n_arcs + n_block_arcs)

    Size n_slots() const { return s.plan.n_arcs + s.plan.n_block_arcs; }
    int used_groups() const { return std::min(shape.n_groups, n_tiles); }
    int valid(Size tile) const { return static_cast<int>(std::min<Size>(shape.lanes, samples - tile * shape.lanes)); }
    T* scratch(int member) { return scratch_.data() + member * scratch_each_; }

private:
    void gather(const T* x, Size x_row, const Size* sample, Size tile, Size k0, Size k1);
    void forward_tile(const Parameters<T>& p, Size tile, bool gates, int member);
    void forward_levels(const Parameters<T>& p, bool gates);
    void clear_padding(Size tile);
    template <class Rows>
    void share_out_level(Index level, const Size* work, const Rows& rows);

    Buffer<T> scratch_;
    Size scratch_each_ = 0;
};

template <class T>
template <class Then>
void Sweep<T>::forward(const Parameters<T>& p, const T* x, Size x_row, const Size* sample, Size n_samples, bool gates,
                       const Then& then) {
    samples = n_samples;
    n_tiles = static_cast<int>((samples + shape.lanes - 1) / shape.lanes);
    if (!shape.by_level) {
        each_tile([&](Size tile, int member) {
            gather(x, x_row, sample, tile, 0, s.n_inputs);
            forward_tile(p, tile, gates, member);
            then(tile, member);
        });
        return;
    }
    share_out_pieces(n_threads, s.n_inputs, 64, [&](Size k0, Size k1, int) {
        for (Size tile = 0; tile < n_tiles; ++tile) gather(x, x_row, sample, tile, k0, k1);
    });
    forward_levels(p, gates);
    each_tile(then);
}

}  // namespace edgewise
