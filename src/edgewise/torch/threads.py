"""PyTorch's threads, for the engine to work with.

They wait for each other awake, also for some milliseconds after an operation is done. Threads of the engine's own would
have to share the processors with them: a step of training took half as long again.
"""

import ctypes
from pathlib import Path

import torch

from edgewise.engine import native


def share() -> None:
    """Tell the core of PyTorch's threads, where these are OpenMP's and can be found; else it keeps to its own."""
    try:
        library = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"))
        functions = library.GOMP_parallel, library.omp_get_thread_num, library.omp_get_max_threads
    except (OSError, AttributeError):
        return
    addresses = [ctypes.cast(function, ctypes.c_void_p).value for function in functions]
    if all(addresses):
        native.share_team(*(address or 0 for address in addresses))
