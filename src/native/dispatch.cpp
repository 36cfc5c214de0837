// Which instruction set to use: the widest that this processor has, or the one that EDGEWISE_ISA names.
#include <cstdlib>
#include <stdexcept>
#include <string>

#include "dispatch.hpp"

namespace edgewise {

#define EDGEWISE_DECLARE(isa)                \
    namespace isa {                          \
    const Kernels<float>& float_kernels();   \
    const Kernels<double>& double_kernels(); \
    }

EDGEWISE_DECLARE(baseline)
#if defined(__x86_64__)
EDGEWISE_DECLARE(avx2)
EDGEWISE_DECLARE(avx512)
#endif

namespace {

struct Choice {
    const char* name;
    bool supported;
    const Kernels<float>& (*of_float)();
    const Kernels<double>& (*of_double)();
};

const Choice& choice() {
    static const Choice chosen = [] {
#if defined(__x86_64__)
        __builtin_cpu_init();
        const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
        const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                            __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
#endif
        const Choice all[] = {
#if defined(__x86_64__)
            {"avx512", avx512, avx512::float_kernels, avx512::double_kernels},
            {"avx2", avx2, avx2::float_kernels, avx2::double_kernels},
#endif
            {"baseline", true, baseline::float_kernels, baseline::double_kernels},
        };
        const char* asked = std::getenv("EDGEWISE_ISA");
        std::string names;
        for (const Choice& one : all) {
            if (!one.supported) continue;
            if (!asked || !*asked || asked == std::string(one.name)) return one;
            names += (names.empty() ? "" : ", ") + std::string(one.name);
        }
        throw std::runtime_error("EDGEWISE_ISA=" + std::string(asked) + " cannot be used here; this machine has " + names);
    }();
    return chosen;
}

}  // namespace

template <>
const Kernels<float>& kernels<float>() {
    return choice().of_float();
}
template <>
const Kernels<double>& kernels<double>() {
    return choice().of_double();
}
const char* instruction_set() { return choice().name; }

}  // namespace edgewise
