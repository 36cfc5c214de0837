"""A training run as the view's data: from the folder that training wrote, and a table, to what its report shows."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgewise import data, prepared, streams
from edgewise.arrays import FloatArray
from edgewise.diagnosis import diagnose, overview
from edgewise.errors import DataError, FormatError
from edgewise.prediction import Run
from edgewise.settings import read_settings
from edgewise.view import machine

SAMPLES = 1000
"""At most so many rows are looked at, evenly spread."""


def of_run(folder: Path, source: str | None = None) -> dict[str, Any]:
    """What the view shows of a run: learning curves, scores, and the diagnosis of its network over rows of a table.

    source : a table with the columns of training, the target among them; None is the rows that were held out.

    FormatError if the folder is no run, DataError if the table does not fit.
    """
    run = Run.load(folder)
    x, y, which = samples(folder, run, source)
    report = diagnose(run.network, x, y, loss=run.loss)
    metrics = machine.read(folder / "metrics.json")
    return overview.of_report(
        report, curves=_curves(folder, metrics), facts=[*_scores(metrics, run), ("diagnosed over", which)]
    )


def samples(folder: Path, run: Run, source: str | None) -> tuple[FloatArray, NDArray[Any], str]:
    """(B, n_inputs), y and their name: rows of a table that has the target, or those that were held out."""
    return _held_out(folder, run) if source is None else _rows(run, source)


def _held_out(folder: Path, run: Run) -> tuple[FloatArray, NDArray[Any], str]:
    """Rows that training has not seen, found again as they were found then."""
    try:
        settings = read_settings(folder)
    except FormatError as error:
        raise FormatError(f"{error}; say which rows to look at with DATA") from None
    again = prepared.prepare(settings)
    if again.preprocessing != run.preprocessing:
        raise DataError(f"{settings.data} is no longer the table that was learnt from; say which rows with DATA")
    pieces = list(again.held_out(run.network))
    x, y = (np.concatenate([piece[k] for piece in pieces]) for k in (1, 2))
    rows = _spread(len(x))
    return x[rows], y[rows], f"{len(rows):,} of {len(x):,} rows held out of {settings.data}"


def _rows(run: Run, source: str) -> tuple[FloatArray, NDArray[Any], str]:
    """Rows of any table that has the target."""
    if streams.too_large(source):
        raise DataError(f"{source} is larger than memory; {SAMPLES:,} of its rows are enough for a report")
    preprocessing, net = run.preprocessing, run.network
    names = [*(feature.name for feature in preprocessing.features), preprocessing.target.name]
    columns = data.all_columns(source, names)
    target = next(column for column in columns if column.name == preprocessing.target.name)
    known = np.flatnonzero(~target.missing)
    if not len(known):
        raise DataError(f"{source} has no row whose {target.name!r} is known; a report needs some")
    rows = known[_spread(len(known))]
    labels = preprocessing.labels(target, rows)
    y = prepared.encoded(labels, preprocessing, run.loss, net)
    return preprocessing.inputs(columns, rows).astype(net.dtype), y, f"{len(rows):,} of {len(known):,} rows of {source}"


def _spread(n: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, n - 1, min(n, SAMPLES)).astype(np.int64))


def _scores(metrics: dict[str, Any], run: Run) -> list[tuple[str, str]]:
    name = "r2" if run.preprocessing.classes is None else "accuracy"
    try:
        held_out, baseline = float(metrics["held_out"][name]), metrics["baseline"]
        shown = "R²" if name == "r2" else name
        return [
            ("learnt from", str(metrics["data"]["source"])),
            ("to say", run.preprocessing.target.name),
            (f"held-out {shown}", f"{held_out:.4f}"),
            ("baseline", f"{float(baseline[name]):.4f}, which always says {baseline['predicts']}"),
        ]
    except (KeyError, TypeError, ValueError):
        raise FormatError("the run's metrics.json does not hold its scores; train again") from None


def _curves(folder: Path, metrics: dict[str, Any]) -> dict[str, Any]:
    """The columns of history.csv, which metric that is, and the epoch that was kept."""
    path = folder / "history.csv"
    try:
        with open(path, encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        columns = {name: [float(row[name]) for row in rows] for name in (rows[0] if rows else {})}
        best = metrics["training"]["best_epoch"]
        if not {"epoch", "loss", "metric"} <= set(columns):
            raise ValueError("there are no columns epoch, loss and metric in it")
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror or error}") from None
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(f"{path} is no history of a run: {error}") from None
    return columns | {"best_epoch": best, "metric_name": "accuracy" if "accuracy" in metrics["held_out"] else "R²"}
