"""Edgewise inside PyTorch: `pip install edgewise[torch]`.

from edgewise.torch import GraphModule

module = GraphModule(net)   # an nn.Module: any optimizer, any loss, anything before it and behind it
"""

from edgewise.errors import MissingDependencyError

try:
    import torch  # noqa: F401  # before what builds on it
except ImportError as error:
    raise MissingDependencyError("PyTorch", "torch", "edgewise.torch") from error

from edgewise.torch import threads
from edgewise.torch.from_module import from_module
from edgewise.torch.graph_module import GraphModule
from edgewise.torch.plain import to_module
from edgewise.torch.sparse_layers import SparseLayers, SparseLinear
from edgewise.torch.sparsify import sparsify_
from edgewise.torch.watch import Watch, watch

threads.share()

__all__ = ["GraphModule", "SparseLayers", "SparseLinear", "Watch", "from_module", "sparsify_", "to_module", "watch"]
