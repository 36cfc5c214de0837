"""Parquet files, read in a process of their own: whole, or piece by piece.

A damaged or hostile Parquet file can claim sizes that make its reader give up the whole process, not only the call.
In a child process that is an error like any other, and the caller lives on.
"""

import importlib.util
import io
import json
import os
import subprocess
import sys
import weakref
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise.errors import FormatError, MissingDependencyError

if sys.platform == "linux":
    import fcntl

_CHILD = """
import io, sys
import polars
frame = polars.read_parquet(io.BytesIO(sys.stdin.buffer.read()))
frame.write_ipc(sys.stdout.buffer, compression="uncompressed")
"""
_BROKE_OFF = "its reader broke off; the file is damaged"

PIECE_BYTES = 1 << 21
"""About what a piece takes, as numbers of 8 bytes."""
PIPE_BYTES = 1 << 20


def read(content: bytes) -> Any:
    """The polars DataFrame in the bytes of a Parquet file; FormatError saying why if it cannot be had."""
    import polars as pl

    # -P: nothing in the folder one happens to stand in is taken for polars
    child = subprocess.run([sys.executable, "-P", "-c", _CHILD], input=content, capture_output=True)
    if child.returncode == 0:
        return pl.read_ipc(io.BytesIO(child.stdout))
    said = child.stderr.decode("utf-8", "replace").strip().splitlines()
    raise FormatError(said[-1][:200] if said and child.returncode > 0 else _BROKE_OFF)


# ---- piece by piece ----


def can_stream() -> bool:
    """Whether what reads files piece by piece is installed."""
    return importlib.util.find_spec("pyarrow") is not None


@dataclass(frozen=True, slots=True)
class Values:
    """One column of a piece."""

    name: str
    kind: str
    """number, truth or word"""
    numbers: NDArray[Any]
    """(n,) numbers, NaN where missing; or for words the place of each in `words`, -1 where missing."""
    words: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Piece:
    """Some rows that follow each other."""

    first_row: int
    """How many rows of the file come before."""
    columns: tuple[Values, ...]


class File:
    """A Parquet file that is read piece by piece; it must stay as it is meanwhile.

    Each pass has a process to itself, which then waits for the next pass. FormatError if the file cannot be read;
    MissingDependencyError without pyarrow.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        if not can_stream():
            raise MissingDependencyError("pyarrow", "parquet", "reading a Parquet file piece by piece")
        self.path = Path(path)
        self._stamp = _stamp(self.path)
        self._waiting: list[_Reader] = []
        weakref.finalize(self, _close_all, self._waiting)
        with Reading(self, {}) as reading:
            said = reading.schema()
        self.kinds: dict[str, str] = dict(said["columns"])
        """By the names of the columns: number, truth or word; or in brackets what else one holds."""
        self.names: tuple[str, ...] = tuple(name for name, _ in said["columns"])
        self.group_rows: tuple[int, ...] = tuple(said["rows"])
        """Of each row group."""
        if len(self.kinds) < len(self.names):
            twice = next(name for name in self.names if self.names.count(name) > 1)
            raise FormatError(f"{path} has two columns called {twice!r}; rename one")

    @property
    def n_rows(self) -> int:
        return sum(self.group_rows)

    def read(self, columns: Sequence[str], groups: Sequence[int] | None = None) -> "Reading":
        """One pass over these row groups, all of them if None, in this order."""
        groups = range(len(self.group_rows)) if groups is None else groups
        rows = max(1, PIECE_BYTES // 8 // max(1, len(columns)))
        return Reading(self, {"columns": list(columns), "groups": list(groups), "rows": rows})

    def check_unchanged(self) -> None:
        """FormatError if it is not the file it was."""
        if _stamp(self.path) != self._stamp:
            raise FormatError(f"{self.path} was changed while it was being read; start again")

    def take_reader(self) -> "_Reader":
        """A process that waits, or else a new one."""
        while self._waiting:
            reader = self._waiting.pop()
            if reader.process.poll() is None:
                return reader
            reader.close()
        return _Reader(self.path)

    def give_back(self, reader: "_Reader") -> None:
        """One waits, more end."""
        if self._waiting:
            reader.close()
        else:
            self._waiting.append(reader)


class Reading:
    """One pass over a file: an iterator of pieces, to be closed, or used in a `with`."""

    def __init__(self, file: File, wanted: dict[str, Any]) -> None:
        file.check_unchanged()
        self._file = file
        self._reader = file.take_reader()
        self._done = self._closed = False
        self._reader.ask(wanted)

    def schema(self) -> dict[str, Any]:
        """The only answer where no rows are asked for."""
        said = self._reader.line()
        self._done = "end" in self._reader.line()
        return said

    def __iter__(self) -> Iterator[Piece]:
        try:
            while "end" not in (said := self._reader.line()):
                n = int(said["n"])
                yield Piece(
                    int(said["first_row"]),
                    tuple(
                        Values(name, kind, self._reader.numbers(n, dtype), None if words is None else tuple(words))
                        for name, kind, dtype, words in said["pieces"]
                    ),
                )
        except FormatError:
            self._file.check_unchanged()  # which is then what is to be said
            raise
        self._done = True
        self._file.check_unchanged()

    def stop(self) -> None:
        """End a pass that is not done, also while another thread waits for it."""
        if not self._done:
            self._reader.process.kill()

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._done:
            self._file.give_back(self._reader)
        else:
            self._reader.close()

    def __enter__(self) -> "Reading":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Reader:
    """The process, and what it says."""

    def __init__(self, path: Path) -> None:
        self._path = path
        script = Path(__file__).with_name("parquet_child.py")
        # -P: nothing in the folder of the script is taken for pyarrow
        self.process = subprocess.Popen(
            [sys.executable, "-P", str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"ARROW_DEFAULT_MEMORY_POOL": "system"},  # which gives back what is no longer used
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._asked, self._said = self.process.stdin, self.process.stdout
        if sys.platform == "linux":
            with suppress(OSError):  # a wider pipe saves turns between the processes
                fcntl.fcntl(self._said, fcntl.F_SETPIPE_SZ, PIPE_BYTES)

    def ask(self, wanted: dict[str, Any]) -> None:
        with suppress(BrokenPipeError):  # it shows when the answer is read
            self._asked.write(json.dumps({"path": str(self._path)} | wanted).encode("ascii") + b"\n")
            self._asked.flush()

    def line(self) -> dict[str, Any]:
        line = self._said.readline()
        if not line.endswith(b"\n"):
            raise self._error(_BROKE_OFF)
        said: dict[str, Any] = json.loads(line)
        if "error" in said:
            raise self._error(said["error"])
        return said

    def numbers(self, n: int, dtype: str) -> NDArray[Any]:
        found = np.empty(n, dtype)
        left = found.data.cast("B")
        while len(left):
            count = self._said.readinto(left)  # type: ignore[attr-defined]
            if not count:
                raise self._error(_BROKE_OFF)
            left = left[count:]
        return found

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._said.close()
        with suppress(BrokenPipeError):
            self._asked.close()

    def _error(self, reason: str) -> FormatError:
        return FormatError(f"cannot read {self._path} as Parquet: {reason}")


def _close_all(readers: list[_Reader]) -> None:
    for reader in readers:
        reader.close()


def _stamp(path: Path) -> tuple[int, int, int]:
    """By which a file is known to be unchanged."""
    try:
        found = path.stat()
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror or error}") from None
    except ValueError as error:  # a null character in the name
        raise FormatError(f"cannot read {str(path)!r}: {error}") from None
    return found.st_ino, found.st_size, found.st_mtime_ns
