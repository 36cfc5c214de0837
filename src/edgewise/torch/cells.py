"""The steps of nn.RNN, nn.LSTM and nn.GRU, forth and back: a layer in one direction, on tensors of (samples, units).

Going back, squares go beside, as in `edgewise.diagnosis.budget`, with gates as they are and with all of them open: Φ′
the largest that it can be, 1 or a sigmoid's 1/4, and 1 for what multiplies a state, the input, forget and output gates
of an LSTM, the reset and update gates of a GRU.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from edgewise.diagnosis.budget import Row
from edgewise.torch.place import decibels

SIGMOID = 1 / 16
"""square of its largest gate"""
Energy = tuple[Tensor, Tensor, Tensor]


@dataclass
class Weights:
    """Of one layer in one direction."""

    ih: Tensor
    hh: Tensor
    bias_ih: Tensor | float = 0.0
    bias_hh: Tensor | float = 0.0
    hr: Tensor | None = None

    def passed_on(self, pieces: int) -> Tensor:
        """(units of all gates,) what squares gain on the way to the state before, the mean over each gate's units."""
        mean = self.hh.square().sum(dim=1).reshape(pieces, -1).mean(dim=1)
        return mean.repeat_interleave(len(self.hh) // pieces)


@dataclass
class Back:
    """One step back. The first axis is that of both passes, which S stands for; squares are of the second alone."""

    h: Tensor
    c: Tensor | None
    read: Tensor
    """S⁻ of the sums that the input is read by"""
    plus: list[Tensor]
    """S⁺ of each activation"""
    minus: list[Tensor]
    """S⁻ of each"""
    energy: Energy
    """(samples,) of squares: at the state before; behind the gates as they are; behind open ones"""


class Cell(ABC):
    """One layer in one direction; its steps forth and back."""

    kind: ClassVar[Literal["RNN", "LSTM", "GRU"]]
    activations: ClassVar[tuple[tuple[str, str], ...]]
    """name and activation of each gate, then of what else is one"""
    pieces: ClassVar[int]
    """rows of the weights are for so many gates"""
    keeping: ClassVar[int | None] = None
    """the gate that keeps the state where it is 1"""

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self.passed_on = weights.passed_on(self.pieces)
        self.kept: list[tuple[Tensor, ...]] = []

    @abstractmethod
    def forward(self, read: Tensor, h: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """The state after a step, h and, of an LSTM, c; what `back` needs is kept."""

    @abstractmethod
    def back(self, kept: tuple[Tensor, ...], h: Tensor, c: Tensor | None) -> Back:
        """The same step back, from what arrives at the state after it."""

    def _energy(self, highway: Tensor, opened_way: Tensor, rows: Tensor, opened: Tensor) -> Energy:
        """Of squares past the recurrent weights, and of those at the sums (samples, rows) that these read."""
        reached = (rows @ self.weights.hh.square()).sum(dim=1) + highway
        return reached, rows @ self.passed_on + highway, opened @ self.passed_on + opened_way

    @abstractmethod
    def values(self) -> list[tuple[Tensor, Tensor]]:
        """Of each activation its values and gates, (steps, samples, units)."""

    def _all(self, at: int) -> Tensor:
        return torch.stack([kept[at] for kept in self.kept])


def _slope(sigmoid: Tensor) -> Tensor:
    return sigmoid * (1 - sigmoid)


class TanhCell(Cell):
    kind = "RNN"
    activations = (("", "tanh"),)
    pieces = 1

    def forward(self, read: Tensor, h: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor | None]:
        made, gate = self._activated(read + h @ self.weights.hh.T + self.weights.bias_hh)
        self.kept.append((made, gate))
        return made, None

    def _activated(self, s: Tensor) -> tuple[Tensor, Tensor]:
        made = torch.tanh(s)
        return made, 1 - made.square()

    def back(self, kept: tuple[Tensor, ...], h: Tensor, c: Tensor | None) -> Back:
        _, gate = kept
        minus = h * gate
        none = h.new_zeros(h.shape[1])
        energy = self._energy(none, none, minus[1].square(), h[1].square())
        return Back(minus @ self.weights.hh, None, minus, [h], [minus], energy)

    def values(self) -> list[tuple[Tensor, Tensor]]:
        return [(self._all(0), self._all(1))]


class ReluCell(TanhCell):
    activations = (("", "relu"),)

    def _activated(self, s: Tensor) -> tuple[Tensor, Tensor]:
        made = torch.relu(s)
        return made, (made > 0).to(made.dtype)


class LstmCell(Cell):
    kind = "LSTM"
    activations = (("i", "sigmoid"), ("f", "sigmoid"), ("g", "tanh"), ("o", "sigmoid"), ("c", "tanh"))
    pieces = 4
    keeping = 1

    def forward(self, read: Tensor, h: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor | None]:
        assert c is not None
        s = (read + h @ self.weights.hh.T + self.weights.bias_hh).chunk(4, dim=-1)
        i, f, g, o = torch.sigmoid(s[0]), torch.sigmoid(s[1]), torch.tanh(s[2]), torch.sigmoid(s[3])
        cell = f * c + i * g
        u = torch.tanh(cell)
        self.kept.append((i, f, g, o, u, c))
        made = o * u
        return (made if self.weights.hr is None else made @ self.weights.hr.T), cell

    def back(self, kept: tuple[Tensor, ...], h: Tensor, c: Tensor | None) -> Back:
        assert c is not None
        i, f, g, o, u, before = kept
        hr = self.weights.hr
        m = h if hr is None else h @ hr
        opened_u = m * o
        closed_u = opened_u * (1 - u.square())
        cell = c + closed_u
        plus = [cell * g, cell * before, cell * i, m * u, opened_u]
        slopes = [_slope(i), _slope(f), 1 - g.square(), _slope(o)]
        minus = [*(p * slope for p, slope in zip(plus, slopes, strict=False)), closed_u]
        rows = torch.cat(minus[:4], dim=-1)
        square = h[1].square() if hr is None else h[1].square() @ hr.square()
        through = c[1].square() + square * (o * (1 - u.square())).square()
        opened = c[1].square() + square
        sums = [through * g.square(), through * before.square(), through * i.square(), square * u.square()]
        wide = [
            opened * g.square() * SIGMOID,
            opened * before.square() * SIGMOID,
            opened,
            square * u.square() * SIGMOID,
        ]
        energy = self._energy(
            (through * f.square()).sum(dim=1),
            opened.sum(dim=1),
            torch.cat([part * slope.square() for part, slope in zip(sums, slopes, strict=True)], dim=-1),
            torch.cat(wide, dim=-1),
        )
        return Back(rows @ self.weights.hh, cell * f, rows, plus, minus, energy)

    def values(self) -> list[tuple[Tensor, Tensor]]:
        i, f, g, o, u = (self._all(at) for at in range(5))
        return [(i, _slope(i)), (f, _slope(f)), (g, 1 - g.square()), (o, _slope(o)), (u, 1 - u.square())]


class GruCell(Cell):
    kind = "GRU"
    activations = (("r", "sigmoid"), ("z", "sigmoid"), ("n", "tanh"))
    pieces = 3
    keeping = 1

    def forward(self, read: Tensor, h: Tensor, c: Tensor | None) -> tuple[Tensor, Tensor | None]:
        from_input = read.chunk(3, dim=-1)
        from_state = (h @ self.weights.hh.T + self.weights.bias_hh).chunk(3, dim=-1)
        r, z = torch.sigmoid(from_input[0] + from_state[0]), torch.sigmoid(from_input[1] + from_state[1])
        n = torch.tanh(from_input[2] + r * from_state[2])
        self.kept.append((r, z, n, from_state[2], h))
        return (1 - z) * n + z * h, None

    def back(self, kept: tuple[Tensor, ...], h: Tensor, c: Tensor | None) -> Back:
        r, z, n, summed, before = kept
        slopes = [_slope(r), _slope(z), 1 - n.square()]
        plus_z, plus_n = h * (before - n), h * (1 - z)
        minus_n, minus_z = plus_n * slopes[2], plus_z * slopes[1]
        plus_r = minus_n * summed
        minus_r = plus_r * slopes[0]
        rows = torch.cat([minus_r, minus_z, minus_n * r], dim=-1)
        square = h[1].square()
        n_square = square * ((1 - z) * slopes[2]).square()
        z_square = square * (before - n).square()
        energy = self._energy(
            (square * z.square()).sum(dim=1),
            square.sum(dim=1),
            torch.cat(
                [n_square * (summed * slopes[0]).square(), z_square * slopes[1].square(), n_square * r.square()], dim=-1
            ),
            torch.cat([square * summed.square() * SIGMOID, z_square * SIGMOID, square], dim=-1),
        )
        return Back(
            rows @ self.weights.hh + h * z,
            None,
            torch.cat([minus_r, minus_z, minus_n], dim=-1),
            [plus_r, plus_z, plus_n],
            [minus_r, minus_z, minus_n],
            energy,
        )

    def values(self) -> list[tuple[Tensor, Tensor]]:
        r, z, n = (self._all(at) for at in range(3))
        return [(r, _slope(r)), (z, _slope(z)), (n, 1 - n.square())]


CELLS: dict[str, type[Cell]] = {"rnn_tanh": TanhCell, "rnn_relu": ReluCell, "lstm": LstmCell, "gru": GruCell}


class Run:
    """All steps of a layer in one direction, forth and back."""

    def __init__(self, cell: Cell, given: Tensor) -> None:
        self.cell = cell
        self.given = given
        """(steps, samples, entries) what it reads"""
        self.ends: list[Tensor] = []
        """its state after the last step of each sample"""

    def forward(self, start: list[Tensor]) -> list[Tensor]:
        """The state after every step, h and, of an LSTM, c, from the one before the first."""
        read = self.given @ self.cell.weights.ih.T + self.cell.weights.bias_ih
        h, c = start[0], start[1] if len(start) > 1 else None
        after = []
        for of_step in read:
            h, c = self.cell.forward(of_step, h, c)
            after.append((h,) if c is None else (h, c))
        return [torch.stack(parts) for parts in zip(*after, strict=True)]

    def backward(self, outer: Tensor, end: Tensor | None, last: Tensor) -> None:
        """From what arrives (steps, samples, units) from outside at h, and (samples, units) at the end of c.

        The second pass takes what arrives at the last step at which anything does.
        """
        sample = torch.arange(len(last), device=last.device)
        arrives = (outer != 0).any(dim=2)
        if end is not None:
            arrives[last, sample] |= (end != 0).any(dim=1)
        step = torch.arange(len(outer), device=outer.device)[:, None]
        self.start = torch.where(arrives, step, -1).amax(dim=0)
        """(samples,) that step, or -1"""
        both = torch.stack([outer, torch.where((step == self.start)[:, :, None], outer, 0)])
        h = torch.zeros_like(both[:, 0])
        c = None if end is None else torch.stack([torch.zeros_like(end)] * 2)
        ended = None if end is None else torch.stack([end, torch.where((self.start == last)[:, None], end, 0)])
        steps: list[Back] = []
        energy = []
        for at in reversed(range(len(outer))):
            h = h + both[:, at]
            if c is not None and ended is not None:
                c = c + torch.where((last == at)[:, None], ended, 0)
            here = h[1].square().sum(dim=1) + (0 if c is None else c[1].square().sum(dim=1))
            back = self.cell.back(self.cell.kept[at], h, c)
            energy.append(torch.stack([here, *back.energy]))
            steps.append(back)
            h, c = back.h, back.c
        steps.reverse()
        self.read_back = torch.stack([back.read[0] for back in steps])
        """(steps, samples, rows) S⁻ of the sums that the input is read by"""
        self.plus, self.minus = (
            [torch.stack([part[0] for part in parts]) for parts in zip(*each, strict=True)]
            for each in ([back.plus for back in steps], [back.minus for back in steps])
        )
        self.energy = torch.stack(energy[::-1], dim=1).cpu().numpy()
        """(4, steps, samples) squares of the second pass, at the state and on the way to the one before"""

    def rows(self) -> tuple[Row, ...]:
        """Step by step back from the last at which anything arrives: root mean squares over samples that go so far."""
        start = self.start.cpu().numpy()
        units = self.cell.weights.hh.shape[1] + (len(self.cell.weights.hh) // 4 if self.cell.pieces == 4 else 0)
        found: list[Row] = []
        for back in range(int(start.max(initial=0))):
            some = np.flatnonzero(start > back)
            here, reached, gated, opened = self.energy[:, start[some] - back, some].sum(axis=1).tolist()
            arrived = float(self.energy[0, start[some] - back - 1, some].sum())
            if not here or not np.isfinite(arrived):
                break
            closing, total = decibels(gated, opened) / 2, decibels(arrived, here) / 2
            weights = decibels(reached, here) / 2 - closing if np.isfinite(closing) else 0.0
            rest = total - closing - weights if arrived else (0.0 if not reached else -np.inf)
            found.append(Row(back + 1, units, weights, closing, rest, total))
        return tuple(found)
