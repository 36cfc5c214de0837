"""Tensor programs as networks: every entry of a tensor is a node, every operation adds nodes and arcs."""

from edgewise.tensors.graph import ZERO, Tensor, TensorGraph, Value

__all__ = ["ZERO", "Tensor", "TensorGraph", "Value"]
