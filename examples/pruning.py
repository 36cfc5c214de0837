"""Pruning a network of scikit-learn's digits to a twentieth of its arcs in one shot, and training what is left."""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import edgewise as ew

pixels, digit = load_digits(return_X_y=True)
x, x_test, y, y_test = train_test_split((pixels / 16).astype(np.float32), digit, random_state=0, stratify=digit)


def accuracy(net):
    return (net.forward(x_test).output.argmax(axis=1) == y_test).mean()


dense = ew.mlp([64, 128, 64, 10], seed=0, dtype="float32")
ew.fit(dense, x, y, epochs=20, seed=0, progress=False)
print(f"dense   {dense.n_edges:6} arcs   accuracy {accuracy(dense):.3f}")

pruned = ew.sparse.prune(dense, density=0.05).network
print(f"pruned  {pruned.n_edges:6} arcs   accuracy {accuracy(pruned):.3f}")

ew.fit(pruned, x, y, optimizer=ew.Adam(1e-2), epochs=40, seed=0, progress=False)
print(f"tuned   {pruned.n_edges:6} arcs   accuracy {accuracy(pruned):.3f}")
