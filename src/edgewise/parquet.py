"""Parquet files, read in a process of their own.

A damaged or hostile Parquet file can claim sizes that make its reader give up the whole process, not only the call.
In a child process that is an error like any other, and the caller lives on.
"""

import io
import subprocess
import sys
from typing import Any

from edgewise.errors import FormatError

_CHILD = """
import io, sys
import polars
frame = polars.read_parquet(io.BytesIO(sys.stdin.buffer.read()))
frame.write_ipc(sys.stdout.buffer, compression="uncompressed")
"""


def read(content: bytes) -> Any:
    """The polars DataFrame in the bytes of a Parquet file; FormatError saying why if it cannot be had."""
    import polars as pl

    # -P: nothing in the folder one happens to stand in is taken for polars
    child = subprocess.run([sys.executable, "-P", "-c", _CHILD], input=content, capture_output=True)
    if child.returncode == 0:
        return pl.read_ipc(io.BytesIO(child.stdout))
    said = child.stderr.decode("utf-8", "replace").strip().splitlines()
    reason = said[-1][:200] if said and child.returncode > 0 else "its reader broke off; the file is damaged"
    raise FormatError(reason)
