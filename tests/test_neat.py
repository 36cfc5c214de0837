"""Genomes of neat-python: the numbers of its own FeedForwardNetwork, and trained parameters that go back."""

import random
import warnings

import numpy as np
import pytest

import edgewise as ew
from edgewise.interop.neat import SCALED

neat = pytest.importorskip("neat")
genes = pytest.importorskip("neat.genes")

ACTIVATIONS = sorted(neat.activations.ActivationFunctionSet().functions)
AGGREGATIONS = sorted(neat.aggregations.AggregationFunctionSet().functions)

CONFIG = """
[NEAT]
fitness_criterion = max
fitness_threshold = 1e9
pop_size = 60
reset_on_extinction = True
no_fitness_termination = False

[DefaultStagnation]
species_fitness_func = max
max_stagnation = 20
species_elitism = 2

[DefaultReproduction]
elitism = 2
survival_threshold = 0.2
min_species_size = 1

[DefaultSpeciesSet]
compatibility_threshold = 9.0

[DefaultGenome]
num_inputs = 3
num_outputs = 2
num_hidden = 2
feed_forward = True
compatibility_disjoint_coefficient = 1.0
compatibility_excess_coefficient = auto
compatibility_weight_coefficient = 0.5
compatibility_enable_penalty = 1.0
compatibility_include_node_genes = True
conn_add_prob = 0.6
conn_delete_prob = 0.2
node_add_prob = 0.5
node_delete_prob = 0.1
single_structural_mutation = False
structural_mutation_surer = default
initial_connection = partial_direct 0.5
activation_default = random
activation_options = {activations}
activation_mutate_rate = 0.3
aggregation_default = random
aggregation_options = {aggregations}
aggregation_mutate_rate = 0.3
bias_init_mean = 0.0
bias_init_stdev = 1.0
bias_init_type = gaussian
bias_replace_rate = 0.1
bias_mutate_rate = 0.7
bias_mutate_power = 0.5
bias_max_value = 5.0
bias_min_value = -5.0
response_init_mean = 1.0
response_init_stdev = 0.3
response_init_type = gaussian
response_replace_rate = 0.1
response_mutate_rate = 0.5
response_mutate_power = 0.2
response_max_value = 5.0
response_min_value = -5.0
weight_init_mean = 0.0
weight_init_stdev = 1.0
weight_init_type = gaussian
weight_replace_rate = 0.1
weight_mutate_rate = 0.8
weight_mutate_power = 0.5
weight_max_value = 8
weight_min_value = -8
enabled_default = True
enabled_mutate_rate = 0.1
enabled_rate_to_true_add = 0.0
enabled_rate_to_false_add = 0.0
"""


def configuration(folder, activations=ACTIVATIONS, aggregations=AGGREGATIONS):
    path = folder / "neat.ini"
    path.write_text(CONFIG.format(activations=" ".join(activations), aggregations=" ".join(aggregations)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return neat.Config(
            neat.DefaultGenome, neat.DefaultReproduction, neat.DefaultSpeciesSet, neat.DefaultStagnation, str(path)
        )


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return configuration(tmp_path_factory.mktemp("neat"))


def node(key, activation="identity", aggregation="sum", bias=0.0, response=1.0):
    gene = genes.DefaultNodeGene(key)
    gene.activation, gene.aggregation = activation, aggregation
    gene.bias, gene.response, gene.time_constant = bias, response, 1.0
    return gene


def connect(genome, tail, head, weight, enabled=True):
    gene = genes.DefaultConnectionGene((tail, head), innovation=len(genome.connections) + 1)
    gene.weight, gene.enabled = weight, enabled
    genome.connections[tail, head] = gene


def random_genome(rng, n_hidden=8, n_arcs=24):
    """Any acyclic genome: 3 inputs, 2 outputs, disabled genes, outputs that feed others, nodes without in-arcs."""
    genome = neat.DefaultGenome(1)
    keys = rng.permutation([0, 1, *range(5, 5 + n_hidden)]).tolist()
    for key in keys:
        genome.nodes[key] = node(
            key, rng.choice(ACTIVATIONS), rng.choice(AGGREGATIONS), rng.normal(), rng.normal(1, 0.5)
        )
    order = [-1, -2, -3, *keys]
    for _ in range(n_arcs):
        b = int(rng.integers(3, len(order)))
        a = int(rng.integers(0, b))
        if (order[a], order[b]) not in genome.connections:
            connect(genome, order[a], order[b], rng.normal(), bool(rng.random() > 0.15))
    return genome


def theirs(genome, config, x):
    network = neat.nn.FeedForwardNetwork.create(genome, config)
    return np.array([network.activate(sample) for sample in x.tolist()])


def assert_equal(genome, config, x):
    wanted = theirs(genome, config, x)
    net = ew.from_neat(genome, config)
    for engine in ("native", "reference"):
        found = net.forward(x, engine=engine).output
        assert (np.abs(found - wanted) <= 1e-12 * np.maximum(1, np.abs(wanted))).all()
    return net


class TestActivations:
    @pytest.mark.parametrize("activation", ACTIVATIONS)
    @pytest.mark.parametrize("aggregation", AGGREGATIONS)
    def test_every_one_with_every_aggregation(self, config, activation, aggregation):
        rng = np.random.default_rng(3)
        for bias, response, weights in ((0.3, 1.0, (1.0, -0.5, 0.25)), (0.0, -1.5, (2.0, 3.0, 4.0)), (0.5, 1.0, ())):
            genome = neat.DefaultGenome(1)
            genome.nodes[0] = node(0, activation, aggregation, bias, response)
            genome.nodes[1] = node(1, "identity", "sum", 0.0, 1.0)
            for key, weight in zip((-1, -2, -3), weights, strict=False):
                connect(genome, key, 0, weight)
            connect(genome, 0, 1, 0.5)
            x = np.concatenate([rng.normal(size=(20, 3)), 30 * rng.normal(size=(20, 3)), np.zeros((1, 3))])
            assert_equal(genome, config, x)

    @pytest.mark.parametrize("activation", ACTIVATIONS)
    def test_gates_are_its_slopes(self, config, activation):
        """Beside central differences of neat-python's own function, at its kinks too far off to matter."""
        function = config.genome_config.activation_defs.get(activation)
        name, scale = SCALED.get(activation, (activation, 1.0))
        row = ew.activations.get(name)
        z = np.array([-70.0, -13.0, -4.0, -1.3, -0.2, 0.2, 0.7, 1.3, 3.0, 11.0, 13.0, 50.0, 70.0])
        h = 1e-6
        slope = np.array([(function(v + h) - function(v - h)) / (2 * h) for v in z.tolist()])
        y = row.value(scale * z)
        assert np.allclose(scale * row.gate(scale * z, y), slope, rtol=1e-6, atol=1e-6)
        assert np.allclose(y, [function(v) for v in z.tolist()], rtol=1e-14, atol=1e-16)


class TestGenomes:
    def test_random_ones(self, config):
        rng = np.random.default_rng(0)
        for _ in range(150):
            assert_equal(random_genome(rng), config, rng.normal(size=(7, 3)))

    def test_evolved_ones(self, config):
        random.seed(1)
        x = np.random.default_rng(1).normal(size=(6, 3))
        sizes = []

        def evaluate(genomes, config):
            for _, genome in genomes:
                net = assert_equal(genome, config, x)
                sizes.append(net.n_nodes)
                genome.fitness = -float(np.abs(net.forward(x).output).sum().clip(0, 1e6)) + 0.3 * net.n_edges

        population = neat.Population(config, seed=1)
        population.run(evaluate, 8)
        assert max(sizes) > 8

    def test_what_is_in_it(self, config):
        genome = neat.DefaultGenome(1)
        for key in (0, 1, 7, 5, 9):
            genome.nodes[key] = node(key)
        for tail, head, enabled in ((-2, 7, True), (7, 0, True), (-1, 0, False), (5, 1, True), (-1, 9, True)):
            connect(genome, tail, head, 0.5, enabled)
        net = ew.from_neat(genome, config)
        assert net.names == ("-1", "-2", "-3", "0", "1", "5", "7")
        assert net.n_edges == 3
        assert [net.names[j] for j in net.outputs] == ["0", "1"]
        assert ew.from_neat(genome, config.genome_config, dtype="float32").dtype == np.float32

    def test_errors(self, config):
        genome = neat.DefaultGenome(1)
        with pytest.raises(ew.GraphError, match="the genome has no node 0"):
            ew.from_neat(genome, config)
        for key in (0, 1, 5):
            genome.nodes[key] = node(key)
        connect(genome, 0, 5, 1.0)
        connect(genome, 5, 0, 1.0)
        with pytest.raises(ew.GraphError, match="form a cycle"):
            ew.from_neat(genome, config)
        del genome.connections[5, 0]
        genome.nodes[0].activation = "wavy"
        with pytest.raises(ew.GraphError, match=r"node 0: its activation 'wavy' is not neat-python's; register"):
            ew.from_neat(genome, config)
        genome.nodes[0].activation, genome.nodes[0].aggregation = "relu", "mode"
        with pytest.raises(ew.GraphError, match="unknown aggregation 'mode'"):
            ew.from_neat(genome, config)


def numbers(genome):
    weights = {key: (gene.weight, gene.enabled) for key, gene in genome.connections.items()}
    return weights, {key: (gene.bias, gene.response) for key, gene in genome.nodes.items()}


class TestBack:
    @pytest.mark.parametrize("dtype", ["float64", "float32"])
    def test_what_is_untrained_stays_to_the_last_bit(self, config, dtype):
        rng = np.random.default_rng(4)
        for _ in range(30):
            genome = random_genome(rng)
            before = numbers(genome)
            assert ew.to_neat(ew.from_neat(genome, config, dtype=dtype), genome, config) is genome
            assert numbers(genome) == before

    def test_trained_parameters_mean_the_same_there(self, config):
        rng = np.random.default_rng(5)
        x = rng.normal(size=(9, 3))
        for _ in range(40):
            genome = random_genome(rng)
            net = ew.from_neat(genome, config)
            net.weight = net.weight + rng.normal(0, 0.1, net.n_edges)
            net.bias = net.bias + rng.normal(0, 0.1, net.n_nodes)
            net.response = net.response * rng.uniform(0.9, 1.1, net.n_nodes)
            ew.to_neat(net, genome)
            wanted = net.forward(x).output
            assert (np.abs(theirs(genome, config, x) - wanted) <= 1e-10 * np.maximum(1, np.abs(wanted))).all()

    def test_the_limits_of_the_config(self, config):
        genome = neat.DefaultGenome(1)
        genome.nodes[0], genome.nodes[1] = node(0, "sigmoid"), node(1)
        connect(genome, -1, 0, 1.0)
        net = ew.from_neat(genome, config)
        net.weight, net.bias = 100.0, np.array([0, 0, 0, -100.0, 2.0])
        ew.to_neat(net, genome, config)
        assert (genome.connections[-1, 0].weight, genome.nodes[0].bias, genome.nodes[1].bias) == (8, -5, 2)

    def test_another_s_network(self, config):
        rng = np.random.default_rng(7)
        genome, other = random_genome(rng), random_genome(rng)
        with pytest.raises(ew.GraphError, match="another one's"):
            ew.to_neat(ew.from_neat(other, config), genome)
