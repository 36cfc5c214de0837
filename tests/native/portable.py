"""Whether the core runs on every machine that its wheel is for: python tests/native/portable.py BUILD_FOLDER

The kernels are compiled with wide instructions, the rest without. What the linker merges, such as an inline function of
the standard library, must not come from the former, nor may anything else use a wide instruction. And the library may
need nothing but the C and C++ run time.
"""

import platform
import re
import subprocess
import sys
from pathlib import Path

WIDE = ("avx2", "avx512") if platform.machine() == "x86_64" else ()
RUN_TIME = re.compile(r"(libc|libm|libstdc\+\+|libgcc_s|libpthread|ld-linux[\w-]*)\.so\.\d+$")
WIDE_INSTRUCTION = re.compile(r"^\s*[0-9a-f]+:\s+(v[a-z]\w*\s|.*%[yz]mm\d|.*%k[0-7]\b)")


def output(*command: str | Path) -> list[str]:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def wide_instructions(file: Path) -> list[str]:
    return [line for line in output("objdump", "-d", "--no-show-raw-insn", file) if WIDE_INSTRUCTION.match(line)]


build = Path(sys.argv[1])
wrong: list[str] = []
objects = sorted(build.rglob("*.o"))
assert len(objects) > 10, f"there is no complete build in {build}"
kernels = {}
for isa in ("baseline", *WIDE):
    (kernels[isa],) = (path for path in objects if f"/kernels_{isa}.dir/" in path.as_posix())

for isa, file in kernels.items():
    names = [line.split()[-1] for line in output("nm", "--defined-only", file)]
    names = [name for name in names if not name.startswith(".L")]  # constants, which stay in their file
    # edgewise::avx512::…, with what the compiler puts before it: a template's or a local name's mark
    strange = [name for name in names if not re.match(rf"_Z[A-Z]*8edgewise{len(isa)}{isa}", name)]
    wrong += [f"kernels_{isa} defines {name}" for name in strange]
    print(f"kernels_{isa}: {len(names)} symbols, {len(strange)} of them outside edgewise::{isa}")

wide = [kernels[isa] for isa in WIDE]
assert all(map(wide_instructions, wide)), "wide instructions are not recognised"
others = [path for path in objects if path not in wide]
for file in others:
    wrong += [f"{file.name}: {line.strip()}" for line in wide_instructions(file)[:3]]
print(f"{len(others)} other objects searched for wide instructions")

(library,) = build.rglob("_core.*.so")
needed = re.findall(r"NEEDED.*\[(.*)\]", "\n".join(output("readelf", "-d", library)))
assert needed
wrong += [f"{library.name} needs {name}" for name in needed if not RUN_TIME.match(name)]
print(f"{library.name} needs {', '.join(needed)}")

sys.exit("\n".join(wrong[:20]) or 0)
