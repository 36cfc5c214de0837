#!/usr/bin/env bash
# Whether the core compiles, without a warning, and links for AArch64; and, where there is an emulator, whether its
# functions are as exact there. Needs g++-aarch64-linux-gnu, and qemu-user for the second.
set -euo pipefail
cd "$(dirname "$0")/../.."

cxx=aarch64-linux-gnu-g++
if ! command -v "$cxx" >/dev/null; then
    echo "skipped: there is no $cxx here"
    exit
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
kernels=(-DEDGEWISE_ISA=baseline -DEDGEWISE_VECTOR_BYTES=16 -fno-math-errno -fno-trapping-math -ffp-contract=fast)

for source in src/native/*.cpp; do # src/native/bind needs the headers of a Python for AArch64
    name=$(basename "$source" .cpp)
    flags=()
    if [ "$name" = kernels ]; then flags=("${kernels[@]}" -Wno-psabi); fi
    "$cxx" -std=c++20 -O2 -fPIC -Wall -Wextra -Werror -Isrc/native "${flags[@]}" -c "$source" -o "$work/$name.o"
done
cat >"$work/main.cc" <<'CPP'
#include <cstdio>
#include "dispatch.hpp"
int main() { std::printf("%s, %d bytes in a register\n", edgewise::instruction_set(), edgewise::register_bytes()); }
CPP
"$cxx" -std=c++20 -static -Isrc/native "$work"/main.cc "$work"/*.o -o "$work/main"
"$cxx" -std=c++20 -O3 -static -Isrc/native "${kernels[@]}" -Wno-psabi tests/native/ulp.cpp -o "$work/ulp"
echo "compiles and links"

if ! command -v qemu-aarch64 >/dev/null; then
    echo "not run: there is no qemu-aarch64 here"
    exit
fi
said=$(qemu-aarch64 "$work/main")
echo "$said"
test "$said" = "neon, 16 bytes in a register"
qemu-aarch64 "$work/ulp" exp tanh
