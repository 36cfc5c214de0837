"""Some of the sequences that a recurrent operator reads, packed or not, as (steps, samples, entries) in float64."""

import torch
from torch import Tensor

from edgewise.torch.place import ROWS, SAMPLES

FEWEST = 4
"""of long sequences at least so many are looked at"""


class Sequences:
    """Which samples are looked at, and where their steps lie. Those that end early are followed by 0."""

    def __init__(self, data: Tensor, sizes: Tensor | None, batch_first: bool) -> None:
        device = data.device
        self._batch_first, self._index = batch_first, None
        if sizes is None:
            steps, batch = (data.shape[1], data.shape[0]) if batch_first else data.shape[:2]
            self.chosen = torch.arange(min(batch, most(steps)), device=device)
            self.length = torch.full_like(self.chosen, steps)
            inside = torch.ones(steps, len(self.chosen), dtype=torch.bool, device=device)
        else:  # step by step, the longest first: evenly chosen, since the first alone would be the longest
            batch = int(sizes[0])
            sizes = sizes.to(device)
            self.chosen = torch.linspace(0, batch - 1, min(batch, most(len(sizes))), device=device).long()
            self.length = (sizes[:, None] > self.chosen).sum(dim=0)
            inside = torch.arange(len(sizes), device=device)[:, None] < self.length
            self._index = torch.where(inside, (sizes.cumsum(0) - sizes)[:, None] + self.chosen, 0)
        self.inside = inside
        """(steps, samples) whether the sample has so many steps"""
        self.there = inside[:, :, None].double()
        self.last = self.length - 1
        self.sample = torch.arange(len(self.chosen), device=device)

    def padded(self, given: Tensor) -> Tensor:
        """A copy of what the operator reads or gives for every step."""
        flat = given.detach()
        if self._index is not None:
            return flat[self._index].double() * self.there
        return (flat.transpose(0, 1) if self._batch_first else flat)[:, self.chosen].double()

    def of_state(self, given: Tensor) -> Tensor:
        """A copy of a state (layers, samples, units)."""
        return given.detach()[:, self.chosen].double()

    def of_steps(self, given: Tensor) -> Tensor:
        """A copy of what lies as the operator has it between its layers: packed, or (steps, samples, entries)."""
        return given[:, self.chosen].double() if self._index is None else given[self._index].double()

    def turned(self, given: Tensor) -> Tensor:
        """Every sequence from its last step to its first; a second time undoes it."""
        step = torch.arange(len(given), device=given.device)[:, None]
        at = torch.where(self.inside, self.last - step, step)
        return given.gather(0, at[:, :, None].expand(-1, -1, given.shape[2]))

    def rms(self, *parts: Tensor) -> float:
        """Root mean square over what is there, of tensors (steps, samples, entries) that are 0 elsewhere."""
        squares = sum(float(part.square().sum()) for part in parts)
        return float((squares / (float(self.there.sum()) * sum(part.shape[2] for part in parts))) ** 0.5)


def most(steps: int) -> int:
    """How many samples are looked at."""
    return min(SAMPLES, max(ROWS // max(steps, 1), FEWEST))
