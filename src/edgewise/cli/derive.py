"""`edgewise derive`: the chain rule for one derivative, written out."""

from collections.abc import Callable
from typing import Annotated

import typer

from edgewise import formats
from edgewise.cli.app import Json, NetworkFile, app
from edgewise.cli.arguments import (
    InputFile,
    LabelFile,
    LossName,
    PreprocessingFile,
    TargetNode,
    read_inputs,
    read_objective,
)
from edgewise.derivation import Derivation
from edgewise.derivation import derive as derivation_of
from edgewise.derivation.chain_rule import Wrt
from edgewise.errors import DataError
from edgewise.network import Network
from edgewise.view import machine

FORMATS: dict[str, Callable[[Derivation], str]] = {
    "text": Derivation.text,
    "markdown": Derivation.markdown,
    "latex": lambda derivation: derivation.latex(document=True).rstrip("\n"),
}


@app.command(epilog="Example: `edgewise derive net.json --input x.csv --wrt 'x1->h' --format latex`")
def derive(
    network: NetworkFile,
    input: InputFile,
    wrt: Annotated[
        str,
        typer.Option(metavar="EDGE|NODE", help="A node, or an edge as TAIL->HEAD (TAIL->HEAD:K among parallel ones)."),
    ],
    target: TargetNode = None,
    loss: LossName = None,
    labels: LabelFile = None,
    preprocessing: PreprocessingFile = None,
    sample: Annotated[int, typer.Option(min=1, help="Which row of the input, counted from 1.")] = 1,
    format: Annotated[str, typer.Option(help="text, markdown or latex (a whole document).")] = "text",
    max_terms: Annotated[int, typer.Option(min=2, help="Longest sum that is written in full.")] = 8,
    max_nodes: Annotated[int, typer.Option(min=2, help="Most nodes that are written out in each pass.")] = 40,
    as_json: Json = False,
) -> None:
    """Write out the chain rule for one derivative of the network: symbols, numbers, and where each is from.

    Fractions are exact where the activations allow it.
    """
    if format not in FORMATS:
        raise DataError(f"--format is {format!r}; it must be {', '.join(FORMATS)}")
    net = formats.load(network)
    x = read_inputs(net, input, preprocessing)
    asked, name = read_objective(net, target, loss, labels)
    if sample > len(x):
        raise DataError(f"there is no sample {sample}; {input} has {len(x)}")
    if "y" in asked:
        if len(asked["y"]) != len(x):
            raise DataError(f"{labels} has {len(asked['y'])} rows, {input} has {len(x)}; give one per sample")
        asked["y"] = asked["y"][sample - 1 : sample]
    found = derivation_of(net, x[sample - 1], _wrt(net, wrt), **asked, max_terms=max_terms, max_nodes=max_nodes)
    written = FORMATS[format](found)
    if as_json:
        content = {"target": name, "wrt": wrt, "sample": sample, "exact": found.exact, "value": float(found.value)}
        print(machine.as_json(content | {"fraction": str(found.value) if found.exact else None, format: written}))
    else:
        print(written)


def _wrt(net: Network, word: str) -> Wrt:
    """The node or edge that a word means; names may themselves hold arrows and colons."""
    if word in net.names:
        return net.node(word)
    for at in range(len(word)):
        if word.startswith("->", at):
            tail, head = word[:at].strip(), word[at + 2 :].strip()
            name, _, k = head.rpartition(":")
            if tail in net.names and head in net.names:
                return tail, head
            if tail in net.names and name in net.names and k.isdecimal() and len(k) < 12:
                return tail, name, int(k)
    if word.isdecimal() and len(word) < 12:
        return int(word)
    if "->" in word:
        raise DataError(f"--wrt {word}: there is no such edge; write TAIL->HEAD with the names of two nodes")
    return net.node(word)
