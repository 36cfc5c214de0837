"""Files that appear whole or not at all: written under a temporary name in the same folder, then renamed."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path

from edgewise.errors import FormatError


@contextmanager
def replacing(path: str | PathLike[str]) -> Iterator[Path]:
    """A temporary path to write to, which takes the place of `path` when the block ends without an error.

    Whatever happens, no temporary file stays behind and an existing file at `path` is old or new, never half.
    FormatError if the file cannot be written.
    """
    final = Path(path)
    temporary: Path | None = None
    try:
        handle, name = tempfile.mkstemp(prefix=f".{final.name[:40]}.", suffix=".part", dir=final.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        if final.is_dir():
            raise IsADirectoryError(21, "it is a folder")
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, final)
        temporary = None
    except (OSError, ValueError) as error:
        if isinstance(error, FormatError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise FormatError(f"cannot write {final}: {reason}; choose a path that can be written") from None
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_text(path: str | PathLike[str], text: str) -> None:
    """Write text as UTF-8."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: str | PathLike[str], content: bytes) -> None:
    """Write bytes."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def make_folder(path: Path) -> None:
    """Make a folder and those it is in, as far as they are not there; FormatError if it cannot be."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise FormatError(f"cannot make the folder {path}: {getattr(error, 'strerror', None) or error}") from None
