"""Derivations: their numbers are the engine's, their formulas are LaTeX, and long ones are abbreviated."""

import json
import re
import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import edgewise as ew
from command_line import as_json, fail, succeed
from strategies import dags

RATIONAL = ("identity", "relu", "hard_tanh", "abs", "square", "hat", "softsign", "clamped")


def skip_net(**changes):
    net = ew.Network(
        ["x1", "x2", "h", "x2"],
        ["h", "h", "t", "t"],
        [0.8, -0.4, 1.5, 0.6],
        names=["x1", "x2", "h", "t"],
        activation=["identity", "identity", "tanh", "sigmoid"],
    )
    return net.replace(**changes) if changes else net


X = {"x1": 1.0, "x2": 0.5}


def evaluated(line):
    """The number that a line of plain text comes to."""
    words = line.replace("·", "*").replace("²", "**2").replace("³", "**3")
    return eval(words, {"__builtins__": {}, "exp": np.exp, "tanh": np.tanh, "max": max})


@given(dags(max_nodes=9), st.data())
def test_sensitivities_and_gradients_are_those_of_the_engine(net, data):
    x = np.random.default_rng(0).normal(0, 1, net.n_inputs)
    target = data.draw(st.integers(0, net.n_nodes - 1), label="target")
    bwd = net.backprop(x, target)
    i = data.draw(st.integers(0, net.n_nodes - 1), label="i")
    e = data.draw(st.integers(0, net.n_edges - 1), label="e")
    parallel = np.flatnonzero((net.tail == net.tail[e]) & (net.head == net.head[e])).tolist()
    node = ew.derive(net, x, i, target, exact=False)
    edge = ew.derive(net, x, (int(net.tail[e]), int(net.head[e]), parallel.index(e)), target, exact=False)
    assert node.value == bwd.sensitivity[i]
    assert edge.value == pytest.approx(bwd.weight_gradient[e], rel=1e-12, abs=1e-300)
    for found in (node, edge):
        assert found.text()
        assert "\\text" in found.markdown() or not found.sections
        assert found.latex()


@given(dags(max_nodes=8, activations=RATIONAL, ties=False, responses=False), st.data())
def test_fractions_come_to_the_same_as_floats(net, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    net = net.replace(weight=rng.integers(-8, 9, net.n_edges) / 4, bias=rng.integers(1, 6, net.n_nodes) / 8 + 1 / 64)
    x = rng.integers(-6, 7, net.n_inputs) / 4
    e = data.draw(st.integers(0, net.n_edges - 1), label="e")
    parallel = np.flatnonzero((net.tail == net.tail[e]) & (net.head == net.head[e])).tolist()
    wrt = (int(net.tail[e]), int(net.head[e]), parallel.index(e))
    target = int(net.outputs[0])
    found = ew.derive(net, x, wrt, target, exact=True)
    expected = net.backprop(x, target)
    assert isinstance(found.value, Fraction)
    # eighths and quarters are exact in floats too, but for what softsign divides
    kinks = np.abs(expected.preactivation)
    if "softsign" not in net.activations and (kinks < 1e6).all():
        assert float(found.value) == pytest.approx(float(expected.weight_gradient[e]), rel=1e-9, abs=1e-12)


def test_every_line_of_an_equation_comes_to_its_result():
    """The forms with numbers are evaluated as they stand."""
    checked = 0
    for exact, activation, tolerance in ((True, "square", 1e-14), (False, "tanh", 2e-5)):
        net = ew.random_dag(9, 20, n_inputs=2, activation=activation, seed=4)
        net.weight = np.round(net.weight, 1)
        found = ew.derive(net, [0.5, -0.25], int(net.inputs[0]), exact=exact)
        for section in found.sections:
            for equation in section.equations:
                forms = equation.forms
                if len(forms) < 3 or any("…" in term.text for term in forms[-2]):
                    continue
                line = " + ".join(term.text for term in forms[-2])
                result = float(Fraction(forms[-1][0].text.strip("()")))
                assert evaluated(line) == pytest.approx(result, rel=tolerance, abs=tolerance), equation
                checked += 1
    assert checked > 25


def test_each_equation_rests_on_earlier_ones():
    net = ew.random_dag(12, 40, n_inputs=3, activation="tanh", seed=1)
    found = ew.derive(net, [0.1, 0.2, 0.3], int(net.inputs[1]))
    numbers = [equation.number for section in found.sections for equation in section.equations]
    assert numbers == list(range(1, len(numbers) + 1))
    for section in found.sections:
        for equation in section.equations:
            assert all(used < equation.number for used in equation.uses)


def test_the_gradient_of_a_tied_weight_is_the_sum_over_its_edges():
    net = skip_net(weight=[0.8, -0.4, 1.5, 0.8], tie=[0, 1, 2, 0])
    found = ew.derive(net, X, ("x1", "h"))
    assert found.value == pytest.approx(net.backprop(X).weight_gradient[0], rel=1e-12)
    assert "shared by 2 edges" in found.text()


@pytest.mark.parametrize("loss", ["squared_error", "mean_squared_error"])
def test_a_squared_loss_can_be_exact(loss):
    net = ew.mlp([2, 3, 2], activation="relu", seed=1)
    net.weight = np.round(net.weight, 1)
    found = ew.derive(net, [0.5, 0.25], 0, loss=loss, y=[0.5, -1.5])
    assert found.exact
    expected = net.backprop([0.5, 0.25], loss=loss, y=[0.5, -1.5])
    assert float(found.value) == pytest.approx(expected.sensitivity[0], rel=1e-12)


@pytest.mark.parametrize("loss", ["cross_entropy", "hinge", "huber", "binary_cross_entropy"])
def test_other_losses_are_floats(loss):
    net = ew.mlp([2, 3, 2], activation="relu", seed=1)
    y = 1 if loss == "cross_entropy" else [1.0, 1.0]
    found = ew.derive(net, [0.5, 0.25], (0, 2), loss=loss, y=y)
    assert not found.exact
    assert found.value == pytest.approx(net.backprop([0.5, 0.25], loss=loss, y=y).weight_gradient[0], rel=1e-12)


def test_an_output_that_feeds_further_nodes_has_both_its_terms():
    net = ew.Network([0, 1], [1, 2], [2.0, 3.0], activation="identity", outputs=[1, 2])
    found = ew.derive(net, [1.0], 1, loss="squared_error", y=[0.0, 0.0])
    assert found.value == Fraction(2 + 6 * 3)
    assert "∂J/∂y(1) + S(2,J)" in found.text()


def test_decimals_are_read_as_they_are_written():
    net = ew.Network([0, 0], [1, 1], [0.1, 0.2], activation="identity")
    found = ew.derive(net, [0.3], 0)
    assert found.value == Fraction(3, 10)
    single = net.astype("float32")
    assert ew.derive(single, [0.3], 0).value == Fraction(3, 10)


def test_long_sums_and_many_nodes_are_abbreviated_and_said_so():
    net = ew.mlp([300, 200, 1], activation="relu", seed=0)
    x = np.linspace(-1, 1, 300)
    found = ew.derive(net, x, 5)
    assert found.value == pytest.approx(net.backprop(x).sensitivity[5], rel=1e-12)
    assert "more terms)" in found.text()
    assert "further nodes of the forward pass" in found.text()
    assert "further nodes of the backward pass" in found.text()
    assert len(found.text()) < 40_000


def test_no_path_is_said():
    net = ew.Network([0, 0], [1, 2], [1.0, 1.0], names=["x", "a", "b"], activation="identity")
    found = ew.derive(net, [1.0], "b", target="a")
    assert found.value == 0
    assert "No path leads" in found.text()


HOSTILE = ("</script><b>", "a$b", "x\\input{y}", "{", "^_^", "ñ", "名", "a" * 400, "#%&_", "line\nbreak", "‮rtl")


def hostile_net():
    tail = list(HOSTILE[:-1])
    return ew.Network(tail, [HOSTILE[-1]] * len(tail), [0.5] * len(tail), names=HOSTILE, activation="relu", inputs=tail)


def formulas(derivation):
    """Every line of every equation as one formula."""
    for section in derivation.sections:
        for equation in section.equations:
            yield equation.subject.latex
            yield from (content for _, content in equation.lines("latex"))


@pytest.mark.parametrize("activation", ew.activations.BUILTIN)
def test_every_formula_is_mathematics(activation):
    mathtext = pytest.importorskip("matplotlib.mathtext")
    parser = mathtext.MathTextParser("path")
    names = ["x_1", "in 2", "h", "t%"]
    net = skip_net(names=names, tail=[0, 1, 2, 1], head=[2, 2, 3, 3], activation=activation)
    for found in (ew.derive(net, [1.0, 0.5], "x_1", exact=False), ew.derive(hostile_net(), [0.5] * 10, HOSTILE[0])):
        for formula in formulas(found):
            parser.parse(f"${formula}$")


def test_hostile_names_are_inert_in_every_form():
    found = ew.derive(hostile_net(), [0.5] * 10, HOSTILE[0], max_terms=20)
    assert "<" not in re.sub(r"\\<", "", found.markdown()).replace("[-1 \\leq", "")
    assert "\\input" not in found.latex()
    assert found.text().isprintable() or all(line.isprintable() for line in found.text().split("\n"))


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed (Debian: texlive-latex-base)")
@pytest.mark.parametrize("which", ["skip", "hostile", "tied", "aggregations"])
def test_the_document_compiles(which, tmp_path):
    match which:
        case "skip":
            found = ew.derive(skip_net(), X, ("x1", "h"))
        case "hostile":
            found = ew.derive(hostile_net(), [0.5] * 10, HOSTILE[0])
        case "tied":
            found = ew.derive(skip_net(weight=[0.8, -0.4, 1.5, 0.8], tie=[0, 1, 2, 0]), X, ("x1", "h"))
        case _:
            net = skip_net(aggregation=["sum", "sum", "maxabs", "product"], response=[1, 1, 0.5, 2], activation="relu")
            found = ew.derive(net, X, "x1", loss="squared_error", y=[1.0])
    Path(tmp_path, "d.tex").write_text(found.latex(document=True), encoding="utf-8")
    ran = subprocess.run(
        ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "d.tex"], cwd=tmp_path, capture_output=True
    )
    assert ran.returncode == 0, ran.stdout[-2000:]


def test_what_cannot_be_is_one_error():
    net = skip_net()
    with pytest.raises(ew.GraphError, match="there is no edge 'x1' -> 't'"):
        ew.derive(net, X, ("x1", "t"))
    with pytest.raises(ew.GraphError, match="2 edges"):
        ew.derive(ew.Network([0, 0], [1, 1], [1.0, 2.0]), [1.0], (0, 1))
    with pytest.raises(ew.GraphError, match="number 2"):
        ew.derive(ew.Network([0, 0], [1, 1], [1.0, 2.0]), [1.0], (0, 1, 2))
    with pytest.raises(ew.DataError, match="tanh of node 'h' leaves the fractions"):
        ew.derive(net, X, "x1", exact=True)
    with pytest.raises(ew.DataError, match="one sample"):
        ew.derive(net, [[1.0, 0.5], [1.0, 0.5]], "x1")
    with pytest.raises(ew.GraphError, match="one target"):
        ew.derive(net, X, "x1", ["h", "t"])


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    skip_net(activation="relu").save("net.json")
    Path("x.csv").write_text("x1,x2\n1.0,0.5\n2.0,0.25\n")
    Path("y.csv").write_text("t\n1.0\n0.0\n")


@pytest.mark.usefixtures("files")
def test_the_command_writes_what_the_function_does():
    net = ew.load("net.json")
    given = ("derive", "net.json", "--input", "x.csv", "--wrt")
    assert succeed(*given, "x1->h").strip() == ew.derive(net, X, ("x1", "h")).text()
    assert succeed(*given, "x2", "--format", "markdown").strip() == ew.derive(net, X, "x2").markdown()
    assert succeed(*given, "x2", "--format", "latex").startswith("\\documentclass")
    second = as_json(*given, "x1", "--sample", 2, "--loss", "squared_error", "--labels", "y.csv")
    expected = ew.derive(net, [2.0, 0.25], "x1", loss="squared_error", y=[0.0])
    assert (second["value"], second["fraction"]) == (float(expected.value), str(expected.value))
    assert json.dumps(second)


@pytest.mark.usefixtures("files")
def test_the_command_tells_of_mistakes_in_one_line():
    given = ("derive", "net.json", "--input", "x.csv", "--wrt")
    assert "there is no such edge" in fail(*given, "x1->nowhere")
    assert "there is no sample 3" in fail(*given, "x1", "--sample", 3)
    assert "--format is" in fail(*given, "x1", "--format", "word")
