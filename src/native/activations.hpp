// The table of activations, value beside gate, on whole registers: the same functions as edgewise/activations.py, with
// the same derivatives at kinks and the same answers to infinities and NaN.
#pragma once

#include "codes.hpp"
#include "elementary.hpp"

namespace edgewise::EDGEWISE_ISA {

namespace rows {

constexpr double LEAKY_SLOPE = 0.01;
constexpr double SELU_ALPHA = 1.6732632423543772;
constexpr double SELU_SCALE = 1.0507009873554805;

// One row each: y = Φ(s) and gate = Φ′(s). Where only y is wanted the compiler drops what only the gate needs.
// Comparisons put s itself on the side where a NaN falls, so that NaN stays NaN.

struct Sigmoid {
    template <class V>
    static EDGEWISE_INLINE void row(V s, V& y, V& gate) {
        y = sigmoid(s);
        gate = y * (1 - y);
    }
};

struct Tanh {
    template <class V>
    static EDGEWISE_INLINE void row(V s, V& y, V& gate) {
        y = tanh(s);
        gate = (1 - y) * (1 + y);  // 1 - y^2 to the last digits, with or without a fused multiply-add
    }
};

struct Relu {
    template <class V>
    static EDGEWISE_INLINE void row(V s, V& y, V& gate) {
        y = s <= V{} ? V{} : s;
        gate = s > V{} ? splat<V>(1) : V{};
    }
};

struct Clamp {  // hard_tanh and clamped
    template <class V>
    static EDGEWISE_INLINE void row(V s, V& y, V& gate) {
        y = at_most(at_least(s, -1), 1);
        gate = magnitude(s) > splat<V>(1) ? V{} : splat<V>(1);
    }
};

struct Identity {
    template <class V>
    static EDGEWISE_INLINE void row(V s, V& y, V& gate) {
        y = s;
        gate = splat<V>(1);
    }
};

struct LeakyRelu {
    template <class V>
    static EDGEWISE_INLINE void row(V s, V& y, V& gate) {
        const V slope = splat<V>(static_cast<ScalarOf<V>>(LEAKY_SLOPE));
        y = s > V{} ? s : slope * s;
        gate = s > V{} ? splat<V>(1) : slope;
    }
};

struct Elu {
    template <class V>
    static EDGEWISE_INLINE void row(V s, V& y, V& gate) {
        const V left = expm1(at_most(s, 0));
        y = s > V{} ? s : left;
        gate = s > V{} ? splat<V>(1) : left + 1;
    }
};

struct Selu {
    template <class V>
    static EDGEWISE_INLINE void row(V s, V& y, V& gate) {
        using T = ScalarOf<V>;
        const V left = static_cast<T>(SELU_SCALE * SELU_ALPHA) * expm1(at_most(s, 0));
        y = s > V{} ? static_cast<T>(SELU_SCALE) * s : left;
        gate = s > V{} ? splat<V>(static_cast<T>(SELU_SCALE)) : left + static_cast<T>(SELU_SCALE * SELU_ALPHA);
    }
};

struct Gelu {  // y = s p, gate = p + s φ, with p the normal distribution up to s and φ its density
    template <class V>
    static EDGEWISE_INLINE void row(V s, V& y, V& gate) {
        const auto [ratio, density] = normal_tail(magnitude(s));
        const auto is_left = s < V{};
        const V one_if_right = is_left ? V{} : splat<V>(1);
        y = is_left ? s * ratio * density : s * (1 - ratio * density);
        const V scaled = static_cast<ScalarOf<V>>(0.3989422804014327) * s;
        gate = one_if_right + density * (is_left ? scaled + ratio : scaled - ratio);
    }
};

struct Silu {  // y = s p, gate = p + y (1 - p), with p = sigmoid(s)
    template <class V>
    static EDGEWISE_INLINE void row(V s, V& y, V& gate) {
        // e^-|s| is kept multiplied by a power of two until s has multiplied it, for s e^s outlives e^s.
        constexpr ScalarOf<V> up = SINGLE<V> ? 0x1p24 : 0x1p53, down = 1 / up;
        const auto [mantissa, scale] = exponential(at_least(-magnitude(s), FormatOf<V>::exp_lowest));
        const V large = mantissa * scale * (scale * up);
        const V e = large * down;
        const V part = 1 / (1 + e);
        const auto is_left = s < V{};
        y = (is_left ? s * large * down : s) * part;
        const V p = is_left ? e * part : part;
        gate = p + y * (is_left ? part : e * part);
    }
};

struct Softplus {
    template <class V>
    static EDGEWISE_INLINE void row(V s, V& y, V& gate) {
        const V e = exponential(at_least(-magnitude(s), FormatOf<V>::exp_lowest)).value();
        y = (s <= V{} ? V{} : s) + log1p_to_one(e);
        gate = (s < V{} ? e : splat<V>(1)) / (1 + e);  // -expm1(-y), which is the sigmoid
    }
};

struct Softsign {
    template <class V>
    static EDGEWISE_INLINE void row(V s, V& y, V& gate) {
        const V below = 1 + magnitude(s);
        y = s / below;
        const V root = 1 / below;
        gate = root * root;
    }
};

struct Hat {
    template <class V>
    static EDGEWISE_INLINE void row(V s, V& y, V& gate) {
        const V height = 1 - magnitude(s);
        y = height <= V{} ? V{} : height;
        const V slope = s < V{} ? splat<V>(1) : s > V{} ? splat<V>(-1) : V{};
        gate = magnitude(s) < splat<V>(1) ? slope : 0 * y;
    }
};

struct Gaussian {
    template <class V>
    static EDGEWISE_INLINE void row(V s, V& y, V& gate) {
        y = exp_of_minus_square(at_most(magnitude(s), SINGLE<V> ? 11 : 28), 1);
        gate = -2 * (s * y);
    }
};

struct Exp {
    template <class V>
    static EDGEWISE_INLINE void row(V s, V& y, V& gate) {
        y = exp(s);
        gate = y;
    }
};

struct Log {
    template <class V>
    static EDGEWISE_INLINE void row(V s, V& y, V& gate) {
        y = log(s);
        gate = 1 / s;
    }
};

struct Sqrt {
    template <class V>
    static EDGEWISE_INLINE void row(V s, V& y, V& gate) {
        y = sqrt(s);
        gate = ScalarOf<V>(0.5) / y;
    }
};

struct Square {
    template <class V>
    static EDGEWISE_INLINE void row(V s, V& y, V& gate) {
        y = s * s;
        gate = 2 * s;
    }
};

struct Cube {
    template <class V>
    static EDGEWISE_INLINE void row(V s, V& y, V& gate) {
        y = s * s * s;
        gate = 3 * s * s;
    }
};

struct Reciprocal {
    template <class V>
    static EDGEWISE_INLINE void row(V s, V& y, V& gate) {
        y = 1 / s;
        gate = -y * y;
    }
};

struct Abs {
    template <class V>
    static EDGEWISE_INLINE void row(V s, V& y, V& gate) {
        y = magnitude(s);
        gate = s > V{} ? splat<V>(1) : s < V{} ? splat<V>(-1) : s;
    }
};

struct Sin {
    template <class V>
    static EDGEWISE_INLINE void row(V s, V& y, V& gate) {
        const auto both = sincos(s);
        y = both.sin;
        gate = both.cos;
    }
};

struct Cos {
    template <class V>
    static EDGEWISE_INLINE void row(V s, V& y, V& gate) {
        const auto both = sincos(s);
        y = both.cos;
        gate = -both.sin;
    }
};

// ---- as neat-python has them: scaled and cut off ----

struct NeatSin {
    template <class V>
    static EDGEWISE_INLINE void row(V s, V& y, V& gate) {
        const auto both = sincos(at_most(at_least(5 * s, -60), 60));
        y = both.sin;
        gate = magnitude(s) > splat<V>(12) ? V{} : 5 * both.cos;
    }
};

struct NeatSoftplus {
    template <class V>
    static EDGEWISE_INLINE void row(V s, V& y, V& gate) {
        Softplus::row(at_most(at_least(5 * s, -60), 60), y, gate);
        y = static_cast<ScalarOf<V>>(0.2) * y;
        gate = magnitude(s) > splat<V>(12) ? V{} : gate;
    }
};

struct NeatLelu {
    template <class V>
    static EDGEWISE_INLINE void row(V s, V& y, V& gate) {
        const V slope = splat<V>(static_cast<ScalarOf<V>>(0.005));
        y = s > V{} ? s : slope * s;
        gate = s > V{} ? splat<V>(1) : slope;
    }
};

struct NeatInv {
    template <class V>
    static EDGEWISE_INLINE void row(V s, V& y, V& gate) {
        y = s == V{} ? V{} : 1 / s;
        gate = -y * y;
    }
};

struct NeatLog {
    template <class V>
    static EDGEWISE_INLINE void row(V s, V& y, V& gate) {
        const V least = splat<V>(static_cast<ScalarOf<V>>(1e-7));
        const V used = s <= least ? least : s;
        y = log(used);
        gate = s <= least ? V{} : 1 / used;
    }
};

struct NeatExp {
    template <class V>
    static EDGEWISE_INLINE void row(V s, V& y, V& gate) {
        y = exp(at_most(at_least(s, -60), 60));
        gate = magnitude(s) > splat<V>(60) ? V{} : y;
    }
};

}  // namespace rows

// f(row) for the row that the code names
template <class F>
EDGEWISE_INLINE void with_row(Activation code, F f) {
    switch (code) {
        case Activation::sigmoid: return f(rows::Sigmoid{});
        case Activation::tanh: return f(rows::Tanh{});
        case Activation::relu: return f(rows::Relu{});
        case Activation::hard_tanh: return f(rows::Clamp{});
        case Activation::identity: return f(rows::Identity{});
        case Activation::leaky_relu: return f(rows::LeakyRelu{});
        case Activation::elu: return f(rows::Elu{});
        case Activation::selu: return f(rows::Selu{});
        case Activation::gelu: return f(rows::Gelu{});
        case Activation::silu: return f(rows::Silu{});
        case Activation::softplus: return f(rows::Softplus{});
        case Activation::softsign: return f(rows::Softsign{});
        case Activation::clamped: return f(rows::Clamp{});
        case Activation::hat: return f(rows::Hat{});
        case Activation::gaussian: return f(rows::Gaussian{});
        case Activation::exp: return f(rows::Exp{});
        case Activation::log: return f(rows::Log{});
        case Activation::sqrt: return f(rows::Sqrt{});
        case Activation::square: return f(rows::Square{});
        case Activation::cube: return f(rows::Cube{});
        case Activation::reciprocal: return f(rows::Reciprocal{});
        case Activation::abs: return f(rows::Abs{});
        case Activation::sin: return f(rows::Sin{});
        case Activation::cos: return f(rows::Cos{});
        case Activation::neat_sin: return f(rows::NeatSin{});
        case Activation::neat_softplus: return f(rows::NeatSoftplus{});
        case Activation::neat_lelu: return f(rows::NeatLelu{});
        case Activation::neat_inv: return f(rows::NeatInv{});
        case Activation::neat_log: return f(rows::NeatLog{});
        case Activation::neat_exp: return f(rows::NeatExp{});
    }
}

template <class V>
EDGEWISE_INLINE void activate(Activation code, V s, V& y, V& gate) {
    with_row(code, [&](auto row) __attribute__((always_inline)) { row.row(s, y, gate); });
}

template <class V>
EDGEWISE_INLINE V activation_value(Activation code, V s) {
    V y = s, gate;
    activate(code, s, y, gate);
    return y;
}

// y = Φ(s) and, unless it is null, gate = Φ′(s) for n_vectors registers on end; y may be s, and gate
// may be y, where it then stays.
template <class T>
void activate_row(Activation code, const T* s, T* y, T* gate, int n_vectors) {
    using V = Vector<T>;
    constexpr int width = WIDTH<T>;
    with_row(code, [=](auto row) __attribute__((always_inline)) {
        V value, slope;
        if (gate) {
            for (int i = 0; i < n_vectors * width; i += width) {
                row.row(load(s + i), value, slope);
                store(y + i, value);
                store(gate + i, slope);
            }
        } else {
            for (int i = 0; i < n_vectors * width; i += width) {
                row.row(load(s + i), value, slope);
                store(y + i, value);
            }
        }
    });
}

}  // namespace edgewise::EDGEWISE_ISA
