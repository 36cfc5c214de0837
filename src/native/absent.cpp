#include "absent.hpp"

#include <algorithm>
#include <atomic>
#include <bit>

#include "memory.hpp"
#include "threads.hpp"

namespace edgewise {

namespace {

constexpr double THREAD_WORK = 1e6;  // multiplications that are worth waking another thread for

// The rows of each rank that a condition lets in: those of rank r are row[start[r]] .. row[start[r + 1] - 1].
struct Ranks {
    std::vector<Index> start, row;
    Index size(Index rank) const { return start[rank + 1] - start[rank]; }
    const Index* rows(Index rank) const { return row.data() + start[rank]; }
};

template <class LetIn>
Ranks by_rank(const Structure& s, const Places& places, const LetIn& let_in) {
    Ranks found{std::vector<Index>(static_cast<std::size_t>(places.n_ranks) + 1), {}};
    std::vector<std::vector<Index>> of(places.n_ranks);
    for (Index row = 0; row < s.plan.n_nodes; ++row) {
        const Index node = s.node[row];
        if (places.rank[node] >= 0 && let_in(node, places.rank[node])) of[places.rank[node]].push_back(row);
    }
    for (Index r = 0; r < places.n_ranks; ++r) {
        found.row.insert(found.row.end(), of[r].begin(), of[r].end());
        found.start[r + 1] = static_cast<Index>(found.row.size());
    }
    return found;
}

// Rows in strips of `width`, a sample after another: strip k holds row k·width + c of its rank at
// panel[k·width·samples + sample·width + c], 0 beyond the rank's last row.
template <class T>
class Panels {
public:
    Panels(const Ranks& ranks, Index width, Size samples) : ranks_(ranks), width_(width), samples_(samples) {
        first_.push_back(0);
        for (std::size_t r = 0; r + 1 < ranks.start.size(); ++r) {
            const Index strips = (ranks.size(static_cast<Index>(r)) + width - 1) / width;
            for (Index k = 0; k < strips; ++k) strip_.push_back({static_cast<Index>(r), k * width});
            first_.push_back(first_.back() + strips);
        }
        panel_ = Buffer<T>(times(times(strip_.size(), width), samples));
    }

    Index strips(Index rank) const { return static_cast<Index>(first_[rank + 1] - first_[rank]); }
    const T* strip(Index rank, Index k) const { return panel_.data() + (first_[rank] + k) * width_ * samples_; }

    // From rows of tiles, row p being multiplied by factor[p] where there is a factor.
    void fill(const T* from, Size stride, Size lanes, int n_tiles, const T* factor, int n_threads) {
        share_out(n_threads, static_cast<Size>(strip_.size()), [&](Size k, int) {
            const auto [rank, begin] = strip_[k];
            const Index count = std::min(width_, ranks_.size(rank) - begin);
            const Index* row = ranks_.rows(rank) + begin;
            T* to = panel_.data() + k * width_ * samples_;
            for (int tile = 0; tile < n_tiles; ++tile)
                for (Size l = 0; l < lanes; ++l, to += width_) {
                    const T* at = from + tile * stride + l;
                    for (Index c = 0; c < count; ++c) to[c] = at[row[c] * lanes] * (factor ? factor[row[c]] : T(1));
                    for (Index c = count; c < width_; ++c) to[c] = T(0);
                }
        });
    }

private:
    struct Strip {
        Index rank, begin;
    };
    const Ranks& ranks_;
    Index width_;
    Size samples_;
    std::vector<Size> first_;  // strip of each rank
    std::vector<Strip> strip_;
    Buffer<T> panel_;
};

// The size of a number as an integer that orders numbers likewise.
std::uint32_t size_bits(float a) { return std::bit_cast<std::uint32_t>(a) & 0x7fffffffu; }
std::uint64_t size_bits(double a) { return std::bit_cast<std::uint64_t>(a) & 0x7fffffffffffffffull; }

// The arcs that one thread has found of one group.
template <class T>
class alignas(CACHE_LINE) Best {
public:
    // Whoever has as many arcs as are wanted raises the number that others must reach.
    void add(const AbsentArc<T>& arc, Size wanted, std::atomic<T>& threshold) {
        arcs_.push_back(arc);
        if (size() < 2 * wanted + 256) return;
        const T bound = thin_out(wanted);
        T reached = threshold.load(std::memory_order_relaxed);
        while (bound > reached && !threshold.compare_exchange_weak(reached, bound, std::memory_order_relaxed)) {}
    }
    void take(Best& other) {
        arcs_.insert(arcs_.end(), other.arcs_.begin(), other.arcs_.end());
        other.arcs_ = {};
    }
    std::vector<AbsentArc<T>> in_order(Size wanted) {
        if (size() > wanted + wanted / 2) thin_out(wanted);
        std::sort(arcs_.begin(), arcs_.end(), first);
        if (size() > wanted) arcs_.resize(wanted);
        return std::move(arcs_);
    }

private:
    static bool first(const AbsentArc<T>& a, const AbsentArc<T>& b) { return a.before(b); }
    Size size() const { return static_cast<Size>(arcs_.size()); }

    // Leaves the wanted ones and at most half as many more; returns the smallest size among those left. By counting in
    // 32 steps an octave below the largest, which is faster than any comparing; that is left for arcs that are alike.
    T thin_out(Size wanted) {
        constexpr int STEPS = 4096, SHIFT = sizeof(T) == 4 ? 23 - 5 : 52 - 5;
        auto most = size_bits(T(0));
        for (const auto& arc : arcs_) most = std::max(most, size_bits(arc.gradient));
        const auto step = [&](const AbsentArc<T>& arc) {
            const auto below = (most - size_bits(arc.gradient)) >> SHIFT;
            return below < STEPS ? static_cast<int>(below) : STEPS - 1;
        };
        Size count[STEPS] = {};
        for (const auto& arc : arcs_) ++count[step(arc)];
        int last = 0;
        for (Size so_far = count[0]; so_far < wanted; so_far += count[++last]) {}
        Size kept = 0;
        for (Size k = 0; k < size(); ++k) {
            const AbsentArc<T> arc = arcs_[k];
            arcs_[kept] = arc;
            kept += step(arc) <= last;
        }
        arcs_.resize(kept);
        if (kept > wanted + wanted / 2) {
            std::nth_element(arcs_.begin(), arcs_.begin() + (wanted - 1), arcs_.end(), first);
            arcs_.resize(wanted);
        }
        auto least = most;
        for (const auto& arc : arcs_) least = std::min(least, size_bits(arc.gradient));
        return std::bit_cast<T>(least);
    }

    std::vector<AbsentArc<T>> arcs_;
};

}  // namespace

template <class T>
Groups<T> strongest_absent(const Structure& s, const Kernels<T>& kernels, const Rows<T>& rows, const T* factor,
                           const Places& places, T divisor, int n_threads) {
    const Index columns = 2 * kernels.width, height = kernels.rectangle_rows;
    const Size samples = rows.n_tiles * rows.lanes;
    // a rank is laid out only if it is an end of a pair that wants something
    std::vector<bool> has_tails(places.n_ranks), has_heads(places.n_ranks);
    for (Index p = 0; p < places.n_pairs; ++p) {
        if (places.wanted[places.group[p]] == 0) continue;
        has_tails[places.pair[2 * p]] = true;
        has_heads[places.pair[2 * p + 1]] = true;
    }
    const Ranks tails = by_rank(s, places, [&](Index, Index rank) { return has_tails[rank]; });
    const Ranks heads =
        by_rank(s, places, [&](Index node, Index rank) { return has_heads[rank] && places.may_head[node]; });
    double work = 0;
    for (Index p = 0; p < places.n_pairs; ++p)
        work += static_cast<double>(tails.size(places.pair[2 * p])) * heads.size(places.pair[2 * p + 1]) * samples;
    n_threads = std::max(1, static_cast<int>(std::min<double>(n_threads, work / THREAD_WORK)));
    Panels<T> values(tails, columns, samples), linear(heads, height, samples);
    values.fill(rows.y, rows.y_stride, rows.lanes, rows.n_tiles, nullptr, n_threads);
    linear.fill(rows.d, rows.d_stride, rows.lanes, rows.n_tiles, factor, n_threads);

    struct Unit {
        Index pair, strip;  // of tails, with all heads
    };
    std::vector<Unit> units;
    for (Index p = 0; p < places.n_pairs; ++p)
        for (Index k = 0; places.wanted[places.group[p]] > 0 && k < values.strips(places.pair[2 * p]); ++k)
            units.push_back({p, k});
    std::vector<std::atomic<T>> threshold(places.n_groups);  // 0: NaN reaches nothing
    std::vector<Best<T>> best(times(n_threads, places.n_groups));
    struct Place {
        Index rank, index;  // among the rank's heads
    };
    std::vector<Place> place_of(s.plan.n_nodes, {-1, -1});  // of rows that are heads
    Index most_heads = 0;
    for (Index r = 0; r < places.n_ranks; ++r) {
        most_heads = std::max(most_heads, heads.size(r));
        for (Index k = 0; k < heads.size(r); ++k) place_of[heads.rows(r)[k]] = {r, k};
    }
    std::vector<std::vector<std::uint32_t>> present(n_threads, std::vector<std::uint32_t>(most_heads));
    const auto search = [&](const Unit& unit, int member) {
        const Index from = places.pair[2 * unit.pair], to = places.pair[2 * unit.pair + 1];
        const Index group = places.group[unit.pair];
        const Index* tail = tails.rows(from) + unit.strip * columns;
        const Index n_tails = std::min(columns, tails.size(from) - unit.strip * columns);
        Best<T>& own = best[static_cast<std::size_t>(member) * places.n_groups + group];
        std::vector<std::uint32_t>& there = present[member];  // by head, a bit for each tail of the strip
        std::fill_n(there.begin(), heads.size(to), 0u);
        for (Index t = 0; t < n_tails; ++t)
            for (Index a = places.out_start[tail[t]]; a < places.out_start[tail[t] + 1]; ++a)
                if (place_of[places.out_row[a]].rank == to) there[place_of[places.out_row[a]].index] |= 1u << t;
        T sums[MOST_SUMS];
        Index hit[MOST_SUMS];
        for (Index k = 0; k < linear.strips(to); ++k) {
            const Index* head = heads.rows(to) + k * height;
            const Index n_heads = std::min(height, heads.size(to) - k * height);
            const int hits =
                kernels.large_sums(linear.strip(to, k), n_heads, values.strip(from, unit.strip),
                                   static_cast<Index>(samples), 1 / divisor,
                                   threshold[group].load(std::memory_order_relaxed), sums, hit);
            for (int n = 0; n < hits; ++n) {
                const Index h = hit[n] / columns, t = hit[n] % columns;
                if (t >= n_tails || (there[k * height + h] >> t & 1)) continue;
                own.add({sums[hit[n]], s.node[head[h]], s.node[tail[t]]}, places.wanted[group], threshold[group]);
            }
        }
    };
    std::atomic<bool> no_memory{false};  // a unit of work must not throw
    share_out(n_threads, static_cast<Size>(units.size()), [&](Size u, int member) {
        try {
            search(units[u], member);
        } catch (const std::bad_alloc&) {
            no_memory = true;
        }
    });
    if (no_memory) throw std::bad_alloc();
    for (int member = 1; member < n_threads; ++member)
        for (Index group = 0; group < places.n_groups; ++group)
            best[group].take(best[static_cast<std::size_t>(member) * places.n_groups + group]);
    Groups<T> found(places.n_groups);
    share_out(n_threads, places.n_groups,
              [&](Size group, int) { found[group] = best[group].in_order(places.wanted[group]); });
    return found;
}

template Groups<float> strongest_absent(const Structure&, const Kernels<float>&, const Rows<float>&, const float*,
                                        const Places&, float, int);
template Groups<double> strongest_absent(const Structure&, const Kernels<double>&, const Rows<double>&, const double*,
                                         const Places&, double, int);

}  // namespace edgewise
