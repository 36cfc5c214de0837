import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { SocketModel } from "../../src/edgewise/view/web/socket_model.js";

/** A model whose sockets are kept, and whose clock stands still. */
function opened(t) {
  mock.timers.enable({ apis: ["setTimeout"] });
  t.after(() => mock.timers.reset());
  const sockets = [];
  const model = new SocketModel("ws://here/socket", { data: 1 }, (address) => {
    const socket = { address, readyState: 0, sent: [], send(text) { this.sent.push(JSON.parse(text)); }, close() { this.ended = true; } };
    sockets.push(socket);
    return socket;
  });
  const open = (socket) => { socket.readyState = 1; socket.onopen(); };
  const lose = (socket) => { socket.readyState = 3; socket.onclose(); };
  return { model, sockets, open, lose };
}

test("data and answers that come are told to those who listen for them", (t) => {
  const { model, sockets, open } = opened(t);
  const heard = [];
  model.on("change:data", () => heard.push(["data", model.get("data")]));
  model.on("msg:custom", (answer) => heard.push(["answer", answer.id]));
  assert.equal(model.get("connected"), false);
  open(sockets[0]);
  assert.equal(model.get("connected"), true);
  sockets[0].onmessage({ data: '{"data": {"schema": 1}}' });
  sockets[0].onmessage({ data: '{"reply": {"id": 4, "error": null}}' });
  assert.deepEqual(heard, [["data", { schema: 1 }], ["answer", 4]]);
});

test("a message is sent while there is a connection, else answered at once that it is lost", (t) => {
  const { model, sockets, open, lose } = opened(t);
  const answers = [];
  model.on("msg:custom", (answer) => answers.push(answer));
  model.send({ action: "undo", id: 1 });
  open(sockets[0]);
  model.send({ action: "undo", id: 2 });
  lose(sockets[0]);
  model.send({ action: "undo", id: 3 });
  assert.deepEqual(sockets[0].sent, [{ action: "undo", id: 2 }]);
  assert.deepEqual(answers.map(({ id }) => id), [1, 3]);
  assert.match(answers[0].error, /connection is lost/);
});

test("a lost connection is told of once and tried again, less and less often, until it is there", (t) => {
  const { model, sockets, open, lose } = opened(t);
  const told = [];
  model.on("change:connected", () => told.push(model.get("connected")));
  open(sockets[0]);
  lose(sockets[0]);
  for (const wait of [250, 500, 1000, 2000, 4000, 5000, 5000]) {
    const before = sockets.length;
    mock.timers.tick(wait - 1);
    assert.equal(sockets.length, before);
    mock.timers.tick(1);
    assert.equal(sockets.length, before + 1);
    lose(sockets.at(-1));
  }
  mock.timers.tick(5000);
  open(sockets.at(-1));
  assert.deepEqual(told, [true, false, true]);
  lose(sockets.at(-1));
  mock.timers.tick(250); // as in the beginning
  assert.equal(sockets.length, 10);
});

test("a socket that has been replaced has nothing more to say of the connection", (t) => {
  const { model, sockets, open, lose } = opened(t);
  lose(sockets[0]);
  mock.timers.tick(250);
  open(sockets[1]);
  lose(sockets[0]);
  mock.timers.tick(10_000);
  assert.equal(model.get("connected"), true);
  assert.equal(sockets.length, 2);
});

test("what is closed stays closed", (t) => {
  const { model, sockets, lose } = opened(t);
  lose(sockets[0]);
  model.close();
  mock.timers.tick(10_000);
  assert.equal(sockets.length, 1);
  assert.equal(sockets[0].ended, true);
});
