"""A PyTorch module as a network: its program, as torch.export traces it, in the terms of `edgewise.tensors`."""

import warnings
from typing import Any

import numpy as np
import torch

from edgewise.errors import GraphError
from edgewise.network import Network
from edgewise.tensors import Tensor, TensorGraph
from edgewise.torch.eval_mode import in_eval_mode
from edgewise.torch.operations import OPERATIONS

SAMPLES = 2  # with one alone, nobody would see that a program mixes samples


def from_module(module: torch.nn.Module, example_input: Any) -> Network:
    """The network that computes what a feed-forward module computes in eval mode.

    module : made of what torch.export can trace. Its parameters are copied; its mode stays as it is.
    example_input : a tensor as the module takes it, the first axis being that of the samples, or a tuple of several.
        Only shape and dtype matter.

    The inputs are one sample's tensors in row-major order, one after the other; so are the outputs. Weights that are 0
    are absent arcs (so are those that torch.nn.utils.prune has masked); a convolution's arcs are tied, and so are the
    biases of each of its channels. Batch normalisation is folded into the linear map before it where nobody else reads
    that.

    GraphError naming every operation that no network can express, and the submodule it is in.
    """
    examples = example_input if isinstance(example_input, tuple | list) else (example_input,)
    for x in examples:
        if not isinstance(x, torch.Tensor) or x.ndim < 1 or not x.dtype.is_floating_point:
            raise GraphError(
                "example_input must be a tensor of floats whose first axis is the samples, or a tuple of those"
            )
        if not len(x):
            raise GraphError("example_input has no sample; give at least one")
    program = _traced(module, tuple(x[:1].detach().expand(SAMPLES, *x.shape[1:]).clone() for x in examples))
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of the folding of constants
        return _Reader(program).network()


def _traced(module: torch.nn.Module, examples: tuple[torch.Tensor, ...]) -> Any:
    with in_eval_mode(module), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the exporter's own insides
        try:
            program = torch.export.export(module, examples)
            unknown = {
                node.target
                for node in program.graph.nodes
                if node.op == "call_function" and isinstance(node.target, torch._ops.OpOverload)
            } - set(OPERATIONS)
            if unknown:  # they may be made of operations that we know
                table: Any = torch.export.default_decompositions()
                for target in OPERATIONS:
                    if isinstance(target, torch._ops.OpOverload):
                        table.pop(target, None)
                program = program.run_decompositions(table)
        except Exception as error:  # whatever a module of somebody else raises
            first = str(error).strip().split("\n")[0]
            raise GraphError(
                f"torch.export cannot trace the module: {first}; it must be feed-forward, without branches that depend "
                "on the numbers"
            ) from error
    return program


class _Unknown:
    """What an operation that cannot be converted would have made."""


class _Reader:
    """Goes through a traced program once, node by node."""

    def __init__(self, program: Any) -> None:
        self.program = program
        self.graph = TensorGraph(SAMPLES)
        self.values: dict[Any, Any] = {}
        self.failures: list[str] = []

    def network(self) -> Network:
        double = self._leaves()
        for node in self.program.graph.nodes:
            if node.op == "call_function":
                self.values[node] = self._value(node)
            elif node.op not in ("placeholder", "output"):
                self.failures.append(f"{node.op} {node.target}{_place(node)}")
        if self.failures:
            raise GraphError(f"cannot be converted: {'; '.join(dict.fromkeys(self.failures))}")
        (results,) = next(node for node in self.program.graph.nodes if node.op == "output").args
        outputs = [self._given(result) for result in results]
        if not all(isinstance(output, Tensor | torch.Tensor) for output in outputs):
            raise GraphError("the module must return a tensor, or several")
        tensors = [x if isinstance(x, Tensor) else self.graph.tensor(x.numpy()) for x in outputs]
        return self.graph.network(tensors, np.float64 if double else np.float32)

    def _leaves(self) -> bool:
        """Inputs, parameters and buffers; whether any is of double precision."""
        program = self.program
        kinds = torch.export.graph_signature.InputKind
        placeholders = [node for node in program.graph.nodes if node.op == "placeholder"]
        double = False
        for node, spec in zip(placeholders, program.graph_signature.input_specs, strict=True):
            shown = node.meta.get("val")
            if spec.kind == kinds.USER_INPUT:
                self.values[node] = self.graph.input(shown.shape)
            else:
                holder = program.constants if spec.kind == kinds.CONSTANT_TENSOR else program.state_dict
                given = holder[spec.target] if spec.target in holder else program.constants[spec.target]
                self.values[node] = given.detach().cpu()
            double |= getattr(shown, "dtype", None) == torch.float64
        return double

    def _given(self, argument: Any) -> Any:
        if isinstance(argument, torch.fx.Node):
            return self.values[argument]
        if isinstance(argument, list | tuple):
            return [self._given(entry) for entry in argument]
        return argument

    def _value(self, node: Any) -> Any:
        args = [self._given(argument) for argument in node.args]
        named = {name: self._given(argument) for name, argument in node.kwargs.items()}
        flat = [
            entry for value in (*args, *named.values()) for entry in (value if isinstance(value, list) else [value])
        ]
        operation = OPERATIONS.get(node.target)
        depends = any(isinstance(entry, Tensor | _Unknown) for entry in flat)
        if not depends:  # of constants alone, PyTorch makes constants
            return node.target(*args, **named)
        if operation is None:
            self.failures.append(f"{node.target}{_place(node)}")
            return _Unknown()
        if any(isinstance(entry, _Unknown) for entry in flat):
            return _Unknown()
        try:
            return operation(self.graph, *args, **named)
        except (GraphError, ValueError, IndexError) as error:
            self.failures.append(f"{node.target}{_place(node)}: {error}")
        except (TypeError, AttributeError, ArithmeticError):  # as where a parameter depends on the input
            self.failures.append(f"{node.target}{_place(node)} with these arguments")
        return _Unknown()


def _place(node: Any) -> str:
    """Where in the module a node comes from."""
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    if not stack:
        return ""
    path, kind = stack[-1][0], stack[-1][1]
    kind = kind.rpartition(".")[2] if isinstance(kind, str) else kind.__name__
    return f" in {path or 'the module itself'} ({kind})"
