"""Operators that build a generic computational graph, a Network whose nodes are single operations."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from edgewise import activations
from edgewise.errors import GraphError
from edgewise.network import Network

Number = int | float
_created = itertools.count()
MAX_PARALLEL = 64


@dataclass(frozen=True, slots=True, eq=False)
class Expression:
    """A variable, or one operation on others; made by operators and by the functions of this module.

    A sum or a product is a node that aggregates; a number it is multiplied by is an arc's weight, a number added is
    a bias; every function is a node's activation. `a*a` is a product over two parallel arcs.
    """

    operation: str
    terms: tuple[tuple[float, "Expression"], ...] = ()
    _: KW_ONLY
    bias: float = 0.0
    activation: str = "identity"
    aggregation: str = "sum"
    name: str | None = None
    order: int = field(default_factory=lambda: next(_created))

    __array_ufunc__ = None  # so that numpy_scalar * expression asks the expression

    @property
    def is_variable(self) -> bool:
        return self.name is not None

    # ---- sums ----

    def __add__(self, other: "Operand") -> "Expression":
        if isinstance(other, Expression):
            return Expression("add", ((1.0, self), (1.0, other)))
        return Expression("add", ((1.0, self),), bias=_number(other))

    __radd__ = __add__

    def __sub__(self, other: "Operand") -> "Expression":
        if isinstance(other, Expression):
            return Expression("sub", ((1.0, self), (-1.0, other)))
        return Expression("sub", ((1.0, self),), bias=-_number(other))

    def __rsub__(self, other: Number) -> "Expression":
        return Expression("sub", ((-1.0, self),), bias=_number(other))

    def __neg__(self) -> "Expression":
        return Expression("neg", ((-1.0, self),))

    def __pos__(self) -> "Expression":
        return self

    # ---- products ----

    def __mul__(self, other: "Operand") -> "Expression":
        if isinstance(other, Expression):
            return Expression("mul", ((1.0, self), (1.0, other)), aggregation="product")
        return Expression("mul", ((_number(other), self),))

    __rmul__ = __mul__

    def __truediv__(self, other: "Operand") -> "Expression":
        if isinstance(other, Expression):
            return Expression("div", ((1.0, self), (1.0, apply("reciprocal", other))), aggregation="product")
        divisor = _number(other)
        if divisor == 0:
            raise GraphError("an expression is divided by 0")
        return Expression("div", ((1 / divisor, self),))

    def __rtruediv__(self, other: Number) -> "Expression":
        return apply("reciprocal", self) * other

    # ---- powers ----

    def __pow__(self, exponent: "Operand") -> "Expression":
        if isinstance(exponent, Expression):
            return exp(exponent * log(self))
        power = _number(exponent)
        single = {1.0: "identity", 2.0: "square", 3.0: "cube", 0.5: "sqrt", -1.0: "reciprocal"}.get(power)
        if single is not None:
            return apply(single, self)
        if power == 0:
            return Expression("pow", ((0.0, self),), bias=1.0)
        if power == round(power):
            product = _whole_power(self, int(abs(power)))
            return product if power > 0 else apply("reciprocal", product)
        return exp(log(self) * power)

    def __rpow__(self, base: Number) -> "Expression":
        number = _number(base)
        if number <= 0:
            raise GraphError(f"{number} to the power of an expression: the base must be positive")
        return exp(self * math.log(number))

    def __abs__(self) -> "Expression":
        return apply("abs", self)

    # A truth value would make `a < b` and `a == b` in user code silently mean something else.
    def __bool__(self) -> bool:
        raise GraphError("an expression is neither true nor false; use maximum, minimum or relu to choose by value")

    def __repr__(self) -> str:
        return f"Expression({self.name or self.operation})"


Operand = Expression | Number


def _number(given: Any) -> float:
    if isinstance(given, bool | np.bool_) or not isinstance(given, int | float | np.integer | np.floating):
        raise GraphError(f"an expression combines with expressions and real numbers, not with {given!r}")
    try:
        number = float(given)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise GraphError(f"{given} is not a finite number")
    return number


def _whole_power(base: Expression, power: int) -> Expression:
    """A product of parallel arcs; a large power by repeated squaring, so that negative numbers keep their sign."""
    if power <= MAX_PARALLEL:
        return Expression("pow", ((1.0, base),) * power, aggregation="product")
    result = base
    for bit in f"{power:b}"[1:]:
        result = apply("square", result)
        if bit == "1":
            result = result * base
    return result


def variable(name: str) -> Expression:
    """A variable, which becomes an input called `name`."""
    if not isinstance(name, str) or not name:
        raise GraphError(f"a variable's name must be a non-empty str, not {name!r}")
    return Expression("variable", name=name)


def variables(*names: str) -> tuple[Expression, ...]:
    """A variable for each name: `a, b = ew.variables("a", "b")`."""
    return tuple(variable(name) for name in names)


# ---- functions ----


def apply(activation: str, expression: Expression) -> Expression:
    """Any activation of the table, as a function of one expression."""
    activations.get(activation)
    return Expression(activation, ((1.0, _expression(expression)),), activation=activation)


def _expression(given: Any) -> Expression:
    if not isinstance(given, Expression):
        raise GraphError(f"{given!r} is not an expression; make variables with edgewise.variables")
    return given


def exp(a: Expression) -> Expression:
    """eᵃ"""
    return apply("exp", a)


def log(a: Expression) -> Expression:
    """The natural logarithm."""
    return apply("log", a)


def sqrt(a: Expression) -> Expression:
    """The square root."""
    return apply("sqrt", a)


def sin(a: Expression) -> Expression:
    """The sine, of radians."""
    return apply("sin", a)


def cos(a: Expression) -> Expression:
    """The cosine, of radians."""
    return apply("cos", a)


def tanh(a: Expression) -> Expression:
    """The hyperbolic tangent."""
    return apply("tanh", a)


def sigmoid(a: Expression) -> Expression:
    """1/(1+e⁻ᵃ)"""
    return apply("sigmoid", a)


def relu(a: Expression) -> Expression:
    """max{a, 0}"""
    return apply("relu", a)


def hard_tanh(a: Expression) -> Expression:
    """max{min{a, 1}, −1}"""
    return apply("hard_tanh", a)


def maximum(*operands: Operand) -> Expression:
    """The largest; where several are, the first takes all of the derivative."""
    return _choice("max", operands)


def minimum(*operands: Operand) -> Expression:
    """The smallest; where several are, the first takes all of the derivative."""
    return _choice("min", operands)


def _choice(aggregation: str, operands: Sequence[Operand]) -> Expression:
    if not any(isinstance(operand, Expression) for operand in operands):
        raise GraphError(f"{aggregation}imum needs at least one expression among its operands")
    terms = tuple(
        (1.0, operand if isinstance(operand, Expression) else Expression("constant", bias=_number(operand)))
        for operand in operands
    )
    return Expression(aggregation, terms, aggregation=aggregation)


# ---- the network ----


def graph(
    outputs: Expression | Sequence[Expression],
    inputs: Sequence[Expression] | None = None,
    *,
    dtype: DTypeLike = "float64",
) -> Network:
    """The network that computes `outputs`, one expression or several, from `inputs`.

    inputs : variables, in the order in which the network takes them; None: those that are used, in order of
        creation. One that is listed and not used becomes an input without arcs.

    Shared subexpressions are computed once. GraphError for a variable that is used and not listed, for two variables
    of one name, and for anything that is not an expression.
    """
    wanted = _expressions(outputs)
    if not wanted:
        raise GraphError("give at least one output")
    reached = _reached(wanted)
    found = sorted((e for e in reached if e.is_variable), key=lambda e: e.order)
    listed = found if inputs is None else _expressions(inputs)
    for entry in listed:
        if not entry.is_variable:
            raise GraphError(f"{entry!r} is not a variable; inputs are variables")
    known = set(listed)
    missing = [entry.name for entry in found if entry not in known]
    if missing:
        raise GraphError(f"the outputs depend on {', '.join(map(repr, missing))}; list every variable in inputs")

    nodes = [*listed, *(e for e in reached if not e.is_variable)]
    index = {id(expression): j for j, expression in enumerate(nodes)}
    arcs = [(index[id(term)], j, weight) for j, e in enumerate(nodes) for weight, term in e.terms]
    tails, heads, weights = zip(*arcs, strict=True) if arcs else ((), (), ())
    return Network(
        np.array(tails, np.int32),
        np.array(heads, np.int32),
        np.array(weights, np.float64),
        bias=[e.bias for e in nodes],
        activation=[e.activation for e in nodes],
        aggregation=[e.aggregation for e in nodes],
        inputs=np.arange(len(listed)),
        outputs=[index[id(e)] for e in wanted],
        names=_names(nodes),
        dtype=dtype,
    )


def _expressions(given: Any) -> list[Expression]:
    """One expression, or each of several."""
    if isinstance(given, Expression):
        return [given]
    try:
        return [_expression(entry) for entry in given]
    except TypeError:
        raise GraphError(f"{given!r} is neither an expression nor a list of expressions") from None


def _reached(outputs: Sequence[Expression]) -> list[Expression]:
    """Everything the outputs are made of, in order of creation: operands come before what uses them."""
    seen = {id(e): e for e in outputs}
    stack = list(seen.values())
    while stack:
        for _, term in stack.pop().terms:
            if id(term) not in seen:
                seen[id(term)] = term
                stack.append(term)
    return sorted(seen.values(), key=lambda e: e.order)


def _names(nodes: Sequence[Expression]) -> list[str]:
    """Variables keep their names; operations are numbered: mul1, add1, mul2."""
    taken = {e.name for e in nodes if e.is_variable}
    counts: dict[str, int] = {}
    names = []
    for e in nodes:
        name = e.name
        while name is None:
            counts[e.operation] = counts.get(e.operation, 0) + 1
            candidate = f"{e.operation}{counts[e.operation]}"
            name = None if candidate in taken else candidate
        taken.add(name)
        names.append(name)
    return names
