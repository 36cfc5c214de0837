// A team of threads. Work is cut into units, and each is done by whoever comes first to it, so that a machine with other
// things to do, which keeps one thread waiting for its turn, does not keep the others waiting for that thread.
//
// (OpenMP's teams wait for every thread to arrive, spinning: with a second program on the same two cores that was
// measured to cost tens of milliseconds for a pass of a tenth of one.)
#pragma once

#include <cstddef>
#include <type_traits>

namespace edgewise {

// How many threads work together where nobody says how many: as many as this process may run at once, 64 at most.
int most_threads();

// Of so many threads asked for, 0 being all.
inline int team_size(int threads) { return threads > 0 ? threads : most_threads(); }

// The team of OpenMP's threads that another library in the process works with. They wait for work awake, for milliseconds,
// so that between that library's operations a team of one's own finds the processors taken: then better join theirs.
struct OpenMP {
    void (*parallel)(void (*work)(void*), void* data, unsigned n_threads, unsigned flags);  // GOMP_parallel
    int (*member)();                                                                        // omp_get_thread_num
    int (*size)();                                                                          // omp_get_max_threads
};
void share_team(const OpenMP& with);
// Whether what this thread asks for is done by that team from now on, if there is one; whether it was so before.
bool use_shared_team(bool wanted);

// In a forked process none of the teams' threads is left: begin again with a new one.
void forget_threads();

namespace threads {

using Unit = void (*)(void* work, std::ptrdiff_t unit, int member);
void run(int n_members, std::ptrdiff_t n_units, Unit unit, void* work);

}  // namespace threads

// work(unit, member) for every unit of 0 .. n_units - 1, on at most n_members threads, of which the caller is one;
// returns when all is done. Members are 0 .. n_members - 1, and unit u is first offered to member
// u·n_members / n_units, so that what a member has left in its caches meets it again. Must not throw. When another
// thread has the team, the caller works alone.
template <class Work>
void share_out(int n_members, std::ptrdiff_t n_units, const Work& work) {
    if (n_members <= 1 || n_units <= 1) {
        for (std::ptrdiff_t unit = 0; unit < n_units; ++unit) work(unit, 0);
        return;
    }
    threads::run(
        n_members, n_units,
        [](void* it, std::ptrdiff_t unit, int member) { (*static_cast<const Work*>(it))(unit, member); },
        const_cast<void*>(static_cast<const void*>(&work)));
}

// work(begin, end, member) for pieces of 0 .. n - 1, a few for each member and none smaller than `least`.
template <class Work>
void share_out_pieces(int n_members, std::ptrdiff_t n, std::ptrdiff_t least, const Work& work) {
    std::ptrdiff_t pieces = n_members <= 1 ? 1 : 2 * n_members;
    if (pieces * least > n) pieces = n / least > 1 ? n / least : 1;
    share_out(n_members, pieces, [&](std::ptrdiff_t piece, int member) {
        const std::ptrdiff_t begin = n * piece / pieces, end = n * (piece + 1) / pieces;
        if (begin < end) work(begin, end, member);
    });
}

}  // namespace edgewise
