// Aggregations other than sum and mean: the value of a row from its terms w_ij y(i), beside the share of S(j⁻,t) that
// each of its in-arcs gets, r_j ∂agg/∂term, written to the arc's own row so that a tail pulls it like any other.
#pragma once

#include "network_view.hpp"
#include "vector.hpp"

namespace edgewise::EDGEWISE_ISA {

// What selects a term: the first largest key takes all; a NaN counts as largest.
template <class T>
EDGEWISE_INLINE Vector<T> key_of(Aggregation aggregation, Vector<T> term) {
    if (aggregation == Aggregation::min) return -term;
    if (aggregation == Aggregation::maxabs) return term < Vector<T>{} ? -term : term;
    return term;
}
template <class T>
EDGEWISE_INLINE MaskOf<Vector<T>> beats(Vector<T> key, Vector<T> best) {
    return (key > best) | ((key != key) & (best == best));
}

template <class T>
struct Terms {
    const PlanView& plan;
    const Parameters<T>& p;
    const T* y;
    Size lanes;
    Index first;  // in-arc
    EDGEWISE_INLINE Vector<T> operator()(Index k, int v) const {
        return splat<Vector<T>>(p.in_weight[first + k]) *
               load(y + plan.in_tail[first + k] * lanes + v * WIDTH<T>);
    }
};

// The two middle places of n numbers in rising order, NaN last, equal ones in arc order (merge sort of places).
template <class T>
inline void middle_places(const T* number, Index n, Index* place, Index* spare, Index& lower, Index& upper) {
    const auto after = [&](Index a, Index b) {
        return number[a] > number[b] || (number[a] != number[a] && number[b] == number[b]);
    };
    for (Index k = 0; k < n; ++k) place[k] = k;
    for (Index run = 1; run < n; run = run > n / 2 ? n : 2 * run) {
        for (Index begin = 0; begin < n; begin += 2 * run) {
            const Index middle = n - begin < run ? n : begin + run;
            const Index end = n - middle < run ? n : middle + run;
            Index a = begin, b = middle;
            for (Index k = begin; k < end; ++k)
                spare[k] = b >= end || (a < middle && !after(place[a], place[b])) ? place[a++] : place[b++];
            if (end == n) break;
        }
        Index* sorted = spare;
        spare = place;
        place = sorted;
    }
    lower = place[(n - 1) / 2];
    upper = place[n / 2];
}

// Scratch: fan-in × (2 registers + 2 indices).
template <class T>
void aggregate_row(const PlanView& plan, const Parameters<T>& p, Index row, const T* y, T* sum, int vectors,
                   T* scratch) {
    constexpr int W = WIDTH<T>;
    const auto aggregation = static_cast<Aggregation>(plan.aggregation[row]);
    const Index n = plan.in_start[row + 1] - plan.in_start[row];
    const Terms<T> terms{plan, p, y, vectors * W, plan.in_start[row]};
    for (int v = 0; v < vectors; ++v) {
        Vector<T> result = n ? terms(0, v) : Vector<T>{};
        if (aggregation == Aggregation::product) {
            for (Index k = 1; k < n; ++k) result *= terms(k, v);
        } else if (aggregation == Aggregation::median) {
            T* number = scratch;  // one lane's terms
            Index* place = reinterpret_cast<Index*>(scratch + n);
            for (int l = 0; l < W && n; ++l) {
                bool missing = false;
                for (Index k = 0; k < n; ++k) {
                    number[k] = terms(k, v)[l];
                    missing |= number[k] != number[k];
                }
                Index lower, upper;
                middle_places(number, n, place, place + n, lower, upper);
                result[l] = missing ? T(__builtin_nan("")) : (number[lower] + number[upper]) / 2;
            }
        } else {
            for (Index k = 1; k < n; ++k) {
                const Vector<T> term = terms(k, v);
                result = beats<T>(key_of<T>(aggregation, term), key_of<T>(aggregation, result)) ? term : result;
            }
        }
        store(sum + v * W, result);
    }
}

// `linear` is S(j⁻,t) of the row (or, for edge derivatives, its gate; or the square of what is passed, and then so are the
// shares); rows n_nodes + extra[row] + k of d are written.
template <class T>
void share_out_row(const PlanView& plan, const Parameters<T>& p, Index row, const T* y, const T* linear, T* d,
                   int vectors, T* scratch) {
    constexpr int W = WIDTH<T>;
    const auto aggregation = static_cast<Aggregation>(plan.aggregation[row]);
    const Index n = plan.in_start[row + 1] - plan.in_start[row];
    const Size lanes = vectors * W;
    const Terms<T> terms{plan, p, y, lanes, plan.in_start[row]};
    T* own = d + (static_cast<Size>(plan.n_nodes) + plan.extra[row]) * lanes;
    const Vector<T> response = splat<Vector<T>>(p.squared ? p.factor[row] * p.factor[row] : p.factor[row]);
    for (int v = 0; v < vectors; ++v) {
        const Vector<T> passed = load(linear + v * W) * response;
        const auto write = [&](Index k, Vector<T> slope) {
            store(own + k * lanes + v * W, passed * (p.squared ? slope * slope : slope));
        };
        if (aggregation == Aggregation::product) {
            // the product of the other factors, as those before times those after: right with zero factors too
            Vector<T> before = splat<Vector<T>>(1), after = before;
            for (Index k = 0; k < n; ++k) {
                store(scratch + k * W, before);
                before *= terms(k, v);
            }
            for (Index k = n - 1; k >= 0; --k) {
                write(k, load(scratch + k * W) * after);
                after *= terms(k, v);
            }
        } else if (aggregation == Aggregation::median) {
            T* number = scratch + n * W;
            Index* place = reinterpret_cast<Index*>(number + n);
            for (Index k = 0; k < n; ++k) store(scratch + k * W, Vector<T>{});
            for (int l = 0; l < W; ++l) {
                for (Index k = 0; k < n; ++k) number[k] = terms(k, v)[l];
                Index lower, upper;
                middle_places(number, n, place, place + n, lower, upper);
                scratch[lower * W + l] += T(0.5);
                scratch[upper * W + l] += T(0.5);
            }
            for (Index k = 0; k < n; ++k) write(k, load(scratch + k * W));
        } else {
            using Mask = MaskOf<Vector<T>>;
            Mask winner = {};
            Vector<T> best = key_of<T>(aggregation, terms(0, v));
            for (Index k = 1; k < n; ++k) {
                const Vector<T> key = key_of<T>(aggregation, terms(k, v));
                const Mask better = beats<T>(key, best);
                best = better ? key : best;
                winner = better ? Mask{} + k : winner;
            }
            const Vector<T> one = splat<Vector<T>>(1);
            for (Index k = 0; k < n; ++k) write(k, winner == Mask{} + k ? one : Vector<T>{});
        }
    }
}

}  // namespace edgewise::EDGEWISE_ISA
