"""Networks as Graphviz DOT: levels from left to right, inputs as boxes, outputs with two rings, dashes below 0."""

from edgewise.formats import drawing
from edgewise.network import Network
from edgewise.results import BackwardPass


def to_dot(net: Network, bwd: BackwardPass | None = None, *, sample: int = 0) -> str:
    """The network in Graphviz's language; `dot -Tsvg` draws it.

    bwd : a pass over it, of one target; then nodes show y, Φ′ and S, arcs z, of one sample, and arcs are as wide as
        |z| is large, otherwise as |w| is.

    DataError if the pass is not over this network, or has no such sample.
    """
    shown = drawing.labels(net, bwd, sample)
    outputs = set(net.outputs.tolist())
    lines = [
        "digraph {",
        "  rankdir=LR; node [shape=circle, fontname=sans]; edge [fontname=sans, fontsize=10];",
    ]
    for j, label in enumerate(shown.nodes):
        shape = ", shape=box" if net.is_input[j] else ""
        rings = ", peripheries=2" if j in outputs else ""
        lines.append(f"  n{j} [label={_quoted(label)}{shape}{rings}];")
    lines += [
        f"  {{rank=same; {'; '.join(f'n{j}' for j in level)}}}" for level in drawing.levels(net) if len(level) > 1
    ]
    for e, (i, j) in enumerate(zip(net.tail.tolist(), net.head.tolist(), strict=True)):
        style = ", style=dashed" if net.weight[e] < 0 else ""
        width = 0.5 + 2.5 * shown.strength[e]
        lines.append(f"  n{i} -> n{j} [label={_quoted([shown.edges[e]])}, penwidth={width:.2f}{style}];")
    return "\n".join([*lines, "}"])


def _quoted(lines: list[str]) -> str:
    r"""A string in which nothing is an escape or an entity but the \n between lines."""
    escaped = (drawing.printable(line).replace("\\", "\\\\").replace('"', '\\"') for line in lines)
    return '"' + "\\n".join(line.replace("&", "&amp;") for line in escaped) + '"'


def encode(net: Network) -> bytes:
    """The file."""
    return f"{to_dot(net)}\n".encode()
