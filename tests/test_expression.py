"""Expressions: published worked examples to their printed digits, and every operator against finite differences."""

import math

import numpy as np
import pytest

import edgewise as ew


def gradient(net, x):
    """(value, gradient with respect to the inputs) of a network with one output."""
    bwd = net.backprop(np.asarray(x, float))
    return float(bwd.output[0]), bwd.input_gradient


# ---- published examples ----


def test_micrograd_readme():
    """github.com/karpathy/micrograd, README, "Example usage": 24.7041, 138.8338, 645.5773."""
    a, b = ew.variables("a", "b")
    c = a + b
    d = a * b + b**3
    c = c + (c + 1)
    c = c + (1 + c + (-a))
    d = d + (d * 2 + ew.relu(b + a))
    d = d + (3 * d + ew.relu(b - a))
    e = c - d
    f = e**2
    g = f / 2.0
    g = g + 10.0 / f
    value, slopes = gradient(ew.graph(g, inputs=[a, b]), [-4.0, 2.0])
    assert f"{value:.4f}" == "24.7041"
    assert [f"{slope:.4f}" for slope in slopes] == ["138.8338", "645.5773"]


def test_cs231n_product_of_a_sum():
    """cs231n.github.io/optimization-2, f(x,y,z) = (x+y)z at (-2, 5, -4): -12, gradients -4, -4, 3."""
    x, y, z = ew.variables("x", "y", "z")
    value, slopes = gradient(ew.graph((x + y) * z), [-2, 5, -4])
    assert value == -12
    assert slopes.tolist() == [-4, -4, 3]


def test_cs231n_sigmoid_neuron():
    """cs231n.github.io/optimization-2, 2-D neuron, w = [2,-3,-3], x = [-1,-2]: the digits of its circuit diagram."""
    w0, x0, w1, x1, w2 = ew.variables("w0", "x0", "w1", "x1", "w2")
    value, slopes = gradient(ew.graph(ew.sigmoid(w0 * x0 + w1 * x1 + w2)), [2, -1, -3, -2, -3])
    assert f"{value:.2f}" == "0.73"
    assert [f"{slope:.2f}" for slope in slopes] == ["-0.20", "0.39", "-0.39", "-0.59", "0.20"]


def test_cs231n_neuron_of_elementary_operations_is_the_sigmoid():
    """The same circuit with the sigmoid taken apart, 1/(1 + exp(-s)), as the notes draw it."""
    w0, x0, w1, x1, w2 = ew.variables("w0", "x0", "w1", "x1", "w2")
    s = w0 * x0 + w1 * x1 + w2
    value, slopes = gradient(ew.graph(1 / (1 + ew.exp(-s))), [2, -1, -3, -2, -3])
    assert f"{value:.2f}" == "0.73"
    assert [f"{slope:.2f}" for slope in slopes] == ["-0.20", "0.39", "-0.39", "-0.59", "0.20"]


def test_mazur_step_by_step():
    """mattmazur.com/2015/03/17/a-step-by-step-backpropagation-example: total error, w5's gradient, new weights."""
    w = ew.variables(*(f"w{k}" for k in range(1, 9)))
    i1, i2, b1, b2, t1, t2 = 0.05, 0.10, 0.35, 0.60, 0.01, 0.99
    h1 = ew.sigmoid(w[0] * i1 + w[1] * i2 + b1)
    h2 = ew.sigmoid(w[2] * i1 + w[3] * i2 + b1)
    o1 = ew.sigmoid(w[4] * h1 + w[5] * h2 + b2)
    o2 = ew.sigmoid(w[6] * h1 + w[7] * h2 + b2)
    error = 0.5 * (t1 - o1) ** 2 + 0.5 * (t2 - o2) ** 2
    start = np.array([0.15, 0.20, 0.25, 0.30, 0.40, 0.45, 0.50, 0.55])
    value, slopes = gradient(ew.graph(error, inputs=w), start)
    assert f"{value:.9f}" == "0.298371109"
    assert f"{slopes[4]:.9f}" == "0.082167041"
    assert f"{slopes[0]:.9f}" == "0.000438568"
    printed = [0.149780716, 0.19956143, 0.24975114, 0.29950229, 0.35891648, 0.408666186, 0.511301270, 0.561370121]
    np.testing.assert_allclose(start - 0.5 * slopes, printed, rtol=0, atol=6e-9)
    outputs = ew.graph([h1, h2, o1, o2], inputs=w).forward(start).output
    assert [f"{y:.8f}" for y in outputs] == ["0.59326999", "0.59688438", "0.75136507", "0.77292847"]


def test_baydin_survey():
    """Baydin, Pearlmutter, Radul & Siskind, JMLR 18 (2018), tables 2 and 3: ln(x1) + x1*x2 - sin(x2) at (2, 5)."""
    x1, x2 = ew.variables("x1", "x2")
    value, slopes = gradient(ew.graph(ew.log(x1) + x1 * x2 - ew.sin(x2)), [2, 5])
    assert f"{value:.3f}" == "11.652"
    assert f"{slopes[0]:.1f}" == "5.5"
    assert f"{slopes[1]:.3f}" == "1.716"


# ---- every operator against finite differences ----

CASES = {
    "add": (lambda a, b: a + b, lambda a, b: a + b),
    "sub": (lambda a, b: a - b, lambda a, b: a - b),
    "mul": (lambda a, b: a * b, lambda a, b: a * b),
    "div": (lambda a, b: a / b, lambda a, b: a / b),
    "pow": (lambda a, b: a**b, lambda a, b: a**b),
    "neg": (lambda a, b: -a + b, lambda a, b: -a + b),
    "pos": (lambda a, b: +a * b, lambda a, b: a * b),
    "number right": (lambda a, b: ((a + 2) * 3 - 1) / 4 + b, lambda a, b: ((a + 2) * 3 - 1) / 4 + b),
    "number left": (lambda a, b: 2 + 3 * a - (1 - b) + 4 / b, lambda a, b: 2 + 3 * a - (1 - b) + 4 / b),
    "numpy left": (
        lambda a, b: np.float64(2) * a - np.int64(3) + np.float32(0.5) / b,
        lambda a, b: 2 * a - 3 + 0.5 / b,
    ),
    "parallel": (lambda a, b: a * a + b * b * a, lambda a, b: a * a + b * b * a),
    "same sum": (lambda a, b: (a + a) - b, lambda a, b: 2 * a - b),
    **{
        f"power {p}": (lambda a, b, p=p: a**p + b, lambda a, b, p=p: a**p + b)
        for p in (0, 1, 2, 3, 4, 7, -1, -2, -5, 0.5, 1.7, -0.3, 65, -70)
    },
    "number to the power": (lambda a, b: 2.5**a * b, lambda a, b: 2.5**a * b),
    "abs": (lambda a, b: abs(b - a), lambda a, b: abs(b - a)),
    "exp": (lambda a, b: ew.exp(a * b), lambda a, b: math.exp(a * b)),
    "log": (lambda a, b: ew.log(a * b), lambda a, b: math.log(a * b)),
    "sqrt": (lambda a, b: ew.sqrt(a * b), lambda a, b: math.sqrt(a * b)),
    "sin": (lambda a, b: ew.sin(a * b), lambda a, b: math.sin(a * b)),
    "cos": (lambda a, b: ew.cos(a * b), lambda a, b: math.cos(a * b)),
    "tanh": (lambda a, b: ew.tanh(a * b), lambda a, b: math.tanh(a * b)),
    "sigmoid": (lambda a, b: ew.sigmoid(a * b), lambda a, b: 1 / (1 + math.exp(-a * b))),
    "relu": (lambda a, b: ew.relu(a - b) + ew.relu(b - a), lambda a, b: max(a - b, 0) + max(b - a, 0)),
    "hard_tanh": (lambda a, b: ew.hard_tanh(a - b), lambda a, b: min(max(a - b, -1), 1)),
    "maximum": (lambda a, b: ew.maximum(a, b, 0.1), lambda a, b: max(a, b, 0.1)),
    "minimum": (lambda a, b: ew.minimum(3.0, a, b), lambda a, b: min(3.0, a, b)),
}


@pytest.mark.parametrize("case", CASES)
def test_operator(case):
    build, plain = CASES[case]
    a, b = ew.variables("a", "b")
    net = ew.graph(build(a, b), inputs=[a, b])
    for x in ([1.3, 0.7], [0.6, 1.1]):
        value, slopes = gradient(net, x)
        expected = plain(*x)
        assert value == pytest.approx(expected, rel=1e-12)
        h = 1e-5
        differences = [
            (plain(x[0] + h, x[1]) - plain(x[0] - h, x[1])) / (2 * h),
            (plain(x[0], x[1] + h) - plain(x[0], x[1] - h)) / (2 * h),
        ]
        np.testing.assert_allclose(slopes, differences, rtol=1e-6, atol=1e-8 * max(1, abs(expected)))


@pytest.mark.parametrize("name", ew.activations.BUILTIN)
def test_apply_is_the_row_of_the_table(name):
    a = ew.variable("a")
    value, slopes = gradient(ew.graph(ew.apply(name, a)), [0.4])
    row = ew.activations.get(name)
    s = np.array([0.4])
    assert value == pytest.approx(row.value(s)[0], rel=1e-15)
    assert slopes[0] == pytest.approx(row.gate(s, row.value(s))[0], rel=1e-15)


@pytest.mark.parametrize("power", [2, 3, 4, 5, 65, 66, 101, -3, -65])
def test_whole_powers_of_negative_numbers(power):
    a = ew.variable("a")
    value, slopes = gradient(ew.graph(a**power), [-1.1])
    assert value == pytest.approx((-1.1) ** power, rel=1e-12)
    assert slopes[0] == pytest.approx(power * (-1.1) ** (power - 1), rel=1e-12)


def test_zero_factors_have_their_derivatives():
    a, b = ew.variables("a", "b")
    assert gradient(ew.graph(a * b), [0, 3])[1].tolist() == [3, 0]
    assert gradient(ew.graph(a**4), [0])[1].tolist() == [0]
    assert gradient(ew.graph(a**0), [0])[0] == 1


# ---- the graph that is built ----


def test_one_operation_is_one_node():
    a, b = ew.variables("a", "b")
    net = ew.graph(a * b + b**3)
    assert net.names == ("a", "b", "mul1", "cube1", "add1")
    assert net.n_edges == 5
    assert net.aggregations == ("sum", "sum", "product", "sum", "sum")
    assert net.activations == ("identity", "identity", "identity", "cube", "identity")
    square = ew.graph(a * a)
    assert (square.tail.tolist(), square.head.tolist()) == ([0, 0], [1, 1])
    scaled = ew.graph(3 * a)
    assert (scaled.weight.tolist(), scaled.bias[1]) == ([3.0], 0.0)
    shifted = ew.graph(a + 3)
    assert (shifted.weight.tolist(), shifted.bias[1]) == ([1.0], 3.0)


def test_names_do_not_collide_with_variables():
    a, b = ew.variables("add1", "mul1")
    net = ew.graph((a + b) * (a * b))
    assert len(set(net.names)) == net.n_nodes
    assert net.names[:2] == ("add1", "mul1")


def test_shared_subexpressions_are_computed_once():
    y = ew.variable("a")
    for _ in range(60):  # 2**60 terms if it were a tree
        y = y + y
    net = ew.graph(y)
    assert net.n_nodes == 61
    assert gradient(net, [1.0])[1].tolist() == [2.0**60]


def test_inputs_default_to_the_order_of_creation():
    a, b, c = ew.variables("a", "b", "c")
    assert ew.graph(c * a).names[:2] == ("a", "c")
    net = ew.graph(c * a, inputs=[c, b, a])
    assert [net.names[i] for i in net.inputs] == ["c", "b", "a"]
    assert gradient(net, [2, 9, 5])[1].tolist() == [5, 0, 2]


def test_outputs():
    a, b = ew.variables("a", "b")
    net = ew.graph([a * b, a])
    assert net.forward([3.0, 4.0]).output.tolist() == [12.0, 3.0]
    assert ew.graph(a + b, dtype="float32").dtype == np.float32
    assert isinstance(ew.variables("only"), tuple)


def test_expressions_are_immutable():
    a = ew.variable("a")
    with pytest.raises(AttributeError):
        a.bias = 3.0


def test_deep_chain():
    y = ew.variable("x")
    for _ in range(50_000):
        y = 1.0 - (y + 1.0)
    net = ew.graph(y)
    assert net.n_nodes == 100_001
    value, slopes = gradient(net, [2.5])
    assert value == 2.5
    assert slopes.tolist() == [1.0]


# ---- what cannot be ----


def test_errors_name_what_is_wrong():
    a, b = ew.variables("a", "b")
    with pytest.raises(ew.GraphError, match="'b'"):
        ew.graph(a * b, inputs=[a])
    with pytest.raises(ew.GraphError, match=r"'a'.*names must differ"):
        ew.graph(a * ew.variable("a"))
    with pytest.raises(ew.GraphError, match=r"'a'.*names must differ"):
        ew.graph(a * b, inputs=[a, b, a])
    with pytest.raises(ew.GraphError, match="not a variable"):
        ew.graph(a * b, inputs=[a, b, a * b])
    for wrong in (3.0, None, [3.0], "a", []):
        with pytest.raises(ew.GraphError):
            ew.graph(wrong)
    for name in ("", 3):
        with pytest.raises(ew.GraphError, match="name"):
            ew.variable(name)


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, np.float64("nan"), 10**400, True, 1j, "1", None])
def test_only_finite_real_numbers_mix_in(number):
    a = ew.variable("a")
    for operation in (
        lambda: a + number,
        lambda: a - number,
        lambda: a * number,
        lambda: a / number,
        lambda: a**number,
        lambda: number * a,
        lambda: number - a,
        lambda: number / a,
        lambda: number**a,
        lambda: ew.maximum(a, number),
    ):
        with pytest.raises(ew.GraphError):
            operation()


def test_other_mistakes():
    a = ew.variable("a")
    with pytest.raises(ew.GraphError, match="divided by 0"):
        a / 0
    with pytest.raises(ew.GraphError, match="positive"):
        (-2) ** a
    with pytest.raises(ew.GraphError, match="neither true nor false"):
        bool(a)
    with pytest.raises(ew.GraphError, match="unknown activation"):
        ew.apply("sine", a)
    with pytest.raises(ew.GraphError, match="not an expression"):
        ew.exp(2.0)
    with pytest.raises(ew.GraphError, match="at least one"):
        ew.maximum(1.0, 2.0)
    with pytest.raises(ew.GraphError):
        np.ones(3) * a
