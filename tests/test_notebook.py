"""The view as a widget: with anywidget itself, in a kernel, and its module against a model in a browser."""

import json
import subprocess
import sys

import numpy as np
import pytest

import edgewise as ew
from edgewise.view import module, scene, widget
from test_report import diagnosed
from test_view import hostile_net, unpacked


def test_a_network_a_pass_and_a_report_are_shown_by_anywidget():
    anywidget = pytest.importorskip("anywidget")
    net = ew.mlp([2, 3, 1], activation="tanh", seed=0)
    x = np.array([[1.0, 2.0], [3.0, 4.0]])
    bwd = net.backprop(x)
    report = diagnosed()
    for shown, parts in (
        (net.show(), ()),
        (net.show(x), ("pass",)),
        (net.show(x, y=np.ones((2, 1)), loss="squared_error"), ("pass",)),
        (bwd.show(), ("pass",)),
        (net.backprop(x[0], engine="reference").show(), ("pass",)),
        (report.show(), ("pass", "report")),
    ):
        assert isinstance(shown, anywidget.AnyWidget)
        assert [part for part in ("pass", "report") if shown.data[part]] == list(parts)
        json.dumps(shown.data, allow_nan=False)
    assert unpacked(bwd.show().data["pass"]["steps"][0]["value"]).tolist() == bwd.value.tolist()
    hostile_net().show()


def test_a_pass_of_other_parameters_is_not_shown():
    net = ew.mlp([2, 3, 1], activation="tanh", seed=0)
    bwd = net.backprop([1.0, 2.0])
    assert bwd.value.shape == (6,)
    net.weight[:] *= 2
    with pytest.raises(ew.DataError, match="run backprop again"):
        bwd.show()
    with pytest.raises(ew.DataError, match="one target"):
        net.backprop([1.0, 2.0], target=[4, 5]).show()


def test_without_anywidget_there_is_one_clear_error():
    code = """
import sys
sys.modules["anywidget"] = None
import edgewise as ew
try:
    ew.mlp([1, 1], seed=0).show()
except ew.MissingDependencyError as error:
    print(error)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert 'needs anywidget: pip install "edgewise[notebook]"' in found.stdout, found.stderr


def test_a_notebook_shows_them():
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    from nbformat.v4 import new_code_cell, new_notebook

    cells = [
        "import edgewise as ew\nnet = ew.mlp([2, 3, 1], activation='tanh', seed=0)\nnet.show([1.0, 2.0])",
        "net.backprop([1.0, 2.0]).show()",
        "ew.diagnose(net, [[1.0, 2.0], [0.5, -1.0]], [[0.1], [0.2]], loss='squared_error').show()",
    ]
    book = new_notebook(cells=[new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(book, timeout=120, kernel_name="python3").execute()
    for cell in book.cells:
        (output,) = cell.outputs
        assert "application/vnd.jupyter.widget-view+json" in output["data"]


MODEL = """async ([esm, css, data, other]) => {
  const style = document.createElement("style");
  style.textContent = css;
  document.head.append(style);
  const { default: view } = await import(URL.createObjectURL(new Blob([esm], { type: "text/javascript" })));
  const listeners = {};
  const model = {
    traits: { data },
    get(name) { return this.traits[name]; },
    set(name, value) { this.traits[name] = value; listeners[`change:${name}`]?.forEach((f) => f()); },
    on(event, f) { (listeners[event] ??= new Set()).add(f); },
    off(event, f) { listeners[event]?.delete(f); },
    save_changes() {}, send() {},
  };
  const el = document.createElement("div");
  document.body.append(el);
  const names = () => [...el.querySelectorAll(".ew-view > section:not([hidden])")].map((s) => s.ariaLabel);
  const end = view.render({ model, el });
  const found = [names()];
  model.set("data", other);
  found.push(names());
  end();
  return [...found, el.childElementCount, [...(listeners["change:data"] ?? [])].length];
}"""


def test_the_module_follows_its_model_and_ends(tab):
    report = diagnosed()
    from edgewise.diagnosis import overview

    data = [widget.strictly_plain(d) for d in (overview.of_report(report), scene.data(report.network))]
    first, second, children, listeners = tab.page.evaluate(MODEL, [module.esm(), module.css(), *data])
    assert first == ["Summary", "Findings", "Gradient budget", "Network", "Level by node", "Distributions"]
    assert second == ["Network"]
    assert (children, listeners) == (0, 0)
