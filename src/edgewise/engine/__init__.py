"""The engines: what runs the two passes. Each gives the same quantities; the reference defines them."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from edgewise.arrays import FloatArray
from edgewise.engine import reference
from edgewise.errors import EdgewiseError
from edgewise.objective import Objective
from edgewise.results import BackwardQuantities, ForwardQuantities

if TYPE_CHECKING:
    from edgewise.network import Network

Forward = Callable[["Network", FloatArray], ForwardQuantities]
Backward = Callable[["Network", FloatArray, Objective], BackwardQuantities]

DEFAULT = "reference"

_ENGINES: dict[str, tuple[Forward, Backward]] = {
    "reference": (
        reference.ReferencePass,
        lambda network, x, objective: reference.ReferencePass(network, x).backward(objective),
    ),
}


def names() -> tuple[str, ...]:
    """The engines that can be asked for by name."""
    return tuple(_ENGINES)


def _get(name: str | None) -> tuple[Forward, Backward]:
    try:
        return _ENGINES[DEFAULT if name is None else name]
    except (KeyError, TypeError):
        raise EdgewiseError(f"there is no engine {name!r} here; use {' or '.join(map(repr, _ENGINES))}") from None


def forward(name: str | None, network: "Network", x: FloatArray) -> ForwardQuantities:
    """The forward pass of x (B, n_inputs) on the engine called `name`, the default one if None."""
    return _get(name)[0](network, x)


def backward(name: str | None, network: "Network", x: FloatArray, objective: Objective) -> BackwardQuantities:
    """Both passes of x (B, n_inputs) on the engine called `name`, the default one if None."""
    return _get(name)[1](network, x, objective)
