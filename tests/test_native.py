"""The native engine beside the reference: the same numbers for every network, batch, number of threads and machine."""

import ctypes
import itertools
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import edgewise as ew
from edgewise import activations, losses
from edgewise.engine.native import runs, share_team, shared_team, structure_of
from oracles import assert_close
from strategies import dags

FORWARD = ("value", "preactivation", "gate", "output")
BACKWARD = (
    "sensitivity",
    "linear_sensitivity",
    "edge_derivative",
    "input_gradient",
    "weight_gradient",
    "bias_gradient",
    "response_gradient",
    "weight_gradient_per_sample",
    "bias_gradient_per_sample",
)
QUANTITIES = FORWARD + BACKWARD
OVER_SAMPLES = ("weight_gradient", "bias_gradient", "response_gradient", "loss")
BATCH_SIZES = (1, 2, 3, 7, 13, 31, 64, 97, 131)
DTYPES = ("float64", "float32")
OWN_LOSS = ew.Loss("quartic", lambda o, y: ((o - y) ** 4).sum(axis=1), lambda o, y: 4 * (o - y) ** 3)
LOSSES = (*map(losses.get, losses.NAMES), losses.huber(0.25), OWN_LOSS)


def everything(bwd, names=QUANTITIES):
    found = {name: getattr(bwd, name) for name in names}
    if bwd.loss_per_sample is not None:
        found |= {"loss_per_sample": bwd.loss_per_sample, "loss": np.array(bwd.loss)}
    return found


def assert_same_bits(found, expected):
    assert found.keys() == expected.keys()
    for name, array in found.items():
        assert array.dtype == expected[name].dtype, name
        assert np.array_equal(array, expected[name], equal_nan=True), name


def numbers(rng, *shape):
    """Random numbers that float32 holds as they are, so that both dtypes are given the same ones."""
    return rng.normal(size=shape).astype(np.float32).astype(np.float64)


def wanted(loss, rng, n_samples, n_outputs):
    """y for a loss."""
    return {
        "index": lambda: rng.integers(0, n_outputs, n_samples),
        "binary": lambda: rng.integers(0, 5, (n_samples, n_outputs)) / 4,
        "sign": lambda: rng.choice([-1.0, 1.0], (n_samples, n_outputs)),
        "real": lambda: numbers(rng, n_samples, n_outputs),
    }[loss.labels]()


def of_loss(net, rng, n_samples, loss="squared_error"):
    loss = losses.get(loss)
    return {"loss": loss, "y": wanted(loss, rng, n_samples, net.n_outputs)}


def assert_native_is_reference(net, x, *target, names=QUANTITIES, **asked):
    """float32 is held to the reference in float64. Where the reference is itself less exact than 1e-5, or 1e-12 in
    float64, because a number is a small difference of large ones, to a few times its error: in float32 that is its
    distance from float64, in float64 that between sums over samples forth and back. Either may be small by chance, so
    what is summed over samples is also held to a few times what rounding makes of its terms."""
    assert runs(net)
    found = everything(net.backprop(x, *target, engine="native", **asked), names)
    expected = everything(net.astype("float64").backprop(x, *target, engine="reference", **asked), names)
    assert found.keys() == expected.keys()
    if net.dtype == np.float64:
        for name, array in found.items():
            try:
                _close(name, array, expected[name], 1e-12)
            except AssertionError:
                if name not in OVER_SAMPLES:
                    raise
                back = {key: array[::-1] if len(np.shape(array)) else array for key, array in asked.items()}
                other = everything(net.backprop(x[::-1], *target, engine="reference", **back), (name,))[name]
                error, scale = np.abs(other - expected[name]).max(), np.abs(expected[name]).max()
                error = max(error, rounding(net, x, *target, name=name, **asked))
                _close(name, array, expected[name], 4 * error / scale)
        return
    inexact = None
    for name, array in found.items():
        assert name == "loss" or array.dtype == np.float32, name
        try:
            _close(name, array, expected[name], 1e-5)
        except AssertionError:
            if inexact is None:
                inexact = everything(net.backprop(x, *target, engine="reference", **asked), names)
            error, scale = np.abs(inexact[name] - expected[name]).max(), np.abs(expected[name]).max()
            if name in OVER_SAMPLES:
                error = max(error, rounding(net, x, *target, name=name, **asked))
            _close(name, array, expected[name], max(1e-5, 4 * error / scale))


def rounding(net, x, *target, name, reduction="mean", **asked):
    """What it makes of a sum over samples: half of the last digit of each sample's own, added up."""
    weight = np.asarray(asked.get("sample_weight", np.ones(len(x))))
    of_each = [
        everything(
            net.backprop(
                x[b : b + 1],
                *target,
                engine="reference",
                reduction="sum",
                **{key: array[b : b + 1] if len(np.shape(array)) else array for key, array in asked.items()},
            ),
            (name,),
        )[name]
        for b in np.flatnonzero(weight)  # weight 0 alone is refused
    ]
    total = np.abs(of_each).sum(axis=0).max() / (weight.sum() if reduction == "mean" else 1)
    return total * np.finfo(net.dtype).eps / 2


def _close(name, found, expected, tolerance):
    try:
        assert_close(found, expected, tolerance)
    except AssertionError as error:
        raise AssertionError(f"{name}: {error}") from None


# ---- networks ----


def blocks(net):
    """The full bipartite pieces that the engine found, as (heads, tails)."""
    return [(n_heads, n_tails) for _, n_heads, _, n_tails in structure_of(net).blocks]


def layered(
    sizes,
    seed=0,
    *,
    reach=1,
    aggregation="sum",
    response=False,
    bias=True,
    activation=("tanh", "relu", "sigmoid"),
    missing=0.0,
    tie=False,
    shuffled=False,
    parallel=0,
    dtype="float64",
):
    """Layers, each fed by all nodes of the `reach` layers before it but for the share `missing` of these arcs.

    shuffled: node ids and the order of the edges are. parallel: so many arcs are there twice.
    """
    rng = np.random.default_rng(seed)
    first = np.concatenate([[0], np.cumsum(sizes)])
    n = int(first[-1])
    tails, heads = [], []
    for layer in range(1, len(sizes)):
        begin = first[max(0, layer - reach)]
        tails.append(np.tile(np.arange(begin, first[layer]), sizes[layer]))
        heads.append(np.repeat(np.arange(first[layer], first[layer + 1]), first[layer] - begin))
    tail, head = np.concatenate(tails), np.concatenate(heads)
    there = rng.random(len(tail)) >= missing
    doubled = rng.integers(0, len(tail), parallel)
    tail, head = np.concatenate([tail[there], tail[doubled]]), np.concatenate([head[there], head[doubled]])
    fan_in = np.maximum(1, np.bincount(head, minlength=n))
    weight = rng.normal(size=len(tail)) / np.sqrt(fan_in[head])
    ties = None
    if tie:
        ties = rng.integers(0, max(1, len(tail) // 3), len(tail))
        weight = (rng.normal(size=len(tail)) / np.sqrt(fan_in.max()))[ties]
    biases, bias_ties = rng.normal(0, 0.3, n) if bias else np.zeros(n), None
    if tie:
        bias_ties = rng.integers(0, max(1, n // 3), n)
        biases = biases[bias_ties]
    layer_of = np.repeat(np.arange(len(sizes)), sizes)
    per_layer = (aggregation,) if isinstance(aggregation, str) else aggregation
    node_id, order = (rng.permutation(n), rng.permutation(len(tail))) if shuffled else (np.arange(n), slice(None))
    place = np.argsort(node_id)  # what a node was called before
    return ew.Network(
        node_id[tail][order],
        node_id[head][order],
        weight[order],
        bias=biases,
        activation=[activation[j % len(activation)] for j in place],
        aggregation=[per_layer[layer_of[j] % len(per_layer)] for j in place],
        response=rng.uniform(0.5, 1.5, n) if response else 1.0,
        inputs=node_id[: sizes[0]],
        outputs=node_id[first[-2] :],
        tie=None if ties is None else ties[order],
        bias_tie=bias_ties,
        dtype=dtype,
    )


# ---- random graphs ----


@settings(max_examples=150)
@given(dags(dtypes=DTYPES), st.sampled_from(BATCH_SIZES), st.data())
def test_a_random_graph(net, n_samples, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 1000), label="x seed"))
    x = numbers(rng, n_samples, net.n_inputs)
    one = st.integers(0, net.n_nodes - 1)
    kind = data.draw(st.sampled_from(["node", "nodes", "loss"]), label="kind of target")
    reduction = data.draw(st.sampled_from(["mean", "sum"]), label="reduction")
    if kind == "node":
        assert_native_is_reference(net, x, data.draw(one, label="target"), reduction=reduction)
    elif kind == "nodes":
        targets = data.draw(st.lists(one, min_size=1, max_size=5), label="targets")
        assert_native_is_reference(net, x, targets, reduction=reduction)
    else:
        asked = of_loss(net, rng, n_samples, data.draw(st.sampled_from(LOSSES), label="loss"))
        if data.draw(st.booleans(), label="weighted"):
            asked["sample_weight"] = rng.integers(0, 9, n_samples) + (np.arange(n_samples) == 0)
        assert_native_is_reference(net, x, reduction=reduction, **asked)


@settings(max_examples=100)
@given(st.data())
def test_random_layers(data):
    sizes = data.draw(st.lists(st.integers(1, 33), min_size=2, max_size=6), label="sizes")
    draw_one = lambda label, *choices: data.draw(st.sampled_from(choices), label=label)  # noqa: E731
    seed = data.draw(st.integers(0, 1000), label="seed")
    net = layered(
        sizes,
        seed,
        reach=draw_one("reach", 1, 2, 9),
        aggregation=data.draw(
            st.lists(st.sampled_from(ew.aggregations.NAMES), min_size=1, max_size=3), label="aggregation"
        ),
        response=draw_one("response", False, True),
        missing=draw_one("missing", 0, 0, 0.01, 0.3),
        tie=draw_one("tie", False, True),
        shuffled=draw_one("shuffled", False, True),
        parallel=draw_one("parallel", 0, 0, 1, 5),
        dtype=draw_one("dtype", *DTYPES),
    )
    n_samples = draw_one("samples", *BATCH_SIZES)
    rng = np.random.default_rng(seed + 1)
    x = numbers(rng, n_samples, net.n_inputs)
    assert_native_is_reference(net, x, **of_loss(net, rng, n_samples))
    targets = rng.integers(0, net.n_nodes, 3)
    assert_native_is_reference(net, x, targets)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", activations.BUILTIN)
def test_every_activation_under_every_aggregation(activation, dtype):
    """Terms of about 1, positive, so that s is where all activations are defined; ± where these take any number."""
    rng = np.random.default_rng(activations.BUILTIN.index(activation))
    signed = activation not in ("log", "sqrt", "reciprocal")
    names = ew.aggregations.NAMES
    n_inputs, n_each, n_samples = 7, 3, 13
    n_hidden = n_each * len(names)
    tail, head = np.meshgrid(np.arange(n_inputs), n_inputs + np.arange(n_hidden))
    hidden = n_inputs + np.arange(n_hidden)
    last = n_inputs + n_hidden + np.arange(2)
    weight = rng.uniform(0.8, 1.2, n_inputs * n_hidden)
    bias = np.full(n_inputs + n_hidden + 2, 0.1)
    if signed:
        weight *= rng.choice([-1, 1], n_inputs * n_hidden)
        bias[hidden] = rng.normal(0, 1, n_hidden)
    net = ew.Network(
        np.concatenate([tail.ravel(), np.tile(hidden, 2)]),
        np.concatenate([head.ravel(), np.repeat(last, n_hidden)]),
        np.concatenate([weight, rng.normal(0, 1, 2 * n_hidden)]),
        bias=bias,
        activation=["identity"] * n_inputs + [activation] * n_hidden + ["identity", activation if signed else "tanh"],
        aggregation=["sum"] * n_inputs + [name for name in names for _ in range(n_each)] + ["mean", "mean"],
        response=rng.uniform(0.7, 1.3, n_inputs + n_hidden + 2),
        outputs=last,
        dtype=dtype,
    )
    x = rng.uniform(0.7, 1.3, (n_samples, n_inputs)).astype(np.float32)
    assert_native_is_reference(net, x, **of_loss(net, rng, n_samples))
    assert_native_is_reference(net, x, [*last.tolist(), int(hidden[0])])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: f"{loss.name}-{(loss.compiled or ('', 0))[1]}")
@pytest.mark.parametrize("n_outputs", [1, 3, 18])
def test_every_loss(loss, n_outputs, dtype):
    net = layered([5, 9, n_outputs], activation=("tanh", "identity"), dtype=dtype)
    for n_samples in (1, 8, 37):
        rng = np.random.default_rng(n_samples)
        x = 2 * numbers(rng, n_samples, 5)
        asked = of_loss(net, rng, n_samples, loss)
        assert_native_is_reference(net, x, **asked)
        assert_native_is_reference(net, x, **asked, sample_weight=rng.integers(1, 9, n_samples) / 4, reduction="sum")


@pytest.mark.parametrize("n_samples", BATCH_SIZES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_batch_size(n_samples, dtype):
    rng = np.random.default_rng(n_samples)
    sparse = ew.random_dag(60, 400, n_inputs=9, n_outputs=4, activation="tanh", seed=1, dtype=dtype)
    mixed = layered(
        [9, 12, 5, 7, 4], 2, reach=2, aggregation=("sum", "product", "sum", "max"), missing=0.02, dtype=dtype
    )
    for net in (sparse, layered([9, 20, 30, 4], 3, dtype=dtype), mixed):
        x = numbers(rng, n_samples, 9)
        assert_native_is_reference(net, x, int(net.outputs[1]))
        assert_native_is_reference(net, x, net.outputs)
        assert_native_is_reference(net, x, **of_loss(net, rng, n_samples, "cross_entropy"))


# ---- layers, which are found ----

LAYERED = {
    "plain": ({}, [(18, 17), (21, 18), (4, 21)]),
    "with responses": ({"response": True}, [(18, 17), (21, 18), (4, 21)]),
    "means": ({"aggregation": "mean"}, [(18, 17), (21, 18), (4, 21)]),
    "means with responses": ({"aggregation": "mean", "response": True}, [(18, 17), (21, 18), (4, 21)]),
    "tied": ({"tie": True}, [(18, 17), (21, 18), (4, 21)]),
    "tied means with responses": (
        {"tie": True, "aggregation": "mean", "response": True},
        [(18, 17), (21, 18), (4, 21)],
    ),
    "fed by all layers before": ({"reach": 9}, [(18, 17), (21, 35), (4, 56)]),
    "fed by two layers before": ({"reach": 2, "response": True}, [(18, 17), (21, 35), (4, 39)]),
    "shuffled": ({"shuffled": True}, [(18, 17), (21, 18), (4, 21)]),
    "fed by all, shuffled and tied": ({"reach": 9, "shuffled": True, "tie": True}, [(18, 17), (21, 35), (4, 56)]),
    "one layer selects": ({"aggregation": ("sum", "sum", "maxabs", "sum")}, [(18, 17), (4, 21)]),
    "every layer selects": ({"aggregation": ("median", "product", "min")}, []),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", LAYERED)
def test_layers_are_found_and_right(kind, dtype):
    options, found = LAYERED[kind]
    net = layered([17, 18, 21, 4], 1, **options, dtype=dtype)
    assert blocks(net) == found
    for n_samples in (1, 7, 31, 131):
        rng = np.random.default_rng(n_samples)
        x = numbers(rng, n_samples, 17)
        assert_native_is_reference(net, x, **of_loss(net, rng, n_samples))
        assert_native_is_reference(net, x, [int(net.outputs[0]), 19])


def test_layers_of_mlp_are_found():
    assert blocks(ew.mlp([17, 18, 21, 4])) == [(18, 17), (21, 18), (4, 21)]
    assert blocks(ew.mlp([15, 20, 3])) == []  # nothing gained by matrices as narrow as these


def test_a_missing_arc_parts_a_layer_and_a_second_one_too():
    whole = layered([17, 14, 3])
    head = 17 + 6
    arc = np.flatnonzero(whole.head == head)[2]
    less = ew.Network(np.delete(whole.tail, arc), np.delete(whole.head, arc), np.delete(whole.weight, arc))
    more = ew.Network(np.append(whole.tail, whole.tail[arc]), np.append(whole.head, head), np.append(whole.weight, 0.5))
    rng = np.random.default_rng(0)
    for net in (less, more):
        assert sorted(n_heads for n_heads, _ in blocks(net)) in ([6, 7], [13])
        assert sum(n_heads * n_tails for n_heads, n_tails in blocks(net)) == 13 * 17
        for n_samples in (3, 31):
            assert_native_is_reference(net, numbers(rng, n_samples, 17), **of_loss(net, rng, n_samples))


@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_of_all_kinds_among_layers(dtype):
    """Layers of different reach, so that the rows between which a layer's tails lie overlap in every way."""
    sizes = (16, 24, 20, 32, 28, 16)
    first = np.concatenate([[0], np.cumsum(sizes)])
    reaches = ((1, 0, 1), (2, 1, 2), (3, 0, 3), (4, 2, 3), (4, 0, 2), (5, 3, 5), (5, 0, 1))  # layer, from, up to
    tail = np.concatenate([np.tile(np.arange(first[a], first[b]), sizes[k]) for k, a, b in reaches])
    head = np.concatenate([np.repeat(np.arange(first[k], first[k + 1]), first[b] - first[a]) for k, a, b in reaches])
    rng = np.random.default_rng(0)
    net = ew.Network(
        tail,
        head,
        rng.normal(0, 0.15, len(tail)),
        activation="tanh",
        outputs=np.arange(first[-2], first[-1]),
        dtype=dtype,
    )
    assert len(blocks(net)) >= 3
    assert sum(heads * tails for heads, tails in blocks(net)) < net.n_edges
    for n_samples in (5, 67):
        assert_native_is_reference(net, numbers(rng, n_samples, 16), **of_loss(net, rng, n_samples))


# ---- enough work that threads share out tiles of samples, or the rows of a level ----

PER_EDGE_AND_SAMPLE = ("edge_derivative", "weight_gradient_per_sample")

WORK = {  # a network and its number of samples, by who shares what
    "tiles of arcs": lambda dtype: (layered([30, 60, 60, 20], missing=0.5, reach=3, dtype=dtype), 131),
    "tiles of arcs of all kinds": lambda dtype: (
        layered(
            [20, 40, 40, 40, 20],
            1,
            missing=0.4,
            reach=3,
            aggregation=ew.aggregations.NAMES,
            response=True,
            shuffled=True,
            parallel=50,
            tie=True,
            dtype=dtype,
        ),
        131,
    ),
    "tiles of layers": lambda dtype: (layered([20, 30, 40, 30, 20], 2, dtype=dtype), 257),
    "many tiles of deep layers": lambda dtype: (layered([17] * 60 + [4], 3, response=True, dtype=dtype), 517),
    "tiles of a wide layer": lambda dtype: (layered([300, 18, 300, 16, 4], 4, dtype=dtype), 150),
    "levels of arcs": lambda dtype: (
        layered([240, 200, 140], 5, missing=0.15, reach=2, aggregation=("sum", "mean"), response=True, dtype=dtype),
        90,
    ),
    "levels of arcs of all kinds": lambda dtype: (
        layered([260, 100], 6, missing=0.2, aggregation=("sum", "max"), parallel=20, tie=True, dtype=dtype),
        261,
    ),
    "levels of wide layers": lambda dtype: (layered([303, 301, 31], 7, dtype=dtype), 97),
    "levels of wide layers with responses, fed by all": lambda dtype: (
        layered([310, 100, 50, 13], 8, reach=9, response=True, aggregation=("sum", "mean"), shuffled=True, dtype=dtype),
        97,
    ),
    "levels of layers and arcs": lambda dtype: (
        layered([260, 90, 40, 12], 9, reach=2, aggregation=("sum", "sum", "min", "sum"), tie=True, dtype=dtype),
        131,
    ),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", WORK)
def test_shared_work(kind, dtype):
    net, n_samples = WORK[kind](dtype)
    rng = np.random.default_rng(1)
    x = numbers(rng, n_samples, net.n_inputs)
    asked = of_loss(net, rng, n_samples)
    assert_native_is_reference(net, x, **asked)
    # the same bits, whoever does it
    few = tuple(name for name in QUANTITIES if name not in PER_EDGE_AND_SAMPLE)
    for names, teams in ((few, (1, 2, 3, 5)), (PER_EDGE_AND_SAMPLE, (2, 3))):
        expected = everything(net.backprop(x, **asked, threads=1), names)
        for threads in teams:
            assert_same_bits(everything(net.backprop(x, **asked, threads=threads), names), expected)
    targets = [int(net.outputs[0]), int(net.outputs[-1]), int(net.tail[-1])]
    expected = everything(net.backprop(x, targets, threads=1), few)
    for threads in (2, 3):
        assert_same_bits(everything(net.backprop(x, targets, threads=threads), few), expected)
    for t, target in enumerate(targets[:2]):
        alone = everything(net.backprop(x, target, threads=2), few)
        for name in few:
            _close(
                name,
                expected[name] if name in FORWARD else expected[name][t],
                alone[name],
                1e-12 if dtype == "float64" else 1e-5,
            )


@pytest.mark.parametrize("dtype", DTYPES)
def test_parallel_arcs(dtype):
    rng = np.random.default_rng(0)
    tail = rng.integers(0, 6, 120)
    head = tail + rng.integers(1, 4, 120)
    for aggregation in ew.aggregations.NAMES:
        net = ew.Network(
            tail,
            head,
            rng.normal(0, 0.4, 120),
            bias=rng.normal(size=9),
            activation="tanh",
            aggregation=aggregation,
            outputs=[8, 7],
            dtype=dtype,
        )
        assert net.n_edges > len(set(zip(tail, head, strict=True)))
        assert_native_is_reference(net, numbers(rng, 21, net.n_inputs), **of_loss(net, rng, 21))


@pytest.mark.parametrize("dtype", DTYPES)
def test_depth_in_the_thousands(dtype):
    # a ladder: each node feeds the next two
    n, n_samples = 3_000, 37
    tail, head = np.concatenate([[i, i] for i in range(n - 2)]), np.concatenate([[i + 1, i + 2] for i in range(n - 2)])
    rng = np.random.default_rng(0)
    net = ew.Network(tail, head, rng.uniform(0.45, 0.6, len(tail)), activation="softsign", inputs=[0], dtype=dtype)
    assert net.plan.n_levels == n - 1
    x = numbers(rng, n_samples, 1)
    assert_native_is_reference(net, x, [n - 1, n // 2])
    # and layers, thousands of them
    deep = layered([16] * 2_000, activation=("tanh",), bias=False, dtype=dtype)
    assert len(blocks(deep)) == 1_999
    assert_native_is_reference(deep, numbers(rng, 5, 16), int(deep.outputs[2]))


def test_networks_with_little_in_them():
    rng = np.random.default_rng(0)
    for net in (
        ew.Network([], [], [], bias=[0.5, 2.0, 3.0], inputs=[0], outputs=[0, 1, 2], activation="square"),
        ew.Network([], [], [], inputs=[0], outputs=[0]),
        ew.Network([0], [1], [2.0], bias=[0.3, 0.1], inputs=[], outputs=[1], activation="tanh"),
        ew.Network([0, 0, 1], [1, 2, 2], [1.0, 2.0, 3.0], inputs=[0], outputs=[0, 2, 1]),
    ):
        for n_samples in (1, 9, 40):
            x = numbers(rng, n_samples, net.n_inputs)
            assert_native_is_reference(net, x, **of_loss(net, rng, n_samples))
            assert_native_is_reference(net, x, net.outputs)
            assert_native_is_reference(net, x, list(range(net.n_nodes)) * 2)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("sizes", [(4, 6, 5), (4, 3, 2)])
def test_an_overflow_stays_with_its_sample(sizes, dtype):
    net = layered(sizes, activation=("exp",), dtype=dtype)
    for n_samples in (5, 20, 70):
        rng = np.random.default_rng(n_samples)
        x = numbers(rng, n_samples, 4) / 2
        asked = of_loss(net, rng, n_samples)
        asked["reduction"] = "sum"
        calm = everything(net.backprop(x, **asked))
        assert all(np.isfinite(array).all() for array in calm.values())
        for sample in (0, n_samples - 1):
            wild = x.copy()
            wild[sample] = 1e6
            found = everything(net.backprop(wild, **asked))
            assert not np.isfinite(found["value"][sample]).all()
            others = np.arange(n_samples) != sample
            for name in QUANTITIES:
                if len(calm[name]) == n_samples:
                    assert np.array_equal(found[name][others], calm[name][others]), name


# ---- results, asked for at any time, in any order, by anyone ----

TARGETS = ("node", "nodes", "loss")


def ask(net, x, kind, **options):
    rng = np.random.default_rng(5)
    if kind == "loss":
        return net.backprop(x, **of_loss(net, rng, len(x)), **options)
    outputs = net.outputs.tolist()
    return net.backprop(x, outputs[0] if kind == "node" else [*outputs[:3], outputs[0]], **options)


def networks_of_all_kinds(dtype):
    yield layered([9, 20, 17, 5], 1, dtype=dtype)
    yield layered([9, 20, 17, 5], 2, reach=3, response=True, tie=True, shuffled=True, dtype=dtype)
    yield layered([9, 14, 14, 5], 3, reach=2, missing=0.3, aggregation=ew.aggregations.NAMES, dtype=dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", TARGETS)
def test_results_asked_for_in_any_order_agree(kind, dtype):
    rng = np.random.default_rng(0)
    tolerance = 1e-14 if dtype == "float64" else 1e-6
    for net in (*networks_of_all_kinds(dtype), ew.random_dag(30, 200, n_inputs=9, n_outputs=5, seed=0, dtype=dtype)):
        x = numbers(rng, 43, 9)
        expected = {name: getattr(ask(net, x, kind), name) for name in QUANTITIES}  # each from a pass of its own
        for order in (QUANTITIES, QUANTITIES[::-1], *(rng.permutation(QUANTITIES) for _ in range(8))):
            found = ask(net, x, kind)
            for name in order.tolist() if isinstance(order, np.ndarray) else order:
                _close(name, getattr(found, name), expected[name], tolerance)
        for name in FORWARD:
            assert np.array_equal(getattr(net.forward(x), name), expected[name]), name


@pytest.mark.parametrize("first", BACKWARD)
def test_results_have_the_same_bits_whichever_is_asked_for_first(first):
    net = ew.random_dag(30, 200, n_inputs=9, n_outputs=5, activation="tanh", seed=0)
    x = numbers(np.random.default_rng(0), 43, 9)
    expected = everything(ask(net, x, "loss"))
    assert_same_bits(everything(ask(net, x, "loss"), ("weight_gradient", *QUANTITIES)), expected)
    assert_same_bits(everything(ask(net, x, "loss"), (first, *QUANTITIES)), expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", TARGETS)
def test_parameters_written_before_asking_change_nothing(kind, dtype):
    rng = np.random.default_rng(0)
    for net in networks_of_all_kinds(dtype):
        x = numbers(rng, 43, 9)
        expected = everything(ask(net, x, kind))
        kept, given_x = ask(net, x, kind), x.copy()
        later = ask(net, given_x, kind)
        forward = net.forward(given_x)
        net.weight[:] = 9
        net.bias[:] = -3
        net.response[:] = 0.1
        given_x[:] = 7
        assert_same_bits(everything(kept), expected)
        assert_same_bits(everything(later), expected)
        for name in FORWARD:
            assert np.array_equal(getattr(forward, name), expected[name]), name


def test_results_outlive_their_network():
    net = layered([9, 20, 17, 5], 1)
    x = numbers(np.random.default_rng(0), 43, 9)
    expected = everything(ask(net, x, "nodes"))
    kept = ask(layered([9, 20, 17, 5], 1), x.copy(), "nodes")
    assert_same_bits(everything(kept), expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["tiles of arcs of all kinds", "tiles of layers", "levels of wide layers"])
def test_passes_at_the_same_time(kind, dtype):
    net, n_samples = WORK[kind](dtype)
    names = tuple(name for name in QUANTITIES if name not in PER_EDGE_AND_SAMPLE)
    rng = np.random.default_rng(0)
    batches = [numbers(rng, n, net.n_inputs) for n in (n_samples, 1, 50, n_samples + 9)]
    net.kept.clear()  # several threads may be the first to need the structure
    with ThreadPoolExecutor(len(batches)) as pool:
        jobs = list(itertools.product(range(len(batches)), TARGETS)) * 2
        found = list(pool.map(lambda job: everything(ask(net, batches[job[0]], job[1]), names), jobs))
    for job, quantities in zip(jobs, found, strict=True):
        assert_same_bits(quantities, everything(ask(net, batches[job[0]], job[1], threads=1), names))


@pytest.mark.parametrize("kind", TARGETS)
def test_several_threads_ask_one_result(kind):
    rng = np.random.default_rng(0)
    for net in (
        layered([9, 40, 50, 5], 1),
        layered([9, 30, 30, 5], 2, reach=2, missing=0.3, aggregation=("sum", "max")),
    ):
        x = numbers(rng, 300, 9)
        expected = everything(ask(net, x, kind, threads=1))
        for trial in range(4):
            shared, barrier = ask(net, x, kind), threading.Barrier(4)

            def asking(member, shared=shared, barrier=barrier, trial=trial):
                order = np.random.default_rng([trial, member]).permutation(QUANTITIES)
                barrier.wait()
                return everything(shared, order.tolist())

            with ThreadPoolExecutor(4) as pool:
                for found in pool.map(asking, range(4)):
                    for name, array in expected.items():
                        _close(name, found[name], array, 1e-14)


# ---- processes of their own ----


def run(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)} | environment,
    )


def succeeded(code, **environment):
    found = run(code, **environment)
    assert found.returncode == 0, f"exit {found.returncode}\n{found.stdout}\n{found.stderr}"
    return found.stdout.split()


IN_A_FORK = """
import multiprocessing, warnings
import numpy as np
import edgewise as ew
warnings.simplefilter("ignore")  # a fork of a process with threads
net = ew.mlp([20, 40, 40, 10], activation="tanh")
x = np.random.default_rng(0).normal(size=(600, 20))
def gradient(threads):
    return net.backprop(x, y=np.zeros((600, 10)), loss="squared_error", threads=threads).weight_gradient
expected = gradient(2)
with multiprocessing.get_context("fork").Pool(3) as pool:
    for threads, found in zip((1, 2, 3) * 3, pool.map(gradient, (1, 2, 3) * 3)):
        assert np.array_equal(found, expected), threads
assert np.array_equal(gradient(3), expected)
print("done")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_forked_process_has_threads_of_its_own():
    assert succeeded(IN_A_FORK) == ["done"]


@pytest.mark.parametrize("late", [0.0, 0.05])
def test_a_team_that_is_late_is_not_asked_again_soon(late):
    """Of OpenMP, which here has one thread, and waits for another that does not come."""
    calls = []

    @ctypes.CFUNCTYPE(None, ctypes.CFUNCTYPE(None, ctypes.c_void_p), ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint)
    def parallel(work, data, n_threads, flags):
        calls.append((n_threads, flags))
        work(data)
        time.sleep(late)

    member, size = (ctypes.CFUNCTYPE(ctypes.c_int)(lambda number=number: number) for number in (0, 5))
    net = ew.mlp([20, 40, 40, 10], activation="tanh")
    x = numbers(np.random.default_rng(0), 600, 20)
    expected = net.forward(x, threads=2).value
    share_team(*(ctypes.cast(each, ctypes.c_void_p).value for each in (parallel, member, size)))
    try:
        assert np.array_equal(net.forward(x, threads=2).value, expected)
        assert not calls
        with shared_team():
            for _ in range(20):
                assert np.array_equal(net.forward(x, threads=2).value, expected)
        assert np.array_equal(net.forward(x, threads=2).value, expected)
    finally:
        share_team(0, 0, 0)
    assert set(calls) == {(5, 0)}
    assert len(calls) == 1 or not late


def test_a_team_of_fewer_threads_than_are_asked_for_is_left_alone():
    calls = []
    parallel, member, size = (
        ctypes.CFUNCTYPE(ctypes.c_int)(lambda name=name: calls.append(name) or 1) for name in "pms"
    )
    net = ew.mlp([20, 40, 40, 10], activation="tanh")
    x = numbers(np.random.default_rng(0), 600, 20)
    expected = net.forward(x, threads=2).value
    share_team(*(ctypes.cast(each, ctypes.c_void_p).value for each in (parallel, member, size)))
    try:
        with shared_team():
            assert np.array_equal(net.forward(x, threads=2).value, expected)
    finally:
        share_team(0, 0, 0)
    assert set(calls) == {"s"}


WITH_AN_INSTRUCTION_SET = """
import numpy as np
from edgewise import _core
from test_native import networks_of_all_kinds, ask, everything, numbers, DTYPES
found = {}
for dtype in DTYPES:
    for k, net in enumerate(networks_of_all_kinds(dtype)):
        for n in (1, 5, 131):
            x = numbers(np.random.default_rng(n), n, 9)
            for name, array in everything(ask(net, x, "loss")).items():
                found[f"{dtype} {k} {n} {name}"] = array
np.savez("OUT", **found)
print(_core.instruction_set())
"""


def of_instruction_set(name, folder):
    out = folder / f"{name}.npz"
    printed = succeeded(WITH_AN_INSTRUCTION_SET.replace('"OUT"', repr(str(out))), EDGEWISE_ISA=name)
    assert printed == [name]
    with np.load(out) as arrays:
        return {key: arrays[key] for key in arrays.files}


def usable(name):
    found = run("from edgewise import _core; _core.instruction_set()", EDGEWISE_ISA=name)
    return name == "baseline" or "cannot be used here" not in found.stderr


@pytest.mark.parametrize("name", ["baseline", "avx2", "avx512"])
def test_instruction_sets_give_the_same_numbers(name, tmp_path):
    if not usable(name):
        pytest.skip(f"this machine has no {name}")
    found = of_instruction_set(name, tmp_path)
    for dtype, tolerance in (("float64", 1e-12), ("float32", 1e-5)):
        for k, net in enumerate(networks_of_all_kinds(dtype)):
            for n in (1, 5, 131):
                x = numbers(np.random.default_rng(n), n, 9)
                for quantity, array in everything(ask(net, x, "loss")).items():
                    _close(quantity, found[f"{dtype} {k} {n} {quantity}"], array, tolerance)


def test_an_unknown_instruction_set_is_refused():
    found = run("import edgewise as ew; ew.mlp([2, 3, 1]).forward([1, 2]).output", EDGEWISE_ISA="mmx")
    assert found.returncode == 1
    assert "EDGEWISE_ISA=mmx cannot be used here; this machine has" in found.stderr
    assert "baseline" in found.stderr.splitlines()[-1]
    assert succeeded("import edgewise as ew; print(len(ew.mlp([2, 3, 1]).forward([1, 2]).output))", EDGEWISE_ISA="")


WITHOUT_MEMORY = """
import resource
import numpy as np
import edgewise as ew
net = ew.random_dag(4_000, 8_000, n_inputs=1, activation="tanh", dtype=DTYPE)
small, x = np.ones((3, 1)), np.ones((30_000, 1))
expected = net.backprop(small).weight_gradient
pages = int(open("/proc/self/statm").read().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + (400 << 20),) * 2)  # a buffer has ≥ 480 MB
for attempt in (
    lambda: net.forward(x),
    lambda: net.backprop(x),
    lambda: net.backprop(x, y=x, loss="squared_error"),
    lambda: net.backprop(np.ones((2_000, 1)), list(range(40))).sensitivity,
    lambda: net.backprop(np.ones((4_000, 1))).weight_gradient_per_sample,
):
    try:
        attempt()
    except MemoryError:
        print("refused")
assert np.array_equal(net.backprop(small).weight_gradient, expected)
print("done")
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits memory as Linux does")
@pytest.mark.skipif("libasan" in os.environ.get("LD_PRELOAD", ""), reason="the sanitizer needs all addresses")
@pytest.mark.parametrize("dtype", DTYPES)
def test_memory_that_is_not_there_is_an_error(dtype):
    printed = succeeded(WITHOUT_MEMORY.replace("DTYPE", repr(dtype)))
    assert printed[-1] == "done"
    assert printed.count("refused") == (5 if dtype == "float64" else 4)


# ---- which engine ----


def test_activations_of_ones_own_run_through_the_reference():
    activations.register("test_native cubic root", np.cbrt, lambda s: 1 / (3 * np.cbrt(s) ** 2))
    known = layered([4, 6, 3], 1, activation=("tanh",))
    own = known.replace(activation=["test_native cubic root"] * known.n_nodes)
    assert runs(known)
    assert not runs(own)
    rng = np.random.default_rng(0)
    x = numbers(rng, 9, 4)
    for kind in TARGETS:
        expected = everything(ask(own, x, kind, engine="reference"))
        for engine in (None, "native"):
            assert_same_bits(everything(ask(own, x, kind, engine=engine, threads=2)), expected)
    for engine in (None, "native"):
        assert np.array_equal(own.forward(x, engine=engine).value, own.forward(x, engine="reference").value)


def test_the_native_engine_is_the_default():
    net = layered([4, 6, 3], 1)
    x = numbers(np.random.default_rng(0), 9, 4)
    assert_same_bits(everything(ask(net, x, "loss")), everything(ask(net, x, "loss", engine="native")))
