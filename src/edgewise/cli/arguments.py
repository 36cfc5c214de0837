"""What commands are given about a network: inputs, and a node."""

from pathlib import Path
from typing import Annotated, Any

import typer

from edgewise import data, losses
from edgewise.arrays import FloatArray
from edgewise.errors import DataError
from edgewise.network import Network
from edgewise.view import machine

InputFile = Annotated[Path, typer.Option(help="CSV or Parquet, one sample per row, one column per input.")]
TargetNode = Annotated[str | None, typer.Option(help="Node t whose sensitivities S(i,t) are wanted.")]
LossName = Annotated[str | None, typer.Option(help="Loss J as the target instead; needs --labels.")]
LabelFile = Annotated[Path | None, typer.Option(help="CSV or Parquet: what the outputs should be.")]
PreprocessingFile = Annotated[
    Path | None, typer.Option(help="preprocessing.json of a training run, for input as it was before.")
]


def read_inputs(net: Network, path: Path, preprocessing: Path | None) -> FloatArray:
    """(B, n_inputs) from a file of inputs, or of raw columns where a preprocessing says how they become inputs."""
    if preprocessing is None:
        x = data.read_numbers(path, [net.names[j] for j in net.inputs])
    else:
        x = read_preprocessing(preprocessing).inputs(data.read_columns(path))
    if x.shape[1] != net.n_inputs:
        names = ", ".join(net.names[j] for j in net.inputs[:10]) + (", …" if net.n_inputs > 10 else "")
        raise DataError(f"{path} gives {x.shape[1]} inputs; the network has {net.n_inputs}: {names}")
    return x


def read_preprocessing(path: Path) -> data.Preprocessing:
    """What a training run has learnt of its columns."""
    return data.Preprocessing.from_dict(machine.read(path))


def target_node(net: Network, word: str | None) -> int:
    """The node called `word`, by name or index; the only output if None."""
    if word is None:
        if net.n_outputs == 1:
            return int(net.outputs[0])
        names = ", ".join(net.names[j] for j in net.outputs[:10]) + (", …" if net.n_outputs > 10 else "")
        raise DataError(f"the network has {net.n_outputs} outputs; say which with --target NODE: {names}")
    if word not in net.names and word.isdecimal() and len(word) < 12:
        return net.node(int(word))
    return net.node(word)


def read_objective(
    net: Network, target: str | None, loss: str | None, labels: Path | None
) -> tuple[dict[str, Any], str]:
    """What backpropagation is asked for, as its arguments, and what that is called."""
    if (loss is None) != (labels is None):
        raise DataError("--loss and --labels go together: give both or neither")
    if loss is None or labels is None:
        node = target_node(net, target)
        return {"target": node}, net.names[node]
    if target is not None:
        raise DataError("give either --target or --loss: with a loss, J itself is the target")
    y = data.read_numbers(labels)
    one = losses.get(loss).labels == "index" and y.shape[1] == 1
    return {"y": y[:, 0] if one else y, "loss": loss}, f"loss {loss}"
