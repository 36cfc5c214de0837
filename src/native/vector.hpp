// Vectors of the widest registers that this translation unit may use, as GCC and Clang give them.
//
// Included only by what is compiled once per instruction set; everything in it lives in that set's own namespace, and
// no inline function of the standard library is used beside it, so that no code for a wide machine can be linked into
// the path of a narrow one.
#pragma once

#include <cstddef>
#include <cstdint>

#ifndef EDGEWISE_ISA
#error "compile with -DEDGEWISE_ISA=<name of the namespace> and -DEDGEWISE_VECTOR_BYTES=<16, 32 or 64>"
#endif

#define EDGEWISE_INLINE inline __attribute__((always_inline))

namespace edgewise::EDGEWISE_ISA {

constexpr int VECTOR_BYTES = EDGEWISE_VECTOR_BYTES;

template <class T>
struct VectorOf {
    typedef T type __attribute__((vector_size(VECTOR_BYTES)));
    typedef T unaligned __attribute__((vector_size(VECTOR_BYTES), aligned(alignof(T)), may_alias));
};
template <class T>
using Vector = typename VectorOf<T>::type;

template <class T>
struct IntegerOf;
template <>
struct IntegerOf<float> {
    using type = std::int32_t;
};
template <>
struct IntegerOf<double> {
    using type = std::int64_t;
};

// What a vector V is made of: its numbers, how many there are, and integers of the same width (comparisons give those).
template <class V>
struct Lanes {
    using Scalar = __typeof__(V{}[0] + V{}[0]);
    static constexpr int count = VECTOR_BYTES / sizeof(Scalar);
    using Integer = typename IntegerOf<Scalar>::type;
    typedef Integer Mask __attribute__((vector_size(VECTOR_BYTES)));
};
template <class V>
using ScalarOf = typename Lanes<V>::Scalar;
template <class V>
using MaskOf = typename Lanes<V>::Mask;

template <class T>
constexpr int WIDTH = VECTOR_BYTES / sizeof(T);  // lanes of a register

template <class V>
EDGEWISE_INLINE V splat(ScalarOf<V> a) {
    return a - V{};  // which is a, also where a is -0; a sum would not be
}
template <class T>
EDGEWISE_INLINE Vector<T> load(const T* p) {
    return *reinterpret_cast<const Vector<T>*>(p);
}
template <class T>
EDGEWISE_INLINE Vector<T> load_unaligned(const T* p) {
    return *reinterpret_cast<const typename VectorOf<T>::unaligned*>(p);
}
template <class T>
EDGEWISE_INLINE void store(T* p, Vector<T> v) {
    *reinterpret_cast<Vector<T>*>(p) = v;
}
template <class T>
EDGEWISE_INLINE void store_unaligned(T* p, Vector<T> v) {
    *reinterpret_cast<typename VectorOf<T>::unaligned*>(p) = v;
}

// Loaded once and kept: a compiler that folds the load into each instruction that uses it loads as often.
template <class V>
EDGEWISE_INLINE V in_register(V v) {
#if defined(__x86_64__)
    __asm__("" : "+v"(v));
#elif defined(__aarch64__)
    __asm__("" : "+w"(v));
#endif
    return v;
}

// The bits of a float vector as integers, and back.
template <class V>
EDGEWISE_INLINE MaskOf<V> bits(V v) {
    return reinterpret_cast<MaskOf<V>>(v);
}
template <class V>
EDGEWISE_INLINE V from_bits(MaskOf<V> m) {
    return reinterpret_cast<V>(m);
}

template <int N>
struct Constant {
    static constexpr int value = N;
};

// f(how many registers a tile has) with that known when it is compiled.
template <class F>
EDGEWISE_INLINE void with_vectors(int vectors, F f) {
    switch (vectors) {
        case 1: return f(Constant<1>{});
        case 2: return f(Constant<2>{});
        case 4: return f(Constant<4>{});
        case 8: return f(Constant<8>{});
    }
}

}  // namespace edgewise::EDGEWISE_ISA
