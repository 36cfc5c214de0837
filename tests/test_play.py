"""Editing a network: every edit gives the numbers of a network built from scratch, and says why where it cannot."""

import contextlib
import json
import re
import threading
import time
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import edgewise as ew
from edgewise.play import Session, code, edits, messages, sketch
from edgewise.play.trainer import Trainer
from strategies import dags, samples

ACTIVATIONS = ("identity", "tanh", "sigmoid", "relu", "sin")
AGGREGATIONS = ("sum", "product", "max", "mean")
NAMES = ("a", "b", "long name", "</script>", "α\"'", "\u202eabc", "x" * 300)


def small(**settings):
    net = ew.Network(
        ["x1", "x2", "h", "x2"],
        ["h", "h", "t", "t"],
        [0.8, -0.4, 1.5, 0.6],
        names=["x1", "x2", "h", "t"],
        activation=["identity", "identity", "tanh", "sigmoid"],
    )
    return sketch.begin(net, [[1.0, 0.5], [-1.0, 2.0], [0.0, 0.25]], **settings)


class Model:
    """The same network as lists and dicts, edited by other code than ours, and built from scratch when asked."""

    def __init__(self, net):
        named = net.replace(names=net.names)
        self.nodes = {
            name: {
                "act": named.activations[j],
                "agg": named.aggregations[j],
                "b": named.bias[j],
                "r": named.response[j],
                "tie": j if named.bias_tie is None else int(named.bias_tie[j]),
            }
            for j, name in enumerate(named.names)
        }
        tie = range(net.n_edges) if net.tie is None else net.tie.tolist()
        self.tied, self.biases_tied = net.tie is not None, net.bias_tie is not None
        ends = zip(net.tail, net.head, net.weight.tolist(), tie, strict=True)
        self.arcs = [[named.names[i], named.names[j], w, k] for i, j, w, k in ends]
        self.inputs = [named.names[j] for j in net.inputs]
        self.outputs = [named.names[j] for j in net.outputs]
        self.x = dict.fromkeys(self.inputs, 0.0)

    def build(self, dtype):
        names = list(self.nodes)
        return ew.Network(
            [a[0] for a in self.arcs],
            [a[1] for a in self.arcs],
            [a[2] for a in self.arcs],
            bias=[n["b"] for n in self.nodes.values()],
            activation=[n["act"] for n in self.nodes.values()],
            aggregation=[n["agg"] for n in self.nodes.values()],
            response=[n["r"] for n in self.nodes.values()],
            inputs=self.inputs,
            outputs=self.outputs,
            names=names,
            tie=[a[3] for a in self.arcs] if self.tied else None,
            bias_tie=[n["tie"] for n in self.nodes.values()] if self.biases_tied else None,
            dtype=dtype,
        )

    def new_tie(self):
        return 1 + max(n["tie"] for n in self.nodes.values())

    def reaches(self, start, goal):
        seen, stack = set(), [start]
        while stack:
            here = stack.pop()
            if here == goal:
                return True
            if here not in seen:
                seen.add(here)
                stack += [head for tail, head, *_ in self.arcs if tail == here]
        return False


def draw_edit(draw, model):
    """(edit, whether it must be refused); the model is edited alike."""
    node = st.sampled_from(list(model.nodes))
    number = st.floats(-2, 2).map(lambda v: round(v, 3))
    kinds = ["add_node", "remove_node", "add_arc", "remove_arc", "set_weight", "set_bias", "set_response"]
    kinds += ["set_activation", "set_aggregation", "set_input", "set_output", "rename", "set_value"]
    what = draw(st.sampled_from(kinds))
    if what == "add_node":
        name, kind = draw(st.sampled_from(NAMES)), draw(st.sampled_from(["input", "hidden", "output"]))
        bias, act, agg = draw(number), draw(st.sampled_from(ACTIVATIONS)), draw(st.sampled_from(AGGREGATIONS))
        change = partial(edits.add_node, name=name, kind=kind, activation=act, aggregation=agg, bias=bias)
        if name in model.nodes:
            return change, True
        said = {"act": act, "agg": agg, "b": 0.0 if kind == "input" else bias, "r": 1.0, "tie": model.new_tie()}
        model.nodes[name] = said
        if kind == "input":
            model.inputs.append(name)
            model.x[name] = 0.0
        if kind == "output":
            model.outputs.append(name)
        return change, False
    if what in ("remove_arc", "set_weight"):
        if not model.arcs:
            return edits.set_bias, None
        e = draw(st.integers(0, len(model.arcs) - 1))
        tail, head, _, tie = model.arcs[e]
        if what == "remove_arc":
            del model.arcs[e]
            return partial(edits.remove_arc, edge=e, tail=tail, head=head), False
        value = draw(number)
        for arc in model.arcs:
            if arc is model.arcs[e] or (model.tied and arc[3] == tie):
                arc[2] = value
        return partial(edits.set_weight, edge=e, tail=tail, head=head, value=value), False
    if what == "add_arc":
        tail, head, weight = draw(node), draw(node), draw(number)
        change = partial(edits.add_arc, tail=tail, head=head, weight=weight)
        if head in model.inputs or model.reaches(head, tail):
            return change, True
        model.arcs.append([tail, head, weight, max([a[3] for a in model.arcs], default=-1) + 1])
        return change, False
    name = draw(node)
    if what == "remove_node":
        change = partial(edits.remove_node, node=name)
        if model.outputs == [name]:
            return change, True
        del model.nodes[name]
        model.arcs = [arc for arc in model.arcs if name not in arc[:2]]
        model.inputs = [other for other in model.inputs if other != name]
        model.outputs = [other for other in model.outputs if other != name]
        model.x.pop(name, None)
        return change, False
    if what == "rename":
        other = draw(st.sampled_from(NAMES))
        change = partial(edits.rename, node=name, name=other)
        if other in model.nodes and other != name:
            return change, True
        swap = lambda word: other if word == name else word  # noqa: E731
        model.nodes = {swap(word): said for word, said in model.nodes.items()}
        model.arcs = [[swap(arc[0]), swap(arc[1]), *arc[2:]] for arc in model.arcs]
        model.inputs, model.outputs = list(map(swap, model.inputs)), list(map(swap, model.outputs))
        model.x = {swap(word): value for word, value in model.x.items()}
        return change, False
    if what == "set_value":
        value = draw(number)
        change = partial(edits.set_value, sample=0, node=name, value=value)
        if name not in model.inputs:
            return change, True
        model.x[name] = value
        return change, False
    if what == "set_input":
        on = draw(st.booleans())
        change = partial(edits.set_input, node=name, on=on)
        if on == (name in model.inputs):
            return change, False
        if on:
            if any(arc[1] == name for arc in model.arcs):
                return change, True
            model.inputs.append(name)
            model.x[name] = 0.0
            model.nodes[name] |= {"b": 0.0, "r": 1.0, "tie": model.new_tie()}
        else:
            model.inputs.remove(name)
            del model.x[name]
            model.nodes[name] |= {"act": "identity", "agg": "sum"}
        return change, False
    if what == "set_output":
        on = draw(st.booleans())
        change = partial(edits.set_output, node=name, on=on)
        if on == (name in model.outputs):
            return change, False
        if not on and model.outputs == [name]:
            return change, True
        if on:
            model.outputs.append(name)
        else:
            model.outputs.remove(name)
        return change, False
    key, value = {
        "set_bias": ("b", number),
        "set_response": ("r", number),
        "set_activation": ("act", st.sampled_from(ACTIVATIONS)),
        "set_aggregation": ("agg", st.sampled_from(AGGREGATIONS)),
    }[what]
    given_value = draw(value)
    field = {"b": "value", "r": "value", "act": "activation", "agg": "aggregation"}[key]
    change = partial(getattr(edits, what), node=name, **{field: given_value})
    if name in model.inputs:
        return change, True
    model.nodes[name][key] = given_value
    if what == "set_bias" and model.biases_tied:
        for other in model.nodes.values():
            if other["tie"] == model.nodes[name]["tie"]:
                other["b"] = given_value
    return change, False


@given(st.data())
def test_any_edits_give_the_network_built_from_scratch(data):
    net = data.draw(dags(max_nodes=7, activations=ACTIVATIONS, aggregations=AGGREGATIONS))
    x = data.draw(samples(net, max_samples=1))
    model = Model(net)
    model.x = dict(zip(model.inputs, x[0].tolist(), strict=True))
    session = Session(sketch.begin(net, x))
    for _ in range(data.draw(st.integers(1, 12))):
        change, refused = draw_edit(data.draw, model)
        if refused is None:
            continue
        before = session.sketch
        if refused:
            with pytest.raises(ew.EdgewiseError):
                session.edit(change)
            assert session.sketch is before
        else:
            session.edit(change)
    built = model.build(net.dtype)
    edited = session.sketch
    assert edited.network.names == built.names
    for name in ("tail", "head", "weight", "inputs", "outputs"):
        assert getattr(edited.network, name).tolist() == getattr(built, name).tolist(), name
    assert np.array_equal(edited.network.bias_tie, built.bias_tie)
    here = edited.backprop()
    there = built.backprop(np.array([[model.x[name] for name in model.inputs]]), edited.target)
    for name in ("value", "gate", "sensitivity", "edge_derivative", "weight_gradient", "bias_gradient"):
        np.testing.assert_array_equal(getattr(here, name), getattr(there, name), err_msg=name)
    namespace = {}
    exec(code.code(edited), namespace)
    for name in ("weight_gradient", "bias_gradient", "sensitivity", "response_gradient"):
        np.testing.assert_array_equal(getattr(namespace["bwd"], name), getattr(there, name))


@given(st.lists(st.sampled_from(["node", "arc", "weight", "undo", "redo"]), max_size=12))
def test_undo_and_redo_walk_the_same_way(ways):
    session = Session(small())
    seen, at = [session.sketch], 0
    for way in ways:
        if way in ("undo", "redo"):
            there = at + (1 if way == "redo" else -1)
            if not 0 <= there < len(seen):
                with pytest.raises(ew.DataError, match=f"nothing to {way}"):
                    getattr(session, way)()
                continue
            getattr(session, way)()
            at = there
        else:
            session.edit(
                {
                    "node": edits.add_node,
                    "arc": partial(edits.add_arc, tail="x1", head="t"),
                    "weight": partial(edits.set_weight, edge=0, tail="x1", head="h", value=float(at)),
                }[way]
            )
            del seen[at + 1 :]
            seen.append(session.sketch)
            at += 1
        assert session.sketch is seen[at]


def test_a_node_without_a_name_gets_the_next_of_its_kind():
    made = edits.add_node(edits.add_node(small(), kind="input"))
    assert made.network.names[-2:] == ("x3", "h1")
    assert made.x.shape == (3, 3)


def test_wanted_outputs_follow_loss_and_outputs():
    three = edits.set_loss(edits.add_node(edits.add_node(small(), kind="output"), kind="output"), "cross_entropy")
    assert three.y.tolist() == [0, 0, 0]
    three = edits.set_wanted(three, 1, "o2", 1.0)
    assert three.y.tolist() == [0, 2, 0]
    signs = edits.set_loss(three, "hinge")
    assert signs.y.tolist() == [[1, -1, -1], [-1, -1, 1], [1, -1, -1]]
    assert edits.set_loss(signs, "cross_entropy").y.tolist() == [0, 2, 0]
    with pytest.raises(ew.GraphError, match="stands for class 2"):
        edits.set_output(three, "o2", False)
    assert edits.remove_node(three, "o1").y.tolist() == [0, 1, 0]
    assert edits.add_node(signs, kind="output").y[:, 3].tolist() == [-1, -1, -1]
    with pytest.raises(ew.DataError, match="goes by classes"):
        edits.set_wanted(three, 0, "o1", 0.5)
    numbers = edits.set_wanted(edits.set_loss(small(), "squared_error"), 2, "t", 0.5)
    assert numbers.y.tolist() == [[0], [0], [0.5]]
    assert edits.set_target(numbers, "h").loss is None


def test_samples_come_and_go():
    more = edits.add_sample(small(), 1)
    assert more.x.tolist()[-1] == [-1.0, 2.0]
    fewer = edits.remove_sample(edits.remove_sample(edits.remove_sample(more, 0), 0), 0)
    assert fewer.x.tolist() == [[-1.0, 2.0]]
    with pytest.raises(ew.DataError, match="only sample"):
        edits.remove_sample(fewer, 0)
    with pytest.raises(ew.DataError, match="no sample 9"):
        edits.set_value(more, 9, "x1", 0.0)


def test_an_edit_that_comes_too_late_is_refused():
    with pytest.raises(ew.GraphError, match="may just have been removed"):
        edits.set_weight(small(), 0, "x2", "h", 1.0)
    with pytest.raises(ew.GraphError, match="form a cycle"):
        edits.add_arc(edits.add_arc(edits.add_node(small()), "t", "h1"), "h1", "h")
    with pytest.raises(ew.DataError, match="finite"):
        edits.set_weight(sketch.begin(small().network.astype("float32")), 0, "x1", "h", 1e300)


# ---- training ----


def regression():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(50, 2))
    return sketch.begin(small().network, x, 1 / (1 + np.exp(-x[:, :1])), loss="squared_error")


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_steps_are_those_of_fit_however_they_are_cut(optimizer):
    def trained(cuts):
        trainer, made = Trainer(optimizer=optimizer, batch_size=8), regression()
        for cut in cuts:
            made = trainer.steps(made, cut)
        return trainer, made.network

    whole, once = trained([7])
    parts, often = trained([1, 2, 1, 3])
    assert (whole.step, whole.epoch) == (parts.step, parts.epoch) == (7, 1)
    np.testing.assert_array_equal(once.weight, often.weight)
    net, start = regression().network.copy(), regression()
    order = np.random.default_rng((0, 0)).permutation(50)
    ew.fit(
        net,
        start.x[order],
        start.y[order],
        loss="squared_error",
        optimizer={"sgd": ew.SGD, "adam": ew.Adam}[optimizer](0.1),
        batch_size=8,
        epochs=1,
        shuffle=False,
        progress=False,
    )
    np.testing.assert_array_equal(once.weight, net.weight)
    np.testing.assert_array_equal(once.bias, net.bias)


def wait_until(true, seconds=20.0):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.005)


def test_training_pauses_is_edited_meanwhile_and_undone_in_one_go():
    start = regression()
    session = Session(start)
    seen = threading.Event()
    stop = session.listen(seen.set)
    session.train()
    wait_until(lambda: session.state()[1]["step"] > 20)
    session.edit(partial(edits.set_bias, node="h", value=3.0))
    session.edit(edits.add_node)
    wait_until(lambda: session.state()[1]["step"] > 60)
    session.pause()
    at, state = session.state()
    assert seen.is_set()
    stop()
    assert state["training"] is False
    assert at.network.names[-1] == "h1"
    first, last = state["curve"]["loss"][0], state["curve"]["loss"][-1]
    assert np.isfinite([first, last]).all()
    time.sleep(0.1)
    assert session.sketch is at, "no step after the pause"
    for _ in range(3):
        session.undo()
    assert session.sketch is start
    session.close()


def test_training_learns():
    session = Session(regression())
    before = session.sketch.backprop().loss
    session.configure(optimizer="adam", learning_rate=0.05)
    session.train()
    wait_until(lambda: session.state()[1]["epoch"] > 30)
    session.close()
    assert session.sketch.backprop().loss < 0.1 * before


def test_a_divergence_is_told_of_and_changes_nothing():
    start = sketch.begin(ew.Network([0], [1], [1.0], activation="square"), [[3.0]], [[1.0]])
    session = Session(start)
    session.configure(learning_rate=1e200)
    session.train()
    wait_until(lambda: session.state()[1]["trouble"])
    _, state = session.state()
    assert "diverged" in state["trouble"] or "finite" in state["trouble"]
    assert state["training"] is False
    assert np.isfinite(session.sketch.network.weight).all()
    session.close()


def test_training_without_a_loss_says_what_to_do():
    session = Session(small())
    for act in (session.train, session.step):
        with pytest.raises(ew.DataError, match="choose a loss"):
            act()
    assert session.state()[1]["can_undo"] is False


# ---- files and messages ----


def test_save_writes_what_is_loaded_again(tmp_path):
    session = Session(small(), folder=tmp_path)
    session.edit(partial(edits.add_node, name="new"))
    assert session.save() == tmp_path / "network.json"
    assert ew.load(tmp_path / "network.json").names[-1] == "new"
    assert session.save("other.graphml").exists()


@pytest.mark.parametrize(
    "name", ["../up.json", "/tmp/x.json", "a\\b.json", "..", ".hidden.json", "", "nul\0.json", "c:x.json", "x" * 300]
)
def test_save_leaves_its_folder_for_nobody(tmp_path, name):
    (tmp_path / "in").mkdir()
    session = Session(small(), folder=tmp_path / "in")
    with pytest.raises(ew.FormatError, match="is not the name of a file"):
        session.save(name)
    assert [path.name for path in tmp_path.rglob("*")] == ["in"]


def test_save_follows_no_link(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "net.json").symlink_to(tmp_path / "outside.json")
    with pytest.raises(ew.FormatError, match="is a link"):
        Session(small(), folder=tmp_path / "in").save("net.json")
    assert not (tmp_path / "outside.json").exists()


@pytest.mark.parametrize(
    ("message", "says"),
    [
        ("", "not JSON"),
        ("{", "not JSON"),
        ("[" * 20_000, "not JSON"),
        ("[]", "a JSON object"),
        ("7", "a JSON object"),
        ("{}", "there is no action None"),
        ('{"action": "fly"}', "there is no action 'fly'"),
        ('{"action": ["undo"]}', "there is no action"),
        ('{"action": "__class__"}', "there is no action"),
        ('{"action": "undo", "id": "x"}', "id of a message"),
        ('{"action": "undo", "id": 1e3}', "id of a message"),
        ('{"action": "undo", "twice": true}', "undo has no field 'twice'; it has none"),
        ('{"action": "add_node", "session": 1}', "no field 'session'"),
        ('{"action": "set_bias", "node": "h"}', "lacks the field 'value'"),
        ('{"action": "set_bias", "node": "h", "value": "1"}', "value must be a number, not '1'"),
        ('{"action": "set_bias", "node": "h", "value": true}', "value must be a number"),
        ('{"action": "set_bias", "node": "h", "value": NaN}', "finite"),
        ('{"action": "set_bias", "node": "h", "value": 1e999}', "finite"),
        (f'{{"action": "set_bias", "node": "h", "value": 1{"0" * 400}}}', "finite"),
        ('{"action": "set_bias", "node": 3, "value": 1}', "node must be a text"),
        ('{"action": "set_bias", "node": "", "value": 1}', "node must be a text"),
        ('{"action": "add_node", "name": "\\ud800"}', "half characters"),
        ('{"action": "add_node", "kind": "output layer"}', "one of input, hidden, output"),
        ('{"action": "set_activation", "node": "h", "activation": "eval"}', "one of sigmoid"),
        ('{"action": "set_input", "node": "h", "on": 1}', "true or false"),
        ('{"action": "remove_arc", "edge": -1, "tail": "a", "head": "b"}', "a whole number"),
        ('{"action": "remove_arc", "edge": 1.5, "tail": "a", "head": "b"}', "a whole number"),
        ('{"action": "configure", "learning_rate": null}', "learning_rate must be a number"),
        (json.dumps({"action": "rename", "node": "h", "name": "x" * 70_000}), "at most 65536"),
        (json.dumps({"action": "rename", "node": "h", "name": "x" * 30_000}), "1 to 20000"),
        (b"\xff\xfe", "not JSON"),
    ],
    ids=range(31),
)
def test_a_malformed_message_is_refused_with_a_reason(message, says):
    with pytest.raises(ew.DataError, match=re.escape(says)) as caught:
        messages.read(message)
    assert len(str(caught.value)) < 1000


@given(st.one_of(st.text(), st.binary(), st.recursive(st.none() | st.floats() | st.text(), st.lists).map(json.dumps)))
def test_no_message_breaks_the_reader(message):
    with contextlib.suppress(ew.DataError):
        messages.read(message)


def test_messages_do_what_they_say(tmp_path):
    session = Session(small(), folder=tmp_path)

    def send(action, **fields):
        return messages.read(json.dumps({"action": action, "id": 1} | fields)).perform(session)

    assert send("add_node", name="k", kind="hidden", activation="relu") == {}
    send("add_arc", tail="x1", head="k", weight=0.5)
    send("set_weight", edge=4, tail="x1", head="k", value=0.25)
    assert session.sketch.network.weight[4] == 0.25
    send("set_loss", loss="squared_error")
    send("configure", learning_rate=0.5, batch_size=2)
    send("step")
    assert session.state()[1]["step"] == 1
    assert send("save", file_name="made.json") == {"saved": str(tmp_path / "made.json")}
    assert "ew.Network(" in send("code")["code"]
    json.dumps(session.state()[1], allow_nan=False)
