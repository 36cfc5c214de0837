"""The view as a widget: with anywidget itself, in a kernel, and its module against a model in a browser."""

import json
import subprocess
import sys

import numpy as np
import pytest

import edgewise as ew
from edgewise.play import Session, begin, messages
from edgewise.play import page as play_page
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


class Frontend:
    """A kernel, and what a notebook's page says to a widget in it and hears from it."""

    def __init__(self, client):
        self.client, self.comm = client, None

    def run(self, code):
        """What the cell prints; the last widget that it opens is talked to from then on."""
        asked, printed = self.client.execute(code), []
        while True:
            message = self.client.get_iopub_msg(timeout=60)
            if message["msg_type"] == "comm_open" and "_esm" in message["content"]["data"].get("state", {}):
                self.comm = message["content"]["comm_id"]
            assert message["msg_type"] != "error", message["content"]
            printed += [message["content"]["text"]] if message["msg_type"] == "stream" else []
            idle = message["msg_type"] == "status" and message["content"]["execution_state"] == "idle"
            if idle and message["parent_header"].get("msg_id") == asked:
                return "".join(printed)

    def ask(self, action, **fields):
        content = {"method": "custom", "content": {"action": action, "id": 7} | fields}
        told = self.client.session.msg("comm_msg", {"comm_id": self.comm, "data": content})
        self.client.shell_channel.send(told)
        return self.hear(lambda data: data["method"] == "custom")["content"]

    def hear(self, true):
        while True:
            message = self.client.get_iopub_msg(timeout=60)
            said = message["content"]
            if message["msg_type"] == "comm_msg" and said["comm_id"] == self.comm and true(said["data"]):
                return said["data"]


@pytest.fixture
def frontend():
    pytest.importorskip("ipykernel")
    jupyter_client = pytest.importorskip("jupyter_client")
    manager, client = jupyter_client.manager.start_new_kernel(kernel_name="python3")
    yield Frontend(client)
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def test_a_session_is_edited_in_a_notebook(frontend):
    """In a kernel: what the page asks is done to the session, answered, and told to the page."""
    frontend.run(
        "import edgewise as ew\n"
        "from edgewise.play import Session, begin\n"
        "net = ew.Network(['x', 'x', 'h'], ['h', 't', 't'], [1.0, 0.5, -2.0], names=['x', 'h', 't'])\n"
        "session = Session(begin(net, [[0.5]], target='t'))\n"
        "shown = session.show()\n"
        "shown"
    )
    assert frontend.ask("set_weight", edge=1, tail="x", head="t", value=0.25) == {"id": 7, "error": None}
    assert frontend.run("print(session.sketch.network.weight)") == "[ 1.    0.25 -2.  ]\n"
    assert "form a cycle" in frontend.ask("add_arc", tail="t", head="h")["error"]
    assert "no action" in frontend.ask("fly")["error"]
    frontend.ask("add_node", name="new")
    told = frontend.hear(lambda data: data["method"] == "update" and "new" in data["state"]["data"]["network"]["names"])
    assert told["state"]["data"]["live"] is True
    assert frontend.ask("set_loss", loss="squared_error")["error"] is None
    assert frontend.ask("train")["error"] is None
    frontend.hear(lambda data: data["method"] == "update" and data["state"]["data"]["play"]["step"] > 10)
    assert frontend.ask("pause")["error"] is None
    closed = frontend.run(
        "import threading\n"
        "(telling,) = [thread for thread in threading.enumerate() if thread.name == 'edgewise-play-widget']\n"
        "shown.close()\n"
        "telling.join(10)\n"
        "session.undo()\n"
        "print(telling.is_alive())"
    )
    assert closed == "False\n"


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
  const keys = [];
  document.addEventListener("keydown", (event) => keys.push(event.key));
  const names = () => [...el.querySelectorAll(".ew-view > section:not([hidden])")].map((s) => s.ariaLabel);
  const end = view.render({ model, el });
  const found = [names()];
  const canvas = el.querySelector(".ew-canvas");
  for (const key of ["d", "d", "n"]) canvas.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
  const suppressed = canvas.closest("[data-lm-suppress-shortcuts]") !== null;
  found.push([keys, suppressed, el.querySelector(".ew-chosen").textContent]);
  model.set("data", other);
  found.push(names());
  end();
  return [...found, el.childElementCount, [...(listeners["change:data"] ?? [])].length];
}"""


def test_the_module_follows_its_model_keeps_its_keys_and_ends(tab):
    report = diagnosed()
    from edgewise.diagnosis import overview

    data = [widget.strictly_plain(d) for d in (overview.of_report(report), scene.data(report.network))]
    first, pressed, second, children, listeners = tab.page.evaluate(MODEL, [module.esm(), module.css(), *data])
    assert first == ["Summary", "Findings", "Gradient budget", "Network", "Level by node", "Distributions"]
    assert pressed[:2] == [[], True], "the notebook has shortcuts of its own"
    assert pressed[2].startswith("1 node chosen")
    assert second == ["Network"]
    assert (children, listeners) == (0, 0)


EDITED = """async ([esm, data]) => {
  const { default: view } = await import(URL.createObjectURL(new Blob([esm], { type: "text/javascript" })));
  const listeners = {};
  window.model = {
    traits: { data },
    get(name) { return this.traits[name]; },
    set(name, value) { this.traits[name] = value; listeners[`change:${name}`]?.forEach((f) => f()); },
    on(event, f) { (listeners[event] ??= new Set()).add(f); },
    off(event, f) { listeners[event]?.delete(f); },
    save_changes() {},
    async send(message) {
      const reply = await answered(JSON.stringify(message));
      listeners["msg:custom"].forEach((f) => f(reply));
    },
  };
  view.render({ model, el: document.body });
}"""


def test_the_module_asks_its_model_for_edits(tab):
    """As anywidget carries it: the page's messages to a session, its answers and data to the page."""
    net = ew.Network(["x", "x", "h"], ["h", "t", "t"], [1.0, 0.5, -2.0], names=["x", "h", "t"], activation="tanh")
    session = Session(begin(net, [[0.5]], target="t"))
    tab.page.expose_function("answered", lambda text: messages.answer(session, text))
    data = widget.strictly_plain(play_page.data(*session.state()))
    tab.page.evaluate(EDITED, [module.esm(), data])
    assert not tab.page.get_by_text("The connection is lost").is_visible()
    tab.page.get_by_label("From", exact=True).select_option("t")
    tab.page.get_by_label("To", exact=True).select_option("h")
    tab.page.get_by_role("button", name="Connect").click()
    tab.page.wait_for_selector("[role=alert]:has-text('form a cycle')")
    tab.page.get_by_role("button", name="Add node").click()
    tab.page.wait_for_selector("[role=alert]:text-is('')", state="attached")
    assert session.sketch.network.names == ("x", "h", "t", "h1")
    tab.page.evaluate("data => model.set('data', data)", widget.strictly_plain(play_page.data(*session.state())))
    assert "h1" in tab.page.get_by_label("Node or arc").inner_text()
