"""Modules in eval mode for a while."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def in_eval_mode(module: torch.nn.Module) -> Iterator[None]:
    """A module and all parts of it in eval mode, each in its own mode again afterwards."""
    before = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in before:
            part.training = training
