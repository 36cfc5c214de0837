"""Training that is stopped in the middle, and taken up again, ends with the same bits."""

import tempfile
from pathlib import Path

from sklearn.datasets import load_iris

import edgewise as ew

x, y = load_iris(return_X_y=True)


def network():
    return ew.mlp([4, 16, 3], activation="tanh", seed=0)


def stop(record):
    return record.epoch == 11  # as a power cut would, but kinder


with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "run.state"
    whole, parts = network(), network()
    ew.fit(whole, x, y, epochs=30, progress=False)
    ew.fit(parts, x, y, epochs=30, checkpoint=path, on_epoch=[stop], progress=False)
    history = ew.fit(network(), x, y, epochs=30, resume=path, progress=False)
    print("epochs:", len(history.epoch), "the same bits:", (history.network.weight == whole.weight).all())
