"""Networks in files: exact round trips, NetworkX's reading, whole-or-nothing writing, hostile content."""

import contextlib
import json
import struct

import networkx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import edgewise as ew
from edgewise.formats import atomic
from edgewise.formats import json as json_format
from edgewise.formats import safetensors as safetensors_format
from strategies import dags

FORMATS = [json_format, safetensors_format]


def assert_same(a, b):
    for field in ("tail", "head", "weight", "bias", "response", "inputs", "outputs"):
        left, right = getattr(a, field), getattr(b, field)
        assert left.dtype == right.dtype
        assert np.array_equal(left, right), field
    assert (a.names, a.activations, a.aggregations) == (b.names, b.activations, b.aggregations)
    assert (a.tie is None) == (b.tie is None)
    assert a.tie is None or np.array_equal(a.tie, b.tie)


def small():
    return ew.Network(
        ["x1", "x2", "h"], ["h", "h", "o"], [0.15, 0.2, 0.4], names=["x1", "x2", "h", "o"], activation="sigmoid"
    )


@settings(max_examples=80)
@given(dags(dtypes=("float32", "float64")), st.sampled_from(FORMATS))
def test_round_trips_are_exact(net, form):
    again = form.decode(form.encode(net))
    assert_same(net, again)
    assert form.encode(again) == form.encode(net)


@pytest.mark.parametrize("suffix", [".json", ".safetensors", ".JSON"])
def test_files_by_suffix(tmp_path, suffix):
    small().save(tmp_path / f"net{suffix}")
    assert_same(small(), ew.load(tmp_path / f"net{suffix}"))
    assert [path.name for path in tmp_path.iterdir()] == [f"net{suffix}"]


@pytest.mark.parametrize("suffix", [".json", ".safetensors"])
def test_names_of_every_kind(tmp_path, suffix):
    names = ["</script>", 'quote"\\', "نص ‮ RTL", "x" * 10_000, "\n\t\0", "0"]
    net = ew.Network([0, 1, 2, 3, 4], [5] * 5, 1.0, names=names)
    net.save(tmp_path / f"net{suffix}")
    assert ew.load(tmp_path / f"net{suffix}").names == tuple(names)


def test_the_contracts_example():
    text = """{"directed": true, "multigraph": false, "graph": {}, "nodes": [{"id": "x1", "kind": "input"},
    {"id": "h1", "activation": "sigmoid", "bias": 0.35}, {"id": "o1", "kind": "output", "activation": "identity"}],
    "edges": [{"source": "x1", "target": "h1", "weight": 0.15}, {"source": "h1", "target": "o1", "weight": 0.4}]}"""
    net = json_format.decode(text.encode())
    assert net.names == ("x1", "h1", "o1")
    assert net.activations == ("identity", "sigmoid", "identity")
    assert net.bias.tolist() == [0, 0.35, 0]


class TestNetworkX:
    @settings(max_examples=40)
    @given(dags())
    def test_networkx_reads_what_we_write(self, net):
        graph = networkx.node_link_graph(json.loads(json_format.encode(net)), edges="edges")
        assert graph.number_of_nodes() == net.n_nodes
        assert graph.number_of_edges() == net.n_edges
        assert networkx.is_directed_acyclic_graph(graph)

    @pytest.mark.parametrize("key", ["edges", "links"])
    @pytest.mark.parametrize("kind", [networkx.DiGraph, networkx.MultiDiGraph])
    def test_we_read_what_networkx_writes(self, key, kind):
        graph = kind()
        graph.add_node("a", activation="tanh")
        graph.add_edge("a", 7, weight=0.5)
        graph.add_edge(7, "c", weight=-1)
        net = json_format.decode(json.dumps(networkx.node_link_data(graph, edges=key)).encode())
        assert net.names == ("a", "7", "c")
        assert net.weight.tolist() == [0.5, -1.0]


def document(**changes):
    return {**json.loads(json_format.encode(small())), **changes}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is not JSON"),
        (b"\xff\xfe", "it is not UTF-8 text: byte 0"),
        (b"[" * 100_000, "nested too deeply|it is not JSON"),
        (b"[]", 'a JSON object with "nodes"'),
        (b'{"nodes": []}', '"edges" is missing'),
        (b'{"nodes": [], "edges": []}', "no nodes"),
        (b'{"nodes": [{"id": 1}, {"id": "1"}], "edges": []}', r"nodes\[1\]: the id '1' is already that of nodes\[0\]"),
        (b'{"nodes": [{"id": null}], "edges": []}', r"nodes\[0\]: the id None must be"),
        (b'{"nodes": [{"name": "a"}], "edges": []}', r'nodes\[0\] must be an object with an "id"'),
        (b'{"nodes": [{"id": 1, "bias": NaN}], "edges": []}', "it holds NaN"),
        (b'{"nodes": [{"id": 1, "id": 2}], "edges": []}', "the key 'id' stands twice"),
        (b'{"nodes": [{"id": 1, "bias": "big"}], "edges": []}', r"nodes\[0\]: bias 'big' must be a number"),
        (b'{"nodes": [{"id": 1, "kind": "outptu"}], "edges": []}', r"nodes\[0\]: kind 'outptu' must be input"),
        (b'{"nodes": [{"id": 1, "bias": 1e999}], "edges": []}', r"bias\[0\] .* is inf"),
        (b'{"nodes": [{"id": 1, "bias": 1' + b"0" * 400 + b'}], "edges": []}', "too large"),
        (b'{"nodes": [{"id": 1, "bias": 1' + b"0" * 5000 + b'}], "edges": []}', "not JSON that can be read"),
        (b'{"directed": false, "nodes": [], "edges": []}', '"directed" must be true'),
    ],
)
def test_json_that_cannot_be(content, message):
    with pytest.raises((ew.FormatError, ew.GraphError), match=message):
        json_format.decode(content)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"edges": [{"source": "x1", "target": "zz"}]}, r"edges\[0\]: target 'zz' is not the id of a node"),
        ({"edges": [{"target": "h"}]}, r'edges\[0\]: "source" is missing'),
        ({"edges": [3]}, r"edges\[0\] must be an object"),
        ({"edges": {}}, '"edges" must be a list'),
        ({"edges": [{"source": ["x1"], "target": "h"}]}, r"edges\[0\]: source"),
        ({"edges": [{"source": "x1", "target": "h", "tie": -1}]}, r"edges\[0\]: tie -1"),
        ({"edges": [{"source": "x1", "target": "h", "weight": True}]}, r"weight True must be a number"),
        ({"edges": [{"source": "h", "target": "o"}, {"source": "o", "target": "h"}]}, "form a cycle"),
        ({"edges": [{"source": "h", "target": "x1"}]}, "goes into the input 'x1'"),
        ({"graph": {"dtype": "int8"}}, "graph.dtype is 'int8'"),
        ({"graph": {"outputs": "o"}}, "graph.outputs must be a list"),
        ({"graph": {"outputs": ["q"]}}, r"graph.outputs\[0\]"),
        ({"graph": []}, '"graph" must be an object'),
    ],
)
def test_documents_that_cannot_be(changes, message):
    with pytest.raises((ew.FormatError, ew.GraphError), match=message):
        json_format.decode(json.dumps(document(**changes)).encode())


def test_the_file_is_named_in_the_error(tmp_path):
    (tmp_path / "net.json").write_text("{")
    with pytest.raises(ew.FormatError, match=r"net\.json: it is not JSON: .* at line 1, column 2"):
        ew.load(tmp_path / "net.json")


def test_the_file_is_named_when_its_graph_cannot_be(tmp_path):
    arcs = [{"source": "h", "target": "o"}, {"source": "o", "target": "h"}]
    (tmp_path / "net.json").write_text(json.dumps(document(edges=arcs)))
    with pytest.raises(ew.GraphError, match=r"net\.json: the edges 'h' -> 'o' -> 'h' form a cycle"):
        ew.load(tmp_path / "net.json")


@pytest.mark.parametrize("name", ["net.txt", "net", "missing.json", "folder.json", "nul\0.json"])
def test_files_that_cannot_be_read(tmp_path, name):
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(ew.FormatError):
        ew.load(tmp_path / name)


class TestWriting:
    @pytest.mark.parametrize("name", ["absent/net.json", "folder.json", "net.txt", "nul\0.json", "x" * 300 + ".json"])
    def test_what_cannot_be_written_leaves_nothing(self, tmp_path, name):
        (tmp_path / "folder.json").mkdir()
        with pytest.raises(ew.FormatError):
            small().save(tmp_path / name)
        assert [path.name for path in tmp_path.iterdir()] == ["folder.json"]

    def test_a_failure_half_way_keeps_the_old_file(self, tmp_path):
        target = tmp_path / "net.json"
        target.write_text("old")

        def half_way():
            with atomic.replacing(target) as temporary:
                temporary.write_text("half")
                raise OSError(28, "No space left on device")

        with pytest.raises(ew.FormatError, match="No space left on device"):
            half_way()
        assert target.read_text() == "old"
        assert list(tmp_path.iterdir()) == [target]

    def test_a_parameter_that_is_not_finite_is_not_written(self, tmp_path):
        net = small()
        net.weight[0] = np.nan
        with pytest.raises(ew.FormatError, match="not a finite number"):
            net.save(tmp_path / "net.json")
        assert not list(tmp_path.iterdir())


# ---- fuzzing: whatever the bytes, a network or an EdgewiseError ----

GOOD = {form: form.encode(small()) for form in FORMATS}


def decode_or_refuse(form, content):
    """Any exception but an EdgewiseError goes through and fails the test."""
    with contextlib.suppress(ew.EdgewiseError):
        assert isinstance(form.decode(content), ew.Network)


@settings(max_examples=300)
@given(st.sampled_from(FORMATS), st.data())
def test_damaged_files(form, data):
    content = bytearray(GOOD[form])
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    decode_or_refuse(form, bytes(content[: data.draw(st.integers(0, len(content)))]))
    decode_or_refuse(form, bytes(content))


@settings(max_examples=100)
@given(st.sampled_from(FORMATS), st.binary(max_size=200))
def test_random_bytes(form, content):
    decode_or_refuse(form, content)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=300)
@given(st.data())
def test_documents_with_anything_anywhere(data):
    changed = document()
    for _ in range(data.draw(st.integers(1, 3))):
        place = changed
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            key = data.draw(st.sampled_from(keys))
            if isinstance(place[key], dict | list) and place[key] and data.draw(st.booleans()):
                place = place[key]
                continue
            place[key] = data.draw(ANYTHING)
            break
    decode_or_refuse(json_format, json.dumps(changed).encode("utf-8", "surrogatepass"))


@settings(max_examples=200)
@given(
    st.dictionaries(
        st.sampled_from(["tail", "head", "inputs", "outputs", "activation", "weight", "bias", "tie", "response"]),
        st.tuples(st.sampled_from(["<i4", "<f4", "<f8", "<i8", "|u1"]), st.integers(0, 5), st.integers(-9, 2**31 - 1)),
        max_size=4,
    ),
    st.none() | ANYTHING,
)
def test_safetensors_with_other_arrays(arrays, header):
    from safetensors.numpy import load, save

    changed = load(GOOD[safetensors_format])
    length = struct.unpack("<Q", GOOD[safetensors_format][:8])[0]
    metadata = json.loads(GOOD[safetensors_format][8 : 8 + length])["__metadata__"]
    for key, (dtype, size, number) in arrays.items():
        with np.errstate(all="ignore"):
            changed[key] = np.full(size, number).astype(dtype)
    if header is not None:
        metadata = {"edgewise": json.dumps(header)}
    decode_or_refuse(safetensors_format, save(changed, metadata))


@pytest.mark.parametrize("form", FORMATS)
def test_no_inputs_stay_no_inputs(form):
    net = ew.Network([0], [1], [1.0], bias=[3.0, -0.0], inputs=[], outputs=[1], activation="tanh")
    assert_same(net, form.decode(form.encode(net)))
