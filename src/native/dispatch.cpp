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
    const Kernels<float>& (*of_float)();
    const Kernels<double>& (*of_double)();
};

// What every processor of its kind has.
#if defined(__aarch64__)
constexpr const char* BASELINE = "neon";
#else
constexpr const char* BASELINE = "baseline";
#endif

// All that this machine could use, the widest first.
std::vector<Choice> choices() {
    std::vector<Choice> found;
#if defined(__x86_64__)
    __builtin_cpu_init();
    const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    const bool has_avx512 = has_avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
                            __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
    if (has_avx512) found.push_back({"avx512", avx512::float_kernels, avx512::double_kernels});
    if (has_avx2) found.push_back({"avx2", avx2::float_kernels, avx2::double_kernels});
#endif
    found.push_back({BASELINE, baseline::float_kernels, baseline::double_kernels});
    return found;
}

const Choice& choice() {
    static const Choice chosen = [] {
        const char* asked = std::getenv("EDGEWISE_ISA");
        std::string names;
        for (const Choice& one : choices()) {
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

std::vector<const char*> instruction_sets() {
    std::vector<const char*> names;
    for (const Choice& one : choices()) names.push_back(one.name);
    return names;
}

int register_bytes() { return kernels<float>().width * static_cast<int>(sizeof(float)); }

const char* compiler() {
#if defined(__clang__)
    return __VERSION__;
#else
    return "GCC " __VERSION__;
#endif
}

}  // namespace edgewise
