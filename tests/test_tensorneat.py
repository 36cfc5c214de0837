"""Genomes of TensorNEAT: the numbers of its own forward pass, for random genomes and for its files."""

import warnings

import numpy as np
import pytest

import edgewise as ew

warnings.simplefilter("ignore")
jax = pytest.importorskip("jax")
pytest.importorskip("tensorneat")
from tensorneat.common import ACT, AGG, State  # noqa: E402
from tensorneat.genome import DefaultGenome, DefaultNode  # noqa: E402

FUNCTIONS = [ACT.sigmoid, ACT.tanh, ACT.sin, ACT.relu, ACT.lelu, ACT.identity, ACT.abs]


@pytest.fixture(scope="module")
def genome():
    return DefaultGenome(
        3,
        2,
        max_nodes=12,
        max_conns=24,
        node_gene=DefaultNode(
            activation_options=FUNCTIONS,
            aggregation_options=[AGG.sum, AGG.product, AGG.max, AGG.min, AGG.maxabs, AGG.mean],
        ),
    )


def random_genes(rng):
    """(nodes, conns) of an acyclic genome: also with nodes that no input reaches and new ones, of activation -1."""
    keys = [*range(5), *rng.choice(np.arange(5, 40), rng.integers(0, 8), replace=False).tolist()]
    order = [0, 1, 2, *rng.permutation(keys[5:]).tolist(), 3, 4]
    nodes, conns = np.full((12, 5), np.nan, np.float32), np.full((24, 3), np.nan, np.float32)
    for row, key in enumerate(keys):
        nodes[row] = key, rng.normal(), rng.normal(1, 0.3), rng.integers(0, 6), rng.integers(-1, len(FUNCTIONS))
    pairs = {(a, int(rng.integers(max(a + 1, 3), len(order)))) for a in range(len(order) - 2)}
    pairs |= {(int(rng.integers(0, len(order) - 2)), len(order) - 1 - k) for k in (0, 1)}
    for row, (a, b) in enumerate(sorted(pairs)):
        conns[row] = order[a], order[b], rng.normal()
    return nodes, conns


def test_the_same_numbers(genome, tmp_path):
    rng = np.random.default_rng(0)
    state = genome.setup(State())
    x = rng.normal(size=(20, 3)).astype(np.float32)
    transform, forward = jax.jit(genome.transform), jax.jit(jax.vmap(genome.forward, in_axes=(None, None, 0)))
    compared = 0
    for _ in range(60):
        nodes, conns = random_genes(rng)
        wanted = np.asarray(forward(state, transform(state, nodes, conns), x))
        np.savez(tmp_path / "12.npz", nodes=nodes, conns=conns, fitness=0.0)
        saved = np.load(tmp_path / "12.npz")
        if np.isnan(wanted).any():
            with pytest.raises(ew.GraphError, match="no input reaches the output"):
                ew.from_tensorneat(genome, saved["nodes"], saved["conns"])
            continue
        net = ew.from_tensorneat(genome, saved["nodes"], saved["conns"])
        assert np.allclose(net.forward(x).output, wanted, rtol=1e-4, atol=1e-5)
        compared += 1
    assert compared > 30


def test_what_cannot_be(genome):
    nodes, conns = random_genes(np.random.default_rng(0))
    with pytest.raises(ew.GraphError, match="one genome's are"):
        ew.from_tensorneat(genome, nodes[None], conns[None])
    with pytest.raises(ew.GraphError, match="no input reaches the output"):
        ew.from_tensorneat(genome, nodes, np.full_like(conns, np.nan))
    other = DefaultGenome(3, 2, node_gene=DefaultNode(activation_options=ACT.scaled_tanh))
    state = other.setup(State())
    rows, arcs = map(np.array, other.initialize(state, jax.random.PRNGKey(0)))
    rows[5], arcs[0] = [5, 0, 1, 0, 0], [0, 5, 1]
    with pytest.raises(ew.GraphError, match="node 5: its activation 'scaled_tanh' is none of ours"):
        ew.from_tensorneat(other, rows, arcs)
