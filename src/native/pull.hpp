// The passes over arcs that belong to no block. Forward, a row pulls from the tails of its in-arcs; backward, it pulls
// from the heads of its out-arcs. Sums stay in registers, samples are their lanes.
#pragma once

#include "activations.hpp"
#include "dropout.hpp"
#include "network_view.hpp"
#include "shuffles.hpp"
#include "special_aggregations.hpp"

namespace edgewise::EDGEWISE_ISA {

constexpr Index AHEAD = 16;  // arcs between asking the caches for a row and using it

template <class T, int V>
EDGEWISE_INLINE void prefetch_row(const T* row) {
    constexpr int LINE = 64, BYTES = V * VECTOR_BYTES;
    for (int at = 0; at < BYTES; at += LINE) __builtin_prefetch(reinterpret_cast<const char*>(row) + at);
}

// ---- forward: s(j) = b_j + r_j Σ w_ij y(i),  y(j) = Φ(s(j)) ----

// Φ(s) where the gate can be read off it.
template <class V>
EDGEWISE_INLINE V simple_value(Activation activation, V s) {
    V value = s, gate;
    if (activation == Activation::relu) rows::Relu::row(s, value, gate);
    return value;
}

// From the row's aggregate, which stands in `sum`, to what is wanted. All rows are `vectors` registers long.
template <class T>
EDGEWISE_INLINE void activate_sum(const PlanView& plan, const Parameters<T>& p, Index row, const T* sum, T* y, T* out,
                                int vectors, Wanted wanted) {
    constexpr int W = WIDTH<T>;
    const auto activation = static_cast<Activation>(plan.activation[row]);
    if (wanted == Wanted::aggregate) {
        const bool mean = plan.aggregation[row] == static_cast<std::uint8_t>(Aggregation::mean) && plan.count[row] > 0;
        const T divisor = mean ? static_cast<T>(plan.count[row]) : T(1);
        for (int v = 0; v < vectors; ++v) store(out + v * W, load(sum + v * W) / splat<Vector<T>>(divisor));
        return;
    }
    const bool keep = wanted == Wanted::value || wanted == Wanted::value_and_gate;
    T* s = keep ? y : out;
    const Vector<T> bias = splat<Vector<T>>(p.bias[row]), factor = splat<Vector<T>>(p.factor[row]);
    if (keep && gate_from_value(activation)) {
        for (int v = 0; v < vectors; ++v) store(y + v * W, simple_value(activation, bias + factor * load(sum + v * W)));
        return;
    }
    for (int v = 0; v < vectors; ++v) store(s + v * W, bias + factor * load(sum + v * W));
    if (wanted == Wanted::preactivation) return;
    activate_row(activation, s, s, wanted == Wanted::value ? nullptr : out, vectors);  // a gate alone stays in `out`
}

// The same, and then dropout. A gate is kept whole: backward drops what it lets through.
template <class T>
EDGEWISE_INLINE void finish_row(const PlanView& plan, const Parameters<T>& p, Index row, const T* sum, T* y, T* out,
                                int vectors, Wanted wanted) {
    activate_sum(plan, p, row, sum, y, out, vectors, wanted);
    if (p.drops(row)) drop_row(p.dropout, row, y, vectors);
}

// Σ weight[a]·row index[a] over arcs begin .. end - 1, every other arc in a sum of its own, so that one need not wait
// for the last; in rising or falling order of a, the same for any number of registers. The caches are asked for rows of
// arcs 0 .. last.
template <class T, int V, bool FAR, bool RISING>
EDGEWISE_INLINE void pull(const T* rows, const Index* index, const T* weight, Index begin, Index end, Index last,
                          Vector<T>* sum) {
    constexpr int W = WIDTH<T>;
    constexpr Size L = V * W;
    Vector<T> even[V], odd[V];
    for (int v = 0; v < V; ++v) even[v] = odd[v] = Vector<T>{};
    const auto visit = [&](Index a, Vector<T>* to) __attribute__((always_inline)) {
        if constexpr (FAR && RISING) prefetch_row<T, V>(rows + index[a + AHEAD < last ? a + AHEAD : last] * L);
        if constexpr (FAR && !RISING) prefetch_row<T, V>(rows + index[a > AHEAD ? a - AHEAD : 0] * L);
        const T* row = rows + index[a] * L;
        const Vector<T> w = splat<Vector<T>>(weight[a]);
        for (int v = 0; v < V; ++v) to[v] += w * load(row + v * W);
    };
    if constexpr (RISING) {
        Index a = begin;
        for (; a + 1 < end; a += 2) {
            visit(a, even);
            visit(a + 1, odd);
        }
        if (a < end) visit(a, even);
    } else {
        Index a = end - 1;
        if ((end - begin) % 2) visit(a--, even);
        for (; a > begin; a -= 2) {
            visit(a, odd);
            visit(a - 1, even);
        }
    }
    for (int v = 0; v < V; ++v) sum[v] = even[v] + odd[v];
}

// Rows r0 .. r1 - 1 of one tile; rows of inputs are left as they are.
template <class T, int V, bool FAR>
void forward_arcs(const PlanView& plan, const Parameters<T>& p, T* y, T* out, Index r0, Index r1, Wanted wanted,
                  T* scratch) {
    constexpr int W = WIDTH<T>;
    constexpr Size L = V * W;
    const bool keep = wanted == Wanted::value || wanted == Wanted::value_and_gate;
    for (Index row = r0; row < r1; ++row) {
        if (plan.is_input[row]) continue;
        T* target = keep ? y + row * L : out + row * L;
        if (plan.extra[row] >= 0) {
            aggregate_row(plan, p, row, y, target, V, scratch);
        } else {
            Vector<T> sum[V];
            pull<T, V, FAR, true>(y, plan.in_tail, p.in_weight, plan.in_start[row], plan.in_start[row + 1], plan.n_arcs - 1, sum);
            const auto activation = static_cast<Activation>(plan.activation[row]);
            if (keep && gate_from_value(activation)) {  // without a detour
                const Vector<T> bias = splat<Vector<T>>(p.bias[row]), factor = splat<Vector<T>>(p.factor[row]);
                for (int v = 0; v < V; ++v) store(target + v * W, simple_value(activation, bias + factor * sum[v]));
                if (p.drops(row)) drop_row(p.dropout, row, target, V);
                continue;
            }
            for (int v = 0; v < V; ++v) store(target + v * W, sum[v]);
        }
        finish_row(plan, p, row, target, y + row * L, out ? out + row * L : nullptr, V, wanted);
    }
}

// ---- backward: S(i,t) = Σ w_ij S(j⁻,t),  S(i⁻,t) = S(i,t) Φ′(s_i),  ∂y(t)/∂w_ij = Σ over samples S(j⁻,t) y(i) ----

// Products on their way to the gradients of arcs, which come in descending order: they wait until there are many, and are
// then summed together, many for little more than the cost of one. A row's arcs are seldom parted for that: while the
// last of them are still multiplied, the next row's are loaded.
template <class T>
struct GradientWindow {
    static constexpr Index W = WIDTH<T>, SIZE = 128;
    T* to;
    bool add;    // to what is there, rather than instead of it
    Index end;   // of the arcs that wait
    Index base;  // the product of arc a belongs at a - base
    Vector<T> products[SIZE];

    GradientWindow(T* slots, bool adding, Index last) : to(slots), add(adding), end(last), base(up(last) - SIZE) {}

    static EDGEWISE_INLINE Index up(Index a) { return (a + W - 1) / W * W; }
    // Arcs from `a` on are there: down to which there is now room for more, at most to `first`.
    EDGEWISE_INLINE Index room(Index a, Index first) {
        if (first < base) empty(a);
        return first < base ? base : first;
    }
    // Sums as many as fill registers; the rest waits for those before.
    void empty(Index begin) {
        sum(up(begin));
        const Index lower = up(begin) - SIZE;
        for (Index a = begin; a < end; ++a) products[a - lower] = products[a - base];
        base = lower;
    }
    void sum(Index begin) {
        while (end > begin) {
            const Index a = end - W;
            if (end % W == 0 && a >= begin) {
                const Vector<T> sums = sums_of<T>(products + (a - base));
                store_unaligned(to + a, add ? load_unaligned(to + a) + sums : sums);
                end = a;
            } else {
                const T one = sum_of<T>(products[--end - base]);
                to[end] = add ? to[end] + one : one;
            }
        }
    }
};

// Rows r1 - 1 down to r0 of one tile. S(i⁻,t) goes to d, which may be where the gates are, or, where there are neither
// blocks nor heads that do not sum, where the values are: a row's is read before it is written. `sums` holds what blocks
// pass to these rows, row r0 first, or is null; `seed` and `seed_row` are what is known before the recursion: row
// seed_row[i] of seed for row i, none if it is negative.
template <class T, int V, bool FAR>
void backward_arcs(const PlanView plan, const Parameters<T> p, const T* y, const T* gate, T* d, T* out, const T* sums,
                   const T* seed, const Index* seed_row, Index r0, Index r1, Backward what, T* gradient, bool add,
                   T* scratch) {
    constexpr int W = WIDTH<T>;
    constexpr Size L = V * W;
    GradientWindow<T> window(gradient, add, plan.out_start[r1]);
    for (Index row = r1 - 1; row >= r0; --row) {
        const bool passing = what.sensitivities && (out || !plan.is_input[row]);
        const Index first = plan.out_start[row], end = plan.out_start[row + 1];
        Vector<T> s[V], value[V];
        if (what.gradients)
            for (int v = 0; v < V; ++v) value[v] = load(y + row * L + v * W);
        if (passing && what.gradients) {
            Vector<T> even[V], odd[V];
            for (int v = 0; v < V; ++v) even[v] = odd[v] = Vector<T>{};
            const auto visit = [&](Index a, Vector<T>* sum) __attribute__((always_inline)) {
                if constexpr (FAR) prefetch_row<T, V>(d + plan.out_row[a > AHEAD ? a - AHEAD : 0] * L);
                const T* head = d + plan.out_row[a] * L;
                const Vector<T> weight = splat<Vector<T>>(p.out_weight[a]);
                Vector<T> product;
                for (int v = 0; v < V; ++v) {
                    const Vector<T> linear = in_register(load(head + v * W));
                    sum[v] += weight * linear;
                    product = v ? product + linear * value[v] : linear * value[v];
                }
                return product;
            };
            for (Index a = end; a > first;) {  // the same two sums in the same order as in `pull`
                const Index begin = window.room(a, first);
                Vector<T>* product = window.products + (a - window.base);
                if ((a - first) % 2) *--product = visit(--a, even);
                for (; a - 2 >= begin; a -= 2) {
                    product -= 2;
                    product[1] = visit(a - 1, odd);
                    product[0] = visit(a - 2, even);
                }
                if (a > begin) *--product = visit(--a, odd);
            }
            for (int v = 0; v < V; ++v) s[v] = even[v] + odd[v];
        } else if (passing) {
            pull<T, V, FAR, false>(d, plan.out_row, p.out_weight, first, end, plan.n_arcs - 1, s);
        } else if (what.gradients) {
            for (Index a = end; a > first;) {
                const Index begin = window.room(a, first);
                Vector<T>* product = window.products + (a - window.base);
                while (a > begin) {
                    --a;
                    if constexpr (FAR) prefetch_row<T, V>(d + plan.out_row[a > AHEAD ? a - AHEAD : 0] * L);
                    const T* head = d + plan.out_row[a] * L;
                    Vector<T> sum = load(head) * value[0];
                    for (int v = 1; v < V; ++v) sum += load(head + v * W) * value[v];
                    *--product = sum;
                }
            }
        }
        if (!passing) continue;
        if (sums)
            for (int v = 0; v < V; ++v) s[v] += load(sums + (row - r0) * L + v * W);
        if (seed_row[row] >= 0)
            for (int v = 0; v < V; ++v) s[v] += load(seed + seed_row[row] * L + v * W);
        if (out)
            for (int v = 0; v < V; ++v) store(out + row * L + v * W, s[v]);
        if (!what.gated || plan.is_input[row]) continue;
        T* own = d + row * L;
        const auto activation = static_cast<Activation>(plan.activation[row]);
        for (int v = 0; v < V; ++v) {
            if (activation == Activation::identity) {
                store(own + v * W, s[v]);
            } else if (activation == Activation::relu && !p.squared) {
                const auto open = load(y + row * L + v * W) > Vector<T>{};
                store(own + v * W, s[v] * (open ? splat<Vector<T>>(1) : Vector<T>{}));
            } else {  // exactly zero passes nothing, even through an infinite gate
                const Vector<T> gated = s[v] * load(gate + row * L + v * W);
                store(own + v * W, s[v] == Vector<T>{} ? Vector<T>{} : gated);
            }
        }
        if (p.drops(row)) drop_row(p.dropout, row, own, V);
        if (plan.extra[row] >= 0) share_out_row(plan, p, row, y, own, d, V, scratch);
    }
    if (what.gradients) window.sum(plan.out_start[r0]);
}

}  // namespace edgewise::EDGEWISE_ISA
