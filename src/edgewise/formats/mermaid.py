"""Networks as Mermaid flow charts, which GitHub and others draw in Markdown."""

from edgewise.formats import drawing
from edgewise.network import Network
from edgewise.results import BackwardPass


def to_mermaid(net: Network, bwd: BackwardPass | None = None, *, sample: int = 0) -> str:
    """The network as a Mermaid flow chart, from left to right; arcs of negative weight are dotted.

    bwd, sample : as for `to_dot`. Mermaid draws charts of up to 500 arcs unless its `maxEdges` is raised.

    DataError if the pass is not over this network, or has no such sample.
    """
    shown = drawing.labels(net, bwd, sample)
    outputs = set(net.outputs.tolist())
    lines = ["flowchart LR"]
    for j, label in enumerate(shown.nodes):
        text = "<br>".join(_plain(line) for line in label)
        left, right = ("[", "]") if net.is_input[j] else ("(((", ")))") if j in outputs else ("((", "))")
        lines.append(f'  n{j}{left}"{text}"{right}')
    for e, (i, j) in enumerate(zip(net.tail.tolist(), net.head.tolist(), strict=True)):
        arrow = "-.->" if net.weight[e] < 0 else "-->"
        lines.append(f'  n{i} {arrow}|"{_plain(shown.edges[e])}"| n{j}')
    return "\n".join(lines)


def _plain(text: str) -> str:
    """Every character that could be markup as its code."""
    return "".join(c if c.isalnum() or c in " .,_′Φ" else f"#{ord(c)};" for c in drawing.printable(text))


def encode(net: Network) -> bytes:
    """The file."""
    return f"{to_mermaid(net)}\n".encode()
