// The module. Files here are the only ones that know Python: they check what would corrupt memory, release the GIL, call.
#include <cstdint>

#include "../dispatch.hpp"
#include "../memory.hpp"
#include "../threads.hpp"
#include "structure.hpp"

NB_MODULE(_core, module) {
    namespace nb = nanobind;
    nb::set_leak_warnings(false);  // what another library holds until the end, as PyTorch may a network, is no leak
    module.doc() = "Edgewise's compiled core: graph walks and arithmetic over plain arrays.";
    edgewise::bind::bind_graph(module);
    edgewise::bind::bind_structure(module);
    edgewise::bind::bind_passes(module);
    edgewise::bind::bind_training(module);
    module.def("instruction_set", &edgewise::instruction_set, "The set of vector instructions in use.");
    module.def(
        "instruction_sets",
        [] {
            nb::list names;
            for (const char* name : edgewise::instruction_sets()) names.append(name);
            return names;
        },
        "Those that this machine could use, the widest first.");
    module.def("register_bytes", &edgewise::register_bytes, "How wide a register of the set in use is.");
    module.def("compiler", &edgewise::compiler, "What compiled the core.");
    module.def("most_threads", &edgewise::most_threads, "How many threads a pass uses where none are asked for.");
    module.def(
        "share_team",
        [](std::uintptr_t parallel, std::uintptr_t member, std::uintptr_t size) {
            edgewise::share_team({reinterpret_cast<decltype(edgewise::OpenMP::parallel)>(parallel),
                                  reinterpret_cast<decltype(edgewise::OpenMP::member)>(member),
                                  reinterpret_cast<decltype(edgewise::OpenMP::size)>(size)});
        },
        nb::arg("parallel"), nb::arg("member"), nb::arg("size"),
        "Where another library's GOMP_parallel, omp_get_thread_num and omp_get_max_threads are; see src/native/threads.hpp.");
    module.def("use_shared_team", &edgewise::use_shared_team, nb::arg("wanted"),
               "Whether that team does what this thread asks for from now on; whether it did before.");
    module.def("after_fork", [] {
        edgewise::forget_threads();
        edgewise::memory::forget();
    }, "For a forked process, which has none of its parent's threads and maybe their locks.");
}
