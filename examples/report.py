"""Why a network does not learn, as a page: findings, the gradient budget, maps of every node, and the pass itself."""

from sklearn.datasets import load_digits

import edgewise as ew

images, labels = load_digits(return_X_y=True)
x, y = images[:256] / 16, labels[:256]
net = ew.mlp([64, 32, 32, 32, 32, 10], activation="sigmoid", seed=0)
ew.diagnose(net, x, y, loss="cross_entropy").save("before.html")

mended = ew.repair(net, x, y, loss="cross_entropy")
report = ew.diagnose(mended, x, y, loss="cross_entropy")
report.save("after.html")
print("open before.html and after.html in a browser; what is found after it:")
print([finding.code for finding in report.findings])
