"""The view: its modules, its data, its page, and what it does in a browser."""

import base64
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given

import edgewise as ew
from edgewise.view import module, page, scene
from strategies import dags

ROOT = Path(__file__).parent.parent
HOSTILE = (
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "<img src=x onerror=alert(1)>",
    "\"'`${alert(1)}",
    "\u202ertl",
    "line\nbreak\u2028",
    "\ud800half",
    "&lt;b&gt;",
    "n" * 10_000,
    "名",
    "t",
)


def hostile_net():
    inputs = list(HOSTILE[:-1])
    return ew.Network(
        inputs, [HOSTILE[-1]] * len(inputs), np.linspace(-1, 1, len(inputs)), names=HOSTILE, activation="tanh"
    )


def unpacked(array):
    (kind,) = array.keys() - {"shape"}
    return np.frombuffer(base64.b64decode(array[kind]), f"<{kind[0]}{int(kind[-2:]) // 8}").reshape(array["shape"])


def strictly(text):
    def refuse(token):
        raise AssertionError(f"JSON holds {token}")

    return json.loads(text, parse_constant=refuse)


def data_of(text):
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)
    return strictly(found[1])


# ---- the modules ----


def test_nodes_own_test_runner():
    node = shutil.which("node")
    if node is None:
        pytest.skip("no Node: the modules' own tests were not run")
    tests = sorted(map(str, (ROOT / "tests" / "web").glob("*.test.mjs")))
    found = subprocess.run([node, "--test", *tests], capture_output=True, text=True, timeout=300)
    assert found.returncode == 0, found.stdout + found.stderr


def test_modules_are_joined_each_after_those_it_imports():
    order = module.in_order("page.js")
    assert order[-2:] == ["view.js", "page.js"]
    folder = ROOT / "src" / "edgewise" / "view" / "web"
    assert {path.name for path in folder.glob("*.js")} == {*order, *module.in_order("play.js")}, (
        "a file that nothing imports"
    )
    for text in (module.joined("page.js"), module.joined()):
        assert not re.search(r"^\s*(import|export)\b", text, re.M)
    assert module.esm().count("export default { render };") == 1


def test_no_two_modules_use_the_same_name():
    seen = {}
    for name in {*module.in_order("page.js"), *module.in_order("play.js")}:
        for found in re.findall(
            r"^(?:export )?(?:async )?(?:function|const|let|class) (\w+)", module.source(name), re.M
        ):
            assert found not in seen, f"{found} stands in {seen[found]} and in {name}"
            seen[found] = name


# ---- the data ----


@given(dags())
def test_the_network_is_in_the_data(net):
    found = strictly(page.machine.as_json(scene.data(net)))["network"]
    for key in ("tail", "head", "weight"):
        assert unpacked(found[key]).tolist() == getattr(net, key).tolist()
    names = [found["activation"]["table"][code]["name"] for code in unpacked(found["activation"]["code"])]
    assert tuple(names) == net.activations
    start = unpacked(found["routes"]["start"])
    assert len(start) == net.n_edges + 1
    assert start[-1] == len(unpacked(found["routes"]["y"]))


def test_numbers_are_packed_exactly_while_they_are_few():
    few = np.array([0.1, np.nan, -np.inf])
    assert np.array_equal(unpacked(scene.packed(few)), few, equal_nan=True)
    many = np.linspace(0, 1, scene.EXACT + 1)
    assert unpacked(scene.packed(many)).dtype == np.float32


# ---- the page ----


def test_hostile_names_stay_data():
    text = page.html(scene.data(hostile_net()), title="</title><script>")
    assert text.count("</script>") == 2
    assert text.count("<script") == 2
    names = data_of(text)["network"]["names"]
    assert names == [name.encode("utf-8", "replace").decode("utf-8") for name in HOSTILE]


def test_the_policy_lets_nothing_in():
    text = page.html(scene.data(ew.mlp([2, 2, 1], seed=0)))
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"https?://", text)


def test_a_page_is_written(tmp_path):
    page.write(tmp_path / "net.html", scene.data(ew.mlp([2, 2, 1], seed=0)))
    assert (tmp_path / "net.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    with pytest.raises(ew.FormatError, match="cannot write"):
        page.write(tmp_path / "nowhere" / "net.html", scene.data(ew.mlp([2, 2, 1], seed=0)))


# ---- in a browser ----


@pytest.fixture
def opened(tab, tmp_path):
    def open_page(data):
        page.write(tmp_path / "view.html", data)
        return tab.open(tmp_path / "view.html")

    return open_page


def test_hostile_names_are_inert(opened):
    shown = opened(scene.data(hostile_net()))
    assert shown.get_attribute(".ew-canvas", "aria-label") == "A network of 11 nodes and 10 arcs in 2 levels"
    assert shown.evaluate("document.scripts.length") == 2
