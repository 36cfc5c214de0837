"""Reads a Parquet file piece by piece, for `edgewise.parquet`, as a script of its own: it imports nothing of Edgewise.

The argument is how many bytes of memory it may have.

A line of JSON on stdin says what is wanted: {"path": …}, and for its rows also "groups", the row groups in order,
"rows", the most in a piece, and "columns". On stdout come lines of JSON; one with "pieces" is followed by the numbers
of each column, one after another. The last line of an answer has "end", or "error" with what went wrong.
"""

import json
import signal
import sys
from contextlib import suppress
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
    rows = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
    if "groups" not in wanted:
        say({"columns": [[field.name, kind(pa, field.type)] for field in file.schema_arrow], "rows": rows})
        return
    for group in wanted["groups"]:
        first_row = sum(rows[:group])
        if not rows[group]:
            continue
        for batch in file.iter_batches(wanted["rows"], [group], wanted["columns"], use_threads=False):
            send(pa, batch, wanted["columns"], first_row)
            first_row += batch.num_rows
        if first_row != sum(rows[: group + 1]):
            raise ValueError(f"row group {group} holds fewer rows than it says")


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
