// One look at a step of training: both passes over some of its samples, the same recursion on squares with gates as they
// are and with gates open, how the gradient differs between samples, and what the step changes. What comes of it is
// numbers by level and by node, however many samples there are; see edgewise/diagnosis/look.py, which takes looks where
// the core does not train.
#pragma once

#include "sweep.hpp"

namespace edgewise {

// What is known of the nodes, and what is remembered of them from look to look. The arrays are the caller's.
struct Watched {
    Index n_levels;
    const Index* level;                               // (n_nodes) arcs to the outputs at most, -1 where no path leads there
    const double* closed_below;                       // (n_nodes) what |Φ′(s)| is less than in a closed gate, beside 0
    const std::uint8_t *hidden, *squashing, *smooth;  // (n_nodes) whose gate, if smooth, is never 0 but by rounding
    double* closed;                                   // (n_nodes) share of samples lately; NaN before the first look
    std::int64_t *last_open, *step_of;                // (n_nodes) samples seen by then, and the step
    std::uint8_t* opened;                             // (n_nodes) whether it has ever been open
    double* seen;     // (3) samples; and lately tr Σ and |G|², of the gradient G and its covariance Σ over samples
    Size every;       // steps from one look to the next, counted from the first of all
    Size samples;     // to look at; 0 is a quarter of the step's, at least `few`
    Size few, often;  // with looks less than `often` steps apart it is half of that, and G is asked for at each of these
    double lately;    // samples over which closed, tr Σ and |G|² are averaged
    double dead_after, saturated_from;  // samples in a row without a gate; share of samples with a closed one

    Size wanted(Size step_size) const;
    bool due(Size step) const { return step % every == 0; }
    // Whether there is then more to hear of the gradient.
    bool hears(Size step) const { return step / every % (every < often ? often : 2) == 0; }
};

// The columns of a look; then n_levels each of the root mean squares of Q_w, Q_wg and S; then n_levels - 1 each of the sums
// of squares of what the step changes in the weights from a level, and of these weights, from level 1 on.
enum class Column { step, place, samples, loss, open, dead, saturated, noise, signal, count };

template <class T>
class Look {
public:
    // beside: whether it looks while others take the step of `step_size` samples, unless that is shared out level by level.
    Look(const Structure& s, const Watched& watched, Size step_size, bool beside, int threads);

    static std::size_t row_size(Index n_levels) { return static_cast<std::size_t>(Column::count) + 5 * n_levels - 2; }

    // On how many threads it works while a step is taken; at most as many as it was made for.
    void use_threads(int n);
    // Before the step: `count` samples from `place` of the order on; as below leaves the sums of their gradients as well, if
    // that is wanted.
    void passes(const Parameters<T>& p, const TrainingData<T>& data, Size place, Size count, Loss loss, T parameter,
                Size step, bool gradient, double* row);
    // The same in two halves around a loss of the caller's: from x (count, n_inputs) to output (count, n_outputs), and from
    // ∂J/∂o of these on. The columns of place, samples and loss are the caller's to fill.
    void forward(const Parameters<T>& p, const T* x, Size count, T* output);
    void backward(const Parameters<T>& p, const T* seed, Size step, double* row);
    // Leaves the sums of some samples' gradients in `sweep`. Then the square of their mean and that of the whole step's,
    // and of how many samples each is.
    void gradient(const Parameters<T>& p, const TrainingData<T>& data, Size place, Size count, Loss loss, T parameter);
    void hear(double square_of_few, double few, double square_of_many, double many);
    // The parameters that the step is about to change, (n), and what has become of them; slot_parameter may be null.
    void before(const T* parameter, Size n);
    void after(const T* parameter, const Index* slot_parameter, double* row);
    // Both, of weights in the caller's order.
    void changed(const T* before, const T* after, double* row);

    const Watched& watched() const { return watched_; }
    Sweep<T> sweep;

private:
    struct Piece {
        Size begin, end;
        Index level;
    };

    void expect_sums();
    void keep_gates(Size tile);
    void seen(const Parameters<T>& p, Size step, double* row);
    void start_squares(Size tile, Size units);
    void levels(const Sweep<T>& of, const T* rows, Size first, Size units, bool square, double* sizes);
    void follow(Size step, double* row);
    void list_pieces();
    void add_slot(Size slot, Index level);

    Sweep<T> squares_;  // of twice the samples
    Squares<T> squared_;
    Watched watched_;
    int most_threads_, threads_;
    std::vector<Index> level_, width_;  // (n_nodes) by row; (n_levels) nodes
    std::vector<Piece> pieces_;         // slots whose weights lead from one level
    Buffer<T> leads_on_;                // (n_slots) 0 for slots in there whose head leads to no output; empty if there are none
    Buffer<T> gate_, sensitivity_;      // (n_tiles, n_nodes, lanes)
    Buffer<T> squared_sensitivity_;     // the same of squares_
    Buffer<T> before_;
    std::vector<Index> edge_;  // (n_slots) the caller's, once these have been asked for
};

}  // namespace edgewise
