"""Graphs of other libraries: what they say is what the network has, and what cannot be is one clear error."""

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given

import edgewise as ew
from strategies import dags, networks_with_samples


def arcs_of(net):
    """Every arc with all that belongs to it, in an order that does not depend on the network's."""
    ties = [None] * net.n_edges if net.tie is None else [net.weight[net.tie == k].tolist() for k in net.tie]
    columns = [net.names[i] for i in net.tail], [net.names[j] for j in net.head], net.weight.tolist()
    return sorted(zip(*columns, map(str, ties), strict=True))


class TestNetworkX:
    @given(networks_with_samples(dtypes=("float64", "float32")))
    def test_there_and_back(self, pair):
        net, x = pair
        graph = ew.to_networkx(net)
        again = ew.from_networkx(graph)
        for field in ("bias", "bias_tie", "response", "inputs", "outputs"):
            assert np.array_equal(getattr(net, field), getattr(again, field)), field
        assert (net.names, net.activations, net.aggregations) == (again.names, again.activations, again.aggregations)
        assert (net.dtype, net.has_names) == (again.dtype, again.has_names)
        assert arcs_of(net) == arcs_of(again)
        assert nx.utils.graphs_equal(graph, ew.to_networkx(again)) or net.tie is not None
        wanted = net.forward(x).output
        assert np.abs(again.forward(x).output - wanted).max() <= 1e-5 * (1 + np.abs(wanted).max())

    def test_attributes_defaults_and_names(self):
        graph = nx.MultiDiGraph()
        graph.add_node("x", kind="input")
        graph.add_node((1, 2), phi="sin", bias=np.float32(0.5))
        graph.add_node(7, aggregation="max", bias=np.int64(2))
        graph.add_edge("x", (1, 2), w=3)
        graph.add_edge("x", (1, 2))
        graph.add_edge((1, 2), 7, w=-1.5)
        net = ew.from_networkx(
            graph, weight=0.25, activation="tanh", response=2.0, keys={"weight": "w", "activation": "phi"}
        )
        assert net.names == ("x", "(1, 2)", "7")
        assert net.activations == ("identity", "sin", "tanh")
        assert net.aggregations == ("sum", "sum", "max")
        assert net.weight.tolist() == [3.0, 0.25, -1.5]
        assert net.bias.tolist() == [0, 0.5, 2]
        assert net.response.tolist() == [2, 2, 2]
        assert ew.from_networkx(graph, keys={"weight": None, "activation": None}).weight.tolist() == [1, 1, 1]

    def test_inputs_and_outputs_are_nodes_in_order(self):
        graph = nx.DiGraph([(0, 2), (1, 2), (2, 3)])
        net = ew.from_networkx(graph, inputs=[1, 0], outputs=[3, 2])
        assert [net.names[j] for j in net.inputs] == ["1", "0"]
        assert [net.names[j] for j in net.outputs] == ["3", "2"]

    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (lambda: nx.Graph([(0, 1)]), "undirected.*make a DiGraph"),
            (lambda: nx.DiGraph([(1, 0), ("1", 0)]), "1 and '1' would both be called '1'.*relabel_nodes"),
            (lambda: nx.DiGraph([("a", "b"), ("b", "a")]), "'a' -> 'b' -> 'a' form a cycle.*feed_forward"),
            (lambda: nx.DiGraph([("a", "b", {"weight": "big"})]), "arc 'a' -> 'b': weight 'big' must be a number"),
            (lambda: nx.DiGraph([("a", "b", {"weight": True})]), "weight True must be a number"),
            (lambda: nx.DiGraph([("a", "b", {"weight": float("nan")})]), r"weight\[0\].*is nan"),
            (lambda: nx.DiGraph([("a", "b", {"tie": 0.5})]), "tie 0.5 must be a whole number"),
            (lambda: nx.DiGraph([("a", "b")], inputs=["c"]), "inputs: 'c' is not a node"),
            (lambda: nx.DiGraph([("a", "b")], outputs=3), "outputs must be a list of nodes"),
            (lambda: nx.DiGraph([("a", "b")], dtype="int8"), "dtype is 'int8'"),
            (lambda: nx.DiGraph(), "no nodes"),
            (lambda: 3, "a NetworkX graph is needed, not int"),
        ],
    )
    def test_what_cannot_be(self, make, message):
        with pytest.raises(ew.GraphError, match=message):
            ew.from_networkx(make())

    def test_attributes_of_nodes_that_cannot_be(self):
        for key, value, message in (
            ("kind", "middle", "node 'a': kind 'middle' must be input, hidden or output"),
            ("activation", 3, "node 'a': activation 3 must be a str"),
            ("activation", "wavy", "unknown activation 'wavy'"),
            ("bias", [1], r"node 'a': bias \[1\] must be a number"),
        ):
            graph = nx.DiGraph([("x", "a")])
            graph.nodes["a"][key] = value
            with pytest.raises(ew.GraphError, match=message):
                ew.from_networkx(graph)
        with pytest.raises(ew.GraphError, match="keys names 'wieght'"):
            ew.from_networkx(nx.DiGraph([("x", "a")]), keys={"wieght": "w"})


class TestAdjacency:
    @given(dags(ties=False, dtypes=("float64", "float32")))
    def test_there_and_back(self, net):
        matrix = ew.to_adjacency(net, sum_parallel=True)
        again = ew.from_adjacency(matrix, bias=net.bias, inputs=net.inputs, outputs=net.outputs)
        assert again.dtype == net.dtype
        wanted = np.zeros((net.n_nodes, net.n_nodes), net.dtype)
        np.add.at(wanted, (net.tail, net.head), net.weight)
        assert np.allclose(matrix.toarray(), wanted, rtol=1e-5)
        assert np.array_equal(ew.to_adjacency(again).toarray(), matrix.toarray())
        assert again.n_edges == len(set(zip(net.tail.tolist(), net.head.tolist(), strict=True)))

    @pytest.mark.parametrize("form", ["coo", "csr", "csc", "lil", "dok", "bsr", "dia", "dense", "list"])
    def test_rows_are_tails_in_every_form(self, form):
        dense = np.array([[0, 2, 3], [0, 0, -1.0], [0, 0, 0]])
        for kind in ("array", "matrix"):
            given = {"dense": dense, "list": dense.tolist()}.get(form)
            if given is None:
                given = getattr(sp, f"{form}_{kind}")(dense)
            net = ew.from_adjacency(given, activation="identity")
            assert list(zip(net.tail.tolist(), net.head.tolist(), net.weight.tolist(), strict=True)) == [
                (0, 1, 2),
                (0, 2, 3),
                (1, 2, -1),
            ]
            assert net.forward([1.0]).output == 3 - 2

    def test_stored_zeros_are_arcs_and_duplicates_are_summed(self):
        matrix = sp.coo_array(([0.0, 1.0, 2.0], ([0, 1, 1], [1, 2, 2])), shape=(4, 4))
        net = ew.from_adjacency(matrix)
        assert net.weight.tolist() == [0, 3]
        assert net.n_nodes == 4
        assert ew.to_adjacency(net).nnz == 2

    def test_parallel_arcs_are_refused_or_summed(self):
        net = ew.Network([0, 0, 0], [1, 2, 1], [1.0, 2.0, 3.0])
        with pytest.raises(ew.GraphError, match=r"several arcs go from 0 to 1.*sum_parallel"):
            ew.to_adjacency(net)
        assert ew.to_adjacency(net, sum_parallel=True).toarray()[0].tolist() == [0, 4, 2]

    @pytest.mark.parametrize(
        ("matrix", "message"),
        [
            (np.zeros((2, 3)), r"shape \(2, 3\).*square"),
            (np.zeros(3), "numbers, not float64 of shape"),
            (np.array([["a"]]), "numbers, not"),
            (np.eye(2), "to itself"),
            (np.array([[0, 1], [1, 0]]), "form a cycle"),
            (np.array([[0, np.inf], [0, 0]]), "is inf"),
        ],
    )
    def test_what_cannot_be(self, matrix, message):
        with pytest.raises(ew.GraphError, match=message):
            ew.from_adjacency(matrix)
