// Elementary functions on whole registers: no tables, no branches but one (sin and cos of huge arguments), and no
// reliance on a fused multiply-add, so that every instruction set gets them right to a few units in the last place
// (tests/native/ulp.cpp) over all floats: infinities, NaN, signed zeros, and results that underflow or overflow.
//
// The polynomials are minimax fits to the functions named beside them, their coefficients rounded one by one.
// Rounding to an integer is adding a number so large that its last bit is worth 1: the integer then stands in the low
// bits of the sum, ready to be shifted into an exponent, and no conversion is needed, which narrow machines lack.
#pragma once

#include "vector.hpp"

namespace edgewise::EDGEWISE_ISA {

template <class T>
struct Format;
template <>
struct Format<float> {
    typedef std::uint32_t Unsigned __attribute__((vector_size(VECTOR_BYTES)));
    static constexpr int fraction_bits = 23, bias = 127;
    static constexpr float round = 0x1.8p23f;
    static constexpr float infinity = __builtin_inff(), nan = __builtin_nanf("");
    static constexpr std::int32_t sign = INT32_MIN;
    static constexpr std::uint32_t sqrt_half = 0x3f3504f3, one = 0x3f800000, fraction = 0x7fffff;
    static constexpr float smallest_normal = 0x1p-126f;
    static constexpr float ln2_high = 0x1.62e4p-1f, ln2_low = 1.42860677e-06f;  // high * any exponent is exact
    static constexpr float exp_lowest = -126, exp_highest = 89;
    static constexpr std::int32_t upper_half = ~0xfff;  // the square of what this keeps is exact
};
template <>
struct Format<double> {
    typedef std::uint64_t Unsigned __attribute__((vector_size(VECTOR_BYTES)));
    static constexpr int fraction_bits = 52, bias = 1023;
    static constexpr double round = 0x1.8p52;
    static constexpr double infinity = __builtin_inf(), nan = __builtin_nan("");
    static constexpr std::int64_t sign = INT64_MIN;
    static constexpr std::uint64_t sqrt_half = 0x3fe6a09e667f3bcd, one = 0x3ff0000000000000, fraction = 0xfffffffffffff;
    static constexpr double smallest_normal = 0x1p-1022;
    static constexpr double ln2_high = 0x1.62e42fefa4p-1, ln2_low = -0x1.8432a1b0e2634p-43;
    static constexpr double exp_lowest = -790, exp_highest = 710;
    static constexpr std::int64_t upper_half = ~0x7ffffff;
};

template <class V>
using FormatOf = Format<ScalarOf<V>>;
template <class V>
constexpr bool SINGLE = sizeof(ScalarOf<V>) == 4;

constexpr double LOG2_E = 1.4426950408889634;

// a + b x + c x^2 + ...
template <class V>
EDGEWISE_INLINE V polynomial(V, double a) {
    return splat<V>(static_cast<ScalarOf<V>>(a));
}
template <class V, class... More>
EDGEWISE_INLINE V polynomial(V x, double a, More... more) {
    return splat<V>(static_cast<ScalarOf<V>>(a)) + x * polynomial(x, more...);
}

// In these a NaN stays: comparisons with it are false, and the last choice is always x.
template <class V>
EDGEWISE_INLINE V at_least(V x, ScalarOf<V> low) {
    return x < splat<V>(low) ? splat<V>(low) : x;
}
template <class V>
EDGEWISE_INLINE V at_most(V x, ScalarOf<V> high) {
    return x > splat<V>(high) ? splat<V>(high) : x;
}
template <class V>
EDGEWISE_INLINE V magnitude(V x) {
    return from_bits<V>(bits(x) & ~FormatOf<V>::sign);
}
template <class V>
EDGEWISE_INLINE MaskOf<V> sign_of(V x) {
    return bits(x) & FormatOf<V>::sign;
}

template <int bytes>
EDGEWISE_INLINE bool any_bit(std::int64_t __attribute__((vector_size(bytes))) m) {
    if constexpr (bytes == 64) {
        return any_bit<32>(__builtin_shufflevector(m, m, 0, 1, 2, 3) | __builtin_shufflevector(m, m, 4, 5, 6, 7));
    } else if constexpr (bytes == 32) {
        return any_bit<16>(__builtin_shufflevector(m, m, 0, 1) | __builtin_shufflevector(m, m, 2, 3));
    } else {
        return (m[0] | m[1]) != 0;
    }
}
template <class M>
EDGEWISE_INLINE bool any(M mask) {
    typedef std::int64_t Words __attribute__((vector_size(VECTOR_BYTES)));
    return any_bit<VECTOR_BYTES>(reinterpret_cast<Words>(mask));
}

// GCC and Clang make one instruction of the loop where errno need not be set (-fno-math-errno).
template <class V>
EDGEWISE_INLINE V sqrt(V x) {
    V y;
    for (int i = 0; i < Lanes<V>::count; ++i) {
        if constexpr (SINGLE<V>) {
            y[i] = __builtin_sqrtf(x[i]);
        } else {
            y[i] = __builtin_sqrt(x[i]);
        }
    }
    return y;
}

// ---- exponentials ----

// e^(x + correction) = mantissa * scale * scale, for exp_lowest <= x <= exp_highest and a small correction. Powers of
// four rather than two: that the scale comes twice is what lets it reach beyond the exponents of normal numbers, and
// only the last product rounds.
template <class V>
struct Exponential {
    V mantissa, scale;

    EDGEWISE_INLINE V value() const { return mantissa * scale * scale; }
};
template <class V>
EDGEWISE_INLINE Exponential<V> exponential_of_parts(V x, V x_high, const V* correction) {
    using F = FormatOf<V>;
    using T = ScalarOf<V>;
    const V rounded = x * static_cast<T>(LOG2_E / 2) + (F::round + F::bias);
    const V n = rounded - (F::round + F::bias);
    V r = x_high - n * (2 * F::ln2_high);
    if (correction) r += *correction;
    r -= n * (2 * F::ln2_low);
    const V scale = from_bits<V>(bits(rounded) << F::fraction_bits);
    if constexpr (SINGLE<V>) {
        return {polynomial(r, 1, 1, 0.500000358, 0.16666615, 0.0416612439, 0.00833608676, 0.00141044811,
                           0.000196112174), scale};
    } else {
        return {polynomial(r, 1, 1, 0.4999999999999992, 0.1666666666666697, 0.041666666666704905, 0.008333333333263143,
                           0.0013888888883214826, 0.00019841269897160957, 2.4801591016616342e-05,
                           2.7557299481747056e-06, 2.755611629544731e-07, 2.5055152000068666e-08,
                           2.1065709604744826e-09, 1.593355936086043e-10), scale};
    }
}
template <class V>
EDGEWISE_INLINE Exponential<V> exponential(V x) {
    return exponential_of_parts(x, x, static_cast<const V*>(nullptr));
}

// e^(-factor a^2) for factor 1 or 1/2: the rounding of the square would be magnified by the square itself, so the
// square is taken in two parts. |a| must be at most squares_to_lowest.
template <class V>
EDGEWISE_INLINE V exp_of_minus_square(V a, ScalarOf<V> factor) {
    const V high = from_bits<V>(bits(a) & FormatOf<V>::upper_half);
    const V rest = (high - a) * (a + high) * factor;
    return exponential_of_parts(-(a * a) * factor, -(high * high) * factor, &rest).value();
}

template <class V>
EDGEWISE_INLINE V exp(V x) {
    using F = FormatOf<V>;
    return exponential(at_most(at_least(x, F::exp_lowest), F::exp_highest)).value();
}

// factor x = n ln 2 + factor r with |factor r| <= ln(2)/2, for a factor of 1 or 2; power = 2^(n + shift), which must be
// a normal number.
template <class V>
struct Reduced {
    V r, power;
};
template <int factor, class V>
EDGEWISE_INLINE Reduced<V> reduce_by_ln2(V x, int shift) {
    using F = FormatOf<V>;
    using T = ScalarOf<V>;
    const T offset = F::round + static_cast<T>(F::bias + shift);
    const V rounded = x * static_cast<T>(factor * LOG2_E) + offset;
    const V n = rounded - offset;
    return {x - n * (F::ln2_high / factor) - n * (F::ln2_low / factor),
            from_bits<V>(bits(rounded) << F::fraction_bits)};
}

// r + r^2 (...) = expm1(factor r) / factor for |factor r| <= ln(2)/2; exp_remainder is what the bracket holds.
template <int factor, class V>
EDGEWISE_INLINE V exp_remainder(V r) {
    constexpr double f = factor, f2 = f * f, f4 = f2 * f2, f8 = f4 * f4;
    if constexpr (SINGLE<V>) {
        return polynomial(r, f * 0.49999997, f2 * 0.166665435, f * f2 * 0.0416673385, f4 * 0.00836666115,
                          f * f4 * 0.00138829427);
    } else {
        return polynomial(r, f * 0.5, f2 * 0.16666666666666677, f * f2 * 0.04166666666666658, f4 * 0.00833333333332118,
                          f * f4 * 0.0013888888888940068, f2 * f4 * 0.0001984126988771924,
                          f * f2 * f4 * 2.4801587204014165e-05, f8 * 2.7557242234129887e-06,
                          f * f8 * 2.7557381951379876e-07, f2 * f8 * 2.5109835944171888e-08,
                          f * f2 * f8 * 2.0880558593209e-09);
    }
}

template <class V>
EDGEWISE_INLINE V expm1(V x) {
    using F = FormatOf<V>;
    using T = ScalarOf<V>;
    const auto [r, half_power] = reduce_by_ln2<1>(at_most(at_least(x, -50), F::exp_highest), -1);
    const V q = r + r * r * exp_remainder<1>(r);
    const V half = q * half_power + (half_power - T(0.5));
    const V y = half_power == splat<V>(T(0.5)) ? q : half + half;
    return from_bits<V>(bits(y) | sign_of(x));  // for the sake of -0
}

// 1 / (1 + e^-x), as 2^-a / (2^-a + 2^-a e^-x) so that neither overflow nor a lost denormal is in the way.
template <class V>
EDGEWISE_INLINE V sigmoid(V x) {
    constexpr int a = SINGLE<V> ? 60 : 540;
    constexpr ScalarOf<V> unit = SINGLE<V> ? 0x1p-60 : 0x1p-540;
    const V z = -at_most(at_least(x, SINGLE<V> ? -105 : -750), SINGLE<V> ? 30 : 50);
    const auto [r, power] = reduce_by_ln2<1>(z, -a);
    const V p = 1 + r * (1 + r * exp_remainder<1>(r));
    return unit / (unit + power * p);
}

// e / (e + 1) with e = expm1(2|x|) / 2, and the sign of x
template <class V>
EDGEWISE_INLINE V tanh(V x) {
    constexpr ScalarOf<V> half = 0.5;
    const auto [r, power] = reduce_by_ln2<2>(at_most(magnitude(x), SINGLE<V> ? 10 : 20), 0);
    const V e = power * (r + r * r * exp_remainder<2>(r)) + (power * half - half);
    return from_bits<V>(bits(e / (e + 1)) | sign_of(x));
}

// ---- logarithms ----

// (log((1 + s) / (1 - s)) - 2 s) / s at z = s^2, for s up to 3 - 2 sqrt 2
template <class V>
EDGEWISE_INLINE V log_remainder(V z) {
    if constexpr (SINGLE<V>) {
        return z * polynomial(z, 0.666667819, 0.399767399, 0.298957914);
    } else {
        return z * polynomial(z, 0.6666666666666745, 0.39999999999336994, 0.2857142876101223, 0.22222196534848354,
                              0.18183676375472393, 0.15311038289201775, 0.14827445541008571);
    }
}

// log(2^-shift u) + correction for a normal u > 0: u = 2^n (1 + f) with f between sqrt(1/2) - 1 and sqrt(2) - 1, and
// with s = f / (2 + f), log(1 + f) = f - f^2/2 + s (f^2/2 + log_remainder(s^2)).
template <class V>
EDGEWISE_INLINE V log_of_normal(V u, V shift, V correction) {
    using F = FormatOf<V>;
    using T = ScalarOf<V>;
    constexpr T counter = SINGLE<V> ? 0x1p23 : 0x1p52;  // its low bits count in ones
    // Unsigned, for what infinities and NaN make of the sum.
    const auto moved = reinterpret_cast<typename F::Unsigned>(u) + (F::one - F::sqrt_half);
    const auto exponent = reinterpret_cast<MaskOf<V>>(moved >> F::fraction_bits);
    const V n = from_bits<V>(exponent | bits(splat<V>(counter))) - (counter + F::bias) - shift;
    const V f = from_bits<V>(reinterpret_cast<MaskOf<V>>((moved & F::fraction) + F::sqrt_half)) - 1;
    const V s = f / (2 + f);
    const V half_square = T(0.5) * f * f;
    const V rest = s * (half_square + log_remainder(s * s)) + (n * F::ln2_low + correction);
    return n * F::ln2_high - ((half_square - rest) - f);
}

template <class V>
EDGEWISE_INLINE V log(V x) {
    using F = FormatOf<V>;
    using T = ScalarOf<V>;
    constexpr T up = SINGLE<V> ? 0x1p25 : 0x1p54, power = SINGLE<V> ? 25 : 54;
    const auto is_denormal = x < splat<V>(F::smallest_normal);
    const V y = log_of_normal(is_denormal ? x * up : x, is_denormal ? splat<V>(power) : V{}, V{});
    const V special = x == V{} ? splat<V>(-F::infinity) : x < V{} ? splat<V>(F::nan) : x;  // x for infinity and NaN
    return x > V{} && x < splat<V>(F::infinity) ? y : special;
}

template <class V>
EDGEWISE_INLINE V log1p(V x) {
    using F = FormatOf<V>;
    const V u = 1 + x;
    const V lost = (x > splat<V>(1) ? 1 - (u - x) : x - (u - 1)) / u;  // what 1 + x lost: log(1 + x) = log u + lost
    const V y = from_bits<V>(bits(log_of_normal(u, V{}, lost)) | sign_of(x));
    const V special = u == V{} ? splat<V>(-F::infinity) : u < V{} ? splat<V>(F::nan) : x;
    return u > V{} && u < splat<V>(F::infinity) ? y : special;
}

// log(1 + e) for 0 <= e <= 1, without a reduction
template <class V>
EDGEWISE_INLINE V log1p_to_one(V e) {
    const V w = (e + e) / (2 + e);
    const V s = w * ScalarOf<V>(0.5);
    const V z = s * s;
    if constexpr (SINGLE<V>) {
        return w + s * (z * polynomial(z, 0.666664124, 0.400217235, 0.27999112, 0.280231714));
    } else {
        return w + s * (z * polynomial(z, 0.6666666666666631, 0.4000000000015611, 0.28571428547971733,
                                       0.2222222396327811, 0.18181744133682998, 0.15386555744028393,
                                       0.1330102586858758, 0.1210568848869779, 0.0834178397922243,
                                       0.17015543254785623));
    }
}

// ---- circular functions ----

template <class V>
struct SinCos {
    V sin, cos;
};

// x = n pi/2 + r; pi/2 comes in parts with as many trailing zeros as n has bits, all of one sign so that r keeps the
// sign of a zero x. Larger x than these parts serve, and infinities and NaN, are left to the C library, lane by lane.
template <class V>
EDGEWISE_INLINE SinCos<V> sincos(V x) {
    using F = FormatOf<V>;
    using T = ScalarOf<V>;
    constexpr T largest = SINGLE<V> ? 3200 : 51400;
    const V rounded = x * static_cast<T>(0.6366197723675814) + F::round;
    const V n = rounded - F::round;
    V r, sine, cosine;
    if constexpr (SINGLE<V>) {
        r = x - n * 0x1.921p+0f - n * 0x1.f6ap-13f - n * 0x1.11p-26f - n * 0x1.68c234p-39f;
    } else {
        r = x - n * 0x1.921fb54440000p+0 - n * 0x1.68c234c4c0000p-39 - n * 0x1.98a2e03707344p-77;
    }
    const V z = r * r;
    const V a = magnitude(r);
    if constexpr (SINGLE<V>) {
        sine = a + a * (z * polynomial(z, -0.166666538, 0.00833210442, -0.000195078348));
        cosine = (1 - z * T(0.5)) + z * z * polynomial(z, 0.0416666456, -0.00138873048, 2.44313924e-05);
    } else {
        sine = a + a * (z * polynomial(z, -0.1666666666666663, 0.008333333333321733, -0.00019841269829229172,
                                       2.75573134845446e-06, -2.5050724952769323e-08, 1.5894842791823286e-10));
        cosine = (1 - z * T(0.5)) +
                 z * z * polynomial(z, 0.04166666666666659, -0.00138888888888722, 2.4801587288310863e-05,
                                    -2.7557314021400704e-07, 2.0875679126993675e-09, -1.1357397443353373e-11);
    }
    // n mod 4 says which of ±sine, ±cosine is which.
    const MaskOf<V> quarter = bits(rounded);
    const MaskOf<V> odd = -(quarter & 1);
    const MaskOf<V> s = bits(sine) ^ sign_of(r), c = bits(cosine);
    constexpr int to_sign = 8 * sizeof(T) - 2;
    SinCos<V> y = {
        from_bits<V>(((s & ~odd) | (c & odd)) ^ ((quarter << to_sign) & F::sign)),
        from_bits<V>(((c & ~odd) | (s & odd)) ^ (((quarter + 1) << to_sign) & F::sign)),
    };
    if (any(~(magnitude(x) <= splat<V>(largest)))) [[unlikely]] {
        for (int i = 0; i < Lanes<V>::count; ++i) {
            const T xi = x[i];
            if (xi <= largest && xi >= -largest) continue;
            if constexpr (SINGLE<V>) {
                y.sin[i] = __builtin_sinf(xi);
                y.cos[i] = __builtin_cosf(xi);
            } else {
                y.sin[i] = __builtin_sin(xi);
                y.cos[i] = __builtin_cos(xi);
            }
        }
    }
    return y;
}

template <class V>
EDGEWISE_INLINE V sin(V x) {
    return sincos(x).sin;
}
template <class V>
EDGEWISE_INLINE V cos(V x) {
    return sincos(x).cos;
}

// ---- the normal distribution ----

// The tail of the normal distribution below -a, for a >= 0, is ratio * density, with density = e^(-a^2/2) and
// ratio = R(a) / (2 + a (sqrt(2 pi) R(a) + P(a))). All coefficients are positive, and where a is large, so that
// polynomials lose digits, P/R is small and the errors of R cancel.
template <class V>
struct NormalTail {
    V ratio, density;
};
template <class V>
EDGEWISE_INLINE NormalTail<V> normal_tail(V a) {
    using T = ScalarOf<V>;
    a = at_most(a, SINGLE<V> ? 15.5 : 39.5);  // density is 0 from before here on
    V p, r;
    if constexpr (SINGLE<V>) {
        p = polynomial(a, 1.26705754, 0.4197734, 0.0756885037, 0.00635940582);
        r = polynomial(a, 1, 1.08895838, 0.569210052, 0.172283828, 0.0302067418, 0.00253681676);
    } else {
        p = polynomial(a, 2.4786421290280374, 1.5706243976966725, 0.6460730339295304, 0.1873748294133372,
                       0.03943962182932531, 0.006008737995221328, 0.0006397416781921345, 4.342986239124117e-05,
                       1.4494856402291068e-06);
        r = polynomial(a, 1, 1.694750641026653, 1.420531993218069, 0.7624263073227491, 0.28770776214357136,
                       0.07944203038084, 0.016241104450611183, 0.0024317916170750746, 0.00025637652690394837,
                       1.732600833149064e-05, 5.782611067661534e-07);
    }
    return {r / (2 + a * (static_cast<T>(2.5066282746310007) * r + p)), exp_of_minus_square(a, T(0.5))};
}

}  // namespace edgewise::EDGEWISE_ISA
