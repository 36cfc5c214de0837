"""The learning curves as a picture."""

import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgewise.errors import MissingDependencyError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TRAINING, VALIDATION, QUIET = "#1f6f8b", "#d1603d", "#555555"


def learning_curves(
    epoch: Sequence[int],
    *,
    loss: Sequence[float],
    validation_loss: Sequence[float],
    metric: Sequence[float],
    validation_metric: Sequence[float],
    metric_name: str,
    best_epoch: int | None,
    title: str,
) -> bytes:
    """A PNG: the loss (logarithmic where all of it is positive) above, the metric below, the best epoch marked.

    All sequences run over the epochs; an empty one is left out. Touches no global state of matplotlib.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingDependencyError("matplotlib", "cli", "drawing learning curves") from None
    figure = Figure(figsize=(7.2, 5.6), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    rows = [("loss", loss, validation_loss), (metric_name, metric, validation_metric)]
    rows = [row for row in rows if len(row[1]) or len(row[2])]
    axes = figure.subplots(len(rows), 1, sharex=True, squeeze=False)[:, 0]
    for axis, (name, training, validation) in zip(axes, rows, strict=True):
        draw(axis, epoch, name, training, validation, best_epoch)
    axes[0].legend(frameon=False)
    # dollar signs in a file's name are no mathematics
    axes[0].set_title(title, loc="left", parse_math=False)
    axes[-1].set_xlabel("epoch")
    axes[-1].xaxis.get_major_locator().set_params(integer=True)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def draw(
    axis: "Axes",
    epoch: Sequence[int],
    name: str,
    training: Sequence[float],
    validation: Sequence[float],
    best_epoch: int | None,
) -> None:
    """One quantity on one pair of axes; a loss logarithmic where all of it is positive."""
    dot = "." if len(epoch) < 3 else ""  # one epoch alone would draw no line
    if len(training):
        axis.plot(epoch, training, color=TRAINING, label="training", marker=dot)
    if len(validation):
        axis.plot(epoch, validation, color=VALIDATION, label="validation", marker=dot)
    values = [v for v in (*training, *validation) if math.isfinite(v)]
    if name == "loss" and values and min(values) > 0:
        axis.set_yscale("log")
    if best_epoch is not None:
        axis.axvline(best_epoch, color=QUIET, linewidth=1, linestyle=":", label=f"kept: epoch {best_epoch}")
    axis.set_ylabel(name)
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
