// Losses: J of each sample beside ∂J/∂o, samples as lanes.
#pragma once

#include "elementary.hpp"
#include "network_view.hpp"
#include "vector.hpp"

namespace edgewise::EDGEWISE_ISA {

// One tile. output[k] is the row of output k in y; `seed` (n_outputs rows) holds the targets on entry, ∂J/∂o on return
// (for cross-entropy only the latter: its targets are class indices, label[l] of lane l). Both J and ∂J/∂o are
// multiplied by weight[l] if there are weights, and are 0 in lanes from `valid` on.
template <class T>
void loss_rows(Loss code, T parameter, const T* y, const Index* output, Index n_outputs, const Index* label,
               const T* weight, int vectors, int valid, T* seed, T* loss) {
    using V = Vector<T>;
    constexpr int W = WIDTH<T>;
    const Size lanes = vectors * W;
    const V zero = {}, one = splat<V>(1), half = splat<V>(T(0.5)), delta = splat<V>(parameter);
    for (int v = 0; v < vectors; ++v) {
        const auto o = [&](Index k) { return load(y + output[k] * lanes + v * W); };
        const auto target = [&](Index k) -> T* { return seed + k * lanes + v * W; };
        V total = zero;
        switch (code) {
            case Loss::squared_error:
                for (Index k = 0; k < n_outputs; ++k) {
                    const V r = o(k) - load(target(k));
                    total += half * r * r;
                    store(target(k), r);
                }
                break;
            case Loss::mean_squared_error: {
                const V share = one / splat<V>(static_cast<T>(n_outputs));
                for (Index k = 0; k < n_outputs; ++k) {
                    const V r = o(k) - load(target(k));
                    total += r * r;
                    store(target(k), (share + share) * r);
                }
                total *= share;
                break;
            }
            case Loss::cross_entropy: {
                V largest = o(0), sum = zero;
                for (Index k = 1; k < n_outputs; ++k) largest = o(k) > largest ? o(k) : largest;
                for (Index k = 0; k < n_outputs; ++k) {
                    const V e = exp(o(k) - largest);
                    sum += e;
                    store(target(k), e);
                }
                const V each = splat<V>(parameter / static_cast<T>(n_outputs));  // of the smoothed label
                V mean = zero;
                for (Index k = 0; k < n_outputs; ++k) {
                    mean += each * o(k);
                    store(target(k), load(target(k)) / sum - each);
                }
                const T sure = 1 - parameter;
                for (int l = 0; l < W; ++l) {
                    const int lane = v * W + l < valid ? v * W + l : valid - 1;
                    total[l] = largest[l] - sure * y[output[label[lane]] * lanes + v * W + l] - mean[l];
                    seed[label[lane] * lanes + v * W + l] -= sure;
                }
                total += log(sum);
                break;
            }
            case Loss::binary_cross_entropy:  // log(1 + e^o) - y·o, in the form that neither overflows nor cancels
                for (Index k = 0; k < n_outputs; ++k) {
                    const V s = o(k), t = load(target(k));
                    const V e = exp(s < zero ? s : -s);
                    total += (s < zero ? zero : s) - t * s + log1p(e);
                    store(target(k), (s < zero ? e : one) / (one + e) - t);
                }
                break;
            case Loss::hinge:  // at margin 1, the kink, the gradient is 0
                for (Index k = 0; k < n_outputs; ++k) {
                    const V t = load(target(k)), missing = one - t * o(k);
                    total += missing < zero ? zero : missing;  // a NaN stays
                    store(target(k), missing > zero ? -t : zero);
                }
                break;
            case Loss::huber:
                for (Index k = 0; k < n_outputs; ++k) {
                    const V r = o(k) - load(target(k)), size = r < zero ? -r : r;
                    total += size <= delta ? half * r * r : delta * (size - half * delta);
                    store(target(k), r > delta ? delta : (r < -delta ? -delta : r));
                }
                break;
        }
        store(loss + v * W, total);
    }
    for (int l = 0; l < lanes; ++l) {
        if (l < valid && !weight) continue;
        const T factor = l < valid ? weight[l] : T(0);
        loss[l] = l < valid ? loss[l] * factor : T(0);
        for (Index k = 0; k < n_outputs; ++k)
            seed[k * lanes + l] = l < valid ? seed[k * lanes + l] * factor : T(0);
    }
}

}  // namespace edgewise::EDGEWISE_ISA
