"""What a session begins with: a network and data from files, or what is at hand without."""

from pathlib import Path

from edgewise import data, formats
from edgewise.build import mlp
from edgewise.data import outputs_needed
from edgewise.errors import DataError
from edgewise.network import Network
from edgewise.play.session import Session
from edgewise.play.sketch import Sketch, begin
from edgewise.prepared import InMemory, encoded, prepare
from edgewise.settings import Settings

HIDDEN = 8
"""Neurons of the network that is made where only data are given."""
XOR = ([[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0])


def open_session(
    network: str | None = None, source: str | None = None, *, target: str | None = None, loss: str | None = None
) -> Session:
    """A session on a network, on data, on both or on neither: then it is exclusive or.

    network : a file. source : bundled data or a file, whose training part is prepared as `edgewise train` does it.
    target : the column to predict; where there are no data, the node t. loss : None goes by the data.
    Errors are those of reading the two, and DataError or GraphError if they do not fit each other.
    """
    path = None if network is None else Path(network)
    net = None if path is None else formats.load(path)
    if source is None and loss is not None:
        raise DataError("a loss needs data; name them, or choose the loss in the page")
    if source is not None:
        sketch = _of_data(net, source, target, loss)
    elif net is not None:
        sketch = begin(net, target=target)
    else:
        sketch = _exclusive_or()
    if path is None:
        return Session(sketch)
    return Session(sketch, folder=path.resolve().parent, file_name=path.name)


def _of_data(net: Network | None, source: str, target: str | None, loss: str | None) -> Sketch:
    prepared = prepare(Settings(source, target=target, loss=loss, dtype="float64"))
    if not isinstance(prepared, InMemory):
        raise DataError(f"{source} is too large to play with in memory; take a part of its rows")
    preprocessing = prepared.preprocessing
    x, labels = prepared.arrays("training", "float64")
    allowed = outputs_needed(prepared.loss, None if preprocessing.classes is None else len(preprocessing.classes))
    if net is None:
        net = _for_data(preprocessing, allowed[0])
    elif net.n_outputs not in allowed:
        raise DataError(
            f"the network has {net.n_outputs} outputs, but {source} with {prepared.loss.name} needs "
            f"{' or '.join(map(str, allowed))}"
        )
    y = encoded(labels, preprocessing, prepared.loss, net)
    return begin(net, x, y, loss=prepared.loss.name)


def _for_data(preprocessing: data.Preprocessing, n_outputs: int) -> Network:
    """One hidden layer, its ends called as the data call them."""
    inputs, classes = list(preprocessing.input_names), preprocessing.classes
    outputs = list(classes) if classes is not None and len(classes) == n_outputs else [preprocessing.target.name]
    names: list[str] = []
    for word in [*inputs, *(f"h{k}" for k in range(1, HIDDEN + 1)), *outputs]:
        while word in names:
            word += "′"
        names.append(word)
    made = mlp([len(inputs), HIDDEN, n_outputs], activation="tanh", seed=0, dtype="float64")
    return made.replace(names=names)


def _exclusive_or() -> Sketch:
    """Four samples that no neuron alone can tell apart, and three that together can."""
    x, y = XOR
    net = mlp([2, 3, 1], activation="tanh", output_activation="identity", seed=6, dtype="float64")
    named = net.replace(names=["x1", "x2", "h1", "h2", "h3", "t"])
    return begin(named, x, [[float(wanted)] for wanted in y], loss="binary_cross_entropy")
