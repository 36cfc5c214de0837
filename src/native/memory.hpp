// Aligned arrays of numbers, kept for the next pass when they are given back: fresh pages cost the system more time than
// a pass needs to fill them, and small aligned pieces cost the C library more than a small network's pass.
#pragma once

#include <cstddef>
#include <limits>
#include <memory>
#include <new>

namespace edgewise {

constexpr std::size_t CACHE_LINE = 64;

namespace memory {

void* take(std::size_t bytes);  // std::bad_alloc where there is none
void give_back(void* data, std::size_t bytes) noexcept;
void forget();  // what is kept: in a forked process another thread's lock may never open again

}  // namespace memory

inline std::size_t times(std::size_t a, std::size_t b) {  // std::bad_alloc rather than an overflow
    if (b && a > static_cast<std::size_t>(std::numeric_limits<std::ptrdiff_t>::max()) / b) throw std::bad_alloc();
    return a * b;
}

// Not set to anything.
template <class T>
class Buffer {
public:
    Buffer() = default;
    explicit Buffer(std::size_t size) : size_(size) {
        if (size) data_ = {static_cast<T*>(memory::take(times(size, sizeof(T)))), GiveBack{size * sizeof(T)}};
    }
    T* data() { return data_.get(); }
    const T* data() const { return data_.get(); }
    std::size_t size() const { return size_; }
    T& operator[](std::size_t k) { return data_.get()[k]; }
    const T& operator[](std::size_t k) const { return data_.get()[k]; }
    explicit operator bool() const { return data_ != nullptr; }

private:
    struct GiveBack {
        std::size_t bytes = 0;
        void operator()(T* p) const { memory::give_back(p, bytes); }
    };
    std::unique_ptr<T, GiveBack> data_;
    std::size_t size_ = 0;
};

}  // namespace edgewise
