#include "threads.hpp"

#include <sched.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>

namespace edgewise {

namespace {

constexpr int MOST_MEMBERS = 64;
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

class Pool {
public:
    void run(int n_members, std::ptrdiff_t n_units, threads::Unit unit, void* work) {
        if (n_members > MOST_MEMBERS) n_members = MOST_MEMBERS;
        const std::unique_lock<std::mutex> mine(busy_, std::try_to_lock);
        if (!mine || !recruit(n_members)) {
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
        open_.store(true);
        job_.fetch_add(1);
        job_.notify_all();
        take_part(0);
        // every unit is taken; members that came are waited for, others find the door closed
        open_.store(false);
        for (int inside = inside_.load(); inside != 0; inside = inside_.load()) await_change(inside_, inside);
    }

private:
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

void forget_threads() { pool.store(nullptr); }

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
