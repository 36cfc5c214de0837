"""Where the rows of a CSV file end, and what is wrong with one that cannot be read; of bytes alone.

A row ends with a line break that has an even number of quotes before it, for that one is in no quoted field (RFC 4180).
So the file can be cut after any of these. It is cut once in each of its blocks of bytes, after the last one there. Of
each block no more need be known for that than how many quotes there are before it, so that several processes can do it.
"""

import os
from collections.abc import Iterator
from typing import IO

ROW_BYTES = 1 << 26
"""A row with more than this is taken for a quote that is not closed."""


class NotClosedError(Exception):
    """A quoted field goes on to the end of the file, or too far."""


def header(source: IO[bytes]) -> bytes:
    """The first row, with a line break at its end; blank lines before it are left out. Empty if there is none."""
    found = b""
    while line := source.readline(ROW_BYTES):
        found = found + line if found.strip(b"\r\n") else line
        if len(found) > ROW_BYTES:
            break
        if found.count(b'"') % 2 == 0 and found.strip(b"\r\n"):
            return found if found.endswith(b"\n") else found + b"\n"
    if found.strip(b"\r\n"):
        raise NotClosedError
    return b""


def blocks_of(source: IO[bytes], begin: int, block_bytes: int, rank: int, size: int) -> range:
    """Those of the `rank`-th of so many processes, of all blocks from `begin` to the end of the file."""
    n = -(-(source.seek(0, os.SEEK_END) - begin) // block_bytes)
    return range(rank * n // size, (rank + 1) * n // size)


def quotes(source: IO[bytes], begin: int, block_bytes: int, blocks: range) -> int:
    """How many there are in these blocks."""
    source.seek(begin + blocks.start * block_bytes)
    return sum(source.read(block_bytes).count(b'"') for _ in blocks)


def cut(
    source: IO[bytes], begin: int, block_bytes: int, blocks: range, quoted: bool, to_end: bool
) -> Iterator[tuple[int, bytes]]:
    """Pieces of whole rows, each with its place: those that end in these blocks, the last of the file at its end.

    begin : where the first row does, in bytes.
    quoted : whether the first block begins within quotes, as it does after an odd number of them.
    to_end : whether the last block is that of the file.
    """
    first_byte, left = _begun(source, begin, begin + blocks.start * block_bytes, quoted)
    for _ in blocks:
        more = source.read(block_bytes)
        quoted ^= more.count(b'"') % 2 == 1
        left += more
        end = _last_end(left, quoted)
        if end:
            yield first_byte, left[:end]
            first_byte, left = first_byte + end, left[end:]
        elif len(left) > ROW_BYTES:
            raise NotClosedError
    if not to_end:
        return
    if quoted:
        raise NotClosedError
    if left:
        yield first_byte, left


def _begun(source: IO[bytes], begin: int, place: int, quoted: bool) -> tuple[int, bytes]:
    """The row that has begun before this place, as far as that, and where it begins."""
    first_byte, known = place, 1 << 16
    while first_byte > begin:
        first_byte = max(begin, place - known)
        source.seek(first_byte)
        before = source.read(place - first_byte)
        end = _last_end(before, quoted)
        if end:
            return first_byte + end, before[end:]
        if known > ROW_BYTES:
            raise NotClosedError
        known *= 2
    source.seek(first_byte)
    return first_byte, source.read(place - first_byte)


def _last_end(content: bytes, quoted: bool) -> int:
    """Where the last row ends that does in these bytes; 0 if none does.

    quoted : whether they end within quotes.
    """
    end = content.rfind(b"\n") + 1
    odd = quoted ^ (content.count(b'"', end) % 2 == 1)
    while end and odd:
        before = content.rfind(b"\n", 0, end - 1) + 1
        odd ^= content.count(b'"', before, end) % 2 == 1
        end = before
    return end


def _rows(content: bytes) -> Iterator[bytes]:
    row = b""
    for line in content.splitlines(keepends=True):
        row += line
        if line.endswith(b"\n") and row.count(b'"') % 2 == 0:
            yield row
            row = b""
    if row:
        yield row


# ---- what is wrong ----


def fault(content: bytes, separator: str, n_values: int | None, first_row: int = 0) -> str | None:
    """What is wrong with the first row that cannot be read, or None if nothing shows.

    n_values : how many a row has at most; None for the header.
    """
    between = separator.encode()
    for row, line in enumerate(_rows(content), first_row + 1):
        place = "the header" if n_values is None else f"row {row}"
        try:
            line.decode()
        except UnicodeDecodeError as error:
            bad = line[error.start : error.end]
            return f"{place} is no UTF-8: it has the bytes {bad!r} after {line[: error.start].decode()[-20:]!r}"
        outside = line.rstrip(b"\r\n").split(b'"')[::2]
        after, before = outside[1:], outside[:-1]
        if any(text and not text.startswith(between) for text in after) or any(
            text and not text.endswith(between) for text in before
        ):
            return f"{place} has a quote within a value; such a value needs quotes around it, and its own doubled"
        found = sum(text.count(between) for text in outside) + 1
        if n_values is not None and found > n_values:
            return f"{place} has {found} values, and the header {n_values}"
    return None
