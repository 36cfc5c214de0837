"""From a network to an ONNX program: level by level, what has the same activation and aggregation at once.

Sums whose arcs fill a good part of a matrix are a Gemm with that matrix. Others gather the tails of each head, as many
as the head of the group with most arcs has, and multiply them with its weights; arcs that a head lacks have weight 0.
Where anything is gathered, tensors have samples as columns, so that what is copied is a row of them at a time.
Aggregations other than sums gather heads of one in-degree together, so that nothing has to be filled up. Nodes that
reach no output are left out.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from edgewise import activations, description
from edgewise.arrays import FloatArray
from edgewise.errors import FormatError
from edgewise.formats.onnx.library import library
from edgewise.formats.onnx.operators import patterns
from edgewise.formats.onnx.operators.activations import WRITTEN, write_activation
from edgewise.formats.onnx.program import Program
from edgewise.network import Network

HEADS_PER_ARC = 32
"""A row of a matrix takes onnxruntime as long as one arc that is gathered, and one more for so many heads."""
FEW = 4
"""Values that lie in more tensors than this are taken from a tensor of all values so far."""


def encode(network: Network) -> bytes:
    """The network as the bytes of an ONNX file, inputs `x` (N, n_inputs), outputs `y` (N, n_outputs), N free.

    FormatError naming the activations that ONNX has no operators for: those registered from Python, and neat_inv, whose
    0 at 0 no arithmetic has.
    """
    onnx = library()
    unknown = sorted(set(network.activations) - WRITTEN)
    if unknown:
        raise FormatError(f"ONNX has no operators for the activations {', '.join(unknown)}; save .json or .safetensors")
    if not network.n_inputs:
        raise FormatError("the network has no inputs, without which an ONNX program has no samples")
    description.refuse_not_finite(network)
    program = Program(onnx, network.dtype)
    _Writer(network, program).write()
    return program.encoded(network.n_inputs, network.n_outputs)


class _Writer:
    """Writes a network's nodes group by group, and keeps where each one's value is."""

    def __init__(self, network: Network, program: Program) -> None:
        self.network, self.program, self.op = network, program, program.op
        self.axis = 1
        """Which axis of a tensor is that of the nodes; the other is that of the samples."""
        self.tensors = ["x"]
        self.widths = [network.n_inputs]
        self.tensor_of = np.zeros(network.n_nodes, np.int64)  # in which tensor a node's value is, and which column
        self.column_of = np.zeros(network.n_nodes, np.int64)
        self.column_of[network.inputs] = np.arange(network.n_inputs)
        self.joined: dict[tuple[int, ...], str] = {}
        self.bank = ("", 0)
        """The tensor of all values so far, and of how many tensors it is made."""

    def write(self) -> None:
        groups = list(self._groups())
        if not all(self._is_dense(group) for group in groups):
            self.axis = 0
            self.tensors[0] = self.op("Transpose", "x", perm=[1, 0])
        for group in groups:
            self._add_group(group)
        taken = self._columns(*self._values(self.network.outputs))
        if self.axis:
            self.op("Identity", taken, output="y")
        else:
            self.op("Transpose", taken, output="y", perm=[1, 0])

    # ---- groups of nodes ----

    def _groups(self) -> Iterator[NDArray[np.int32]]:
        """The nodes that outputs need, level by level, those that are alike at once."""
        plan, wanted = self.network.plan, ~self.network.is_input & (self.network.depth >= 0)
        for level in range(plan.n_levels):
            at_level = plan.order[plan.level_start[level] : plan.level_start[level + 1]]
            yield from self._alike(at_level[wanted[at_level]])

    def _alike(self, nodes: NDArray[np.int32]) -> Iterator[NDArray[np.int32]]:
        """Nodes of one activation and aggregation; of one in-degree too, where that matters."""
        network = self.network
        degree = np.diff(network.plan.in_start)[network.plan.position[nodes]]
        summing = np.array([name in ("sum", "mean") for name in network.aggregation_names])[
            network.aggregation_code[nodes]
        ]
        kind = np.where(summing, np.minimum(degree, 1) - 2, degree)  # sums with arcs, sums without, or by degree
        code = np.where(summing, -1, network.aggregation_code[nodes])
        keys = np.stack([network.activation_code[nodes], code, kind])
        _, group = np.unique(keys, axis=1, return_inverse=True)
        for k in range(int(group.max(initial=-1)) + 1):
            yield nodes[group.reshape(-1) == k]

    def _is_dense(self, nodes: NDArray[np.int32]) -> bool:
        """Whether the nodes are sums that a matrix makes best, or have no arcs at all."""
        edges, _ = self._in_edges(nodes)
        summing = self.network.aggregations[nodes[0]] in ("sum", "mean")
        worth = min(len(nodes), 1 + len(nodes) / HEADS_PER_ARC)  # a full matrix is always dense
        return not len(edges) or (summing and len(edges) >= worth * len(np.unique(self.network.tail[edges])))

    def _add_group(self, nodes: NDArray[np.int32]) -> None:
        network = self.network
        bias = network.bias[nodes]
        edges, start = self._in_edges(nodes)
        if not len(edges):
            self._add_constants(nodes)
            return
        aggregation = network.aggregations[nodes[0]]
        owner = np.repeat(np.arange(len(nodes)), np.diff(start))
        if aggregation in ("sum", "mean"):
            weight = network.weight[edges].astype(np.float64) * network.response[nodes][owner]
            averaged = np.array([network.aggregations[j] == "mean" for j in nodes.tolist()])
            weight = np.where(averaged[owner], weight / np.diff(start)[owner], weight).astype(network.dtype)
            if self._is_dense(nodes):
                tails, place = np.unique(network.tail[edges], return_inverse=True)
                matrix = np.zeros((len(tails), len(nodes)), network.dtype)
                np.add.at(matrix, (place.reshape(-1), owner), weight)
                self._add(nodes, self._gemm(tails, matrix, bias))
            else:
                self._add_sparse(nodes, edges, start, weight)
            return
        k = int(start[1])
        summed = self._aggregated(edges.reshape(-1, k), network.weight[edges].reshape(-1, k), aggregation)
        if (network.response[nodes] != 1).any():
            summed = self.op("Mul", summed, self._along_nodes(network.response[nodes]))
        self._add(nodes, self._shifted(summed, bias))

    def _in_edges(self, nodes: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """The in-arcs of these nodes, one node after the other, and where each node's begin."""
        plan = self.network.plan
        position = plan.position[nodes]
        count = (plan.in_start[position + 1] - plan.in_start[position]).astype(np.int64)
        start = np.concatenate([[0], np.cumsum(count)])
        place = np.repeat(plan.in_start[position] - start[:-1], count) + np.arange(start[-1])
        return plan.in_edge[place], start

    def _add_constants(self, nodes: NDArray[np.int32]) -> None:
        """Neurons without arcs: Φ(b) for every sample."""
        network = self.network
        value = activations.get(network.activations[nodes[0]]).value
        with np.errstate(all="ignore"):
            row = value(network.bias[nodes]).astype(network.dtype)
        shape = self.op("Shape", "x")
        count = self.op("Gather", shape, np.array([0]))
        width = np.array([len(nodes)])
        full = self.op("Concat", *((count, width) if self.axis else (width, count)), axis=0)
        self._place(nodes, self.op("Expand", self._along_nodes(row), full))

    def _gemm(self, tails: NDArray[np.int32], matrix: FloatArray, bias: FloatArray) -> str:
        name, columns = self._values(tails)
        order = np.argsort(columns, kind="stable")
        taken = self._columns(name, columns[order])
        if self.axis:
            return self.op("Gemm", taken, matrix[order], bias)
        return self.op("Gemm", matrix[order].T, taken, self._along_nodes(bias))

    def _add_sparse(
        self, nodes: NDArray[np.int32], edges: NDArray[np.int32], start: NDArray[np.int64], weight: FloatArray
    ) -> None:
        """Sums in groups of heads whose in-degrees differ by less than a factor of two."""
        degree = np.diff(start)
        size = np.ceil(np.log2(degree)).astype(np.int64)
        for exponent in np.unique(size).tolist():
            chosen = np.flatnonzero(size == exponent)
            most = int(degree[chosen].max())
            there = np.arange(most) < degree[chosen][:, None]
            place = np.where(there, start[chosen][:, None] + np.arange(most), start[chosen][:, None])
            weights = np.where(there, weight[place], 0).astype(weight.dtype)
            summed = self._aggregated(edges[place], weights, "sum")
            self._add(nodes[chosen], self._shifted(summed, self.network.bias[nodes[chosen]]))

    def _aggregated(self, edges: NDArray[np.int32], weight: FloatArray, aggregation: str) -> str:
        """(heads, terms) arcs to one number for each head."""
        name, columns = self._values(self.network.tail[edges].reshape(-1))
        terms = self.op("Gather", name, columns.reshape(edges.shape), axis=0)  # heads, terms, samples
        axis, k = 1, edges.shape[1]
        if aggregation == "sum":
            summed = self.op("MatMul", weight[:, None, :], terms)
            return self.op("Squeeze", summed, np.array([axis]))
        if (weight != 1).any():
            terms = self.op("Mul", terms, weight[:, :, None])
        if aggregation in ("max", "min", "product"):
            operator = {"max": "ReduceMax", "min": "ReduceMin", "product": "ReduceProd"}[aggregation]
            return self.op(operator, terms, axes=[axis], keepdims=0)
        if aggregation == "maxabs":
            return patterns.write_largest_magnitude(self.program, terms, axis)
        assert aggregation == "median"
        return patterns.write_median(self.program, terms, axis, k)

    def _shifted(self, name: str, bias: FloatArray) -> str:
        return self.op("Add", name, self._along_nodes(bias)) if bias.any() else name

    def _along_nodes(self, numbers: FloatArray) -> FloatArray:
        """One number for each node, so that it broadcasts along the samples."""
        return numbers if self.axis else numbers[:, None]

    def _add(self, nodes: NDArray[np.int32], preactivation: str) -> None:
        """Values of nodes of one activation from their pre-activations."""
        self._place(nodes, write_activation(self.program, self.network.activations[nodes[0]], preactivation))

    def _place(self, nodes: NDArray[np.int32], name: str) -> None:
        self.tensor_of[nodes], self.column_of[nodes] = len(self.tensors), np.arange(len(nodes))
        self.tensors.append(name)
        self.widths.append(len(nodes))

    # ---- where values are ----

    def _values(self, nodes: NDArray[np.int32]) -> tuple[str, NDArray[np.int64]]:
        """A tensor that has the values of these nodes, and in which columns."""
        used = np.unique(self.tensor_of[nodes])
        if len(used) == 1:
            return self.tensors[int(used[0])], self.column_of[nodes]
        if len(used) > FEW:
            used = np.arange(len(self.tensors))
            name = self._bank()
        else:
            name = self._joined(tuple(used.tolist()))
        offset = np.zeros(len(self.tensors), np.int64)
        offset[used] = np.cumsum([0, *(self.widths[k] for k in used[:-1].tolist())])
        return name, offset[self.tensor_of[nodes]] + self.column_of[nodes]

    def _joined(self, used: tuple[int, ...]) -> str:
        if used not in self.joined:
            self.joined[used] = self.op("Concat", *(self.tensors[k] for k in used), axis=self.axis)
        return self.joined[used]

    def _bank(self) -> str:
        name, count = self.bank
        if count < len(self.tensors):
            parts = [*([name] if count else []), *self.tensors[count:]]
            self.bank = (self.op("Concat", *parts, axis=self.axis), len(self.tensors))
        return self.bank[0]

    def _columns(self, name: str, columns: NDArray[np.int64]) -> str:
        """The chosen columns of a tensor; the tensor itself if that is all of them in order."""
        if name in self.tensors and np.array_equal(columns, np.arange(self.widths[self.tensors.index(name)])):
            return name
        return self.op("Gather", name, columns, axis=self.axis)
