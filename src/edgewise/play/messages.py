"""What a page may ask of a session, as JSON: an object with an action and its fields, each of them checked."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from edgewise import activations, aggregations, losses, optimizers
from edgewise.errors import DataError, EdgewiseError
from edgewise.play import edits
from edgewise.play.session import Session

MAX_BYTES = 64 * 1024
MAX_TEXT = 20_000
MAX_COUNT = 2**31 - 1

Check = Callable[[Any], Any]
Reply = dict[str, Any]


class _Wrong(ValueError):
    """What a field must be."""


def _text(given: Any) -> str:
    if not isinstance(given, str) or not 0 < len(given) <= MAX_TEXT:
        raise _Wrong(f"a text of 1 to {MAX_TEXT} characters")
    if any("\ud800" <= letter <= "\udfff" for letter in given):
        raise _Wrong("a text without half characters (lone surrogates)")
    return given


def _number(given: Any) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float):
        raise _Wrong("a number")
    try:
        found = float(given)
    except OverflowError:
        found = math.inf
    if not math.isfinite(found):
        raise _Wrong("a finite number")
    return found


def _count(given: Any) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or not 0 <= given <= MAX_COUNT:
        raise _Wrong(f"a whole number of 0 to {MAX_COUNT}")
    return given


def _truth(given: Any) -> bool:
    if not isinstance(given, bool):
        raise _Wrong("true or false")
    return given


def _one_of(names: Callable[[], tuple[str, ...]]) -> Check:
    def check(given: Any) -> str:
        if not isinstance(given, str) or given not in names():
            raise _Wrong(f"one of {', '.join(names())}")
        return given

    return check


_ACTIVATION, _AGGREGATION = _one_of(activations.names), _one_of(lambda: aggregations.NAMES)
_LOSS, _KIND = _one_of(lambda: losses.NAMES), _one_of(lambda: tuple(edits.INITIALS))
_OPTIMIZER = _one_of(lambda: tuple(optimizers.NAMED))


@dataclass(frozen=True, slots=True)
class _Action:
    """Its fields, and what it does with them."""

    perform: Callable[..., Any]
    """(session, **fields) -> what there is to answer, if anything"""
    needed: dict[str, Check] = field(default_factory=dict)
    optional: dict[str, Check] = field(default_factory=dict)


def _edit(change: Callable[..., Any]) -> Callable[..., None]:
    return lambda session, **fields: session.edit(partial(change, **fields))


_NODE: dict[str, Check] = {"node": _text}
_ARC: dict[str, Check] = {"edge": _count, "tail": _text, "head": _text}
_ACTIONS: dict[str, _Action] = {
    "add_node": _Action(
        _edit(edits.add_node),
        {},
        {"name": _text, "kind": _KIND, "activation": _ACTIVATION, "aggregation": _AGGREGATION, "bias": _number},
    ),
    "remove_node": _Action(_edit(edits.remove_node), _NODE),
    "rename": _Action(_edit(edits.rename), _NODE | {"name": _text}),
    "set_activation": _Action(_edit(edits.set_activation), _NODE | {"activation": _ACTIVATION}),
    "set_aggregation": _Action(_edit(edits.set_aggregation), _NODE | {"aggregation": _AGGREGATION}),
    "set_bias": _Action(_edit(edits.set_bias), _NODE | {"value": _number}),
    "set_response": _Action(_edit(edits.set_response), _NODE | {"value": _number}),
    "set_input": _Action(_edit(edits.set_input), _NODE | {"on": _truth}),
    "set_output": _Action(_edit(edits.set_output), _NODE | {"on": _truth}),
    "add_arc": _Action(_edit(edits.add_arc), {"tail": _text, "head": _text}, {"weight": _number}),
    "remove_arc": _Action(_edit(edits.remove_arc), _ARC),
    "set_weight": _Action(_edit(edits.set_weight), _ARC | {"value": _number}),
    "set_target": _Action(_edit(edits.set_target), _NODE),
    "set_loss": _Action(_edit(edits.set_loss), {"loss": _LOSS}),
    "set_value": _Action(_edit(edits.set_value), _NODE | {"sample": _count, "value": _number}),
    "set_wanted": _Action(_edit(edits.set_wanted), _NODE | {"sample": _count, "value": _number}),
    "add_sample": _Action(_edit(edits.add_sample), {"like": _count}),
    "remove_sample": _Action(_edit(edits.remove_sample), {"sample": _count}),
    "undo": _Action(Session.undo),
    "redo": _Action(Session.redo),
    "train": _Action(Session.train),
    "pause": _Action(Session.pause),
    "step": _Action(Session.step),
    "configure": _Action(
        Session.configure, {}, {"optimizer": _OPTIMIZER, "learning_rate": _number, "batch_size": _count}
    ),
    "save": _Action(lambda session, **fields: {"saved": str(session.save(**fields))}, {}, {"file_name": _text}),
    "code": _Action(lambda session: {"code": session.code()}),
}


@dataclass(frozen=True, slots=True)
class Request:
    """A message that has been read."""

    id: int | None
    """what the answer is to carry"""
    action: str
    fields: dict[str, Any]

    def perform(self, session: Session) -> Reply:
        """What there is to answer; an EdgewiseError says why it could not be done."""
        return _ACTIONS[self.action].perform(session, **self.fields) or {}


def read(message: str | bytes) -> Request:
    """The request in a message; DataError saying what is wrong with it."""
    size = len(message) if isinstance(message, bytes) else len(message.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        raise DataError(f"the message has {size} bytes; at most {MAX_BYTES} are read")
    try:
        content = json.loads(message)
    except (ValueError, RecursionError):
        raise DataError("the message is not JSON") from None
    if not isinstance(content, dict):
        raise DataError("a message is a JSON object with an action")
    number, action = content.pop("id", None), content.pop("action", None)
    if number is not None and (isinstance(number, bool) or not isinstance(number, int) or abs(number) > MAX_COUNT):
        raise DataError("the id of a message must be a whole number")
    if not isinstance(action, str) or action not in _ACTIONS:
        raise DataError(f"there is no action {_shown(action)}; use {', '.join(_ACTIONS)}")
    known = _ACTIONS[action].needed | _ACTIONS[action].optional
    for name in content:
        if name not in known:
            raise DataError(f"{action} has no field {_shown(name)}; it has {', '.join(known) or 'none'}")
    for name in _ACTIONS[action].needed:
        if name not in content:
            raise DataError(f"{action} lacks the field {name!r}")
    try:
        return Request(number, action, {name: _checked(known[name], name, given) for name, given in content.items()})
    except _Wrong as wrong:
        raise DataError(f"{action}: {wrong}") from None


def answer(session: Session, message: str | bytes) -> Reply:
    """What a message asks, done, and the answer to it: `id` of the message, `error`, None if it went well, and more."""
    number = None
    try:
        request = read(message)
        number = request.id
        return {"id": number, "error": None} | request.perform(session)
    except EdgewiseError as error:
        return {"id": number, "error": str(error)}


def _checked(check: Check, name: str, given: Any) -> Any:
    try:
        return check(given)
    except _Wrong as wrong:
        raise _Wrong(f"{name} must be {wrong}, not {_shown(given)}") from None


def _shown(given: Any) -> str:
    text = repr(given)
    return text if len(text) <= 60 else text[:57] + "..."
