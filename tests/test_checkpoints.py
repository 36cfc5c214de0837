"""Checkpoints: a run that was stopped anywhere, by anything, ends with the bits of one that was not."""

import os
import resource
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import edgewise as ew
from edgewise import checkpoints

SETTINGS = {"epochs": 6, "batch_size": 8, "validation": 0.2, "patience": 4}
WAYS = {
    "adam": {},
    "reference": {"engine": "reference"},
    "momentum": {"optimizer": ew.SGD(0.05, momentum=0.9), "clip_norm": 1.0, "l1": 1e-3},
    "average": {"average": 0.9, "accumulate": 3},
    "plateau": {"schedule": ew.ReduceOnPlateau(patience=0), "optimizer": ew.Adam(0.1)},
    "cosine": {"schedule": ew.Cosine(warmup=0.2), "class_weight": [1.0, 2.0, 0.5]},
}


def blobs(n=150, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    return rng.normal(size=(n, 2)) + 1.5 * np.stack([np.cos(2 * y), np.sin(2 * y)], axis=1), y


def network():
    return ew.mlp([2, 17, 3], activation="tanh", dtype="float32", seed=1)


class Stopped(Exception):
    pass


def stop_after(step):
    def callback(record):
        if record.step == step:
            raise Stopped

    return callback


def same(a, b):
    return a.weight.tobytes() == b.weight.tobytes() and a.bias.tobytes() == b.bias.tobytes()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("step", [0, 3, 14, 15, 47])
def test_stopped_and_resumed_ends_with_the_same_bits(way, step, tmp_path):
    settings, path = {**SETTINGS, **WAYS[way]}, tmp_path / "state"
    whole, parts = network(), network()
    expected = ew.fit(whole, *blobs(), **settings)
    with pytest.raises(Stopped):
        ew.fit(
            parts, *blobs(), **settings, checkpoint=ew.Checkpoint(path, steps=5), callbacks=[stop_after(min(step, 29))]
        )
    fresh = network()
    fresh.weight[:] = 7  # the checkpoint has them all
    history = ew.fit(fresh, *blobs(), **settings, resume=path)
    assert same(fresh, whole)
    for name in ("loss", "metric", "validation_loss", "validation_metric", "learning_rate", "best_epoch"):
        assert getattr(history, name) == getattr(expected, name)
    again = network()
    assert ew.fit(again, *blobs(), **settings, resume=path).epoch == history.epoch  # nothing is left to do
    assert same(again, whole)


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_tied_biases_go_on_as_they_were(engine, tmp_path):
    def tied():
        return network().replace(bias_tie=np.arange(22) % 4)

    whole, parts, fresh = tied(), tied(), tied()
    settings = {**SETTINGS, "average": 0.9, "engine": engine}
    ew.fit(whole, *blobs(), **settings)
    with pytest.raises(Stopped):
        ew.fit(
            parts,
            *blobs(),
            **settings,
            checkpoint=ew.Checkpoint(tmp_path / "state", steps=5),
            callbacks=[stop_after(14)],
        )
    ew.fit(fresh, *blobs(), **settings, resume=tmp_path / "state")
    assert same(fresh, whole)
    assert len(set(fresh.bias[2:].tolist())) == 4


def test_epochs_may_be_added(tmp_path):
    whole, parts = network(), network()
    ew.fit(whole, *blobs(), epochs=7)
    ew.fit(parts, *blobs(), epochs=3, checkpoint=tmp_path / "state")
    history = ew.fit(parts, *blobs(), epochs=7, resume=tmp_path / "state")
    assert history.epoch == list(range(7))
    assert same(parts, whole)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 16}, "batch_size is 8 there and 16 here"),
        ({"seed": 1}, "seed is 0 there and 1 here"),
        ({"shuffle": False}, "seed is 0 there and None here"),
        ({"optimizer": ew.Adam(0.1)}, r"optimizer is Adam\(learning_rate=0.001.* there and Adam\(learning_rate=0.1"),
        ({"loss": ew.losses.cross_entropy(0.1)}, r"loss is \['cross_entropy', 0.0\] there"),
        ({"x": blobs(seed=3)[0]}, "checksum of the samples is"),
        ({"net": ew.mlp([2, 16, 3], dtype="float32")}, "checksum of the network is"),
        ({"net": network().replace(bias_tie=np.arange(22) % 4)}, "checksum of the network is"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused(changes, message, tmp_path):
    x, y = blobs()
    given = {"net": network(), "x": x, "y": y, "epochs": 1, "batch_size": 8}
    ew.fit(**given, checkpoint=tmp_path / "state")
    with pytest.raises(ew.DataError, match="is of another run: " + message):
        ew.fit(**given | changes, resume=tmp_path / "state")


def test_a_damaged_checkpoint_falls_back_to_the_one_before(tmp_path):
    path, whole, parts = tmp_path / "state", network(), network()
    ew.fit(whole, *blobs(), **SETTINGS)
    with pytest.raises(Stopped):
        ew.fit(parts, *blobs(), **SETTINGS, checkpoint=ew.Checkpoint(path, steps=5), callbacks=[stop_after(22)])
    content = path.read_bytes()
    for damaged in (content[:-100], content[:50], b"", content[:-4] + b"\x00\x00\x80\x7f", None):
        before = checkpoints.previous(path).read_bytes()
        path.write_bytes(damaged) if damaged is not None else path.unlink()
        resumed = network()
        with pytest.warns(RuntimeWarning, match="training goes on from the state saved before it"):
            ew.fit(resumed, *blobs(), **SETTINGS, resume=path)
        assert same(resumed, whole)
        checkpoints.previous(path).write_bytes(before)
    path.write_bytes(content[:-100])
    checkpoints.previous(path).unlink()
    with pytest.raises(ew.FormatError, match="is damaged"):
        ew.fit(network(), *blobs(), **SETTINGS, resume=path)
    with pytest.raises(ew.FormatError, match="cannot read the checkpoint"):
        ew.fit(network(), *blobs(), **SETTINGS, resume=tmp_path / "nothing")


def test_where_nothing_can_be_written_training_does_not_begin(tmp_path):
    net = network()
    before = net.weight.copy()
    with pytest.raises(ew.FormatError, match="cannot write"):
        ew.fit(net, *blobs(), checkpoint=tmp_path / "no" / "folder" / "state")
    assert np.array_equal(net.weight, before)


CHILD = """
import resource, sys, warnings
import numpy as np
import edgewise as ew
sys.path.insert(0, {tests!r})
from test_checkpoints import SLOW, big, network
net = big()
history = ew.fit(net, *SLOW["data"], **SLOW["settings"], {more})
np.savez(sys.argv[1], weight=net.weight, bias=net.bias)
"""
rng = np.random.default_rng(0)
SLOW = {
    "data": (rng.normal(size=(3000, 20)), rng.integers(0, 4, 3000)),
    "settings": {"epochs": 12, "batch_size": 10, "validation": 0.1, "optimizer": ew.Adam(0.01)},
}


def big():
    return ew.random_dag(300, 8000, n_inputs=20, n_outputs=4, activation="tanh", seed=0)


def child(out, path, more=""):
    text = CHILD.format(
        tests=os.path.dirname(__file__), more=more or f"checkpoint=ew.Checkpoint({str(path)!r}, steps=50)"
    )
    return subprocess.Popen([sys.executable, "-c", text, str(out)], stderr=subprocess.PIPE, text=True)


def finish(process):
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    return said


def resuming(path):
    return f"checkpoint=ew.Checkpoint({str(path)!r}, steps=50), resume={str(path)!r}"


@pytest.fixture(scope="module")
def uninterrupted():
    net = big()
    ew.fit(net, *SLOW["data"], **SLOW["settings"])
    return net


def test_killed_at_twenty_random_moments(tmp_path, uninterrupted):
    """With SIGKILL, again and again in one run: at last it is finished, and nobody can tell."""
    path, out = tmp_path / "state", tmp_path / "out.npz"
    moments = np.random.default_rng(5).uniform(0, 0.12, 20)
    for pause in moments:
        process = child(out, path, resuming(path) if path.exists() or checkpoints.previous(path).exists() else "")
        stamp = path.stat().st_mtime_ns if path.exists() else None
        while process.poll() is None and (not path.exists() or path.stat().st_mtime_ns == stamp):
            time.sleep(0.001)  # until training has begun
        time.sleep(pause)
        process.kill()
        process.communicate()
        if process.returncode != -signal.SIGKILL:  # it was faster, and is finished
            path.unlink()
            checkpoints.previous(path).unlink()
    finish(child(out, path, resuming(path)))
    with np.load(out) as found:
        assert found["weight"].tobytes() == uninterrupted.weight.tobytes()
        assert found["bias"].tobytes() == uninterrupted.bias.tobytes()


def test_ctrl_c_saves_the_state(tmp_path, uninterrupted):
    path, out = tmp_path / "state", tmp_path / "out.npz"
    process = child(out, path, f"checkpoint=ew.Checkpoint({str(path)!r}, minutes=None)")
    while not path.exists():
        time.sleep(0.001)
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert said.strip().endswith("KeyboardInterrupt")
    assert checkpoints.read(path)[1]["steps"] > 0
    finish(child(out, path, resuming(path)))
    with np.load(out) as found:
        assert found["weight"].tobytes() == uninterrupted.weight.tobytes()


def test_interrupted_by_a_listener_between_epochs(tmp_path):
    path, whole, parts = tmp_path / "state", network(), network()
    expected = ew.fit(whole, *blobs(), **SETTINGS)

    def interrupt(record):
        if record.epoch == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ew.fit(parts, *blobs(), **SETTINGS, checkpoint=path, on_epoch=[interrupt])
    history = ew.fit(parts, *blobs(), **SETTINGS, resume=path)
    assert history.epoch == expected.epoch
    assert history.loss == expected.loss
    assert same(parts, whole)


def test_a_full_disk_costs_no_training(tmp_path, uninterrupted, monkeypatch):
    """The kernel's own limit on the size of a file stands for the disk."""
    path, net = tmp_path / "state", big()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(record):
        if record.epoch == 2:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))

    try:
        with pytest.warns(RuntimeWarning, match="cannot write .* training goes on, the state saved before stays"):
            ew.fit(net, *SLOW["data"], **SLOW["settings"], checkpoint=path, on_epoch=[fill])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert same(net, uninterrupted)
    assert [p.name for p in tmp_path.iterdir()] == ["state"]
    assert checkpoints.read(path)[1]["epoch"] == 0


def test_settings_of_a_checkpoint():
    with pytest.raises(ew.DataError, match="steps must be a whole number at least 1, not 0"):
        ew.Checkpoint("x", steps=0)
    with pytest.raises(ew.DataError, match="minutes must be a number at least 0, not -1"):
        ew.Checkpoint("x", minutes=-1)
    with pytest.raises(ew.DataError, match="an average goes on in a checkpoint, not in a state"):
        ew.fit(network(), *blobs(), average=0.9, state=ew.OptimizerState())
