#include "memory.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdlib>
#include <mutex>
#include <vector>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace edgewise {

namespace {

constexpr std::size_t PAGE = std::size_t(1) << 12, HUGE_PAGE = std::size_t(1) << 21;
constexpr std::size_t MOST_KEPT = std::size_t(1) << 29;  // bytes, of all that nobody uses at the moment
constexpr std::size_t MOST_PIECES = 64;

struct Piece {
    void* data;
    std::size_t bytes;
};

struct Store {
    std::mutex mutex;
    std::vector<Piece> pieces;  // the longest unused first
    std::size_t kept = 0;
};

std::atomic<Store*> the_store{new Store};  // never destroyed: passes may outlive static objects

std::size_t rounded(std::size_t bytes) {
    if (bytes < PAGE) return std::max(CACHE_LINE, std::bit_ceil(bytes));
    const std::size_t unit = bytes >= HUGE_PAGE ? HUGE_PAGE : PAGE;
    if (bytes > std::numeric_limits<std::size_t>::max() - unit) throw std::bad_alloc();
    return (bytes + unit - 1) / unit * unit;
}

}  // namespace

void* memory::take(std::size_t bytes) {
    const std::size_t size = rounded(bytes);
    {
        Store& s = *the_store.load();
        const std::lock_guard<std::mutex> lock(s.mutex);
        for (std::size_t k = s.pieces.size(); k-- > 0;)
            if (s.pieces[k].bytes == size) {
                void* const found = s.pieces[k].data;
                s.pieces.erase(s.pieces.begin() + static_cast<std::ptrdiff_t>(k));
                s.kept -= size;
                return found;
            }
    }
    const bool huge = size >= HUGE_PAGE;
    void* const data = std::aligned_alloc(huge ? HUGE_PAGE : CACHE_LINE, size);
    if (!data) throw std::bad_alloc();
#if defined(__linux__)
    if (huge) madvise(data, size, MADV_HUGEPAGE);  // a wish; nothing is lost if it is not granted
#endif
    return data;
}

void memory::give_back(void* data, std::size_t bytes) noexcept {
    const std::size_t size = rounded(bytes);
    if (size > MOST_KEPT) return std::free(data);
    Store& s = *the_store.load();
    const std::lock_guard<std::mutex> lock(s.mutex);
    try {
        s.pieces.push_back({data, size});
    } catch (const std::bad_alloc&) {
        return std::free(data);
    }
    s.kept += size;
    while (s.kept > MOST_KEPT || s.pieces.size() > MOST_PIECES) {
        std::free(s.pieces.front().data);
        s.kept -= s.pieces.front().bytes;
        s.pieces.erase(s.pieces.begin());
    }
}

void memory::forget() { the_store.store(new Store); }

}  // namespace edgewise
