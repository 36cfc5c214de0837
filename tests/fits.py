"""Training runs, each of which leaves what came of it in a file: in one process, or in each of those that torchrun has
started. The arguments name those that are wanted, of all if there are none. See `test_processes`."""

import itertools
import json
import os
import signal
import sys
from contextlib import nullcontext, suppress
from pathlib import Path

import numpy as np
import polars as pl

import edgewise as ew
from edgewise import checkpoints, csv_file, csv_rows, csv_scan, parquet, processes
from edgewise.streams import TableStream

processes.SECONDS_BETWEEN = 0.0  # what they agree on, they agree on after every step
csv_scan.PIECE_BYTES = 3000
rng = np.random.default_rng(0)
x = rng.normal(size=(101, 12))
classes = (x[:, 0] * x[:, 1] > 0).astype(int) + (x[:, 2] > 1)
numbers = np.stack([x[:, 0] * x[:, 1], x[:, 2] ** 2 + 3, np.abs(x[:, 3])], axis=1)


def stream(seed=0):
    sizes = np.cumsum([0, 30, 1, 40, 9, 21])
    order = np.random.default_rng(seed).permutation(101)
    return [(x[order[a:b]], classes[order[a:b]]) for a, b in itertools.pairwise(sizes)]


def layers():
    return ew.mlp([12, 20, 16, 3], activation="tanh", density=0.3, seed=1)


def fit(together, *data, net=None, **settings):
    net = net or layers()
    settings = {
        "epochs": 4,
        "batch_size": 16,
        "progress": False,
        "validation": (x[: len(data[-1][:31])], data[-1][:31]),
    } | settings
    if len(data) == 1:
        settings["validation"] = stream(3)
    history = ew.fit(
        net, *data, loss="squared_error" if data[-1] is numbers else "cross_entropy", processes=together, **settings
    )
    return result(history)


def result(history):
    net = history.network
    found = {name: getattr(net, name) for name in ("tail", "head", "weight", "bias")}
    return found | {
        name: np.array(getattr(history, name))
        for name in ("epoch", "loss", "metric", "validation_loss", "validation_metric")
    }


def seen(together):
    looks, watch = [], ew.Watch(3)

    def look(record):
        x, y, _ = record.samples()
        backward = record.backward
        looks.append(
            [
                record.step,
                record.epoch,
                record.loss,
                record.n_samples,
                backward.loss,
                *backward.weight_gradient,
                x.sum(),
                (np.arange(len(y)) * y).sum(),
                len(x),
                len(record.samples(5)[0]),
            ]
        )

    found = fit(together, x, classes, dropout=0.2, accumulate=2, callbacks=[look, watch])
    moments = [[m.loss, m.open_gates, m.noise_scale, *m.levels.ravel(), *m.update_ratio] for m in watch.moments]
    return found | {"looks": np.array(looks), "moments": np.array(moments)}


def stopped_by_one(together):
    steps, last = [], together is None or together.rank == 1

    def stop(record):
        steps.append(record.step)
        return last and record.step == 10

    return fit(together, x, classes, callbacks=[stop]) | {"steps": np.array(steps)}


def changed(change, **settings):
    return lambda together: fit(together, x, classes, sparse=change, **settings)


def remembered(together):
    net, state = layers(), ew.OptimizerState()
    fit(together, x, classes, net=net, state=state, epochs=2)
    return fit(together, x, classes, net=net, state=state) | {"step": np.array(state.step), "moment": state.moments[0]}


class Stopped(Exception):
    pass


# ---- a file of which each process reads its share ----


class Reads:
    """Which groups of a file are read in each pass, and how many bytes of one are cut when it is gone through."""

    def __init__(self):
        self.passes, self.cut = [], 0
        for kind in (csv_file.CsvFile, parquet.ParquetFile):
            self.record(kind, kind.read)
        cut = csv_rows.cut

        def counted(*how):
            for first_byte, content in cut(*how):
                self.cut += len(content)
                yield first_byte, content

        csv_rows.cut = counted

    def record(self, kind, read):
        def recorded(file, columns, rows=None):
            self.passes.append(sorted({each.group for each in (file.every_row() if rows is None else rows)}))
            return read(file, columns, rows)

        kind.read = recorded


def table(together, suffix, n=1501):
    """Sorted, so that each share alone would teach something else; a copy for each process."""
    rng = np.random.default_rng(1)
    columns = {f"x{k}": column for k, column in enumerate(rng.normal(size=(4, n)).round(6))}
    columns["word"] = np.array(["few", "some", "many"])[np.sort(rng.integers(0, 3, n))]
    columns["y"] = np.where(columns["x0"] * columns["x1"] + (columns["word"] == "many") > 0.3, "up", "down")
    folder = Path("alone" if together is None else str(together.rank))
    folder.mkdir(exist_ok=True)
    path = folder / f"table{suffix}"
    if suffix == ".csv":
        pl.DataFrame(columns).write_csv(path)
    else:
        pl.DataFrame(columns).write_parquet(path, row_group_size=60)
    return path


def from_file(suffix, *, shared_learning=True, epochs=3, **more):
    """What is learnt, each in minibatches of 12."""

    def run(together):
        path = table(together, suffix)
        reads.passes.clear()
        reads.cut = 0
        learning = together if shared_learning else None
        source = TableStream(path, "y", buffer_bytes=48_000, dtype="float64", processes=learning)
        looks = []

        def look(record):
            x, y, weight = record.samples()
            looks.append([record.step, record.loss, record.n_samples, len(x), x.sum(), y @ np.arange(len(y))])
            looks[-1] += [record.backward.loss, *record.backward.bias_gradient, weight is None]
            if together is None or together.is_first:  # what one alone asks for
                assert len(record.samples(3)[0]) == min(3, len(x))

        look.every = 20
        net = ew.mlp([7, 12, 2], activation="tanh", density=0.6, seed=2)
        settings = {"epochs": epochs, "batch_size": 12, "validation": source.test, "progress": False} | more
        history = ew.fit(net, source, loss="cross_entropy", callbacks=[look], processes=together, **settings)
        learnt = json.dumps(source.preprocessing.to_dict()).encode()
        Path(f"reads{suffix}.{'alone' if together is None else together.rank}.json").write_text(
            json.dumps([reads.passes, reads.cut, len(source.file.group_rows), source.lanes.n])
        )
        return result(history) | {"looks": np.array(looks), "learnt": np.frombuffer(learnt, np.uint8).astype(int)}

    return run


def file_resumed(suffix):
    """Broken off in the middle of an epoch and of a chunk, and taken up again, to the bit."""

    def run(together):
        path = f"{'one' if together is None else together.size}{suffix}.state"

        def stop(record):
            if record.step == 130:
                raise Stopped

        def trained(**more):
            source = TableStream(table(together, suffix), "y", buffer_bytes=30_000, processes=together)
            net = ew.mlp([7, 12, 2], activation="tanh", dtype="float32", seed=2)
            history = ew.fit(
                net,
                source,
                loss="cross_entropy",
                epochs=3,
                batch_size=12,
                progress=False,
                dropout=0.1,
                processes=together,
                **more,
            )
            return net.weight.tobytes() + repr([history.loss, history.metric]).encode()

        with suppress(Stopped):
            trained(checkpoint=ew.Checkpoint(path, steps=25), callbacks=[stop])
        if together is not None:
            together.any(False)  # all have come so far, also the one that writes
        at = checkpoints.read(path)[1]
        assert at["steps"] == 125
        assert at["epoch"] == 1
        assert at["chunk"] > 0
        assert trained(resume=path) == trained()
        return {"at": np.array([at["steps"], at["epoch"]])}

    return run


def resumed(y, how):
    """Broken off in the middle of an epoch, and taken up again."""

    def run(together):
        whole = fit(together, x, y, average=0.9, sparse=ew.sparse.SET(every=5))
        path = f"{'one' if together is None else 'two'}.{how}.{y.ndim}.state"

        def stop(record):
            if how != "interrupt" and record.step == 17:
                raise Stopped
            if how == "interrupt" and record.step == 17 and (together is None or together.rank == 1):
                os.kill(os.getpid(), signal.SIGINT)

        checkpoint = ew.Checkpoint(
            path, **{"raise": {"steps": 5}, "interrupt": {"minutes": None}, "time": {"minutes": 0}}[how]
        )
        try:
            fit(
                together,
                x,
                y,
                average=0.9,
                sparse=ew.sparse.SET(every=5),
                checkpoint=checkpoint,
                callbacks=[stop],
                epochs=4,
            )
            raise AssertionError("it was not broken off")
        except (Stopped, KeyboardInterrupt):
            pass
        if together is not None:
            together.any(False)  # all have come so far, also the one that writes
        at = checkpoints.read(path)[1]
        found = fit(together, x, y, average=0.9, sparse=ew.sparse.SET(every=5), resume=path)
        for name in whole:
            assert whole[name].tobytes() == found[name].tobytes(), name
        return found | {"at": np.array([at["steps"], at["epoch"], at["place"] > 0])}

    return run


def said(make):
    """The error of each process."""

    def run(together):
        if together is None:
            return {}
        try:
            make(together)
        except ew.EdgewiseError as error:
            return {"error": np.array(str(error))}
        return {"error": np.array("none")}

    return run


def opened(suffix, more):
    """What a CSV file is found to be that has such a row near its end."""

    def run(together):
        path = table(together, ".csv").rename(f"opened{suffix}.{'alone' if together is None else together.rank}.csv")
        path.write_text(path.read_text() + more + path.read_text().partition("\n")[2][:1000].rpartition("\n")[0])
        try:
            file = csv_file.CsvFile(path, together)
            found = json.dumps([file.kinds, file.group_rows, file.checksum, str(file._odd)])
        except ew.FormatError as error:
            found = str(error).partition("as CSV: ")[2]
        except ew.DataError as error:
            found = str(error)
        return {"found": np.frombuffer(found.encode(), np.uint8)}

    return run


FITS = {
    "opened": opened("", ""),
    "opened odd": opened(" odd", "1,2,3,so,few,up\n"),
    "opened bad": opened(" bad", "1,2,3,4,few,up,7\n"),
    "seen": seen,
    "stopped": stopped_by_one,
    "state": remembered,
    "streamed": lambda together: fit(together, stream(), dropout=0.1),
    "streamed rigl": lambda together: fit(together, stream(), sparse=ew.sparse.RigL(every=4)),
    "rigl": changed(ew.sparse.RigL(every=4), dropout=0.2, patience=3),
    "rigl all": changed(ew.sparse.RigL(every=5, scope="all", end=1.0), optimizer=ew.SGD(0.1, momentum=0.9)),
    "set": changed(ew.sparse.SET(every=3, drop=0.5), average=0.9),
    "pruning": changed(ew.sparse.GradualPruning(0.1, initial=0.5, every=4), accumulate=2),
    "resumed": resumed(classes, "raise"),
    "resumed numbers": resumed(numbers, "raise"),
    "interrupted": resumed(numbers, "interrupt"),
    "timed": resumed(numbers, "time"),
    "small": lambda together: fit(together, x[:7], classes[:7], batch_size=32, dropout=0.2),
    "file.csv": from_file(".csv", dropout=0.1, accumulate=2, patience=2),
    "file.parquet": from_file(".parquet", sparse=ew.sparse.RigL(every=7), class_weight=[1.0, 2.0]),
    "file read by each": from_file(".pq", shared_learning=False, average=0.9, batch_size=1200, epochs=9),
    "file resumed.csv": file_resumed(".csv"),
    "file resumed.parquet": file_resumed(".parquet"),
    "other callbacks": said(lambda together: fit(together, x, classes, callbacks=[print] * together.rank)),
    "other checkpoints": said(
        lambda together: fit(together, x, classes, checkpoint="x" if together.is_first else None)
    ),
    "other rows": said(lambda together: fit(together, stream(together.rank))),
    "fewer rows": said(lambda together: fit(together, stream()[together.rank :])),
    "other labels": said(lambda together: fit(together, x, (classes + together.rank) % 3)),
    "other settings": said(lambda together: fit(together, x, classes, l1=0.1 * together.rank)),
    "other parameters": said(lambda together: fit(together, x, classes, net=ew.mlp([12, 3], seed=together.rank))),
}
there, reads = "RANK" in os.environ, Reads()
with processes.join() if there else nullcontext() as together:
    for name, run in FITS.items():
        if name in sys.argv[1:] or not sys.argv[1:]:
            np.savez(f"{name}.{together.rank if there else 'alone'}.npz", **run(together))
