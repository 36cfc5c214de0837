"""Operators build a computational graph; the numbers are those of the README of Karpathy's micrograd."""

import edgewise as ew

a, b = ew.variables("a", "b")
c = a + b
d = a * b + b**3
c = c + c + 1
c = c + 1 + c + (-a)
d = d + d * 2 + ew.relu(b + a)
d = d + 3 * d + ew.relu(b - a)
e = c - d
f = e**2
g = f / 2.0
g = g + 10.0 / f

net = ew.graph(g, inputs=[a, b])
bwd = net.backprop({"a": -4.0, "b": 2.0})
print(net)
print(f"g = {bwd.output[0]:.4f}   dg/da = {bwd.input_gradient[0]:.4f}   dg/db = {bwd.input_gradient[1]:.4f}")
