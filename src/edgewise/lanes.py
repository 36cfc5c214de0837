"""The order in which the rows of a file are trained on, made so that several processes can share the reading of it.

The groups of a file are dealt to lanes, in another way each epoch. A lane takes the rows of its groups into a buffer of
its own and gives samples out of it at random. There are n lanes, and they give in turn: every n-th sample of an epoch
is from the same lane. So where P processes take every P-th sample each, and P divides n, each has lanes of its own, and
reads the groups of these alone. The order is the same for any P: it follows from the numbers of rows and from what is
drawn at random. All this is worked out from numbers; nothing is read.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import gcd

CHOICES = (48, 24, 12, 6, 4, 2, 1)
"""How many lanes there are if nobody says: numbers that many numbers of processes divide."""
FEW, SOME = 4, 12
GROUPS_OF_MANY = 10
"""More lanes than SOME have so many groups each: those that are parted, one a lane at most, are read more than once."""


@dataclass(frozen=True, slots=True)
class Group:
    """Rows of a file that can be read without those before."""

    rows: int
    ends: tuple[int, ...]
    """Of stretches of it, none of which is more than a lane takes at a time, how many rows come before their ends."""
    samples: tuple[int, ...]
    """How many of those rows are trained on."""


@dataclass(frozen=True, slots=True)
class Take:
    """A lane takes rows into its buffer."""

    lane: int
    group: int
    first: int
    last: int
    """Rows of the group, from `first` to before `last`."""
    n: int
    """How many of them are trained on."""


@dataclass(frozen=True, slots=True)
class Give:
    """Each lane gives so many samples, or as many as it has if that is one less."""

    n: int


@dataclass(frozen=True, slots=True)
class Lanes:
    """How many lanes there are, and what they hold, in samples."""

    n: int
    room: int
    """Of a lane's buffer."""
    at_once: int
    """At most so many rows are taken at once."""
    given: int
    """So many are given at once by each."""

    @classmethod
    def of(cls, room: int, largest: int, n_groups: int, held_open: int, n: int | None = None) -> "Lanes":
        """n lanes, or as many of CHOICES as `n_groups` groups of at most `largest` rows can have.

        room : samples in all buffers together. At least FEW lanes take whole groups if these are small enough. Else
        lanes have to go on in the middle of groups:
        held_open : in how many at a time that can be done; for n lanes it is done in n at a time.
        """
        if n is None:
            most = max(min(n_groups, SOME), n_groups // GROUPS_OF_MANY, 1)
            choices = [n for n in CHOICES if n <= most]
            n = next((n for n in choices if largest <= 2 * room // (3 * n)), 0)
            if n < min(FEW, choices[0]):
                n = next(n for n in choices if n <= max(2, held_open))
        at_once = 2 * room // (3 * n)
        given = max(1, room // (6 * n))
        at_once = max(1, at_once)
        return cls(n, max(room // n, at_once + given), at_once, given)

    def of_process(self, rank: int, size: int) -> range:
        """The lanes of which the `rank`-th of `size` processes reads the groups."""
        step = gcd(self.n, size)
        return range(rank % step, self.n, step)

    def events(
        self, groups: Sequence[Group], order: Sequence[int], place: Callable[[int, int], int]
    ) -> Iterator[Take | Give]:
        """All that happens in an epoch, in turn.

        order : of the groups.
        place : of a group, in which of its rows the sample is before which there are so many.
        """
        queues = self._deal(groups, order, place)
        total = sum(sum(group.samples) for group in groups)
        wanted = [total // self.n + (lane < total % self.n) for lane in range(self.n)]
        taken, given = [0] * self.n, 0
        while True:
            waiting = [lane for lane in range(self.n) if queues[lane]]
            if not waiting:
                break
            lane = min(waiting, key=taken.__getitem__)
            take = queues[lane].popleft()
            while taken[lane] - given + take.n > self.room:
                yield Give(self.given)
                given += self.given
            taken[lane] += take.n
            yield take
        assert taken == wanted
        while given < wanted[0]:
            yield Give(min(self.given, wanted[0] - given))
            given += self.given

    def _deal(
        self, groups: Sequence[Group], order: Sequence[int], place: Callable[[int, int], int]
    ) -> list[deque[Take]]:
        """What each lane takes: whole groups as long as they fit, each to the lane that has least; of the rest as much
        as it lacks. All lanes have as many samples, or the first of them one more than the others."""
        sizes = [sum(group.samples) for group in groups]
        total = sum(sizes)
        lacking = [total // self.n + (lane < total % self.n) for lane in range(self.n)]
        queues: list[deque[Take]] = [deque() for _ in range(self.n)]
        left: list[int] = []
        for group in order:
            lane = max(range(self.n), key=lacking.__getitem__)
            if sizes[group] <= lacking[lane]:
                queues[lane].extend(_takes(groups[group], lane, group, (0, groups[group].rows), (0, sizes[group])))
                lacking[lane] -= sizes[group]
            else:
                left.append(group)
        # lanes that are the same process's, as far as that can be, are beside each other, and so share a group
        sizes_of_sharing = [size for size in range(2, self.n + 1) if self.n % size == 0]
        lanes = sorted(
            (lane for lane in range(self.n) if lacking[lane]),
            key=lambda lane: [lane % size for size in sizes_of_sharing],
        )
        for group in left:
            before = first = 0
            while before < sizes[group]:
                lane = lanes[0]
                n = min(lacking[lane], sizes[group] - before)
                end = before + n
                last = groups[group].rows if end == sizes[group] else place(group, end)
                queues[lane].extend(_takes(groups[group], lane, group, (first, last), (before, end)))
                lacking[lane] -= n
                first, before = last, end
                if not lacking[lane]:
                    lanes.pop(0)
        return queues


def _takes(whole: Group, lane: int, group: int, rows: tuple[int, int], samples: tuple[int, int]) -> Iterator[Take]:
    """These rows of a group, which hold these samples of it, stretch by stretch."""
    start = before = 0
    for end, n in zip(whole.ends, whole.samples, strict=True):
        n_here = min(before + n, samples[1]) - max(before, samples[0])
        if n_here > 0:
            yield Take(lane, group, max(start, rows[0]), min(end, rows[1]), n_here)
        start, before = end, before + n
