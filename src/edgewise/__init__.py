"""Edgewise: backpropagation on any feed-forward graph, with every quantity of the theory in the open."""

from edgewise import activations, aggregations, batches, dropout, initializers, losses, plan, sparse
from edgewise.build import mlp, random_dag
from edgewise.checkpoints import Checkpoint
from edgewise.config import show_config
from edgewise.cycles import FeedForward, feed_forward
from edgewise.diagnosis import Budget, Finding, Report, diagnose, gradient_budget
from edgewise.errors import DataError, EdgewiseError, FormatError, GraphError, MissingDependencyError
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
from edgewise.formats import load
from edgewise.history import EpochRecord, History, StepRecord
from edgewise.interop.adjacency import from_adjacency, to_adjacency
from edgewise.interop.neat import from_neat, to_neat
from edgewise.interop.networkx import from_networkx, to_networkx
from edgewise.interop.tensorneat import from_tensorneat
from edgewise.layers import Layer
from edgewise.losses import Loss
from edgewise.network import Network
from edgewise.optimizers import SGD, Adam, AdamW, OptimizerState
from edgewise.paths import Path, count_paths, iter_paths, top_paths
from edgewise.population import fit_many, forward_many
from edgewise.results import BackwardPass, ForwardPass
from edgewise.schedules import Cosine, ReduceOnPlateau, StepDecay
from edgewise.training import fit
from edgewise.transform import Decoupled
from edgewise.verify import Verification, verify

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "BackwardPass",
    "Budget",
    "Checkpoint",
    "Cosine",
    "DataError",
    "Decoupled",
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
    "Verification",
    "activations",
    "aggregations",
    "apply",
    "batches",
    "cos",
    "count_paths",
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
    "random_dag",
    "relu",
    "show_config",
    "sigmoid",
    "sin",
    "sparse",
    "sqrt",
    "tanh",
    "to_adjacency",
    "to_neat",
    "to_networkx",
    "top_paths",
    "variable",
    "variables",
    "verify",
]
