// An array that Python hands in: contiguous, of one type and number of axes, read by way of the buffer protocol, which
// takes a third of the time that DLPack does. It is held as long as this is there.
#pragma once

#include <nanobind/nanobind.h>

#include <cstdint>
#include <type_traits>
#include <utility>

namespace edgewise::bind {

namespace nb = nanobind;

constexpr int ANY = 0;  // number of axes

// T is const where the array is only read.
template <class T, int AXES>
class Array {
public:
    using Scalar = std::remove_const_t<T>;
    static constexpr int MOST_AXES = 2;

    Array() = default;
    Array(Array&& other) noexcept { *this = std::move(other); }
    Array& operator=(Array&& other) noexcept {
        std::swap(view_, other.view_);
        std::swap(shape_, other.shape_);
        return *this;
    }
    ~Array() {
        if (view_.obj) PyBuffer_Release(&view_);
    }

    // Whether it is such an array; must be called once, before all others.
    bool from(PyObject* object) {
        constexpr int wanted = PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (std::is_const_v<T> ? 0 : PyBUF_WRITABLE);
        if (PyObject_GetBuffer(object, &view_, wanted) != 0) {
            PyErr_Clear();
            view_.obj = nullptr;
            return false;
        }
        const bool fits = view_.itemsize == sizeof(T) && is_format(view_.format) &&
                          (AXES == ANY || view_.ndim == AXES) &&
                          (view_.len == 0 || reinterpret_cast<std::uintptr_t>(view_.buf) % alignof(T) == 0);
        for (int axis = 0; fits && AXES != ANY && axis < AXES; ++axis) shape_[axis] = static_cast<std::size_t>(view_.shape[axis]);
        return fits;
    }

    T* data() const { return static_cast<T*>(view_.buf); }
    std::size_t size() const { return static_cast<std::size_t>(view_.len) / sizeof(T); }
    std::size_t shape(int axis) const { return shape_[axis]; }
    nb::object object() const { return nb::borrow(view_.obj); }

private:
    static bool is_format(const char* format) {
        if (!format || !format[0] || format[1]) return false;  // another order of bytes has two letters
        const char letter = format[0];
        if constexpr (std::is_same_v<Scalar, bool>) return letter == '?';
        if constexpr (std::is_floating_point_v<Scalar>) return letter == (sizeof(T) == 4 ? 'f' : 'd');
        if constexpr (sizeof(T) == 1) return letter == 'B';
        return letter == 'i' || letter == 'l' || letter == 'q';  // which of them have this size is the platform's affair
    }

    Py_buffer view_{};
    std::size_t shape_[MOST_AXES] = {};  // a copy: the view's may lie within the view, which moves
};

}  // namespace edgewise::bind

namespace nanobind::detail {

template <class T, int AXES>
struct type_caster<edgewise::bind::Array<T, AXES>> {
    using Taken = edgewise::bind::Array<T, AXES>;
    using Scalar = typename Taken::Scalar;
    static constexpr auto number = const_name<std::is_same_v<Scalar, bool>>(
        const_name("bool"), const_name<std::is_unsigned_v<Scalar>>("u", "") +
                                const_name<std::is_floating_point_v<Scalar>>("float", "int") + const_name<8 * sizeof(T)>());
    NB_TYPE_CASTER(Taken, const_name("ndarray[dtype=") + number +
                              const_name<AXES == 1>(", shape=(*)", "") + const_name<AXES == 2>(", shape=(*, *)", "") +
                              const_name<std::is_const_v<T>>(", order='C']", ", order='C', writable]"))

    bool from_python(handle source, std::uint8_t, cleanup_list*) noexcept { return value.from(source.ptr()); }
};

}  // namespace nanobind::detail
