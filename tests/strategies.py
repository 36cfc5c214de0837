"""Hypothesis strategies for networks: random DAGs with everything that may go with them."""

import numpy as np
from hypothesis import strategies as st

import edgewise as ew

# Smooth, bounded on the numbers drawn here, and finite with their derivatives: any may follow any.
SMOOTH = ("sigmoid", "tanh", "identity", "softplus", "softsign", "gelu", "silu", "gaussian", "sin", "cos")
# Kinks are hit with probability zero by weights drawn from a continuum.
KINKED = ("relu", "hard_tanh", "leaky_relu", "elu", "selu", "clamped", "hat", "abs")
AGGREGATIONS = ew.aggregations.NAMES


@st.composite
def dags(
    draw,
    *,
    max_nodes=14,
    activations=SMOOTH + KINKED,
    aggregations=AGGREGATIONS,
    responses=True,
    ties=True,
    dtypes=("float64",),
):
    """A Network: skip and parallel arcs, dead ends, neurons without in-arcs, several outputs, some feeding further
    nodes, mixed activations and aggregations, tied weights and biases, node ids in random order."""
    n = draw(st.integers(2, max_nodes), label="nodes")
    n_inputs = draw(st.integers(1, max(1, n // 2)), label="inputs")
    pairs = st.tuples(st.integers(0, n - 2), st.integers(n_inputs, n - 1)).filter(lambda pair: pair[0] < pair[1])
    arcs = draw(st.lists(pairs, min_size=1, max_size=4 * n), label="arcs")
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1), label="seed"))
    shuffle = rng.permutation(n)
    tail, head = shuffle[[a for a, _ in arcs]], shuffle[[b for _, b in arcs]]
    outputs = draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=3, unique=True), label="outputs")
    weight = rng.normal(0, 1, len(arcs))
    tie = None
    if ties and draw(st.booleans(), label="tied"):
        tie = rng.integers(0, max(1, len(arcs) // 2), len(arcs))
        weight = rng.normal(0, 1, len(arcs))[tie]
    bias, bias_tie = rng.normal(0, 0.5, n), None
    if ties and draw(st.booleans(), label="biases tied"):
        bias_tie = rng.integers(0, max(1, n // 2), n)
        bias = bias[bias_tie]
    return ew.Network(
        tail,
        head,
        weight,
        bias=bias,
        activation=[draw(st.sampled_from(activations)) for _ in range(n)],
        aggregation=[draw(st.sampled_from(aggregations)) for _ in range(n)],
        response=rng.uniform(0.5, 1.5, n) if responses else 1.0,
        inputs=shuffle[:n_inputs],
        outputs=shuffle[outputs],
        tie=tie,
        bias_tie=bias_tie,
        dtype=draw(st.sampled_from(dtypes)),
    )


@st.composite
def samples(draw, net, max_samples=5):
    """x for a network, (B, n_inputs)."""
    n_samples = draw(st.integers(1, max_samples), label="samples")
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1), label="x seed"))
    return rng.normal(0, 1, (n_samples, net.n_inputs))


@st.composite
def networks_with_samples(draw, **restrictions):
    net = draw(dags(**restrictions))
    return net, draw(samples(net))
