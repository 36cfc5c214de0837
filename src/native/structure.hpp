// From a plan in the caller's numbering to what the passes read: rows, arcs without those of blocks, and the blocks.
#pragma once

#include <vector>

#include "network_view.hpp"

namespace edgewise {

// A finished plan and where its parts are in the caller's order.
struct Structure {
    PlanView plan;
    bool keeps_gates;     // some Φ′(s) cannot be read off its Φ(s)
    bool can_overwrite;   // S(j⁻,t) may take the place of the values: all arcs are outside blocks, all heads sum
    Index n_edges, n_inputs, n_outputs, n_levels, n_parameters, n_biases;
    const Index* node;         // (n_nodes) of each row
    const Index* row;          // (n_nodes) of each node
    const Index* level_start;  // (n_levels + 1)
    const Index* in_edge;      // (n_arcs) the caller's edge of each arc by head
    Index first_in_edge;       // these are first_in_edge, first_in_edge + 1, ... if it is not negative
    Index first_block_edge;    // and so for block_edge
    const Index* out_edge;     // (n_arcs) and by tail
    const Index* out_place;    // (n_edges) the place of each edge in out_edge, -1 in blocks; null if all are in blocks
    const Index* block_edge;   // (n_block_arcs) and in the blocks
    const Index* input_row;    // (n_inputs)
    const Index* output_row;   // (n_outputs)
    const Index* output_seed;  // (n_nodes) which output a row is, -1 if none
    const Index* tie;          // (n_edges) which of n_parameters weights is that of each edge, or null
    const Index* bias_tie;     // (n_nodes) which of n_biases biases is that of each node, or null
    const Size* in_work;       // (n_nodes + 1) in-arcs of the rows before
    const Size* out_work;      // (n_nodes + 1) out-arcs of the rows before

    // The caller's edge of a slot, as gradients are listed: arcs by tail, then the blocks.
    Index edge_of(Size slot) const { return slot < plan.n_arcs ? out_edge[slot] : block_edge[slot - plan.n_arcs]; }
};

// What the caller knows; every array is checked by the time it gets here.
struct Description {
    Index n_nodes, n_edges, n_levels, n_inputs, n_outputs, n_parameters, n_biases;
    const Index *tail, *head;                 // (n_edges) nodes
    const Index *order, *position;            // (n_nodes) node of each row, row of each node
    const Index* level_start;                 // (n_levels + 1) rows
    const Index *in_start, *in_edge;          // (n_nodes + 1), (n_edges): by row of the head, then by row of the tail
    const Index *out_start, *out_edge;        //   (in the caller's order where the head does not sum); the other way round
    const std::uint8_t *activation, *aggregation, *is_input;  // (n_nodes) by node
    const Index *inputs, *outputs;            // nodes
    const Index* tie;                         // (n_edges) or null
    const Index* bias_tie;                    // (n_nodes) or null
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
