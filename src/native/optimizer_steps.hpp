// Optimizer steps over a range of parameters, as edgewise/optimizers.py defines them.
#pragma once

#include "network_view.hpp"
#include "vector.hpp"

namespace edgewise::EDGEWISE_ISA {

template <class T>
T sum_groups(const T* from, Size stride, int n_groups, Size n, T factor, T* to) {
    constexpr int W = WIDTH<T>;
    Vector<T> nothing = {};  // becomes NaN with the first number that is not finite
    Size k = 0;
    for (; k + W <= n; k += W) {
        Vector<T> total = load_unaligned(from + k);
        for (int g = 1; g < n_groups; ++g) total += load_unaligned(from + g * stride + k);
        store_unaligned(to + k, total * splat<Vector<T>>(factor));
        nothing += total * Vector<T>{};
    }
    T rest = 0;
    for (; k < n; ++k) {
        T total = from[k];
        for (int g = 1; g < n_groups; ++g) total += from[g * stride + k];
        to[k] = total * factor;
        rest += total * T(0);
    }
    for (int l = 0; l < W; ++l) rest += nothing[l];
    return rest;
}

template <class T>
double sum_of_squares(const T* a, Size n) {
    double total[16] = {};
    Size k = 0;
    for (; k + 16 <= n; k += 16)
        for (int l = 0; l < 16; ++l) total[l] += static_cast<double>(a[k + l]) * a[k + l];
    for (; k < n; ++k) total[0] += static_cast<double>(a[k]) * a[k];
    for (int half = 8; half > 0; half /= 2)
        for (int l = 0; l < half; ++l) total[l] += total[l + half];
    return total[0];
}

EDGEWISE_INLINE float square_root(float a) { return __builtin_sqrtf(a); }
EDGEWISE_INLINE double square_root(double a) { return __builtin_sqrt(a); }

// g is multiplied by `share` before anything else.
template <class T>
void optimizer_step(const OptimizerStep<T>& o, T* __restrict p, const T* __restrict g, T* __restrict first,
                    T* __restrict second, Size n) {
    if (o.kind == Optimizer::sgd) {
        for (Size k = 0; k < n; ++k) {
            T slope = g[k] * o.share + o.weight_decay * p[k];
            if (first) {
                first[k] = o.momentum * first[k] + slope;
                slope = o.nesterov ? slope + o.momentum * first[k] : first[k];
            }
            p[k] -= o.learning_rate * slope;
        }
        return;
    }
    const bool decoupled = o.kind == Optimizer::adamw;  // Loshchilov & Hutter 2019: decay of its own, not by gradient
    const T keep = decoupled ? 1 - o.learning_rate * o.weight_decay : T(1);
    const T added = decoupled ? T(0) : o.weight_decay;
    for (Size k = 0; k < n; ++k) {
        const T slope = g[k] * o.share + added * p[k];
        first[k] = o.beta1 * first[k] + o.one_minus_beta1 * slope;
        second[k] = o.beta2 * second[k] + o.one_minus_beta2 * slope * slope;
        p[k] = keep * p[k] - o.rate * first[k] / (square_root(second[k]) + o.epsilon);
    }
}

}  // namespace edgewise::EDGEWISE_ISA
