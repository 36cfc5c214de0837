// Training: steps, the order of an epoch, how well it goes, and whether the parameters are still numbers.
#include "../trainer.hpp"

#include <nanobind/stl/pair.h>

#include "../shuffle.hpp"
#include "../tally.hpp"
#include "structure.hpp"

namespace edgewise::bind {

namespace {

template <class Trainer>
void check_array(const Trainer& trainer, int which, std::size_t n_weights, std::size_t n_biases) {
    if (which < 0 || which >= trainer.n_arrays()) throw std::out_of_range("the trainer has no such array");
    check_size(n_weights, trainer.structure().n_edges, "weight");
    check_size(n_biases, trainer.structure().plan.n_nodes, "bias");
}

// Arrays of the caller's that the look points into are kept with it.
template <class T>
struct BoundLook {
    std::vector<nb::object> kept;
    std::unique_ptr<edgewise::Look<T>> own;
    Size step_size;  // at most, of the steps that it may look at
    Size most;       // samples of a look
    const BoundStructure* structure;
    std::shared_ptr<const edgewise::OwnParameters<T>> parameters;  // between both halves of a look

    void check_row(const Out<double>& row) const {
        check_size(row.size(), edgewise::Look<T>::row_size(own->watched().n_levels), "a row of looks");
    }
};

template <class T>
void bind_look(nb::module_& module, const char* name) {
    using Bound = BoundLook<T>;
    nb::class_<Bound>(module, name, "Looks at steps of training; see src/native/look.hpp.")
        .def("__init__",
             [](Bound* self, const BoundStructure& structure, Index n_levels, IndexIn level, In<double> closed_below,
                In<std::uint8_t> hidden, In<std::uint8_t> squashing, In<std::uint8_t> smooth, Out<double> closed,
                Out<std::int64_t> last_open, Out<std::int64_t> step_of, Out<std::uint8_t> opened, Out<double> seen,
                std::size_t every, std::size_t samples, std::size_t few, std::size_t often, double lately, double dead_after,
                double saturated_from, std::size_t step_size, bool beside, int threads) {
                 const edgewise::Structure& s = structure.view();
                 const auto check = [&](const auto& array, const char* what) { check_size(array.size(), s.plan.n_nodes, what); };
                 check(level, "level");
                 check(closed_below, "closed_below");
                 check(hidden, "hidden");
                 check(squashing, "squashing");
                 check(smooth, "smooth");
                 check(closed, "closed");
                 check(last_open, "last_open");
                 check(step_of, "step_of");
                 check(opened, "opened");
                 check_size(seen.size(), 3, "seen");
                 if (n_levels < 1) throw std::invalid_argument("there is a level at least");
                 for (std::size_t k = 0; k < level.size(); ++k)
                     if (level.data()[k] >= n_levels) throw std::out_of_range("level holds one that is out of range");
                 if (every < 1 || few < 2 || often < 1 || step_size < 1) throw std::invalid_argument("a look needs a sample");
                 const auto size = [](std::size_t n) { return static_cast<Size>(checked_size(n, "samples")); };
                 const edgewise::Watched watched{n_levels, level.data(), closed_below.data(), hidden.data(),
                                                 squashing.data(), smooth.data(), closed.data(), last_open.data(),
                                                 step_of.data(), opened.data(), seen.data(), size(every), size(samples), size(few),
                                                 size(often), lately, dead_after, saturated_from};
                 const Size most = watched.wanted(size(step_size));
                 std::unique_ptr<edgewise::Look<T>> look;
                 {
                     nb::gil_scoped_release release;
                     look = std::make_unique<edgewise::Look<T>>(s, watched, size(step_size), beside, team_size(threads));
                 }
                 std::vector<nb::object> kept{level.object(), closed_below.object(), hidden.object(), squashing.object(),
                                              smooth.object(), closed.object(), last_open.object(), step_of.object(),
                                              opened.object(), seen.object()};
                 new (self) Bound{std::move(kept), std::move(look), size(step_size), most, &structure, nullptr};
             },
             nb::keep_alive<1, 2>(), nb::arg("structure"), nb::arg("n_levels"), nb::arg("level").noconvert(),
             nb::arg("closed_below").noconvert(), nb::arg("hidden").noconvert(), nb::arg("squashing").noconvert(),
             nb::arg("smooth").noconvert(), nb::arg("closed").noconvert(), nb::arg("last_open").noconvert(),
             nb::arg("step_of").noconvert(), nb::arg("opened").noconvert(), nb::arg("seen").noconvert(),
             nb::arg("every"), nb::arg("samples"), nb::arg("few"), nb::arg("often"), nb::arg("lately"), nb::arg("dead_after"),
             nb::arg("saturated_from"), nb::arg("step_size"), nb::arg("beside"), nb::arg("threads"))
        .def("forward",
             [](Bound& self, In<T> weight, In<T> bias, In<T> response, In2<T> x, Out2<T> output) {
                 const edgewise::Structure& s = self.structure->view();
                 check_parameters(s, weight, bias, response);
                 check_size(x.shape(1), s.n_inputs, "a row of x");
                 check_size(output.shape(0), x.shape(0), "output");
                 check_size(output.shape(1), s.n_outputs, "a row of output");
                 if (x.shape(0) < 1 || static_cast<Size>(x.shape(0)) > self.most)
                     throw std::invalid_argument("these are not as many samples as the look was made for");
                 nb::gil_scoped_release release;
                 self.parameters = self.structure->last(T{}).of(s, weight.data(), bias.data(), response.data(), 1);
                 self.own->forward(self.parameters->view(), x.data(), static_cast<Size>(x.shape(0)), output.data());
             },
             nb::arg("weight").noconvert(), nb::arg("bias").noconvert(), nb::arg("response").noconvert(),
             nb::arg("x").noconvert(), nb::arg("output").noconvert())
        .def("backward",
             [](Bound& self, In2<T> seed, std::size_t step, Out<double> row) {
                 if (!self.parameters) throw std::invalid_argument("the look has no forward half");
                 check_size(seed.shape(0), self.own->sweep.samples, "seed");
                 check_size(seed.shape(1), self.structure->view().n_outputs, "a row of seed");
                 self.check_row(row);
                 nb::gil_scoped_release release;
                 self.own->backward(std::exchange(self.parameters, nullptr)->view(), seed.data(), static_cast<Size>(step),
                                    row.data());
             },
             nb::arg("seed").noconvert(), nb::arg("step"), nb::arg("row").noconvert())
        .def("changed",
             [](Bound& self, In<T> before, In<T> after, Out<double> row) {
                 check_size(before.size(), self.structure->view().n_edges, "before");
                 check_size(after.size(), self.structure->view().n_edges, "after");
                 self.check_row(row);
                 nb::gil_scoped_release release;
                 self.own->changed(before.data(), after.data(), row.data());
             },
             nb::arg("before").noconvert(), nb::arg("after").noconvert(), nb::arg("row").noconvert())
        .def_prop_ro("row_size",
                     [](const Bound& self) { return edgewise::Look<T>::row_size(self.own->watched().n_levels); });
}

template <class T>
void bind_trainer(nb::module_& module, const char* name) {
    using Trainer = edgewise::Trainer<T>;
    nb::class_<Trainer>(module, name, "Training without a way back to Python; see src/native/trainer.hpp.")
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
                Out2<T> output, Out<T> losses, std::size_t first, std::size_t n_steps, double seconds,
                const BoundLook<T>* look, std::optional<Out2<double>> rows) {
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
                 edgewise::Looks<T> looks;
                 if (look) {
                     if (!rows || rows->shape(0) < 1) throw std::invalid_argument("a look needs rows to go to");
                     if (look->own->sweep.s.node != s.node || look->step_size < self.step_size())
                         throw std::invalid_argument("the look is of another network, or of larger steps");
                     check_size(rows->shape(1), edgewise::Look<T>::row_size(look->own->watched().n_levels), "a row of looks");
                     looks = {look->own.get(), rows->data(), static_cast<Size>(rows->shape(1)),
                              static_cast<Size>(rows->shape(0)), 0};
                 }
                 nb::gil_scoped_release release;
                 const Size reached =
                     self.run(data, static_cast<Size>(first), static_cast<Size>(n_steps), seconds, looks);
                 return std::pair(reached, looks.taken);
             },
             nb::arg("x").noconvert(), nb::arg("y").noconvert().none(), nb::arg("label").noconvert().none(),
             nb::arg("sample_weight").noconvert().none(), nb::arg("order").noconvert(),
             nb::arg("rate_factor").noconvert().none(), nb::arg("output").noconvert(), nb::arg("losses").noconvert(),
             nb::arg("first"), nb::arg("n_steps"), nb::arg("seconds"), nb::arg("look").none(),
             nb::arg("rows").noconvert().none())
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
bool all_finite(Array<const T, ANY> array) {
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

template <class T>
edgewise::Tallied<T> tallied(const In<T>& loss, const In2<T>& output, const In<std::int64_t>& order,
                             const std::optional<In<double>>& weight, std::size_t n_rows, std::size_t step_size) {
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

void bind_training(nb::module_& module) {
    bind_look<float>(module, "Look32");
    bind_look<double>(module, "Look64");
    bind_trainer<float>(module, "Trainer32");
    bind_trainer<double>(module, "Trainer64");
    bind_tally_classes<float>(module);
    bind_tally_classes<double>(module);
    bind_tally<float, float>(module);
    bind_tally<float, double>(module);
    bind_tally<double, float>(module);
    bind_tally<double, double>(module);
    module.def(
        "shuffle",
        [](Out<std::int64_t> order, std::uint64_t seed, std::uint64_t epoch, std::uint64_t part) {
            const Size n = checked_size(order.size(), "items");
            nb::gil_scoped_release release;
            edgewise::shuffle(order.data(), n, seed, epoch, part);
        },
        nb::arg("order").noconvert(), nb::arg("seed"), nb::arg("epoch"), nb::arg("part"),
        "Puts order in a random order that the three numbers decide.");
    module.def("all_finite32", &all_finite<float>, nb::arg("array").noconvert());
    module.def("all_finite64", &all_finite<double>, nb::arg("array").noconvert());
}

}  // namespace edgewise::bind
