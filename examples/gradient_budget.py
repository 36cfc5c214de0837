"""Where the gradient goes: weights, gates and interference, level by level, before and after training."""

from sklearn.datasets import load_digits

import edgewise as ew

images, labels = load_digits(return_X_y=True)
x = images / 16
for activation in ("sigmoid", "relu"):
    net = ew.mlp([64, 48, 48, 48, 48, 10], activation=activation, seed=0)
    print(f"{activation}, as drawn")
    print(ew.gradient_budget(net, x, y=labels, loss="cross_entropy"))
    history = ew.fit(net, x, labels, epochs=15, progress=False)
    print(f"after {len(history.epoch)} epochs, accuracy {history.metric[-1]:.2f}")
    print(str(ew.gradient_budget(net, x, y=labels, loss="cross_entropy")).splitlines()[-1], end="\n\n")
