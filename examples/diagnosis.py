"""What is wrong with a network that does not learn, before and after its cause is removed."""

from sklearn.datasets import load_digits

import edgewise as ew

images, labels = load_digits(return_X_y=True)
x = images / 16
for activation in ("sigmoid", "relu"):
    net = ew.mlp([64, 32, 32, 32, 32, 32, 32, 10], activation=activation, seed=0)
    report = ew.diagnose(net, x[:256], labels[:256], loss="cross_entropy")
    found = [
        f"{finding.code}, because of {finding.cause}" for finding in report.findings if finding.severity == "error"
    ]
    history = ew.fit(net, x, labels, epochs=10, progress=False)
    print(f"{activation}: {'; '.join(found) or 'nothing serious'}; accuracy after 10 epochs {history.metric[-1]:.2f}")
