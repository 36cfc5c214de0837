"""Edgewise: backpropagation on any feed-forward graph, with every quantity of the theory in the open."""

from edgewise import activations, aggregations, initializers, losses
from edgewise.build import mlp, random_dag
from edgewise.errors import DataError, EdgewiseError, FormatError, GraphError, MissingDependencyError
from edgewise.losses import Loss
from edgewise.network import Layer, Network
from edgewise.results import BackwardPass, ForwardPass

__all__ = [
    "BackwardPass",
    "DataError",
    "EdgewiseError",
    "FormatError",
    "ForwardPass",
    "GraphError",
    "Layer",
    "Loss",
    "MissingDependencyError",
    "Network",
    "activations",
    "aggregations",
    "initializers",
    "losses",
    "mlp",
    "random_dag",
]
