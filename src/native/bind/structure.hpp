// The structure as Python holds it, and what must fit it.
#pragma once

#include <vector>

#include "../codes.hpp"
#include "../parameters.hpp"
#include "../structure.hpp"
#include "arguments.hpp"

namespace edgewise::bind {

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

template <class T>
void check_parameters(const edgewise::Structure& s, const In<T>& weight, const In<T>& bias, const In<T>& response) {
    check_size(weight.size(), s.n_edges, "weight");
    check_size(bias.size(), s.plan.n_nodes, "bias");
    check_size(response.size(), s.plan.n_nodes, "response");
}

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

inline edgewise::Loss loss_of(int code) {
    if (code < 0 || code > static_cast<int>(edgewise::Loss::huber)) throw std::invalid_argument("there is no such loss");
    return static_cast<edgewise::Loss>(code);
}

// What each file binds.
void bind_graph(nb::module_& module);
void bind_structure(nb::module_& module);
void bind_passes(nb::module_& module);
void bind_training(nb::module_& module);

}  // namespace edgewise::bind
