"""Training on a CSV file piece by piece, words with line breaks and all; and what is said of a value that is wrong."""

import csv
from pathlib import Path

import numpy as np

import edgewise as ew
from edgewise import data
from edgewise.streams import TableStream

rng = np.random.default_rng(0)
n = 30_000
with open("weather.csv", "w", encoding="utf-8", newline="") as file:
    writer = csv.writer(file)
    writer.writerow(["pressure", "humidity", "sky", "tomorrow"])
    columns = rng.normal(1013, 10, n), rng.uniform(20, 100, n), rng.integers(0, 2, n)
    for pressure, humidity, sky in zip(*columns, strict=True):
        wet = (humidity - 60) / 20 - (pressure - 1013) / 10 + (sky == 0)
        words = ("clouds,\nlow and grey", 'what a pilot calls "clear"')[sky]
        writer.writerow([f"{pressure:.2f}", f"{humidity:.1f}", words, "rain" if wet > 0 else "dry"])

stream = TableStream("weather.csv", target="tomorrow", buffer_bytes=1 << 17)
print(stream.n_rows, stream.file.kinds)

net = ew.mlp([4, 16, 2], activation="tanh", dtype="float32", seed=0)
ew.fit(net, stream, loss="cross_entropy", validation=stream.validation, epochs=3, progress=False)
right = [data.predicted_classes(net.forward(x).output) == y for x, y in stream.test.chunks(0)]
print(f"test accuracy {np.concatenate(right).mean():.3f}")

with open("weather.csv", "a", encoding="utf-8") as file:
    file.write("1013.2,,clear,dry\n")
try:
    TableStream("weather.csv", target="tomorrow")
except ew.DataError as error:
    print(error)
Path("weather.csv").unlink()
