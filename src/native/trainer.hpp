// Training: forward, loss, backward and the optimizer's step, minibatch after minibatch, without a way back to Python.
//
// Parameters, gradient and moments are in the order in which the backward pass finds gradients: arcs by tail, blocks,
// then biases by row. Where weights are tied, in the order of the ties, then biases.
#pragma once

#include "sweep.hpp"

namespace edgewise {

struct OptimizerSettings {
    Optimizer kind;
    bool nesterov;
    double learning_rate, momentum, weight_decay, beta1, beta2, epsilon;
    double clip_norm;  // infinite for none
};

template <class T>
struct TrainingData {
    const T* x;                // (samples, n_inputs)
    const T* y;                // (samples, n_outputs), or null where there are labels
    const Size* label;        // (samples)
    const T* sample_weight;    // (samples) or null
    const Size* order;         // (n) samples, each minibatch a piece of it
    Size n;
    const double* rate_factor;  // (minibatches of the order) of the learning rate, or null
    T* output;                 // (n, n_outputs) in that order, before the step that each sample is part of
    T* loss;                   // (n)
};

template <class T>
class Trainer {
public:
    Trainer(const Structure& s, const T* weight, const T* bias, const T* response, Size batch_size, Loss loss,
            T loss_parameter, const OptimizerSettings& settings, int threads);

    // Minibatches from place `first` of the order on, until the order's end, n_steps or about `seconds` have passed.
    // Returns the place reached. If a loss or gradient is not finite, the step is not taken: diverged() says so and the
    // place is that of its minibatch.
    Size run(const TrainingData<T>& data, Size first, Size n_steps, double seconds);

    Loss loss() const { return loss_; }
    Size batch_size() const { return batch_size_; }
    bool diverged() const { return diverged_; }
    Size steps() const { return steps_; }
    // In the caller's order; biases of inputs are left alone.
    void parameters(T* weight, T* bias) const { to_caller(parameter_, weight, bias); }
    // What the optimizer remembers of each parameter, likewise; and to go on from there, having taken so many steps.
    int n_moments() const { return (first_ ? 1 : 0) + (second_ ? 1 : 0); }
    void moment(int which, T* weight, T* bias) const { to_caller(which == 0 ? first_ : second_, weight, bias); }
    void set_moment(int which, const T* weight, const T* bias);
    void set_steps(Size steps) { steps_ = steps; }
    const Structure& structure() const { return sweep_.s; }

private:
    Size parameter_of(Size slot) const { return slot_parameter_.empty() ? slot : slot_parameter_[slot]; }
    template <class Each>
    void each_place(const Each& each) const;
    void to_caller(const Buffer<T>& from, T* weight, T* bias) const;
    void spread();
    bool sum_gradient();
    void take_step(double batch_weight, double rate_factor);

    Sweep<T> sweep_;
    OptimizerSettings settings_;
    Loss loss_;
    T loss_parameter_;
    Size batch_size_, n_weights_;
    bool plain_ = true;
    Size steps_ = 0;
    bool diverged_ = false;
    Buffer<T> parameter_, gradient_, first_, second_;
    Buffer<T> in_weight_, out_weight_, block_weight_, block_passed_, factor_;  // laid out from parameter_, where not it
    std::vector<Index> in_parameter_;  // (n_arcs) the parameter of each arc by head
    std::vector<Index> slot_parameter_;  // (n_arcs + n_block_arcs), only where weights are tied
    Parameters<T> view_;
};

}  // namespace edgewise
