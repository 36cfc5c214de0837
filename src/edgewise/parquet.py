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
from pathlib import Path
from typing import Any, Self
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from edgewise.errors import FormatError, MissingDependencyError
from edgewise.pieces import File, Piece, Rows, Values

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
BLOCKS, BLOCK_BYTES = 64, 1 << 12
"""What a file is known by, beside its footer: so many parts of it, evenly spread."""
PAGE_BYTES = 5 << 18
"""About what is held of a column between its rows: a page, which writers make of 1 MiB, and what is read ahead."""
READER_BYTES = 1 << 32
"""As much memory as the process that reads piece by piece may have; a page that needs more is an error."""


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


class ParquetFile(File):
    """A Parquet file; its groups are its row groups.

    Each pass has a process to itself, which then waits for the next pass. FormatError if the file cannot be read;
    MissingDependencyError without pyarrow.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        if not can_stream():
            raise MissingDependencyError("pyarrow", "parquet", "reading a Parquet file piece by piece")
        super().__init__(path)
        self._waiting: list[_Reader] = []
        weakref.finalize(self, _close_all, self._waiting)
        with ParquetReading(self, {}) as reading:
            said = reading.schema()
        self.kinds = dict(said["columns"])
        self.names = tuple(name for name, _ in said["columns"])
        self.group_rows = tuple(said["rows"])
        self.open_bytes = max(1, min(max(said["bytes"], default=0), len(self.names) * PAGE_BYTES))
        self.checksum = _checksum(self.path)
        if len(self.kinds) < len(self.names):
            twice = next(name for name in self.names if self.names.count(name) > 1)
            raise FormatError(f"{path} has two columns called {twice!r}; rename one")

    def read(self, columns: Sequence[str], rows: Sequence[Rows] | None = None) -> "ParquetReading":
        at_once = max(1, PIECE_BYTES // 8 // max(1, len(columns)))
        wanted = self.every_row() if rows is None else list(rows)
        return ParquetReading(self, {"columns": list(columns), "rows": wanted, "at_once": at_once})

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


class ParquetReading:
    """One pass over a file, see `pieces.Reading`."""

    def __init__(self, file: ParquetFile, wanted: dict[str, Any]) -> None:
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

    def __enter__(self) -> Self:
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
            [sys.executable, "-P", str(script), str(READER_BYTES)],
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


def _checksum(path: Path) -> int:
    """Of the footer, with the schema and the place, size and limits of every column of a row group, and of samples."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        file.seek(size - 8)
        footer = min(int.from_bytes(file.read(4), "little"), size - 8)
        parts = [(size - 8 - footer, footer), *((k * (size // BLOCKS), BLOCK_BYTES) for k in range(BLOCKS))]
        found = 0
        for first, n_bytes in parts:
            file.seek(first)
            found = crc32(file.read(n_bytes), found)
    return found


def _close_all(readers: list[_Reader]) -> None:
    for reader in readers:
        reader.close()
