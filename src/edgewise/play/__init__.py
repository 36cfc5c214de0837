"""A network that is edited while it is looked at: every edit is a new network, and every quantity follows."""

from edgewise.play.session import Session
from edgewise.play.sketch import Sketch, begin

__all__ = ["Session", "Sketch", "begin"]
