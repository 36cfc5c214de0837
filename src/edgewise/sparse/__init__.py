"""Sparse networks whose arcs change: pruned, drawn at random, grown where the gradient is largest.

What changes which arcs there are makes a new network and says where each of its edges comes from (`Rewired`); where
arcs may go is data too (`Places`).
"""

from edgewise.places import AbsentArcs, Places
from edgewise.sparse.changes import SET, Change, GradualPruning, RigL
from edgewise.sparse.matrices import from_matrices, load_matrices
from edgewise.sparse.random import random_arcs
from edgewise.sparse.rewiring import Rewired, density, keep, prune

__all__ = [
    "SET",
    "AbsentArcs",
    "Change",
    "GradualPruning",
    "Places",
    "Rewired",
    "RigL",
    "density",
    "from_matrices",
    "keep",
    "load_matrices",
    "prune",
    "random_arcs",
]
