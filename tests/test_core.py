"""The compiled core by itself: its answers, and that it refuses what would corrupt memory."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgewise import _core


def indices(values):
    return np.array(values, np.int32)


@given(st.lists(st.integers(0, 9), max_size=60))
def test_group_by_is_a_stable_sort(keys):
    start, item = _core.group_by(indices(keys), 10)
    assert item.tolist() == sorted(range(len(keys)), key=keys.__getitem__)
    assert np.diff(start).tolist() == [keys.count(k) for k in range(10)]


@given(st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=40))
def test_levels_are_longest_paths(arcs):
    arcs = [(min(a), max(a)) for a in arcs if a[0] != a[1]]
    expected = [0] * 12
    for tail, head in sorted(arcs, key=lambda arc: arc[0]):
        expected[head] = max(expected[head], expected[tail] + 1)
    level, reached = _core.longest_path_levels(12, indices([a[0] for a in arcs]), indices([a[1] for a in arcs]))
    assert reached == 12
    assert level.tolist() == expected


def test_nodes_on_and_behind_a_cycle_have_no_level():
    level, reached = _core.longest_path_levels(5, indices([0, 1, 2, 2]), indices([1, 2, 1, 3]))
    assert reached == 2
    assert level.tolist() == [0, -1, -1, -1, 0]


@pytest.mark.parametrize("bad", [[-1], [10], [2**31 - 1]])
def test_indices_out_of_range_are_refused(bad):
    with pytest.raises(IndexError, match="out of range"):
        _core.group_by(indices(bad), 10)
    with pytest.raises(IndexError, match="out of range"):
        _core.longest_path_levels(10, indices(bad), indices([0]))


def test_lengths_that_disagree_are_refused():
    with pytest.raises(ValueError, match="differ in length"):
        _core.longest_path_levels(3, indices([0, 1]), indices([1]))
    with pytest.raises(ValueError, match="differ in length"):
        _core.longest_path_to(indices([0]), indices([0]), indices([]), indices([]), np.zeros(1, np.bool_))


def test_absurd_sizes_are_refused():
    with pytest.raises(ValueError, match="fewer than 2\\^31"):
        _core.group_by(indices([]), 2**31)


@pytest.mark.parametrize("wrong", [np.zeros(3, np.int64), np.zeros(6, np.int32)[::2], np.zeros((3, 1), np.int32)])
def test_arrays_of_another_kind_are_never_converted(wrong):
    with pytest.raises(TypeError):
        _core.group_by(wrong, 10)
