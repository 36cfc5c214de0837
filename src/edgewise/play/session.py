"""A session of editing: the sketch, what can be undone, and training beside it, in a thread that can be paused."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgewise import activations, aggregations, formats, losses, optimizers
from edgewise.errors import DataError, EdgewiseError, FormatError
from edgewise.play import code
from edgewise.play.sketch import Sketch
from edgewise.play.trainer import Trainer, check_loss

if TYPE_CHECKING:
    from anywidget import AnyWidget

UNDO_DEPTH = 100
SAMPLES_SHOWN = 32
SECONDS_AT_ONCE = 0.03
"""About how long training keeps an edit waiting."""
SECONDS_BETWEEN = 0.001
"""In which whoever waits for the lock gets it."""


class Session:
    """What is being edited, for any number of onlookers; every method may be called from any thread.

    folder : where `save` writes; file_name : what it calls the network unless told otherwise.
    """

    def __init__(self, sketch: Sketch, *, folder: Path | None = None, file_name: str = "network.json") -> None:
        self.folder, self.file_name = Path.cwd() if folder is None else folder, file_name
        self._sketch, self._trainer = sketch, Trainer()
        self._past: list[Sketch] = []
        self._future: list[Sketch] = []
        self._lock = threading.RLock()
        self._wanted = threading.Event()
        self._closed = False
        self._thread: threading.Thread | None = None
        self._listeners: list[Callable[[], object]] = []
        self._trouble: str | None = None
        self.version = 0

    @property
    def sketch(self) -> Sketch:
        return self._sketch

    @property
    def training(self) -> bool:
        return self._wanted.is_set()

    # ---- edits ----

    def edit(self, change: Callable[[Sketch], Sketch]) -> None:
        """Put what `change` makes of the sketch in its place; if that raises, or has no passes, nothing changes."""
        with self._lock:
            after = change(self._sketch)
            if after is self._sketch:
                return
            after.backprop(slice(1))  # which says what does not fit
            self._remember()
            self._sketch = after
        self._changed()

    def undo(self) -> None:
        """Back to before the last edit, or before training began."""
        self._go(self._past, self._future, "undo")

    def redo(self) -> None:
        self._go(self._future, self._past, "redo")

    def _go(self, source: list[Sketch], other: list[Sketch], what: str) -> None:
        self.pause()
        with self._lock:
            if not source:
                raise DataError(f"there is nothing to {what}")
            other.append(self._sketch)
            self._sketch = source.pop()
        self._changed()

    def _remember(self) -> None:
        self._past.append(self._sketch)
        del self._past[:-UNDO_DEPTH]
        self._future.clear()

    # ---- training ----

    def configure(self, **settings: Any) -> None:
        """Of the training; see `Trainer.configure`."""
        with self._lock:
            self._trainer.configure(**settings)
        self._changed()

    def train(self) -> None:
        """Train until paused, in a thread of its own."""
        with self._lock:
            if self._wanted.is_set() or self._closed:
                return
            check_loss(self._sketch)
            self._remember()
            self._trouble = None
            self._wanted.set()
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="edgewise-play", daemon=True)
                self._thread.start()
        self._changed()

    def pause(self) -> None:
        """No step begins after this."""
        with self._lock:
            was = self._wanted.is_set()
            self._wanted.clear()
        if was:
            self._changed()

    def step(self) -> None:
        """One step of training."""
        with self._lock:
            after = self._trainer.steps(self._sketch, 1)
            self._remember()
            self._sketch, self._trouble = after, None
        self._changed()

    def close(self) -> None:
        """Training ends for good."""
        self._closed = True
        self._wanted.set()  # for the thread to see it
        if self._thread is not None:
            self._thread.join()
        self._wanted.clear()

    def _work(self) -> None:
        while self._wanted.wait() and not self._closed:
            with self._lock:
                if not self._wanted.is_set():
                    continue
                try:
                    self._sketch = self._trainer.run(self._sketch, SECONDS_AT_ONCE)
                except EdgewiseError as error:
                    self._trouble = str(error)
                    self._wanted.clear()
            self._changed()
            time.sleep(SECONDS_BETWEEN)

    # ---- onlookers ----

    def listen(self, listener: Callable[[], object]) -> Callable[[], None]:
        """Have it called after every change, from any thread; what is returned ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def _changed(self) -> None:
        self.version += 1
        for listener in list(self._listeners):
            listener()

    def show(self) -> "AnyWidget":
        """The page of `edgewise play` as a widget in a notebook: what is edited there is edited here.

        Raises MissingDependencyError without `edgewise[notebook]`.
        """
        from edgewise.play import notebook

        return notebook.show(self)

    def state(self) -> tuple[Sketch, dict[str, Any]]:
        """The sketch, and what else there is to show beside it, as plain data, both of one moment."""
        with self._lock:
            sketch, trainer = self._sketch, self._trainer
            net = sketch.network
            rows = slice(SAMPLES_SHOWN)
            return sketch, {
                "training": self.training,
                "epoch": trainer.epoch,
                "step": trainer.step,
                "learning_rate": trainer.learning_rate,
                "batch_size": trainer.batch_size,
                "optimizer": trainer.optimizer,
                "curve": {"step": [k for k, _ in trainer.curve], "loss": [loss for _, loss in trainer.curve]},
                "trouble": self._trouble,
                "can_undo": bool(self._past),
                "can_redo": bool(self._future),
                "target": sketch.target,
                "loss": sketch.loss,
                "n_samples": sketch.n_samples,
                "x": sketch.x[rows].tolist(),
                "y": sketch.y[rows].tolist(),
                "outputs_wanted": "class" if sketch.y.ndim == 1 else "number",
                "bias": net.bias.tolist(),
                "file_name": self.file_name,
                "choices": {
                    "activation": list(activations.names()),
                    "aggregation": list(aggregations.NAMES),
                    "loss": list(losses.NAMES),
                    "optimizer": list(optimizers.NAMED),
                },
            }

    def code(self) -> str:
        """Python code that makes this network; see `edgewise.play.code`."""
        return code.code(self._sketch)

    def save(self, file_name: str | None = None) -> Path:
        """Write the network into the folder; FormatError for a name that is not that of a file in it."""
        name = self.file_name if file_name is None else file_name
        if not name or name.startswith(".") or any(sign in name for sign in "/\\:\0") or len(name) > 200:
            raise FormatError(f"{name!r} is not the name of a file; give one such as network.json, without a folder")
        path = self.folder / name
        if path.is_symlink():
            raise FormatError(f"{name} is a link to another place; choose another name")
        formats.save(self._sketch.network, path)
        return path
