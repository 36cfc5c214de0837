"""Who carries the gradient of a digit: the pixels, the hidden nodes and the paths with the largest shares."""

import numpy as np
from sklearn.datasets import load_digits

import edgewise as ew

images, labels = load_digits(return_X_y=True)
x = images / 16
net = ew.mlp([64, 32, 16, 10], activation="tanh", seed=0)
ew.fit(net, x, labels, epochs=15, progress=False)
for digit in (0, 1):
    of_class = x[labels == digit]
    found = ew.attribute(net, of_class, int(net.outputs[digit]), of="output", k=3)
    pixels = np.argsort(-found.node_share[net.inputs])[:3]
    shown = ", ".join(f"({i // 8}, {i % 8}) {found.node_share[i]:.0%}" for i in pixels.tolist())
    print(f"output {digit} over {len(of_class)} images of a {digit}: pixels (row, column) {shown}; paths")
    print(found)
