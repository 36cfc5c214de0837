"""Networks: what may be built, what is refused and in which words, order, depth, layers, ties, decoupling."""

import copy
import pickle

import numpy as np
import pytest

import edgewise as ew
from edgewise.build import layer_densities


def diamond(**changes):
    """x -> a, b -> t"""
    arguments = {
        "tail": [0, 0, 1, 2],
        "head": [1, 2, 3, 3],
        "weight": [0.5, -1.0, 2.0, 3.0],
        "names": ["x", "a", "b", "t"],
        "activation": ["identity", "tanh", "sigmoid", "identity"],
    }
    return ew.Network(**{**arguments, **changes})


class TestStructure:
    def test_ends_are_found(self):
        net = diamond()
        assert net.inputs.tolist() == [0]
        assert net.outputs.tolist() == [3]
        assert (net.n_nodes, net.n_edges) == (4, 4)

    def test_ends_keep_the_order_given(self):
        net = ew.Network([0, 1, 2], [3, 3, 4], 1.0, inputs=[2, 0, 1], outputs=[4, 3])
        x = np.array([10.0, 20.0, 30.0])
        assert net.forward(x).output.tolist() == [10.0, 50.0]
        assert net.forward({"2": 10.0, "0": 20.0, "1": 30.0}).output.tolist() == [10.0, 50.0]

    def test_a_neuron_without_in_arcs_has_its_bias(self):
        net = ew.Network([0, 1], [2, 2], [1.0, 1.0], bias=[0, 0.5, 0], activation="identity", inputs=[0])
        assert net.forward([2.0]).value.tolist() == [2.0, 0.5, 2.5]

    def test_outputs_may_feed_further_nodes(self):
        net = ew.Network([0, 1], [1, 2], [2.0, 3.0], activation="identity", outputs=[1, 2])
        bwd = net.backprop([1.0], y=[0.0, 0.0], loss="squared_error")
        assert bwd.output.tolist() == [2.0, 6.0]
        assert bwd.sensitivity.tolist() == [40.0, 20.0, 6.0]  # S(1) = 2 + 3·6

    def test_parallel_edges_are_known_by_index(self):
        net = ew.Network([0, 0], [1, 1], [2.0, 3.0], activation="identity", aggregation="product")
        bwd = net.backprop([5.0])
        assert bwd.output.tolist() == [150.0]
        assert bwd.weight_gradient.tolist() == [75.0, 50.0]
        assert bwd.sensitivity.tolist() == [60.0, 1.0]

    def test_depth_is_the_longest_path_to_an_output(self):
        net = ew.Network([0, 1, 0, 2, 1], [1, 2, 3, 3, 4], 1.0, outputs=[3])
        assert net.depth.tolist() == [3, 2, 1, 0, -1]

    def test_names_or_indices_call_the_same_node(self):
        net = diamond()
        assert net.node("b") == net.node(2) == 2
        assert np.array_equal(net.backprop([1.0], "a").sensitivity, net.backprop([1.0], 1).sensitivity)

    def test_edges_may_be_given_by_name(self):
        net = ew.Network(["x", "h"], ["h", "t"], 1.0, names=["t", "h", "x"], inputs=["x"], outputs=["t"])
        assert net.tail.tolist() == [2, 1]
        assert net.head.tolist() == [1, 0]

    def test_structure_is_frozen_and_parameters_are_not(self):
        net = diamond()
        with pytest.raises(ValueError, match="read-only"):
            net.tail[0] = 3
        net.weight[0] = 7.0
        net.bias = 0.25
        assert net.weight[0] == 7.0
        assert net.bias.tolist() == [0.25] * 4

    def test_copies_are_independent(self):
        net = diamond()
        other = net.copy()
        other.weight[0] = 99
        assert net.weight[0] == 0.5
        assert net.astype("float32").forward([1.0]).output.dtype == np.float32

    def test_a_chain_of_100_000_nodes(self):
        n = 100_000
        net = ew.Network(np.arange(n - 1), np.arange(1, n), 1.0, activation="identity")
        assert net.depth[0] == n - 1
        assert net.plan.n_levels == n

    def test_plan_points_every_arc_forward(self):
        net = ew.random_dag(200, 2_000, n_inputs=5, seed=3)
        shuffle = np.random.default_rng(0).permutation(200)
        net = ew.Network(shuffle[net.tail], shuffle[net.head], net.weight)
        plan = net.plan
        assert (plan.position[net.tail] < plan.position[net.head]).all()
        assert np.array_equal(plan.order[plan.position], np.arange(200))
        for p in range(200):
            assert (net.head[plan.in_edge[plan.in_start[p] : plan.in_start[p + 1]]] == plan.order[p]).all()
            assert (net.tail[plan.out_edge[plan.out_start[p] : plan.out_start[p + 1]]] == plan.order[p]).all()


class TestRefusals:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            (
                {"tail": [0, 1, 2], "head": [1, 2, 1], "weight": 1.0},
                r"'a' -> 'b' -> 'a' form a cycle \(a shortest one\)",
            ),
            ({"head": [1, 2, 3, 2]}, "edge 3 goes from 'b' to itself"),
            ({"names": ["x", "a", "a", "t"]}, "'a' is given to nodes 1 and 2"),
            ({"names": ["x", "a", 3, "t"]}, "names.2. is 3; each name must be a str"),
            ({"outputs": ["tt"]}, "no node 'tt'; did you mean 't'"),
            ({"inputs": ["x", "a"]}, "edge 0 .'x' -> 'a'. goes into the input 'a'"),
            ({"weight": [1.0, np.nan, 1.0, 1.0]}, "weight.1. .edge 1, 'x' -> 'b'. is nan"),
            ({"weight": [1.0, 1e300, 1.0, 1.0], "dtype": "float32"}, "is inf in float32"),
            ({"bias": [0, 0, np.inf, 0]}, "bias.2. .node 'b'. is inf"),
            ({"weight": [1.0, 2.0]}, r"weight has shape \(2,\); give \(4,\)"),
            ({"weight": "heavy"}, "weight must be numbers"),
            ({"bias": [0.0, 0.0]}, "names has 4 entries and bias 2"),
            ({"tail": [0, 0, 1]}, "tail has 3 entries, head 4"),
            ({"tail": [0, 0, 1, 9]}, r"tail\[3\] = 9 is not a node; nodes are 0 to 3"),
            ({"tail": [0, 0, 1, -1]}, r"tail\[3\] = -1 is not a node"),
            ({"tail": [0.5, 0, 1, 2]}, "tail has dtype float64"),
            ({"tail": [[0, 0, 1, 2]]}, "must be a flat list"),
            ({"activation": "rleu"}, "unknown activation 'rleu'; use one of sigmoid"),
            ({"activation": ["identity", "tanh", "oops", "tanh"]}, "node 'b': unknown activation 'oops'"),
            ({"aggregation": "average"}, "unknown aggregation 'average'"),
            ({"outputs": ["t", "t"]}, "outputs lists 't' twice"),
            ({"outputs": []}, "outputs is empty"),
            ({"tie": [0, 0, 1, 2]}, "edges 0 and 1 are tied but their weights differ, 0.5 and -1.0"),
            ({"tie": [0, 1]}, "tie must hold one whole number per edge"),
            ({"bias": [5, 0.5, -1, 0], "bias_tie": [0, 1, 1, 0]}, "nodes 'a' and 'b' are tied but their biases differ"),
            ({"bias_tie": [0, 1]}, "names has 4 entries and bias_tie 2"),
            ({"bias_tie": [0.0, 1.0, 1.0, 2.0]}, "bias_tie must hold one whole number per node"),
            ({"bias_tie": [0, -1, -1, 2]}, "bias_tie holds a parameter index that is negative"),
            ({"dtype": "int32"}, 'dtype must be "float32" or "float64"'),
        ],
    )
    def test_each_says_what_is_wrong(self, changes, message):
        with pytest.raises(ew.GraphError, match=message) as caught:
            diamond(**changes)
        assert isinstance(caught.value, ValueError)

    def test_the_shortest_cycle_is_named(self):
        ring = np.arange(50)
        tail = np.concatenate([ring, [60, 61, 62, 3]])
        head = np.concatenate([np.roll(ring, -1), [61, 62, 60, 60]])
        with pytest.raises(ew.GraphError, match=r"60 -> 61 -> 62 -> 60 form a cycle"):
            ew.Network(tail, head, 1.0)

    def test_a_long_cycle_is_shortened(self):
        ring = np.arange(1000)
        with pytest.raises(ew.GraphError, match=r"\.\.\. \(990 more\) .* form a cycle"):
            ew.Network(ring, np.roll(ring, -1), 1.0)

    def test_a_large_tangle_is_refused_in_bounded_time(self):
        rng = np.random.default_rng(0)
        tail = rng.integers(0, 50_000, 400_000)
        with pytest.raises(ew.GraphError, match="form a cycle"):
            ew.Network(tail, (tail + rng.integers(1, 50_000, 400_000)) % 50_000, 1.0)

    def test_a_small_cycle_before_a_long_chain_is_found_at_once(self):
        chain = np.arange(300_000)
        with pytest.raises(ew.GraphError, match=r"299999 -> 300000 -> 299999 form a cycle \(a shortest one\)"):
            ew.Network([*chain[:-1], 299_999, 300_000, 300_000], [*chain[1:], 300_000, 299_999, 0], 1.0)

    def test_an_empty_network(self):
        with pytest.raises(ew.GraphError, match="no nodes"):
            ew.Network([], [], [])

    @pytest.mark.parametrize(
        ("x", "message"),
        [
            ([[1.0, 2.0]], r"x has shape \(1, 2\); the network's 1 inputs need \(B, 1\)"),
            ([1.0, 2.0, 3.0], r"for several samples of one input use x\[:, None\]"),
            ([[np.nan]], "x is nan at input 'x' of sample 0"),
            (np.zeros((0, 1)), "x holds no samples"),
            ([["one"]], "x has dtype"),
            ([[1.0], [1.0, 2.0]], "x is ragged"),
            ({"y": 1.0}, "x lacks 'x' and has 'y', not an input; the inputs are 'x'"),
            ({"x": [[1.0]]}, r"x\['x'\] has shape \(1, 1\)"),
        ],
    )
    def test_samples_that_do_not_fit(self, x, message):
        with pytest.raises(ew.DataError, match=message):
            diamond().forward(x)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"loss": "squared_error"}, "a loss needs y"),
            ({"y": [1.0]}, "y was given without a loss"),
            ({"loss": "squared_error", "y": [1.0], "target": "t"}, "either a target or a loss"),
            ({"loss": "squares", "y": [1.0]}, "unknown loss 'squares'"),
            ({"reduction": "max"}, "reduction must be"),
            ({"threads": 0}, "threads must be a whole number"),
            ({"loss": "squared_error", "y": [[1.0, 2.0]]}, "y has shape"),
            ({"loss": "squared_error", "y": [1.0], "sample_weight": [-1.0]}, r"sample_weight\[0\] = -1.0"),
            ({"loss": "squared_error", "y": [1.0], "sample_weight": [0.0]}, "sum to 0"),
            ({"loss": "squared_error", "y": [1.0], "class_weight": [1.0, 2.0]}, "class_weight needs one class"),
        ],
    )
    def test_objectives_that_do_not_fit(self, arguments, message):
        with pytest.raises(ew.DataError, match=message):
            diamond().backprop([1.0], **arguments)

    @pytest.mark.parametrize("target", [4, -1, "q", 1.5, [], None])
    def test_targets_that_are_not_there(self, target):
        net = diamond(outputs=["a", "t"])
        with pytest.raises(ew.GraphError):
            net.backprop([1.0], target)

    def test_an_engine_that_is_not_there(self):
        with pytest.raises(ew.EdgewiseError, match="no engine 'warp'"):
            diamond().forward([1.0], engine="warp")


class TestLayers:
    def test_weights_are_views(self):
        net = ew.mlp([3, 4, 2], seed=1)
        net.layers[0].weight[2, 1] = 42.0
        net.layers[1].bias[0] = -1.0
        edge = np.flatnonzero((net.tail == 1) & (net.head == 3 + 2))
        assert net.weight[edge].tolist() == [42.0]
        assert net.bias[7] == -1.0
        assert [layer.weight.shape for layer in net.layers] == [(4, 3), (2, 4)]

    def test_forward_is_the_matrix_form(self):
        net = ew.mlp([3, 4, 2], activation="tanh", seed=1)
        x = np.random.default_rng(0).normal(size=(5, 3))
        first, second = net.layers
        expected = np.tanh(x @ first.weight.T + first.bias) @ second.weight.T + second.bias
        assert np.allclose(net.forward(x).output, expected, rtol=0, atol=1e-14)

    def test_other_networks_have_none(self):
        with pytest.raises(ew.GraphError, match="not layerwise"):
            _ = ew.random_dag(10, 20, n_inputs=2).layers

    @pytest.mark.parametrize("sizes", [[3], [3, 0, 1], [3, 2.5], "34"])
    def test_sizes_that_cannot_be(self, sizes):
        with pytest.raises(ew.GraphError, match="sizes"):
            ew.mlp(sizes)

    @pytest.mark.parametrize(
        ("name", "variance"),
        [
            ("glorot_normal", 2 / 500),
            ("glorot_uniform", 2 / 500),
            ("he_normal", 2 / 200),
            ("he_uniform", 2 / 200),
            ("lecun_normal", 1 / 200),
            ("lecun_uniform", 1 / 200),
            ("normal", 0.05**2),
            ("uniform", 0.05**2 / 3),
            ("zeros", 0.0),
        ],
    )
    def test_initializers_have_their_variance(self, name, variance):
        weight = ew.mlp([200, 300], initializer=name, seed=4).weight
        assert abs(weight.var() - variance) <= 0.03 * variance
        assert np.array_equal(weight, ew.mlp([200, 300], initializer=name, seed=4).weight)

    @pytest.mark.parametrize("shape", [(30, 50), (50, 30)])
    def test_orthogonal_is(self, shape):
        weight = ew.mlp(shape, initializer="orthogonal").layers[0].weight
        small = weight @ weight.T if weight.shape[0] <= weight.shape[1] else weight.T @ weight
        assert np.allclose(small, np.eye(30), rtol=0, atol=1e-12)


class TestTies:
    def test_each_tied_edge_carries_the_sum(self):
        tied = diamond(weight=[0.5, 0.5, 2.0, 3.0], tie=[7, 7, 1, 0])
        free = diamond(weight=[0.5, 0.5, 2.0, 3.0])
        x = [[0.3], [-1.2]]
        gradient = free.backprop(x).weight_gradient
        total = gradient[0] + gradient[1]
        assert tied.backprop(x).weight_gradient.tolist() == [total, total, *gradient[2:]]
        per_sample = tied.backprop(x).weight_gradient_per_sample
        assert np.allclose(per_sample.mean(axis=0), [total, total, *gradient[2:]], rtol=0, atol=1e-15)

    def test_each_tied_node_carries_the_sum_but_inputs(self):
        bias = [7.0, 0.2, 0.2, 0.2]  # that of the input means nothing, and is not tied
        tied, free = diamond(bias=bias, bias_tie=[4, 4, 9, 4]), diamond(bias=bias)
        assert tied.bias_tie.tolist() == [0, 1, 2, 1]
        x = [[0.3], [-1.2]]
        for engine in ("native", "reference"):
            gradient = free.backprop(x, engine=engine).bias_gradient
            expected = [0, gradient[1] + gradient[3], gradient[2], gradient[1] + gradient[3]]
            bwd = tied.backprop(x, engine=engine)
            assert np.allclose(bwd.bias_gradient, expected, rtol=0, atol=1e-15)
            assert np.allclose(bwd.bias_gradient_per_sample.mean(axis=0), expected, rtol=0, atol=1e-15)

    def test_tied_biases_are_written_alike(self):
        net = diamond(bias=0.5, bias_tie=[0, 1, 1, 2])
        net.bias = [9, -1, -1, 0]
        with pytest.raises(ew.GraphError, match=r"'a' and 'b' are tied but their biases differ, -1\.0 and 2\.0"):
            net.bias = [0, -1, 2, 0]

    def test_ties_of_biases_go_wherever_the_network_goes(self):
        net = diamond(bias=[0, 0.5, 0.5, 0.5], bias_tie=[0, 1, 1, 1])
        twins = [net.copy(), net.astype("float32"), net.with_own_parameters(), pickle.loads(pickle.dumps(net))]
        twins.append(net.with_arcs(net.tail[:2].copy(), net.head[:2].copy(), net.weight[:2].copy()))
        assert all(twin.bias_tie.tolist() == [0, 1, 1, 1] for twin in twins)
        split = net.decouple()
        assert len(set(split.network.bias_tie[split.linear[1:]].tolist())) == 1
        assert len(set(split.network.bias_tie[split.activation[1:]].tolist())) == 3
        assert net.replace(bias_tie=None, bias=[0, 1, 2, 3]).bias_tie is None


class TestDecoupled:
    def test_subnodes_carry_the_coupled_quantities(self):
        net = diamond(bias=[0, 0.1, -0.2, 0.3], aggregation=["sum", "sum", "sum", "product"], response=[1, 2, 1, 0.5])
        x = np.array([[0.7], [-0.4]])
        pair, coupled = net.decouple(), net.backprop(x)
        split = pair.network.backprop(x)
        assert np.array_equal(split.value[:, pair.linear[1:]], coupled.preactivation[:, 1:])
        assert np.array_equal(split.value[:, pair.activation], coupled.value)
        assert np.array_equal(split.sensitivity[:, pair.linear[1:]], coupled.linear_sensitivity[:, 1:])
        assert np.array_equal(split.sensitivity[:, pair.activation], coupled.sensitivity)
        assert np.array_equal(split.weight_gradient[: net.n_edges], coupled.weight_gradient)
        assert np.array_equal(split.edge_derivative[:, net.n_edges :], coupled.gate[:, 1:])

    def test_names_never_clash(self):
        net = ew.Network([0, 1], [1, 2], 1.0, names=["a⁻", "a", "a⁺"])
        assert len(set(net.decouple().network.names)) == 5


class TestRandomDag:
    @pytest.mark.parametrize(("n_nodes", "n_edges"), [(4, 3), (30, 29), (30, 200), (30, 29 * 30 // 2)])
    def test_sizes_and_no_parallel_arcs(self, n_nodes, n_edges):
        net = ew.random_dag(n_nodes, n_edges, n_inputs=1, seed=5)
        assert (net.n_nodes, net.n_edges) == (n_nodes, n_edges)
        assert len(set(zip(net.tail.tolist(), net.head.tolist(), strict=True))) == n_edges
        assert set(net.head.tolist()) == set(range(1, n_nodes))

    def test_too_many_edges(self):
        with pytest.raises(ew.GraphError, match="need 9 to 45"):
            ew.random_dag(10, 46, n_inputs=1)


@pytest.mark.parametrize("make_copy", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net)), copy.copy])
def test_a_network_goes_to_another_process_after_a_pass(make_copy):
    net = ew.Network([0, 1, 2, 2], [2, 2, 3, 3], [0.5, 0.5, 1.0, -2.0], names=["a", "b", "h", "o"], tie=[0, 0, 1, 2])
    x = np.array([[1.0, 2.0], [0.5, -1.0]])
    expected = net.backprop(x).weight_gradient
    twin = make_copy(net)
    assert (twin.backprop(x).weight_gradient == expected).all()
    assert (twin.names, twin.dtype) == (net.names, net.dtype)
    twin.weight[2] = 7
    assert net.weight[2] == 1
    with pytest.raises(ValueError, match="read-only"):
        twin.tail[0] = 1


# ---- layers with some of their arcs ----


@pytest.mark.parametrize("distribution", ["uniform", "erdos_renyi"])
@pytest.mark.parametrize("density", [0.05, 0.1, 0.5, 0.9])
def test_a_sparse_mlp_has_the_share_of_arcs_that_was_asked_for(density, distribution):
    sizes = [40, 100, 60, 5]
    net = ew.mlp(sizes, density=density, distribution=distribution, seed=3)
    whole = 40 * 100 + 100 * 60 + 60 * 5
    assert abs(net.n_edges - density * whole) <= max(3, 0.1 * density * whole)  # one arc for each neuron at least
    assert len(set(zip(net.tail.tolist(), net.head.tolist(), strict=True))) == net.n_edges
    assert (np.bincount(net.head, minlength=net.n_nodes)[40:] > 0).all()
    layer = np.repeat(np.arange(4), sizes)
    assert (layer[net.head] == layer[net.tail] + 1).all()
    again = ew.mlp(sizes, density=density, distribution=distribution, seed=3)
    assert (net.tail == again.tail).all()
    assert (net.weight == again.weight).all()
    assert ew.mlp(sizes, density=density, distribution=distribution, seed=4).weight[0] != net.weight[0]


def test_erdos_renyi_gives_small_layers_more():
    shares = layer_densities([784, 300, 100, 10], 0.1)
    sizes = np.array([784 * 300, 300 * 100, 100 * 10])
    assert (np.array(shares) * sizes).sum() == pytest.approx(0.1 * sizes.sum())
    assert shares[2] == 1.0  # it would get more than all
    # the others in proportion to (n_in + n_out) / (n_in n_out)
    assert shares[0] / shares[1] == pytest.approx((1084 / sizes[0]) / (400 / sizes[1]))
    assert layer_densities([5, 5, 5], 1) == [1.0, 1.0]


def test_sparse_weights_are_drawn_for_the_arcs_that_are_there():
    net = ew.mlp([2000, 400, 1], density=0.05, distribution="uniform", initializer="he_normal", seed=0)
    hidden = net.head < 2400
    assert net.weight[hidden].std() == pytest.approx(np.sqrt(2 / 100), rel=0.02)


def test_a_density_of_one_changes_no_bit():
    assert (ew.mlp([5, 7, 2], density=1).weight == ew.mlp([5, 7, 2]).weight).all()


@pytest.mark.parametrize("density", [0, -0.1, 1.5, np.nan, "half", True])
def test_a_density_that_makes_no_sense_is_refused(density):
    with pytest.raises(ew.GraphError, match="density must be a number above 0 and at most 1"):
        ew.mlp([3, 4, 2], density=density)


def test_an_unknown_distribution_is_refused():
    with pytest.raises(ew.GraphError, match="there is no distribution 'even'; use uniform or erdos_renyi"):
        ew.mlp([3, 4, 2], density=0.5, distribution="even")


# ---- from arrays that fit ----


def arrays(**changes):
    """Of a network with 2 inputs, 1 output and 2 hidden nodes."""
    given = {
        "tail": np.array([0, 1, 3, 4, 3], np.int32),
        "head": np.array([3, 3, 4, 2, 2], np.int32),
        "weight": np.linspace(-1, 1, 5),
        "bias": np.linspace(0, 1, 5),
        "response": np.array([1.0, 1.0, 2.0, 1.0, 0.5]),
        "activation": ["identity", "tanh", "relu"],
        "aggregation": ["sum", "max", "sum"],
        "n_inputs": 2,
        "n_outputs": 1,
        "names": ("x", "y", "o", "a", "b"),
    }
    return given | changes


def test_a_network_of_arrays_is_that_of_the_constructor():
    given = arrays()
    found = ew.Network.of_arrays(**given)
    expected = ew.Network(
        *(given[name] for name in ("tail", "head", "weight", "bias")),
        activation=["identity", "identity", *given["activation"]],
        aggregation=["sum", "sum", *given["aggregation"]],
        response=given["response"],
        inputs=["x", "y"],
        outputs=["o"],
        names=given["names"],
    )
    assert found.names == expected.names
    for what, of_one in vars(expected).items():
        of_other = getattr(found, what)
        if what in ("weight_ties", "bias_ties"):
            assert of_one.index is of_other.index is None
            assert of_one.n_parameters == of_other.n_parameters
        elif what == "plan":
            assert all(np.array_equal(getattr(of_one, part), getattr(of_other, part)) for part in of_one.__slots__)
        elif isinstance(of_one, np.ndarray):
            assert of_one.dtype == of_other.dtype
            assert of_one.flags.writeable == of_other.flags.writeable, what
            assert np.array_equal(of_one, of_other), what
        else:
            assert of_one == of_other, what
    x = np.random.default_rng(0).normal(size=(5, 2))
    assert np.array_equal(found.forward(x).value, expected.forward(x).value)
    assert np.array_equal(found.copy().forward(x).value, expected.forward(x).value)
    assert found.node("b") == 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tail": np.array([0, 1, 3, 3, 3], np.int32), "head": np.array([3, 3, 4, 3, 2], np.int32)}, "to itself"),
        ({"tail": np.array([0, 4, 3, 4, 3], np.int32)}, "form a cycle"),
        (
            {"head": np.array([3, 0, 4, 2, 2], np.int32), "tail": np.array([1, 3, 3, 4, 3], np.int32)},
            "into the input 'x'",
        ),
        ({"weight": np.array([1, 2, np.nan, 4, 5])}, r"weight\[2\] \(edge 2, 'a' -> 'b'\) is nan"),
        ({"bias": np.array([0, 0, np.inf, 0, 0])}, r"bias\[2\] \(node 'o'\) is inf"),
    ],
)
def test_arrays_that_make_no_network(changes, message):
    with pytest.raises(ew.GraphError, match=message):
        ew.Network.of_arrays(**arrays(**changes))


def test_objects_that_are_whole_numbers_are_indices():
    net = ew.Network(np.array([0, 0], object), np.array([1, 2], object), 1.0)
    assert (net.n_nodes, net.tail.tolist(), net.head.tolist()) == (3, [0, 0], [1, 2])


def test_a_refused_change_changes_nothing():
    net = ew.Network([0, 0], [1, 2], 0.5, tie=[0, 0])
    with pytest.raises(ew.GraphError, match="edges 0 and 1 are tied but their weights differ"):
        net.weight = [1.0, 2.0]
    assert net.weight.tolist() == [0.5, 0.5]
