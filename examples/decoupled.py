"""The decoupled network: j⁻ carries the weights, j⁺ the gate, and the quantities are those of the coupled one."""

import numpy as np

import edgewise as ew

net = ew.random_dag(8, 14, n_inputs=2, activation="tanh", seed=1)
pair = net.decouple()
x = [0.4, -0.9]
coupled, split = net.backprop(x), pair.network.backprop(x)
print(f"{net.n_nodes} nodes and {net.n_edges} edges become {pair.network.n_nodes} and {pair.network.n_edges}")
for j in np.flatnonzero(~net.is_input):
    linear, activation = pair.linear[j], pair.activation[j]
    print(
        f"{pair.network.names[linear]:>3} S = {split.sensitivity[linear]:+.5f} = gate {coupled.gate[j]:.5f}"
        f" x S({pair.network.names[activation]}) {split.sensitivity[activation]:+.5f}"
    )
