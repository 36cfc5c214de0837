// What training goes through, as plain arrays.
#pragma once

#include "network_view.hpp"

namespace edgewise {

template <class T>
struct TrainingData {
    const T* x;                // (samples, n_inputs)
    const T* y;                // (samples, n_outputs), or null where there are labels
    const Size* label;        // (samples)
    const T* sample_weight;    // (samples) or null
    const Size* order;         // (n) samples, each minibatch a piece of it, each step some minibatches
    Size n;
    const double* rate_factor;  // (steps of the order) of the learning rate, or null
    T* output;                 // (n, n_outputs) in that order, before the step that each sample is part of
    T* loss;                   // (n)

    // What `count` samples of the order weigh together, from `place` on.
    double weight(Size place, Size count) const {
        if (!sample_weight) return static_cast<double>(count);
        double sum = 0;
        for (Size k = place; k < place + count; ++k) sum += sample_weight[order[k]];
        return sum;
    }

    // As how many samples of like weight they count.
    double effective(Size place, Size count) const {
        if (!sample_weight) return static_cast<double>(count);
        double sum = 0, squares = 0;
        for (Size k = place; k < place + count; ++k) {
            const double one = sample_weight[order[k]];
            sum += one;
            squares += one * one;
        }
        return squares > 0 ? sum * sum / squares : 0;
    }
};

}  // namespace edgewise
