// Both passes over a batch, in either number type.
#include "../pass.hpp"

#include <algorithm>

#include "structure.hpp"

namespace edgewise::bind {

namespace {

template <class T>
struct BoundPass {
    std::unique_ptr<edgewise::Pass<T>> own;
    std::size_t samples, nodes, edges;
};

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
void bind_pass(nb::module_& module, const char* name) {
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
    nb::class_<Pass>(module, name, "Both passes over one batch; see src/native/pass.hpp.")
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
                 const Size samples = static_cast<Size>(x.shape(0));
                 const int team = edgewise::useful_threads(s, samples, threads);
                 self->own = std::make_unique<edgewise::Pass<T>>(
                     s, structure.last(T()).of(s, weight.data(), bias.data(), response.data(), team), x.data(), samples,
                     gates, threads);
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
        .def("square",
             [](Pass& self, bool open) {
                 nb::gil_scoped_release release;
                 self.own->square(open);
             },
             nb::arg("open"))
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
}

}  // namespace

void bind_passes(nb::module_& module) {
    bind_pass<float>(module, "Pass32");
    bind_pass<double>(module, "Pass64");
}

}  // namespace edgewise::bind
