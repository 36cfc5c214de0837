#include "structure.hpp"

#include <algorithm>

#if defined(__linux__)
#include <unistd.h>
#endif

namespace edgewise {

namespace {

// A matrix narrower than this is no faster as a block than as arcs.
constexpr Index FEWEST_HEADS = 4, FEWEST_TAILS = 16;

bool sums(std::uint8_t aggregation) {
    return aggregation == static_cast<std::uint8_t>(Aggregation::sum) ||
           aggregation == static_cast<std::uint8_t>(Aggregation::mean);
}

// Asking the caches for rows costs as much as loading them, so it is done only where a tile's rows take more than twice
// what the second level holds.
Size near_bytes() {
    static const Size found = [] {
        long second_level = 0;
#if defined(_SC_LEVEL2_CACHE_SIZE)
        second_level = sysconf(_SC_LEVEL2_CACHE_SIZE);
#endif
        return 2 * static_cast<Size>(second_level > 0 ? second_level : 1L << 21);
    }();
    return found;
}

// The first of n edges if they are numbered one after another, else -1.
Index first_of_run(const Index* edge, Size n) {
    for (Size k = 1; k < n; ++k)
        if (edge[k] != edge[0] + k) return -1;
    return n ? edge[0] : -1;
}

}  // namespace

OwnStructure::OwnStructure(const Description& given) {
    PlanView& plan = view_.plan;
    const Index n = given.n_nodes;
    plan.n_nodes = n;
    plan.near_bytes = near_bytes();
    view_.n_edges = given.n_edges;
    view_.n_inputs = given.n_inputs;
    view_.n_outputs = given.n_outputs;
    view_.n_levels = given.n_levels;
    view_.n_parameters = given.n_parameters;
    view_.n_biases = given.n_biases;
    view_.node = given.order;
    view_.row = given.position;
    view_.level_start = given.level_start;
    view_.tie = given.tie;
    view_.bias_tie = given.bias_tie;

    activation_.resize(n);
    aggregation_.resize(n);
    is_input_.resize(n);
    count_.resize(n);
    for (Index row = 0; row < n; ++row) {
        activation_[row] = given.activation[given.order[row]];
        aggregation_[row] = given.aggregation[given.order[row]];
        is_input_[row] = given.is_input[given.order[row]];
        count_[row] = given.in_start[row + 1] - given.in_start[row];
    }
    find_blocks(given);
    list_arcs(given);
    find_segments();
    block_of_head_ = {};
    view_.keeps_gates = false;
    for (Index row = 0; row < n; ++row)
        view_.keeps_gates |= !is_input_[row] && !gate_from_value(static_cast<Activation>(activation_[row]));
    view_.can_overwrite = blocks_.empty() && plan.n_extra == 0;

    for (Index k = 0; k < given.n_inputs; ++k) input_row_.push_back(given.position[given.inputs[k]]);
    output_seed_.assign(n, -1);
    for (Index k = 0; k < given.n_outputs; ++k) {
        output_row_.push_back(given.position[given.outputs[k]]);
        output_seed_[output_row_.back()] = k;
    }
    in_work_.resize(static_cast<std::size_t>(n) + 1);
    out_work_.resize(static_cast<std::size_t>(n) + 1);
    for (Index row = 0; row < n; ++row) {  // a row costs something besides its arcs
        in_work_[row + 1] = in_work_[row] + count_[row] + 2;
        out_work_[row + 1] = out_work_[row] + given.out_start[row + 1] - given.out_start[row] + 2;
    }

    plan.in_tail = in_tail_.data();
    plan.out_start = out_start_.empty() ? given.out_start : out_start_.data();
    plan.in_start = in_start_.empty() ? given.in_start : in_start_.data();
    plan.out_row = out_row_.data();
    plan.extra = extra_.data();
    plan.count = count_.data();
    plan.activation = activation_.data();
    plan.aggregation = aggregation_.data();
    plan.is_input = is_input_.data();
    plan.blocks = blocks_.data();
    plan.n_blocks = static_cast<Index>(blocks_.size());
    plan.segment_start = segment_start_.data();
    plan.segment_block_start = segment_block_start_.data();
    plan.segment_block = segment_block_.data();
    plan.n_segments = static_cast<Index>(segment_start_.size()) - 1;
    view_.in_edge = in_start_.empty() ? given.in_edge : in_edge_.data();
    view_.first_in_edge = first_of_run(view_.in_edge, plan.n_arcs);
    view_.first_block_edge = first_of_run(block_edge_.data(), plan.n_block_arcs);
    view_.out_edge = out_start_.empty() ? given.out_edge : out_edge_.data();
    if (plan.n_arcs) out_place_.assign(view_.n_edges, -1);
    for (Index a = 0; a < plan.n_arcs; ++a) out_place_[view_.out_edge[a]] = a;
    view_.out_place = out_place_.data();
    view_.block_edge = block_edge_.data();
    view_.input_row = input_row_.data();
    view_.output_row = output_row_.data();
    view_.output_seed = output_seed_.data();
    view_.in_work = in_work_.data();
    view_.out_work = out_work_.data();
}

// Runs of heads whose tails are the same run of rows.
void OwnStructure::find_blocks(const Description& given) {
    const Index n = given.n_nodes;
    const auto first_tail = [&](Index row) { return given.position[given.tail[given.in_edge[given.in_start[row]]]]; };
    const auto is_run = [&](Index row) {
        if (!sums(aggregation_[row]) || count_[row] < FEWEST_TAILS) return false;
        const Index first = first_tail(row);
        for (Index k = 1; k < count_[row]; ++k)
            if (given.position[given.tail[given.in_edge[given.in_start[row] + k]]] != first + k) return false;
        return true;
    };
    block_of_head_.assign(n, -1);
    view_.plan.n_block_arcs = 0;
    for (Index row = 0; row < n;) {
        if (!is_run(row)) {
            ++row;
            continue;
        }
        Index end = row + 1;
        while (end < n && count_[end] == count_[row] && first_tail(end) == first_tail(row) && is_run(end)) ++end;
        if (end - row >= FEWEST_HEADS) {
            const Index* edge = given.in_edge + given.in_start[row];
            const Size size = static_cast<Size>(end - row) * count_[row];
            std::fill(block_of_head_.begin() + row, block_of_head_.begin() + end, static_cast<Index>(blocks_.size()));
            blocks_.push_back({row, end - row, first_tail(row), count_[row], view_.plan.n_block_arcs,
                               first_of_run(edge, size)});
            block_edge_.insert(block_edge_.end(), edge, edge + size);
            view_.plan.n_block_arcs += size;
        }
        row = end;
    }
}

// The arcs outside the blocks, by head and by tail.
void OwnStructure::list_arcs(const Description& given) {
    PlanView& plan = view_.plan;
    const Index n = given.n_nodes;
    plan.n_arcs = static_cast<Index>(given.n_edges - plan.n_block_arcs);
    plan.n_extra = plan.largest_fan_in = 0;
    extra_.assign(n, -1);
    for (Index row = 0; row < n; ++row) {
        if (sums(aggregation_[row]) || count_[row] == 0) continue;
        extra_[row] = plan.n_extra;
        plan.n_extra += count_[row];
        plan.largest_fan_in = std::max(plan.largest_fan_in, count_[row]);
    }
    const bool all = blocks_.empty();  // then the caller's own lists serve
    if (!all) {
        in_start_.assign(1, 0);
        out_start_.assign(1, 0);
        in_edge_.reserve(plan.n_arcs);
        out_edge_.reserve(plan.n_arcs);
        for (Index row = 0; row < n; ++row) {
            if (block_of_head_[row] < 0)
                in_edge_.insert(in_edge_.end(), given.in_edge + given.in_start[row], given.in_edge + given.in_start[row + 1]);
            in_start_.push_back(static_cast<Index>(in_edge_.size()));
            for (Index a = given.out_start[row]; a < given.out_start[row + 1]; ++a)
                if (block_of_head_[given.position[given.head[given.out_edge[a]]]] < 0) out_edge_.push_back(given.out_edge[a]);
            out_start_.push_back(static_cast<Index>(out_edge_.size()));
        }
    }
    const Index* in_edge = all ? given.in_edge : in_edge_.data();
    const Index* out_edge = all ? given.out_edge : out_edge_.data();
    in_tail_.resize(plan.n_arcs);
    out_row_.resize(plan.n_arcs);
    for (Index a = 0; a < plan.n_arcs; ++a) {
        in_tail_[a] = given.position[given.tail[in_edge[a]]];
        out_row_[a] = given.position[given.head[out_edge[a]]];
    }
    if (!plan.n_extra) return;
    const Index* in_start = all ? given.in_start : in_start_.data();
    std::vector<Index> own(given.n_edges, -1);  // the row of each edge into a head that does not sum
    for (Index row = 0; row < n; ++row)
        for (Index a = in_start[row]; extra_[row] >= 0 && a < in_start[row + 1]; ++a)
            own[in_edge[a]] = n + extra_[row] + (a - in_start[row]);
    for (Index a = 0; a < plan.n_arcs; ++a)
        if (own[out_edge[a]] >= 0) out_row_[a] = own[out_edge[a]];
}

void OwnStructure::find_segments() {
    const Index n = view_.plan.n_nodes;
    segment_start_ = {0, n};
    for (const Block& block : blocks_) {
        segment_start_.push_back(block.tail);
        segment_start_.push_back(block.tail + block.n_tails);
    }
    std::sort(segment_start_.begin(), segment_start_.end());
    segment_start_.erase(std::unique(segment_start_.begin(), segment_start_.end()), segment_start_.end());
    // a block's tails are whole segments, one after another: count, then fill
    const auto of = [&](Index row) {
        return std::lower_bound(segment_start_.begin(), segment_start_.end(), row) - segment_start_.begin();
    };
    segment_block_start_.assign(segment_start_.size(), 0);
    for (const Block& block : blocks_)
        for (auto k = of(block.tail); k < of(block.tail + block.n_tails); ++k) ++segment_block_start_[k + 1];
    for (std::size_t k = 1; k < segment_block_start_.size(); ++k) segment_block_start_[k] += segment_block_start_[k - 1];
    segment_block_.resize(segment_block_start_.back());
    std::vector<Index> next(segment_block_start_);
    for (std::size_t b = 0; b < blocks_.size(); ++b)
        for (auto k = of(blocks_[b].tail); k < of(blocks_[b].tail + blocks_[b].n_tails); ++k)
            segment_block_[next[k]++] = static_cast<Index>(b);
}

std::size_t OwnStructure::bytes() const {
    std::size_t total = 0;
    for (const auto* array : {&in_start_, &in_tail_, &in_edge_, &out_start_, &out_row_, &out_edge_, &out_place_, &extra_,
                              &count_, &block_edge_, &segment_start_, &segment_block_start_, &segment_block_, &input_row_,
                              &output_row_, &output_seed_})
        total += array->size() * sizeof(Index);
    for (const auto* array : {&activation_, &aggregation_, &is_input_}) total += array->size();
    for (const auto* array : {&in_work_, &out_work_}) total += array->size() * sizeof(Size);
    return total + blocks_.size() * sizeof(Block);
}

}  // namespace edgewise
