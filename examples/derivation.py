"""The chain rule of one network, written out: as text, and as a LaTeX document to compile."""

from pathlib import Path

import edgewise as ew

net = ew.Network(
    tail=["x1", "x2", "h", "x2"],
    head=["h", "h", "t", "t"],
    weight=[0.8, -0.4, 1.5, 0.6],
    names=["x1", "x2", "h", "t"],
    activation=["identity", "identity", "relu", "square"],
)
x = {"x1": 1.0, "x2": 0.5}
print(ew.derive(net, x, wrt="x2"))

gradient = ew.derive(net, x, wrt=("x1", "h"), loss="squared_error", y=[1.0])
print(f"\nthe weight of x1 -> h has the gradient {gradient.value}, exactly: {gradient.exact}")
Path("derivation.tex").write_text(gradient.latex(document=True), encoding="utf-8")
