"""Training a sparse network with skip arcs on the two spirals, watching one gate through a callback."""

import numpy as np

import edgewise as ew

rng = np.random.default_rng(0)
turn = np.sqrt(rng.uniform(0, 1, 400)) * 3 * np.pi
side = rng.integers(0, 2, 400)
angle = turn + np.pi * side
x = np.stack([turn * np.cos(angle), turn * np.sin(angle)], axis=1) / 10 + rng.normal(0, 0.02, (400, 2))

net = ew.random_dag(80, 900, n_inputs=2, activation="tanh", seed=4)
open_gates = []


def watch(record):
    open_gates.append((record.backward.gate[:, ~net.is_input] > 0.05).mean())


history = ew.fit(
    net,
    x,
    side,
    loss="binary_cross_entropy",
    optimizer=ew.Adam(1e-2),
    epochs=80,
    batch_size=32,
    validation=0.2,
    seed=0,
    callbacks=[watch],
    progress=False,
)
print(f"loss {history.loss[0]:.4f} -> {history.loss[-1]:.4f}")
print(f"validation accuracy {history.validation_metric[-1]:.3f}")
print(f"open gates {open_gates[0]:.1%} -> {open_gates[-1]:.1%}")
