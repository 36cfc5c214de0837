"""The rules of the house, checked."""

import ast
import subprocess
import sys
from pathlib import Path

import edgewise as ew

SOURCE = Path(__file__).parent.parent / "src" / "edgewise"


def imported_names(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_few_modules_know_the_compiled_core():
    knowing = {
        str(path.relative_to(SOURCE))
        for path in SOURCE.rglob("*.py")
        if any(name.startswith("edgewise._core") for name in imported_names(path))
    }
    assert knowing == {"arrays.py", "config.py", "metrics.py", "plan.py", "engine/native.py"}


def test_import_needs_numpy_and_scipy_alone():
    code = (
        "import sys, edgewise; "
        "roots = {name.partition('.')[0] for name in sys.modules}; "
        "heavy = {'torch', 'rich', 'typer', 'polars', 'matplotlib', 'sklearn', 'safetensors', 'pandas', 'neat'}; "
        "heavy |= {'networkx', 'concurrent', 'xml'}; "
        "print(*sorted(roots & heavy))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []


def test_import_waits_for_nothing_that_few_programs_need():
    code = "import sys, edgewise; print(*(name for name in set(edgewise._LATER.values()) if name in sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []


def test_no_name_imported_later_is_hidden_by_a_module():
    """Importing edgewise.fit, if there were such a module, would make it what ew.fit is."""
    modules = {path.stem for path in SOURCE.iterdir()}
    assert {name for name in ew._LATER if name in modules} == {
        name for name, module in ew._LATER.items() if module == f"edgewise.{name}"
    }


def test_every_public_name_is_there_and_documented():
    for name in ew.__all__:
        assert getattr(ew, name).__doc__, name


def test_no_source_file_is_a_drawer():
    assert not [path for path in SOURCE.rglob("*.py") if path.stem in {"utils", "util", "helpers", "common", "misc"}]
