// The plan as the passes read it.
#include "structure.hpp"

namespace edgewise::bind {

namespace {

template <class A>
const typename A::Scalar* keep(BoundStructure& bound, const A& array) {
    bound.kept.push_back(array.object());
    return array.data();
}

void check_each_once(const IndexIn& edges, const char* what) {  // in range already
    std::vector<bool> seen(edges.size());
    for (std::size_t k = 0; k < edges.size(); ++k) {
        if (seen[edges.data()[k]]) throw std::invalid_argument(std::string(what) + " holds an edge twice");
        seen[edges.data()[k]] = true;
    }
}

void make_structure(BoundStructure* self, IndexIn tail, IndexIn head, IndexIn order, IndexIn position,
                    IndexIn level_start, IndexIn in_start, IndexIn in_edge, IndexIn out_start, IndexIn out_edge,
                    In<std::uint8_t> activation, In<std::uint8_t> aggregation, In<std::uint8_t> is_input,
                    IndexIn inputs, IndexIn outputs, std::optional<IndexIn> tie, std::size_t n_parameters,
                    std::optional<IndexIn> bias_tie, std::size_t n_biases) {
    new (self) BoundStructure();
    edgewise::Description& d = self->given;
    const std::size_t n = order.size(), m = tail.size();
    d.n_nodes = checked_size(n, "nodes");
    d.n_edges = checked_size(m, "edges");
    for (const IndexIn* edges : {&head, &in_edge, &out_edge}) check_size(edges->size(), m, "an array of edges");
    check_size(position.size(), n, "position");
    for (const IndexIn* start : {&in_start, &out_start}) check_size(start->size(), n + 1, "an array of starts");
    for (const auto* codes : {&activation, &aggregation, &is_input}) check_size(codes->size(), n, "an array of nodes");
    check_range(tail, n, "tail");
    check_range(head, n, "head");
    check_range(order, n, "order");
    check_range(position, n, "position");
    check_range(in_edge, m, "in_edge");
    check_range(out_edge, m, "out_edge");
    check_range(inputs, n, "inputs");
    check_range(outputs, n, "outputs");
    check_range(activation, edgewise::N_ACTIVATIONS, "activation");
    check_range(aggregation, edgewise::N_AGGREGATIONS, "aggregation");
    check_starts(in_start, m, "in_start");
    check_starts(out_start, m, "out_start");
    check_starts(level_start, n, "level_start");
    if (tie) {
        check_size(tie->size(), m, "tie");
        check_range(*tie, n_parameters, "tie");
    }
    if (bias_tie) {
        check_size(bias_tie->size(), n, "bias_tie");
        check_range(*bias_tie, n_biases, "bias_tie");
    }
    check_each_once(in_edge, "in_edge");
    check_each_once(out_edge, "out_edge");
    for (std::size_t row = 0; row < n; ++row) {
        if (position.data()[order.data()[row]] != static_cast<Index>(row))
            throw std::invalid_argument("position must be the inverse of order");
        for (Index a = in_start.data()[row]; a < in_start.data()[row + 1]; ++a) {
            const Index e = in_edge.data()[a];
            if (position.data()[head.data()[e]] != static_cast<Index>(row))
                throw std::invalid_argument("in_edge must group the arcs by head");
            if (position.data()[tail.data()[e]] >= static_cast<Index>(row))
                throw std::invalid_argument("every arc must lead to a later row");
            if (is_input.data()[order.data()[row]]) throw std::invalid_argument("an input must have no in-arcs");
        }
        for (Index a = out_start.data()[row]; a < out_start.data()[row + 1]; ++a)
            if (position.data()[tail.data()[out_edge.data()[a]]] != static_cast<Index>(row))
                throw std::invalid_argument("out_edge must group the arcs by tail");
    }
    d.n_levels = checked_size(level_start.size() - 1, "levels");
    for (std::size_t k = 0; k < inputs.size(); ++k)
        if (position.data()[inputs.data()[k]] >= level_start.data()[1])
            throw std::invalid_argument("an input must be in the first level");
    d.n_inputs = checked_size(inputs.size(), "inputs");
    d.n_outputs = checked_size(outputs.size(), "outputs");
    d.n_parameters = checked_size(n_parameters, "parameters");
    d.n_biases = checked_size(n_biases, "biases");
    d.tail = keep(*self, tail);
    d.head = keep(*self, head);
    d.order = keep(*self, order);
    d.position = keep(*self, position);
    d.level_start = keep(*self, level_start);
    d.in_start = keep(*self, in_start);
    d.in_edge = keep(*self, in_edge);
    d.out_start = keep(*self, out_start);
    d.out_edge = keep(*self, out_edge);
    d.activation = activation.data();  // copied by row
    d.aggregation = aggregation.data();
    d.is_input = is_input.data();
    d.inputs = inputs.data();
    d.outputs = outputs.data();
    d.tie = tie ? keep(*self, *tie) : nullptr;
    d.bias_tie = bias_tie ? keep(*self, *bias_tie) : nullptr;
    nb::gil_scoped_release release;
    self->own = std::make_unique<edgewise::OwnStructure>(d);
}

}  // namespace

void bind_structure(nb::module_& module) {
    nb::class_<BoundStructure>(module, "Structure", "A plan as the passes read it; see src/native/structure.hpp.")
        .def("__init__", &make_structure, nb::arg("tail").noconvert(), nb::arg("head").noconvert(),
             nb::arg("order").noconvert(), nb::arg("position").noconvert(), nb::arg("level_start").noconvert(),
             nb::arg("in_start").noconvert(), nb::arg("in_edge").noconvert(), nb::arg("out_start").noconvert(),
             nb::arg("out_edge").noconvert(), nb::arg("activation").noconvert(), nb::arg("aggregation").noconvert(),
             nb::arg("is_input").noconvert(), nb::arg("inputs").noconvert(), nb::arg("outputs").noconvert(),
             nb::arg("tie").noconvert().none(), nb::arg("n_parameters"),
             nb::arg("bias_tie").noconvert().none(), nb::arg("n_biases"))
        .def_prop_ro("bytes", [](const BoundStructure& self) { return self.own->bytes(); })
        .def_prop_ro("blocks", [](const BoundStructure& self) {
            nb::list found;
            const auto& plan = self.view().plan;
            for (Index b = 0; b < plan.n_blocks; ++b) {
                const auto& block = plan.blocks[b];
                found.append(nb::make_tuple(block.head, block.n_heads, block.tail, block.n_tails));
            }
            return found;
        });
}

}  // namespace edgewise::bind
