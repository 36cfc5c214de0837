"""Training on a Parquet file piece by piece, as if it were larger than memory, and predicting from what was learnt."""

import numpy as np
import polars as pl

import edgewise as ew
from edgewise import data
from edgewise.streams import ParquetStream

rng = np.random.default_rng(0)
n = 20_000
turn = rng.uniform(0, 3 * np.pi, n)
side = rng.integers(0, 2, n)
angle = turn + np.pi * side
table = pl.DataFrame(
    {
        "east": turn * np.cos(angle) + rng.normal(0, 0.1, n),
        "north": turn * np.sin(angle) + rng.normal(0, 0.1, n),
        "arm": np.where(side == 1, "first", "second"),
    }
)
table.write_parquet("galaxy.parquet", row_group_size=1000)

stream = ParquetStream("galaxy.parquet", target="arm", buffer_bytes=1 << 16)
print(f"{stream.n_rows['training']} rows to train, in chunks of {len(next(stream.chunks(0))[0])}")

net = ew.random_dag(80, 1200, n_inputs=2, n_outputs=2, activation="tanh", dtype="float32", seed=1)
history = ew.fit(
    net,
    stream,
    loss="cross_entropy",
    optimizer=ew.Adam(1e-2),
    schedule=ew.Cosine(),
    epochs=8,
    validation=stream.validation,
    progress=False,
)
print(f"validation accuracy {history.validation_metric[0]:.3f} -> {history.validation_metric[-1]:.3f}")

right = [data.predicted_classes(net.forward(x).output) == y for x, y in stream.test.chunks(0)]
print(f"test accuracy {np.concatenate(right).mean():.3f}")

new = data.columns(pl.DataFrame({"north": [0.0, 0.0], "east": [6.3, -6.3]}))  # one turn out
predicted = data.predicted_classes(net.forward(stream.preprocessing.inputs(new)).output)
print([stream.preprocessing.classes[k] for k in predicted])
