"""A network from an edge list: skip arcs, a product node, two outputs; its values, gates and sensitivities."""

import numpy as np

import edgewise as ew

net = ew.Network(
    tail=["x", "z", "x", "h", "h", "p"],
    head=["h", "h", "p", "p", "out1", "out2"],
    weight=[0.5, -1.0, 1.0, 2.0, 1.0, 0.3],
    bias=[0, 0, 0.1, 0, 0, 0.2],
    names=["x", "z", "h", "p", "out1", "out2"],
    activation=["identity", "identity", "tanh", "identity", "sigmoid", "relu"],
    aggregation=["sum", "sum", "sum", "product", "sum", "sum"],
)
print(net)

batch = np.array([[1.0, 0.5], [-0.2, 0.8], [0.3, 0.3]])
bwd = net.backprop(batch, target=["out1", "out2"])
print("sensitivity has a target, a sample and a node axis:", bwd.sensitivity.shape)
for t, target in enumerate(("out1", "out2")):
    shown = ", ".join(
        f"S({name},{target}) = {s:+.4f}" for name, s in zip(net.names, bwd.sensitivity[t, 0], strict=True)
    )
    print(shown)

loss = net.backprop(batch, y=[[0.5, 0.0], [0.4, 0.1], [0.6, 0.2]], loss="squared_error")
print(f"mean loss {loss.loss:.6f}; weight gradient {np.round(loss.weight_gradient, 4)}")
