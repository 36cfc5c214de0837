"""What is asked of a training run, and the file that keeps it."""

import json
from dataclasses import dataclass, fields
from pathlib import Path

from edgewise.data import Task
from edgewise.errors import FormatError

SETTINGS = "settings.json"


@dataclass(frozen=True, slots=True)
class Settings:
    """What was asked for; None leaves the choice to the data."""

    data: str
    target: str | None = None
    task: Task | None = None
    hidden: tuple[int, ...] | None = None
    network: str | None = None
    activation: str | None = None
    loss: str | None = None
    epochs: int = 60
    batch_size: int = 32
    optimizer: str = "adamw"
    learning_rate: float = 2e-3
    schedule: str = "constant"
    weight_decay: float | None = None
    density: float = 1.0
    sparse: str = "none"
    accumulate: int = 1
    clip_norm: float | None = None
    l1: float = 0.0
    dropout: float = 0.0
    label_smoothing: float = 0.0
    average: float | None = None
    patience: int = 15
    seed: int = 0
    dtype: str = "float32"
    impute: bool = False
    test_share: float = 0.2
    stream: bool = False
    """Also where the data are small enough to be held in memory."""
    lanes: int | None = None
    """Of what is streamed."""


def read_settings(folder: Path) -> Settings:
    """Of the run whose folder this is; FormatError if it is none."""
    path = folder / SETTINGS
    try:
        content = json.loads(path.read_bytes())
        known = {f.name for f in fields(Settings)}
        if not isinstance(content, dict) or set(content) != known or not isinstance(content["data"], str):
            raise ValueError("its entries are not those of a run")
        hidden = content["hidden"]
        return Settings(**content | {"hidden": None if hidden is None else tuple(hidden)})
    except OSError as error:
        raise FormatError(f"{folder} is no run to go on with: cannot read {path}: {error.strerror or error}") from None
    except (ValueError, TypeError, RecursionError) as error:
        raise FormatError(f"{folder} is no run to go on with: {path} is damaged: {error}") from None
