"""The lecture's notebooks run, print what they are kept with, and are kept without what is large."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parent.parent / "examples" / "lecture").glob("*.ipynb"))
LAST_DIGITS = re.compile(r"\d\.\d+e-1[0-9]|\d{3,}(?=e)|(?<=\d\.\d{3})\d+")


def printed(notebook):
    """What each cell prints, but for digits in which one processor may differ from the next."""
    return [
        LAST_DIGITS.sub("", "".join(output.text for output in cell.outputs if output.get("name") == "stdout"))
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def test_every_section_of_the_lecture_is_there():
    assert [path.stem[:2] for path in NOTEBOOKS] == ["1-", "2-", "3-", "4-", "5-", "6-"]


@pytest.mark.filterwarnings("default:::jupyter_client", "default:::zmq")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_and_prints_what_it_is_kept_with(path, tmp_path):
    kept = nbformat.read(path, 4)
    nbformat.validate(kept)
    run = nbformat.read(path, 4)
    NotebookClient(run, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert printed(run) == printed(kept)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_is_small(path):
    assert path.stat().st_size < 100_000
    for cell in nbformat.read(path, 4).cells:
        for output in cell.get("outputs", ()):
            assert output.output_type == "stream", "run again, and keep what is printed alone"
