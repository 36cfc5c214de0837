// From a plan in the caller's numbering to what the passes read: rows, arcs without those of blocks, and the blocks.
#pragma once

#include <vector>

#include "sweep.hpp"

namespace edgewise {

// What the caller knows; every array is checked by the time it gets here.
struct Description {
    Index n_nodes, n_edges, n_levels, n_inputs, n_outputs, n_parameters;
    const Index *tail, *head;                 // (n_edges) nodes
    const Index *order, *position;            // (n_nodes) node of each row, row of each node
    const Index* level_start;                 // (n_levels + 1) rows
    const Index *in_start, *in_edge;          // (n_nodes + 1), (n_edges): by row of the head, then by row of the tail
    const Index *out_start, *out_edge;        //   (in the caller's order where the head does not sum); the other way round
    const std::uint8_t *activation, *aggregation, *is_input;  // (n_nodes) by node
    const Index *inputs, *outputs;            // nodes
    const Index* tie;                         // (n_edges) or null
};

class OwnStructure {
public:
    explicit OwnStructure(const Description& given);
    OwnStructure(const OwnStructure&) = delete;

    const Structure& view() const { return view_; }
    std::size_t bytes() const;  // of the arrays made here

private:
    void find_blocks(const Description& given);
    void list_arcs(const Description& given);
    void find_segments();

    Structure view_{};
    std::vector<Index> row_, in_start_, in_tail_, in_edge_, out_start_, out_row_, out_edge_, extra_, count_;
    std::vector<Index> out_place_, block_edge_, segment_start_, segment_block_start_, segment_block_;
    std::vector<Index> input_row_, output_row_, output_seed_;
    std::vector<std::uint8_t> activation_, aggregation_, is_input_;
    std::vector<Size> in_work_, out_work_;
    std::vector<Block> blocks_;
    std::vector<Index> block_of_head_;  // (n_nodes), -1 outside; emptied when all is found
};

}  // namespace edgewise
