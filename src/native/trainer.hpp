// Training: forward, loss, backward and the optimizer's step, minibatch after minibatch, without a way back to Python.
//
// Parameters, gradient and moments are in the order in which the backward pass finds gradients: arcs by tail, blocks,
// then biases by row. Weights that are tied, and biases, are in the order of their ties.
#pragma once

#include "look.hpp"

namespace edgewise {

struct StepSettings {
    Optimizer kind;
    bool nesterov;
    double learning_rate, momentum, weight_decay, beta1, beta2, epsilon;
    double clip_norm;  // infinite for none
    double l1;         // pull of the weights, not the biases, to 0
    double average;    // decay of the parameters' moving average; 0 for none
    Size accumulate;   // minibatches whose gradients make one step
    double dropout;    // probability that a hidden node is left out of a sample's passes
    std::uint32_t seed;  // decides which
};

// Looks at some of the steps that are taken, and where they go.
template <class T>
struct Looks {
    Look<T>* look = nullptr;
    double* rows = nullptr;  // (room, Look::row_size)
    Size row_size = 0, room = 0;
    Size taken = 0;

    bool due(Size step) const { return look && look->watched().due(step); }
    double* next() const { return rows + taken * row_size; }
};

template <class T>
class Trainer {
public:
    Trainer(const Structure& s, const T* weight, const T* bias, const T* response, Size batch_size, Loss loss,
            T loss_parameter, const StepSettings& settings, int threads);

    // Steps from place `first` of the order on, until the order's end, n_steps or about `seconds` have passed, or there
    // is no room for a look that is due. Returns the place reached. If a loss or gradient is not finite, the step is not
    // taken: diverged() says so and the place is that of its minibatch.
    Size run(const TrainingData<T>& data, Size first, Size n_steps, double seconds, Looks<T>& looks);

    Loss loss() const { return loss_; }
    // Samples that make a step.
    Size step_size() const { return batch_size_ * settings_.accumulate; }
    bool diverged() const { return diverged_; }
    Size steps() const { return steps_; }
    // What there is of each parameter: itself, the optimizer's moments, its moving average if one is kept. In the
    // caller's order; biases of inputs are left alone.
    int n_arrays() const;
    void array(int which, T* weight, T* bias) const;
    // To go on from there, having taken so many steps.
    void set_array(int which, const T* weight, const T* bias);
    void set_steps(Size steps) { steps_ = steps; }
    const Structure& structure() const { return sweep_.s; }

private:
    Size parameter_of(Size slot) const { return slot_parameter_.empty() ? slot : slot_parameter_[slot]; }
    Size bias_of(Index row) const {
        return n_weights_ + (sweep_.s.bias_tie ? sweep_.s.bias_tie[sweep_.s.node[row]] : row);
    }
    template <class Each>
    void each_place(const Each& each) const;
    const Buffer<T>& array(int which) const;
    void spread();
    bool sum_gradient(Sweep<T>& sweep, bool add);
    double squared_gradient(double weight) const;
    std::uint32_t key(Size part) const;
    void look_before(const TrainingData<T>& data, Size place, const Looks<T>& looks);
    void take_step(double batch_weight, double rate_factor);

    Sweep<T> sweep_;
    StepSettings settings_;
    Loss loss_;
    T loss_parameter_;
    Size batch_size_, n_weights_;
    bool plain_ = true;
    Size steps_ = 0;
    bool diverged_ = false;
    double square_of_few_ = 0, few_ = 0;  // of a look, until the whole step's are known
    Buffer<T> parameter_, gradient_, first_, second_, average_;
    Buffer<T> part_;  // (n_nodes) one minibatch's gradients of the biases, where several make a step or biases are tied
    Buffer<T> row_bias_;  // (n_nodes) only where biases are tied
    Buffer<T> in_weight_, out_weight_, block_weight_, block_passed_, factor_;  // laid out from parameter_, where not it
    std::vector<Index> in_parameter_;  // (n_arcs) the parameter of each arc by head
    std::vector<Index> slot_parameter_;  // (n_arcs + n_block_arcs), only where weights are tied
    std::vector<std::uint8_t> hidden_;  // (n_nodes) only where nodes are dropped
    Parameters<T> view_{};
};

}  // namespace edgewise
