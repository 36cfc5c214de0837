"""The chain rule of one network, written out: symbols, then numbers, each equation naming those it rests on."""

from edgewise.derivation.chain_rule import derive
from edgewise.derivation.equations import Derivation, Equation, Section

__all__ = ["Derivation", "Equation", "Section", "derive"]
