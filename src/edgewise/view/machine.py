"""JSON for programs: written strictly, with arrays as nested lists; and read."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from edgewise.errors import FormatError


def as_json(content: Any, *, indent: int | None = 2) -> str:
    """JSON text of plain data and arrays.

    Numbers that JSON does not know are the strings "inf", "-inf" and "nan"; whole numbers of more than 4,000 digits
    (paths can be that many) are strings of hexadecimal digits, "0x…", since programs refuse to read longer ones.
    """
    return json.dumps(_plain(content), indent=indent, allow_nan=False, ensure_ascii=False)


def _plain(content: Any) -> Any:
    if isinstance(content, np.ndarray | np.generic):
        return _plain(content.tolist())
    if isinstance(content, dict):
        return {str(key): _plain(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_plain(value) for value in content]
    if isinstance(content, float) and not math.isfinite(content):
        return str(content)
    if isinstance(content, int) and content.bit_length() > 13_000:
        return hex(content)
    return content


def read(path: Path) -> Any:
    """What a JSON file holds; FormatError if it cannot be read."""
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path} is not JSON: {error}") from None
