// What the passes read: a finished plan and parameters laid out for it, as plain arrays.
//
// Nodes are rows, numbered by their position in the plan's order, so that every arc leads to a larger row. Arcs come in
// two kinds. Blocks are full bipartite pieces, a matrix of weights each; all other arcs are listed twice, by head for
// the forward pass and by tail for the backward pass.
#pragma once

#include <cstddef>
#include <cstdint>

#include "codes.hpp"

namespace edgewise {

using Index = std::int32_t;
using Size = std::ptrdiff_t;

// Every one of heads [head, head + n_heads) has exactly the tails [tail, tail + n_tails), in this order.
struct Block {
    Index head, n_heads, tail, n_tails;
    Size slot;         // its first weight among all blocks' weights; row-major, a row for each head
    Index first_edge;  // the caller's edges are first_edge, first_edge + 1, ... in the same order, if it is not negative
};

struct PlanView {
    Index n_nodes;
    Index n_arcs;   // those outside the blocks
    Index n_extra;  // arcs into heads that do not sum
    Size n_block_arcs;
    Index largest_fan_in;  // among heads that do not sum
    Size near_bytes;       // of a tile's rows: where they take more, the caches are asked for them ahead of their use

    const Index* in_start;   // (n_nodes + 1) arcs into row p are in_start[p] .. in_start[p + 1] - 1
    const Index* in_tail;    // (n_arcs) row of the tail
    const Index* out_start;  // (n_nodes + 1)
    const Index* out_row;    // (n_arcs) row that holds S(j⁻,t) for the arc: its head's, or n_nodes + k for the
                             // k-th arc into a head that does not sum, whose share of it is the arc's own
    const Index* extra;      // (n_nodes) number of the first such arc of a head that does not sum, else -1
    const Index* count;      // (n_nodes) number of in-arcs

    const std::uint8_t* activation;   // (n_nodes) Activation
    const std::uint8_t* aggregation;  // (n_nodes) Aggregation
    const std::uint8_t* is_input;     // (n_nodes)

    const Block* blocks;  // by rising head
    Index n_blocks;
    // Rows whose out-arcs lie in the same blocks: segment s is rows segment_start[s] .. segment_start[s + 1] - 1, its
    // blocks are segment_block[k] for k from segment_block_start[s].
    const Index* segment_start;
    const Index* segment_block_start;
    const Index* segment_block;
    Index n_segments;
};

// A number that looks drawn at random (Wellons' lowbias32).
inline std::uint32_t mixed(std::uint32_t x) {
    x = (x ^ x >> 16) * 0x7FEB352Du;
    x = (x ^ x >> 15) * 0x846CA68Bu;
    return x ^ x >> 16;
}

// Of one minibatch; see dropout.hpp.
template <class T>
struct Dropout {
    const std::uint8_t* row;  // (n_nodes) whether it may be dropped; null where nothing is
    std::uint32_t key;
    std::uint32_t threshold;  // p·2³²
    T scale;                  // 1 / (1 - p)
    Size first;               // sample of the tile in the minibatch
};

template <class T>
struct Parameters {
    const T* bias;           // (n_nodes) by row
    const T* factor;         // (n_nodes) what the sum of a row is multiplied by: r_j, for a mean r_j / number of in-arcs
    const T* in_weight;      // (n_arcs) by head
    const T* out_weight;     // (n_arcs) by tail, times the head's factor where out_row is the head's
    const T* block_weight;   // (n_block_arcs)
    const T* block_passed;   // (n_block_arcs) times the head's factor; block_weight itself if all of these are 1
    Dropout<T> dropout;
    // Backward, whether the recursion is that on squares: out_weight, block_passed and the gates are squares, and a ReLU's
    // gate is where others' are, not read off the value.
    bool squared = false;

    bool drops(Index at) const { return dropout.row && dropout.row[at]; }
    Parameters of_tile(Size first) const {
        Parameters found = *this;
        found.dropout.first += first;
        return found;
    }
};

enum class Loss : std::uint8_t {
    squared_error, mean_squared_error, cross_entropy, binary_cross_entropy, hinge, huber
};

enum class Optimizer : std::uint8_t { sgd, adam, adamw };

// One step's settings. share is what the batch's gradient is scaled by, for its mean and to clip it; rate and
// epsilon hold Adam's corrections of the moments' bias.
template <class T>
struct OptimizerStep {
    Optimizer kind;
    bool nesterov;
    T learning_rate, momentum, weight_decay, beta1, one_minus_beta1, beta2, one_minus_beta2, epsilon;
    T rate, share;
};

// What a forward visit of a row leaves behind, and where.
enum class Wanted : std::uint8_t {
    value,           // y
    value_and_gate,  // y, and Φ′(s) in `out` unless it can be read off y
    preactivation,   // s in `out`; y is there already and stays, here and below
    gate,            // Φ′(s) in `out`
    aggregate,       // agg in `out`
};

// What a backward visit of a row does.
struct Backward {
    bool sensitivities;  // S(i,t), of inputs only where there is an `out` to write it to
    bool gated;          // S(i⁻,t), in the gate's place if there is one; not of inputs
    bool gradients;      // of the weights of the row's out-arcs that lie in no block
    bool biases;         // Σ S(i⁻,t) over samples
};

}  // namespace edgewise
