"""A session in a notebook: the page of `edgewise play` as a widget, whose messages anywidget carries."""

import json
import threading
import time
from typing import TYPE_CHECKING, Any

from edgewise.play import messages, page
from edgewise.play.session import Session
from edgewise.view import widget

if TYPE_CHECKING:
    from anywidget import AnyWidget

SECONDS_BETWEEN = 0.1
"""Between updates, while the session trains."""


def show(session: Session) -> "AnyWidget":
    """A widget in which the session is edited, until the widget is closed.

    Raises MissingDependencyError where anywidget is not installed.
    """
    shown = widget.show(page.data(*session.state()))
    changed = threading.Event()
    stop = session.listen(changed.set)

    def tell() -> None:
        while changed.wait() and shown.comm is not None:
            changed.clear()
            shown.data = widget.strictly_plain(page.data(*session.state()))
            time.sleep(SECONDS_BETWEEN)

    def hear(_: Any, content: Any, buffers: Any) -> None:
        shown.send(messages.answer(session, json.dumps(content)))

    def closed(change: Any) -> None:
        if change["new"] is None:
            stop()
            changed.set()  # for the thread to see it

    shown.on_msg(hear)
    shown.observe(closed, "comm")
    threading.Thread(target=tell, name="edgewise-play-widget", daemon=True).start()
    return shown
