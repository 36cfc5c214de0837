#pragma once

#include "kernels.hpp"

namespace edgewise {

const char* instruction_set();  // the name of the one in use

}  // namespace edgewise
