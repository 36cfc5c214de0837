"""Scalars for TensorBoard: what each epoch measured, as event files in a folder."""

from pathlib import Path
from typing import Any

from edgewise.errors import FormatError, MissingDependencyError
from edgewise.history import EpochRecord


class Scalars:
    """For `with Scalars(folder) as scalars: fit(…, on_epoch=[scalars])`: loss, metric, learning rate, open gates and
    samples a second, after every epoch."""

    def __init__(self, folder: str | Path) -> None:
        try:
            from tensorboardX import SummaryWriter
        except ImportError:
            raise MissingDependencyError("tensorboardX", "tensorboard", "scalars for TensorBoard") from None
        try:
            self._writer: Any = SummaryWriter(str(folder), flush_secs=5)
        except OSError as error:
            raise FormatError(f"cannot write to {folder}: {error.strerror or error}") from None

    def __call__(self, record: EpochRecord) -> None:
        for name, value in record.to_dict().items():
            if name != "epoch":
                self._writer.add_scalar(name, value, record.epoch)

    def __enter__(self) -> "Scalars":
        return self

    def __exit__(self, *error: object) -> None:
        self._writer.close()  # which writes what still waits
