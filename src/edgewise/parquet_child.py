"""Reads a Parquet file piece by piece, for `edgewise.parquet`, as a script of its own: it imports nothing of Edgewise.

The argument is how many bytes of memory it may have.

A line of JSON on stdin says what is wanted: {"path": …}, and for its rows also "rows", each with its row group, its
first, the one after its last, and its line; "at_once", the most in a piece; and "columns". On stdout come lines of
JSON; one with "pieces" is followed by the numbers of each column, one after another. The last line of an answer has
"end", or "error" with what went wrong.
"""

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from itertools import accumulate
from typing import Any

BUFFER_BYTES = 1 << 18
"""Read at once of each column: all that is held of a row group beside its piece."""


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the one who asks, who ends this process when done
    limit(int(sys.argv[1]))
    for line in sys.stdin.buffer:
        try:
            answer(json.loads(line))
            say({"end": True})
        except BrokenPipeError:
            return
        except MemoryError:
            say({"error": f"its reader needs more than {int(sys.argv[1]) >> 20:,} MiB, or than there is"})
        except Exception as error:
            say({"error": (str(error).strip() or type(error).__name__).splitlines()[0][:200]})


def limit(n_bytes: int) -> None:
    """Have the system give no more memory than this, where it knows of such a limit."""
    with suppress(ImportError, AttributeError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (n_bytes, n_bytes))


def say(message: dict[str, Any]) -> None:
    sys.stdout.buffer.write(json.dumps(message).encode("ascii") + b"\n")
    sys.stdout.buffer.flush()


def answer(wanted: dict[str, Any]) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    pa.set_cpu_count(1)
    # a stream of pages for each column: nothing is held of a row group but what the next rows need
    file = parquet.ParquetFile(
        wanted["path"], pre_buffer=False, buffer_size=BUFFER_BYTES, page_checksum_verification=True
    )
    metadata = file.metadata
    groups = [metadata.row_group(group) for group in range(metadata.num_row_groups)]
    n_rows = [group.num_rows for group in groups]
    if "rows" not in wanted:
        columns = [[field.name, kind(pa, field.type)] for field in file.schema_arrow]
        say({"columns": columns, "rows": n_rows, "bytes": [group.total_byte_size for group in groups]})
        return
    before = [0, *accumulate(n_rows)]
    held: dict[int, Rows] = {}
    for group, first, last, line in wanted["rows"]:
        here = held.pop(line, None)
        if here is None or here.group != group or here.place > first:
            here = Rows(group, file.iter_batches(wanted["at_once"], [group], wanted["columns"], use_threads=False))
        here.skip(first)
        while here.place < last:
            row = before[group] + here.place
            send(pa, here.take(last), wanted["columns"], row)
        if last < n_rows[group]:
            held[line] = here
        elif not here.at_end():
            raise ValueError(f"row group {group} holds more rows than it says")


class Rows:
    """The rows of a row group, from its first on."""

    def __init__(self, group: int, batches: Iterator[Any]) -> None:
        self.group, self.place = group, 0
        self._batches, self._left = batches, None

    def skip(self, to: int) -> None:
        while self.place < to:
            self.take(to)

    def at_end(self) -> bool:
        return self._left is None and next(self._batches, None) is None

    def take(self, end: int) -> Any:
        """Some more, but none from `end` on."""
        batch = next(self._batches, None) if self._left is None else self._left
        if batch is None:
            raise ValueError(f"row group {self.group} holds fewer rows than it says")
        n = min(batch.num_rows, end - self.place)
        self._left = batch.slice(n) if n < batch.num_rows else None
        self.place += n
        return batch.slice(0, n)


def kind(pa: Any, type_: Any) -> str:
    """number, truth or word; or in brackets what a column holds that can be none of them."""
    types = pa.types
    if types.is_boolean(type_):
        return "truth"
    if types.is_integer(type_) or types.is_floating(type_) or types.is_decimal(type_):
        return "number"
    held = type_.value_type if types.is_dictionary(type_) else type_
    if types.is_string(held) or types.is_large_string(held):
        return "word"
    return f"({type_})"


def send(pa: Any, batch: Any, names: list[str], first_row: int) -> None:
    import numpy as np

    told, buffers = [], []
    for name in names:
        column, words = batch.column(batch.schema.get_field_index(name)), None
        if kind(pa, column.type) == "word":
            if not pa.types.is_dictionary(column.type):
                column = column.dictionary_encode()
            words = column.dictionary.to_pylist()
            numbers = column.indices.cast(pa.int32()).fill_null(-1).to_numpy(zero_copy_only=False)
        else:
            if pa.types.is_boolean(column.type):
                column = column.cast(pa.uint8())
            narrow = column.type in (pa.float32(), pa.float16(), pa.int8(), pa.uint8(), pa.int16(), pa.uint16())
            column = column.cast(pa.float32() if narrow else pa.float64(), safe=False)
            # a missing number is one that is none
            numbers = column.fill_null(float("nan")).to_numpy(zero_copy_only=False)
        told.append([name, kind(pa, batch.schema.field(name).type), numbers.dtype.str, words])
        buffers.append(np.ascontiguousarray(numbers))
    say({"first_row": first_row, "n": batch.num_rows, "pieces": told})
    for numbers in buffers:
        sys.stdout.buffer.write(numbers.data.cast("B"))


if __name__ == "__main__":
    main()
