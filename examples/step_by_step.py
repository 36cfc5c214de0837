"""The pass, step by step, in a browser: one HTML file of a network and what flows through it, also through training."""

import numpy as np

import edgewise as ew

net = ew.Network(
    tail=["x1", "x2", "x1", "h1", "h2", "x2"],
    head=["h1", "h1", "h2", "t", "t", "t"],
    weight=[0.8, -0.4, 0.3, 1.5, -0.7, 0.6],
    names=["x1", "x2", "h1", "h2", "t"],
    activation=["identity", "identity", "tanh", "relu", "sigmoid"],
)
x = np.array([[1.0, 0.5], [0.2, -1.0], [-1.5, 0.7]])
ew.save_page("pass.html", net, net.backprop(x, target="t"), title="One pass")

y = np.array([[1.0], [0.0], [1.0]])
moments = []


def keep(record):
    then = net.copy()
    moments.append((f"epoch {record.epoch}", then, then.backprop(x, y=y, loss="squared_error")))


ew.fit(net, x, y, loss="squared_error", optimizer=ew.SGD(0.5), epochs=20, on_epoch=[keep], progress=False)
ew.save_page("training.html", net, moments, title="Twenty epochs")
print("open pass.html and training.html in a browser")
