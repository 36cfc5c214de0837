// How far are the elementary functions and activations of src/native from the truth, in units in the last place?
//
//   g++ -std=c++20 -O3 -fno-math-errno -Isrc/native tests/native/ulp.cpp -o ulp && ./ulp [--all] [name ...]
// with one of
//   -DEDGEWISE_ISA=avx512 -DEDGEWISE_VECTOR_BYTES=64 -mavx512f -mavx512dq -mavx512vl -mavx512bw -mfma
//   -DEDGEWISE_ISA=avx2 -DEDGEWISE_VECTOR_BYTES=32 -mavx2 -mfma
//   -DEDGEWISE_ISA=baseline -DEDGEWISE_VECTOR_BYTES=16
//
// float32 is held to double arithmetic on every 997th float (--all: on every one), float64 to long double on random
// numbers. Exits with 1 if anything is off by more than 4 ulp (the value of gelu: 5), or if an edge case comes out
// wrong: infinity, NaN, a signed zero, the ends of the floats, a kink. A gate is held to what activations.py computes
// from the y that came out, but without rounding. The gates of gelu and silu cross zero, where they are differences:
// their error is counted in epsilons, absolutely.
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <limits>
#include <vector>

#include "activations.hpp"

static_assert(std::numeric_limits<long double>::digits >= 64, "float64 needs a wider type to be compared with");

namespace {

using edgewise::Activation;
namespace isa = edgewise::EDGEWISE_ISA;
template <class T>
using Vec = isa::Vector<T>;

constexpr long double SQRT_HALF_LONG = 0.707106781186547524400844362104849039L;
constexpr long double ROOT_TWO_PI_INVERSE = 0.398942280401432677939946059934381868L;

template <class T>
struct WiderOf;
template <>
struct WiderOf<float> {
    using type = double;
};
template <>
struct WiderOf<double> {
    using type = long double;
};

// ---- the truth, as edgewise/activations.py has it; y is what the function under test returned ----

template <class W>
W exp_of_minus_square(W s, W factor) {
    const W square = s * s;
    if (!(square < 1e5)) return std::exp(-square);
    return std::exp(-square * factor) * (1 - std::fma(s, s, -square) * factor);
}
template <class W>
W normal_below(W s) {
    const W root = static_cast<W>(SQRT_HALF_LONG);
    const W z = -s * root;
    W tail = std::erfc(z);
    if (std::fabs(s) < 100) {  // what the rounding of z took: long double alone is too narrow for the far tail
        const W lost = std::fma(-s, root, -z) - s * static_cast<W>(SQRT_HALF_LONG - static_cast<long double>(root));
        tail -= lost * 2 * std::sqrt(W(2)) * static_cast<W>(ROOT_TWO_PI_INVERSE) * exp_of_minus_square<W>(s, W(0.5));
    }
    return tail / 2;
}
template <class W>
W sigmoid(W s) {
    const W e = std::exp(-std::fabs(s));
    return (s < 0 ? e : W(1)) / (1 + e);
}
template <class W>
W sign(W s) {
    return s > 0 ? W(1) : s < 0 ? W(-1) : s;
}

template <class T>
using Wider = typename WiderOf<T>::type;

// Of 5·s as a T holds it, which is what the function is given.
template <class T>
Wider<T> five(Wider<T> s) {
    const Wider<T> z = static_cast<T>(5 * static_cast<T>(s));
    return z > 60 ? Wider<T>(60) : z < -60 ? Wider<T>(-60) : z;
}

template <class T>
Wider<T> true_value(Activation code, Wider<T> s) {
    using W = Wider<T>;
    const W scale = 1.0507009873554805, alpha = 1.6732632423543772;
    switch (code) {
        case Activation::sigmoid: return sigmoid(s);
        case Activation::tanh: return std::tanh(s);
        case Activation::relu: return s <= 0 ? W(0) : s;
        case Activation::hard_tanh:
        case Activation::clamped: return s > 1 ? W(1) : s < -1 ? W(-1) : s;
        case Activation::identity: return s;
        case Activation::leaky_relu: return s > 0 ? s : W(T(0.01)) * s;
        case Activation::elu: return s > 0 ? s : std::expm1(s);
        case Activation::selu: return s > 0 ? W(T(scale)) * s : scale * alpha * std::expm1(s);
        case Activation::gelu: return s * normal_below(s);
        case Activation::silu: return s * sigmoid(s);
        case Activation::softplus: return (s <= 0 ? W(0) : s) + std::log1p(std::exp(-std::fabs(s)));
        case Activation::softsign: return s / (1 + std::fabs(s));
        case Activation::hat: return 1 - std::fabs(s) <= 0 ? W(0) : 1 - std::fabs(s);
        case Activation::gaussian: return exp_of_minus_square(s, W(1));
        case Activation::exp: return std::exp(s);
        case Activation::log: return std::log(s);
        case Activation::sqrt: return std::sqrt(s);
        case Activation::square: return s * s;
        case Activation::cube: return s * s * s;
        case Activation::reciprocal: return 1 / s;
        case Activation::abs: return std::fabs(s);
        case Activation::sin: return std::sin(s);
        case Activation::cos: return std::cos(s);
        case Activation::neat_sin: return std::sin(five<T>(s));
        case Activation::neat_softplus: return W(T(0.2)) * std::log1p(std::exp(five<T>(s)));
        case Activation::neat_lelu: return s > 0 ? s : W(T(0.005)) * s;
        case Activation::neat_inv: return s == 0 ? 0 : 1 / s;
        case Activation::neat_log: return std::log(s <= W(T(1e-7)) ? W(T(1e-7)) : s);
        case Activation::neat_exp: return std::exp(s > 60 ? W(60) : s < -60 ? W(-60) : s);
    }
    return 0;
}
template <class T>
Wider<T> true_gate(Activation code, Wider<T> s, Wider<T> y) {
    using W = Wider<T>;
    const W scale = 1.0507009873554805, alpha = 1.6732632423543772;
    switch (code) {
        case Activation::sigmoid: return y * (1 - y);
        case Activation::tanh: return (1 - y) * (1 + y);
        case Activation::relu: return y > 0 ? 1 : 0;
        case Activation::hard_tanh:
        case Activation::clamped: return std::fabs(s) > 1 ? 0 : 1;
        case Activation::identity: return 1;
        case Activation::leaky_relu: return y > 0 ? W(1) : W(T(0.01));
        case Activation::elu: return y > 0 ? W(1) : y + 1;
        case Activation::selu: return y > 0 ? scale : y + W(T(scale * alpha));
        case Activation::gelu:
            return normal_below(s) + s * exp_of_minus_square(s, W(0.5)) * static_cast<W>(ROOT_TWO_PI_INVERSE);
        case Activation::silu: return sigmoid(s) + s * sigmoid(s) * sigmoid(-s);
        case Activation::softplus: return -std::expm1(-y);
        case Activation::softsign: return 1 / (1 + std::fabs(s)) / (1 + std::fabs(s));
        case Activation::hat: return std::fabs(s) < 1 ? -sign(s) : 0 * y;
        case Activation::gaussian: return -2 * (s * y);
        case Activation::exp: return y;
        case Activation::log: return 1 / s;
        case Activation::sqrt: return W(0.5) / y;
        case Activation::square: return 2 * s;
        case Activation::cube: return 3 * s * s;
        case Activation::reciprocal: return -y * y;
        case Activation::abs: return sign(s);
        case Activation::sin: return std::cos(s);
        case Activation::cos: return -std::sin(s);
        case Activation::neat_sin: return std::fabs(s) > 12 ? 0 : 5 * std::cos(five<T>(s));
        case Activation::neat_softplus: return std::fabs(s) > 12 ? 0 : sigmoid(five<T>(s));
        case Activation::neat_lelu: return s > 0 ? W(1) : W(T(0.005));
        case Activation::neat_inv: return -y * y;
        case Activation::neat_log: return s <= W(T(1e-7)) ? 0 : 1 / s;
        case Activation::neat_exp: return std::fabs(s) > 60 ? 0 : y;
    }
    return 0;
}

const char* const NAMES[] = {"sigmoid",  "tanh",     "relu",  "hard_tanh", "identity", "leaky_relu",
                             "elu",      "selu",     "gelu",  "silu",      "softplus", "softsign",
                             "clamped",  "hat",      "gaussian", "exp",    "log",      "sqrt",
                             "square",   "cube",     "reciprocal", "abs",  "sin",      "cos",
                             "neat_sin", "neat_softplus", "neat_lelu", "neat_inv", "neat_log", "neat_exp"};
static_assert(sizeof NAMES / sizeof *NAMES == edgewise::N_ACTIVATIONS);

// ---- errors ----

// |got - want| in units in the last place of want, rounded to T; infinity where only one of the two is NaN. An infinite
// T counts as the number after the largest, so that rounding to it from just below is not an infinite error.
template <class T>
double ulps(T got, Wider<T> want) {
    using W = Wider<T>;
    using Limits = std::numeric_limits<T>;
    constexpr double WRONG = std::numeric_limits<double>::infinity();
    if (std::isnan(got) || std::isnan(want)) return std::isnan(got) && std::isnan(want) ? 0 : WRONG;
    const W after_largest = std::ldexp(W(1), Limits::max_exponent);
    const auto finite = [=](W a) { return std::fmax(std::fmin(a, after_largest), -after_largest); };
    const W a = finite(got), b = finite(want);
    if (a == b) return 0;
    const int exponent = b == 0 ? Limits::min_exponent : std::ilogb(b) + 1;
    const int least = Limits::min_exponent, most = Limits::max_exponent;
    const int bounded = exponent < least ? least : exponent > most ? most : exponent;
    return static_cast<double>(std::ldexp(std::fabs(a - b), Limits::digits - bounded));
}

template <class T>
double epsilons(Wider<T> difference) {
    return static_cast<double>(difference / std::numeric_limits<T>::epsilon());
}

template <class T>
struct Worst {
    double ulp = 0, absolute = 0;
    T at_ulp = 0, at_absolute = 0;

    void see(T s, T got, Wider<T> want) {
        const double error = ulps(got, want);
        if (error > ulp) ulp = error, at_ulp = s;
        const double difference = static_cast<double>(std::fabs(got - want));
        if (difference > absolute) absolute = difference, at_absolute = s;  // NaN where both are infinite: never larger
    }
};

// ---- numbers to try ----

constexpr int BLOCK = 1024;

template <class T>
struct Block {
    alignas(64) T s[BLOCK];
};

template <class T>
std::vector<T> edges() {
    using Limits = std::numeric_limits<T>;
    std::vector<T> list = {0, Limits::infinity(), Limits::denorm_min(), 3 * Limits::denorm_min(), Limits::min(),
                           Limits::max(), T(88.7), T(88.73), T(103.9), T(104), T(709.78), T(709.79), T(745.1), T(746),
                           T(0.01), T(17), T(37), T(3.14159265358979), T(1.5707963267948966), T(1e5), T(1e22)};
    for (const T a : {T(1), T(0.5), T(2), Limits::min(), T(9), T(20)}) {
        list.push_back(a);
        list.push_back(std::nextafter(a, T(0)));
        list.push_back(std::nextafter(a, Limits::infinity()));
    }
    const std::size_t n = list.size();
    for (std::size_t i = 0; i < n; ++i) list.push_back(-list[i]);
    list.push_back(Limits::quiet_NaN());
    list.push_back(-Limits::quiet_NaN());
    return list;
}

struct Random {
    std::uint64_t state = 0x9e3779b97f4a7c15;
    std::uint64_t next() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        return state * 0x2545f4914f6cdd1d;
    }
    double unit() { return static_cast<double>(next() >> 11) * 0x1p-53; }
};

// Calls f(block) with blocks of all the numbers to try; a block that is not full ends in zeros.
template <class F>
void for_blocks(float, bool all, F f) {
    static Block<float> block;
    const std::uint64_t stride = all ? 1 : 997;
    int n = 0;
    for (std::uint64_t pattern = 0; pattern < (std::uint64_t(1) << 32); pattern += stride) {
        const auto low = static_cast<std::uint32_t>(pattern);
        std::memcpy(&block.s[n++], &low, sizeof low);
        if (n == BLOCK) f(block), n = 0;
    }
    for (int i = n; i < BLOCK; ++i) block.s[i] = 0;
    f(block);
    Random random;  // where most sums are
    for (int k = 0; k < 400; ++k) {
        for (float& s : block.s) s = static_cast<float>((random.unit() * 2 - 1) * (k % 2 ? 8 : 110));
        f(block);
    }
}
template <class F>
void for_blocks(double, bool all, F f) {
    static Block<double> block;
    Random random;
    for (int k = 0; k < (all ? 40000 : 800); ++k) {
        for (double& s : block.s) {
            const double sign = random.next() >> 63 ? -1 : 1;
            switch (k % 4) {
                case 0: s = sign * random.unit() * 6; break;
                case 1: s = sign * random.unit() * 760; break;
                case 2: s = sign * std::exp2(random.unit() * 40 - 30); break;
                default: s = sign * std::exp2(random.unit() * 2097 - 1073); break;
            }
        }
        f(block);
    }
}

bool failed = false;

template <class T>
const char* type_name() {
    return sizeof(T) == 4 ? "float32" : "float64";
}

// One elementary function: `compute` on registers against `truth`.
template <class T, class F, class G>
void elementary(const char* name, bool all, F compute, G truth) {
    using V = Vec<T>;
    Worst<T> worst;
    for_blocks(T{}, all, [&](const Block<T>& block) {
        for (int i = 0; i < BLOCK; i += isa::WIDTH<T>) {
            const V y = compute(isa::load(block.s + i));
            for (int lane = 0; lane < isa::WIDTH<T>; ++lane) {
                worst.see(block.s[i + lane], y[lane], truth(static_cast<Wider<T>>(block.s[i + lane])));
            }
        }
    });
    int wrong = 0;
    for (const T s : edges<T>()) {
        V x = isa::splat<V>(1);
        x[isa::WIDTH<T> - 1] = s;
        const T got = compute(x)[isa::WIDTH<T> - 1];
        const Wider<T> want = truth(static_cast<Wider<T>>(s));
        worst.see(s, got, want);
        if (!(ulps(got, want) <= 4) || (!std::isnan(want) && std::signbit(got) != std::signbit(want))) {
            std::printf("  %s(%.9g) = %.9g, not %.9g\n", name, double(s), double(got), double(want));
            ++wrong;
        }
    }
    const bool bad = wrong || !(worst.ulp <= 4);
    std::printf("%s %-10s %6.2f ulp at %.17g%s\n", type_name<T>(), name, worst.ulp, double(worst.at_ulp),
                bad ? "   <-- WRONG" : "");
    failed |= bad;
}

// One activation: value and gate, as rows and one register at a time.
template <class T>
void activation(Activation code, bool all) {
    using V = Vec<T>;
    const bool crosses = code == Activation::gelu || code == Activation::silu;
    // a product comes after what has 4 ulp by itself
    const double limit = code == Activation::gelu || code == Activation::neat_softplus ? 5 : 4;
    const char* const name = NAMES[static_cast<int>(code)];
    Worst<T> value, gate;
    int wrong = 0;
    const auto see = [&](T s, T y, T g, bool is_edge) {
        const auto wide = static_cast<Wider<T>>(s);
        const Wider<T> want_y = true_value<T>(code, wide), want_g = true_gate<T>(code, wide, y);
        value.see(s, y, want_y);
        gate.see(s, g, want_g);
        const double off = crosses && std::isfinite(g) ? epsilons<T>(std::fabs(g - want_g)) : ulps(g, want_g);
        if (is_edge && (!(ulps(y, want_y) <= limit) || !(off <= 4))) {
            std::printf("  %s(%.9g) = %.9g and %.9g, not %.9g and %.9g\n", name, double(s), double(y), double(g),
                        double(want_y), double(want_g));
            ++wrong;
        }
    };
    static Block<T> y, g;
    for_blocks(T{}, all, [&](const Block<T>& block) {
        isa::activate_row(code, block.s, y.s, g.s, BLOCK / isa::WIDTH<T>);
        for (int i = 0; i < BLOCK; ++i) see(block.s[i], y.s[i], g.s[i], false);
        g = block;
        isa::activate_row(code, g.s, g.s, static_cast<T*>(nullptr), BLOCK / isa::WIDTH<T>);  // in place, without gates
        for (int i = 0; i < BLOCK; ++i) wrong += ulps<T>(g.s[i], y.s[i]) != 0;
    });
    for (const T s : edges<T>()) {
        V x = isa::splat<V>(1), edge_y = x, edge_g = x;
        x[isa::WIDTH<T> - 1] = s;
        isa::activate(code, x, edge_y, edge_g);
        see(s, edge_y[isa::WIDTH<T> - 1], edge_g[isa::WIDTH<T> - 1], true);
        wrong += ulps<T>(isa::activation_value(code, x)[isa::WIDTH<T> - 1], edge_y[isa::WIDTH<T> - 1]) != 0;
    }
    const double gate_error = crosses ? epsilons<T>(gate.absolute) : gate.ulp;
    const bool bad = wrong || !(value.ulp <= limit) || !(gate_error <= 4);
    std::printf("%s %-10s value %5.2f ulp at %-24.17g gate %5.2f %s at %-24.17g", type_name<T>(), name, value.ulp,
                double(value.at_ulp), gate_error, crosses ? "eps" : "ulp",
                double(crosses ? gate.at_absolute : gate.at_ulp));
    if (wrong) std::printf(" (%d wrong)", wrong);
    std::printf("%s\n", bad ? "   <-- WRONG" : "");
    failed |= bad;
}

int n_only;
char** only;

bool wanted(const char* name) {
    for (int i = 0; i < n_only; ++i) {
        if (std::strcmp(only[i], name) == 0) return true;
    }
    return n_only == 0;
}

#define ELEMENTARY(name, truth)                                                                       \
    if (wanted(#name)) {                                                                              \
        elementary<T>(#name, all, [](Vec<T> x) __attribute__((always_inline)) { return isa::name(x); }, \
                      [](Wider<T> x) { return truth(x); });                                           \
    }

template <class T>
void run(bool all) {
    ELEMENTARY(exp, std::exp)
    ELEMENTARY(expm1, std::expm1)
    ELEMENTARY(log, std::log)
    ELEMENTARY(log1p, std::log1p)
    ELEMENTARY(sqrt, std::sqrt)
    ELEMENTARY(sin, std::sin)
    ELEMENTARY(cos, std::cos)
    ELEMENTARY(tanh, std::tanh)
    ELEMENTARY(sigmoid, sigmoid)
    for (int code = 0; code < edgewise::N_ACTIVATIONS; ++code) {
        if (wanted(NAMES[code])) activation<T>(static_cast<Activation>(code), all);
    }
}

}  // namespace

int main(int argc, char** argv) {
    const bool all = argc > 1 && std::strcmp(argv[1], "--all") == 0;
    only = argv + 1 + all;
    n_only = argc - 1 - all;
    run<float>(all);
    run<double>(all);
    return failed ? 1 : 0;
}
