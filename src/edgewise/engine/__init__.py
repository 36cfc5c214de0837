"""The engines: what runs the two passes. Each gives the same quantities; the reference defines them."""

from typing import TYPE_CHECKING, Any

from edgewise.arrays import FloatArray
from edgewise.engine import native, reference
from edgewise.engine.native import NativeLook as NativeLook
from edgewise.engine.native import NativeTraining as NativeTraining
from edgewise.engine.native import Work as Work
from edgewise.errors import DataError, EdgewiseError
from edgewise.objective import Objective
from edgewise.results import BackwardQuantities, ForwardQuantities

if TYPE_CHECKING:
    from edgewise.network import Network

NAMES = ("native", "reference")
"""The engines that can be asked for by name; the first is the default."""


def check_threads(threads: int | None) -> None:
    if threads is not None and (isinstance(threads, bool) or not isinstance(threads, int) or threads < 1):
        raise DataError(f"threads must be a whole number ≥ 1, or None for all, not {threads!r}")


def _is_native(name: str | None, network: "Network") -> bool:
    """Activations registered from Python are known to the reference engine alone, so it runs networks that use one."""
    if name is not None and name not in NAMES:
        raise EdgewiseError(f"there is no engine {name!r} here; use {' or '.join(map(repr, NAMES))}")
    return name != "reference" and native.runs(network)


def forward(name: str | None, network: "Network", x: FloatArray, threads: int | None) -> ForwardQuantities:
    """The forward pass of x (B, n_inputs) on the engine called `name`, the default one if None."""
    check_threads(threads)
    if _is_native(name, network):
        return native.NativePass(network, x, threads, gates=False)
    return reference.ReferencePass(network, x)


def backward(
    name: str | None,
    network: "Network",
    x: FloatArray,
    objective: Objective,
    threads: int | None,
    kept: FloatArray | None = None,
) -> BackwardQuantities:
    """Both passes of x (B, n_inputs) on the engine called `name`, the default one if None.

    kept : (N, B) what values and gates are multiplied by, on the reference engine whatever is asked for: the core has
        dropout in training alone.
    """
    if kept is not None:
        return reference.ReferencePass(network, x, kept).backward(objective)
    return both(name, network, x, threads).backward(objective)


def both(
    name: str | None, network: "Network", x: FloatArray, threads: int | None
) -> native.NativePass | reference.ReferencePass:
    """The forward pass of x (B, n_inputs), whose `backward(objective)` may follow once it is known what from."""
    check_threads(threads)
    if _is_native(name, network):
        return native.NativePass(network, x, threads, gates=True)
    return reference.ReferencePass(network, x)


def look(name: str | None, network: "Network", **settings: Any) -> native.NativeLook | None:
    """Looks at steps of training by the compiled core, if the engine called `name` has it for this network."""
    return native.NativeLook(network, **settings) if _is_native(name, network) else None


def training(name: str | None, network: "Network", **settings: Any) -> native.NativeTraining | None:
    """Training within the compiled core, if the engine called `name` has it for this network; see NativeTraining."""
    return native.NativeTraining(network, **settings) if _is_native(name, network) else None
