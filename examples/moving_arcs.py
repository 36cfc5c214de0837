"""Train a hundredth of the arcs, and let RigL move them to where the gradient is largest."""

from sklearn.datasets import load_digits

import edgewise as ew

x, y = load_digits(return_X_y=True)
x = (x - x.mean()) / x.std()
net = ew.mlp([64, 256, 256, 10], density=0.01, dtype="float32", seed=0)
settings = {
    "epochs": 40,
    "optimizer": ew.AdamW(0.01, weight_decay=0.05),
    "schedule": ew.Cosine(warmup=0.05),
    "validation": 0.25,
    "progress": False,
}
still = ew.fit(net.copy(), x, y, **settings)
moved = ew.fit(net, x, y, sparse=ew.sparse.RigL(every=50), **settings)
for name, history in (("arcs that stay", still), ("arcs that move", moved)):
    print(f"{name}: {history.network.n_edges} arcs, accuracy {history.validation_metric[-1]:.3f}")
