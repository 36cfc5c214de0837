"""What this installation is made of and what it uses of the machine: the first question when a figure surprises."""

import os

import numpy as np

from edgewise import _core


def show_config() -> None:
    """Print versions, the vector instructions in use and those to be had here, and how many threads work by default.

    The core has its kernels once for each instruction set and takes the widest that the processor has. The environment
    variable EDGEWISE_ISA names another; it is read once, when the core is first used.
    """
    import platform  # these three here, since `import edgewise` would wait 30 ms for them
    from importlib.metadata import version

    import scipy

    in_use, width = _core.instruction_set(), _core.register_bytes()
    rows = {
        "Edgewise": version("edgewise"),
        "Python": f"{platform.python_version()}, {platform.system()} {platform.machine()}",
        "NumPy": np.__version__,
        "SciPy": scipy.__version__,
        "compiler of the core": _core.compiler(),
        "instruction set": in_use,
        "could be used here": ", ".join(_core.instruction_sets()),
        "EDGEWISE_ISA": os.environ.get("EDGEWISE_ISA") or "not set",
        "register": f"{8 * width} bits: {width // 4} × float32, {width // 8} × float64",
        "threads by default": str(_core.most_threads()),
    }
    for name, value in rows.items():
        print(f"{name:22}{value}")
