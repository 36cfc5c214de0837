"""What a page of a session is given, and the page itself."""

from typing import Any

from edgewise.play.session import SAMPLES_SHOWN
from edgewise.play.sketch import Sketch
from edgewise.view import page, scene


def data(sketch: Sketch, state: dict[str, Any]) -> dict[str, Any]:
    """The trait `data` of the view, with what its tools need under "play": of the samples those that are shown."""
    shown = scene.data(sketch.network, sketch.backprop(slice(SAMPLES_SHOWN)), samples=SAMPLES_SHOWN, live=True)
    shown["pass"]["n_samples"] = sketch.n_samples
    rows = slice(shown["pass"]["samples"])
    return shown | {"play": state | {"x": state["x"][rows], "y": state["y"][rows]}}


def html(content: dict[str, Any], port: int) -> str:
    """The page, which may speak to this port of this machine and to nobody else."""
    hosts = [f"ws://{host}:{port}" for host in ("127.0.0.1", "localhost")]
    return page.html(content, title="Edgewise: play", entry="play.js", connect=hosts)
