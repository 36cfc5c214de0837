#include "threads.hpp"

#include <sched.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace edgewise {

namespace {

constexpr int MOST_MEMBERS = 64;
constexpr std::chrono::microseconds LATE{200};  // more than waking a thread takes
constexpr int SHUNNED = 1000;
constexpr int SPINS = 4000;  // some hundred microseconds, before a waiting thread goes to sleep

void pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

// Waits until it is no longer `old`: a moment awake, then asleep.
template <class T>
void await_change(const std::atomic<T>& value, T old) {
    for (int spin = 0; spin < SPINS; ++spin) {
        if (value.load() != old) return;
        pause();
    }
    value.wait(old);
}

struct alignas(64) Share {  // of the units: next to do, one past the last
    std::atomic<std::ptrdiff_t> next{0};
    std::ptrdiff_t end = 0;
};

OpenMP shared_team{};         // written while no pass runs
std::atomic<int> shunned{0};  // jobs that it is not given, from here on
thread_local bool uses_shared_team = false;

class Pool {
public:
    void run(int n_members, std::ptrdiff_t n_units, threads::Unit unit, void* work) {
        if (n_members > MOST_MEMBERS) n_members = MOST_MEMBERS;
        const std::unique_lock<std::mutex> mine(busy_, std::try_to_lock);
        const bool shared = mine && uses_shared_team && shared_team.parallel && shared_team.size() >= n_members &&
                            !(shunned && shunned--);
        if (!mine || (!shared && !recruit(n_members))) {
            for (std::ptrdiff_t u = 0; u < n_units; ++u) unit(work, u, 0);
            return;
        }
        unit_ = unit;
        work_ = work;
        n_members_ = n_members;
        for (int m = 0; m < n_members; ++m) {
            shares_[m].next.store(n_units * m / n_members, std::memory_order_relaxed);
            shares_[m].end = n_units * (m + 1) / n_members;
        }
        if (shared) return share();
        open_.store(true);
        job_.fetch_add(1);
        job_.notify_all();
        take_part(0);
        // every unit is taken; members that came are waited for, others find the door closed
        open_.store(false);
        for (int inside = inside_.load(); inside != 0; inside = inside_.load()) await_change(inside_, inside);
    }

private:
    // The open job, done by the shared team. That waits for each of its threads: if one was late, it was another program's
    // turn, and one's own team is the better one for a while.
    void share() {
        using Clock = std::chrono::steady_clock;
        const Clock::time_point began = Clock::now();
        struct {
            Pool* pool;
            Clock::time_point done;
        } job{this, began};
        // of all threads: a team that is asked for fewer lets the others die, and has to make new ones later
        shared_team.parallel(
            [](void* data) {
                auto& it = *static_cast<decltype(job)*>(data);
                const int member = shared_team.member();
                if (member < it.pool->n_members_) it.pool->take_part(member);
                if (member == 0) it.done = Clock::now();
            },
            &job, static_cast<unsigned>(shared_team.size()), 0);
        if (Clock::now() - job.done > LATE + (job.done - began)) shunned = SHUNNED;
    }

    // Whether at least one thread besides the caller's is there.
    bool recruit(int n_members) {
        while (n_threads_ < n_members - 1) {
            try {
                std::thread([this, member = n_threads_ + 1] { live(member); }).detach();
            } catch (const std::system_error&) {  // no more threads to be had: fewer do the work
                break;
            }
            ++n_threads_;
        }
        return n_threads_ > 0;
    }

    void live(int member) {
        for (int seen = 0;;) {
            await_change(job_, seen);
            seen = job_.load();
            inside_.fetch_add(1);
            if (open_.load() && member < n_members_) take_part(member);
            if (inside_.fetch_sub(1) == 1) inside_.notify_all();
        }
    }

    void take_part(int member) {
        for (int k = 0; k < n_members_; ++k) {  // the own share first
            Share& share = shares_[(member + k) % n_members_];
            for (;;) {
                const std::ptrdiff_t u = share.next.fetch_add(1);
                if (u >= share.end) break;
                unit_(work_, u, member);
            }
        }
    }

    std::mutex busy_;
    int n_threads_ = 0;
    std::atomic<int> job_{0}, inside_{0};
    std::atomic<bool> open_{false};
    // what the open job is; written only while the door is closed and nobody is inside
    threads::Unit unit_ = nullptr;
    void* work_ = nullptr;
    int n_members_ = 0;
    Share shares_[MOST_MEMBERS];
};

std::atomic<Pool*> pool{nullptr};

// Never destroyed: its threads may outlive everything else.
Pool& the_pool() {
    Pool* found = pool.load();
    if (!found) {
        auto made = std::make_unique<Pool>();
        if (pool.compare_exchange_strong(found, made.get())) found = made.release();
    }
    return *found;
}

}  // namespace

void threads::run(int n_members, std::ptrdiff_t n_units, Unit unit, void* work) {
    the_pool().run(n_members, n_units, unit, work);
}

void share_team(const OpenMP& with) {
    shared_team = with;
    shunned = 0;
}

bool use_shared_team(bool wanted) { return std::exchange(uses_shared_team, wanted); }

void forget_threads() {
    pool.store(nullptr);
    shared_team = {};
}

int most_threads() {
    int count = 0;
#if defined(__linux__)
    cpu_set_t allowed;
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) count = CPU_COUNT(&allowed);
#endif
    if (count == 0) count = static_cast<int>(std::thread::hardware_concurrency());  // which may have to read files
    return count < 1 ? 1 : count < MOST_MEMBERS ? count : MOST_MEMBERS;
}

}  // namespace edgewise
