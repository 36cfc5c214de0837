"""Networks as ONNX files: equal outputs in onnxruntime, and equal again when loaded."""

import warnings

import numpy as np
import onnx
import pytest
from hypothesis import given, settings

import edgewise as ew
import strategies
from oracles import assert_close
from test_from_module import CASES, seeded
from test_onnx_load import runtime

TOLERANCE = {"float32": 1e-5, "float64": 1e-6}  # GELU's erf is computed in single precision


def check(net, x, path):
    """The saved file's outputs, checked, in onnxruntime and loaded again."""
    net.save(path)
    content = path.read_bytes()
    onnx.checker.check_model(onnx.load_from_string(content), full_check=True)
    wanted = net.forward(x).output
    again = ew.load(path)
    assert again.dtype == net.dtype
    assert (again.n_inputs, again.n_outputs) == (net.n_inputs, net.n_outputs)
    tolerance = TOLERANCE[str(net.dtype)]
    assert_close(runtime(content, x.astype(net.dtype))[0], wanted, tolerance)
    assert_close(again.forward(x).output, wanted, tolerance)
    net.save(path)
    assert path.read_bytes() == content
    return content, again


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", sorted({*ew.activations.BUILTIN} - {"neat_inv"}))
def test_every_activation(activation, dtype, tmp_path):
    rng = np.random.default_rng(0)
    gain = 0.2 if activation == "neat_sin" else 1  # it is five times as steep: three of them in a row lose digits
    net = ew.Network(
        [0, 1, 2, 3],
        [2, 2, 3, 4],
        gain * np.array([0.7, 0.4, 1, 1]),
        bias=[0, 0, 0.1, 0, 0],
        activation=activation,
        dtype=dtype,
    )
    x = rng.uniform(0.1, 1, (7, 2)) if activation in ("exp", "log", "sqrt", "reciprocal") else rng.normal(0, 2, (7, 2))
    if activation in ("log", "sqrt"):
        net = ew.Network([0, 1], [2, 2], [0.7, 0.4], activation=activation, dtype=dtype)
    check(net, x, tmp_path / "m.onnx")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("aggregation", ew.aggregations.NAMES)
def test_every_aggregation(aggregation, dtype, tmp_path):
    rng = np.random.default_rng(1)
    net = ew.Network(
        [0, 1, 2, 0, 1, 2, 3, 0, 4],
        [3, 3, 3, 4, 4, 4, 4, 5, 5],
        rng.normal(size=9),
        bias=rng.normal(size=6),
        response=rng.uniform(0.5, 1.5, 6),
        activation="tanh",
        aggregation=aggregation,
        dtype=dtype,
    )
    _, again = check(net, rng.normal(size=(9, 3)), tmp_path / "m.onnx")
    if aggregation not in ("sum", "mean"):
        assert aggregation in again.aggregations


@settings(max_examples=40)
@given(strategies.networks_with_samples(dtypes=("float32", "float64")))
def test_random_networks(tmp_path_factory, case):
    net, x = case
    check(net, x, tmp_path_factory.mktemp("random") / "m.onnx")


def test_layers_are_matrices(tmp_path):
    net = ew.mlp([20, 30, 10, 4], activation="relu", output_activation="sigmoid", dtype="float32")
    net.bias = np.random.default_rng(0).normal(size=net.n_nodes)
    content, again = check(net, np.random.default_rng(1).normal(size=(5, 20)), tmp_path / "m.onnx")
    operators = [node.op_type for node in onnx.load_from_string(content).graph.node]
    assert operators == ["Gemm", "Relu", "Gemm", "Relu", "Gemm", "Sigmoid", "Identity"]
    for ours, theirs in zip(net.layers, again.layers, strict=True):
        np.testing.assert_array_equal(ours.weight, theirs.weight)
        np.testing.assert_array_equal(ours.bias, theirs.bias)
        assert ours.activation == theirs.activation


def test_irregular_networks_keep_their_arcs(tmp_path):
    net = ew.random_dag(400, 4_000, n_inputs=10, n_outputs=3, activation="tanh", dtype="float32", seed=1)
    content, again = check(net, np.random.default_rng(1).normal(size=(6, 10)), tmp_path / "m.onnx")
    used = net.weight[net.depth[net.head] >= 0]
    assert again.n_nodes == (net.depth >= 0).sum()
    np.testing.assert_array_equal(np.sort(again.weight), np.sort(used))
    assert len(content) < 60 * net.n_edges


def test_activations_of_neurons_without_arcs(tmp_path):
    for activation in ew.activations.BUILTIN:
        if activation == "neat_inv":
            continue
        net = ew.Network(
            [2, 0, 3],
            [3, 4, 4],
            [0.6, 0.5, 1],
            bias=[0, 0, 1.8, 1, 0],
            activation=[activation] * 4 + ["identity"],
            inputs=[0, 1],
        )
        check(net, np.full((2, 2), 0.3), tmp_path / "m.onnx")


def test_what_came_from_pytorch_goes_on(tmp_path):
    from edgewise.torch import from_module

    for name in ("cnn", "residual", "attention", "gated"):
        module, x = seeded(CASES[name][0], *CASES[name][1], double=False)
        net = from_module(module, x)
        check(net, x.numpy().reshape(5, -1), tmp_path / "m.onnx")


def test_inputs_constants_and_outputs_of_every_kind(tmp_path):
    net = ew.Network(
        [0, 0, 4], [2, 3, 2], [1.5, 2, 3], bias=[0, 0, 1, 2, 0.3],
        activation=["identity", "identity", "tanh", "relu", "sin"],
        inputs=[1, 0], outputs=[3, 0, 2, 4],
    )  # fmt: skip
    check(net, np.random.default_rng(0).normal(size=(3, 2)), tmp_path / "m.onnx")


def test_what_cannot_be_saved_is_one_error_and_leaves_the_old_file(tmp_path):
    path = tmp_path / "m.onnx"
    ew.activations.register("of_its_own", lambda s: s, lambda s: s * 0 + 1)
    net = ew.mlp([2, 2], activation="relu", output_activation="of_its_own")
    path.write_bytes(b"old")
    with pytest.raises(ew.FormatError, match="of_its_own"):
        net.save(path)
    with pytest.raises(ew.FormatError, match="neat_inv"):
        ew.mlp([2, 2], output_activation="neat_inv").save(path)
    empty = ew.Network([0], [1], [1.0], inputs=[])
    with pytest.raises(ew.FormatError, match="no inputs"):
        empty.save(path)
    broken = ew.mlp([2, 2])
    broken.weight[0] = np.nan
    with pytest.raises(ew.FormatError, match="not a finite number"):
        broken.save(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_command_line_converts_and_informs(tmp_path):
    import json
    import subprocess
    import sys

    ew.mlp([3, 2]).save(tmp_path / "a.json")

    def edgewise(*words):
        return subprocess.run(
            [sys.executable, "-m", "edgewise", *words], cwd=tmp_path, capture_output=True, text=True, check=False
        )

    assert edgewise("convert", "a.json", "b.onnx").returncode == 0
    assert edgewise("convert", "b.onnx", "c.json").returncode == 0
    assert json.loads(edgewise("info", "b.onnx", "--json").stdout)["edges"] == 6
    np.testing.assert_array_equal(ew.load(tmp_path / "c.json").weight, ew.load(tmp_path / "a.json").weight)
    (tmp_path / "d.onnx").write_bytes(b"nothing of the kind")
    found = edgewise("info", "d.onnx")
    assert found.returncode == 2
    assert found.stderr.count("\n") == 1


def test_loading_says_nothing_of_what_was_saved_here(tmp_path):
    net = ew.mlp([3, 4, 2], activation="gelu", dtype="float32")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check(net, np.zeros((2, 3)), tmp_path / "m.onnx")
