// Topology: what can be known of a directed graph in linear time, without recursion.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace edgewise {

using Index = std::int32_t;  // nodes and edges both fit: 2^31 - 1 edges are 8 GiB of float32 weights

// Groups the numbers 0..n_items-1 by key: those with key k, in rising order, are
// item[start[k]] .. item[start[k + 1] - 1]. start holds n_keys + 1 entries.
inline void group_by(const Index* key, Index n_items, Index n_keys, Index* start, Index* item) {
    for (Index k = 0; k <= n_keys; ++k) start[k] = 0;
    for (Index e = 0; e < n_items; ++e) ++start[key[e] + 1];
    for (Index k = 0; k < n_keys; ++k) start[k + 1] += start[k];
    std::vector<Index> next(start, start + n_keys);
    for (Index e = 0; e < n_items; ++e) item[next[key[e]]++] = e;
}

// All that edgewise/plan.py calls a plan. Where the graph has a cycle there is no order: then `level` alone is found, and
// is -1 on a cycle or behind one.
struct Ordered {
    using Array = std::unique_ptr<Index[]>;
    static Array array(std::size_t size) { return std::make_unique_for_overwrite<Index[]>(size); }

    Index n_levels = 0;
    bool has_cycle = false;
    Array level, order, position, level_start, in_start, in_edge, out_start, out_edge;
};

// in_order: heads whose in-arcs keep the caller's order; null if there are none.
inline Ordered order_graph(Index n_nodes, Index n_edges, const Index* tail, const Index* head, const bool* in_order) {
    Ordered found;
    const auto n = static_cast<std::size_t>(n_nodes), m = static_cast<std::size_t>(n_edges);

    // arcs by the caller's number of their tail, and where they lead, side by side
    std::vector<Index> start(n + 1);
    const auto by_tail = Ordered::array(m), leads_to = Ordered::array(m);
    group_by(tail, n_edges, n_nodes, start.data(), by_tail.get());
    std::vector<Index> fan_in(n, 0);
    for (Index a = 0; a < n_edges; ++a) ++fan_in[leads_to[a] = head[by_tail[a]]];

    // arcs on the longest path that ends in a node (Kahn 1962, breadth first)
    found.level = Ordered::array(n);
    std::fill_n(found.level.get(), n, -1);
    std::vector<Index> waiting = fan_in, longest(n, 0), queue;
    queue.reserve(n);
    for (Index j = 0; j < n_nodes; ++j)
        if (waiting[j] == 0) queue.push_back(j);
    for (std::size_t next = 0; next < queue.size(); ++next) {
        const Index i = queue[next];
        found.level[i] = longest[i];
        found.n_levels = std::max(found.n_levels, longest[i] + 1);
        for (Index a = start[i]; a < start[i + 1]; ++a) {
            const Index j = leads_to[a];
            if (longest[j] < longest[i] + 1) longest[j] = longest[i] + 1;
            if (--waiting[j] == 0) queue.push_back(j);
        }
    }
    found.has_cycle = queue.size() != n;
    if (found.has_cycle) return found;

    // level by level; in a level by the mean position of the tails, ties as they were: so nodes that pull from the same
    // places stand together
    found.level_start = Ordered::array(static_cast<std::size_t>(found.n_levels) + 1);
    found.order = Ordered::array(n);
    found.position = Ordered::array(n);
    group_by(found.level.get(), n_nodes, found.n_levels, found.level_start.get(), found.order.get());
    std::vector<std::int64_t> sum(n, 0);
    std::vector<std::pair<double, Index>> by_mean;
    for (Index l = 0; l < found.n_levels; ++l) {
        const Index first = found.level_start[l], last = found.level_start[l + 1];
        if (l > 0) {
            by_mean.clear();
            for (Index p = first; p < last; ++p) {
                const Index j = found.order[p];
                by_mean.emplace_back(static_cast<double>(sum[j]) / fan_in[j], j);  // j rises: a tie breaker
            }
            std::sort(by_mean.begin(), by_mean.end());
            for (Index p = first; p < last; ++p) found.order[p] = by_mean[p - first].second;
        }
        for (Index p = first; p < last; ++p) {
            const Index i = found.order[p];
            found.position[i] = p;
            for (Index a = start[i]; a < start[i + 1]; ++a) sum[leads_to[a]] += p;
        }
    }

    // arcs by position of tail, in the caller's order; and these, by position of head
    found.out_start = Ordered::array(n + 1);
    found.out_edge = Ordered::array(m);
    found.in_start = Ordered::array(n + 1);
    found.in_edge = Ordered::array(m);
    found.out_start[0] = found.in_start[0] = 0;
    for (Index p = 0; p < n_nodes; ++p) {
        const Index i = found.order[p];
        found.out_start[p + 1] = found.out_start[p] + start[i + 1] - start[i];
        found.in_start[p + 1] = found.in_start[p] + fan_in[i];
        std::copy(by_tail.get() + start[i], by_tail.get() + start[i + 1], found.out_edge.get() + found.out_start[p]);
    }
    std::vector<Index> next(n);  // by node, not by position
    for (Index j = 0; j < n_nodes; ++j) next[j] = found.in_start[found.position[j]];
    for (Index p = 0; p < n_nodes; ++p) {
        const Index i = found.order[p];
        for (Index a = start[i]; a < start[i + 1]; ++a) found.in_edge[next[leads_to[a]]++] = by_tail[a];
    }
    for (Index j = 0; in_order && j < n_nodes; ++j) {
        if (!in_order[j]) continue;
        Index* own = found.in_edge.get() + found.in_start[found.position[j]];
        std::sort(own, own + fan_in[j]);
    }
    return found;
}

// depth[i] = number of arcs on the longest path from i to a target, -1 if i reaches none.
// order lists the nodes so that every arc points forward; out_edge[out_start[p]..] leave the node at position p.
inline void longest_path_to(Index n_nodes, const Index* order, const Index* out_start, const Index* out_edge,
                            const Index* head, const bool* is_target, Index* depth) {
    for (Index p = n_nodes - 1; p >= 0; --p) {
        const Index i = order[p];
        Index longest = is_target[i] ? 0 : -1;
        for (Index a = out_start[p]; a < out_start[p + 1]; ++a) {
            const Index onward = depth[head[out_edge[a]]];
            if (onward >= 0 && onward + 1 > longest) longest = onward + 1;
        }
        depth[i] = longest;
    }
}

}  // namespace edgewise
