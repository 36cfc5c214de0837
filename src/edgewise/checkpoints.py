"""Checkpoints: all that a run of training needs to go on as if it had never stopped, in one file.

The file is a safetensors file: arrays, and in its header a JSON object with the numbers, the settings that decide the
steps, and a checksum of the arrays. It is written under a temporary name and takes the place of the one before, which
is kept as NAME.previous: if a file turns out to be damaged, training goes on from that.
"""

import json
import os
import warnings
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from edgewise.arrays import checksum
from edgewise.errors import FormatError
from edgewise.formats import atomic, safetensors
from edgewise.optimizers import check_number

VERSION = 2


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Where training saves its state, and how often: after every so many steps, and every so many minutes."""

    path: str | PathLike[str]
    steps: int | None = None
    minutes: float | None = 5.0

    def __post_init__(self) -> None:
        if self.steps is not None:
            check_number("steps", self.steps, 1, whole=True)
        if self.minutes is not None:
            check_number("minutes", self.minutes, 0)


def previous(path: str | PathLike[str]) -> Path:
    """Where the state before the last is kept."""
    return Path(f"{os.fspath(path)}.previous")


def write(path: str | PathLike[str], arrays: dict[str, Any], numbers: dict[str, Any]) -> None:
    """Save whole or not at all, keeping the state before; FormatError if it cannot be written."""
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    header = {"version": VERSION, "checksum": _checksum(arrays), **numbers}
    content = safetensors.library().numpy.save(arrays, metadata={"edgewise-checkpoint": json.dumps(header)})
    with atomic.replacing(path) as temporary:
        temporary.write_bytes(content)
        if Path(path).exists():
            _keep(Path(path))


def _keep(path: Path) -> None:
    """Make the last state the one before, leaving it where it is too for as long as there is no other."""
    twin = previous(path).with_name(f".{previous(path).name}.part")
    try:
        twin.unlink(missing_ok=True)
        os.link(path, twin)
        os.replace(twin, previous(path))
    except OSError:  # a file system without links
        os.replace(path, previous(path))


def read(path: str | PathLike[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Arrays and numbers of the last state that can be read; if that is the one before the last, a warning says so and
    it takes the place of the last.

    FormatError if there is none.
    """
    try:
        return _read(Path(path))
    except FormatError as error:
        if not previous(path).exists():
            raise
        found = _read(previous(path))
        warnings.warn(f"{error}; training goes on from the state saved before it", RuntimeWarning, stacklevel=2)
        os.replace(previous(path), path)  # lest the next state makes the damaged one its previous
        return found


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        raise FormatError(f"cannot read the checkpoint {path}: {getattr(error, 'strerror', None) or error}") from None
    try:
        arrays = safetensors.library().numpy.load(content)
        numbers = safetensors.metadata(content, "edgewise-checkpoint")
        whole = numbers["version"] == VERSION and numbers["checksum"] == _checksum(arrays)
    except FormatError:
        raise
    except Exception as error:  # the library's own error type is not part of its promise
        raise FormatError(f"the checkpoint {path} is damaged, or is none: {error}") from None
    if not whole:
        raise FormatError(f"the checkpoint {path} is damaged, or of another version of Edgewise")
    return arrays, numbers


def _checksum(arrays: dict[str, Any]) -> int:
    return checksum(*(arrays[name] for name in sorted(arrays)))
