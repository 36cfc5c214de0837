"""Training runs, each of which leaves what came of it in a file: in one process, or in each of those that torchrun has
started. See `test_processes`."""

import itertools
import os
import signal
from contextlib import nullcontext

import numpy as np

import edgewise as ew
from edgewise import checkpoints, processes

processes.SECONDS_BETWEEN = 0.0  # what they agree on, they agree on after every step
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


FITS = {
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
there = "RANK" in os.environ
with processes.join() if there else nullcontext() as together:
    for name, run in FITS.items():
        np.savez(f"{name}.{together.rank if there else 'alone'}.npz", **run(together))
