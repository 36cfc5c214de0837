// Parameters as the passes read them: by row, by head, by tail and by block, from the caller's order.
#pragma once

#include <algorithm>
#include <memory>
#include <mutex>

#include "memory.hpp"
#include "structure.hpp"

namespace edgewise {

constexpr Size PIECE = 8192;  // weights, gradients or parameters that are worth sharing out

// Bias and factor by row; whether every factor is 1.
template <class T>
bool lay_out_rows(const Structure& s, const T* bias, const T* response, T* row_bias, T* factor);

template <class T>
class OwnParameters {
public:
    OwnParameters(const Structure& s, const T* weight, const T* bias, const T* response, int n_threads);

    // Whether they were made of these, to the bit.
    bool are(const Structure& s, const T* weight, const T* bias, const T* response, int n_threads) const;
    const Parameters<T>& view() const { return view_; }

    Buffer<T> bias, factor;
    bool plain;  // every factor is 1

private:
    void lay_out_weights(const Structure& s, int n_threads);

    Parameters<T> view_{};
    Buffer<T> given_weight_, given_bias_, given_response_;               // in the caller's order
    Buffer<T> in_weight_, out_weight_, block_weight_, block_passed_;  // empty where what was given serves
};

// Of the recursion on squares: the arrays that backward reads by tail, squared.
template <class T>
class Squares {
public:
    explicit Squares(const Structure& s) : out_weight_(s.plan.n_arcs), block_passed_(s.plan.n_block_arcs) {}

    // p with these squares in it, until the next call.
    Parameters<T> of(const Parameters<T>& p, int n_threads);

private:
    Buffer<T> out_weight_, block_passed_;
};

// (n) squares of the gates Φ′(s), where these are in `gate` or follow from the values y; for the recursion with all gates
// open, 1. No gate of inputs and of the identity is read.
template <class T>
void square_gates(Activation activation, bool open, const T* value, const T* gate, Size n, T* squared) {
    if (open)
        std::fill_n(squared, n, T(1));
    else if (activation == Activation::relu)
        for (Size l = 0; l < n; ++l) squared[l] = T(value[l] > T(0));
    else
        for (Size l = 0; l < n; ++l) squared[l] = gate[l] * gate[l];
}

// A structure's parameters as last used, kept so that passes with the same numbers share them.
template <class T>
class LastParameters {
public:
    std::shared_ptr<const OwnParameters<T>> of(const Structure& s, const T* weight, const T* bias, const T* response,
                                               int n_threads);

private:
    std::mutex mutex_;
    std::shared_ptr<const OwnParameters<T>> last_;
};

}  // namespace edgewise
