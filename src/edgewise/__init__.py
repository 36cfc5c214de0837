"""Edgewise: backpropagation on any feed-forward graph, with every quantity of the theory in the open."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from edgewise import activations, aggregations, initializers, losses, plan
from edgewise.build import mlp, random_dag
from edgewise.config import show_config
from edgewise.errors import DataError, EdgewiseError, FormatError, GraphError, MissingDependencyError
from edgewise.formats import load
from edgewise.layers import Layer
from edgewise.losses import Loss
from edgewise.network import Network
from edgewise.results import BackwardPass, ForwardPass

if TYPE_CHECKING:
    from edgewise import batches, dropout, plot, sparse
    from edgewise.checkpoints import Checkpoint
    from edgewise.cycles import FeedForward, feed_forward
    from edgewise.derivation import Derivation, derive
    from edgewise.diagnosis import (
        Attribution,
        Budget,
        Finding,
        Report,
        Trial,
        Watch,
        attribute,
        diagnose,
        gradient_budget,
        repair,
    )
    from edgewise.expression import (
        Expression,
        apply,
        cos,
        exp,
        graph,
        hard_tanh,
        log,
        maximum,
        minimum,
        relu,
        sigmoid,
        sin,
        sqrt,
        tanh,
        variable,
        variables,
    )
    from edgewise.formats.dot import to_dot
    from edgewise.formats.mermaid import to_mermaid
    from edgewise.history import EpochRecord, History, StepRecord
    from edgewise.interop.adjacency import from_adjacency, to_adjacency
    from edgewise.interop.neat import from_neat, to_neat
    from edgewise.interop.networkx import from_networkx, to_networkx
    from edgewise.interop.tensorneat import from_tensorneat
    from edgewise.optimizers import SGD, Adam, AdamW, OptimizerState
    from edgewise.paths import Path, count_paths, iter_paths, top_paths
    from edgewise.population import fit_many, forward_many
    from edgewise.schedules import Cosine, ReduceOnPlateau, StepDecay
    from edgewise.training import fit
    from edgewise.transform import Decoupled
    from edgewise.verification import Verification, verify
    from edgewise.view.page import save_page

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "Attribution",
    "BackwardPass",
    "Budget",
    "Checkpoint",
    "Cosine",
    "DataError",
    "Decoupled",
    "Derivation",
    "EdgewiseError",
    "EpochRecord",
    "Expression",
    "FeedForward",
    "Finding",
    "FormatError",
    "ForwardPass",
    "GraphError",
    "History",
    "Layer",
    "Loss",
    "MissingDependencyError",
    "Network",
    "OptimizerState",
    "Path",
    "ReduceOnPlateau",
    "Report",
    "StepDecay",
    "StepRecord",
    "Trial",
    "Verification",
    "Watch",
    "activations",
    "aggregations",
    "apply",
    "attribute",
    "batches",
    "cos",
    "count_paths",
    "derive",
    "diagnose",
    "dropout",
    "exp",
    "feed_forward",
    "fit",
    "fit_many",
    "forward_many",
    "from_adjacency",
    "from_neat",
    "from_networkx",
    "from_tensorneat",
    "gradient_budget",
    "graph",
    "hard_tanh",
    "initializers",
    "iter_paths",
    "load",
    "log",
    "losses",
    "maximum",
    "minimum",
    "mlp",
    "plan",
    "plot",
    "random_dag",
    "relu",
    "repair",
    "save_page",
    "show_config",
    "sigmoid",
    "sin",
    "sparse",
    "sqrt",
    "tanh",
    "to_adjacency",
    "to_dot",
    "to_mermaid",
    "to_neat",
    "to_networkx",
    "top_paths",
    "variable",
    "variables",
    "verify",
]

_LATER = {
    name: module
    for module, names in {
        "edgewise.batches": "batches",
        "edgewise.checkpoints": "Checkpoint",
        "edgewise.cycles": "FeedForward feed_forward",
        "edgewise.derivation": "Derivation derive",
        "edgewise.diagnosis": "Attribution Budget Finding Report Trial Watch attribute diagnose gradient_budget repair",
        "edgewise.dropout": "dropout",
        "edgewise.expression": "Expression apply cos exp graph hard_tanh log maximum minimum relu sigmoid sin sqrt "
        "tanh variable variables",
        "edgewise.formats.dot": "to_dot",
        "edgewise.formats.mermaid": "to_mermaid",
        "edgewise.history": "EpochRecord History StepRecord",
        "edgewise.interop.adjacency": "from_adjacency to_adjacency",
        "edgewise.interop.neat": "from_neat to_neat",
        "edgewise.interop.networkx": "from_networkx to_networkx",
        "edgewise.interop.tensorneat": "from_tensorneat",
        "edgewise.optimizers": "Adam AdamW OptimizerState SGD",
        "edgewise.paths": "Path count_paths iter_paths top_paths",
        "edgewise.plot": "plot",
        "edgewise.population": "fit_many forward_many",
        "edgewise.schedules": "Cosine ReduceOnPlateau StepDecay",
        "edgewise.sparse": "sparse",
        "edgewise.training": "fit",
        "edgewise.transform": "Decoupled",
        "edgewise.verification": "Verification verify",
        "edgewise.view.page": "save_page",
    }.items()
    for name in names.split()
}
"""Names whose modules are imported when they are first asked for: no program needs all of them, and every program would
wait for their imports."""


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(_LATER[name])
    found = globals()[name] = module if _LATER[name] == f"{__name__}.{name}" else getattr(module, name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
