#pragma once

#include <vector>

#include "kernels.hpp"

namespace edgewise {

const char* instruction_set();                // the name of the one in use
std::vector<const char*> instruction_sets();  // the names of all that this machine could use, the widest first
int register_bytes();                         // of the one in use
const char* compiler();                       // that built this

}  // namespace edgewise
