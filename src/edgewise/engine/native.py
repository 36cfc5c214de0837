"""The native engine: the two passes in the compiled core, each quantity made when it is asked for.

This is the only module that speaks to the core's passes. It turns a network and an objective into plain arrays and
what comes back into the arrays of `results.BackwardQuantities`; the arithmetic is in src/native.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgewise import _core, activations, aggregations, losses
from edgewise.arrays import FloatArray, IntArray, empty
from edgewise.objective import LossTarget, NodeTargets, Objective
from edgewise.places import AbsentArcs, Places, may_head

if TYPE_CHECKING:
    from edgewise.batches import Chunk
    from edgewise.network import Network

ACTIVATION_CODE = {name: code for code, name in enumerate(activations.BUILTIN)}
AGGREGATION_CODE = {name: code for code, name in enumerate(aggregations.NAMES)}
OPTIMIZER_CODE = {"sgd": 0, "adam": 1, "adamw": 2}
LOSS_CODE = {name: code for code, name in enumerate(losses.NAMES)}

# A forked process has no copy of the team of threads that its parent may have had.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_core.after_fork)


MOST_THREADS = 64


def share_team(parallel: int, member: int, size: int) -> None:
    """Where the functions of another library's OpenMP are: GOMP_parallel, omp_get_thread_num, omp_get_max_threads."""
    _core.share_team(parallel, member, size)


@contextmanager
def shared_team() -> Iterator[None]:
    """Within, what this thread asks for is done by that library's threads, if they are known."""
    before = _core.use_shared_team(True)
    try:
        yield
    finally:
        _core.use_shared_team(before)


def _team(threads: int | None) -> int:
    """0 leaves the number to the core, which never uses more than MOST_THREADS."""
    return 0 if threads is None else min(threads, MOST_THREADS)


def runs(network: "Network") -> bool:
    """Whether the core knows everything in the network: it does not know activations registered from Python."""
    return "native structure" in network.kept or all(name in ACTIVATION_CODE for name in network.activation_names)


def structure_of(network: "Network") -> _core.Structure:
    """The network's structure as the core reads it, made once."""
    found = network.kept.get("native structure")
    if found is None:
        plan = network.plan
        activation = np.array([ACTIVATION_CODE[name] for name in network.activation_names], np.uint8)
        aggregation = np.array([AGGREGATION_CODE[name] for name in network.aggregation_names], np.uint8)
        found = network.kept["native structure"] = _core.Structure(
            network.tail,
            network.head,
            plan.order,
            plan.position,
            plan.level_start,
            plan.in_start,
            plan.in_edge,
            plan.out_start,
            plan.out_edge,
            activation[network.activation_code],
            aggregation[network.aggregation_code],
            network.is_input.view(np.uint8),
            network.inputs,
            network.outputs,
            network.tie,
            network.weight_ties.n_parameters if network.tie is not None else 0,
            network.bias_tie,
            network.bias_ties.n_parameters if network.bias_tie is not None else 0,
        )
    return found


class NativePass:
    """Both passes over one network; `results.BackwardQuantities` as the native engine makes them."""

    def __init__(self, network: "Network", x: FloatArray, threads: int | None, *, gates: bool) -> None:
        self._network = network
        self._n_samples, self._x, self._threads = len(x), x, _team(threads)
        kind = _core.Pass32 if x.itemsize == 4 else _core.Pass64  # comparing types takes longer
        self._pass = kind(
            structure_of(network), network.weight, network.bias, network.response, x, gates, self._threads
        )

    @property
    def network(self) -> "Network":
        return self._network

    def _empty(self, *shape: int) -> FloatArray:
        return empty(shape, self._network.dtype)

    # ---- forward ----

    def value(self) -> FloatArray:
        out = self._empty(self._n_samples, self._network.n_nodes)
        self._pass.value(out)
        return out

    def preactivation(self) -> FloatArray:
        out = self._empty(self._n_samples, self._network.n_nodes)
        self._pass.preactivation(out)
        return out

    def gate(self) -> FloatArray:
        out = self._empty(self._n_samples, self._network.n_nodes)
        self._pass.gate(out)
        return out

    def output(self) -> FloatArray:
        out = self._empty(self._n_samples, self._network.n_outputs)
        self._pass.output(out)
        return out

    # ---- backward ----

    def backward(self, objective: Objective) -> "NativePass":
        """Notes what the recursion starts from; it runs when something of it is asked for."""
        self._objective = objective
        self._loss: FloatArray | None = None
        if isinstance(objective, NodeTargets):
            self._n_targets = len(objective.nodes)
            if self._n_targets == 1:
                self._start_from_nodes(self._pass, objective.nodes)
            return self
        self._n_targets = 1
        if isinstance(objective, LossTarget):
            self._start_from_loss(objective)
        else:
            rows = self._network.kept.get("rows of outputs")
            if rows is None:
                rows = self._network.kept["rows of outputs"] = self._seed_rows(objective.nodes)
            self._pass.start_from(objective.gradient, rows)
        return self

    def _seed_rows(self, nodes: IntArray) -> IntArray:
        """(N,) by row, which of these nodes it is, or -1."""
        rows = np.full(self._network.n_nodes, -1, np.int32)
        rows[self._network.plan.position[nodes]] = np.arange(len(nodes), dtype=np.int32)
        return rows

    def _start_from_loss(self, objective: LossTarget) -> None:
        loss = objective.loss
        if loss.compiled is None:
            seed = objective.seed(np.ascontiguousarray(self.output().T))
            self._pass.start_from(np.ascontiguousarray(seed.sensitivity[0].T), self._seed_rows(objective.nodes))
            self._loss = seed.loss_per_sample
            return
        name, parameter = loss.compiled
        labels = loss.labels == "index"
        self._pass.start_from_loss(
            LOSS_CODE[name],
            parameter,
            None if labels else objective.y,
            objective.y if labels else None,
            objective.sample_weight,
        )

    def _start_from_nodes(self, started: _core.Pass32, nodes: IntArray) -> None:
        """S(t,t) = 1: samples of the first target, then those of the next."""
        distinct, which = np.unique(nodes, return_inverse=True)
        rows = self._seed_rows(distinct)
        seed = np.zeros((len(nodes), self._n_samples, len(distinct)), self._network.dtype)
        seed[np.arange(len(nodes)), :, which] = 1
        started.start_from(seed.reshape(-1, len(distinct)), rows)

    @cached_property
    def _all_targets(self) -> _core.Pass32:
        """All targets' recursions at once, target by sample side by side: one pass over the graph."""
        if self._n_targets == 1:
            return self._pass
        assert isinstance(self._objective, NodeTargets)
        together = self._pass.for_targets(self._n_targets)
        self._start_from_nodes(together, self._objective.nodes)
        return together

    def _each_target(self) -> Iterable[tuple[int, _core.Pass32]]:
        """One target's recursion after the other, for sums over samples."""
        if self._n_targets == 1:
            return ((0, self._pass),)
        return ((t, self._alone(t)) for t in range(self._n_targets))

    def _alone(self, t: int) -> _core.Pass32:
        assert isinstance(self._objective, NodeTargets)
        alone = self._pass.for_targets(1)
        self._start_from_nodes(alone, self._objective.nodes[t : t + 1])
        return alone

    def loss_per_sample(self) -> FloatArray | None:
        if self._loss is None and isinstance(self._objective, LossTarget):
            loss = self._empty(self._n_samples)
            self._pass.loss_per_sample(loss)
            self._loss = loss
        return self._loss

    def weight_sum(self) -> float:
        return self._objective.weight_sum(self._n_samples)

    def _by_target(self, width: int) -> FloatArray:
        return self._empty(self._n_targets * self._n_samples, width)

    def _targets_first(self, array: FloatArray) -> FloatArray:
        return array.reshape(self._n_targets, self._n_samples, -1)

    def sensitivity(self) -> FloatArray:
        out = self._by_target(self._network.n_nodes)
        self._all_targets.sensitivity(out)
        return self._targets_first(out)

    def linear_sensitivity(self) -> FloatArray:
        out = self._by_target(self._network.n_nodes)
        self._all_targets.linear_sensitivity(out)
        return self._targets_first(out)

    def squared_sensitivity(self, *, open_gates: bool) -> FloatArray:
        """As the reference engine's."""
        network = self._network
        start, rows = self._squared_start
        out = self._by_target(network.n_nodes)
        for k, of_target in enumerate(self._targets_first(out)):
            squares = type(self._pass)(
                structure_of(network), network.weight, network.bias, network.response, self._x, True, self._threads
            )
            squares.square(open_gates)
            squares.start_from(start[k], rows)
            squares.sensitivity(of_target)
        return self._targets_first(out)

    @cached_property
    def _squared_start(self) -> tuple[FloatArray, IntArray]:
        """(T, B, K) the squares that it starts from, and which of the K nodes a row is, or -1."""
        nodes, which = np.unique(self._objective.nodes, return_inverse=True)
        value = self.output().T if isinstance(self._objective, LossTarget) else self._empty(len(which), self._n_samples)
        seed = self._objective.seed(np.ascontiguousarray(value)).sensitivity
        start = np.zeros((len(seed), self._n_samples, len(nodes)), self._network.dtype)
        for k, column in enumerate(which.reshape(-1).tolist()):
            start[:, :, column] += seed[:, k]
        np.square(start, out=start)
        return start, self._seed_rows(nodes)

    def input_gradient(self) -> FloatArray:
        out = self._by_target(self._network.n_inputs)
        self._all_targets.input_gradient(out)
        return out.reshape(self._n_targets, self._n_samples, self._network.n_inputs)

    def edge_derivative(self) -> FloatArray:
        out = self._empty(self._n_samples, self._network.n_edges)
        self._pass.edge_derivative(out)
        return out

    # ---- gradients of the parameters ----

    def weight_gradient(self, divisor: float) -> FloatArray:
        out = self._empty(self._n_targets, self._network.n_edges)
        for t, target in self._each_target():
            target.weight_gradient(divisor, out[t])
        return out

    def bias_gradient(self, divisor: float) -> FloatArray:
        out = self._empty(self._n_targets, self._network.n_nodes)
        for t, target in self._each_target():
            target.bias_gradient(divisor, out[t])
        return out

    def response_gradient(self, divisor: float) -> FloatArray:
        out = self._empty(self._n_targets, self._network.n_nodes)
        for t, target in self._each_target():
            target.response_gradient(divisor, out[t])
        return out

    def strongest_absent(
        self, places: Places, group: IntArray, wanted: NDArray[np.int64], divisor: float
    ) -> AbsentArcs:
        network, plan = self._network, self._network.plan
        places.check(network)
        return AbsentArcs(
            *self._pass.strongest_absent(
                places.rank,
                may_head(network).view(np.uint8),
                places.pairs,
                group,
                wanted,
                plan.out_start,
                plan.position[network.head[plan.out_edge]],
                divisor,
            )
        )

    def weight_gradient_per_sample(self) -> FloatArray:
        out = self._by_target(self._network.n_edges)
        self._all_targets.weight_gradient_per_sample(out)
        return self._targets_first(self._network.weight_ties.total(out))

    def bias_gradient_per_sample(self) -> FloatArray:
        gradient = self.linear_sensitivity()
        gradient[..., self._network.inputs] = 0
        return self._network.bias_ties.total(gradient)


@dataclass(frozen=True, slots=True)
class Work:
    """What the steps of one chunk read and fill."""

    chunk: "Chunk"
    rate_factor: NDArray[np.float64] | None
    """of the learning rate, for each step of the chunk; None for all 1"""
    output: FloatArray
    """(n, n_outputs) in the chunk's order, before the step that each sample is part of"""
    loss: FloatArray
    """(n,) likewise, times the sample's weight"""


class NativeLook:
    """Looks at steps of training in the core, which `NativeTraining.run` takes, or which are taken one by one between
    steps of somebody else's; see src/native/look.hpp."""

    def __init__(
        self,
        network: "Network",
        step_size: int,
        threads: int | None,
        n_levels: int,
        arrays: dict[str, Any],
        **settings: Any,
    ) -> None:
        """arrays: what the core's Look reads and fills, by name."""
        kind = _core.Look32 if network.dtype == np.float32 else _core.Look64
        self.core = kind(
            structure_of(network), n_levels, step_size=step_size, threads=_team(threads), **arrays, **settings
        )
        self.rows = np.empty((1, self.core.row_size))
        self.taken = 0
        """How many rows the last run has filled."""

    def forward(self, network: "Network", x: FloatArray) -> FloatArray:
        """(B, K) outputs of the samples that are looked at, as many at most as a step has."""
        output = empty((len(x), network.n_outputs), network.dtype)
        self.core.forward(network.weight, network.bias, network.response, x, output)
        return output

    def backward(self, seed: FloatArray, step: int, row: FloatArray) -> None:
        """From ∂J/∂o of these (B, K) on: a look's row, but for the columns that are not of the passes."""
        self.core.backward(seed, step, row)

    def changed(self, before: FloatArray, after: FloatArray, row: FloatArray) -> None:
        """What a step has changed in the weights (E,)."""
        self.core.changed(before, after, row)

    def room(self, n: int) -> None:
        """Of how many looks a run may take before it comes back."""
        if len(self.rows) != n:
            self.rows = np.empty((n, self.core.row_size))


class NativeTraining:
    """Minibatch steps of one run in the core; the parameters are in there."""

    squared_gradient: float | None = None
    """which the core keeps to itself"""

    def __init__(
        self,
        network: "Network",
        loss: losses.Loss,
        optimizer: dict[str, Any],
        batch_size: int,
        accumulate: int,
        clip_norm: float | None,
        l1: float,
        average: float,
        dropout: float,
        seed: int,
        threads: int | None,
    ) -> None:
        """optimizer: `kind` ("sgd", "adam" or "adamw") and its settings."""
        assert loss.compiled is not None
        name, parameter = loss.compiled
        self._labels = loss.labels == "index"
        self._n_edges, self._n_nodes, self._dtype = network.n_edges, network.n_nodes, network.dtype
        self._chunk: Chunk | None = None
        settings = {"nesterov": False, "momentum": 0.0, "beta1": 0.0, "beta2": 0.0, "epsilon": 0.0} | optimizer
        kind = OPTIMIZER_CODE[settings.pop("kind")]
        trainer = _core.Trainer32 if network.dtype == np.float32 else _core.Trainer64
        self._trainer = trainer(
            structure_of(network),
            network.weight,
            network.bias,
            network.response,
            batch_size=batch_size,
            accumulate=accumulate,
            loss=LOSS_CODE[name],
            loss_parameter=parameter,
            optimizer=kind,
            clip_norm=np.inf if clip_norm is None else clip_norm,
            l1=l1,
            average=average,
            dropout=dropout,
            seed=seed % 2**32,
            threads=_team(threads),
            **settings,
        )

    def run(self, work: Work, place: int, n_steps: int, seconds: float, look: NativeLook | None = None) -> int:
        """At most so many steps from `place` in the chunk's order on, for about so many seconds, or as long as there is
        room for what `look` sees; returns the place reached, as far as which it has filled output and loss."""
        chunk = work.chunk
        if chunk is not self._chunk:
            self._chunk = chunk
            self._y = None if self._labels else np.ascontiguousarray(chunk.y, self._dtype)
            self._label = np.ascontiguousarray(chunk.y, np.int64) if self._labels else None
            self._weight = None if chunk.weight is None else np.ascontiguousarray(chunk.weight, self._dtype)
        reached, taken = self._trainer.run(
            chunk.x,
            self._y,
            self._label,
            self._weight,
            chunk.order,
            work.rate_factor,
            work.output,
            work.loss,
            place,
            n_steps,
            seconds,
            None if look is None else look.core,
            None if look is None else look.rows,
        )
        if look is not None:
            look.taken = taken
        return reached

    @property
    def diverged(self) -> bool:
        """Whether the last run ended before a step whose loss or gradient was not finite."""
        return self._trainer.diverged

    @property
    def steps(self) -> int:
        return self._trainer.steps

    @property
    def n_arrays(self) -> int:
        """The parameters themselves, the optimizer's moments, and the average if there is one."""
        return self._trainer.n_arrays

    def array(self, which: int) -> tuple[FloatArray, FloatArray]:
        """One of these: (E,) of weights and (N,) of biases."""
        weight, bias = np.empty(self._n_edges, self._dtype), np.zeros(self._n_nodes, self._dtype)
        self._trainer.array(which, weight, bias)
        return weight, bias

    def put(self, which: int, network: "Network") -> None:
        """Make one of these the network's parameters; an input's bias, which means nothing, stays as it was."""
        self._trainer.array(which, network.weight, network.bias)

    def go_on(self, steps: int, arrays: list[tuple[FloatArray, FloatArray]]) -> None:
        """As if so many steps had been taken and this were what is left of them."""
        self._trainer.set_steps(steps)
        for which, (weight, bias) in enumerate(arrays):
            self._trainer.set_array(which, weight, bias)
