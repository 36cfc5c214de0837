"""Recurrent operators that compute in one, nn.RNN, nn.LSTM and nn.GRU: a call computed anew, step by step, beside it.

The operator itself computes what the model goes on with. Of its call are kept what it read, its weights, what it gave,
and what gradient came back, of some samples. When all is there, every step is taken again in float64, forward and
backward, and compared with what the operator gave: of a call that disagrees beyond rounding nothing is said.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from edgewise.diagnosis.signals import Recurrence, RecurrentGate
from edgewise.torch.cells import CELLS, Cell, Run, Weights
from edgewise.torch.place import Place, decibels, rms, some_rows
from edgewise.torch.sequences import Sequences

ROUNDING = {torch.float64: 1e-9, torch.float32: 1e-3}
"""by how much of its largest number a result may differ from the operator's; a tenth for other types of numbers"""
OPERATORS: dict[Any, type[Cell]] = {getattr(torch, name): cell for name, cell in CELLS.items()}


def draws(args: tuple[Any, ...]) -> bool:
    """Whether a call draws random numbers that can be drawn again: dropout between layers, on the processor."""
    packed = isinstance(args[3], (list, tuple))
    dropout, train = args[6:8] if packed else args[5:7]
    return bool(dropout and train) and args[0].device.type == "cpu"


class Call:
    """One call of an operator. Its places are made at once, in forward order, and filled in by `compute`."""

    def __init__(
        self,
        func: Any,
        name: str,
        args: tuple[Any, ...],
        made: tuple[Tensor, ...],
        random_state: Tensor | None,
        hook: Callable[[Tensor, Callable[[Tensor], None]], None],
    ) -> None:
        packed = isinstance(args[3], (list, tuple))
        data, hx = args[0], args[2] if packed else args[1]
        params, biased, layers, dropout, train, both = args[3:9] if packed else args[2:8]
        states = [hx] if isinstance(hx, Tensor) else [*hx]
        batch_first = not packed and bool(args[8])
        self.name = name
        self.data = data
        self.unseen: str | None = None
        """why nothing can be said of it"""
        self.read_alone = True
        """whether nothing else reads what it reads, so that the gradients there can be compared"""
        self._cell = OPERATORS[func]
        self._layers, self._ways = int(layers), 2 if both else 1
        self._sequences = Sequences(data, args[1] if packed else None, batch_first)
        self._read = self._sequences.padded(data)
        self._states = [self._sequences.of_state(state) for state in states]
        each = len(params) // (self._layers * self._ways)
        apart = [params[k : k + each] for k in range(0, len(params), each)]
        self._weights = [_weights([p.detach().double().clone() for p in of_one], bool(biased)) for of_one in apart]
        self._made = [self._sequences.padded(made[0]), *(self._sequences.of_state(end) for end in made[1:])]
        self._dropout, self._random_state = float(dropout) if train and self._layers > 1 else 0.0, random_state
        self._between = made[0].transpose(0, 1) if batch_first else made[0]
        self._came: dict[int, Tensor] = {}
        self._came_to_input: Tensor | None = None
        self._arrived = 0.0
        self._over_time: list[tuple[Place, Recurrence]] = []
        self.nodes = tuple(dict.fromkeys(one.grad_fn for one in made if one.grad_fn is not None))
        self._places: list[tuple[Place, list[Place]]] = []
        for k, of_one in enumerate(apart):
            at = f"l{k // self._ways}" + ("_reverse" if k % self._ways else "")
            whole = f"{name}.{at}" if name else at
            reader = Place(whole, True, mixes=True, nodes=self.nodes)
            reader.width = made[0].shape[-1] // self._ways
            reader.frozen = not any(p.requires_grad for p in of_one[:2])
            gates = [
                Place(f"{whole}.{letter}", False, activation=activation, inner=True)
                for letter, activation in self._cell.activations
                if letter
            ]
            if not gates:
                reader.activation = self._cell.activations[0][1]
            self._places.append((reader, gates))
            for part in (0, 1):
                hook(of_one[part], functools.partial(reader.learns, part))
        for at_result, one in enumerate(made):
            hook(one, self._coming(at_result))
        hook(data, self._arriving)

    def places(self) -> list[Place]:
        """In forward order."""
        return [place for reader, gates in self._places for place in (reader, *gates)]

    def took_part(self) -> bool:
        """Whether a gradient came back, or none could."""
        return bool(self._came) or not self.nodes

    def over_time(self) -> list[tuple[Place, Recurrence]]:
        """Of each layer and direction, in forward order, the place where it reads, and what is said of its steps."""
        return sorted(self._over_time, key=lambda found: [reader for reader, _ in self._places].index(found[0]))

    def _coming(self, at: int) -> Callable[[Tensor], None]:
        def hook(gradient: Tensor) -> None:
            self._came[at] = self._sequences.of_state(gradient) if at else self._sequences.padded(gradient)

        return hook

    def _arriving(self, gradient: Tensor) -> None:
        self._arrived, self._came_to_input = rms(gradient), self._sequences.padded(gradient)

    # ---- computed anew ----

    @torch.no_grad()
    def compute(self) -> None:
        """Fills in the places, or says in `unseen` why it cannot."""
        masks = self._masks()
        if self.unseen is None:
            runs = self._forward(masks)
            if self.unseen is None:
                self._backward(runs, masks)

    def _masks(self) -> list[Tensor]:
        """What dropout between layers multiplies by: drawn again from the state that the operator drew from."""
        if not self._dropout:
            return []
        if self._random_state is None:
            self.unseen = "what dropout left out between its layers is not known"
            return []
        ones = torch.ones(self._between.shape, dtype=self._between.dtype)
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(self._random_state)
            return [
                self._sequences.of_steps(functional.dropout(ones, self._dropout, True)) for _ in range(self._layers - 1)
            ]

    def _forward(self, masks: list[Tensor]) -> list[Run]:
        runs: list[Run] = []
        below = self._read
        for layer in range(self._layers):
            made = []
            for way in range(self._ways):
                k = len(runs)
                run = Run(self._cell(self._weights[k]), self._sequences.turned(below) if way else below)
                h, *c = run.forward([state[k] for state in self._states])
                run.ends = [part[self._sequences.last, self._sequences.sample] for part in (h, *c)]
                h = h * self._sequences.there
                made.append(self._sequences.turned(h) if way else h)
                runs.append(run)
            below = torch.cat(made, dim=-1)
            if layer < self._layers - 1 and masks:
                below = below * masks[layer]
        ends = [torch.stack(parts) for parts in zip(*(run.ends for run in runs), strict=True)]
        for one, other in zip([below, *ends], self._made, strict=True):
            self._compare(one, other, "what it gives")
        return runs

    def _backward(self, runs: list[Run], masks: list[Tensor]) -> None:
        of, last, sample = self._sequences, self._sequences.last, self._sequences.sample
        gradient = self._came.get(0, torch.zeros_like(self._made[0]))
        ends = [self._came.get(at, torch.zeros_like(end)) for at, end in enumerate(self._made[1:], 1)]
        for layer in reversed(range(self._layers)):
            directions = range(layer * self._ways, (layer + 1) * self._ways)
            own = []
            for k, outer in zip(directions, gradient.chunk(self._ways, dim=-1), strict=True):
                way = k % self._ways
                outer = of.turned(outer) if way else outer.clone()
                outer[last, sample] += ends[0][k]
                runs[k].backward(outer, ends[1][k] if len(ends) > 1 else None, last)
                read = runs[k].read_back @ runs[k].cell.weights.ih
                own.append(of.turned(read) if way else read)
                self._fill(k, runs[k])
            gradient = torch.stack(own).sum(dim=0)
            arrived, all_of_it = of.rms(gradient), gradient
            if layer == 0 and self._came_to_input is not None:
                if self.read_alone:
                    self._compare(gradient, self._came_to_input, "the gradient at what it reads")
                arrived, all_of_it = self._arrived, self._came_to_input
            for k, part in zip(directions, own, strict=True):
                self._places[k][0].arrived, self._places[k][0].others = arrived, of.rms(all_of_it - part)
            if layer and masks:
                gradient = gradient * masks[layer - 1]

    def _compare(self, one: Tensor, other: Tensor, what: str) -> None:
        tolerance = ROUNDING.get(self._between.dtype, 0.1)
        apart, largest = float((one - other).abs().max()), float(other.abs().max())
        both_broken = not np.isfinite(largest) and not bool(torch.isfinite(one).all())
        if self.unseen is None and not (apart <= tolerance * largest or both_broken):
            self.unseen = f"computed anew, {what} differs by {apart / largest if largest else apart:.1e} of it"

    def _fill(self, k: int, run: Run) -> None:
        """The places of a layer in one direction."""
        of, inside = self._sequences, self._sequences.inside
        reader, gates = self._places[k]
        weights, pieces = run.cell.weights, run.cell.pieces
        reader.measured = bool(self._came)
        reader.beyond, reader.passed = of.rms(*run.plus), of.rms(*run.minus)
        reader.predicted = of.rms((run.read_back.square() @ weights.ih.square()).sqrt())
        read = some_rows(run.given[inside])
        fan_in = torch.cat([weights.ih, weights.hh], dim=1).norm(dim=1).reshape(pieces, -1).cpu().numpy()
        told = []
        for at, (place, (value, gate)) in enumerate(zip(gates or [reader], run.cell.values(), strict=True)):
            width = value.shape[2]
            slope = some_rows(gate[inside])
            place.units(some_rows(value[inside]), slope)
            if at == run.cell.keeping:  # a state that is kept keeps its gradient: this gate may stay open
                place.closed = (place.shut(slope) & (place.value < 0.5)).mean(axis=0)
            place.finite_in = bool(np.isfinite(place.value).all())  # what tanh and sigmoid make of a number is one
            place.sensitivity = some_rows(run.plus[at][inside])
            place.beyond, place.passed = of.rms(run.plus[at]), of.rms(run.minus[at])
            place.fan_in = fan_in[at] if at < pieces else np.full(width, np.nan)
            place.stirred = np.full(width, bool((read != read[:1]).any()))
            gain = decibels(place.passed, place.beyond)
            closed, mean = float(place.closed.mean()), float(value[inside].mean())
            told.append(RecurrentGate(place.name, place.activation, gain, closed, mean))
        steps, reached = int(of.length.max()), int(run.start.max()) + 1
        found = Recurrence(reader.name, 0, steps, reached, run.rows(), tuple(told), run.cell.kind)
        self._over_time.append((reader, found))


def _weights(of_one: list[Tensor], biased: bool) -> Weights:
    rest = of_one[4:] if biased else of_one[2:]
    found = Weights(of_one[0], of_one[1], hr=rest[0] if rest else None)
    if biased:
        found.bias_ih, found.bias_hh = of_one[2:4]
    return found
