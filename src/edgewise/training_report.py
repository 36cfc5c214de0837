"""One training run on a table, from data to a report: what was learnt, beside the baseline, and how the gates stand.

`train` computes; on the way it writes nothing but what it needs to go on from. `write` puts the results into a folder.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from edgewise import checkpoints, data, formats, optimizers, schedules, sparse
from edgewise.build import mlp
from edgewise.checkpoints import Checkpoint
from edgewise.errors import DataError
from edgewise.formats import atomic
from edgewise.history import EpochRecord, History
from edgewise.losses import Loss
from edgewise.mapped import prepared_together
from edgewise.measuring import Level, Measured, measure, measure_levels
from edgewise.network import Network
from edgewise.prepared import Prepared, Streamed, prepare
from edgewise.processes import Processes
from edgewise.run import Callback
from edgewise.settings import SETTINGS, Settings, read_settings
from edgewise.training import fit
from edgewise.view import curves, machine

__all__ = ["Level", "Report", "Settings", "has_begun", "measure_levels", "read_settings", "train", "write"]

MAX_WIDTH = 1_000_000
CHECKPOINT = "checkpoint.safetensors"
CHANGES: dict[str, Callable[[float], sparse.Change | None]] = {
    "none": lambda density: None,
    "rigl": lambda density: sparse.RigL(),
    "set": lambda density: sparse.SET(),
    "gradual": lambda density: sparse.GradualPruning(density),
}
"""What the command line knows by name, for a density."""
DEFAULT_HIDDEN = (64, 32)
DEFAULT_ACTIVATION = "relu"
DEFAULT_WEIGHT_DECAY = 0.3


@dataclass(frozen=True, slots=True)
class Report:
    """A trained network and what is known of it."""

    settings: Settings
    network: Network
    preprocessing: data.Preprocessing
    history: History
    score: float
    """Held-out accuracy or R²."""
    baseline: float
    """The same of predicting the most frequent class, or the mean, of the training part."""
    baseline_predicts: str
    levels: tuple[Level, ...]
    metrics: dict[str, Any]
    """All of it as plain data, as in metrics.json."""

    @property
    def score_name(self) -> str:
        return "R²" if self.preprocessing.classes is None else "accuracy"


# ---- training ----


def train(
    settings: Settings,
    *,
    folder: Path | None = None,
    checkpoint_every: int | None = None,
    resume: bool = False,
    callbacks: Sequence[Callback] = (),
    on_epoch: Sequence[Callable[[EpochRecord], Any]] = (),
    progress: bool = False,
    processes: Processes | None = None,
) -> Report:
    """Read, split, preprocess, fit, measure. DataError, FormatError or GraphError say what does not fit.

    folder : where settings.json and a checkpoint are kept while training, made if need be; None keeps neither.
    checkpoint_every : steps between two states saved; None is every five minutes.
    resume : go on from the checkpoint in the folder.
    callbacks, on_epoch, progress : as for `fit`.
    processes : those that train together, each called alike, with one folder that all can read and the first writes.
    """
    _optimizer(settings), _schedule(settings), _change(settings)  # which say what does not fit before data are read
    data_of: AbstractContextManager[Prepared]
    if processes is not None and folder is not None:
        data_of = prepared_together(settings, folder, processes)
    else:
        data_of = nullcontext(prepare(settings))
    with data_of as prepared:
        return _train(settings, prepared, folder, checkpoint_every, resume, callbacks, on_epoch, progress, processes)


def _train(
    settings: Settings,
    prepared: Prepared,
    folder: Path | None,
    checkpoint_every: int | None,
    resume: bool,
    callbacks: Sequence[Callback],
    on_epoch: Sequence[Callable[[EpochRecord], Any]],
    progress: bool,
    processes: Processes | None,
) -> Report:
    optimizer = _optimizer(settings)
    network = _network(settings, prepared)
    checkpoint = None
    if folder is not None:
        checkpoint = Checkpoint(folder / CHECKPOINT, steps=checkpoint_every)
        if processes is None or processes.is_first:
            atomic.make_folder(folder)
            atomic.write_text(folder / SETTINGS, machine.as_json(asdict(settings)) + "\n")
    history = fit(
        network,
        *prepared.training(network),
        loss=prepared.loss,
        optimizer=optimizer,
        schedule=_schedule(settings),
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        validation=prepared.validation(network),
        patience=settings.patience,
        accumulate=settings.accumulate,
        clip_norm=settings.clip_norm,
        l1=settings.l1,
        dropout=settings.dropout,
        average=settings.average,
        sparse=_change(settings),
        seed=settings.seed,
        checkpoint=checkpoint,
        resume=checkpoint.path if checkpoint is not None and resume else None,
        callbacks=callbacks,
        on_epoch=on_epoch,
        progress=progress,
        processes=processes,
    )
    assert history.network is not None
    network = history.network
    measured = measure(prepared, network)
    if not np.isfinite(measured.loss):
        raise DataError(
            "training diverged: the network's outputs are no longer finite; try a smaller --learning-rate "
            f"than {settings.learning_rate:g}"
        )
    levels = measure_levels(network, *measured.samples, prepared.loss)
    return Report(
        settings,
        network,
        prepared.preprocessing,
        history,
        measured.score,
        measured.baseline,
        measured.baseline_predicts,
        levels,
        _metrics(settings, prepared, optimizer.weight_decay, history, measured, levels),
    )


def _metrics(
    settings: Settings,
    prepared: Prepared,
    weight_decay: float,
    history: History,
    measured: Measured,
    levels: Sequence[Level],
) -> dict[str, Any]:
    """All that is known of a run, as plain data."""
    target, classes = prepared.preprocessing.target, prepared.preprocessing.classes
    name = "r2" if classes is None else "accuracy"
    network = history.network
    assert network is not None
    used = _settings_used(settings, prepared.loss, weight_decay) | {"stream": isinstance(prepared, Streamed)}
    return {
        "edgewise": version("edgewise"),
        "task": "regression" if classes is None else "classification",
        "data": {
            "source": settings.data,
            "target": target.name,
            "features": len(prepared.preprocessing.features),
            "inputs": network.n_inputs,
            "classes": None if classes is None else list(classes),
            "rows": prepared.rows,
        },
        "settings": used,
        "network": {"nodes": network.n_nodes, "edges": network.n_edges, "levels": network.plan.n_levels},
        "training": {"epochs": len(history.epoch), "best_epoch": history.best_epoch},
        "held_out": {name: measured.score, "loss": measured.loss},
        "baseline": {name: measured.baseline, "predicts": measured.baseline_predicts},
        "levels": [asdict(level) for level in levels],
    }


def _optimizer(settings: Settings) -> optimizers.SGD | optimizers.Adam | optimizers.AdamW:
    kind, decay = optimizers.named(settings.optimizer), settings.weight_decay
    if decay is None:
        decay = DEFAULT_WEIGHT_DECAY if kind is optimizers.AdamW else 0.0
    return kind(learning_rate=settings.learning_rate, weight_decay=decay)


def _change(settings: Settings) -> sparse.Change | None:
    if settings.sparse not in CHANGES:
        raise DataError(f"there is no way {settings.sparse!r} of changing arcs; use {', '.join(CHANGES)}")
    if settings.sparse == "none":
        return None
    if settings.density >= 1:
        raise DataError(f"--sparse {settings.sparse} needs a --density below 1: the share of the arcs that there are")
    return CHANGES[settings.sparse](settings.density)


def _schedule(settings: Settings) -> schedules.Schedule | None:
    if settings.schedule not in schedules.NAMED:
        raise DataError(f"there is no schedule {settings.schedule!r}; use {', '.join(schedules.NAMED)}")
    return schedules.NAMED[settings.schedule]


def _network(settings: Settings, prepared: Prepared) -> Network:
    """The network asked for, or a layerwise one that fits the data."""
    n_inputs, classes = len(prepared.preprocessing.input_names), prepared.preprocessing.classes
    n_classes = None if classes is None else len(classes)
    allowed = data.outputs_needed(prepared.loss, n_classes)
    if settings.network is None:
        hidden = DEFAULT_HIDDEN if settings.hidden is None else settings.hidden
        widest = max(hidden, default=1)
        if min(hidden, default=1) < 1 or widest > MAX_WIDTH:
            raise DataError(f"a hidden layer has 1 to {MAX_WIDTH:,} nodes, not {widest if widest > 1 else min(hidden)}")
        return mlp(
            [n_inputs, *hidden, allowed[0]],
            activation=settings.activation or DEFAULT_ACTIVATION,
            density=1.0 if settings.sparse == "gradual" else settings.density,
            seed=settings.seed,
            dtype=settings.dtype,
        )
    if settings.hidden is not None or settings.activation is not None:
        raise DataError("a network from --network has its own nodes: give no --hidden and no --activation with it")
    if settings.density < 1 and settings.sparse != "gradual":
        raise DataError(
            "a network from --network has its own arcs: give no --density with it, but for --sparse gradual"
        )
    network = formats.load(settings.network).astype(settings.dtype)
    if network.n_inputs != n_inputs:
        raise DataError(
            f"the network {settings.network} has {network.n_inputs} inputs, but {settings.data} makes {n_inputs} "
            f"(from {len(prepared.preprocessing.features)} columns)"
        )
    if network.n_outputs not in allowed:
        what = "one number" if n_classes is None else f"{n_classes} classes"
        raise DataError(
            f"the network {settings.network} has {network.n_outputs} outputs, but {what} with {prepared.loss.name} "
            f"needs {' or '.join(map(str, allowed))}"
        )
    return network


def _settings_used(settings: Settings, loss: Loss, weight_decay: float) -> dict[str, Any]:
    """The settings with the choices that were left to the data."""
    used = asdict(settings) | {"loss": loss.name, "weight_decay": weight_decay}
    if settings.network is None:
        used["hidden"] = list(DEFAULT_HIDDEN if settings.hidden is None else settings.hidden)
        used["activation"] = settings.activation or DEFAULT_ACTIVATION
    return used


# ---- writing ----


def has_begun(folder: Path) -> bool:
    """Whether there is a checkpoint to go on from."""
    path = folder / CHECKPOINT
    return path.exists() or checkpoints.previous(path).exists()


def write(report: Report, folder: Path) -> dict[str, Path]:
    """Write everything into `folder`, made if need be, each file whole or not at all; what was written, by subject.

    FormatError if it cannot be written. Of the run's checkpoints the last stays, from which more epochs can be added.
    """
    atomic.make_folder(folder)
    paths = {
        "network": folder / "network.json",
        "preprocessing": folder / "preprocessing.json",
        "history": folder / "history.csv",
        "metrics": folder / "metrics.json",
        "curves": folder / "learning-curves.png",
    }
    history = report.history
    picture = curves.learning_curves(
        history.epoch,
        loss=history.loss,
        validation_loss=history.validation_loss,
        metric=history.metric,
        validation_metric=history.validation_metric,
        metric_name={"r2": "R²"}.get(history.metric_name, history.metric_name),
        best_epoch=history.best_epoch,
        title=f"{Path(report.settings.data).name}: held-out {report.score_name} {report.score:.4f}",
    )
    formats.save(report.network, paths["network"])
    atomic.write_text(paths["preprocessing"], machine.as_json(report.preprocessing.to_dict()) + "\n")
    history.write_csv(paths["history"])
    atomic.write_text(paths["metrics"], machine.as_json(report.metrics) + "\n")
    atomic.write_bytes(paths["curves"], picture)
    checkpoints.previous(folder / CHECKPOINT).unlink(missing_ok=True)
    return paths
