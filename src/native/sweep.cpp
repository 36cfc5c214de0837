#include "sweep.hpp"

#include <numeric>

namespace edgewise {

namespace {

// What a tile's rows may fill, to stay near the core. A wider tile reads each weight and index less often.
constexpr Size CACHE = Size(7) << 18;
// What they fill where no cache is near: then it is better to come for much at a time.
constexpr Size FAR_AWAY = Size(1) << 25;
constexpr Size SMALL_TILE = Size(1) << 17;  // in which rows of blocks may be longer than need be: each costs something by itself,
constexpr Size FEW_LANES = 32;              // which so many samples share
constexpr Size FEW_ARCS = Size(1) << 17;   // whose sums of gradients each thread makes for itself
constexpr Size MANY_ARCS = Size(1) << 22;  // whose sums of gradients are not to be held once for each group of tiles
constexpr Size TOGETHER = 12;              // rows that a block's kernels like to take together
constexpr double LEVEL_WORK = 2e6;         // multiplications in a level, on average, that are worth waiting for each other
constexpr double THREAD_WORK = 1e6;        // multiplications that are worth waking another thread for

double work_of(const Structure& s, Size samples) { return 3.0 * s.n_edges * static_cast<double>(samples); }

}  // namespace

int useful_threads(const Structure& s, Size samples, int wanted) {
    const double most = work_of(s, samples) / THREAD_WORK;
    if (most < 2) return 1;  // asking the system how many there are takes as long as a small network's forward pass
    const int there = team_size(wanted);
    return most > there ? there : static_cast<int>(most);
}

Shape shape_of(const Structure& s, Size samples, int width, int bytes, bool alone) {
    Shape shape{};
    const bool mostly_blocks = s.plan.n_block_arcs > s.plan.n_arcs;
    const double work = work_of(s, samples);
    const bool few_tiles = samples <= width;
    shape.by_level = work / std::max<Index>(1, s.n_levels) > LEVEL_WORK &&
                     (mostly_blocks || few_tiles || s.plan.n_arcs > MANY_ARCS);
    const bool for_several = work > 2 * THREAD_WORK && !shape.by_level && !alone;
    const bool one_array = s.can_overwrite && !s.keeps_gates;  // the values, without d
    const Size rows = one_array ? s.plan.n_nodes : s.plan.n_nodes * Size(2) + s.plan.n_extra;
    const Size whole = samples - samples % width + (samples % width ? width : 0);
    shape.vectors = 1;
    for (int vectors : {2, 4, 8}) {
        const Size lanes = static_cast<Size>(vectors) * width;
        const bool filled = (for_several ? 2 * lanes : lanes) <= whole;
        const bool near = vectors == 2 || rows * lanes * bytes <= CACHE;
        const bool far = shape.by_level && rows * 2 * width * bytes > FAR_AWAY;
        // blocks are taken two registers at a time: more only spread a tile's rows, unless these are few
        const bool few_rows = vectors == 4 && lanes <= FEW_LANES && rows * lanes * bytes <= SMALL_TILE;
        if (filled && (near || far) && (vectors == 2 || few_rows || !mostly_blocks)) shape.vectors = vectors;
    }
    shape.lanes = shape.vectors * width;
    const Size n_tiles = samples / shape.lanes + (samples % shape.lanes != 0);
    if (n_tiles > std::numeric_limits<int>::max()) throw std::bad_alloc();
    shape.n_tiles = static_cast<int>(n_tiles);
    // a group's sum of gradients costs as much memory as the weights: few, but enough to share out
    const Size groups = std::clamp<Size>(samples / 64, 2, 16);
    shape.n_groups = shape.by_level ? 1 : static_cast<int>(std::min<Size>(shape.n_tiles, groups));
    return shape;
}

template <class T>
Sweep<T>::Sweep(const Structure& structure, const Kernels<T>& table, Size n_samples, int threads, bool alone)
    : s(structure), kernels(table), shape(shape_of(structure, n_samples, table.width, sizeof(T), alone)), samples(n_samples),
      n_tiles(shape.n_tiles), n_threads(useful_threads(structure, n_samples, threads)),
      y_stride(static_cast<Size>(times(s.plan.n_nodes, shape.lanes))),
      d_stride(static_cast<Size>(times(static_cast<std::size_t>(s.plan.n_nodes) + s.plan.n_extra, shape.lanes))),
      y(times(n_tiles, y_stride)) {
    const Size each = kernels.scratch_size(s.plan, shape.by_level ? shape.n_tiles : 1, shape.vectors);
    const Size line = CACHE_LINE / sizeof(T);
    scratch_each_ = (each + line - 1) / line * line;
    scratch_ = Buffer<T>(times(scratch_each_, n_threads));
}

template <class T>
void Sweep<T>::hold(Size n_samples) {
    samples = n_samples;
    n_tiles = static_cast<int>((samples + shape.lanes - 1) / shape.lanes);
}

template <class T>
void Sweep<T>::read_inputs(Size tile, const T* x, const Size* sample) {
    const Size first = tile * shape.lanes;
    kernels.gather_samples(sample ? x : x + first * s.n_inputs, s.n_inputs, sample ? sample + first : nullptr, valid(tile),
                           s.input_row, s.n_inputs, y.data() + tile * y_stride, shape.vectors);
}

template <class T>
void Sweep<T>::read_seeds(Size tile, const T* from, const Size* sample) {
    const Size first = tile * shape.lanes;
    kernels.gather_samples(sample ? from : from + first * n_seeds, n_seeds, sample ? sample + first : nullptr,
                           valid(tile), every_seed_.data(), n_seeds, seed.data() + tile * seed_stride(), shape.vectors);
}

template <class T>
void Sweep<T>::clear_padding(Size tile) {
    if (valid(tile) < shape.lanes)
        kernels.clear_padding(y.data() + tile * y_stride, s.plan.n_nodes, shape.vectors, valid(tile));
}

// The rows of a level, in pieces of like work: rows(first, last, member).
template <class T>
template <class Rows>
void Sweep<T>::share_out_level(Index level, const Size* work, const Rows& rows) {
    const Index r0 = s.level_start[level], r1 = s.level_start[level + 1];
    const double total = static_cast<double>(work[r1] - work[r0]) * static_cast<double>(samples);
    const Size pieces = n_threads == 1 || total < THREAD_WORK ? 1 : 2 * n_threads;
    const auto cut = [&](Size piece) -> Index {
        if (piece == 0) return r0;
        if (piece == pieces) return r1;
        const Size wanted = work[r0] + (work[r1] - work[r0]) * piece / pieces;
        const Size row = std::lower_bound(work + r0, work + r1, wanted) - work - r0;
        return std::min<Index>(r1, r0 + static_cast<Index>((row + TOGETHER / 2) / TOGETHER * TOGETHER));
    };
    share_out(n_threads, pieces, [&](Size piece, int member) {
        const Index first = cut(piece), last = cut(piece + 1);
        if (first < last) rows(first, last, member);
    });
}

// ---- forward ----

template <class T>
void Sweep<T>::forward_tile(const Parameters<T>& p, Size tile, bool gates, int member) {
    kernels.forward(s.plan, p.of_tile(tile * shape.lanes), y.data() + tile * y_stride, gates ? d.data() + tile * d_stride : nullptr, 0, 0, 1,
                    shape.vectors, 0, s.plan.n_nodes, gates ? Wanted::value_and_gate : Wanted::value, scratch(member));
    clear_padding(tile);
}

template <class T>
void Sweep<T>::forward_levels(const Parameters<T>& p, bool gates) {
    for (Index level = 0; level < s.n_levels; ++level)
        share_out_level(level, s.in_work, [&](Index first, Index last, int member) {
            kernels.forward(s.plan, p, y.data(), gates ? d.data() : nullptr, y_stride, d_stride, n_tiles, shape.vectors,
                            first, last, gates ? Wanted::value_and_gate : Wanted::value, scratch(member));
        });
    clear_padding(n_tiles - 1);
}

// ---- backward ----

template <class T>
void Sweep<T>::backward_tile(const Parameters<T>& p, Backward what, Size tile, int member) {
    const PlanView& plan = s.plan;
    const Size group = tile % shape.n_groups;
    const bool add = tile >= shape.n_groups;  // the group's first tile sets its sums
    T* to = what.gradients ? gradient.data() + group * n_slots() : nullptr;
    T* linear = this->linear(tile);
    const T* value = y.data() + tile * y_stride;
    if (what.sensitivities || what.gradients)
        kernels.backward(plan, p.of_tile(tile * shape.lanes), value, gates() + tile * d_stride, linear,
                         sensitivity ? sensitivity + tile * d_stride : nullptr, 0, 0, 0, 1, shape.vectors,
                         seed.data() + tile * seed_stride(), 0, seed_row, 0, plan.n_nodes, what, to, add, scratch(member));
    for (Index b = 0; what.gradients && b < plan.n_blocks; ++b)
        kernels.block_gradient(plan.blocks[b], value, linear, 0, 0, 1, shape.vectors, 0, plan.blocks[b].n_tails,
                               block_gradients(group), add, straight_factor_, scratch(member));
    if (what.biases)
        kernels.sum_lanes(linear, shape.vectors, 0, plan.n_nodes, bias.data() + group * plan.n_nodes, add);
}

template <class T>
void Sweep<T>::backward_levels(const Parameters<T>& p, Backward what) {
    const PlanView& plan = s.plan;
    for (Index level = s.n_levels; level-- > 0;)
        share_out_level(level, s.out_work, [&](Index first, Index last, int member) {
            if (what.sensitivities || what.gradients)
                kernels.backward(plan, p, y.data(), gates(), linear(), sensitivity, y_stride, d_stride, d_stride, n_tiles, shape.vectors,
                                 seed.data(), seed_stride(), seed_row, first, last, what, gradient.data(), false,
                                 scratch(member));
            for (int tile = 0; what.biases && tile < n_tiles; ++tile)
                kernels.sum_lanes(linear(tile), shape.vectors, first, last, bias.data(), tile > 0);
        });
    const Size columns = 2 * kernels.width;
    for (Index b = 0; what.gradients && b < plan.n_blocks; ++b) {
        const Block& block = plan.blocks[b];
        share_out_pieces(n_threads, (block.n_tails + columns - 1) / columns, 1, [&](Size begin, Size end, int member) {
            kernels.block_gradient(block, y.data(), d.data(), y_stride, d_stride, n_tiles, shape.vectors,
                                   static_cast<Index>(begin * columns),
                                   static_cast<Index>(std::min<Size>(block.n_tails, end * columns)),
                                   block_gradients(0), false, straight_factor_, scratch(member));
        });
    }
}

// ---- what backward starts from ----

template <class T>
void Sweep<T>::expect_seeds(Index count, const Index* rows) {
    n_seeds = count;
    seed_row = rows;
    seed = Buffer<T>(times(times(shape.n_tiles, count), shape.lanes));
    every_seed_.resize(count);
    std::iota(every_seed_.begin(), every_seed_.end(), 0);
}

template <class T>
void Sweep<T>::expect_loss() {
    expect_seeds(s.n_outputs, s.output_seed);
    loss = Buffer<T>(times(shape.n_tiles, shape.lanes));
}

template <class T>
void Sweep<T>::loss_of_tile(Size tile, Loss code, T parameter, const Size* sample, const Size* label,
                            const T* sample_weight) {
    const Size first = tile * shape.lanes;
    const int count = valid(tile);
    Index labels[MOST_LANES];
    T weights[MOST_LANES];
    for (int l = 0; l < count; ++l) {
        const Size from = sample ? sample[first + l] : first + l;
        if (sample_weight) weights[l] = sample_weight[from];
        if (code == Loss::cross_entropy) labels[l] = static_cast<Index>(label[from]);
    }
    kernels.loss(code, parameter, y.data() + tile * y_stride, s.output_row, s.n_outputs, labels,
                 sample_weight ? weights : nullptr, shape.vectors, count, seed.data() + tile * seed_stride(),
                 loss.data() + first);
}

// ---- gradients ----

template <class T>
void Sweep<T>::expect_gates() {
    if (!d) d = Buffer<T>(times(shape.n_tiles, d_stride));  // for the most it may ever hold
}

template <class T>
void Sweep<T>::part_values() {
    Buffer<T> values(times(shape.n_tiles, y_stride));
    for (Size tile = 0; tile < n_tiles; ++tile)
        for (Index k = 0; k < s.n_inputs; ++k)
            std::copy_n(y.data() + tile * y_stride + s.input_row[k] * shape.lanes, shape.lanes,
                        values.data() + tile * y_stride + s.input_row[k] * shape.lanes);
    d = std::move(y);
    y = std::move(values);
    overwritten = false;
}

template <class T>
void Sweep<T>::expect_gradients() {
    if (!gradient) gradient = Buffer<T>(times(shape.n_groups, static_cast<std::size_t>(n_slots())));
}

template <class T>
bool Sweep<T>::can_go_straight(const OwnParameters<T>& own) const {
    return shape.n_groups == 1 && s.first_block_edge >= 0 && own.plain && !s.tie;
}

template <class T>
void Sweep<T>::send_straight(T factor, T* out) {
    straight_ = out + s.first_block_edge;
    straight_factor_ = factor;
    if (!gradient) gradient = Buffer<T>(s.plan.n_arcs);
}

template <class T>
void Sweep<T>::expect_biases() {
    if (!bias) bias = Buffer<T>(times(shape.n_groups, s.plan.n_nodes));
}

template <class T>
void Sweep<T>::collect_weights(const OwnParameters<T>& own, T factor, T* out) const {
    const PlanView& plan = s.plan;
    const T* groups = gradient.data();
    const Size slots = n_slots();
    const int used = used_groups();
    // Summed as they stand, then edge by edge. Lines that another core wrote come slowly when they are asked for in no
    // order: of few arcs, each thread makes all sums for itself.
    const auto sum = [&](Size begin, Size end, T* sums) {
        kernels.sum_groups(groups + begin, slots, used, end - begin, factor, sums + begin);
    };
    const auto pick = [&](const T* sums, Size begin, Size end) {
        if (own.plain && !plan.n_blocks) return kernels.pick(sums, s.out_place + begin, end - begin, out + begin);
        for (Size e = begin; e < end; ++e) {
            const Index a = s.out_place[e];
            if (a < 0) continue;
            const Index row = plan.out_row[a];
            out[e] = own.plain || row >= plan.n_nodes ? sums[a] : sums[a] * own.factor[row];
        }
    };
    if (plan.n_arcs < FEW_ARCS) {
        const int members = std::min(n_threads, plan.n_arcs < PIECE ? 1 : 2);
        Buffer<T> sums(times(plan.n_arcs, members));
        bool there[2] = {false, false};
        share_out(members, plan.n_arcs ? members : 0, [&](Size piece, int member) {
            T* own_sums = sums.data() + static_cast<Size>(member) * plan.n_arcs;
            if (!there[member]) sum(0, plan.n_arcs, own_sums);
            there[member] = true;
            pick(own_sums, s.n_edges * piece / members, s.n_edges * (piece + 1) / members);
        });
    } else {
        Buffer<T> sums(plan.n_arcs);
        share_out_pieces(n_threads, plan.n_arcs, PIECE, [&](Size begin, Size end, int) { sum(begin, end, sums.data()); });
        share_out_pieces(n_threads, s.n_edges, PIECE, [&](Size begin, Size end, int) { pick(sums.data(), begin, end); });
    }
    if (straight_) return;
    if (s.first_block_edge >= 0 && own.plain) {
        share_out_pieces(n_threads, plan.n_block_arcs, PIECE, [&](Size begin, Size end, int) {
            kernels.sum_groups(groups + plan.n_arcs + begin, slots, used, end - begin, factor,
                               out + s.first_block_edge + begin);
        });
        return;
    }
    for (Index b = 0; b < plan.n_blocks; ++b) {
        const Block& block = plan.blocks[b];
        const Index* edge = s.block_edge + block.slot;
        const T* from = groups + plan.n_arcs + block.slot;
        share_out_pieces(n_threads, static_cast<Size>(block.n_heads) * block.n_tails, PIECE, [&](Size begin, Size end, int) {
            if (block.first_edge >= 0 && own.plain) {
                kernels.sum_groups(from + begin, slots, used, end - begin, factor, out + block.first_edge + begin);
                return;
            }
            T sums[512];
            for (Size first = begin; first < end; first += 512) {
                const Size count = std::min<Size>(512, end - first);
                kernels.sum_groups(from + first, slots, used, count, factor, sums);
                for (Size k = 0; k < count; ++k)
                    out[edge[first + k]] = sums[k] * own.factor[block.head + (first + k) / block.n_tails];
            }
        });
    }
}

template <class T>
void Sweep<T>::collect_biases(T factor, T* by_row) const {
    kernels.sum_groups(bias.data(), s.plan.n_nodes, used_groups(), s.plan.n_nodes, factor, by_row);
    for (Index k = 0; k < s.n_inputs; ++k) by_row[s.input_row[k]] = T(0);
}

template class Sweep<float>;
template class Sweep<double>;

}  // namespace edgewise
