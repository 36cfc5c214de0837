"""Networks from graphs with cycles, beside NetworkX, the least that can be dropped, and recurrence step by step."""

import itertools
import json

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given
from hypothesis import strategies as st

import edgewise as ew
from edgewise.cycles import components, feedback_arcs
from oracles import assert_close


@st.composite
def graphs(draw, max_nodes=9, max_arcs=30):
    """(n, tail, head, weight): any directed graph, with loops, parallel arcs and cycles."""
    n = draw(st.integers(1, max_nodes))
    ends = draw(st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), min_size=1, max_size=max_arcs))
    tail, head = (np.array(column, np.int32) for column in zip(*ends, strict=True))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    return max(tail.max(), head.max()) + 1, tail, head, rng.normal(size=len(ends))


def is_acyclic(tail, head):
    return nx.is_directed_acyclic_graph(nx.MultiDiGraph(list(zip(tail.tolist(), head.tolist(), strict=True))))


def least_dropped(n, tail, head, cost):
    """The cost of a minimum feedback arc set: the best of all orders of the nodes."""
    best = np.inf
    for order in itertools.permutations(range(n)):
        place = np.array(order)
        best = min(best, cost[place[tail] >= place[head]].sum())
    return best


class TestDropping:
    @given(graphs(), st.booleans())
    def test_no_cycle_is_left_and_no_arc_is_dropped_in_vain(self, graph, weighted):
        n, tail, head, weight = graph
        cost = np.abs(weight) if weighted else np.ones(len(tail))
        dropped = feedback_arcs(n, tail, head, cost if weighted else None)
        assert is_acyclic(tail[~dropped], head[~dropped])
        component = components(n, tail, head)
        assert (component[tail] == component[head])[dropped].all()
        on_cycles = (component[tail] == component[head]) & (tail != head)
        assert cost[dropped & (tail != head)].sum() <= cost[on_cycles].sum() / 2 + 1e-12  # Eades, Lin & Smyth

    def test_beside_the_least(self):
        rng = np.random.default_rng(0)
        found, least = 0.0, 0.0
        for _ in range(40):
            n, e = 6, 14
            tail, head = rng.integers(0, n, e).astype(np.int32), rng.integers(0, n, e).astype(np.int32)
            cost = rng.uniform(size=e)
            found += cost[feedback_arcs(n, tail, head, cost)].sum()
            least += least_dropped(n, tail, head, cost)
        assert least <= found < 1.15 * least

    def test_components_are_networkx_s(self):
        rng = np.random.default_rng(1)
        tail, head = rng.integers(0, 60, 80).astype(np.int32), rng.integers(0, 60, 80).astype(np.int32)
        component = components(60, tail, head)
        graph = nx.MultiDiGraph()
        graph.add_nodes_from(range(60))
        graph.add_edges_from(zip(tail.tolist(), head.tolist(), strict=True))
        for together in nx.strongly_connected_components(graph):
            assert len(set(component[list(together)])) == 1
        assert len(set(component.tolist())) == nx.number_strongly_connected_components(graph)

    @given(graphs())
    def test_any_graph_becomes_a_network(self, graph):
        n, tail, head, weight = graph
        made = ew.feed_forward((tail, head, weight))
        net = made.network
        assert net.n_nodes == n
        assert np.array_equal(tail[made.edge], net.tail)
        assert np.array_equal(weight[made.edge], net.weight)
        assert sorted([*made.edge.tolist(), *made.dropped.tolist()]) == list(range(len(tail)))
        sources = sorted(set(range(n)) - set(head.tolist()))
        assert net.inputs.tolist() == (sources or sorted(set(range(n)) - set(net.head.tolist())))

    def test_a_network_s_own_arcs_all_stay(self):
        net = ew.random_dag(50, 400, n_inputs=5, seed=3)
        made = ew.feed_forward((net.tail, net.head, net.weight))
        assert np.array_equal(made.network.tail, net.tail)
        assert not len(made.dropped)

    def test_what_it_keeps_small(self):
        ring = [0, 1, 2], [1, 2, 0], [1.0, -0.1, 3.0]
        assert ew.feed_forward(ring).dropped.tolist() == [1]
        two = [0, 1, 1, 1], [1, 0, 0, 0], [9.0, 0.1, 0.1, 0.1]
        assert ew.feed_forward(two).dropped.tolist() == [1, 2, 3]
        assert ew.feed_forward(two, by="count").dropped.tolist() == [0]

    def test_arcs_into_inputs_are_dropped(self):
        graph = nx.DiGraph([("x", "h"), ("h", "o"), ("o", "x")])
        graph.nodes["x"]["kind"] = "input"
        made = ew.feed_forward(graph)
        assert made.network.names == ("x", "h", "o")
        assert [made.network.names[j] for j in made.network.outputs] == ["o"]
        assert made.dropped.tolist() == [2]


class TestCondensing:
    @given(graphs())
    def test_one_node_for_each_component(self, graph):
        _, tail, head, weight = graph
        made = ew.feed_forward((tail, head, weight), "condense")
        component = made.component
        assert len(set(component[made.node].tolist())) == made.network.n_nodes == component.max() + 1
        assert np.array_equal(component[made.node][made.network.tail], component[tail[made.edge]])
        assert np.array_equal(component[made.node][made.network.head], component[head[made.edge]])
        assert set(made.dropped.tolist()) == set(np.flatnonzero(component[tail] == component[head]).tolist())

    def test_it_stands_for_its_first_member(self):
        graph = nx.DiGraph([("x", "a"), ("a", "b"), ("b", "a"), ("b", "o"), ("a", "o")])
        graph.nodes["a"].update(bias=2.0, activation="tanh")
        net = ew.feed_forward(graph, "condense").network
        assert net.names == ("x", "a", "o")
        assert net.activations == ("identity", "tanh", "relu")
        assert list(zip(net.tail.tolist(), net.head.tolist(), strict=True)) == [(0, 1), (1, 2), (1, 2)]


def recurrent(n, is_input, kept, delayed, tail, head, weight, x):
    """Step by step, node by node: the values y(j) after each step, x (steps, inputs)."""
    inputs = np.flatnonzero(is_input)
    before, found = None, []
    order = list(nx.topological_sort(_graph(n, tail[kept & ~delayed], head[kept & ~delayed])))
    for now in x:
        value = np.zeros(n)
        value[inputs] = now
        for j in order:
            if is_input[j]:
                continue
            s = sum(weight[e] * value[tail[e]] for e in np.flatnonzero(kept & ~delayed & (head == j)))
            if before is not None:
                s += sum(weight[e] * before[tail[e]] for e in np.flatnonzero(kept & delayed & (head == j)))
            value[j] = np.tanh(s)
        found.append(value)
        before = value
    return np.array(found)


def _graph(n, tail, head):
    graph = nx.MultiDiGraph()
    graph.add_nodes_from(range(n))
    graph.add_edges_from(zip(tail.tolist(), head.tolist(), strict=True))
    return graph


class TestUnrolling:
    @given(graphs(max_nodes=6, max_arcs=16), st.sampled_from(["feedback", "all"]), st.booleans(), st.integers(1, 4))
    def test_it_is_the_recurrence(self, graph, delay, sequence, steps):
        n, tail, head, weight = graph
        n, tail, head = n + 1, np.append(tail, n).astype(np.int32), np.append(head, 0).astype(np.int32)
        weight = np.append(weight, 1.0)  # the last node is an input
        made = ew.feed_forward((tail, head, weight), "unroll", steps=steps, delay=delay, sequence=sequence)
        net = made.network.replace(activation="tanh")
        is_input = ~np.isin(np.arange(n), head)
        kept = np.ones(len(tail), bool)
        delayed = feedback_arcs(n, tail, head, np.abs(weight)) if delay == "feedback" else ~is_input[tail]
        x = np.random.default_rng(0).normal(size=(steps if sequence else 1, is_input.sum()))
        values = recurrent(
            n, is_input, kept, delayed, tail, head, weight, x if sequence else np.repeat(x, steps, axis=0)
        )
        last = slice(-n if sequence else -int((~is_input).sum()), None)
        assert np.allclose(net.forward(x.reshape(1, -1)).value[0, last], values[-1][made.node[last]])
        outputs = np.flatnonzero(~np.isin(np.arange(n), tail))
        if len(outputs):
            wanted = values[:, outputs].ravel() if sequence else values[-1, outputs]
            assert np.allclose(net.forward(x.reshape(1, -1)).output[0], wanted)

    def test_weights_and_biases_are_tied_over_time(self):
        graph = nx.DiGraph([("x", "h"), ("h", "h"), ("h", "o")])
        graph.nodes["h"]["bias"] = 0.5
        made = ew.feed_forward(graph, "unroll", steps=3, sequence=True)
        net = made.network
        assert net.names == ("x@0", "h@0", "o@0", "x@1", "h@1", "o@1", "x@2", "h@2", "o@2")
        assert [net.names[j] for j in net.outputs] == ["o@0", "o@1", "o@2"]
        assert len(set(net.tie.tolist())) == 3
        assert made.node.tolist() == [0, 1, 2] * 3
        assert net.bias_tie.tolist() == [0, 1, 2, 3, 1, 2, 4, 1, 2]  # inputs have none
        ew.fit(net, np.ones((8, 3)), np.ones((8, 3)), epochs=2, progress=False)
        assert len(set(net.weight.tolist())) <= 3
        assert [len(set(net.bias[j::3].tolist())) for j in (1, 2)] == [1, 1]
        assert net.bias[1] != 0.5
        assert ew.feed_forward(graph, "unroll", steps=1).dropped.tolist() == [1]

    def test_ties_of_the_graph_hold_in_every_step(self):
        graph = nx.DiGraph([("x", "a"), ("x", "b"), ("a", "b"), ("b", "a"), ("b", "o")])
        for node in ("a", "b"):
            graph.nodes[node].update(bias=0.25, bias_tie=7)
        net = ew.feed_forward(graph, "unroll", steps=3).network
        tie = dict(zip(net.names, net.bias_tie.tolist(), strict=True))
        assert len({tie[f"{node}@{k}"] for node in "ab" for k in range(3)}) == 1
        assert len({tie[f"o@{k}"] for k in range(3)}) == 1
        assert len(set(tie.values())) == 3
        dropped = ew.feed_forward(graph, "drop").network
        assert dropped.bias_tie.tolist() == [0, 1, 1, 2]

    def test_a_recurrent_network_trained_here_is_the_one_trained_there(self):
        rnn = torch.nn.RNN(1, 3, batch_first=True).double()
        with torch.no_grad():
            rnn.bias_hh_l0.zero_()
        rnn.bias_hh_l0.requires_grad_(False)  # a node has one bias
        inward, across, bias = (p.detach().numpy() for p in (rnn.weight_ih_l0, rnn.weight_hh_l0, rnn.bias_ih_l0))
        graph = nx.DiGraph()
        graph.add_node("x", kind="input")
        for j in range(3):
            graph.add_node(j, kind="output", activation="tanh", bias=float(bias[j]))
            graph.add_edge("x", j, weight=float(inward[j, 0]))
        for i, j in itertools.product(range(3), repeat=2):
            graph.add_edge(i, j, weight=float(across[j, i]))
        net = ew.feed_forward(graph, "unroll", steps=4, delay="all", sequence=True).network
        rng = np.random.default_rng(0)
        x, y = rng.normal(size=(20, 4)), rng.normal(size=(20, 12))
        ours, theirs = ew.SGD(0.05, momentum=0.9), torch.optim.SGD(rnn.parameters(), 0.05, momentum=0.9)

        def output():
            return rnn(torch.tensor(x)[..., None])[0].reshape(20, 12)

        assert_close(net.forward(x).output, output().detach())
        for _ in range(6):
            theirs.zero_grad()
            (0.5 * (output() - torch.tensor(y)).square().sum(dim=1)).mean().backward()
            theirs.step()
        ew.fit(net, x, y, loss="squared_error", optimizer=ours, epochs=6, batch_size=20, progress=False)
        assert_close(net.bias[~net.is_input].reshape(4, 3), np.tile(rnn.bias_ih_l0.detach().numpy(), (4, 1)))
        assert_close(net.forward(x).output, output().detach())


class TestGraphsOfEveryKind:
    def test_they_give_the_same(self, tmp_path):
        dense = np.array([[0, 2.0, 0], [0, 0, 3.0], [0, -1.0, 0]])
        wanted = ew.feed_forward(dense).network
        assert wanted.weight.tolist() == [2, 3]
        graph = nx.from_numpy_array(dense, create_using=nx.DiGraph)
        file = tmp_path / "net.json"
        file.write_text(json.dumps(nx.node_link_data(graph, edges="edges")))
        arrays = (*np.nonzero(dense), dense[np.nonzero(dense)])
        for given_graph in (sp.csr_array(dense), graph, arrays, str(file), file):
            net = ew.feed_forward(given_graph).network
            assert (net.tail.tolist(), net.head.tolist(), net.weight.tolist()) == ([0, 1], [1, 2], [2, 3])

    @pytest.mark.parametrize(
        ("graph", "options", "message"),
        [
            (3, {}, "a graph is a NetworkX graph"),
            (([0], [1, 2]), {}, "tail has 1 entries"),
            (([0.5], [1]), {}, "tail must be a flat list"),
            (([0], [-1]), {}, "head must be a flat list"),
            (([], []), {}, "no nodes"),
            (([0], [2**40]), {}, "head names node 1099511627776"),
            (([0], [1], [1.0, 2.0]), {}, r"weight has shape \(2,\)"),
            (([0, 1], [1, 0], [np.nan, 1.0]), {}, "the cost of arc 0 is nan"),
            (([0, 1], [1, 0], [1.0, -np.inf]), {"method": "unroll"}, "the cost of arc 1 is inf"),
            (([0, 1], [1, 2], [np.nan, 1.0]), {"by": "count"}, "is nan"),
            (([0], [1]), {"method": "cut"}, "no method 'cut'"),
            (([0], [1]), {"by": "luck"}, "by must be"),
            (([0], [1]), {"method": "unroll", "steps": 0}, "steps must be"),
            (([0], [1]), {"method": "unroll", "delay": "some"}, "delay must be"),
            (nx.Graph([(0, 1)]), {}, "undirected"),
        ],
    )
    def test_what_cannot_be(self, graph, options, message):
        with pytest.raises(ew.GraphError, match=message):
            ew.feed_forward(graph, **options)

    def test_a_format_of_networks_alone(self, tmp_path):
        ew.mlp([1, 1]).save(tmp_path / "net.safetensors")
        with pytest.raises(ew.FormatError, match="have no cycles; load it"):
            ew.feed_forward(tmp_path / "net.safetensors")
