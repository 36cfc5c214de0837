"""Network: the structure and the parameters of a directed acyclic graph of neurons, validated once at the door."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from edgewise import activations, aggregations, engine, losses, objective, samples, ties
from edgewise.arrays import MAX_INDEX, FloatArray, IntArray, all_finite
from edgewise.errors import DataError, GraphError
from edgewise.layers import Layer, find_layers
from edgewise.names import Names, Node
from edgewise.plan import CycleFound, Plan, depth_to, find_cycle, make_plan
from edgewise.results import BackwardPass, ForwardPass
from edgewise.ties import Ties

if TYPE_CHECKING:
    from anywidget import AnyWidget

    from edgewise.transform import Decoupled


class Network:
    """A feed-forward network: any directed acyclic graph of neurons, y_j = Φ_j(b_j + r_j·agg_j{w_ij·y_i}).

    Parameters
    ----------
    tail, head : (E,) node indices (or names, if `names` is given); edge e goes from tail[e] to head[e]. Parallel
        edges are allowed and known by their index; cycles and self-loops are not.
    weight : (E,) or one number.
    bias, response : (N,) or one number. Ignored at inputs.
    activation, aggregation : one name, or one per node. Ignored at inputs. See `edgewise.activations.names()`.
    inputs, outputs : node indices or names, in the order in which x and the output list them. None: the nodes
        without in-arcs, and those without out-arcs. Outputs may feed further nodes.
    names : N distinct str; None names each node by its index.
    tie : (E,) parameter index of each edge: edges with the same index share one weight, and each of them is given
        the gradient of that shared weight, the sum over its edges.
    bias_tie : (N,) parameter index of each node: likewise, nodes with the same index share one bias. Ignored at inputs.
    dtype : "float64" or "float32", of all parameters and results.

    The number of nodes is the length of `names` or of any other per-node argument, else one more than the largest
    index. The structure is frozen; `weight`, `bias` and `response` are writable arrays in the caller's order.

    Raises GraphError if it cannot be: a cycle (which is named), a self-loop, an unknown or duplicate name, an edge
    into an input, a parameter that is not finite, lengths that disagree.
    """

    def __init__(
        self,
        tail: ArrayLike,
        head: ArrayLike,
        weight: ArrayLike,
        bias: ArrayLike = 0.0,
        activation: str | Sequence[str] = "relu",
        aggregation: str | Sequence[str] = "sum",
        response: ArrayLike = 1.0,
        inputs: Sequence[Node] | NDArray[Any] | None = None,
        outputs: Sequence[Node] | NDArray[Any] | None = None,
        names: Sequence[str] | None = None,
        tie: ArrayLike | None = None,
        bias_tie: ArrayLike | None = None,
        dtype: DTypeLike = "float64",
    ) -> None:
        self._dtype = float_dtype(dtype)
        self._names = Names.read(names)
        self.tail = self._names.indices(tail, "tail")
        self.head = self._names.indices(head, "head")
        if len(self.tail) != len(self.head):
            raise GraphError(f"tail has {len(self.tail)} entries, head {len(self.head)}; each edge needs one of each")
        if len(self.tail) > MAX_INDEX:
            raise GraphError(f"{len(self.tail)} edges; at most {MAX_INDEX} fit")
        given_inputs = None if inputs is None else self._names.indices(inputs, "inputs", or_one=True)
        given_outputs = None if outputs is None else self._names.indices(outputs, "outputs", or_one=True)
        self.n_nodes: int = self._count_nodes(
            (self.tail, self.head, given_inputs, given_outputs),
            {
                "bias": bias,
                "response": response,
                "activation": activation,
                "aggregation": aggregation,
                "bias_tie": bias_tie,
            },
        )
        self._names.count = self.n_nodes
        self._check_arcs()
        self.inputs = self._ends(given_inputs, self.head, "inputs")
        self.outputs = self._ends(given_outputs, self.tail, "outputs")
        self.is_input: NDArray[np.bool_] = np.zeros(self.n_nodes, np.bool_)
        self.is_input[self.inputs] = True
        self._check_fed()
        self.activation_names, self.activation_code = self._codes(activation, "activation", activations.get)
        self.aggregation_names, self.aggregation_code = self._codes(aggregation, "aggregation", aggregations.get)
        self.plan: Plan = self._make_plan()
        self.weight_ties = ties.read(tie, self.n_edges, "tie", "edge")
        self.bias_ties = ties.read(bias_tie, self.n_nodes, "bias_tie", "node", alone=self.is_input)
        self._weight = self._parameters(weight, self.n_edges, "weight", "edge", self.weight_ties)
        self._bias = self._parameters(bias, self.n_nodes, "bias", "node", self.bias_ties)
        self._response = self._parameters(response, self.n_nodes, "response", "node")
        self.kept: dict[str, Any] = {}
        """What engines keep of the structure, once made."""
        self._freeze()

    @classmethod
    def of_arrays(
        cls,
        tail: IntArray,
        head: IntArray,
        weight: FloatArray,
        bias: FloatArray,
        response: FloatArray,
        activation: Sequence[str],
        aggregation: Sequence[str],
        n_inputs: int,
        n_outputs: int,
        names: tuple[str, ...],
    ) -> "Network":
        """The network of these very arrays, for code that makes many small ones: at a third of the constructor's cost.

        tail, head : (E,) int32. weight (E,), bias and response (N,) : of one dtype, float64 or float32.
        activation, aggregation : one name for each node that is no input, as the tables have it.
        n_inputs, n_outputs : the inputs are the first nodes, the outputs those after them.

        All of these must fit: what is checked is that there is no loop, cycle, arc into an input or number that is not
        finite.
        """
        net = object.__new__(cls)
        net._dtype, net._names, net.n_nodes = weight.dtype, Names(names, len(names)), len(names)
        net.tail, net.head, net.kept = tail, head, {}
        net.weight_ties, net.bias_ties = Ties(None, len(tail)), Ties(None, len(names))
        net._weight, net._bias, net._response = weight, bias, response
        net.inputs = np.arange(n_inputs, dtype=np.int32)
        net.outputs = np.arange(n_inputs, n_inputs + n_outputs, dtype=np.int32)
        net.is_input = np.zeros(len(names), np.bool_)
        net.is_input[:n_inputs] = True
        net._check_fed()
        net.activation_names, net.activation_code = _coded(activation, n_inputs)
        net.aggregation_names, net.aggregation_code = _coded(aggregation, n_inputs)
        net.plan = net._make_plan()
        for array, what, per in ((weight, "weight", "edge"), (bias, "bias", "node"), (response, "response", "node")):
            net._check_finite(array, what, per)
        net._freeze()
        return net

    def _freeze(self) -> None:
        for array in (self.tail, self.head, self.inputs, self.outputs, self.is_input, self.activation_code):
            array.flags.writeable = False

    # ---- validation ----

    def _count_nodes(self, indices: Sequence[IntArray | None], per_node: Mapping[str, Any]) -> int:
        lengths = {} if self._names.count is None else {"names": self._names.count}
        for what, given in per_node.items():
            if isinstance(given, str):
                continue
            if isinstance(given, list | tuple) and given and isinstance(given[0], str):
                lengths[what] = len(given)  # which NumPy would look at name by name
            elif np.ndim(given) == 1:
                lengths[what] = len(given)
            elif np.ndim(given) > 1:
                raise GraphError(f"{what} has shape {np.shape(given)}; give one per node, or one for all")
        needed = 1 + max((int(array.max()) for array in indices if array is not None and len(array)), default=-1)
        if not lengths:
            if needed == 0:
                raise GraphError("the network has no nodes; give edges, names, or inputs and outputs")
            return needed
        what, count = next(iter(lengths.items()))
        for other, length in lengths.items():
            if length != count:
                raise GraphError(f"{what} has {count} entries and {other} {length}; each needs one per node")
        if count < needed:
            raise GraphError(f"{what} has {count} entries, but node {needed - 1} is used; give one entry per node")
        if count == 0:
            raise GraphError("the network has no nodes; give edges, names, or inputs and outputs")
        return count

    def _check_arcs(self) -> None:
        loops = self.tail == self.head
        if loops.any():
            e = int(loops.argmax())
            raise GraphError(
                f"edge {e} goes from {self.label(self.tail[e])} to itself; a feed-forward network has no loops: "
                "remove the edge"
            )

    def _check_fed(self) -> None:
        fed = self.is_input[self.head]
        if fed.any():
            e = int(fed.argmax())
            raise GraphError(
                f"edge {e} ({self.label(self.tail[e])} -> {self.label(self.head[e])}) goes into the input "
                f"{self.label(self.head[e])}; remove the edge, or take the node off the inputs"
            )

    def _make_plan(self) -> Plan:
        try:
            selecting = [name not in ("sum", "mean") for name in self.aggregation_names]
            in_order = np.array(selecting)[self.aggregation_code] if any(selecting) else None
            return make_plan(self.n_nodes, self.tail, self.head, in_order)
        except CycleFound as found:
            self._check_arcs()  # a loop is a cycle too
            cycle, shortest = find_cycle(self.n_nodes, self.tail, self.head, found.level)
        path = [self.label(i) for i in [*cycle, cycle[0]]]
        if len(path) > 12:
            path = [*path[:6], f"... ({len(path) - 11} more)", *path[-5:]]
        raise GraphError(
            f"the edges {' -> '.join(path)} form a cycle{' (a shortest one)' if shortest else ''}; "
            "a feed-forward network has none: remove one of these edges, or see edgewise.feed_forward"
        ) from None

    def _ends(self, given: IntArray | None, other_end: IntArray, what: str) -> IntArray:
        if given is None:
            free = np.ones(self.n_nodes, np.bool_)
            free[other_end] = False
            return np.flatnonzero(free).astype(np.int32)
        if len(set(given.tolist())) < len(given):
            twice = int(np.bincount(given).argmax())
            raise GraphError(f"{what} lists {self.label(twice)} twice; list each node once")
        if what == "outputs" and not len(given):
            raise GraphError("outputs is empty; a network needs at least one output")
        return given

    def _codes(self, given: Any, what: str, get: Any) -> tuple[tuple[str, ...], NDArray[np.intp]]:
        """The distinct names used at nodes that are not inputs, sorted, and each node's index into them."""
        if isinstance(given, str):
            get(given)
            return (given,), np.zeros(self.n_nodes, np.intp)
        per_node = list(given)
        if len(per_node) != self.n_nodes:
            raise GraphError(f"{what} has {len(per_node)} entries; {self.n_nodes} nodes need one each, or one for all")
        ignored = object()
        for j in self.inputs.tolist():
            per_node[j] = ignored
        of_table: dict[Any, str] = {}
        for j, name in enumerate(per_node):
            if name is not ignored and name not in of_table:
                try:
                    of_table[name] = get(name).name
                except GraphError as error:
                    raise GraphError(f"node {self.label(j)}: {error}") from None
        found = tuple(sorted(of_table.values())) or (("identity",) if what == "activation" else ("sum",))
        code = {name: found.index(of) for name, of in of_table.items()}
        code[ignored] = 0
        return found, np.array([code[name] for name in per_node], np.intp)

    def _parameters(self, given: ArrayLike, count: int, what: str, per: str, tied: Ties | None = None) -> FloatArray:
        try:
            array = np.asarray(given)
        except ValueError:
            array = np.asarray(None)
        if array.dtype.kind not in "fiub" and array.size:
            raise GraphError(f"{what} must be numbers: one per {per}, or one for all")
        if array.shape not in ((), (count,)):
            raise GraphError(f"{what} has shape {array.shape}; give ({count},), one per {per}, or one number for all")
        if array.shape != (count,):
            array = np.broadcast_to(array, (count,))
        if array.dtype == self._dtype:
            array = array.copy()
        else:
            with np.errstate(over="ignore"):
                array = array.astype(self._dtype)
        self._check_finite(array, what, per)
        if tied is not None:
            self._check_tied(tied, array, what, per)
        return array

    def _check_finite(self, array: FloatArray, what: str, per: str) -> None:
        if not all_finite(array):
            k = int(np.argmin(np.isfinite(array)))
            place = (
                f"node {self.label(k)}"
                if per == "node"
                else f"edge {k}, {self.label(self.tail[k])} -> {self.label(self.head[k])}"
            )
            raise GraphError(f"{what}[{k}] ({place}) is {array[k]} in {self._dtype}; it must be a finite number")

    def _check_tied(self, tied: Ties, array: FloatArray, what: str, per: str) -> None:
        apart = tied.apart(array)
        if apart is not None:
            first, other = (self.label(k) if per == "node" else str(k) for k in apart)
            plural = "biases" if what == "bias" else f"{what}s"
            raise GraphError(
                f"{per}s {first} and {other} are tied but their {plural} differ, {array[apart[0]]} and "
                f"{array[apart[1]]}; give both the same {what}"
            )

    # ---- structure ----

    @property
    def n_edges(self) -> int:
        """E"""
        return len(self.tail)

    @property
    def n_inputs(self) -> int:
        return len(self.inputs)

    @property
    def n_outputs(self) -> int:
        return len(self.outputs)

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._dtype

    @property
    def has_names(self) -> bool:
        """Whether the nodes were named, rather than called by their index."""
        return self._names.given is not None

    @property
    def names(self) -> tuple[str, ...]:
        """(N,) name of each node; its index as a str if it was given none."""
        return self._names.all

    def label(self, node: int) -> str:
        """How messages call a node: its name if it has one, else its index."""
        return self._names.label(node)

    def node(self, node: Node) -> int:
        """The index of a node given by index or name; GraphError if there is none."""
        return self._names.index(node)

    @cached_property
    def activations(self) -> tuple[str, ...]:
        """(N,) activation of each node; "identity" at inputs."""
        found = [self.activation_names[code] for code in self.activation_code]
        for j in self.inputs.tolist():
            found[j] = "identity"
        return tuple(found)

    @cached_property
    def aggregations(self) -> tuple[str, ...]:
        """(N,) aggregation of each node; "sum" at inputs."""
        found = [self.aggregation_names[code] for code in self.aggregation_code]
        for j in self.inputs.tolist():
            found[j] = "sum"
        return tuple(found)

    @cached_property
    def depth(self) -> IntArray:
        """(N,) d(i): arcs on the longest directed path from i to an output; -1 if it reaches none."""
        depth = depth_to(self.plan, self.head, self.outputs)
        depth.flags.writeable = False
        return depth

    @property
    def tie(self) -> IntArray | None:
        """(E,) the parameter of each edge, numbered by first use; None if every edge has a weight of its own."""
        return self.weight_ties.index

    @property
    def bias_tie(self) -> IntArray | None:
        """(N,) the parameter of each node, numbered by first use, inputs sharing none; None if no bias is tied."""
        return self.bias_ties.index

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """The layers of a layerwise network: consecutive nodes, each level fully joined to the next, head by head.

        GraphError if the network is not of that form; `edgewise.mlp` makes such networks.
        """
        return find_layers(self)

    # ---- parameters ----

    @property
    def weight(self) -> FloatArray:
        """(E,) weights in the caller's edge order; writable. Tied edges must be written alike."""
        return self._weight

    @weight.setter
    def weight(self, given: ArrayLike) -> None:
        self._weight[:] = self._parameters(given, self.n_edges, "weight", "edge", self.weight_ties)

    @property
    def bias(self) -> FloatArray:
        """(N,) biases in the caller's node order; writable. An input's is ignored. Tied nodes must be written alike."""
        return self._bias

    @bias.setter
    def bias(self, given: ArrayLike) -> None:
        self._bias[:] = self._parameters(given, self.n_nodes, "bias", "node", self.bias_ties)

    @property
    def response(self) -> FloatArray:
        """(N,) responses r_j in the caller's node order; writable. An input's is ignored."""
        return self._response

    @response.setter
    def response(self, given: ArrayLike) -> None:
        self._response[:] = self._parameters(given, self.n_nodes, "response", "node")

    # ---- the two passes ----

    def forward(self, x: samples.Samples, *, engine: str | None = None, threads: int | None = None) -> ForwardPass:
        """The forward pass.

        x : (B, n_inputs), or (n_inputs,) for one sample, or a dict from input name to a number or (B,) numbers.
        """
        array, one_sample = samples.read(self, x)
        return ForwardPass(_forward(engine, self, array, threads), one_sample=one_sample)

    def backprop(
        self,
        x: samples.Samples,
        target: Node | Sequence[Node] | None = None,
        *,
        y: ArrayLike | None = None,
        loss: str | losses.Loss | None = None,
        reduction: Literal["mean", "sum"] = "mean",
        sample_weight: ArrayLike | None = None,
        class_weight: losses.ClassWeight | None = None,
        engine: str | None = None,
        threads: int | None = None,
    ) -> BackwardPass:
        """Both passes, with every quantity of the theory in the result.

        Parameters
        ----------
        x : (B, n_inputs), or (n_inputs,) for one sample, or a dict from input name to a number or (B,) numbers.
        target : without a loss: the node t of S(·,t), by index or name, S(t,t) = 1; None is the only output. A list
            of nodes puts a target axis first on every sensitivity and gradient.
        y, loss : what the outputs should be, and the loss J that is then the target; see `edgewise.losses`.
        reduction : how weight, bias and response gradients (and `loss`) go from samples to the batch. "mean" divides
            the sum by the sum of the samples' weights, which is B if none are given. Sensitivities and edge
            derivatives are never reduced: each is of that sample's own y(t) or J.
        sample_weight, class_weight : (B,) and per class, each ≥ 0: a sample's J is multiplied by both.
        engine : "native" (the default, also for None) or "reference", the recursion as the lecture writes it.
        threads : at most how many threads to use; None for all. The result does not depend on it.

        Raises DataError for data that do not fit, GraphError for an unknown target.
        """
        array, one_sample = samples.read(self, x)
        if reduction not in ("mean", "sum"):
            raise DataError(f"reduction must be 'mean' or 'sum', not {reduction!r}")
        start, one_target = objective.read(self, len(array), target, y, loss, sample_weight, class_weight)
        return BackwardPass(
            _backward(engine, self, array, start, threads),
            one_sample=one_sample,
            one_target=one_target,
            mean=reduction == "mean",
        )

    # ---- other forms of the same network ----

    def _arguments(self) -> dict[str, Any]:
        """What the constructor would make this network from."""
        return {
            "tail": self.tail,
            "head": self.head,
            "weight": self._weight,
            "bias": self._bias,
            "activation": self.activations,
            "aggregation": self.aggregations,
            "response": self._response,
            "inputs": self.inputs,
            "outputs": self.outputs,
            "names": self._names.given,
            "tie": self.tie,
            "bias_tie": self.bias_tie,
            "dtype": self._dtype,
        }

    def replace(self, **changes: Any) -> "Network":
        """A network of its own, like this one but for the constructor's arguments that are given."""
        return Network(**(self._arguments() | changes))

    def __reduce__(self) -> tuple[Any, ...]:
        """For another process or a deep copy: the same network, whatever has been made from it here."""
        return _from_arguments, (self._arguments(),)

    def copy(self) -> "Network":
        """A network of its own with the same structure and parameters."""
        return self.replace()

    def with_own_parameters(self) -> "Network":
        """The same structure, shared, with parameters of its own: cheap where the structure is large."""
        return self.with_parameters(self._weight.copy(), self._bias.copy(), self._response.copy())

    def with_parameters(self, weight: FloatArray, bias: FloatArray, response: FloatArray) -> "Network":
        """The same structure, shared, with these very arrays as its parameters, their dtype being its own.

        For code that keeps parameters: nothing is copied or checked, so they must be contiguous and of one dtype.
        """
        twin = object.__new__(Network)
        twin.__dict__.update(self.__dict__)
        twin.__dict__.pop("layers", None)  # they are views of the parameters
        twin._weight, twin._bias, twin._response, twin._dtype = weight, bias, response, weight.dtype
        return twin

    def with_arcs(self, tail: IntArray, head: IntArray, weight: FloatArray) -> "Network":
        """The same nodes joined by other arcs, biases and responses being its own: much cheaper than `replace`.

        For code that makes arcs: nothing is checked but that they form no cycle, so they must be nodes, lead into no
        input, and the weights be finite and of the network's dtype.
        """
        twin = self.with_own_parameters()
        twin.__dict__.pop("depth", None)  # of the arcs
        twin.tail, twin.head, twin._weight, twin.kept = tail, head, weight, {}
        twin.weight_ties = Ties(None, len(tail))
        twin.plan = twin._make_plan()
        tail.flags.writeable = head.flags.writeable = False
        return twin

    def astype(self, dtype: DTypeLike, *, copy: bool = True) -> "Network":
        """The same structure, shared, with parameters and results in another dtype, "float32" or "float64".

        copy : False for this very network where it has that dtype already.
        """
        if not copy and self._dtype == float_dtype(dtype):
            return self
        twin = self.with_own_parameters()
        twin._dtype = float_dtype(dtype)
        twin._weight = twin._parameters(self._weight, self.n_edges, "weight", "edge")
        twin._bias = twin._parameters(self._bias, self.n_nodes, "bias", "node")
        twin._response = twin._parameters(self._response, self.n_nodes, "response", "node")
        return twin

    def decouple(self) -> "Decoupled":
        """The decoupled formulation: every neuron j as a linear subnode j⁻ and an activation subnode j⁺.

        Returns `pair` with `pair.network`, an ordinary network; `pair.linear[j]` and `pair.activation[j]` are the
        indices of j⁻ and j⁺ in it, the same node for an input. Its first E edges are this network's.
        """
        from edgewise.transform import decouple  # transform makes Networks

        return decouple(self)

    def show(
        self,
        x: samples.Samples | None = None,
        target: Node | None = None,
        *,
        y: ArrayLike | None = None,
        loss: str | losses.Loss | None = None,
    ) -> "AnyWidget":
        """The network as a widget in a notebook; with x both passes through it, step by step.

        x, target, y, loss : as for `backprop`, one target or a loss.

        Raises as `backprop` does, and MissingDependencyError without `edgewise[notebook]`.
        """
        if x is not None:
            return self.backprop(x, target, y=y, loss=loss).show()
        from edgewise.view import scene, widget

        return widget.show(scene.data(self))

    def save(self, path: str | PathLike[str]) -> None:
        """Write the network to a file; the suffix picks the format: .json, .safetensors, .graphml, .csv, .parquet or
        .onnx; .dot and .mmd are drawings, which cannot be loaded again.

        The file is written whole or not at all. FormatError if it cannot be.
        """
        from edgewise import formats  # formats make Networks

        formats.save(self, path)

    def __repr__(self) -> str:
        return (
            f"Network({self.n_nodes} nodes, {self.n_edges} edges, {self.n_inputs} inputs, {self.n_outputs} outputs, "
            f"{self.plan.n_levels} levels, {self._dtype})"
        )


_forward, _backward = engine.forward, engine.backward  # `engine` is also an argument's name above


def _from_arguments(arguments: dict[str, Any]) -> Network:
    return Network(**arguments)


def float_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    try:
        found = np.dtype(dtype)
    except TypeError:
        found = None
    if found not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise GraphError(f'dtype must be "float32" or "float64", not {dtype!r}')
    return found


def _coded(names: Sequence[str], n_inputs: int) -> tuple[tuple[str, ...], NDArray[np.intp]]:
    """The distinct names, sorted, and each node's index into them, after the inputs' 0."""
    found = tuple(sorted(set(names)))
    code = {name: k for k, name in enumerate(found)}
    return found, np.array([0] * n_inputs + [code[name] for name in names], np.intp)
