"""Genomes of TensorNEAT: the numbers of its own forward pass, for mutated genomes and for its files."""

import warnings

import numpy as np
import pytest

import edgewise as ew

warnings.simplefilter("ignore")
jax = pytest.importorskip("jax")
pytest.importorskip("tensorneat")
from tensorneat.common import ACT, AGG, State  # noqa: E402
from tensorneat.genome import DefaultGenome, DefaultMutation, DefaultNode  # noqa: E402

FUNCTIONS = [ACT.sigmoid, ACT.tanh, ACT.sin, ACT.relu, ACT.lelu, ACT.identity, ACT.abs]


@pytest.fixture(scope="module")
def evolved():
    """(genome, state, nodes, conns) of 12 genomes after 25 mutations each."""
    genome = DefaultGenome(
        3,
        2,
        max_nodes=24,
        max_conns=60,
        node_gene=DefaultNode(
            response_init_std=0.3,
            activation_options=FUNCTIONS,
            aggregation_options=[AGG.sum, AGG.product, AGG.max, AGG.min, AGG.maxabs, AGG.mean],
        ),
        mutation=DefaultMutation(node_add=0.4, conn_add=0.6, conn_delete=0.1),
    )
    state = genome.setup(State(randkey=jax.random.PRNGKey(0)))
    keys = jax.random.split(jax.random.PRNGKey(1), 12)
    nodes, conns = jax.vmap(genome.initialize, in_axes=(None, 0))(state, keys)
    mutate = jax.jit(jax.vmap(genome.execute_mutation, in_axes=(None, 0, 0, 0, 0, 0)))
    for k in range(25):
        keys = jax.random.split(jax.random.PRNGKey(2 + k), 12)
        new = np.full(12, 10 + k, np.float32)
        nodes, conns = mutate(state, keys, nodes, conns, new, np.stack([new * 3, new * 3 + 1, new * 3 + 2], axis=1))
    return genome, state, np.asarray(nodes), np.asarray(conns)


def test_the_same_numbers(evolved, tmp_path):
    genome, state, nodes, conns = evolved
    x = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    transform, forward = jax.jit(genome.transform), jax.jit(jax.vmap(genome.forward, in_axes=(None, None, 0)))
    sizes = []
    for k in range(len(nodes)):
        wanted = np.asarray(forward(state, transform(state, nodes[k], conns[k]), x))
        np.savez(tmp_path / "12.npz", nodes=nodes[k], conns=conns[k], fitness=0.0)
        saved = np.load(tmp_path / "12.npz")
        if np.isnan(wanted).any():
            with pytest.raises(ew.GraphError, match="no input reaches the output"):
                ew.from_tensorneat(genome, saved["nodes"], saved["conns"])
            continue
        net = ew.from_tensorneat(genome, saved["nodes"], saved["conns"])
        assert np.allclose(net.forward(x).output, wanted, rtol=1e-4, atol=1e-5)
        sizes.append(net.n_nodes)
    assert len(sizes) > 6
    assert max(sizes) > 7


def test_what_cannot_be(evolved):
    genome, _, nodes, conns = evolved
    with pytest.raises(ew.GraphError, match="one genome's are"):
        ew.from_tensorneat(genome, nodes, conns)
    with pytest.raises(ew.GraphError, match="no input reaches the output"):
        ew.from_tensorneat(genome, nodes[0], np.full_like(conns[0], np.nan))
    other = DefaultGenome(3, 2, node_gene=DefaultNode(activation_options=ACT.scaled_tanh))
    state = other.setup(State())
    rows, arcs = map(np.array, other.initialize(state, jax.random.PRNGKey(0)))
    rows[5], arcs[0] = [5, 0, 1, 0, 0], [0, 5, 1]
    with pytest.raises(ew.GraphError, match="node 5: its activation 'scaled_tanh' is none of ours"):
        ew.from_tensorneat(other, rows, arcs)
