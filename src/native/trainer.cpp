#include "trainer.hpp"

#include <atomic>
#include <chrono>
#include <cmath>

namespace edgewise {

template <class T>
Trainer<T>::Trainer(const Structure& s, const T* weight, const T* bias, const T* response, Size batch_size, Loss loss,
                    T loss_parameter, const StepSettings& settings, int threads)
    : sweep_(s, kernels<T>(), batch_size, threads), settings_(settings), loss_(loss),
      loss_parameter_(loss_parameter), batch_size_(batch_size) {
    const PlanView& plan = s.plan;
    const Size slots = sweep_.n_slots();
    sweep_.expect_gradients();
    sweep_.expect_biases();
    sweep_.expect_loss();

    n_weights_ = s.tie ? s.n_parameters : slots;
    const Size n = n_weights_ + (s.bias_tie ? s.n_biases : plan.n_nodes);
    parameter_ = Buffer<T>(n);
    gradient_ = Buffer<T>(n);
    if (settings.kind != Optimizer::sgd || settings.momentum != 0) first_ = Buffer<T>(n);
    if (settings.kind != Optimizer::sgd) second_ = Buffer<T>(n);
    for (Buffer<T>* moment : {&first_, &second_}) std::fill_n(moment->data(), moment->size(), T(0));
    if (settings.accumulate > 1 || s.bias_tie) part_ = Buffer<T>(plan.n_nodes);

    if (s.tie) slot_parameter_.resize(slots);
    for (Size slot = 0; slot < slots; ++slot) {
        if (s.tie) slot_parameter_[slot] = s.tie[s.edge_of(slot)];
        parameter_[parameter_of(slot)] = weight[s.edge_of(slot)];
    }
    in_parameter_.resize(plan.n_arcs);
    const Index* parameter_of_edge = s.tie ? s.tie : s.out_place;
    for (Index a = 0; a < plan.n_arcs; ++a) in_parameter_[a] = parameter_of_edge[s.in_edge[a]];
    factor_ = Buffer<T>(plan.n_nodes);
    if (s.bias_tie) row_bias_ = Buffer<T>(plan.n_nodes);
    T* row_bias = s.bias_tie ? row_bias_.data() : parameter_.data() + n_weights_;
    plain_ = lay_out_rows(s, bias, response, row_bias, factor_.data());
    for (Index row = 0; row < plan.n_nodes; ++row) parameter_[bias_of(row)] = row_bias[row];
    const bool apart = s.tie || !plain_;
    in_weight_ = Buffer<T>(plan.n_arcs);
    if (apart) out_weight_ = Buffer<T>(plan.n_arcs);
    if (s.tie) block_weight_ = Buffer<T>(plan.n_block_arcs);
    if (!plain_) block_passed_ = Buffer<T>(plan.n_block_arcs);
    view_.bias = row_bias;
    view_.factor = factor_.data();
    view_.in_weight = in_weight_.data();
    view_.out_weight = apart ? out_weight_.data() : parameter_.data();
    view_.block_weight = s.tie ? block_weight_.data() : parameter_.data() + plan.n_arcs;
    view_.block_passed = plain_ ? view_.block_weight : block_passed_.data();
    if (settings.dropout > 0) {
        hidden_.resize(plan.n_nodes);
        for (Index row = 0; row < plan.n_nodes; ++row) hidden_[row] = !plan.is_input[row];
        for (Index k = 0; k < s.n_outputs; ++k) hidden_[s.output_row[k]] = 0;
        view_.dropout.row = hidden_.data();
        view_.dropout.threshold = static_cast<std::uint32_t>(settings.dropout * 4294967296.0);
        view_.dropout.scale = static_cast<T>(1 / (1 - settings.dropout));
    }
    if (settings.average > 0) {
        average_ = Buffer<T>(n);
        std::copy_n(parameter_.data(), n, average_.data());
    }
    spread();
}

// From the parameters to where the passes read them.
template <class T>
void Trainer<T>::spread() {
    const PlanView& plan = sweep_.s.plan;
    const int n_threads = sweep_.n_threads;
    share_out_pieces(n_threads, plan.n_arcs, PIECE, [&](Size begin, Size end, int) {
        for (Size a = begin; a < end; ++a) in_weight_[a] = parameter_[in_parameter_[a]];
        for (Size a = begin; out_weight_ && a < end; ++a) {
            const T weight = parameter_[parameter_of(a)];
            out_weight_[a] = plan.out_row[a] < plan.n_nodes ? weight * factor_[plan.out_row[a]] : weight;
        }
    });
    for (Index row = 0; row_bias_ && row < plan.n_nodes; ++row) row_bias_[row] = parameter_[bias_of(row)];
    if (!block_weight_ && !block_passed_) return;
    for (Index b = 0; b < plan.n_blocks; ++b) {
        const Block& block = plan.blocks[b];
        share_out_pieces(n_threads, static_cast<Size>(block.n_heads) * block.n_tails, PIECE, [&](Size begin, Size end, int) {
            for (Size k = begin; k < end; ++k) {
                const Size slot = plan.n_arcs + block.slot + k;
                const T weight = parameter_[parameter_of(slot)];
                if (block_weight_) block_weight_[block.slot + k] = weight;
                if (block_passed_) block_passed_[block.slot + k] = weight * factor_[block.head + k / block.n_tails];
            }
        });
    }
}

// The groups' gradients together, one for each parameter, added to those of the step's minibatches before if there are
// any; whether all are finite.
template <class T>
bool Trainer<T>::sum_gradient(Sweep<T>& sweep, bool add) {
    const Structure& s = sweep.s;
    const PlanView& plan = s.plan;
    const int n_threads = sweep.n_threads;
    const Size slots = sweep.n_slots();
    T* from = sweep.gradient.data();
    const bool in_place = s.tie || add;  // tied: summed in place, then over the ties
    T* to = in_place ? from : gradient_.data();
    std::atomic<bool> finite{true};
    share_out_pieces(n_threads, slots, PIECE, [&](Size begin, Size end, int) {
        const T nothing =
            sweep.kernels.sum_groups(from + begin, slots, sweep.used_groups(), end - begin, T(1), to + begin);
        if (!(nothing == T(0))) finite = false;
        for (Size a = begin; !plain_ && a < std::min<Size>(end, plan.n_arcs); ++a)
            if (plan.out_row[a] < plan.n_nodes) to[a] *= factor_[plan.out_row[a]];
    });
    for (Index b = 0; !plain_ && b < plan.n_blocks; ++b) {
        const Block& block = plan.blocks[b];
        for (Size k = 0; k < static_cast<Size>(block.n_heads) * block.n_tails; ++k)
            to[plan.n_arcs + block.slot + k] *= factor_[block.head + k / block.n_tails];
    }
    if (s.tie && !add) std::fill_n(gradient_.data(), n_weights_, T(0));
    for (Size slot = 0; in_place && slot < slots; ++slot) gradient_[parameter_of(slot)] += to[slot];
    const bool apart = s.bias_tie || add;
    T* part = apart ? part_.data() : gradient_.data() + n_weights_;
    sweep.collect_biases(T(1), part);
    if (s.bias_tie && !add) std::fill_n(gradient_.data() + n_weights_, s.n_biases, T(0));
    for (Index row = 0; row < plan.n_nodes; ++row) {
        if (!(part[row] * T(0) == T(0))) finite = false;
        if (apart) gradient_[bias_of(row)] += part[row];
    }
    return finite;
}

// Of the mean over samples that weigh so much.
template <class T>
double Trainer<T>::squared_gradient(double weight) const {
    const Size n = static_cast<Size>(gradient_.size());
    double squares = 0;
    for (Size k = 0; k < n; k += PIECE)  // piece by piece, the same for any number of threads
        squares += sweep_.kernels.sum_of_squares(gradient_.data() + k, std::min(PIECE, n - k));
    return squares / (weight * weight);
}

// What decides which nodes are dropped in a minibatch of the step to come.
template <class T>
std::uint32_t Trainer<T>::key(Size part) const {
    return mixed(settings_.seed ^ mixed(static_cast<std::uint32_t>(steps_ * settings_.accumulate + part)));
}

template <class T>
void Trainer<T>::take_step(double batch_weight, double rate_factor) {
    const Size n = static_cast<Size>(gradient_.size());
    double clip = 1;
    if (settings_.clip_norm != std::numeric_limits<double>::infinity()) {
        const double norm = std::sqrt(squared_gradient(batch_weight));
        if (norm > settings_.clip_norm) clip = settings_.clip_norm / norm;
    }
    ++steps_;
    const double taken = static_cast<double>(steps_);
    OptimizerStep<T> step;
    step.kind = settings_.kind;
    step.nesterov = settings_.nesterov;
    const double learning_rate = settings_.learning_rate * rate_factor;
    step.learning_rate = static_cast<T>(learning_rate);
    step.momentum = static_cast<T>(settings_.momentum);
    step.weight_decay = static_cast<T>(settings_.weight_decay);
    step.beta1 = static_cast<T>(settings_.beta1);
    step.one_minus_beta1 = static_cast<T>(1 - settings_.beta1);
    step.beta2 = static_cast<T>(settings_.beta2);
    step.one_minus_beta2 = static_cast<T>(1 - settings_.beta2);
    if (second_) {  // both moments' bias is corrected in two numbers, so that a parameter costs one division
        const double scale = std::sqrt(1 - std::pow(settings_.beta2, taken));
        step.epsilon = static_cast<T>(settings_.epsilon * scale);
        step.rate = static_cast<T>(learning_rate * scale / (1 - std::pow(settings_.beta1, taken)));
    }
    step.share = static_cast<T>(clip / batch_weight);
    const T pull = static_cast<T>(settings_.l1 * batch_weight / clip);  // what `share` makes l1 of
    // the average of few steps forgets sooner, so that it is not one of the first weights
    const T kept = static_cast<T>(std::min(settings_.average, (1 + taken) / (10 + taken)));
    share_out_pieces(sweep_.n_threads, n, PIECE, [&](Size begin, Size end, int) {
        for (Size k = begin; pull > 0 && k < std::min(end, n_weights_); ++k)
            gradient_[k] += parameter_[k] > 0 ? pull : parameter_[k] < 0 ? -pull : T(0);
        sweep_.kernels.optimizer_step(step, parameter_.data() + begin, gradient_.data() + begin,
                                      first_ ? first_.data() + begin : nullptr,
                                      second_ ? second_.data() + begin : nullptr, end - begin);
        for (Size k = begin; average_ && k < end; ++k) average_[k] = kept * average_[k] + (1 - kept) * parameter_[k];
    });
    spread();
}

// All of a look but what the step changes. Nodes are not dropped for it.
template <class T>
void Trainer<T>::look_before(const TrainingData<T>& data, Size place, const Looks<T>& looks) {
    Look<T>& look = *looks.look;
    Parameters<T> whole = view_;
    whole.dropout.row = nullptr;
    const Size count = look.watched().wanted(std::min(step_size(), data.n - place));
    // as many as are in the step's first minibatch, so that the same nodes are dropped, and fewer than in the step
    const Size few = std::min({count, batch_size_, std::min(step_size(), data.n - place) / 2});
    const bool hears = look.watched().hears(steps_) && few > 0, together = hears && few == count && !view_.dropout.row;
    look.passes(whole, data, place, count, loss_, loss_parameter_, steps_, together, looks.next());
    few_ = 0;
    if (hears) {
        if (!together) look.gradient(view_, data, place, few, loss_, loss_parameter_);
        sum_gradient(look.sweep, false);
        few_ = data.effective(place, few);
        square_of_few_ = squared_gradient(data.weight(place, few));
    }
    look.before(parameter_.data(), n_weights_);
}

template <class T>
Size Trainer<T>::run(const TrainingData<T>& data, Size first, Size n_steps, double seconds, Looks<T>& looks) {
    const Structure& s = sweep_.s;
    const auto began = std::chrono::steady_clock::now();
    const auto passed = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count(); };
    const Size lanes = sweep_.shape.lanes;
    if (looks.look) looks.look->use_threads(sweep_.shape.by_level ? sweep_.n_threads : 1);
    diverged_ = false;
    Size place = first;
    // the clock is looked at when the steps have doubled, so at the latest after twice the time
    const auto late = [&](Size step) { return step > 0 && (step & (step - 1)) == 0 && passed() >= seconds; };
    for (Size step = 0; place < data.n && step < n_steps && !late(step); ++step) {
        const Size number = place / step_size(), start = place;
        const bool looking = looks.due(steps_);
        if (looking && looks.taken == looks.room) break;
        double step_weight = 0;
        for (Size part = 0; part < settings_.accumulate && place < data.n; ++part) {
            const Size count = std::min(batch_size_, data.n - place);
            const Size* sample = data.order + place;
            const double weight = data.weight(place, count);
            const bool teaches = weight > 0;  // samples of weight 0 alone teach nothing
            view_.dropout.key = key(part);
            const Backward all{true, true, true, true};
            sweep_.hold(count);
            const auto read = [&](Size tile, int) { sweep_.read(tile, data, sample); };
            const auto answer = [&](Size tile, int) {
                sweep_.loss_of_tile(tile, loss_, loss_parameter_, sample, data.label, data.sample_weight);
                const Size at = place + tile * lanes;
                std::copy_n(sweep_.loss.data() + tile * lanes, sweep_.valid(tile), data.loss + at);
                sweep_.write_outputs(tile, data.output + place * s.n_outputs);
            };
            if (looking && part == 0)  // while the gradient has not been summed, it is the look's to use
                sweep_.run(view_, true, true, teaches ? &all : nullptr, s.can_overwrite, read, answer,
                           [&] { look_before(data, start, looks); });
            else
                sweep_.run(view_, true, true, teaches ? &all : nullptr, s.can_overwrite, read, answer);
            if (teaches) {
                T nothing = 0;
                for (Size k = 0; k < count; ++k) nothing += data.loss[place + k] * T(0);
                if (!sum_gradient(sweep_, step_weight > 0) || !(nothing == T(0))) {
                    diverged_ = true;
                    return place;
                }
            }
            step_weight += weight;
            place += count;
        }
        if (looking && few_ > 0 && step_weight > 0)
            looks.look->hear(square_of_few_, few_, squared_gradient(step_weight), data.effective(start, place - start));
        if (step_weight > 0) take_step(step_weight, data.rate_factor ? data.rate_factor[number] : 1.0);
        if (looking && step_weight > 0) {
            double sum = 0;
            for (Size k = start; k < place; ++k) sum += data.loss[k];
            looks.next()[static_cast<int>(Column::loss)] = sum / step_weight;
            looks.look->after(parameter_.data(), slot_parameter_.empty() ? nullptr : slot_parameter_.data(), looks.next());
            ++looks.taken;
        }
    }
    return place;
}

// each(parameter, the caller's number, whether it is that of an edge rather than of a node): every edge, every neuron.
template <class T>
template <class Each>
void Trainer<T>::each_place(const Each& each) const {
    const Structure& s = sweep_.s;
    for (Size slot = 0; slot < sweep_.n_slots(); ++slot) each(parameter_of(slot), s.edge_of(slot), true);
    for (Index row = 0; row < s.plan.n_nodes; ++row)
        if (!s.plan.is_input[row]) each(bias_of(row), s.node[row], false);
}

template <class T>
int Trainer<T>::n_arrays() const {
    return 1 + (first_ ? 1 : 0) + (second_ ? 1 : 0) + (average_ ? 1 : 0);
}

template <class T>
const Buffer<T>& Trainer<T>::array(int which) const {
    for (const Buffer<T>* one : {&parameter_, &first_, &second_, &average_})
        if (*one && which-- == 0) return *one;
    throw std::out_of_range("the trainer has no such array");
}

template <class T>
void Trainer<T>::array(int which, T* weight, T* bias) const {
    const Buffer<T>& from = array(which);
    each_place([&](Size parameter, Index at, bool edge) { (edge ? weight : bias)[at] = from[parameter]; });
}

template <class T>
void Trainer<T>::set_array(int which, const T* weight, const T* bias) {
    Buffer<T>& to = const_cast<Buffer<T>&>(array(which));
    each_place([&](Size parameter, Index at, bool edge) { to[parameter] = (edge ? weight : bias)[at]; });
    if (&to == &parameter_) spread();
}

template class Trainer<float>;
template class Trainer<double>;

}  // namespace edgewise
