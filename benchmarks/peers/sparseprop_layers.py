"""SparseProp: PyTorch modules with CSR weights, https://github.com/IST-DASLab/sparseprop."""

import numpy as np
from sparseprop.modules import SparseLinear
from torch import nn

from benchmarks.networks import Layered
from benchmarks.peers.torch_layers import model_of, of_model
from benchmarks.side import Side


def call(problem: Layered) -> Side:
    return _side(problem, input_gradient=False)


def call_with_input_gradient(problem: Layered) -> Side:
    return _side(problem, input_gradient=True)


def _side(problem: Layered, input_gradient: bool) -> Side:
    modules = [
        SparseLinear.from_dense(module) if isinstance(module, nn.Linear) else module for module in model_of(problem)
    ]
    return of_model(
        problem,
        nn.Sequential(*modules),
        input_gradient=input_gradient,
        edges_of=lambda weights: np.concatenate([weight.numpy() for weight in weights]),
    )
