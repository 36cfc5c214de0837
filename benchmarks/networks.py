"""The networks that are timed, and the numbers put into them: made once, and given to every side alike."""

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

import edgewise as ew
from benchmarks.kinks import move_off_kinks

FloatArray = NDArray[np.float32]
IntArray = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Problem:
    """A network, its inputs and what its outputs should be."""

    net: ew.Network
    x: FloatArray  # (B, n_inputs)
    y: NDArray[Any]  # (B, n_outputs), or (B,) class indices
    loss: str = "squared_error"

    @property
    def batch(self) -> int:
        return len(self.x)

    @cached_property
    def neurons(self) -> IntArray:
        return np.flatnonzero(~self.net.is_input)


@dataclass(frozen=True)
class Layered(Problem):
    """A network of layers, each seen also as the (n_out, n_in) matrix that frameworks work on.

    Nodes are numbered layer by layer, edges by layer, then head, then tail. Arcs that are missing from a matrix are
    zeros in it.
    """

    sizes: tuple[int, ...] = ()
    activation: str = "relu"  # of all layers but the last, which is the identity

    @cached_property
    def first(self) -> IntArray:
        """The first node of each layer, and the number of nodes."""
        return np.concatenate([[0], np.cumsum(self.sizes)])

    @cached_property
    def edges(self) -> tuple[tuple[slice, IntArray, IntArray], ...]:
        """For each layer, which edges are in it, and their rows and columns in its matrix."""
        bounds = np.searchsorted(self.net.head, self.first[1:])
        return tuple(
            (slice(a, b), self.net.head[a:b] - self.first[k + 1], self.net.tail[a:b] - self.first[k])
            for k, (a, b) in enumerate(itertools.pairwise(bounds))
        )

    def weights(self) -> list[FloatArray]:
        """The (n_out, n_in) matrix of each layer."""
        matrices = []
        for (part, row, column), n_in, n_out in zip(self.edges, self.sizes[:-1], self.sizes[1:], strict=True):
            matrix = np.zeros((n_out, n_in), np.float32)
            matrix[row, column] = self.net.weight[part]
            matrices.append(matrix)
        return matrices

    def biases(self) -> list[FloatArray]:
        """The (n_out,) biases of each layer."""
        return [self.net.bias[a:b].copy() for a, b in zip(self.first[1:-1], self.first[2:], strict=True)]

    def of_edges(self, matrices: list[NDArray[Any]]) -> NDArray[Any]:
        """(..., E) from one (..., n_out, n_in) matrix per layer."""
        parts = [
            np.asarray(matrix)[..., row, column] for matrix, (_, row, column) in zip(matrices, self.edges, strict=True)
        ]
        return np.concatenate(parts, axis=-1)


@dataclass(frozen=True)
class Training(Layered):
    """A layered network to be trained on minibatches; x and y hold all samples."""

    batch_size: int = 32
    epochs: int = 1
    learning_rate: float = 0.01

    @property
    def batch(self) -> int:
        return self.batch_size

    @property
    def first_four(self) -> slice:
        """The samples of the first four minibatches."""
        return slice(4 * self.batch_size)

    @property
    def steps(self) -> int:
        """Of one run."""
        return self.epochs * -(-len(self.x) // self.batch_size)


def random_dag(
    n_nodes: int, n_edges: int, batch: int, *, mixed: bool = False, comparable: bool = True, seed: int = 0
) -> Problem:
    """A random graph, its 50 inputs first and its 10 outputs last, with arcs to any earlier node.

    mixed : a third each of the hidden neurons is ReLU, tanh and sigmoid; otherwise all are ReLU.
    comparable : take care that all libraries can come to the same numbers, see `kinks`.
    """
    rng = np.random.default_rng(seed)
    net = ew.random_dag(n_nodes, n_edges, n_inputs=50, n_outputs=10, seed=rng, dtype="float32")
    if np.isin(net.tail, net.outputs).any():
        tail = _off_the_outputs(net, rng)
        order = np.lexsort((tail, net.head))
        net = net.replace(tail=tail[order], weight=net.weight[order])
    if mixed:
        names = np.array(["relu", "tanh", "sigmoid"], object)[rng.permuted(np.arange(n_nodes) % 3)]
        names[net.outputs] = "identity"
        net = net.replace(activation=names.tolist())
    net.bias = _bias(rng, n_nodes)
    return _problem(net, batch, rng, comparable)


def _off_the_outputs(net: ew.Network, rng: np.random.Generator) -> IntArray:
    """Tails of which none is an output (Connex wants it so): the few that are become random other ones."""
    tail: IntArray = net.tail.astype(np.int64)
    head = net.head.astype(np.int64)
    last = net.n_nodes - net.n_outputs
    pairs = np.sort(head * net.n_nodes + tail)
    for e in np.flatnonzero(tail >= last).tolist():
        while True:
            new = int(rng.integers(0, last))
            pair = head[e] * net.n_nodes + new
            at = np.searchsorted(pairs, pair)
            if at == len(pairs) or pairs[at] != pair:
                break
        tail[e] = new
        pairs = np.insert(pairs, at, pair)
    return tail


def local_dag(n_nodes: int, n_edges: int, window: int, batch: int, *, seed: int = 0) -> Problem:
    """A random graph with arcs from the `window` nodes before each neuron, its nodes then numbered at random."""
    rng = np.random.default_rng(seed)
    n_inputs, n_outputs = 50, 10
    neurons = np.arange(n_inputs, n_nodes)
    chosen = neurons * window + rng.integers(0, np.minimum(window, neurons))  # at least one in-arc each
    while len(chosen) < n_edges:
        head = rng.integers(n_inputs, n_nodes, n_edges - len(chosen))
        chosen = np.unique(np.concatenate([chosen, head * window + rng.integers(0, np.minimum(window, head))]))
    head, back = chosen // window, chosen % window
    number = rng.permutation(n_nodes)
    tail, head = number[head - 1 - back], number[head]
    order = np.lexsort((tail, head))
    fan_in = np.bincount(head, minlength=n_nodes)
    weight = rng.standard_normal(len(head)) * np.sqrt(2 / fan_in[head])
    activation = np.full(n_nodes, "relu", object)
    activation[number[-n_outputs:]] = "identity"
    net = ew.Network(
        tail[order],
        head[order],
        weight[order],
        bias=_bias(rng, n_nodes),
        activation=activation.tolist(),
        inputs=number[:n_inputs],
        outputs=number[-n_outputs:],
        dtype="float32",
    )
    return _problem(net, batch, rng)


def dense(*sizes: int, batch: int, activation: str = "relu", loss: str = "squared_error", seed: int = 0) -> Layered:
    """A layered network, every node of a layer feeding every node of the next."""
    rng = np.random.default_rng(seed)
    net = ew.mlp(sizes, activation=activation, seed=rng, dtype="float32")
    net.bias = _bias(rng, net.n_nodes)
    x = rng.standard_normal((batch, sizes[0]), np.float32)
    move_off_kinks(net, x)
    return Layered(net, x, _wanted(rng, loss, batch, sizes[-1]), loss, sizes, activation)


def sparse(*sizes: int, sparsity: float, batch: int, seed: int = 0) -> Layered:
    """A layered network that has lost the share `sparsity` of its arcs, drawn at random."""
    rng = np.random.default_rng(seed)
    first = np.concatenate([[0], np.cumsum(sizes)])
    tails, heads, weights = [], [], []
    for k, (n_in, n_out) in enumerate(itertools.pairwise(sizes)):
        kept = np.sort(rng.choice(n_in * n_out, round((1 - sparsity) * n_in * n_out), replace=False))
        tails.append(first[k] + kept % n_in)
        heads.append(first[k + 1] + kept // n_in)
        weights.append(rng.standard_normal(len(kept)) * np.sqrt(2 / ((1 - sparsity) * n_in)))
    n = int(first[-1])
    net = ew.Network(
        np.concatenate(tails),
        np.concatenate(heads),
        np.concatenate(weights),
        bias=_bias(rng, n),
        activation=["relu"] * int(first[-2]) + ["identity"] * sizes[-1],
        inputs=np.arange(sizes[0]),
        outputs=np.arange(first[-2], n),
        dtype="float32",
    )
    x = rng.standard_normal((batch, sizes[0]), np.float32)
    move_off_kinks(net, x)
    return Layered(net, x, _wanted(rng, "squared_error", batch, sizes[-1]), sizes=sizes)


def regression(*sizes: int, batch_size: int, samples: int, epochs: int) -> Training:
    """A layered network to be trained on random numbers."""
    made = dense(*sizes, batch=samples)
    return Training(made.net, made.x, made.y, made.loss, made.sizes, made.activation, batch_size, epochs)


def digits(*hidden: int, batch_size: int, epochs: int) -> Training:
    """scikit-learn's handwritten digits, and a layered network to be trained on them."""
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    sizes = (x.shape[1], *hidden, 10)
    return Training(
        ew.mlp(sizes, seed=0, dtype="float32"),
        (x / 16).astype(np.float32),
        y,
        "cross_entropy",
        sizes,
        batch_size=batch_size,
        epochs=epochs,
        learning_rate=1e-3,
    )


def _problem(net: ew.Network, batch: int, rng: np.random.Generator, comparable: bool = True) -> Problem:
    x = rng.standard_normal((batch, net.n_inputs), np.float32)
    if comparable:
        move_off_kinks(net, x)
    return Problem(net, x, _wanted(rng, "squared_error", batch, net.n_outputs))


def _bias(rng: np.random.Generator, n_nodes: int) -> FloatArray:
    return 0.1 * rng.standard_normal(n_nodes, np.float32)


def _wanted(rng: np.random.Generator, loss: str, batch: int, n_outputs: int) -> NDArray[Any]:
    if loss == "cross_entropy":
        return rng.integers(0, n_outputs, batch)
    return rng.standard_normal((batch, n_outputs), np.float32)
