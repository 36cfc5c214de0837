"""Every code block of README and docs runs, and prints what it is said to print.

A ```python block runs in one namespace with the earlier ones of its page. A ```text block after it is what it prints.
In a ```console block, lines after "$ " are commands, run in an empty folder, the rest is what they print. The
README's two ```sh blocks install and test Edgewise; continuous integration runs those as they stand.
"""

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md"), ROOT / "CONTRIBUTING.md"])
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.S | re.M)
KINDS = {"python", "text", "console", "sh"}


# errors of the size of rounding, which differ from one processor to the next
ROUNDING = re.compile(r"\b(\d\.\de-(1[3-9]|[2-9]\d)|0\.0e\+00)\b")


def rows_of(text):
    return [ROUNDING.sub("(rounding)", row.rstrip()) for row in text.splitlines()]


def blocks(page):
    text = page.read_text(encoding="utf-8")
    return [
        (kind, body, text[: match.start()].count("\n") + 1)
        for match in BLOCK.finditer(text)
        for kind, body in [match.groups()]
    ]


def run_command(command, folder):
    words = shlex.split(command)
    assert words[0] == "edgewise", f"only edgewise commands are run: {command}"
    found = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"},
    )
    assert found.returncode == 0, found.stderr
    return found.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": "docs"}
    printed = None
    for kind, body, line in blocks(page):
        place = f"{page.name}:{line}"
        assert kind in KINDS, f"{place}: a block of kind {kind!r} is not run"
        if kind == "python":
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                exec(compile(body, place, "exec"), namespace)
            printed = output.getvalue()
        elif kind == "text":
            assert printed is not None, f"{place}: output without code before it"
            assert rows_of(printed) == rows_of(body), place
        elif kind == "console":
            parts = re.split(r"^\$ ", body, flags=re.M)[1:]
            assert parts, f"{place}: no command"
            for part in parts:
                command, _, expected = part.partition("\n")
                shown = run_command(command, tmp_path)
                if expected.strip():
                    assert rows_of(shown) == rows_of(expected), place


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http:", "https:")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"
