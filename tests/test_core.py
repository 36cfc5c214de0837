"""The compiled core by itself: its answers, and that it refuses what would corrupt memory."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import edgewise as ew
from edgewise import _core, arrays, batches
from edgewise.engine.native import NativeTraining, Work, structure_of


def indices(values):
    return np.array(values, np.int32)


@given(st.lists(st.integers(0, 9), max_size=60))
def test_group_by_is_a_stable_sort(keys):
    start, item = _core.group_by(indices(keys), 10)
    assert item.tolist() == sorted(range(len(keys)), key=keys.__getitem__)
    assert np.diff(start).tolist() == [keys.count(k) for k in range(10)]


ARCS = st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=40)


@given(ARCS, st.sets(st.integers(0, 11)))
def test_a_plan_as_it_is_defined(arcs, keeping):
    arcs = [(min(a), max(a)) for a in arcs if a[0] != a[1]]
    level = [0] * 12
    for tail, head in sorted(arcs, key=lambda arc: arc[0]):
        level[head] = max(level[head], level[tail] + 1)
    place = {}
    for node in sorted(range(12), key=lambda j: level[j]):
        place[node] = len(place)
    for at in range(1, max(level) + 1):  # within a level by the mean place of the tails, which are in lower ones
        mean = {j: np.mean([place[i] for i, h in arcs if h == j]) for j in range(12) if level[j] == at}
        first = starts_of(level)[at]
        for k, node in enumerate(sorted(mean, key=lambda j: (mean[j], j))):
            place[node] = first + k
    in_order = np.isin(np.arange(12), list(keeping))
    found, arrays = _core.order_graph(12, indices([a[0] for a in arcs]), indices([a[1] for a in arcs]), in_order)
    order, position, level_start, in_start, in_edge, out_start, out_edge = (array.tolist() for array in arrays)
    assert found.tolist() == level
    assert position == [place[j] for j in range(12)]
    assert [position[j] for j in order] == list(range(12))
    assert level_start == [*starts_of(level), 12]
    for j in range(12):
        into = [e for e, arc in enumerate(arcs) if arc[1] == j]
        if j not in keeping:
            into.sort(key=lambda e: place[arcs[e][0]])
        assert in_edge[in_start[place[j]] : in_start[place[j] + 1]] == into
        out = [e for e, arc in enumerate(arcs) if arc[0] == j]
        assert out_edge[out_start[place[j]] : out_start[place[j] + 1]] == out


def starts_of(level):
    """Where each level starts."""
    return [sum(other < at for other in level) for at in range(max(level) + 1)]


def test_nodes_on_and_behind_a_cycle_have_no_level():
    level, arrays = _core.order_graph(5, indices([0, 1, 2, 2]), indices([1, 2, 1, 3]), None)
    assert arrays is None
    assert level.tolist() == [0, -1, -1, -1, 0]


@pytest.mark.parametrize("bad", [[-1], [10], [2**31 - 1]])
def test_indices_out_of_range_are_refused(bad):
    with pytest.raises(IndexError, match="out of range"):
        _core.group_by(indices(bad), 10)
    with pytest.raises(IndexError, match="out of range"):
        _core.order_graph(10, indices(bad), indices([0]), None)


def test_lengths_that_disagree_are_refused():
    with pytest.raises(ValueError, match="head has 1 entries, not 2"):
        _core.order_graph(3, indices([0, 1]), indices([1]), None)
    with pytest.raises(ValueError, match="in_order has 1 entries, not 3"):
        _core.order_graph(3, indices([0]), indices([1]), np.zeros(1, np.bool_))
    with pytest.raises(ValueError, match="differ in length"):
        _core.longest_path_to(indices([0]), indices([0]), indices([]), indices([]), np.zeros(1, np.bool_))


def test_absurd_sizes_are_refused():
    with pytest.raises(ValueError, match="fewer than 2\\^31"):
        _core.group_by(indices([]), 2**31)


@pytest.mark.parametrize("wrong", [np.zeros(3, np.int64), np.zeros(6, np.int32)[::2], np.zeros((3, 1), np.int32)])
def test_arrays_of_another_kind_are_never_converted(wrong):
    with pytest.raises(TypeError):
        _core.group_by(wrong, 10)


# ---- structures, passes and trainers ----

# a path 0 -> 1 -> 2 with an arc 0 -> 2 past it; edges in that order
STRUCTURE = {
    "tail": indices([0, 1, 0]),
    "head": indices([1, 2, 2]),
    "order": indices([0, 1, 2]),
    "position": indices([0, 1, 2]),
    "level_start": indices([0, 1, 2, 3]),
    "in_start": indices([0, 0, 1, 3]),
    "in_edge": indices([0, 2, 1]),
    "out_start": indices([0, 2, 3, 3]),
    "out_edge": indices([0, 2, 1]),
    "activation": np.zeros(3, np.uint8),
    "aggregation": np.zeros(3, np.uint8),
    "is_input": np.array([1, 0, 0], np.uint8),
    "inputs": indices([0]),
    "outputs": indices([2]),
    "tie": None,
    "n_parameters": 0,
    "bias_tie": None,
    "n_biases": 0,
}


def test_a_structure_that_is_one_is_taken():
    structure = _core.Structure(**STRUCTURE)
    assert structure.blocks == []
    assert structure.bytes > 0
    _core.Structure(**STRUCTURE | {"tie": indices([0, 1, 0]), "n_parameters": 2})
    _core.Structure(**STRUCTURE | {"bias_tie": indices([0, 1, 1]), "n_biases": 2})


@pytest.mark.parametrize("name", [name for name, array in STRUCTURE.items() if isinstance(array, np.ndarray)])
def test_structures_of_wrong_arrays_are_refused(name):
    right = STRUCTURE[name]
    large = np.full(len(right), 200, right.dtype)
    for wrong in (right.astype(np.int64), np.repeat(right, 2)[::2], right[:, None], right.astype(np.float64)):
        if wrong.ndim == 1 and wrong.dtype == right.dtype and wrong.flags.c_contiguous:
            continue  # one number is always contiguous
        with pytest.raises(TypeError):
            _core.Structure(**STRUCTURE | {name: wrong})
    if name not in ("inputs", "outputs"):
        longer = np.append(right, right[-1:] + (name == "level_start")).astype(right.dtype)
        for wrong in (right[:-1], longer, right[:0]):
            with pytest.raises((ValueError, IndexError)):
                _core.Structure(**STRUCTURE | {name: wrong})
    for wrong in (large, -large.astype(np.int32)) if name != "is_input" else ():
        if wrong.dtype == right.dtype:
            with pytest.raises((ValueError, IndexError)):
                _core.Structure(**STRUCTURE | {name: wrong})


@pytest.mark.parametrize(
    "wrong",
    [
        {"position": indices([0, 2, 1])},
        {"order": indices([0, 0, 2])},
        {"order": indices([1, 0, 2]), "position": indices([1, 0, 2])},
        {"in_start": indices([0, 1, 1, 3])},
        {"in_start": indices([0, 2, 1, 3])},
        {"in_edge": indices([2, 0, 1])},
        {"out_edge": indices([0, 1, 2])},
        {"tail": indices([0, 2, 0])},
        {"level_start": indices([0, 2, 1, 3])},
        {"level_start": indices([0])},
        {"level_start": indices([1, 2, 3])},
        {"inputs": indices([1])},
        {"is_input": np.array([1, 1, 0], np.uint8)},
        {"tie": indices([0, 1, 2]), "n_parameters": 2},
        {"tie": indices([0, 1]), "n_parameters": 2},
        {"tie": indices([0, -1, 0]), "n_parameters": 2},
        {"tie": indices([0, 0, 0]), "n_parameters": 2**31},
        {"bias_tie": indices([0, 1, 2]), "n_biases": 2},
        {"bias_tie": indices([0, 1]), "n_biases": 2},
        {"bias_tie": indices([0, -1, 0]), "n_biases": 2},
        {"bias_tie": indices([0, 0, 0]), "n_biases": 2**31},
        {"in_edge": indices([0, 1, 1]), "out_edge": indices([0, 0, 1])},
    ],
    ids=lambda wrong: " ".join(wrong),
)
def test_structures_that_contradict_themselves_are_refused(wrong):
    with pytest.raises((ValueError, IndexError)):
        _core.Structure(**STRUCTURE | wrong)


def small_pass(dtype=np.float64, gates=True):
    kind = _core.Pass32 if dtype == np.float32 else _core.Pass64
    ones = np.ones(3, dtype)
    return kind(_core.Structure(**STRUCTURE), ones, ones, ones, np.ones((4, 1), dtype), gates, 1)


@pytest.mark.parametrize("kind", [_core.Pass32, _core.Pass64])
def test_passes_over_wrong_arrays_are_refused(kind):
    dtype, other = (np.float32, np.float64) if kind is _core.Pass32 else (np.float64, np.float32)
    structure, ones = _core.Structure(**STRUCTURE), np.ones(3, dtype)
    right = {"weight": ones, "bias": ones, "response": ones, "x": np.ones((4, 1), dtype)}
    more = {"structure": structure, "gates": True, "threads": 1}
    kind(**right, **more)
    for name, array in right.items():
        for wrong in (array.astype(other), array.astype(np.int32), np.repeat(array, 2, axis=0)[::2], array[None], None):
            with pytest.raises(TypeError):
                kind(**right | {name: wrong}, **more)
        if name != "x":
            for wrong in (ones[:2], np.ones(4, dtype), ones[:0]):
                with pytest.raises(ValueError, match=name):
                    kind(**right | {name: wrong}, **more)
    for wrong in (np.ones((4, 2), dtype), np.ones((4, 0), dtype), np.ones((0, 1), dtype)):
        with pytest.raises(ValueError, match="x"):
            kind(**right | {"x": wrong}, **more)


def test_results_go_only_where_they_fit():
    started = small_pass()
    started.start_from(np.ones((4, 1)), indices([-1, -1, 0]))
    shapes = {
        "value": (4, 3),
        "preactivation": (4, 3),
        "gate": (4, 3),
        "output": (4, 1),
        "sensitivity": (4, 3),
        "linear_sensitivity": (4, 3),
        "input_gradient": (4, 1),
        "edge_derivative": (4, 3),
        "weight_gradient_per_sample": (4, 3),
    }
    for name, (rows, columns) in shapes.items():
        make = getattr(started, name)
        make(np.empty((rows, columns)))
        for shape in ((rows - 1, columns), (rows + 1, columns), (rows, columns + 1), (rows, 0), (0, columns)):
            with pytest.raises(ValueError, match="out"):
                make(np.empty(shape))
        read_only = np.empty((rows, columns))
        read_only.flags.writeable = False
        for wrong in (
            np.empty((rows, columns), np.float32),
            np.empty(rows * columns),
            np.empty((rows * 2, columns))[::2],
            read_only,
        ):
            with pytest.raises(TypeError):
                make(wrong)
    for name in ("weight_gradient", "bias_gradient", "response_gradient"):
        make = getattr(started, name)
        make(1.0, np.empty(3))
        for size in (0, 2, 4):
            with pytest.raises(ValueError, match="out"):
                make(1.0, np.empty(size))
        for wrong in (np.empty(3, np.float32), np.empty((3, 1)), np.empty(6)[::2]):
            with pytest.raises(TypeError):
                make(1.0, wrong)


def test_beginnings_of_the_recursion_that_do_not_fit_are_refused():
    one = small_pass()
    for seed, rows in (
        (np.ones((3, 1)), [-1, -1, 0]),
        (np.ones((4, 1)), [-1, 0]),
        (np.ones((4, 1)), [-1, -1, 1]),
        (np.ones((4, 0)), [-1, -1, 0]),
    ):
        with pytest.raises((ValueError, IndexError)):
            one.start_from(seed, indices(rows))
    y, label = np.ones((4, 1)), np.zeros(4, np.int64)
    squared, cross_entropy = 0, 2
    for loss, given_y, given_label, weight in (
        (-1, y, None, None),
        (99, y, None, None),
        (squared, None, label, None),
        (squared, y[:3], None, None),
        (squared, np.ones((4, 2)), None, None),
        (squared, y, None, np.ones(3)),
        (cross_entropy, y, None, None),
        (cross_entropy, None, label[:3], None),
        (cross_entropy, None, label + 1, None),
        (cross_entropy, None, label - 1, None),
    ):
        with pytest.raises((ValueError, IndexError)):
            one.start_from_loss(loss, 0.0, given_y, given_label, weight)
    with pytest.raises(TypeError):
        one.start_from_loss(cross_entropy, 0.0, None, label.astype(np.int32), None)


@pytest.mark.parametrize("gates", [True, False])
def test_a_recursion_that_has_not_begun_has_no_results(gates):
    for ask in (
        lambda one: one.sensitivity(np.empty((4, 3))),
        lambda one: one.weight_gradient(1.0, np.empty(3)),
        lambda one: one.loss_per_sample(np.empty(4)),
    ):
        with pytest.raises(ValueError):  # noqa: PT011
            ask(small_pass(gates=gates))
    without_gates = small_pass(gates=False)
    with pytest.raises(ValueError):  # noqa: PT011
        without_gates.start_from(np.ones((4, 1)), indices([-1, -1, 0]))
    with pytest.raises(ValueError):  # noqa: PT011
        without_gates.for_targets(2)


# where arcs may go in the network above: from rank 0 to 1 and to 2
PLACES = {
    "rank": indices([0, 1, 2]),
    "may_head": np.array([0, 1, 1], np.uint8),
    "pair": indices([[0, 1], [0, 2]]),
    "group": indices([0, 1]),
    "wanted": np.array([1, 2**62]),
    "out_start": indices([0, 1, 1, 1]),
    "out_row": indices([1]),
    "divisor": 1.0,
}


def test_places_that_are_some_are_searched():
    started = small_pass()
    started.start_from(np.ones((4, 1)), indices([-1, -1, 0]))
    tail, head, gradient = started.strongest_absent(**PLACES)
    assert (tail.tolist(), head.tolist()) == ([0], [2])  # no arc of these places is said to be there
    weight_gradient = np.empty(3)
    started.weight_gradient(1.0, weight_gradient)
    np.testing.assert_allclose(gradient, weight_gradient[2:])
    with pytest.raises(ValueError, match="nothing to start from"):
        small_pass().strongest_absent(**PLACES)


@pytest.mark.parametrize(
    "wrong",
    [
        {"rank": indices([0, 1])},
        {"rank": indices([0, 1, 3])},
        {"rank": indices([0, 1, 2**31 - 1])},
        {"rank": indices([0, 1, -2])},
        {"may_head": np.zeros(4, np.uint8)},
        {"pair": indices([[0, 1], [0, 3]])},
        {"pair": indices([[0, 1], [-1, 2]])},
        {"pair": indices([[0, 1], [1, 1]])},
        {"pair": indices([[0, 1, 2], [0, 1, 2]])},
        {"pair": indices([[0, 1]])},
        {"group": indices([0, 2])},
        {"group": indices([0, -1])},
        {"group": indices([0])},
        {"wanted": np.array([1, -1])},
        {"wanted": np.array([1])},
        {"out_start": indices([0, 1, 1])},
        {"out_start": indices([0, 2, 1, 1])},
        {"out_start": indices([0, 1, 1, 2])},
        {"out_row": indices([3])},
        {"out_row": indices([-1])},
    ],
    ids=lambda wrong: " ".join(wrong),
)
def test_places_that_are_none_are_refused(wrong):
    started = small_pass()
    started.start_from(np.ones((4, 1)), indices([-1, -1, 0]))
    with pytest.raises((ValueError, IndexError)):
        started.strongest_absent(**PLACES | wrong)
    for name in wrong:
        with pytest.raises(TypeError):
            started.strongest_absent(**PLACES | {name: PLACES[name].astype(np.float64)})


@pytest.mark.parametrize("n_targets", [2**40, 2**61, 2**62, 2**63])
def test_absurd_numbers_of_targets_are_refused(n_targets):
    with pytest.raises((MemoryError, ValueError)):
        small_pass().for_targets(n_targets)


def test_a_trainer_may_begin_with_few_samples():
    """What it makes room for then is for whole minibatches."""
    net = ew.mlp([2, 40, 1], activation="tanh")
    x = np.random.default_rng(0).normal(size=(301, 2))
    y = np.sin(x[:, :1])
    chunks = [(x[:1], y[:1]), (x[1:], y[1:])]
    state = ew.OptimizerState()
    plain = {"kind": "sgd", "learning_rate": 0.1, "weight_decay": 0.0}
    trainer = NativeTraining(net.copy(), ew.losses.get("squared_error"), plain, 300, 1, None, 0.0, 0.0, 0.0, 0, 1)
    for part in chunks:
        n = len(part[0])
        chunk = batches.Chunk(*part, None, np.arange(n))
        assert trainer.run(Work(chunk, None, np.empty((n, 1)), np.empty(n)), 0, 10, 1.0) == n
    whole = net.copy()
    for part in chunks:
        ew.fit(whole, *part, optimizer=ew.SGD(0.1), epochs=1, batch_size=300, state=state)
    assert np.abs(trainer.array(0)[0] - whole.weight).max() <= 1e-12 * np.abs(whole.weight).max()


def test_trainers_over_wrong_arrays_are_refused():
    net = ew.mlp([2, 3, 1])
    right = {
        "structure": structure_of(net),
        "weight": net.weight,
        "bias": net.bias,
        "response": net.response,
        "batch_size": 4,
        "loss": 0,
        "loss_parameter": 0.0,
        "optimizer": 0,
        "nesterov": False,
        "learning_rate": 0.1,
        "momentum": 0.0,
        "weight_decay": 0.0,
        "beta1": 0.9,
        "beta2": 0.999,
        "epsilon": 1e-8,
        "clip_norm": 0.0,
        "l1": 0.0,
        "average": 0.0,
        "accumulate": 1,
        "dropout": 0.0,
        "seed": 0,
        "threads": 1,
    }
    for wrong in (
        {"weight": net.weight[:-1]},
        {"bias": net.bias[:-1]},
        {"response": net.response[:-1]},
        {"batch_size": 0},
        {"accumulate": 0},
        {"dropout": 1.0},
        {"dropout": np.nan},
        {"loss": 17},
        {"loss": -1},
        {"optimizer": 17},
        {"optimizer": -1},
    ):
        with pytest.raises(ValueError):  # noqa: PT011
            _core.Trainer64(**right | wrong)
    for wrong in ({"weight": net.weight.astype(np.float32)}, {"bias": np.zeros(12)[::2]}, {"batch_size": -1}):
        with pytest.raises(TypeError):
            _core.Trainer64(**right | wrong)
    trainer = _core.Trainer64(**right)
    data = {
        "x": np.ones((5, 2)),
        "y": np.ones((5, 1)),
        "label": None,
        "sample_weight": None,
        "order": np.arange(5),
        "rate_factor": None,
        "output": np.empty((5, 1)),
        "losses": np.empty(5),
        "first": 0,
        "n_steps": 10,
        "seconds": 1.0,
        "look": None,
        "rows": None,
    }
    for wrong in (
        {"x": np.ones((5, 3))},
        {"y": np.ones((4, 1))},
        {"y": np.ones((5, 2))},
        {"y": None},
        {"sample_weight": np.ones(4)},
        {"order": np.array([0, 1, 2, 3, 5])},
        {"order": np.array([0, 1, 2, 3, -1])},
        {"rate_factor": np.ones(1)},
        {"rate_factor": np.ones(3)},
        {"output": np.empty((4, 1))},
        {"output": np.empty((5, 2))},
        {"losses": np.empty(4)},
    ):
        with pytest.raises((ValueError, IndexError)):
            trainer.run(**data | wrong)
    with pytest.raises(ValueError, match="labels"):
        _core.Trainer64(**right | {"loss": 2}).run(**data)  # cross-entropy, which y cannot serve
    assert trainer.run(**data) == (5, 0)
    with pytest.raises(MemoryError):
        _core.Trainer64(**right | {"batch_size": 2**40, "accumulate": 2**40})
    n = net.n_nodes
    look_right = {
        "structure": structure_of(net),
        "n_levels": 3,
        "level": net.depth,
        "closed_below": np.zeros(n),
        "hidden": np.zeros(n, np.uint8),
        "squashing": np.zeros(n, np.uint8),
        "smooth": np.zeros(n, np.uint8),
        "closed": np.full(n, np.nan),
        "last_open": np.zeros(n, np.int64),
        "step_of": np.zeros(n, np.int64),
        "opened": np.zeros(n, np.uint8),
        "seen": np.array([0, np.nan, np.nan]),
        "every": 1,
        "samples": 0,
        "few": 16,
        "often": 16,
        "lately": 256.0,
        "dead_after": 256.0,
        "saturated_from": 0.5,
        "step_size": 4,
        "beside": True,
        "threads": 1,
    }
    for wrong in (
        *(
            {name: look_right[name][:-1].copy()}
            for name in ("level", "closed_below", "hidden", "closed", "opened", "seen")
        ),
        {"n_levels": 0},
        {"n_levels": 2},
        {"every": 0},
        {"few": 0},
        {"often": 0},
        {"step_size": 0},
    ):
        with pytest.raises((ValueError, IndexError)):
            _core.Look64(**look_right | wrong)
    look = _core.Look64(**look_right)
    rows = {"look": look, "rows": np.empty((3, look.row_size))}
    other = _core.Look64(**look_right | {"structure": structure_of(ew.mlp([2, 3, 1]))})
    for wrong in (
        {"rows": None},
        {"rows": np.empty((3, look.row_size - 1))},
        {"rows": np.empty((0, look.row_size))},
        {"look": other},
        {"look": _core.Look64(**look_right | {"step_size": 3})},
    ):
        with pytest.raises(ValueError):  # noqa: PT011
            trainer.run(**data | rows | wrong)
    assert trainer.run(**data | rows) == (5, 2)
    assert trainer.run(**data | rows | {"rows": np.empty((1, look.row_size))}) == (4, 1)  # no room for the next
    assert trainer.n_arrays == 1
    assert _core.Trainer64(**right | {"average": 0.9}).n_arrays == 2
    adam = _core.Trainer64(**right | {"optimizer": 1})
    assert adam.n_arrays == 3
    for one, which in ((trainer, 1), (adam, 3), (adam, -1)):
        for ask in (one.array, one.set_array):
            with pytest.raises(IndexError):
                ask(which, net.weight.copy(), net.bias.copy())
    for ask in (adam.array, adam.set_array):
        with pytest.raises(ValueError, match="weight has"):
            ask(0, net.weight[:-1].copy(), net.bias.copy())
        with pytest.raises(ValueError, match="bias has"):
            ask(1, net.weight.copy(), net.bias[:-1].copy())
    with pytest.raises(TypeError):
        adam.set_steps(-1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(0,), (7,), (1, 3), (1 << 17,), (3, 70_001), (70_001, 3)])
def test_large_arrays_begin_with_a_line_of_the_cache(shape, dtype):
    array = arrays.empty(shape, np.dtype(dtype))
    assert array.shape == shape
    assert array.dtype == dtype
    assert array.flags.c_contiguous
    assert array.flags.writeable
    assert array.nbytes < arrays.LARGE or array.ctypes.data % arrays.LINE == 0
