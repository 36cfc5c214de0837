"""The play server lets in whoever knows the token, answers what it understands, and keeps what is edited."""

import contextlib
import http.client
import json
import re
import socket
import time
from urllib.parse import urlsplit

import numpy as np
import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

import edgewise as ew
from browser import Tab
from edgewise.play import edits, messages
from edgewise.play.opening import open_session
from edgewise.play.server import MAX_PAGES, MESSAGES_AT_ONCE, Allowance, application, serving

TOKEN, PORT = "right-token", 8123
HOST = f"127.0.0.1:{PORT}"
ORIGIN = {"origin": f"http://{HOST}", "host": HOST}  # the client's sockets do not say the host of its base_url


@pytest.fixture
def session(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    opened = open_session()
    yield opened
    opened.close()


@pytest.fixture
def client(session):
    with TestClient(application(session, token=TOKEN, port=PORT), base_url=f"http://{HOST}") as made:
        yield made


def talk(client):
    return client.websocket_connect(f"/{TOKEN}/socket", headers=ORIGIN)


def reply(websocket, id=None):
    """The next answer; data in between are passed over."""
    while True:
        message = json.loads(websocket.receive_text())
        if "reply" in message and (id is None or message["reply"]["id"] == id):
            return message["reply"]


def ask(websocket, action, **fields):
    websocket.send_text(json.dumps({"action": action, "id": 1} | fields))
    return reply(websocket, 1)


def next_data(websocket, true):
    while True:
        message = json.loads(websocket.receive_text())
        if "data" in message and true(message["data"]):
            return message["data"]


# ---- who is let in ----


def test_the_page_is_shown_to_whoever_knows_the_token(client):
    answer = client.get(f"/{TOKEN}/")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-frame-options"] == "DENY"
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', answer.text)[1]
    assert "default-src 'none'" in policy
    assert f"connect-src ws://127.0.0.1:{PORT} ws://localhost:{PORT}" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize("path", ["/", "", "/wrong/", "/right-token2/", "//right-token/", "/?token=right-token"])
def test_without_the_token_nothing_is_shown(client, path):
    answer = client.get(path)
    assert answer.status_code == 403
    assert "token" in answer.text


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": f"evil.example:{PORT}"},
        {"host": "127.0.0.1"},
        {"host": "127.0.0.1:1"},
        {"host": ""},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": f"https://{HOST}"},
        {"origin": "http://127.0.0.1"},
    ],
    ids=str,
)
def test_another_host_or_origin_is_refused_everywhere(client, headers):
    assert client.get(f"/{TOKEN}/", headers=headers).status_code == 403
    with pytest.raises(WebSocketDisconnect), client.websocket_connect(f"/{TOKEN}/socket", headers=ORIGIN | headers):
        pass


def test_a_socket_needs_token_and_origin(client):
    for path, headers in ((f"/{TOKEN}/socket", {"host": HOST}), ("/wrong/socket", ORIGIN), ("/socket", ORIGIN)):
        with pytest.raises(WebSocketDisconnect) as caught, client.websocket_connect(path, headers=headers):
            pass
        assert caught.value.code == 1008


@pytest.mark.parametrize(
    "path", ["../../etc/passwd", "..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/etc/passwd", "static/view.js", "socket", "x/"]
)
def test_no_path_leads_to_a_file(client, path):
    answer = client.get(f"/{TOKEN}/{path}")
    assert answer.status_code in (403, 404)
    assert "root:" not in answer.text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_only_reading_is_allowed(client, method):
    assert client.request(method, f"/{TOKEN}/").status_code == 405


def test_the_server_listens_on_loopback_alone_with_a_new_token_each_time(session):
    with serving(session) as first:
        where = urlsplit(first)
        assert where.hostname == "127.0.0.1"
        others = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), where.port, socket.AF_INET)}
        for address in others - {"127.0.0.1"}:
            with socket.socket() as other:
                other.settimeout(2)
                assert other.connect_ex((address, where.port)) != 0 or address.startswith("127.")
        with pytest.raises(ew.DataError, match="cannot be had"), serving(session, port=where.port):
            pass
        request = http.client.HTTPConnection("127.0.0.1", where.port, timeout=5)
        request.request("GET", "/wrong/")
        assert request.getresponse().status == 403
        request.close()
    with serving(open_session()) as second:
        assert urlsplit(second).path != where.path
        assert len(where.path) > 40


# ---- what is said ----


def test_every_change_is_told_to_every_page(client):
    with talk(client) as one, talk(client) as other:
        assert ask(one, "add_node", name="new") == {"id": 1, "error": None}
        for websocket in (one, other):
            assert next_data(websocket, lambda data: "new" in data["network"]["names"])["live"] is True


def test_a_new_page_sees_what_was_edited_before(client, session):
    with talk(client) as websocket:
        ask(websocket, "add_node", name="kept")
    assert '"kept"' in client.get(f"/{TOKEN}/").text
    with talk(client) as websocket:
        next_data(websocket, lambda data: "kept" in data["network"]["names"])


def test_mistakes_are_answered_and_the_socket_goes_on(client, session, tmp_path):
    with talk(client) as websocket:
        before = session.sketch
        for text, says in (
            ("{", "not JSON"),
            ('{"action": "fly", "id": 3}', "there is no action"),
            ('{"action": "add_arc", "tail": "t", "head": "x1"}', "goes into the input"),
            ('{"action": "add_arc", "tail": "t", "head": "h1"}', "form a cycle"),
            ('{"action": "set_bias", "node": "nobody", "value": 1}', "there is no node"),
            ('{"action": "save", "file_name": "../net.json"}', "not the name of a file"),
            ('{"action": "save", "file_name": "/etc/net.json"}', "not the name of a file"),
            ('{"action": "save", "file_name": "net.exe"}', "suffix"),
            (json.dumps({"action": "rename", "node": "x1", "name": "n" * messages.MAX_BYTES}), "at most 65536"),
        ):
            websocket.send_text(text)
            assert says in reply(websocket)["error"]
        websocket.send_bytes(b'{"action": "undo"}')
        assert "text, not bytes" in reply(websocket)["error"]
        assert session.sketch is before
        assert list(tmp_path.iterdir()) == []
        assert ask(websocket, "add_node")["error"] is None


def test_hostile_names_stay_names(client):
    name = "</script><script>alert(1)</script>\u202e\"'"
    with talk(client) as websocket:
        ask(websocket, "rename", node="h1", name=name)
    page = client.get(f"/{TOKEN}/").text
    assert "<script>alert" not in page
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)[1])
    assert name in data["network"]["names"]


def test_too_many_messages_are_refused_and_then_the_socket_is_closed(client, session):
    with talk(client) as websocket:
        for _ in range(100 * MESSAGES_AT_ONCE):  # more than is read in a minute
            websocket.send_text('{"action": "undo"}')
        refused = 0
        code = None
        while code is None:
            try:
                refused += "too many messages" in (reply(websocket)["error"] or "")
            except WebSocketDisconnect as closed:
                code = closed.code
        assert code == 1008
        assert refused >= MESSAGES_AT_ONCE


def test_the_allowance_fills_up_again():
    now = [0.0]
    allowance = Allowance(at_once=3, per_second=2, clock=lambda: now[0])
    assert [allowance.take() for _ in range(4)] == [True, True, True, False]
    now[0] = 1.0  # one was owed
    assert [allowance.take() for _ in range(2)] == [True, False]
    now[0] = 100.0
    assert [allowance.take() for _ in range(6)] == [True, True, True, False, False, False]
    assert not allowance.overdrawn
    assert not allowance.take()
    assert allowance.overdrawn


def test_too_many_pages_are_refused(client):
    with contextlib.ExitStack() as stack:
        for _ in range(MAX_PAGES):
            stack.enter_context(talk(client)).receive_text()
        with pytest.raises(WebSocketDisconnect) as caught, talk(client):
            pass
        assert caught.value.code == 1013


def test_a_message_beyond_the_limit_never_reaches_us(session):
    """The server itself closes a socket on which too much comes."""
    with serving(session) as address:
        where = urlsplit(address)
        from websockets.exceptions import ConnectionClosed
        from websockets.sync.client import connect

        with connect(
            f"ws://{where.netloc}{where.path}socket", origin=f"http://{where.netloc}", proxy=None, max_size=None
        ) as websocket:
            websocket.send("x" * (2 * messages.MAX_BYTES))
            code = None
            while code is None:
                try:
                    websocket.recv(timeout=10)
                except ConnectionClosed as closed:
                    code = closed.rcvd.code
        assert code == 1009


def test_training_is_seen_at_a_bounded_rate(client, session):
    with talk(client) as websocket:
        next_data(websocket, lambda data: True)
        assert ask(websocket, "train")["error"] is None
        began, steps = time.monotonic(), []
        while time.monotonic() - began < 1.0:
            message = json.loads(websocket.receive_text())
            if "data" in message:
                steps.append(message["data"]["play"]["step"])
        assert ask(websocket, "pause")["error"] is None
    assert session.training is False
    assert len(steps) <= 12
    assert steps == sorted(steps)
    assert steps[-1] > steps[0]


# ---- what a session begins with ----


def test_a_session_begins_with_a_file_or_data_or_both(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    iris = open_session(None, "iris")
    assert iris.sketch.network.n_inputs == 4
    assert iris.sketch.loss == "cross_entropy"
    ew.mlp([4, 5, 3], seed=0).save("net.json")
    both = open_session("net.json", "iris")
    assert both.sketch.x.shape == (108, 4)
    assert (both.folder, both.file_name) == (tmp_path.resolve(), "net.json")
    alone = open_session("net.json")
    assert (alone.sketch.target, alone.sketch.x.tolist()) == ("9", [[1, 1, 1, 1]])
    ew.mlp([4, 5, 2], seed=0).save("two.json")
    with pytest.raises(ew.DataError, match="has 2 outputs"):
        open_session("two.json", "iris")
    with pytest.raises(ew.DataError, match="need"):
        open_session("net.json", "wine")
    with pytest.raises(ew.DataError, match="needs data"):
        open_session("net.json", None, loss="hinge")
    assert open_session(None, "diabetes").sketch.network.names[-1] == "target"


# ---- in the browser ----


@pytest.fixture
def live(session):
    with serving(session) as address:
        yield address


@pytest.fixture
def page(chromium, live):
    context = chromium.new_context(viewport={"width": 1300, "height": 1000})
    context.set_default_timeout(5000)
    tab = Tab(context)
    tab.page.goto(live)
    tab.page.wait_for_selector(".ew-editing")
    until(tab.page, lambda: not tab.page.get_by_text("The connection is lost").is_visible())
    yield tab.page
    origin = live.rsplit("/", 2)[0]
    assert [url for url in tab.requests if not url.startswith(origin)] == []
    context.close()
    assert tab.complaints == []


def until(page, true):
    """Wait for the session to have done what the page was asked for."""
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end, "it never came"
        page.wait_for_timeout(20)


def shows(page, text):
    """Wait for the page to show it; the page's policy forbids what playwright would wait with."""
    until(page, lambda: text in page.evaluate("document.body.textContent"))


def fill(page, label, value):
    field = page.get_by_label(label, exact=True)
    field.fill(str(value))
    field.press("Enter")


def choose(page, what):
    page.get_by_label("Node or arc", exact=True).select_option(label=what)


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def test_every_control_does_what_it_says(page, session, tmp_path):
    """One after another, each against what the session then holds."""

    def net():
        return session.sketch.network

    page.get_by_label("Kind", exact=True).select_option("hidden")
    page.locator("fieldset", has_text="Add node").get_by_label("Activation").select_option("relu")
    page.get_by_placeholder("the next free one").fill("mine")
    press(page, "Add node")
    until(page, lambda: net().names[-1] == "mine" and net().activations[-1] == "relu")
    choose(page, "x1")
    choose(page, "mine")
    page.locator("fieldset", has_text="Add node").get_by_label("Weight").fill("0.75")
    press(page, "Connect")
    until(
        page,
        lambda: (net().names[net().tail[-1]], net().names[net().head[-1]], net().weight[-1]) == ("x1", "mine", 0.75),
    )
    chosen = page.locator("fieldset", has_text="Node or arc")
    for label, value, number in (
        ("Bias", "0.5", lambda: net().bias[-1]),
        ("Response", "2", lambda: net().response[-1]),
    ):
        chosen.get_by_label(label, exact=True).fill(value)
        chosen.get_by_label(label, exact=True).press("Enter")
        until(page, lambda number=number, value=value: number() == float(value))
    chosen.get_by_label("Bias, slider").fill("-1.5")
    until(page, lambda: net().bias[-1] == -1.5)
    chosen.get_by_label("Activation").select_option("sin")
    until(page, lambda: net().activations[-1] == "sin")
    chosen.get_by_label("Aggregation").select_option("max")
    until(page, lambda: net().aggregations[-1] == "max")
    chosen.get_by_label("Output").click()
    until(page, lambda: net().names[net().outputs[-1]] == "mine")
    until(page, lambda: chosen.get_by_label("Output").is_checked())
    chosen.get_by_label("Output").click()
    until(page, lambda: net().n_outputs == 1)
    chosen.get_by_label("Name", exact=True).fill("yours")
    chosen.get_by_label("Name", exact=True).press("Enter")
    until(page, lambda: net().names[-1] == "yours")
    shows(page, "Node yours")

    choose(page, "x1 → yours")
    chosen.get_by_label("Weight", exact=True).fill("-2")
    chosen.get_by_label("Weight", exact=True).press("Enter")
    until(page, lambda: net().weight[-1] == -2)
    press(page, "Delete arc")
    until(page, lambda: net().n_edges == 9)
    choose(page, "yours")
    chosen.get_by_label("Input").click()
    until(page, lambda: net().n_inputs == 3 and session.sketch.x.shape == (4, 3))
    until(page, lambda: chosen.get_by_label("Input").is_checked())
    chosen.get_by_label("Input").click()
    until(page, lambda: net().n_inputs == 2)
    press(page, "Make it the target")
    until(page, lambda: (session.sketch.target, session.sketch.loss) == ("yours", None))
    until(page, lambda: page.get_by_role("button", name="Train", exact=True).is_disabled())
    press(page, "Delete node")
    until(page, lambda: "yours" not in net().names and session.sketch.target == "t")

    page.locator("fieldset", has_text="Add sample").get_by_label("Target", exact=True).select_option("node:h2")
    until(page, lambda: session.sketch.target == "h2")
    page.locator("fieldset", has_text="Add sample").get_by_label("Target", exact=True).select_option(
        "loss:squared_error"
    )
    until(page, lambda: session.sketch.loss == "squared_error")
    samples = page.locator("fieldset", has_text="Add sample")
    samples.get_by_label("Sample", exact=True).fill("2")
    samples.get_by_label("Sample", exact=True).press("Enter")
    samples.get_by_label("x1", exact=True).fill("0.25")
    samples.get_by_label("x1", exact=True).press("Enter")
    until(page, lambda: session.sketch.x[1, 0] == 0.25)
    samples.get_by_label("t", exact=True).fill("0.5")
    samples.get_by_label("t", exact=True).press("Enter")
    until(page, lambda: session.sketch.y[1, 0] == 0.5)
    press(page, "Add sample")
    until(page, lambda: session.sketch.n_samples == 5 and session.sketch.x[4, 0] == 0.25)
    press(page, "Remove sample")
    until(page, lambda: session.sketch.n_samples == 4)

    fill(page, "Learning rate", 0.02)
    fill(page, "Batch size", 2)
    page.get_by_label("Optimizer").select_option("adam")
    until(page, lambda: session.state()[1]["optimizer"] == "adam")
    assert (session.state()[1]["learning_rate"], session.state()[1]["batch_size"]) == (0.02, 2)
    press(page, "Step")
    until(page, lambda: session.state()[1]["step"] == 1)
    press(page, "Train")
    until(page, lambda: session.state()[1]["step"] > 50)
    until(page, lambda: len(page.locator(".ew-loss-curve polyline").get_attribute("points")) > 10)
    press(page, "Pause")
    until(page, lambda: not session.training)
    before = session.sketch
    press(page, "Undo")
    until(page, lambda: session.sketch is not before)
    press(page, "Redo")
    until(page, lambda: session.sketch is before)

    fill(page, "File", "made.json")
    press(page, "Save")
    until(page, lambda: (tmp_path / "made.json").exists())
    assert ew.load(tmp_path / "made.json").n_edges == net().n_edges
    press(page, "Copy as Python")
    until(page, lambda: len(page.locator("textarea").input_value()) > 100)
    namespace = {}
    exec(page.locator("textarea").input_value(), namespace)
    np.testing.assert_array_equal(namespace["net"].weight, net().weight)
    np.testing.assert_array_equal(namespace["bwd"].weight_gradient, session.sketch.backprop().weight_gradient)


def test_reload_keeps_the_network(page, session):
    press(page, "Add node")
    until(page, lambda: session.sketch.network.n_nodes == 7)
    page.get_by_label("Node or arc", exact=True).locator("option", has_text="h4").wait_for(state="attached")
    page.reload()
    page.wait_for_selector(".ew-editing")
    assert "h4" in page.get_by_label("Node or arc", exact=True).inner_text()
    press(page, "Undo")
    until(page, lambda: session.sketch.network.n_nodes == 6)


def test_a_click_in_the_drawing_chooses_a_node(page, session):
    chosen = page.get_by_label("Node or arc", exact=True)
    box = page.locator(".ew-canvas").bounding_box()
    names = set()
    for down in np.linspace(0.1, 0.9, 17):  # along the middle level
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + down * box["height"])
        page.wait_for_timeout(30)
        names.add(chosen.evaluate("list => list.selectedOptions[0].textContent"))
    assert {"h1", "h2", "h3"} <= names


def test_what_cannot_be_is_said_and_changes_nothing(page, session):
    before = session.sketch
    add = page.locator("fieldset", has_text="Add node")
    add.get_by_label("From").select_option("t")
    add.get_by_label("To").select_option("h1")
    press(page, "Connect")
    shows(page, "form a cycle")
    fill(page, "File", "../up.json")
    press(page, "Save")
    shows(page, "is not the name of a file")
    assert session.sketch is before


def test_what_is_chosen_stays_chosen_when_indices_change(page, session):
    choose(page, "h1")
    press(page, "Delete node")
    until(page, lambda: session.sketch.network.n_nodes == 5)
    choose(page, "h3 → t")
    with_two = page.locator("fieldset", has_text="Add sample").get_by_label("Target", exact=True)
    session.edit(lambda sketch: edits.remove_node(sketch, "h2"))
    until(page, lambda: page.get_by_text("Arc h3 → t", exact=True).is_visible())
    assert with_two.count() == 1


SOCKETS_COUNTED = """
window.sockets = [];
const Real = WebSocket;
window.WebSocket = class extends Real { constructor(to) { super(to); sockets.push(this); } };
"""


def test_the_page_finds_its_server_again(chromium, session):
    """The connection is lost and comes back; the page shows what has happened meanwhile."""
    context = chromium.new_context()
    tab = context.new_page()
    with serving(session) as address:
        tab.add_init_script(SOCKETS_COUNTED)
        tab.goto(address)
        until(tab, lambda: tab.evaluate("sockets.length === 1 && sockets[0].readyState === 1"))
        tab.evaluate("sockets[0].close()")
        until(tab, lambda: tab.evaluate("sockets.length === 2 && sockets[1].readyState === 1"))
        session.edit(lambda sketch: edits.add_node(sketch, "meanwhile"))
        shows(tab, "meanwhile")
    context.close()
