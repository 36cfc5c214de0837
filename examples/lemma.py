"""S(i,t) is the sum over all paths of the product of edge derivatives: counted, listed and verified."""

import edgewise as ew

net = ew.random_dag(12, 40, n_inputs=2, activation="tanh", seed=3)
x = [0.7, -0.3]
bwd = net.backprop(x)
source, target = int(net.inputs[0]), int(net.outputs[0])

print(f"{ew.count_paths(net, source, target)} paths from {source} to {target}; the strongest:")
for path in ew.top_paths(net, bwd, source, target, k=5):
    print(f"  {path.product:+.5f}  {' -> '.join(map(str, path.nodes))}")
total = sum(path.product for path in ew.top_paths(net, bwd, source, target, k=10**6))
print(f"sum over all of them {total:+.12f}")
print(f"S({source},{target})          {bwd.sensitivity[source]:+.12f}")
print(ew.verify(net, x))
