"""`show_config` says what is in use, and EDGEWISE_ISA chooses it."""

import os
import subprocess
import sys

import numpy as np
import pytest

import edgewise as ew
from edgewise import _core

BYTES = {"avx512": 64, "avx2": 32, "baseline": 16, "neon": 16}


def shown(isa):
    return subprocess.run(
        [sys.executable, "-c", "import edgewise; edgewise.show_config()"],
        capture_output=True,
        env={**os.environ, "EDGEWISE_ISA": isa, "PYTHONIOENCODING": "utf-8"},
        encoding="utf-8",
    )


def test_everything_is_said(capsys):
    assert ew.show_config() is None
    rows = {line[:22].rstrip(): line[22:] for line in capsys.readouterr().out.splitlines()}
    assert list(rows) == [
        "Edgewise",
        "Python",
        "NumPy",
        "SciPy",
        "compiler of the core",
        "instruction set",
        "could be used here",
        "EDGEWISE_ISA",
        "register",
        "threads by default",
    ]
    assert all(rows.values())
    assert rows["NumPy"] == np.__version__
    assert rows["instruction set"] in rows["could be used here"].split(", ")
    assert int(rows["threads by default"]) >= 1


@pytest.mark.parametrize("isa", _core.instruction_sets())
def test_every_instruction_set_of_this_machine_can_be_asked_for(isa):
    out = shown(isa).stdout
    bits = 8 * BYTES[isa]
    assert f"instruction set       {isa}\n" in out
    assert f"EDGEWISE_ISA          {isa}\n" in out
    assert f"register              {bits} bits: {bits // 32} × float32, {bits // 64} × float64\n" in out


def test_the_widest_is_the_default():
    widths = [BYTES[isa] for isa in _core.instruction_sets()]
    assert widths == sorted(widths, reverse=True)
    assert f"instruction set       {_core.instruction_sets()[0]}\n" in shown("").stdout


def test_one_that_is_not_to_be_had_is_refused():
    found = shown("abacus")
    assert found.returncode == 1
    assert found.stderr.splitlines()[-1] == (
        "RuntimeError: EDGEWISE_ISA=abacus cannot be used here; this machine has " + ", ".join(_core.instruction_sets())
    )
