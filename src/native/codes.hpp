// Numbers for the names of activations and aggregations, in the order of `edgewise.activations.BUILTIN` and of
// `edgewise.aggregations`.
#pragma once

#include <cstdint>

namespace edgewise {

enum class Activation : std::uint8_t {
    sigmoid,
    tanh,
    relu,
    hard_tanh,
    identity,
    leaky_relu,
    elu,
    selu,
    gelu,
    silu,
    softplus,
    softsign,
    clamped,
    hat,
    gaussian,
    exp,
    log,
    sqrt,
    square,
    cube,
    reciprocal,
    abs,
    sin,
    cos,
    neat_sin,
    neat_softplus,
    neat_lelu,
    neat_inv,
    neat_log,
    neat_exp,
};
constexpr int N_ACTIVATIONS = 30;

// Whether Φ′(s) can be read off Φ(s), so that no gate is kept.
constexpr bool gate_from_value(Activation a) { return a == Activation::relu || a == Activation::identity; }

enum class Aggregation : std::uint8_t { sum, product, max, min, mean, maxabs, median };
constexpr int N_AGGREGATIONS = 7;

}  // namespace edgewise
