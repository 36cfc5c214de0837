// Both passes over all samples: who does which part of the work, in tiles of samples or level by level.
//
// The shape of the work depends on the network and the number of samples, never on the number of threads, and every
// sum over samples is added up in an order that the shape fixes: so results are the same bits for any number of threads.
#pragma once

#include <algorithm>
#include <cstddef>
#include <type_traits>
#include <vector>

#include "kernels.hpp"
#include "parameters.hpp"
#include "structure.hpp"
#include "threads.hpp"
#include "training_data.hpp"

namespace edgewise {

struct Shape {
    int vectors, lanes, n_tiles;
    bool by_level;  // threads share out the rows of a level, rather than whole tiles
    int n_groups;   // of tiles; each group has a sum of gradients of its own
};

// How many threads a sweep takes of those wanted; 0: of all there are.
int useful_threads(const Structure& s, Size samples, int wanted);
// alone: whether one thread takes all tiles, which then need not be enough to share out.
Shape shape_of(const Structure& s, Size samples, int width, int bytes, bool alone);

template <class T>
class Sweep {
public:
    Sweep(const Structure& structure, const Kernels<T>& kernels, Size samples, int threads, bool alone = false);

    // How many samples the next run is of; at most as many as it was made for.
    void hold(Size n_samples);
    // Forward, if `values` are wanted (and gates, if they are); backward, if `what` is not null, with S(j⁻,t) over the
    // values if that is wanted and the structure allows it. Each tile is one thread's, from before(tile, member), where
    // its inputs may be read, by way of between(tile, member), when it has its values and not yet its sensitivities, to
    // the end; or, level by level, each of the four is done to all tiles before the next. beside() is something else that
    // is done meanwhile, by one thread; level by level, before.
    template <class Before, class Between, class Beside>
    void run(const Parameters<T>& p, bool values, bool gates, const Backward* what, bool over_values, const Before& before,
             const Between& between, const Beside& beside);
    template <class Before, class Between>
    void run(const Parameters<T>& p, bool values, bool gates, const Backward* what, bool over_values, const Before& before,
             const Between& between) {
        run(p, values, gates, what, over_values, before, between, nullptr);
    }
    // After a run that wrote over the values: room for these elsewhere, with the inputs in it, and S(j⁻,t) in d.
    void part_values();

    // To one tile's inputs from x (samples, n_inputs), to its seeds from targets or sensitivities (samples, n_seeds):
    // sample k of all is sample[k] of the array, or k if that is null.
    void read_inputs(Size tile, const T* x, const Size* sample);
    void read_seeds(Size tile, const T* from, const Size* sample);
    void read_sensitivities(Size tile, const T* from) {
        read_seeds(tile, from, nullptr);
        kernels.clear_padding(seed.data() + tile * seed_stride(), n_seeds, shape.vectors, valid(tile));
    }
    // Inputs and targets, of data for training, where seeds are targets.
    void read(Size tile, const TrainingData<T>& data, const Size* sample) {
        read_inputs(tile, data.x, sample);
        if (data.y) read_seeds(tile, data.y, sample);
    }

    // One tile's outputs to their place in out (samples, n_outputs).
    void write_outputs(Size tile, T* out) const {
        kernels.scatter_samples(y.data() + tile * y_stride, shape.vectors, s.output_row, s.n_outputs, 0, valid(tile),
                                out + tile * shape.lanes * s.n_outputs, s.n_outputs);
    }

    // Each tile: each(tile, member).
    template <class Each>
    void each_tile(const Each& each) {
        if (shape.by_level)
            share_out(n_threads, n_tiles, each);
        else
            each_group(each, nullptr);
    }

    // Room for `count` seeds a sample, at the rows where seed_row, which must last, numbers them; and for losses.
    void expect_seeds(Index count, const Index* seed_row);
    void expect_loss();
    // One tile's targets, which are in its seeds (or class labels), to seeds and losses; samples as above.
    void loss_of_tile(Size tile, Loss loss, T parameter, const Size* sample, const Size* label, const T* sample_weight);

    // Room for gates and S(j⁻,t), for the sums that a run of Backward::gradients leaves, and of Backward::biases.
    void expect_gates();
    void expect_gradients();
    void expect_biases();
    // Whether gradients of the blocks may go to the caller's own array as they are made; and let them, times `factor`.
    bool can_go_straight(const OwnParameters<T>& own) const;
    void send_straight(T factor, T* out);
    // The groups' gradients together, in the caller's order, times `factor`.
    void collect_weights(const OwnParameters<T>& own, T factor, T* out) const;
    // The groups' Σ S(j⁻,t) over samples together, by row; 0 for inputs.
    void collect_biases(T factor, T* by_row) const;

    Structure s;
    const Kernels<T>& kernels;
    Shape shape;
    Size samples;  // now in it; at most as many as it was made for
    int n_tiles;   // that hold them
    int n_threads;
    Size y_stride, d_stride;
    Buffer<T> y, d;             // (n_tiles, n_nodes, lanes) values; (n_tiles, n_nodes + n_extra, lanes) gates, then S(j⁻,t)
    bool overwritten = false;   // S(j⁻,t) is where the values were
    Buffer<T> seed, loss;             // (n_tiles, n_seeds, lanes), (n_tiles, lanes)
    const Index* seed_row = nullptr;  // (n_nodes) number of each row's seed, -1 if it has none
    Index n_seeds = 0;
    T* sensitivity = nullptr;  // (n_tiles, n_nodes, lanes) where S(i,t) of every row goes too, if that is wanted
    Buffer<T> gradient;  // (n_groups, n_slots): arcs by tail, then the blocks, unless these go straight
    Buffer<T> bias;      // (n_groups, n_nodes)

    Size seed_stride() const { return static_cast<Size>(n_seeds) * shape.lanes; }
    Size n_slots() const { return s.plan.n_arcs + s.plan.n_block_arcs; }
    int used_groups() const { return std::min(shape.n_groups, n_tiles); }
    int valid(Size tile) const { return static_cast<int>(std::min<Size>(shape.lanes, samples - tile * shape.lanes)); }
    const T* gates() const { return d ? d.data() : y.data(); }  // of which none is read if none is kept
    T* linear() { return overwritten ? y.data() : d.data(); }
    T* linear(Size tile) { return linear() + tile * d_stride; }
    const T* linear(Size tile) const { return (overwritten ? y.data() : d.data()) + tile * d_stride; }
    T* scratch(int member) { return scratch_.data() + member * scratch_each_; }

private:
    // The tiles, group by group, and beside() first, unless it is null.
    template <class Each, class Beside>
    void each_group(const Each& each, const Beside& beside) {
        constexpr int ALONE = std::is_same_v<Beside, std::nullptr_t> ? 0 : 1;
        share_out(n_threads, ALONE + std::min(shape.n_groups, n_tiles), [&](Size unit, int member) {
            if constexpr (ALONE) {
                if (unit == 0) return beside();
            }
            for (Size tile = unit - ALONE; tile < n_tiles; tile += shape.n_groups) each(tile, member);
        });
    }
    void forward_tile(const Parameters<T>& p, Size tile, bool gates, int member);
    void forward_levels(const Parameters<T>& p, bool gates);
    void backward_tile(const Parameters<T>& p, Backward what, Size tile, int member);
    void backward_levels(const Parameters<T>& p, Backward what);
    void clear_padding(Size tile);
    template <class Rows>
    void share_out_level(Index level, const Size* work, const Rows& rows);

    T* block_gradients(Size group) { return straight_ ? straight_ : gradient.data() + group * n_slots() + s.plan.n_arcs; }

    T* straight_ = nullptr;
    T straight_factor_ = 1;
    std::vector<Index> every_seed_;  // 0 .. n_seeds - 1
    Buffer<T> scratch_;
    Size scratch_each_ = 0;
};

template <class T>
template <class Before, class Between, class Beside>
void Sweep<T>::run(const Parameters<T>& p, bool values, bool gates, const Backward* what, bool over_values,
                   const Before& before, const Between& between, const Beside& beside) {
    gates &= s.keeps_gates;
    if (values) overwritten = false;
    if (what && over_values) overwritten = true;
    if (gates || (what && !overwritten)) expect_gates();
    if (!shape.by_level) {
        each_group(
            [&](Size tile, int member) {
                before(tile, member);
                if (values) forward_tile(p, tile, gates, member);
                between(tile, member);
                if (what) backward_tile(p, *what, tile, member);
            },
            beside);
        return;
    }
    if constexpr (!std::is_same_v<Beside, std::nullptr_t>) beside();
    each_tile(before);
    if (values) forward_levels(p, gates);
    each_tile(between);
    if (what) backward_levels(p, *what);
}

}  // namespace edgewise
