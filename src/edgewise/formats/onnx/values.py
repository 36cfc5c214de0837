"""What a name in an ONNX program stands for, beside tensors of nodes and constants."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from edgewise.tensors import Tensor, TensorGraph, functions


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the program: an operator with its attributes."""

    operator: str
    domain: str
    where: str
    attributes: dict[str, Any]
    opset: int
    n_outputs: int


@dataclass(frozen=True, slots=True)
class Cause:
    """Why something has no form as a network."""

    operator: str
    where: str
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.operator} ({self.where}{': ' if self.reason else ''}{self.reason})"


@dataclass(slots=True, eq=False)
class Pending:
    """What an operator makes that is no tensor of nodes: a step of something larger that is, a head, or unsupported."""

    operator: str
    inputs: list[Any]
    causes: dict[Cause, None]
    attributes: dict[str, Any] = field(default_factory=dict)

    @property
    def sources(self) -> list[Any]:
        """The tensors it is made from."""
        found: list[Any] = []
        stack = list(reversed(self.inputs))
        seen = set()
        while stack:
            value = stack.pop()
            if id(value) in seen:
                continue
            seen.add(id(value))
            if isinstance(value, Pending):
                stack.extend(reversed(value.inputs))
            elif isinstance(value, Tensor | Softmax):
                found.append(value)
        return found


class Origins:
    """Which operator made which value, and of what."""

    def __init__(self) -> None:
        self._found: dict[int, tuple[Any, str, list[Any]]] = {}  # with the value, so that no other comes to have its id

    def add(self, value: Any, operator: str, inputs: list[Any]) -> None:
        """The first to make a value is its origin; others hand it on."""
        self._found.setdefault(id(value), (value, operator, inputs))

    def of(self, value: Any, operator: str) -> list[Any] | None:
        """What the operator made this value of, if it did."""
        _, by, inputs = self._found.get(id(value), (None, "", None))
        return inputs if by == operator else None


def causes_of(values: Iterable[Any]) -> dict[Cause, None]:
    return {cause: None for value in values if isinstance(value, Pending) for cause in value.causes}


@dataclass(slots=True, eq=False)
class Softmax:
    """A softmax that becomes nodes only if something other than a head reads it."""

    operator: str
    x: Tensor
    axis: int
    made: Tensor | None = None

    @property
    def is_last(self) -> bool:
        """Whether, at an output, it is over the classes of a sample: what the cross-entropy does itself."""
        return len(self.x.shape) == 2 and self.axis % 2 == 1

    def tensor(self, graph: TensorGraph) -> Tensor:
        if self.made is None:
            kind = functions.softmax if self.operator == "Softmax" else functions.log_softmax
            self.made = kind(graph, self.x, self.axis)
        return self.made
