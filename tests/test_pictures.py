"""Pictures: where nodes are put, what Graphviz and Mermaid are given, what is drawn on matplotlib's axes."""

import json
import re
import shutil
import subprocess
from itertools import combinations, pairwise

import matplotlib
import numpy as np
import pytest
from hypothesis import given
from matplotlib.figure import Figure

import edgewise as ew
from edgewise.view import layout as layouts
from edgewise.view.layout import layout
from strategies import dags

matplotlib.use("Agg")
HOSTILE = ('a"b', "</script><b>", "\\N", "a;b]", "&amp;", "x#quot;", "‮rtl", "line\nbreak", "名", "-->", "t")


def hostile_net():
    inputs = list(HOSTILE[:-1])
    weight = np.linspace(-1, 1, len(inputs))
    return ew.Network(inputs, [HOSTILE[-1]] * len(inputs), weight, names=HOSTILE, activation="tanh", inputs=inputs)


# ---- layout ----


@given(dags())
def test_nodes_stand_in_levels_and_apart(net):
    place = layout(net)
    level = {j: k for k, nodes in enumerate(np.split(net.plan.order, net.plan.level_start[1:-1])) for j in nodes}
    assert all(place.x[j] == level[j] for j in range(net.n_nodes))
    for a, b in combinations(range(net.n_nodes), 2):
        assert place.x[a] != place.x[b] or abs(place.y[a] - place.y[b]) > 1 - 1e-9
    for e, route in enumerate(place.routes):
        assert len(route) == place.x[net.head[e]] - place.x[net.tail[e]] - 1
    changed = net.with_own_parameters()
    changed.weight[:] = 0
    assert layout(changed) is place, "made once for a structure"
    layouts._of_structure.cache_clear()
    again = layout(net)
    assert again is not place
    assert again.y.tolist() == place.y.tolist()
    assert again.routes == place.routes


@given(dags())
def test_crossings_are_counted_and_no_more_than_in_the_plans_order(net):
    place = layout(net)
    segments = []
    for e, route in enumerate(place.routes):
        stops = [place.y[net.tail[e]], *route, place.y[net.head[e]]]
        start = int(place.x[net.tail[e]])
        segments += [(start + k, a, b) for k, (a, b) in enumerate(pairwise(stops))]
    crossings = sum(p[0] == q[0] and (p[1] - q[1]) * (p[2] - q[2]) < -1e-12 for p, q in combinations(segments, 2))
    assert crossings == place.crossings


def test_what_can_be_drawn_without_crossings_is():
    # two rows that the given order entangles
    net = ew.Network([0, 1, 2, 3], [5, 4, 7, 6], [1.0] * 4)
    assert layout(net).crossings == 0
    grid = ew.Network([0, 1, 2, 3, 4, 5], [4, 5, 3, 6, 8, 7], [1.0] * 6)
    assert layout(grid).crossings == 0


# ---- Graphviz and Mermaid ----


@given(dags())
def test_every_node_and_arc_is_in_the_text(net):
    bwd = net.backprop(np.ones(net.n_inputs), target=0)
    for text in (ew.to_dot(net), ew.to_dot(net, bwd)):
        assert len(re.findall(r"^  n\d+ \[", text, re.M)) == net.n_nodes
        arcs = re.findall(r"^  n(\d+) -> n(\d+) \[", text, re.M)
        assert [(int(i), int(j)) for i, j in arcs] == list(zip(net.tail.tolist(), net.head.tolist(), strict=True))
    chart = ew.to_mermaid(net, bwd)
    arcs = re.findall(r"^  n(\d+) -\.?->\|\"[^\"]*\"\| n(\d+)$", chart, re.M)
    assert [(int(i), int(j)) for i, j in arcs] == list(zip(net.tail.tolist(), net.head.tolist(), strict=True))


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed (Debian: graphviz)")
def test_graphviz_reads_every_name_as_it_is():
    net = hostile_net()
    ran = subprocess.run(["dot", "-Tjson"], input=ew.to_dot(net).encode(), capture_output=True, check=True)
    assert not ran.stderr
    drawn = {node["name"]: node["_ldraw_"] for node in json.loads(ran.stdout)["objects"] if "_ldraw_" in node}
    first = [next(op["text"] for op in drawn[f"n{j}"] if op["op"] == "T") for j in range(net.n_nodes)]
    assert first == [name if name.isprintable() else name.encode("unicode_escape").decode() for name in HOSTILE]


def test_no_name_is_markup_in_a_mermaid_chart():
    lines = ew.to_mermaid(hostile_net()).splitlines()
    assert len(lines) == 1 + len(HOSTILE) + len(HOSTILE) - 1
    for line in lines[1:]:
        label = re.search(r'"(.*)"', line).group(1).replace("<br>", "")
        assert not set(label) & set('"<>[](){}|;') - {";"}
        assert re.fullmatch(r"(#\d+;|[^#;])*", label)


def test_drawings_are_saved_and_not_loaded(tmp_path):
    net = hostile_net()
    for name, text in (("net.dot", ew.to_dot(net)), ("net.gv", ew.to_dot(net)), ("net.mmd", ew.to_mermaid(net))):
        net.save(tmp_path / name)
        assert (tmp_path / name).read_text(encoding="utf-8") == f"{text}\n"
        with pytest.raises(ew.FormatError, match="is a drawing"):
            ew.load(tmp_path / name)


def test_a_pass_that_does_not_fit_is_one_error():
    net, other = hostile_net(), ew.mlp([2, 2, 1], seed=0)
    with pytest.raises(ew.DataError, match="the network has"):
        ew.to_dot(net, other.backprop([1.0, 2.0]))
    with pytest.raises(ew.DataError, match="no sample 2"):
        ew.to_dot(other, other.backprop(np.ones((2, 2))), sample=2)
    with pytest.raises(ew.DataError, match="list of targets"):
        ew.to_mermaid(other, other.backprop([1.0, 2.0], [2, 4]))


# ---- matplotlib ----


def axes():
    return Figure().subplots()


@given(dags())
def test_every_node_and_arc_is_drawn(net):
    ax = ew.plot.network(net, net.backprop(np.ones((2, net.n_inputs)), target=0), sample=1, ax=axes())
    lines, *dots = ax.collections
    assert len(lines.get_segments()) == net.n_edges
    assert sum(len(d.get_offsets()) for d in dots) == net.n_nodes + net.n_outputs
    assert [text.get_text() for text in ax.texts] == list(net.names)
    ends = [(segment[0], segment[-1]) for segment in lines.get_segments()]
    where = layout(net)
    for e, (first, last) in enumerate(ends):
        assert first == pytest.approx((where.x[net.tail[e]], -where.y[net.tail[e]]), abs=1e-9)
        assert last == pytest.approx((where.x[net.head[e]], -where.y[net.head[e]]), abs=1e-9)


def test_parallel_arcs_do_not_hide_each_other():
    net = ew.Network([0, 0, 0], [1, 1, 1], [1.0, 2.0, 3.0])
    lines = ew.plot.network(net, ax=axes()).collections[0].get_segments()
    middle = [segment[len(segment) // 2, 1] for segment in lines]
    assert len(set(np.round(middle, 3))) == 3


def test_gates_are_shown_beside_the_largest_there_can_be():
    net = ew.Network([0, 0], [1, 2], [0.0, 50.0], activation="sigmoid", names=["x", "open", "closed"])
    ax = ew.plot.gates(net, net.forward([[1.0], [1.0]]), ax=axes())
    assert np.allclose(ax.images[0].get_array(), [[0.0, 1.0]])


def test_history_is_drawn_with_its_best_epoch():
    x = np.random.default_rng(0).normal(0, 1, (64, 2))
    net = ew.mlp([2, 4, 1], seed=0)
    run = ew.fit(net, x, x[:, :1], loss="squared_error", epochs=5, validation=0.25, progress=False)
    ax = ew.plot.history(run, ax=axes())
    assert ax.lines[0].get_ydata().tolist() == run.loss
    assert ax.lines[1].get_ydata().tolist() == run.validation_loss
    assert ew.plot.history(run, quantity="metric", ax=axes()).get_ylabel() == run.metric_name
    with pytest.raises(ew.DataError, match="quantity"):
        ew.plot.history(run, quantity="speed", ax=axes())


def test_a_budget_is_a_waterfall():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(50, 8)), rng.integers(0, 3, 50)
    net = ew.mlp([8, 8, 8, 3], activation="tanh", seed=0)
    budget = ew.gradient_budget(net, x, y=y, loss="cross_entropy")
    ax = ew.plot.budget(budget, ax=axes())
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["arrived", "weights", "gates", "interference"]
    parts = np.array([[bar.get_height() for bar in bars] for bars in ax.containers])
    rows = budget.rows
    assert parts[0].tolist() == [row.weights_db for row in rows]
    assert parts.sum(axis=0) == pytest.approx([row.total_db for row in rows])
    assert ax.lines[0].get_ydata()[-1] == pytest.approx(budget.total.total_db)
    # where one bar ends, the next begins
    ends = [[bar.get_y() + bar.get_height() for bar in bars] for bars in ax.containers]
    assert [bar.get_y() for bar in ax.containers[1]] == pytest.approx(ends[0])
    assert [bar.get_y() for bar in ax.containers[0]][1:] == pytest.approx(ends[2][:-1])


def test_a_budget_in_which_nothing_arrives_says_so():
    net = ew.mlp([4, 4, 4, 4, 1], seed=0)
    net.bias[8:12] = -100
    budget = ew.gradient_budget(net, np.ones((3, 4)), y=np.ones((3, 1)), loss="squared_error")
    ax = ew.plot.budget(budget, ax=axes())
    assert len(ax.containers[0]) == 3  # the levels beyond are left out
    assert len([text for text in ax.texts if text.arrow_patch is not None]) == 1
    ax.figure.canvas.draw()


def test_names_are_no_mathematics():
    net = ew.Network(["$\\frac{$"], ["b"], [1.0], names=["$\\frac{$", "b"])
    ax = ew.plot.network(net, ax=axes())
    ax.figure.canvas.draw()
    assert ax.texts[0].get_text() == "$\\frac{$"
