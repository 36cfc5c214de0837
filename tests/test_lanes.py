"""The order of an epoch as lanes: every sample once, buffers that are not too full, and groups that few lanes share."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgewise.lanes import CHOICES, Give, Group, Lanes, Take


def groups_of(trained, at_once):
    """Groups whose rows are trained on where they are true, and where the n-th of these is."""
    found = []
    for rows in trained:
        ends = (*range(at_once, len(rows), at_once), len(rows)) if len(rows) else ()
        counts = np.diff([np.sum(rows[:end]) for end in ends], prepend=0)
        found.append(Group(len(rows), ends, tuple(map(int, counts))))
    return found, lambda group, n: int(np.flatnonzero(trained[group])[n])


@settings(deadline=None)
@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=30),
    st.integers(1, 400),
    st.floats(0, 1),
    st.integers(0, 12),
    st.none() | st.integers(1, 30),
    st.integers(0, 1000),
)
def test_every_sample_is_taken_once_and_given_by_the_lanes_in_turn(sizes, room, share, held_open, n, seed):
    rng = np.random.default_rng(seed)
    trained = [rng.uniform(size=size) < share for size in sizes]
    lanes = Lanes.of(room, max(sizes), sum(size > 0 for size in sizes), held_open, n)
    assert lanes.n in CHOICES if n is None else lanes.n == n
    groups, place = groups_of(trained, lanes.at_once)
    order = rng.permutation(len(groups)).tolist()
    events = list(lanes.events(groups, order, place))
    assert events == list(lanes.events(groups, order, place))
    seen = [np.zeros(size, int) for size in sizes]
    filled, given = [0] * lanes.n, 0
    total = sum(map(np.sum, trained))
    for number, event in enumerate(events):
        if isinstance(event, Take):
            rows = slice(event.first, event.last)
            seen[event.group][rows] += 1
            assert event.n == trained[event.group][rows].sum() > 0
            assert event.last - event.first <= lanes.at_once
            filled[event.lane] += event.n
            assert filled[event.lane] <= lanes.room
            continue
        if any(isinstance(later, Take) for later in events[number:]):  # what is given is drawn from enough to mix
            assert min(filled) > lanes.room - lanes.at_once
        given_by = [min(event.n, held) for held in filled]
        given += sum(given_by)
        assert sum(given_by) == event.n * lanes.n or given == total
        assert given_by == sorted(given_by, reverse=True)
        assert given_by[0] == event.n
        assert given_by[0] - given_by[-1] <= 1
        filled = [held - gone for held, gone in zip(filled, given_by, strict=True)]
    assert given == total
    assert all((once[rows] == 1).all() and once.max(initial=0) <= 1 for once, rows in zip(seen, trained, strict=True))


@pytest.mark.parametrize(
    ("n", "size"), [*((12, size) for size in (2, 3, 4, 6, 12)), (48, 8), (48, 16), (5, 5), (10, 5), (7, 7), (40, 20)]
)
@pytest.mark.parametrize("n_groups", [48, 50, 120, 280])
def test_processes_read_little_but_their_own(n, size, n_groups):
    lanes = Lanes.of(6000, 50, n_groups, 0, n)
    assert lanes.n == n
    groups, place = groups_of([np.ones(50, bool)] * n_groups, lanes.at_once)
    events = list(lanes.events(groups, np.random.default_rng(0).permutation(n_groups).tolist(), place))
    read = [
        {event.group for event in events if isinstance(event, Take) and event.lane in lanes.of_process(rank, size)}
        for rank in range(size)
    ]
    assert set.union(*read) == set(range(n_groups))
    assert sum(map(len, read)) <= n_groups + (n - 1 if n_groups % n else 0)
    assert n_groups % n or len({len(each) for each in read}) == 1


@pytest.mark.parametrize(("size", "n", "least"), [(1000, 6, 12), (5000, 12, 8)])
def test_what_is_given_is_from_all_over_a_sorted_file(size, n, least):
    """100,000 rows in order, and buffers for 12,000: each chunk of 2000 spreads like the whole."""
    lanes = Lanes.of(12_000, size, 100_000 // size, 12)
    assert lanes.n == n
    groups, place = groups_of([np.ones(size, bool)] * (100_000 // size), lanes.at_once)
    rng = np.random.default_rng(0)
    held, chunks = [[] for _ in range(lanes.n)], []
    for event in lanes.events(groups, rng.permutation(100_000 // size).tolist(), place):
        if isinstance(event, Give):
            chunks.append([])
            for rows in held:
                rng.shuffle(rows)
                chunks[-1] += rows[: event.n]
                del rows[: event.n]
        else:
            held[event.lane] += range(size * event.group + event.first, size * event.group + event.last)
    of_groups = [len({row // size for row in chunk}) for chunk in chunks]
    assert min(of_groups) >= least
    spread = np.array([np.std(chunk) for chunk in chunks]) / (100_000 / np.sqrt(12))
    assert min(spread) > 0.5
    assert np.mean(spread) > 0.9


def test_the_more_lanes_the_smaller_the_groups():
    assert Lanes.of(12_000, 160, 480, 0).n == 48
    assert Lanes.of(12_000, 160, 479, 0).n == 24
    assert Lanes.of(12_000, 160, 239, 0).n == 12
    assert Lanes.of(12_000, 600, 100, 0).n == 12
    assert Lanes.of(12_000, 1300, 100, 0).n == 6
    assert Lanes.of(12_000, 5000, 100, 0).n == 2  # which can always be gone on with
    assert Lanes.of(12_000, 5000, 100, 4).n == 4
    assert Lanes.of(12_000, 600, 5, 0).n == 4
    assert Lanes.of(12_000, 600, 1, 0).n == 1
    assert Lanes.of(12_000, 5000, 100, 0, 7).n == 7
    assert [*Lanes.of(12_000, 600, 100, 0).of_process(1, 3)] == [1, 4, 7, 10]
    assert [*Lanes.of(12_000, 600, 100, 0).of_process(7, 8)] == [3, 7, 11]  # with the process of rank 3
    assert [*Lanes.of(12_000, 600, 100, 0).of_process(4, 5)] == [*range(12)]
    assert [*Lanes.of(12_000, 600, 100, 0, 10).of_process(4, 5)] == [4, 9]
