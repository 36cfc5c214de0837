// Graph walks.
#include "../topology.hpp"

#include "structure.hpp"

namespace edgewise::bind {

namespace {

nb::tuple group_by(IndexIn key, std::size_t n_keys) {
    const Index n = checked_size(key.size(), "items");
    const Index k = checked_size(n_keys, "keys");
    check_range(key, n_keys, "key");
    std::unique_ptr<Index[]> start(new Index[n_keys + 1]);
    std::unique_ptr<Index[]> item(new Index[key.size()]);
    {
        nb::gil_scoped_release release;
        edgewise::group_by(key.data(), n, k, start.get(), item.get());
    }
    return nb::make_tuple(own(std::move(start), n_keys + 1), own(std::move(item), key.size()));
}

using Mask = In<bool>;

nb::tuple order_graph(std::size_t n_nodes, IndexIn tail, IndexIn head, std::optional<Mask> in_order) {
    const Index n = checked_size(n_nodes, "nodes"), m = checked_size(tail.size(), "edges");
    check_size(head.size(), tail.size(), "head");
    check_range(tail, n_nodes, "tail");
    check_range(head, n_nodes, "head");
    if (in_order) check_size(in_order->size(), n_nodes, "in_order");
    edgewise::Ordered found;
    {
        nb::gil_scoped_release release;
        found = edgewise::order_graph(n, m, tail.data(), head.data(), in_order ? in_order->data() : nullptr);
    }
    IndexOut level = own(std::move(found.level), n_nodes);
    if (found.has_cycle) return nb::make_tuple(level, nb::none());
    return nb::make_tuple(
        level, nb::make_tuple(own(std::move(found.order), n_nodes), own(std::move(found.position), n_nodes),
                              own(std::move(found.level_start), static_cast<std::size_t>(found.n_levels) + 1),
                              own(std::move(found.in_start), n_nodes + 1), own(std::move(found.in_edge), tail.size()),
                              own(std::move(found.out_start), n_nodes + 1), own(std::move(found.out_edge), tail.size())));
}

IndexOut longest_path_to(IndexIn order, IndexIn out_start, IndexIn out_edge, IndexIn head, Mask is_target) {
    const std::size_t n_nodes = order.size();
    const Index n = checked_size(n_nodes, "nodes");
    if (out_start.size() != n_nodes + 1 || is_target.size() != n_nodes || out_edge.size() != head.size())
        throw std::invalid_argument("the plan's arrays differ in length");
    check_range(order, n_nodes, "order");
    check_range(head, n_nodes, "head");
    check_range(out_edge, head.size(), "out_edge");
    check_range(out_start, head.size() + 1, "out_start");
    std::unique_ptr<Index[]> depth(new Index[n_nodes]());
    {
        nb::gil_scoped_release release;
        edgewise::longest_path_to(n, order.data(), out_start.data(), out_edge.data(), head.data(), is_target.data(),
                                  depth.get());
    }
    return own(std::move(depth), n_nodes);
}

}  // namespace

void bind_graph(nb::module_& module) {
    module.def("group_by", &group_by, nb::arg("key").noconvert(), nb::arg("n_keys"),
               "(start, item): item[start[k]:start[k+1]] are the positions whose key is k, in rising order.");
    module.def("order_graph", &order_graph, nb::arg("n_nodes"), nb::arg("tail").noconvert(), nb::arg("head").noconvert(),
               nb::arg("in_order").noconvert().none(),
               "(level, the arrays of a plan): level[j] = arcs on the longest path ending in j. Where there is a cycle, "
               "-1 on or behind it, and None for the arrays.");
    module.def("longest_path_to", &longest_path_to, nb::arg("order").noconvert(), nb::arg("out_start").noconvert(),
               nb::arg("out_edge").noconvert(), nb::arg("head").noconvert(), nb::arg("is_target").noconvert(),
               "depth[i] = arcs on the longest path from i to a target, -1 if it reaches none.");
}

}  // namespace edgewise::bind
