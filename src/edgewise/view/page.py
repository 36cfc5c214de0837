"""The view as one HTML file that needs nothing else: no network, no other file, no permission beyond its own script."""

import base64
import hashlib
import html as markup
import zlib
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

from edgewise.errors import FormatError
from edgewise.formats import atomic
from edgewise.network import Network
from edgewise.results import BackwardPass
from edgewise.view import machine, module, scene

SUFFIXES = (".html", ".htm")
LARGE = 500_000
"""Data of more characters are deflated."""

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main id="view"></main>
<noscript>This page is drawn by its own script, which this browser does not run.</noscript>
<script type="application/json" id="data">{data}</script>
<script type="module">{script}</script>
</body>
</html>
"""
_BODY = "body { margin: 0; } main { padding: 16px 24px; max-width: 1400px; margin: 0 auto; }\n"
_PAPER = (
    "html { background: #ffffff; } @media screen and (prefers-color-scheme: dark) { html { background: #0f1318; } }\n"
)


def html(data: dict[str, Any], *, title: str = "Edgewise", entry: str = "page.js", connect: Sequence[str] = ()) -> str:
    """The page that shows `data`, as `view.scene` makes it: one self-contained HTML text.

    Its content security policy lets it run this script alone and load nothing. entry : the file of `web/` that begins.
    connect : addresses that it may speak to nevertheless.
    """
    script = _safe(module.joined(entry))
    style = _PAPER + _BODY + module.css()
    policy = (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; "
        "base-uri 'none'; form-action 'none'" + (f"; connect-src {' '.join(connect)}" if connect else "")
    )
    return _PAGE.format(
        policy=policy,
        title=markup.escape(title),
        style=style,
        data=_stored(machine.as_json(data, indent=None)),
        script=script,
    )


def check_name(path: str | PathLike[str]) -> None:
    """FormatError unless a browser takes a file of this name for a page."""
    if Path(path).suffix.lower() not in SUFFIXES:
        raise FormatError(f"a page is written to .html, not to {str(path)!r}; give it a name that ends in .html")


def write(path: str | PathLike[str], data: dict[str, Any], *, title: str = "Edgewise") -> None:
    """Write the page of `data` to a file, whole or not at all; FormatError if it cannot be written, or is not .html."""
    check_name(path)
    atomic.write_text(path, html(data, title=title))


def save_page(
    path: str | PathLike[str],
    net: Network,
    steps: BackwardPass | Sequence[tuple[str, Network, BackwardPass]] | None = None,
    *,
    samples: int = scene.SAMPLES,
    title: str = "Edgewise",
) -> None:
    """Write the network, and a pass through it, as a page for any browser: one HTML file that needs nothing else.

    steps : a backward pass of one target or a loss; or several moments of training, each as (label, network, pass), the
        networks with the same arcs, the passes over the same samples. None shows the network alone.
    samples : the first so many are shown; fewer where there are so many numbers that the page would grow large.

    FormatError if it cannot be written, or is not .html, DataError if the passes are not of this kind.
    """
    write(path, scene.data(net, steps, samples=samples), title=title)


def _stored(text: str) -> str:
    """The data as JSON that HTML leaves alone; where they are large, one string that `page_data.js` reads."""
    if len(text) > LARGE:
        return f'"{base64.b64encode(zlib.compress(text.encode("utf-8"), 9)).decode("ascii")}"'
    return text.replace("<", "\\u003c")


def _safe(script: str) -> str:
    """The script, checked: nothing in it ends its element early."""
    if "</" in script or "<!--" in script:
        raise AssertionError("the view's script holds what HTML would read as the end of it")
    return script


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
