"""The machine: what it is, and how fast it multiplies matrices and copies memory, measured in this run."""

import os
import platform
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from time import perf_counter

import numpy as np

PACKAGES = (
    "edgewise",
    "numpy",
    "scipy",
    "torch",
    "jax",
    "equinox",
    "connex",
    "tensorneat",
    "neat-python",
    "micrograd",
    "scikit-learn",
    "sparseprop",
)


@dataclass(frozen=True)
class Machine:
    processor: str
    threads: int
    vector: str
    """the widest vector instructions there are"""
    caches: str
    last_cache: int
    """bytes of the last-level cache, 0 if not known"""
    memory: int
    """bytes, 0 if not known"""
    system: str
    sgemm: float
    """flop/s"""
    sgemm_by: str
    bandwidth: float
    """bytes/s read and written by a copy"""
    versions: dict[str, str] = field(default_factory=dict)


def threads() -> int:
    """How many threads every side may use: the processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Others:
    """The share of all processors' time that other programs have used since this was made; 0 if not known."""

    def __init__(self) -> None:
        self._began = self._now()

    def share(self) -> float:
        busy, idle, own = (now - then for now, then in zip(self._now(), self._began, strict=True))
        return max(0.0, busy - own) / (busy + idle) if busy + idle > 0 else 0.0

    @staticmethod
    def _now() -> tuple[float, float, float]:
        """Seconds of all processors that were busy, and idle, and this process's and its children's."""
        try:
            ticks = [
                int(part) for part in Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]
            ]
        except (OSError, ValueError):
            return 0.0, 0.0, 0.0
        idle = ticks[3] + ticks[4]
        second = os.sysconf("SC_CLK_TCK")
        return (sum(ticks) - idle) / second, idle / second, sum(os.times()[:4])


def measure(quick: bool = False) -> Machine:
    rate, by = _sgemm(quick)
    caches = _caches()
    return Machine(
        processor=_processor(),
        threads=threads(),
        vector=_vector(),
        caches=", ".join(f"{name} {size}" for name, size, _ in caches),
        last_cache=caches[-1][2] if caches else 0,
        memory=_memory(),
        system=f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        sgemm=rate,
        sgemm_by=by,
        bandwidth=_bandwidth(quick),
        versions={name: version for name in PACKAGES if (version := _version(name))},
    )


def _sgemm(quick: bool) -> tuple[float, str]:
    """The best rate of a float32 matrix product by NumPy or PyTorch, and what had it."""
    found = []
    for n in (1024,) if quick else (1024, 1536, 2048):
        a = np.random.default_rng(0).standard_normal((n, n), np.float32)
        found.append((2 * n**3 / _best(lambda a=a: a @ a, quick), f"NumPy, {n}×{n}"))
        try:
            import torch
        except ImportError:
            continue
        torch.set_num_threads(threads())
        t = torch.from_numpy(a)
        found.append((2 * n**3 / _best(lambda t=t: t @ t, quick), f"PyTorch, {n}×{n}"))
    return max(found)


def _bandwidth(quick: bool) -> float:
    """Bytes read and written per second by a copy with all threads, of arrays far larger than any cache."""
    n = 2**25 if quick else 2**27
    source, target = np.ones(n, np.float32), np.zeros(n, np.float32)
    parts = [slice(k * n // threads(), (k + 1) * n // threads()) for k in range(threads())]
    with ThreadPoolExecutor(threads()) as pool:

        def copy() -> None:
            list(pool.map(lambda part: np.copyto(target[part], source[part]), parts))

        return 2 * source.nbytes / _best(copy, quick)


def _best(work: Callable[[], object], quick: bool) -> float:
    work()
    times = []
    for _ in range(5 if quick else 15):
        began = perf_counter()
        work()
        times.append(perf_counter() - began)
    return min(times)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _cpuinfo() -> dict[str, str]:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    pairs = (line.split(":", 1) for line in lines if ":" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def _processor() -> str:
    return _cpuinfo().get("model name") or platform.processor() or platform.machine()


def _vector() -> str:
    info = _cpuinfo()
    flags = set((info.get("flags") or info.get("Features") or "").split())
    for flag, name in (("avx512f", "AVX-512"), ("avx2", "AVX2"), ("asimd", "NEON"), ("sse2", "SSE2")):
        if flag in flags:
            return name
    return "unknown"


def _caches() -> list[tuple[str, str, int]]:
    """(name, size as text, bytes) of the first processor's data caches, the last level last."""
    found = []
    for folder in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        try:
            level, kind, size = ((folder / name).read_text().strip() for name in ("level", "type", "size"))
        except OSError:
            continue
        if kind != "Instruction":
            factor = {"K": 2**10, "M": 2**20, "G": 2**30}.get(size[-1], 1)
            n_bytes = int(size.rstrip("KMG")) * factor
            text = f"{n_bytes / 2**20:g} MiB" if n_bytes >= 2**20 else f"{n_bytes / 2**10:g} KiB"
            found.append((f"L{level}{'d' if kind == 'Data' else ''}", text, n_bytes))
    return found


def _memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0
