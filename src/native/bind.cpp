// The only file that knows Python: checks what would corrupt memory, releases the GIL, calls.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

#include "dispatch.hpp"
#include "pass.hpp"
#include "shuffle.hpp"
#include "structure.hpp"
#include "tally.hpp"
#include "topology.hpp"
#include "trainer.hpp"

namespace nb = nanobind;
using edgewise::Index;
using edgewise::Size;

namespace {

template <class T>
using In = nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <class T>
using In2 = nb::ndarray<const T, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
template <class T>
using Out = nb::ndarray<T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <class T>
using Out2 = nb::ndarray<T, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using IndexIn = In<Index>;
template <class T>
using Made = nb::ndarray<nb::numpy, T, nb::ndim<1>>;
using IndexOut = Made<Index>;

template <class T>
Made<T> own(std::unique_ptr<T[]> data, std::size_t size) {
    T* raw = data.get();
    nb::capsule owner(data.release(), [](void* p) noexcept { delete[] static_cast<T*>(p); });
    return Made<T>(raw, {size}, owner);
}

Index checked_size(std::size_t size, const char* what) {
    if (size >= static_cast<std::size_t>(std::numeric_limits<Index>::max()))
        throw std::length_error(std::string(what) + " must number fewer than 2^31 - 1");
    return static_cast<Index>(size);
}

template <class A>
void check_range(const A& values, std::size_t bound, const char* what) {
    const auto* v = values.data();
    bool outside = false;  // without leaving the loop, which then takes many at a time
    for (std::size_t k = 0; k < values.size(); ++k) outside |= static_cast<std::size_t>(v[k]) >= bound;  // negative: huge
    if (outside) throw std::out_of_range(std::string(what) + " holds an index that is out of range");
}

void check_size(std::size_t found, std::size_t wanted, const char* what) {
    if (found != wanted)
        throw std::invalid_argument(std::string(what) + " has " + std::to_string(found) + " entries, not " +
                                    std::to_string(wanted));
}

// Where runs of `n` things start: from 0 to n, never falling.
void check_starts(const IndexIn& start, std::size_t n, const char* what) {
    const Index* v = start.data();
    for (std::size_t k = 1; k < start.size(); ++k)
        if (v[k] < v[k - 1]) throw std::invalid_argument(std::string(what) + " must not fall");
    if (start.size() == 0 || v[0] != 0 || static_cast<std::size_t>(v[start.size() - 1]) != n)
        throw std::invalid_argument(std::string(what) + " must run from 0 to the number of entries");
}

// ---- graph walks ----

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

using Mask = nb::ndarray<const bool, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

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

// ---- the plan as the passes read it ----

// Arrays of the caller's that the structure points into are kept with it.
struct BoundStructure {
    edgewise::Description given;
    std::vector<nb::object> kept;
    std::unique_ptr<edgewise::OwnStructure> own;
    mutable edgewise::LastParameters<float> last32;
    mutable edgewise::LastParameters<double> last64;

    const edgewise::Structure& view() const { return own->view(); }
    edgewise::LastParameters<float>& last(float) const { return last32; }
    edgewise::LastParameters<double>& last(double) const { return last64; }
};

template <class A>
const typename A::Scalar* keep(BoundStructure& bound, const A& array) {
    bound.kept.push_back(nb::cast(array));
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
                    IndexIn inputs, IndexIn outputs, std::optional<IndexIn> tie, std::size_t n_parameters) {
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
    nb::gil_scoped_release release;
    self->own = std::make_unique<edgewise::OwnStructure>(d);
}

int team_size(int threads) { return threads > 0 ? threads : edgewise::most_threads(); }

// ---- passes and training, in one number type ----

template <class T>
void check_parameters(const edgewise::Structure& s, const In<T>& weight, const In<T>& bias, const In<T>& response) {
    check_size(weight.size(), s.n_edges, "weight");
    check_size(bias.size(), s.plan.n_nodes, "bias");
    check_size(response.size(), s.plan.n_nodes, "response");
}

template <class T>
struct BoundPass {
    std::unique_ptr<edgewise::Pass<T>> own;
    std::size_t samples, nodes, edges;
};

template <class T>
void check_targets(const edgewise::Structure& s, std::size_t samples, edgewise::Loss loss,
                   const std::optional<In2<T>>& y, const std::optional<In<Size>>& label,
                   const std::optional<In<T>>& sample_weight) {
    if (loss == edgewise::Loss::cross_entropy) {
        if (!label) throw std::invalid_argument("cross-entropy needs labels");
        check_size(label->size(), samples, "label");
        check_range(*label, s.n_outputs, "label");
    } else {
        if (!y) throw std::invalid_argument("this loss needs y");
        check_size(y->shape(0), samples, "y");
        check_size(y->shape(1), s.n_outputs, "a row of y");
    }
    if (sample_weight) check_size(sample_weight->size(), samples, "sample_weight");
}

edgewise::Loss loss_of(int code) {
    if (code < 0 || code > static_cast<int>(edgewise::Loss::huber)) throw std::invalid_argument("there is no such loss");
    return static_cast<edgewise::Loss>(code);
}

template <class Trainer>
void check_array(const Trainer& trainer, int which, std::size_t n_weights, std::size_t n_biases) {
    if (which < 0 || which >= trainer.n_arrays()) throw std::out_of_range("the trainer has no such array");
    check_size(n_weights, trainer.structure().n_edges, "weight");
    check_size(n_biases, trainer.structure().plan.n_nodes, "bias");
}

// Arrays of tail, head and gradient, group after group.
template <class T>
nb::tuple as_arrays(const edgewise::Groups<T>& groups) {
    std::size_t n = 0;
    for (const auto& group : groups) n += group.size();
    std::unique_ptr<Index[]> tail(new Index[n]), head(new Index[n]);
    std::unique_ptr<T[]> gradient(new T[n]);
    std::size_t k = 0;
    for (const auto& group : groups)
        for (const auto& arc : group) {
            tail[k] = arc.tail;
            head[k] = arc.head;
            gradient[k++] = arc.gradient;
        }
    return nb::make_tuple(own(std::move(tail), n), own(std::move(head), n), own(std::move(gradient), n));
}

template <class T>
void bind_numbers(nb::module_& module, const char* pass_name, const char* trainer_name) {
    using Pass = BoundPass<T>;
    using edgewise::Quantity;
    const auto nodes = [](Quantity quantity) {
        return [quantity](Pass& self, Out2<T> out) {
            check_size(out.shape(0), self.samples, "out");
            check_size(out.shape(1), self.nodes, "a row of out");
            nb::gil_scoped_release release;
            self.own->nodes(quantity, out.data());
        };
    };
    const auto edges = [](void (edgewise::Pass<T>::*quantity)(T*)) {
        return [quantity](Pass& self, Out2<T> out) {
            check_size(out.shape(0), self.samples, "out");
            check_size(out.shape(1), self.edges, "a row of out");
            nb::gil_scoped_release release;
            (self.own.get()->*quantity)(out.data());
        };
    };
    nb::class_<Pass>(module, pass_name, "Both passes over one batch; see src/native/pass.hpp.")
        .def("__init__",
             [](Pass* self, const BoundStructure& structure, In<T> weight, In<T> bias, In<T> response, In2<T> x,
                bool gates, int threads) {
                 const edgewise::Structure& s = structure.view();
                 check_parameters(s, weight, bias, response);
                 check_size(x.shape(1), s.n_inputs, "a row of x");
                 if (x.shape(0) < 1) throw std::invalid_argument("x has no samples");
                 new (self) Pass{nullptr, x.shape(0), static_cast<std::size_t>(s.plan.n_nodes),
                                 static_cast<std::size_t>(s.n_edges)};
                 nb::gil_scoped_release release;
                 const int team = team_size(threads);
                 self->own = std::make_unique<edgewise::Pass<T>>(
                     s, structure.last(T()).of(s, weight.data(), bias.data(), response.data(), team), x.data(),
                     static_cast<Size>(x.shape(0)), gates, team);
             },
             nb::keep_alive<1, 2>(), nb::arg("structure"), nb::arg("weight").noconvert(), nb::arg("bias").noconvert(),
             nb::arg("response").noconvert(), nb::arg("x").noconvert(), nb::arg("gates"), nb::arg("threads"))
        .def("for_targets",
             [](Pass& self, std::size_t n_targets) {
                 if (self.own->began_backward()) throw std::invalid_argument("the backward pass has begun");
                 nb::gil_scoped_release release;
                 return Pass{std::make_unique<edgewise::Pass<T>>(*self.own, static_cast<Size>(n_targets)),
                             self.samples * n_targets, self.nodes, self.edges};
             },
             nb::keep_alive<0, 1>(), nb::arg("n_targets"))
        .def("start_from_loss",
             [](Pass& self, int code, T parameter, std::optional<In2<T>> y, std::optional<In<Size>> label,
                std::optional<In<T>> sample_weight) {
                 check_targets<T>(self.own->structure(), self.samples, loss_of(code), y, label, sample_weight);
                 nb::gil_scoped_release release;
                 self.own->start_from_loss(loss_of(code), parameter, y ? y->data() : nullptr,
                                           label ? label->data() : nullptr,
                                           sample_weight ? sample_weight->data() : nullptr);
             },
             nb::arg("loss"), nb::arg("parameter"), nb::arg("y").noconvert().none(),
             nb::arg("label").noconvert().none(), nb::arg("sample_weight").noconvert().none())
        .def("start_from",
             [](Pass& self, In2<T> seed, IndexIn seed_row) {
                 check_size(seed.shape(0), self.samples, "seed");
                 check_size(seed_row.size(), self.nodes, "seed_row");
                 const Index n_seeds = checked_size(seed.shape(1), "seeds");
                 for (std::size_t k = 0; k < seed_row.size(); ++k)
                     if (seed_row.data()[k] >= n_seeds) throw std::out_of_range("seed_row is out of range");
                 nb::gil_scoped_release release;
                 self.own->start_from(seed.data(), n_seeds, seed_row.data());
             },
             nb::arg("seed").noconvert(), nb::arg("seed_row").noconvert())
        .def("value", nodes(Quantity::value), nb::arg("out").noconvert())
        .def("preactivation", nodes(Quantity::preactivation), nb::arg("out").noconvert())
        .def("gate", nodes(Quantity::gate), nb::arg("out").noconvert())
        .def("sensitivity", nodes(Quantity::sensitivity), nb::arg("out").noconvert())
        .def("linear_sensitivity", nodes(Quantity::linear_sensitivity), nb::arg("out").noconvert())
        .def("output",
             [](Pass& self, Out2<T> out) {
                 check_size(out.shape(0), self.samples, "out");
                 check_size(out.shape(1), self.own->structure().n_outputs, "a row of out");
                 nb::gil_scoped_release release;
                 self.own->output(out.data());
             },
             nb::arg("out").noconvert())
        .def("input_gradient",
             [](Pass& self, Out2<T> out) {
                 check_size(out.shape(0), self.samples, "out");
                 check_size(out.shape(1), self.own->structure().n_inputs, "a row of out");
                 nb::gil_scoped_release release;
                 self.own->input_gradient(out.data());
             },
             nb::arg("out").noconvert())
        .def("loss_per_sample",
             [](Pass& self, Out<T> out) {
                 check_size(out.size(), self.samples, "out");
                 nb::gil_scoped_release release;
                 self.own->loss_per_sample(out.data());
             },
             nb::arg("out").noconvert())
        .def("weight_gradient",
             [](Pass& self, T divisor, Out<T> out) {
                 check_size(out.size(), self.edges, "out");
                 nb::gil_scoped_release release;
                 self.own->weight_gradient(divisor, out.data());
             },
             nb::arg("divisor"), nb::arg("out").noconvert())
        .def("bias_gradient",
             [](Pass& self, T divisor, Out<T> out) {
                 check_size(out.size(), self.nodes, "out");
                 nb::gil_scoped_release release;
                 self.own->bias_gradient(divisor, out.data());
             },
             nb::arg("divisor"), nb::arg("out").noconvert())
        .def("response_gradient",
             [](Pass& self, T divisor, Out<T> out) {
                 check_size(out.size(), self.nodes, "out");
                 nb::gil_scoped_release release;
                 self.own->response_gradient(divisor, out.data());
             },
             nb::arg("divisor"), nb::arg("out").noconvert())
        .def("strongest_absent",
             [](Pass& self, IndexIn rank, In<std::uint8_t> may_head, In2<Index> pair, IndexIn group, In<Size> wanted,
                IndexIn out_start, IndexIn out_row, T divisor) {
                 check_size(rank.size(), self.nodes, "rank");
                 check_size(may_head.size(), self.nodes, "may_head");
                 Index n_ranks = 0;
                 for (std::size_t k = 0; k < rank.size(); ++k) {
                     if (rank.data()[k] < -1 || static_cast<std::size_t>(rank.data()[k] + std::int64_t(1)) > self.nodes)
                         throw std::out_of_range("rank is out of range");
                     n_ranks = std::max(n_ranks, rank.data()[k] + 1);
                 }
                 check_size(pair.shape(1), 2, "a row of pair");
                 check_size(group.size(), pair.shape(0), "group");
                 check_range(pair, static_cast<std::size_t>(n_ranks), "pair");
                 check_range(group, wanted.size(), "group");
                 check_size(out_start.size(), self.nodes + 1, "out_start");
                 check_starts(out_start, out_row.size(), "out_start");
                 check_range(out_row, self.nodes, "out_row");
                 for (std::size_t p = 0; p < pair.shape(0); ++p)
                     if (pair.data()[2 * p] >= pair.data()[2 * p + 1]) throw std::invalid_argument("pair must rise");
                 const Size places = static_cast<Size>(self.nodes) * static_cast<Size>(self.nodes);
                 std::vector<Size> at_most(wanted.data(), wanted.data() + wanted.size());
                 for (Size& count : at_most) {
                     if (count < 0) throw std::invalid_argument("wanted must not be negative");
                     count = std::min(count, places);
                 }
                 const edgewise::Places all{rank.data(), may_head.data(), n_ranks, checked_size(pair.shape(0), "pairs"),
                                            checked_size(wanted.size(), "groups"), pair.data(), group.data(),
                                            at_most.data(), out_start.data(), out_row.data()};
                 edgewise::Groups<T> found;
                 {
                     nb::gil_scoped_release release;
                     found = self.own->strongest_absent(all, divisor);
                 }
                 return as_arrays(found);
             },
             nb::arg("rank").noconvert(), nb::arg("may_head").noconvert(), nb::arg("pair").noconvert(),
             nb::arg("group").noconvert(), nb::arg("wanted").noconvert(), nb::arg("out_start").noconvert(),
             nb::arg("out_row").noconvert(), nb::arg("divisor"))
        .def("edge_derivative", edges(&edgewise::Pass<T>::edge_derivative), nb::arg("out").noconvert())
        .def("weight_gradient_per_sample", edges(&edgewise::Pass<T>::weight_gradient_per_sample),
             nb::arg("out").noconvert());

    using Trainer = edgewise::Trainer<T>;
    nb::class_<Trainer>(module, trainer_name, "Training without a way back to Python; see src/native/trainer.hpp.")
        .def("__init__",
             [](Trainer* self, const BoundStructure& structure, In<T> weight, In<T> bias, In<T> response,
                std::size_t batch_size, int loss, T loss_parameter, int optimizer, bool nesterov, double learning_rate,
                double momentum, double weight_decay, double beta1, double beta2, double epsilon, double clip_norm,
                double l1, double average, std::size_t accumulate, double dropout, std::uint32_t seed, int threads) {
                 const edgewise::Structure& s = structure.view();
                 check_parameters(s, weight, bias, response);
                 if (batch_size < 1) throw std::invalid_argument("a batch needs a sample");
                 if (!(dropout >= 0 && dropout < 1)) throw std::invalid_argument("dropout is a probability below 1");
                 if (accumulate < 1) throw std::invalid_argument("a step needs a minibatch");
                 edgewise::times(batch_size, accumulate);
                 if (optimizer < 0 || optimizer > static_cast<int>(edgewise::Optimizer::adamw))
                     throw std::invalid_argument("there is no such optimizer");
                 const edgewise::StepSettings settings{static_cast<edgewise::Optimizer>(optimizer), nesterov,
                                                       learning_rate, momentum, weight_decay, beta1, beta2,
                                                       epsilon, clip_norm, l1, average,
                                                       static_cast<Size>(accumulate), dropout, seed};
                 const edgewise::Loss code = loss_of(loss);
                 nb::gil_scoped_release release;
                 new (self) Trainer(s, weight.data(), bias.data(), response.data(), static_cast<Size>(batch_size), code,
                                    loss_parameter, settings, team_size(threads));
             },
             nb::keep_alive<1, 2>(), nb::arg("structure"), nb::arg("weight").noconvert(), nb::arg("bias").noconvert(),
             nb::arg("response").noconvert(), nb::arg("batch_size"), nb::arg("loss"), nb::arg("loss_parameter"),
             nb::arg("optimizer"), nb::arg("nesterov"), nb::arg("learning_rate"), nb::arg("momentum"),
             nb::arg("weight_decay"), nb::arg("beta1"), nb::arg("beta2"), nb::arg("epsilon"), nb::arg("clip_norm"),
             nb::arg("l1"), nb::arg("average"), nb::arg("accumulate"), nb::arg("dropout"), nb::arg("seed"),
             nb::arg("threads"))
        .def("run",
             [](Trainer& self, In2<T> x, std::optional<In2<T>> y, std::optional<In<Size>> label,
                std::optional<In<T>> sample_weight, In<Size> order, std::optional<In<double>> rate_factor,
                Out2<T> output, Out<T> losses, std::size_t first, std::size_t n_steps, double seconds) {
                 const edgewise::Structure& s = self.structure();
                 check_size(x.shape(1), s.n_inputs, "a row of x");
                 check_targets<T>(s, x.shape(0), self.loss(), y, label, sample_weight);
                 check_range(order, x.shape(0), "order");
                 const std::size_t step = static_cast<std::size_t>(self.step_size());
                 if (rate_factor) check_size(rate_factor->size(), (order.size() + step - 1) / step, "rate_factor");
                 check_size(output.shape(0), order.size(), "output");
                 check_size(output.shape(1), s.n_outputs, "a row of output");
                 check_size(losses.size(), order.size(), "losses");
                 const edgewise::TrainingData<T> data{x.data(),
                                                      y ? y->data() : nullptr,
                                                      label ? label->data() : nullptr,
                                                      sample_weight ? sample_weight->data() : nullptr,
                                                      order.data(),
                                                      static_cast<Size>(order.size()),
                                                      rate_factor ? rate_factor->data() : nullptr,
                                                      output.data(),
                                                      losses.data()};
                 nb::gil_scoped_release release;
                 return self.run(data, static_cast<Size>(first), static_cast<Size>(n_steps), seconds);
             },
             nb::arg("x").noconvert(), nb::arg("y").noconvert().none(), nb::arg("label").noconvert().none(),
             nb::arg("sample_weight").noconvert().none(), nb::arg("order").noconvert(),
             nb::arg("rate_factor").noconvert().none(), nb::arg("output").noconvert(), nb::arg("losses").noconvert(),
             nb::arg("first"), nb::arg("n_steps"), nb::arg("seconds"))
        .def_prop_ro("diverged", &Trainer::diverged)
        .def_prop_ro("steps", &Trainer::steps)
        .def_prop_ro("n_arrays", &Trainer::n_arrays)
        .def("array",
             [](const Trainer& self, int which, Out<T> weight, Out<T> bias) {
                 check_array(self, which, weight.size(), bias.size());
                 nb::gil_scoped_release release;
                 self.array(which, weight.data(), bias.data());
             },
             nb::arg("which"), nb::arg("weight").noconvert(), nb::arg("bias").noconvert())
        .def("set_array",
             [](Trainer& self, int which, In<T> weight, In<T> bias) {
                 check_array(self, which, weight.size(), bias.size());
                 nb::gil_scoped_release release;
                 self.set_array(which, weight.data(), bias.data());
             },
             nb::arg("which"), nb::arg("weight").noconvert(), nb::arg("bias").noconvert())
        .def("set_steps", [](Trainer& self, std::size_t steps) { self.set_steps(checked_size(steps, "steps")); },
             nb::arg("steps"));
}

template <class T>
bool all_finite(nb::ndarray<const T, nb::c_contig, nb::device::cpu> array) {
    const T* a = array.data();
    const std::size_t n = array.size();
    T nothing[16] = {};  // becomes NaN with the first number that is not finite
    std::size_t k = 0;
    for (; k + 16 <= n; k += 16)
        for (int l = 0; l < 16; ++l) nothing[l] += a[k + l] * T(0);
    for (; k < n; ++k) nothing[0] += a[k] * T(0);
    T sum = 0;
    for (T one : nothing) sum += one;
    return sum == T(0);
}

// ---- how well it goes ----

template <class T>
edgewise::Tallied<T> tallied(In<T> loss, In2<T> output, In<std::int64_t> order, std::optional<In<double>> weight,
                             std::size_t n_rows, std::size_t step_size) {
    check_size(output.shape(0), loss.size(), "output");
    check_size(order.size(), loss.size(), "order");
    check_range(order, n_rows, "order");
    if (weight) check_size(weight->size(), n_rows, "weight");
    if (!step_size) throw std::invalid_argument("step_size must be 1 or more");
    return {loss.data(), output.data(), order.data(), weight ? weight->data() : nullptr, checked_size(loss.size(), "samples"),
            checked_size(output.shape(1), "outputs"), checked_size(step_size, "samples of a step")};
}

template <class T>
void bind_tally_classes(nb::module_& module) {
    module.def(
        "tally_classes",
        [](In<T> loss, In2<T> output, In<std::int64_t> label, std::optional<In<double>> weight, In<std::int64_t> order,
           std::size_t step_size, Out<double> sums) {
            const auto samples = tallied<T>(loss, output, order, weight, label.size(), step_size);
            check_size(sums.size(), 4, "sums");
            nb::gil_scoped_release release;
            edgewise::tally_classes(samples, label.data(), sums.data());
        },
        nb::arg("loss").noconvert(), nb::arg("output").noconvert(), nb::arg("y").noconvert(),
        nb::arg("weight").noconvert().none(), nb::arg("order").noconvert(), nb::arg("step_size"),
        nb::arg("sums").noconvert(), "Adds samples to sums; see src/native/tally.hpp.");
}

template <class T, class Y>
void bind_tally(nb::module_& module) {
    module.def(
        "tally_signs",
        [](In<T> loss, In2<T> output, In2<Y> y, std::optional<In<double>> weight, In<std::int64_t> order,
           std::size_t step_size, Out<double> sums, double threshold) {
            const auto samples = tallied<T>(loss, output, order, weight, y.shape(0), step_size);
            check_size(y.shape(1), output.shape(1), "a row of y");
            check_size(sums.size(), 4, "sums");
            nb::gil_scoped_release release;
            edgewise::tally_signs(samples, y.data(), threshold, sums.data());
        },
        nb::arg("loss").noconvert(), nb::arg("output").noconvert(), nb::arg("y").noconvert(),
        nb::arg("weight").noconvert().none(), nb::arg("order").noconvert(), nb::arg("step_size"),
        nb::arg("sums").noconvert(), nb::arg("threshold"), "The same of the outputs' signs.");
    module.def(
        "tally_numbers",
        [](In<T> loss, In2<T> output, In2<Y> y, std::optional<In<double>> weight, In<std::int64_t> order,
           std::size_t step_size, Out<double> sums, In<double> origin, Out<double> shift) {
            const auto samples = tallied<T>(loss, output, order, weight, y.shape(0), step_size);
            check_size(y.shape(1), output.shape(1), "a row of y");
            check_size(sums.size(), 5, "sums");
            check_size(origin.size(), output.shape(1), "origin");
            check_size(shift.size(), output.shape(1), "shift");
            nb::gil_scoped_release release;
            edgewise::tally_numbers(samples, y.data(), origin.data(), sums.data(), shift.data());
        },
        nb::arg("loss").noconvert(), nb::arg("output").noconvert(), nb::arg("y").noconvert(),
        nb::arg("weight").noconvert().none(), nb::arg("order").noconvert(), nb::arg("step_size"),
        nb::arg("sums").noconvert(), nb::arg("origin").noconvert(), nb::arg("shift").noconvert(),
        "The same of numbers.");
}

}  // namespace

NB_MODULE(_core, module) {
    module.doc() = "Edgewise's compiled core: graph walks and arithmetic over plain arrays.";
    module.def("group_by", &group_by, nb::arg("key").noconvert(), nb::arg("n_keys"),
               "(start, item): item[start[k]:start[k+1]] are the positions whose key is k, in rising order.");
    module.def("order_graph", &order_graph, nb::arg("n_nodes"), nb::arg("tail").noconvert(), nb::arg("head").noconvert(),
               nb::arg("in_order").noconvert().none(),
               "(level, the arrays of a plan): level[j] = arcs on the longest path ending in j. Where there is a cycle, "
               "-1 on or behind it, and None for the arrays.");
    module.def("longest_path_to", &longest_path_to, nb::arg("order").noconvert(), nb::arg("out_start").noconvert(),
               nb::arg("out_edge").noconvert(), nb::arg("head").noconvert(), nb::arg("is_target").noconvert(),
               "depth[i] = arcs on the longest path from i to a target, -1 if it reaches none.");

    module.def(
        "shuffle",
        [](Out<std::int64_t> order, std::uint64_t seed, std::uint64_t epoch, std::uint64_t part) {
            const Size n = checked_size(order.size(), "items");
            nb::gil_scoped_release release;
            edgewise::shuffle(order.data(), n, seed, epoch, part);
        },
        nb::arg("order").noconvert(), nb::arg("seed"), nb::arg("epoch"), nb::arg("part"),
        "Puts order in a random order that the three numbers decide.");

    nb::class_<BoundStructure>(module, "Structure", "A plan as the passes read it; see src/native/structure.hpp.")
        .def("__init__", &make_structure, nb::arg("tail").noconvert(), nb::arg("head").noconvert(),
             nb::arg("order").noconvert(), nb::arg("position").noconvert(), nb::arg("level_start").noconvert(),
             nb::arg("in_start").noconvert(), nb::arg("in_edge").noconvert(), nb::arg("out_start").noconvert(),
             nb::arg("out_edge").noconvert(), nb::arg("activation").noconvert(), nb::arg("aggregation").noconvert(),
             nb::arg("is_input").noconvert(), nb::arg("inputs").noconvert(), nb::arg("outputs").noconvert(),
             nb::arg("tie").noconvert().none(), nb::arg("n_parameters"))
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
    bind_numbers<float>(module, "Pass32", "Trainer32");
    bind_numbers<double>(module, "Pass64", "Trainer64");
    bind_tally_classes<float>(module);
    bind_tally_classes<double>(module);
    bind_tally<float, float>(module);
    bind_tally<float, double>(module);
    bind_tally<double, float>(module);
    bind_tally<double, double>(module);
    module.def("all_finite32", &all_finite<float>, nb::arg("array").noconvert());
    module.def("all_finite64", &all_finite<double>, nb::arg("array").noconvert());
    module.def("instruction_set", &edgewise::instruction_set, "The set of vector instructions in use.");
    module.def(
        "instruction_sets",
        [] {
            nb::list names;
            for (const char* name : edgewise::instruction_sets()) names.append(name);
            return names;
        },
        "Those that this machine could use, the widest first.");
    module.def("register_bytes", &edgewise::register_bytes, "How wide a register of the set in use is.");
    module.def("compiler", &edgewise::compiler, "What compiled the core.");
    module.def("most_threads", &edgewise::most_threads, "How many threads a pass uses where none are asked for.");
    module.def("after_fork", [] {
        edgewise::forget_threads();
        edgewise::memory::forget();
    }, "For a forked process, which has none of its parent's threads and maybe their locks.");
}
