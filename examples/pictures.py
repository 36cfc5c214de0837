"""Pictures of a network: for papers (matplotlib), for Graphviz, for Mermaid."""

import matplotlib

import edgewise as ew

matplotlib.use("Agg")  # to files, without a window
from matplotlib import pyplot as plt

net = ew.random_dag(24, 50, n_inputs=3, activation="tanh", seed=1)
x = [[0.7, -0.3, 1.2]]
bwd = net.backprop(x)

figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4), layout="constrained")
ew.plot.network(net, bwd, ax=left)
ew.plot.gates(net, bwd, ax=right)
figure.savefig("network.pdf")

net.save("net.dot")  # then: dot -Tsvg net.dot -o net.svg
with open("net.mmd", "w", encoding="utf-8") as file:
    file.write(ew.to_mermaid(net, bwd))
print("network.pdf, net.dot, net.mmd")
