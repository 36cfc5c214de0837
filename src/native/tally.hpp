// How well outputs match what was wanted, summed over samples; edgewise/metrics.py says of what.
//
// Each step is summed by itself and then added to the steps before, so that the sums are the same bits however many
// steps come at a time.
#pragma once

#include <cstdint>

#include "network_view.hpp"

namespace edgewise {

// Some whole steps, but for the last of an epoch: n samples, of which the k-th is row order[k] of y and weight.
template <class T>
struct Tallied {
    const T* loss;           // (n,) times its weight
    const T* output;         // (n, n_outputs)
    const std::int64_t* order;
    const double* weight;    // by row, or null
    Size n, n_outputs, step_size;
};

template <class T>
double sum(const T* of, Size n) {
    double part[4] = {};  // four sums at a time take a fourth of the time
    for (; n >= 4; of += 4, n -= 4)
        for (int l = 0; l < 4; ++l) part[l] += static_cast<double>(of[l]);
    for (Size k = 0; k < n; ++k) part[k] += static_cast<double>(of[k]);
    return (part[0] + part[1]) + (part[2] + part[3]);
}

// Adds to `sums` each step's loss and weight, and what `of_step(first, last, step)` adds for it.
template <int N, class T, class OfStep>
void tally(const Tallied<T>& t, double* sums, OfStep of_step) {
    for (Size first = 0; first < t.n; first += t.step_size) {
        const Size last = t.n - first > t.step_size ? first + t.step_size : t.n;
        double step[N] = {sum(t.loss + first, last - first), static_cast<double>(last - first)};
        if (t.weight) {
            step[1] = 0;
            for (Size k = first; k < last; ++k) step[1] += t.weight[t.order[k]];
        }
        of_step(first, last, step);
        for (int k = 0; k < N; ++k) sums[k] += step[k];
    }
}

// sums: loss, weight, answers, right answers. One answer a sample, the class of the largest output.
template <class T>
void tally_classes(const Tallied<T>& t, const std::int64_t* label, double* sums) {
    tally<4>(t, sums, [&](Size first, Size last, double* step) {
        Size right = 0;
        for (Size k = first; k < last; ++k) {
            const T* output = t.output + k * t.n_outputs;
            Size best = 0;
            for (Size o = 1; o < t.n_outputs; ++o)
                if (output[o] > output[best]) best = o;
            right += best == label[t.order[k]];
        }
        step[2] = static_cast<double>(last - first);
        step[3] = static_cast<double>(right);
    });
}

// The same, one answer an output: positive, or not, where y is above the threshold, or is not.
template <class T, class Y>
void tally_signs(const Tallied<T>& t, const Y* y, double threshold, double* sums) {
    tally<4>(t, sums, [&](Size first, Size last, double* step) {
        Size right = 0;
        for (Size k = first; k < last; ++k)
            for (Size o = 0; o < t.n_outputs; ++o)
                right += (t.output[k * t.n_outputs + o] > 0) ==
                         (static_cast<double>(y[t.order[k] * t.n_outputs + o]) > threshold);
        step[2] = static_cast<double>(last - first) * static_cast<double>(t.n_outputs);
        step[3] = static_cast<double>(right);
    });
}

// sums: loss, weight, answers, squared errors, squared distances from `origin`; shift (n_outputs,): those distances.
template <class T, class Y>
void tally_numbers(const Tallied<T>& t, const Y* y, const double* origin, double* sums, double* shift) {
    tally<5>(t, sums, [&](Size first, Size last, double* step) {
        for (Size o = 0; o < t.n_outputs; ++o) {
            double errors = 0, squares = 0, distances = 0;
            for (Size k = first; k < last; ++k) {
                const double wanted = static_cast<double>(y[t.order[k] * t.n_outputs + o]);
                const double error = static_cast<double>(t.output[k * t.n_outputs + o]) - wanted;
                const double distance = wanted - origin[o];
                errors += error * error;
                squares += distance * distance;
                distances += distance;
            }
            step[3] += errors;
            step[4] += squares;
            shift[o] += distances;
        }
        step[2] = static_cast<double>(last - first) * static_cast<double>(t.n_outputs);
    });
}

}  // namespace edgewise
