"""One training run on a table, from data to a report: what was learnt, beside the baseline, and how the gates stand.

`train` computes; on the way it writes nothing but what it needs to go on from. `write` puts the results into a folder.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from edgewise import checkpoints, data, formats, gates, losses, optimizers, parquet, schedules, sparse, streams
from edgewise.arrays import FloatArray
from edgewise.build import mlp
from edgewise.checkpoints import Checkpoint
from edgewise.data import Task
from edgewise.errors import DataError, FormatError
from edgewise.formats import atomic
from edgewise.history import EpochRecord, History
from edgewise.losses import Loss
from edgewise.network import Network
from edgewise.processes import Processes
from edgewise.scores import Score
from edgewise.streams import ParquetStream
from edgewise.training import fit
from edgewise.view import curves, machine

VALIDATION_SHARE = 0.1
"""Of the training part, to choose the epoch whose weights are kept."""
SAMPLES_MEASURED = 1000
"""At most this many held-out samples go into the table of levels, evenly spread."""
MAX_WIDTH = 1_000_000
OPTIMIZERS: dict[str, type[optimizers.SGD | optimizers.Adam | optimizers.AdamW]] = {
    "sgd": optimizers.SGD,
    "adam": optimizers.Adam,
    "adamw": optimizers.AdamW,
}


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


SETTINGS, CHECKPOINT = "settings.json", "checkpoint.safetensors"
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
class Level:
    """The nodes that lie at one depth from the inputs (longest path), over held-out samples; mean J as target."""

    level: int
    nodes: int
    activation: str
    mean_gate: float | None
    """Mean of Φ′; None for the inputs, which have no gate."""
    closed_gates: float | None
    """Share of the gates with |Φ′| < 5 % of the activation's largest (of 0 itself where that is unbounded)."""
    sensitivity: float
    """Root mean square of S(j, J)."""
    linear_sensitivity: float
    """Root mean square of S(j⁻, J)."""


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


Samples = tuple[FloatArray, NDArray[Any]]


class _Task(Protocol):
    """The data with everything decided but the network."""

    @property
    def preprocessing(self) -> data.Preprocessing: ...

    @property
    def loss(self) -> Loss: ...

    @property
    def rows(self) -> dict[str, int]:
        """Of the parts training, validation and held_out."""
        ...

    @property
    def most_frequent(self) -> int | None:
        """The class that most training rows are of; None for numbers."""
        ...

    def training(self, network: Network) -> tuple[Any, ...]:
        """(x, y) or (stream,), as `fit` takes them for this network."""
        ...

    def validation(self, network: Network) -> Samples: ...

    def held_out(self, network: Network) -> Iterable[Samples]:
        """A piece at a time, in an order that is always the same."""
        ...


@dataclass(frozen=True, slots=True)
class _InMemory:
    """A table, and which of its rows are in which part."""

    table: data.Table
    preprocessing: data.Preprocessing
    loss: Loss
    parts: dict[str, NDArray[Any]]

    @property
    def rows(self) -> dict[str, int]:
        return {name: len(rows) for name, rows in self.parts.items()}

    @property
    def most_frequent(self) -> int | None:
        if self.preprocessing.classes is None:
            return None
        return int(np.bincount(self.preprocessing.labels(self.table.target, self.parts["training"])).argmax())

    def training(self, network: Network) -> Samples:
        return self._part("training", network)

    def validation(self, network: Network) -> Samples:
        return self._part("validation", network)

    def held_out(self, network: Network) -> Iterable[Samples]:
        return [self._part("held_out", network)]

    def _part(self, name: str, network: Network) -> Samples:
        """(x, y) of these rows, as the network and the loss take them."""
        rows = self.parts[name]
        x = self.preprocessing.inputs(self.table.features, rows).astype(network.dtype)
        y = self.preprocessing.labels(self.table.target, rows)
        return x, data.encode_target(self.loss, _n_classes(self.preprocessing), y, network.n_outputs)


@dataclass(frozen=True, slots=True)
class _Streamed:
    """A Parquet file that is read piece by piece."""

    stream: ParquetStream
    loss: Loss

    @property
    def preprocessing(self) -> data.Preprocessing:
        return self.stream.preprocessing

    @property
    def rows(self) -> dict[str, int]:
        parts = self.stream.n_rows
        return {"training": parts["training"], "validation": parts["validation"], "held_out": parts["test"]}

    @property
    def most_frequent(self) -> int | None:
        counts = self.stream.class_counts
        return None if counts is None else int(np.argmax(list(counts.values())))

    def training(self, network: Network) -> tuple[ParquetStream]:
        return (self._encoded(network),)

    def validation(self, network: Network) -> Samples:
        return self._encoded(network).validation

    def held_out(self, network: Network) -> Iterable[Samples]:
        return self._encoded(network).test.chunks(0)

    def _encoded(self, network: Network) -> ParquetStream:
        return self.stream.encoded(self.loss, network.n_outputs)


def _n_classes(preprocessing: data.Preprocessing) -> int | None:
    return None if preprocessing.classes is None else len(preprocessing.classes)


def train(
    settings: Settings,
    *,
    folder: Path | None = None,
    checkpoint_every: int | None = None,
    resume: bool = False,
    on_epoch: Sequence[Callable[[EpochRecord], Any]] = (),
    progress: bool = False,
    processes: Processes | None = None,
) -> Report:
    """Read, split, preprocess, fit, measure. DataError, FormatError or GraphError say what does not fit.

    folder : where settings.json and a checkpoint are kept while training, made if need be; None keeps neither.
    checkpoint_every : steps between two states saved; None is every five minutes.
    resume : go on from the checkpoint in the folder.
    processes : those that train together, each called alike, with one folder that all can read and the first writes.
    """
    optimizer = _optimizer(settings)
    schedule, change = _schedule(settings), _change(settings)
    task = _prepare(settings)
    network = _network(settings, task)
    checkpoint = None
    if folder is not None:
        checkpoint = Checkpoint(folder / CHECKPOINT, steps=checkpoint_every)
        if processes is None or processes.is_first:
            _make(folder)
            atomic.write_text(folder / SETTINGS, machine.as_json(asdict(settings)) + "\n")
    history = fit(
        network,
        *task.training(network),
        loss=task.loss,
        optimizer=optimizer,
        schedule=schedule,
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        validation=task.validation(network),
        patience=settings.patience,
        accumulate=settings.accumulate,
        clip_norm=settings.clip_norm,
        l1=settings.l1,
        dropout=settings.dropout,
        average=settings.average,
        sparse=change,
        seed=settings.seed,
        checkpoint=checkpoint,
        resume=checkpoint.path if checkpoint is not None and resume else None,
        on_epoch=on_epoch,
        progress=progress,
        processes=processes,
    )
    assert history.network is not None
    network = history.network
    measured = _measure(task, network)
    if not np.isfinite(measured.loss):
        raise DataError(
            "training diverged: the network's outputs are no longer finite; try a smaller --learning-rate "
            f"than {settings.learning_rate:g}"
        )
    levels = measure_levels(network, *measured.samples, task.loss)
    target, classes = task.preprocessing.target, task.preprocessing.classes
    name = "r2" if classes is None else "accuracy"
    metrics = {
        "edgewise": version("edgewise"),
        "task": "regression" if classes is None else "classification",
        "data": {
            "source": settings.data,
            "target": target.name,
            "features": len(task.preprocessing.features),
            "inputs": network.n_inputs,
            "classes": None if classes is None else list(classes),
            "rows": task.rows,
        },
        "settings": _settings_used(settings, task.loss, optimizer.weight_decay)
        | {"stream": isinstance(task, _Streamed)},
        "network": {"nodes": network.n_nodes, "edges": network.n_edges, "levels": network.plan.n_levels},
        "training": {"epochs": len(history.epoch), "best_epoch": history.best_epoch},
        "held_out": {name: measured.score, "loss": measured.loss},
        "baseline": {name: measured.baseline, "predicts": measured.baseline_predicts},
        "levels": [asdict(level) for level in levels],
    }
    return Report(
        settings,
        network,
        task.preprocessing,
        history,
        measured.score,
        measured.baseline,
        measured.baseline_predicts,
        levels,
        metrics,
    )


def _optimizer(settings: Settings) -> optimizers.SGD | optimizers.Adam | optimizers.AdamW:
    if settings.optimizer not in OPTIMIZERS:
        raise DataError(f"there is no optimizer {settings.optimizer!r}; use {', '.join(OPTIMIZERS)}")
    decay = settings.weight_decay
    if decay is None:
        decay = DEFAULT_WEIGHT_DECAY if settings.optimizer == "adamw" else 0.0
    return OPTIMIZERS[settings.optimizer](learning_rate=settings.learning_rate, weight_decay=decay)


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


def _prepare(settings: Settings) -> _Task:
    given_loss = None if settings.loss is None else losses.get(settings.loss)
    if settings.seed < 0:
        raise DataError(f"the seed is {settings.seed}; it must be a whole number ≥ 0")
    if settings.stream or streams.too_large(settings.data):
        return _prepare_stream(settings, given_loss)
    table = data.load_table(settings.data, settings.target)
    task = data.decide_task(table.target, settings.task)
    loss = _loss(given_loss, task, table.target.name, settings.label_smoothing)
    labels = data.class_labels(table.target) if task == "classification" else None
    learn, held_out = data.split(table.n_rows, settings.test_share, settings.seed, labels)
    within, aside = data.split(len(learn), VALIDATION_SHARE, settings.seed, None if labels is None else labels[learn])
    parts = {"training": learn[within], "validation": learn[aside], "held_out": held_out}
    preprocessing = data.Preprocessing.learn(table, parts["training"], task, impute=settings.impute)
    return _InMemory(table, preprocessing, loss, parts)


def _prepare_stream(settings: Settings, given_loss: Loss | None) -> _Streamed:
    streams.check_can_stream(settings.data)
    if settings.target is None:
        names = parquet.File(settings.data).names
        raise DataError(
            f"which column of {settings.data} is the target? Name it with --target; columns: {data.listed(names)}"
        )
    if not 0 < settings.test_share < 1:
        raise DataError(f"a share of {settings.test_share} leaves one part empty; it must lie between 0 and 1")
    stream = ParquetStream(
        settings.data,
        settings.target,
        task=settings.task,
        impute=settings.impute,
        validation_share=VALIDATION_SHARE * (1 - settings.test_share),
        test_share=settings.test_share,
        seed=settings.seed,
        dtype=settings.dtype,
    )
    if not all(stream.n_rows.values()):
        raise DataError(f"{settings.data} has too few rows ({stream.file.n_rows}) to be streamed; leave out --stream")
    task: Task = "regression" if stream.preprocessing.classes is None else "classification"
    return _Streamed(stream, _loss(given_loss, task, settings.target, settings.label_smoothing))


def _loss(given: Loss | None, task: Task, target: str, label_smoothing: float) -> Loss:
    loss = given or losses.get("cross_entropy" if task == "classification" else "squared_error")
    if label_smoothing:
        if loss.name != "cross_entropy":
            raise DataError(f"--label-smoothing is for cross_entropy; the loss is {loss.name}")
        loss = losses.cross_entropy(label_smoothing)
    if task == "regression" and loss.kind == "classification":
        raise DataError(
            f"the loss {loss.name} is for classes, but the target {target!r} is taken for numbers; "
            "choose another --loss, or --task classification"
        )
    return loss


def _network(settings: Settings, task: _Task) -> Network:
    """The network asked for, or a layerwise one that fits the data."""
    n_inputs, n_classes = len(task.preprocessing.input_names), _n_classes(task.preprocessing)
    allowed = data.outputs_needed(task.loss, n_classes)
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
            f"(from {len(task.preprocessing.features)} columns)"
        )
    if network.n_outputs not in allowed:
        what = "one number" if n_classes is None else f"{n_classes} classes"
        raise DataError(
            f"the network {settings.network} has {network.n_outputs} outputs, but {what} with {task.loss.name} "
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


# ---- measuring ----


@dataclass(frozen=True, slots=True)
class _Measured:
    """How the network does on the held-out rows."""

    loss: float
    """NaN if an output is not finite."""
    score: float
    baseline: float
    baseline_predicts: str
    samples: Samples
    """At most SAMPLES_MEASURED of them, evenly spread."""


def _measure(task: _Task, network: Network) -> _Measured:
    """A pass over the held-out rows, a piece at a time."""
    n = task.rows["held_out"]
    chosen = np.unique(np.linspace(0, n - 1, min(n, SAMPLES_MEASURED)).astype(int))
    score, kept, seen, loss = Score(task.most_frequent), [], 0, 0.0
    for x, y in task.held_out(network):
        output = network.forward(x).output
        if not np.isfinite(output).all():
            loss = np.nan
            break
        of_samples = network.backprop(x, y=y, loss=task.loss).loss_per_sample
        assert of_samples is not None
        loss += float(of_samples.sum(dtype=np.float64))
        if task.most_frequent is None:
            score.add(output[:, 0], y[:, 0])
        else:
            score.add(data.predicted_classes(output), _classes_of(y))
        here = chosen[(chosen >= seen) & (chosen < seen + len(x))] - seen
        kept.append((x[here], y[here]))
        seen += len(x)
    if np.isfinite(loss) and not score.has_meaning:
        raise DataError("the target is the same in every held-out row, so R² has no meaning; use a larger --test-share")
    if not np.isfinite(loss):
        return _Measured(np.nan, np.nan, np.nan, "", (np.empty(0), np.empty(0)))
    samples = np.concatenate([x for x, _ in kept]), np.concatenate([y for _, y in kept])
    target, most = task.preprocessing.target, task.most_frequent
    predicts = f"{target.mean:.6g}" if isinstance(target, data.NumberTarget) else target.classes[most or 0]
    return _Measured(loss / n, score.score, score.baseline, predicts, samples)


def _classes_of(y: NDArray[Any]) -> NDArray[Any]:
    """Class indices (B,) back from y as a loss takes it."""
    return y if y.ndim == 1 else data.predicted_classes(y)


def measure_levels(network: Network, x: FloatArray, y: NDArray[Any], loss: Loss) -> tuple[Level, ...]:
    """Gates and sensitivities of the loss, level by level, over at most SAMPLES_MEASURED of the samples."""
    chosen = np.unique(np.linspace(0, len(x) - 1, min(len(x), SAMPLES_MEASURED)).astype(int))
    run = network.backprop(x[chosen], y=y[chosen], loss=loss)
    closed = gates.closed(network, run.gate)
    plan = network.plan
    levels = []
    for level in range(plan.n_levels):
        nodes = plan.order[plan.level_start[level] : plan.level_start[level + 1]]
        neurons = nodes[~network.is_input[nodes]]
        kinds = sorted({network.activations[j] for j in neurons})
        levels.append(
            Level(
                level,
                len(nodes),
                "input" if not kinds else ", ".join(kinds),
                float(run.gate[:, neurons].mean()) if len(neurons) else None,
                float(closed[:, neurons].mean()) if len(neurons) else None,
                _rms(run.sensitivity[:, nodes]),
                _rms(run.linear_sensitivity[:, nodes]),
            )
        )
    return tuple(levels)


def _rms(values: FloatArray) -> float:
    return float(np.sqrt(np.square(values, dtype=np.float64).mean()))


# ---- writing ----


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


def has_begun(folder: Path) -> bool:
    """Whether there is a checkpoint to go on from."""
    path = folder / CHECKPOINT
    return path.exists() or checkpoints.previous(path).exists()


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise FormatError(f"cannot make the folder {folder}: {getattr(error, 'strerror', None) or error}") from None


def write(report: Report, folder: Path) -> dict[str, Path]:
    """Write everything into `folder`, made if need be, each file whole or not at all; what was written, by subject.

    FormatError if it cannot be written. Of the run's checkpoints the last stays, from which more epochs can be added.
    """
    _make(folder)
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
