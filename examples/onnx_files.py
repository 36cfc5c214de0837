"""A network as an ONNX file, in ONNX's own runtime and back: `pip install "edgewise[onnx]" onnxruntime`."""

import tempfile
from pathlib import Path

import numpy as np
import onnxruntime

import edgewise as ew

net = ew.random_dag(300, 3_000, n_inputs=10, n_outputs=4, activation="relu", dtype="float32", seed=0)
x = np.random.default_rng(0).normal(size=(32, 10)).astype(np.float32)

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder, "network.onnx")
    net.save(path)
    theirs = onnxruntime.InferenceSession(path).run(None, {"x": x})[0]
    again = ew.load(path)

ours = net.forward(x).output
print("onnxruntime:", "equal" if np.abs(theirs - ours).max() <= 1e-5 * np.abs(ours).max() else "different")
print("loaded again:", again)
history = ew.fit(again, x, np.tanh(x[:, :4]), epochs=50, progress=False)
print(f"trained on: loss {history.loss[0]:.3f} -> {history.loss[-1]:.3f}")
