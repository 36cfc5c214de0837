"""Edgewise and PyTorch: `pip install "edgewise[torch]"`."""

from edgewise.torch.from_module import from_module

__all__ = ["from_module"]
