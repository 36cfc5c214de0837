"""The inside of nn.MultiheadAttention, which PyTorch writes in Python but hands to a mode as one call.

`inside` is PyTorch's own function, with the one line away that hands it over: its operators are the same, in the same
order, and each comes to the mode by itself.
"""

import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any

from torch import Tensor
from torch.nn import functional

whole: Any = functional.multi_head_attention_forward


def _opened() -> Callable[..., tuple[Tensor, Tensor | None]] | None:
    names = getattr(whole, "__globals__", {})
    if not isinstance(whole, FunctionType) or "has_torch_function" not in whole.__code__.co_names:
        return None
    mine = names | {"has_torch_function": lambda given: False}
    opened = FunctionType(whole.__code__, mine, whole.__name__, whole.__defaults__, whole.__closure__)
    opened.__kwdefaults__ = whole.__kwdefaults__
    return opened


inside = _opened()
"""None if a release of PyTorch has it otherwise"""


class Projections:
    """Which of the linear operators inside of one call is which, and what came out of those before the attention."""

    def __init__(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        given = inspect.signature(whole).bind(*args, **kwargs).arguments
        self.name = f"{name}." if name else ""
        self._out = given["out_proj_weight"]
        self._apart = {part: given.get(f"{part}_proj_weight") for part in "qkv"}
        self._size = int(given["query"].shape[-1])
        self.made: list[Tensor] = []
        """queries, keys and values"""

    def is_out(self, weight: Tensor) -> bool:
        """Whether it is the last one, behind the attention."""
        return weight is self._out

    def of(self, weight: Tensor) -> tuple[str, int]:
        """Its name, and how many of queries, keys and values it makes."""
        if self.is_out(weight):
            return f"{self.name}out_proj", 1
        for part, own in self._apart.items():
            if weight is own:
                return f"{self.name}{part}_proj", 1
        first, count = weight.storage_offset() // weight.shape[1] // self._size, len(weight) // self._size
        return f"{self.name}{'in' if count == 3 else 'qkv'[first : first + count]}_proj", count


def original(read: Tensor) -> Tensor | None:
    """What `read` is the transposed view of, as `batch_first` makes one; None if it is none."""
    base = read._base
    if base is None or base.dim() != 3 or base.shape != (read.shape[1], read.shape[0], read.shape[2]):
        return None
    swapped = base.stride(1), base.stride(0), base.stride(2)
    same = read.stride() == swapped and read.storage_offset() == base.storage_offset()
    return base if same else None
