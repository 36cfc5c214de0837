// One forward pass, the backward pass that may follow, and every quantity of both, each made when it is asked for.
//
// A pass keeps what it was given as it was when it began, so that what is asked for later belongs to it. Nothing is
// computed before it is asked for: values, loss, sensitivities and gradients then come in one go, each tile of samples
// all the way on one thread.
#pragma once

#include <mutex>
#include <optional>

#include "absent.hpp"
#include "sweep.hpp"

namespace edgewise {

enum class Quantity { value, preactivation, gate, sensitivity, linear_sensitivity };

template <class T>
class Pass {
public:
    // x: (samples, n_inputs).
    Pass(const Structure& s, std::shared_ptr<const OwnParameters<T>> parameters, const T* x, Size samples, bool gates,
         int threads);
    // Its samples, once for each of n_targets targets; forward is not run again. `narrow` must outlive this, and not have
    // run backward.
    Pass(Pass& narrow, Size n_targets);

    // What backward starts from: ∂J/∂o of a loss of the table, y as (samples, n_outputs) or as class indices; or given
    // sensitivities, (samples, n_seeds), of the rows r with seed_row[r] ≥ 0.
    void start_from_loss(Loss loss, T parameter, const T* y, const Size* label, const T* sample_weight);
    void start_from(const T* seed, Index n_seeds, const Index* seed_row);

    // From here on its weights, gates and what it starts from are squares: the same recursion then gives not S(i,t) but
    // Σ over paths of ∏ z², which no sign can cancel; see edgewise/diagnosis/budget.py. With `open`, gates are 1. Backward
    // has not begun.
    void square(bool open);

    // Into (samples, n_nodes), (samples, n_outputs), (samples, n_inputs), (samples); sums over samples divided by
    // `divisor` into (n_edges), (n_nodes), (n_nodes).
    void nodes(Quantity quantity, T* out);
    void output(T* out);
    void input_gradient(T* out);
    void loss_per_sample(T* out);
    void weight_gradient(T divisor, T* out);
    void bias_gradient(T divisor, T* out);
    void response_gradient(T divisor, T* out);
    // Where arcs are absent and the gradient of their weights, divided likewise, would be largest: see absent.hpp.
    Groups<T> strongest_absent(const Places& places, T divisor);
    // Into (samples, n_edges): z(i,j), or S(j⁻,t)·∂s(j)/∂w_ij.
    void edge_derivative(T* out);
    void weight_gradient_per_sample(T* out);

    bool began_backward() const { return has_.sensitivities; }
    Size samples() const { return sweep_.samples; }
    const Structure& structure() const { return sweep_.s; }

private:
    void take_over(Size tile, const Buffer<T>& source, Size from_stride, const std::vector<Index>& rows, T* target);
    void take_gates(Size tile, T* target);
    template <class Read>
    void read_tiles(Index numbers, const Read& read);
    void require_gates() const;
    void run(bool loss, const Backward& what, bool straight = false);
    void require_values();
    void require_sensitivities() { run(true, {true, true, false, false}); }
    bool by_tile() const { return !sweep_.shape.by_level || sweep_.n_tiles >= 2 * sweep_.n_threads; }
    template <class Fill>
    void make_rows(Index r1, const Fill& fill, const Index* from, Index n, T* out, Size out_row);
    void fill_preactivations(Wanted wanted, Size tile, T* temporary, Index r0, Index r1, int member);
    void fill_sensitivities(Size tile, T* linear, T* temporary, Index r0, Index r1, int member, bool gated = false);
    void inputs_as_sensitivities(T* out, const Index* from, Index n, Size out_row);
    void combine_ends(bool derivative, T* out);
    const Parameters<T>& view() const { return squared_ ? squared_view_ : parameters_->view(); }

    std::shared_ptr<const OwnParameters<T>> parameters_;
    std::optional<Squares<T>> squared_;
    Parameters<T> squared_view_;
    Sweep<T> sweep_;
    int threads_;  // asked for; 0: all
    bool gates_;
    Pass* source_ = nullptr;  // the narrow pass whose samples these are, once for each target
    std::vector<Index> seed_row_;
    // what a loss needs when its turn comes; targets wait where the seeds will be
    std::optional<Loss> loss_;
    T loss_parameter_ = 0;
    std::vector<Size> label_;
    std::vector<T> sample_weight_;
    Buffer<T> output_;              // (samples, n_outputs), once the values have been written over
    std::vector<Index> gate_rows_;  // whose gates are kept
    bool has_values_ = false, has_loss_ = false;
    Backward has_{};
    std::recursive_mutex asked_;  // results may be asked for from several threads
};

}  // namespace edgewise
