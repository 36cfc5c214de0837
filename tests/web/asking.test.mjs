import assert from "node:assert/strict";
import { test } from "node:test";
import { asking } from "../../src/edgewise/view/web/asking.js";
import { PageModel } from "../../src/edgewise/view/web/model.js";

/** A model that keeps what it is sent, and answers when it is told to. */
class Keeper extends PageModel {
  sent = [];

  send(message) { this.sent.push(message); }

  answer(reply) { for (const listener of this.listeners.get("msg:custom") ?? []) listener(reply, []); }
}

function begun() {
  const [model, told] = [new Keeper({}), []];
  return { model, told, ...asking(model, (error) => told.push(error)) };
}

test("every question has its own number", () => {
  const { model, ask } = begun();
  ask("undo");
  ask("rename", { node: "a", name: "b" });
  assert.deepEqual(model.sent, [{ action: "undo", id: 1 }, { action: "rename", id: 2, node: "a", name: "b" }]);
});

test("an answer goes to its question, once, in whatever order they come", () => {
  const { model, told, ask } = begun();
  const heard = [];
  ask("save", {}, (answer) => heard.push(["save", answer.saved]));
  ask("code", {}, (answer) => heard.push(["code", answer.code]));
  model.answer({ id: 2, error: null, code: "import" });
  model.answer({ id: 1, error: null, saved: "net.json" });
  model.answer({ id: 1, error: null, saved: "again" });
  assert.deepEqual(heard, [["code", "import"], ["save", "net.json"]]);
  assert.deepEqual(told, [null, null, null]);
});

test("of what went wrong all are told, and nobody goes on", () => {
  const { model, told, ask } = begun();
  ask("save", {}, () => assert.fail("it was not saved"));
  model.answer({ id: 1, error: "no such folder" });
  model.answer({ id: null, error: "too many messages" });
  assert.deepEqual(told, ["no such folder", "too many messages"]);
});

test("nothing is heard after the end", () => {
  const { model, told, close } = begun();
  close();
  model.answer({ id: 1, error: "late" });
  assert.deepEqual(told, []);
});
