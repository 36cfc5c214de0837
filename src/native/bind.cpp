// The only file that knows Python: checks what would corrupt memory, releases the GIL, calls.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <limits>
#include <memory>
#include <stdexcept>
#include <string>

#include "topology.hpp"

namespace nb = nanobind;
using edgewise::Index;

namespace {

using IndexIn = nb::ndarray<const Index, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using IndexOut = nb::ndarray<nb::numpy, Index, nb::ndim<1>>;

IndexOut own(std::unique_ptr<Index[]> data, std::size_t size) {
    Index* raw = data.get();
    nb::capsule owner(data.release(), [](void* p) noexcept { delete[] static_cast<Index*>(p); });
    return IndexOut(raw, {size}, owner);
}

Index checked_size(std::size_t size, const char* what) {
    if (size >= static_cast<std::size_t>(std::numeric_limits<Index>::max()))
        throw std::length_error(std::string(what) + " must number fewer than 2^31 - 1");
    return static_cast<Index>(size);
}

void check_range(const IndexIn& values, std::size_t bound, const char* what) {
    const Index* v = values.data();
    for (std::size_t k = 0; k < values.size(); ++k)
        if (v[k] < 0 || static_cast<std::size_t>(v[k]) >= bound)
            throw std::out_of_range(std::string(what) + " holds an index that is out of range");
}

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

nb::tuple longest_path_levels(std::size_t n_nodes, IndexIn tail, IndexIn head) {
    const Index n = checked_size(n_nodes, "nodes");
    const Index m = checked_size(tail.size(), "edges");
    if (tail.size() != head.size()) throw std::invalid_argument("tail and head differ in length");
    check_range(tail, n_nodes, "tail");
    check_range(head, n_nodes, "head");
    std::unique_ptr<Index[]> level(new Index[n_nodes]);
    Index reached = 0;
    {
        nb::gil_scoped_release release;
        reached = edgewise::longest_path_levels(n, tail.data(), head.data(), m, level.get());
    }
    return nb::make_tuple(own(std::move(level), n_nodes), reached);
}

IndexOut longest_path_to(IndexIn order, IndexIn out_start, IndexIn out_edge, IndexIn head,
                         nb::ndarray<const bool, nb::ndim<1>, nb::c_contig, nb::device::cpu> is_target) {
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

NB_MODULE(_core, module) {
    module.doc() = "Edgewise's compiled core: graph walks and arithmetic over plain arrays.";
    module.def("group_by", &group_by, nb::arg("key").noconvert(), nb::arg("n_keys"),
               "(start, item): item[start[k]:start[k+1]] are the positions whose key is k, in rising order.");
    module.def("longest_path_levels", &longest_path_levels, nb::arg("n_nodes"), nb::arg("tail").noconvert(),
               nb::arg("head").noconvert(),
               "(level, reached): level[j] = arcs on the longest path ending in j, -1 on or behind a cycle.");
    module.def("longest_path_to", &longest_path_to, nb::arg("order").noconvert(), nb::arg("out_start").noconvert(),
               nb::arg("out_edge").noconvert(), nb::arg("head").noconvert(), nb::arg("is_target").noconvert(),
               "depth[i] = arcs on the longest path from i to a target, -1 if it reaches none.");
}
