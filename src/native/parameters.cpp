#include "parameters.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "threads.hpp"

namespace edgewise {

namespace {

template <class T>
void copy(const T* from, Size n, T* to, int n_threads) {
    share_out_pieces(n_threads, n, PIECE, [&](Size begin, Size end, int) { std::copy(from + begin, from + end, to + begin); });
}

template <class T>
bool same_bits(const T* a, const T* b, Size n, int n_threads) {
    std::atomic<bool> same{true};
    share_out_pieces(n_threads, n, 4 * PIECE, [&](Size begin, Size end, int) {
        if (same && std::memcmp(a + begin, b + begin, static_cast<std::size_t>(end - begin) * sizeof(T)) != 0)
            same = false;
    });
    return same;
}

}  // namespace

template <class T>
bool lay_out_rows(const Structure& s, const T* bias, const T* response, T* row_bias, T* factor) {
    const PlanView& plan = s.plan;
    bool plain = true;
    for (Index row = 0; row < plan.n_nodes; ++row) {
        row_bias[row] = bias[s.node[row]];
        const bool mean = plan.aggregation[row] == static_cast<std::uint8_t>(Aggregation::mean) && plan.count[row] > 0;
        factor[row] = mean ? response[s.node[row]] / static_cast<T>(plan.count[row]) : response[s.node[row]];
        plain &= factor[row] == T(1) || plan.is_input[row];
    }
    return plain;
}

template <class T>
OwnParameters<T>::OwnParameters(const Structure& s, const T* weight, const T* given_bias, const T* response,
                                int n_threads)
    : bias(s.plan.n_nodes), factor(s.plan.n_nodes), given_weight_(s.n_edges), given_bias_(s.plan.n_nodes),
      given_response_(s.plan.n_nodes) {
    copy(weight, s.n_edges, given_weight_.data(), n_threads);
    copy(given_bias, s.plan.n_nodes, given_bias_.data(), 1);
    copy(response, s.plan.n_nodes, given_response_.data(), 1);
    plain = lay_out_rows(s, given_bias, response, bias.data(), factor.data());
    lay_out_weights(s, n_threads);
}

template <class T>
void OwnParameters<T>::lay_out_weights(const Structure& s, int n_threads) {
    const PlanView& plan = s.plan;
    const T* weight = given_weight_.data();
    if (s.first_in_edge < 0) in_weight_ = Buffer<T>(plan.n_arcs);
    out_weight_ = Buffer<T>(plan.n_arcs);
    if (s.first_block_edge < 0) block_weight_ = Buffer<T>(plan.n_block_arcs);
    if (!plain) block_passed_ = Buffer<T>(plan.n_block_arcs);
    view_.bias = bias.data();
    view_.factor = factor.data();
    view_.in_weight = in_weight_ ? in_weight_.data() : weight + std::max<Index>(0, s.first_in_edge);
    view_.out_weight = out_weight_.data();
    view_.block_weight = block_weight_ ? block_weight_.data() : weight + std::max<Index>(0, s.first_block_edge);
    view_.block_passed = plain ? view_.block_weight : block_passed_.data();
    share_out_pieces(n_threads, plan.n_arcs, PIECE, [&](Size begin, Size end, int) {
        for (Size a = begin; in_weight_ && a < end; ++a) in_weight_[a] = weight[s.in_edge[a]];
        for (Size a = begin; a < end; ++a) out_weight_[a] = weight[s.out_edge[a]];
        for (Size a = begin; !plain && a < end; ++a)
            if (plan.out_row[a] < plan.n_nodes) out_weight_[a] *= factor[plan.out_row[a]];
    });
    if (!block_weight_ && plain) return;
    for (Index b = 0; b < plan.n_blocks; ++b) {
        const Block& block = plan.blocks[b];
        share_out_pieces(n_threads, static_cast<Size>(block.n_heads) * block.n_tails, PIECE, [&](Size begin, Size end, int) {
            for (Size k = begin; block_weight_ && k < end; ++k)
                block_weight_[block.slot + k] = weight[s.block_edge[block.slot + k]];
            for (Size k = begin; !plain && k < end; ++k)
                block_passed_[block.slot + k] =
                    view_.block_weight[block.slot + k] * factor[block.head + k / block.n_tails];
        });
    }
}

template <class T>
bool OwnParameters<T>::are(const Structure& s, const T* weight, const T* its_bias, const T* response,
                           int n_threads) const {
    const Size n = s.plan.n_nodes;
    return same_bits(given_bias_.data(), its_bias, n, 1) && same_bits(given_response_.data(), response, n, 1) &&
           same_bits(given_weight_.data(), weight, s.n_edges, n_threads);
}

template <class T>
Parameters<T> Squares<T>::of(const Parameters<T>& p, int n_threads) {
    const auto square = [&](const T* from, Buffer<T>& to) {
        share_out_pieces(n_threads, static_cast<Size>(to.size()), PIECE, [&](Size begin, Size end, int) {
            for (Size k = begin; k < end; ++k) to[k] = from[k] * from[k];
        });
    };
    square(p.out_weight, out_weight_);
    square(p.block_passed, block_passed_);
    Parameters<T> squared = p;
    squared.out_weight = out_weight_.data();
    squared.block_passed = block_passed_.data();
    squared.squared = true;
    return squared;
}

template <class T>
std::shared_ptr<const OwnParameters<T>> LastParameters<T>::of(const Structure& s, const T* weight, const T* bias,
                                                              const T* response, int n_threads) {
    std::shared_ptr<const OwnParameters<T>> found;
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        found = last_;
    }
    if (found && found->are(s, weight, bias, response, n_threads)) return found;
    found.reset();
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        last_.reset();  // if no pass needs them any more, their memory serves again
    }
    found = std::make_shared<const OwnParameters<T>>(s, weight, bias, response, n_threads);
    const std::lock_guard<std::mutex> lock(mutex_);
    last_ = found;
    return found;
}

template bool lay_out_rows(const Structure&, const float*, const float*, float*, float*);
template bool lay_out_rows(const Structure&, const double*, const double*, double*, double*);
template class OwnParameters<float>;
template class OwnParameters<double>;
template class Squares<float>;
template class Squares<double>;
template class LastParameters<float>;
template class LastParameters<double>;

}  // namespace edgewise
