// Both passes over all samples: who does which part of the work, in tiles of samples or level by level.
//
// The shape of the work depends on the network and the number of samples, never on the number of threads, and every
// sum over samples is added up in an order that the shape fixes: so results are the same bits for any number of threads.
#pragma once

#include <algorithm>
#include <vector>

#include "kernels.hpp"
#include "parameters.hpp"
#include "structure.hpp"
#include "threads.hpp"

namespace edgewise {

struct Shape {
    int vectors, lanes, n_tiles;
    bool by_level;  // threads share out the rows of a level, rather than whole tiles
    int n_groups;   // of tiles; each group has a sum of gradients of its own
};

Shape shape_of(const Structure& s, Size samples, int width, int bytes);

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

    // Room for `count` seeds a sample, at the rows where seed_row, which must last, numbers them; and for losses.
    void expect_seeds(Index count, const Index* seed_row);
    void expect_loss();
    // (samples, n_seeds) sensitivities, or targets, of one tile to its seeds; sample k of all is sample[k] of the
    // array, or k if that is null.
    void gather_seeds(Size tile, const T* from, const Size* sample);
    // One tile's targets (real y, n_outputs a sample, or class labels) to seeds and losses; samples as above.
    void loss_of_tile(Size tile, Loss loss, T parameter, const T* y, const Size* sample, const Size* label,
                      const T* sample_weight);

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
    Buffer<T> seed, loss;             // (n_tiles, n_seeds, lanes), (n_tiles, lanes)
    const Index* seed_row = nullptr;  // (n_nodes) number of each row's seed, -1 if it has none
    Index n_seeds = 0;
    Buffer<T> gradient;  // (n_groups, n_slots): arcs by tail, then the blocks

    Size seed_stride() const { return static_cast<Size>(n_seeds) * shape.lanes; }
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

    std::vector<Index> every_seed_;  // 0 .. n_seeds - 1
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
