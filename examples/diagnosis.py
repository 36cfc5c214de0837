"""What is wrong with a network that does not learn, and what it learns with the remedy that was best when tried."""

from sklearn.datasets import load_digits

import edgewise as ew

images, labels = load_digits(return_X_y=True)
x = images / 16
drawn = ew.mlp([64, 32, 32, 32, 32, 32, 32, 10], activation="sigmoid", seed=0)
report = ew.diagnose(drawn, x[:256], labels[:256], loss="cross_entropy")
print(report)

mended = ew.repair(drawn, x[:256], labels[:256], loss="cross_entropy")
for name, net in {"as drawn": drawn, f"with {report.trials[0].remedy}": mended}.items():
    history = ew.fit(net, x, labels, epochs=10, progress=False)
    print(f"{name}: accuracy after 10 epochs {history.metric[-1]:.2f}")
