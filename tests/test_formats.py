"""Networks in files: exact round trips, NetworkX's reading, whole-or-nothing writing, hostile content."""

import base64
import contextlib
import io
import json
import struct
import zlib

import networkx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import edgewise as ew
from edgewise.formats import atomic, csv, graphml, parquet
from edgewise.formats import json as json_format
from edgewise.formats import safetensors as safetensors_format
from strategies import dags

FORMATS = [json_format, safetensors_format, graphml]
TABLES = [csv, parquet]


def assert_same(a, b):
    for field in ("tail", "head", "weight", "bias", "response", "inputs", "outputs"):
        left, right = getattr(a, field), getattr(b, field)
        assert left.dtype == right.dtype
        assert np.array_equal(left, right), field
    assert (a.names, a.activations, a.aggregations) == (b.names, b.activations, b.aggregations)
    assert (a.tie is None) == (b.tie is None)
    assert a.tie is None or np.array_equal(a.tie, b.tie)
    assert (a.bias_tie is None) == (b.bias_tie is None)
    assert a.bias_tie is None or np.array_equal(a.bias_tie, b.bias_tie)


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


# a network with tied weights, as .safetensors were written before biases could be tied
VERSION_1 = (
    "c-"
    "obd%}&EG497FzAvjh(=g^d_V>`f3NIb(jRe^eKr1e8hx(!W}_GY{qNz*Z4t57YujvfD!e=X(ymbA8qIL=XvL}(GmFxvwrDQ=}gn8"
    "7}R4c1DQMFcaCQ7;1VuH{B(Q&P6Jh@i%G6M@}RGR;ewxI~L0i(uI@X<B3Y3sOzqZ5ATOQ+3B2y9-"
    ">*Tqs?r3~_)1g*PdbRhsCJ%F29s2!Mjhgv}P?C585H%GFAtHk}Kf2L953HLA*Jz(H`}Q{K{Blxe2>S$@fKpN>Pzp2zl+fBo<7aY!"
    "eQKaX(G0h5qU+XFHbNk4f-`ZT1B1s0V>)o9fZ2bZuRDRVO~8$BF1GiSl0#kG*@LAnh`8Rso4aTv-"
    "uWuZ}h@I3Nu$0zgoBxL?<)>oW#el$H~exh!Sk4V4WbZ(#FT~`}j$xnUcPwfl4#r|{"
)


def test_files_from_before_biases_could_be_tied():
    written = zlib.decompress(base64.b85decode(VERSION_1))
    net = safetensors_format.decode(written)
    assert (net.tie.tolist(), net.bias_tie) == ([0, 0, 1, 2], None)
    assert net.bias.tolist() == [0, 0, 0.25, -0.5, 0.75]
    versions = [
        safetensors_format.metadata(safetensors_format.encode(each), "edgewise")["version"]
        for each in (net, net.replace(bias=0.5, bias_tie=[0, 0, 1, 1, 2]))
    ]
    assert versions == [1, 2]  # of which an Edgewise of then reads the first and refuses the second
    with pytest.raises(ew.FormatError, match="not of a version of the format that is known; update Edgewise"):
        safetensors_format.decode(written.replace(b'\\"version\\": 1', b'\\"version\\": 9'))


@pytest.mark.parametrize("suffix", [".json", ".safetensors", ".graphml", ".csv", ".parquet"])
def test_tied_biases_in_files(tmp_path, suffix):
    net = small().replace(bias=[0, 0, 0.5, 0.5], bias_tie=[3, 3, 1, 1])
    net.save(tmp_path / f"net{suffix}")
    again = ew.load(tmp_path / f"net{suffix}")
    assert_same(net, again)
    assert again.bias_tie.tolist() == [0, 1, 2, 2]


@pytest.mark.parametrize("suffix", [".json", ".safetensors", ".JSON", ".graphml", ".csv", ".parquet"])
def test_files_by_suffix(tmp_path, suffix):
    small().save(tmp_path / f"net{suffix}")
    assert_same(small(), ew.load(tmp_path / f"net{suffix}"))
    assert [path.name for path in tmp_path.iterdir()] == [f"net{suffix}"]


@pytest.mark.parametrize("suffix", [".json", ".safetensors", ".csv", ".parquet"])
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
        (
            {"nodes": [{"id": "x1"}, {"id": "h", "bias_tie": 0.5}], "edges": []},
            r"nodes\[1\]: bias_tie 0.5 must be a whole",
        ),
        (
            {
                "nodes": [{"id": k, "bias": k, "bias_tie": 3} for k in range(3)],
                "edges": [{"source": 0, "target": k} for k in (1, 2)],
            },
            "nodes 1 and 2 are tied but their biases differ",
        ),
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


class TestEdgeLists:
    """CSV and Parquet: a row per arc, a row without a source per node."""

    @pytest.mark.parametrize(("form", "examples"), [(csv, 60), (parquet, 4)])
    def test_round_trips_are_exact(self, form, examples):
        @settings(max_examples=examples)
        @given(dags(dtypes=("float32", "float64")))
        def there_and_back(net):
            outputs = [j for j in sorted(net.outputs.tolist()) if not net.is_input[j]] or np.flatnonzero(~net.is_input)
            net = net.replace(inputs=np.sort(net.inputs), outputs=outputs)
            again = form.decode(form.encode(net))
            assert_same(net.astype("float64") if form is csv else net, again)

        there_and_back()

    @pytest.mark.parametrize("form", TABLES)
    def test_what_an_edge_list_has_no_place_for(self, form):
        net = ew.Network([0, 1], [2, 2], 1.0, inputs=[1, 0])
        with pytest.raises(ew.FormatError, match=r"the network's inputs are not all nodes.*save it as"):
            form.encode(net)
        broken = small()
        broken.weight[0] = np.inf
        with pytest.raises(ew.FormatError, match="not a finite number"):
            form.encode(broken)
        with pytest.raises(ew.FormatError, match="half a character"):
            form.encode(ew.Network([0], [1], 1.0, names=["a", "\ud800"]))

    def test_a_bare_list_of_arcs(self):
        net = csv.decode(b"source,target\nb,h\na,h\nh,o\n")
        assert (net.names, net.weight.tolist()) == (("b", "a", "h", "o"), [1, 1, 1])
        net = csv.decode(b"when,target,source,weight\n1,10,2,0.5\n2,10,9, 2 \n3,11,10,\n")
        assert (net.names, net.weight.tolist()) == (("2", "9", "10", "11"), [0.5, 2, 1])
        assert not csv.decode(b"source,target\n1,2\n0,1\n").has_names
        assert csv.decode(b"source,target\n007,7\n").names == ("007", "7")
        assert csv.decode("\ufeffsource,target\r\nå,ß\r\n".encode()).names == ("å", "ß")

    def test_nodes_of_their_own(self):
        net = csv.decode(
            b"source,target,weight,kind,activation,bias\n,o,,output,sigmoid,0.5\n,x,,input,,\n"
            b"x,h,2,,,\nx,h,3,,,\nh,o,1,,,\n,alone,,,,\n"
        )
        assert net.names == ("o", "x", "alone", "h")
        assert net.activations == ("sigmoid", "identity", "relu", "relu")
        assert net.bias.tolist() == [0.5, 0, 0, 0]
        assert net.weight.tolist() == [2, 3, 1]
        assert net.outputs.tolist() == [0]

    def test_parquet_of_other_types(self):
        import polars as pl

        frame = pl.DataFrame({"source": [3, 1, None], "target": [1, 2, 2], "bias": [None, None, 1]})
        frame = frame.with_columns(weight=pl.Series([1, 2, None], dtype=pl.Int8), when=pl.lit([1]))
        room = io.BytesIO()
        frame.write_parquet(room)
        net = parquet.decode(room.getvalue())
        assert (net.names, net.weight.tolist(), net.bias.tolist()) == (("2", "1", "3"), [1, 2], [1, 0, 0])

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "it is empty"),
            (b"a,b\n1,2\n", "no column source and no column target"),
            (b"source,weight\n1,2\n", "no column target; an edge list has source and target"),
            (b"source,target\na,\n", "row 1: target is missing"),
            (b"source,target,weight\na,b,1\nb,c,big\n", "row 2: weight 'big' must be a number"),
            (b"source,target,weight\na,b,nan\n", "is nan"),
            (b"source,target,tie\na,b,0.5\n", "row 1: tie '0.5' must be a whole number"),
            (b"source,target,tie\na,b,-1\n", "row 1: tie -1 must be"),
            (b"source,target,bias_tie\na,b,\n,b,one\n", "row 2: bias_tie 'one' must be a whole number"),
            (b"source,target,kind\na,b,\n,b,middle\n", "row 2: kind 'middle' must be"),
            (b"source,target\n,b\na,b\n,b\n", "row 3: the node 'b' has a row already"),
            (b"source,target\na,b\nb,a\n", "form a cycle"),
            (b"source,target\na,b,c\n", "cannot be read as CSV"),
            (b"source,target\n\xff,b\n", "cannot be read as CSV"),
            (b"source,target\n", "no nodes"),
            (b"source,source\na,b\n", "no column target|cannot be read"),
        ],
    )
    def test_csv_that_cannot_be(self, content, message):
        with pytest.raises((ew.FormatError, ew.GraphError), match=message):
            csv.decode(content)

    def test_parquet_that_cannot_be(self):
        import polars as pl

        for content in (b"", b"PAR1", b"PAR1" * 100, parquet.encode(small())[:-9]):
            with pytest.raises(ew.FormatError):
                parquet.decode(content)
        room = io.BytesIO()
        pl.DataFrame({"source": [0.5], "target": [1.5]}).write_parquet(room)
        with pytest.raises(ew.FormatError, match="source must hold names or whole numbers, not Float64"):
            parquet.decode(room.getvalue())

    @settings(max_examples=100)
    @given(st.data())
    def test_damaged_csv(self, data):
        content = bytearray(csv.encode(small()))
        for _ in range(data.draw(st.integers(1, 4))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        decode_or_refuse(csv, bytes(content))


class TestGraphML:
    @pytest.mark.parametrize("parallel", [False, True])
    def test_networkx_reads_what_we_write(self, parallel):
        net = small() if not parallel else ew.Network([0, 0, 1], [1, 1, 2], [1, 2, 3.0], names=["<a>", 'b"&', " c\n"])
        graph = networkx.read_graphml(io.BytesIO(graphml.encode(net)), force_multigraph=parallel)
        again = ew.from_networkx(graph)
        assert (again.names, again.activations) == (net.names, net.activations)
        assert sorted(again.weight.tolist()) == sorted(net.weight.tolist())

    @pytest.mark.parametrize("kind", [networkx.DiGraph, networkx.MultiDiGraph])
    @pytest.mark.parametrize("named", [False, True])
    def test_we_read_what_networkx_writes(self, kind, named):
        graph = kind()
        graph.add_node("a", activation="tanh", colour="red", size=7)
        graph.add_edge("a", 7, weight=0.5)
        graph.add_edge(7, "c", weight=-1)
        content = "\n".join(networkx.generate_graphml(graph, named_key_ids=named)).encode()
        net = graphml.decode(content)
        assert net.names == ("a", "7", "c")
        assert net.weight.tolist() == [0.5, -1.0]

    def test_we_read_what_igraph_writes(self, tmp_path):
        igraph = pytest.importorskip("igraph")
        graph = igraph.Graph([(0, 1), (1, 2)], directed=True)
        graph.es["weight"], graph.vs["activation"] = [2.0, 3.0], ["tanh", "sin", "cos"]
        graph.write_graphml(str(tmp_path / "net.graphml"))
        net = ew.load(tmp_path / "net.graphml")
        assert (net.weight.tolist(), net.activations[1:]) == ([2, 3], ("sin", "cos"))

    def test_defaults_and_foreign_elements(self):
        net = graphml.decode(
            GRAPHML.replace(b"<graph ", b'<x:a xmlns:x="urn:x"><x:node/></x:a><graph ').replace(
                b'attr.type="double"/>', b'attr.type="double"><default>2.5</default></key>'
            )
        )
        assert net.weight.tolist() == [2.5, -1.0]

    @pytest.mark.parametrize(
        "prolog",
        [
            b'<!DOCTYPE g [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>',
            b'<!DOCTYPE g [<!ENTITY a SYSTEM "file:///etc/passwd">]>',
            b'<!DOCTYPE g SYSTEM "http://127.0.0.1:9/g.dtd">',
            b"<!DOCTYPE g>",
        ],
    )
    def test_document_types_are_refused(self, prolog):
        """Entities that blow up ("billion laughs"), or read files and addresses, begin with one."""
        with pytest.raises(ew.FormatError, match="line 1: it declares a document type"):
            graphml.decode(prolog + GRAPHML.replace(b"tanh", b"&a;"))

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            (b"", b"", "it is not XML: no element found"),
            (b"</graphml>", b"", "it is not XML: no element found at line"),
            (b"<graphml>", b"<graphml>" * 10_000, "nested too deeply"),
            (b"", b"<graphml/>", "no graph in it"),
            (b'"directed"', b'"undirected"', 'edgedefault must be "directed"'),
            (b'source="a"', b'source="a" directed="false"', "an edge is undirected"),
            (b'id="b"', b'id="a"', "the node 'a' is there already"),
            (b'<node id="b"', b"<node", "this node has no id"),
            (b'source="a"', b"", "this edge has no source"),
            (b'source="a"', b'source="q"', r"edges\[0\]: source 'q' is not the id of a node"),
            (b">-1<", b">minus one<", "weight 'minus one' is not of type double"),
            (b">-1<", b">1e999<", "is inf"),
            (b'key="w"', b'key="v"', "data have the key 'v', which is not declared"),
            (b"</graph>", b'</graph><graph edgedefault="directed"/>', "more than one graph"),
            (b"</graph>", b"<hyperedge/></graph>", "a hyperedge"),
            (b"</graph>", b'<edge source="c" target="a"/></graph>', "form a cycle"),
            (b"tanh", b"wavy", "unknown activation 'wavy'"),
            (b"<graphml>", b'<?xml version="1.0" encoding="nonesuch"?><graphml>', "not XML"),
        ],
    )
    def test_what_cannot_be(self, old, new, message):
        content = GRAPHML.replace(old, new, 1) if old else new
        with pytest.raises((ew.FormatError, ew.GraphError), match=message):
            graphml.decode(content)

    def test_what_xml_has_no_place_for(self):
        with pytest.raises(ew.FormatError, match="XML has no place for"):
            graphml.encode(ew.Network([0], [1], 1.0, names=["a", "b\0"]))

    def test_inputs_must_be_a_list(self):
        content = graphml.encode(ew.Network([0, 1], [2, 2], 1.0, inputs=[1, 0]))
        assert graphml.decode(content).inputs.tolist() == [1, 0]
        with pytest.raises(ew.FormatError, match="inputs must be a JSON list"):
            graphml.decode(content.replace(b'["1", "0"]', b'["1", "q"]'))


GRAPHML = b"""<graphml>
<key id="w" for="edge" attr.name="weight" attr.type="double"/>
<key id="f" for="node" attr.name="activation"/>
<graph edgedefault="directed"><node id="a"/><node id="b"><data key="f">tanh</data></node><node id="c"/>
<edge source="a" target="b"/><edge source="b" target="c"><data key="w">-1</data></edge></graph>
</graphml>"""


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
        st.sampled_from(
            ["tail", "head", "inputs", "outputs", "activation", "weight", "bias", "tie", "bias_tie", "response"]
        ),
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
