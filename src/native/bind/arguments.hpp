// What Python hands in: the kinds of arrays, and the checks of all that would corrupt memory.
#pragma once

#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>

#include <limits>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "../network_view.hpp"
#include "../threads.hpp"
#include "array.hpp"

namespace edgewise::bind {

namespace nb = nanobind;

template <class T>
using In = Array<const T, 1>;
template <class T>
using In2 = Array<const T, 2>;
template <class T>
using Out = Array<T, 1>;
template <class T>
using Out2 = Array<T, 2>;
using IndexIn = In<Index>;
template <class T>
using Made = nb::ndarray<nb::numpy, T, nb::ndim<1>>;
using IndexOut = Made<Index>;

template <class T>
Made<T> own(std::unique_ptr<T[]> data, std::size_t size) {
    T* raw = data.get();
    nb::capsule owner(data.release(), [](void* p) noexcept { delete[] static_cast<T*>(p); });
    return Made<T>(raw, {size}, owner);
}

inline Index checked_size(std::size_t size, const char* what) {
    if (size >= static_cast<std::size_t>(std::numeric_limits<Index>::max()))
        throw std::length_error(std::string(what) + " must number fewer than 2^31 - 1");
    return static_cast<Index>(size);
}

template <class A>
void check_range(const A& values, std::size_t bound, const char* what) {
    const auto* v = values.data();
    using Unsigned = std::make_unsigned_t<std::remove_cv_t<std::remove_reference_t<decltype(*v)>>>;
    constexpr Unsigned top = Unsigned(1) << (std::numeric_limits<Unsigned>::digits - 1);  // bounds of bytes are lower
    const Unsigned last = static_cast<Unsigned>(static_cast<Unsigned>(bound < top ? bound : top) - 1);
    Unsigned bits = 0;  // the top one once a value is beyond the last; without leaving the loop, which takes many at a time
    for (std::size_t k = 0; k < values.size(); ++k) {
        const Unsigned one = static_cast<Unsigned>(v[k]);  // negative: huge
        bits |= one | static_cast<Unsigned>(last - one);
    }
    if (bits & top) throw std::out_of_range(std::string(what) + " holds an index that is out of range");
}

inline void check_size(std::size_t found, std::size_t wanted, const char* what) {
    if (found != wanted)
        throw std::invalid_argument(std::string(what) + " has " + std::to_string(found) + " entries, not " +
                                    std::to_string(wanted));
}

// Where runs of `n` things start: from 0 to n, never falling.
inline void check_starts(const IndexIn& start, std::size_t n, const char* what) {
    const Index* v = start.data();
    for (std::size_t k = 1; k < start.size(); ++k)
        if (v[k] < v[k - 1]) throw std::invalid_argument(std::string(what) + " must not fall");
    if (start.size() == 0 || v[0] != 0 || static_cast<std::size_t>(v[start.size() - 1]) != n)
        throw std::invalid_argument(std::string(what) + " must run from 0 to the number of entries");
}

}  // namespace edgewise::bind
