// Topology: what can be known of a directed graph in linear time, without recursion.
#pragma once

#include <algorithm>
#include <cstdint>
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

// level[j] = number of arcs on the longest path that ends in j (Kahn 1962, breadth first).
// Returns how many nodes got a level: all of them exactly when the graph has no cycle;
// a node on a cycle, or behind one, keeps -1.
inline Index longest_path_levels(Index n_nodes, const Index* tail, const Index* head, Index n_edges,
                                 Index* level) {
    std::vector<Index> start(static_cast<std::size_t>(n_nodes) + 1);
    std::vector<Index> out_edge(static_cast<std::size_t>(n_edges));
    group_by(tail, n_edges, n_nodes, start.data(), out_edge.data());

    std::vector<Index> waiting(static_cast<std::size_t>(n_nodes), 0);
    for (Index e = 0; e < n_edges; ++e) ++waiting[head[e]];

    std::vector<Index> queue;
    queue.reserve(static_cast<std::size_t>(n_nodes));
    std::vector<Index> longest(static_cast<std::size_t>(n_nodes), 0);
    for (Index j = 0; j < n_nodes; ++j) {
        level[j] = -1;
        if (waiting[j] == 0) queue.push_back(j);
    }
    for (std::size_t next = 0; next < queue.size(); ++next) {
        const Index i = queue[next];
        level[i] = longest[i];
        for (Index a = start[i]; a < start[i + 1]; ++a) {
            const Index j = head[out_edge[a]];
            if (longest[j] < longest[i] + 1) longest[j] = longest[i] + 1;
            if (--waiting[j] == 0) queue.push_back(j);
        }
    }
    return static_cast<Index>(queue.size());
}

// Reorders the nodes of each level, order[level_start[l]] .. order[level_start[l + 1] - 1], by the mean position of their
// tails, ties as they were: nodes that pull from the same places stand together. in_start and in_edge group arcs by head.
inline void order_within_levels(Index n_levels, const Index* level_start, const Index* in_start, const Index* in_edge,
                                const Index* tail, Index* order) {
    const Index n_nodes = level_start[n_levels];
    std::vector<Index> position(static_cast<std::size_t>(n_nodes));
    std::vector<double> mean(static_cast<std::size_t>(n_nodes));
    for (Index l = 0; l < n_levels; ++l) {
        Index* first = order + level_start[l];
        Index* last = order + level_start[l + 1];
        for (const Index* j = first; l > 0 && j < last; ++j) {
            double sum = 0;  // of whole numbers, so it is the same in any order
            for (Index a = in_start[*j]; a < in_start[*j + 1]; ++a) sum += position[tail[in_edge[a]]];
            mean[*j] = sum / (in_start[*j + 1] - in_start[*j]);
        }
        if (l > 0) std::stable_sort(first, last, [&](Index a, Index b) { return mean[a] < mean[b]; });
        for (Index p = level_start[l]; p < level_start[l + 1]; ++p) position[order[p]] = p;
    }
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
