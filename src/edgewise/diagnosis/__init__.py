"""Why a network does not learn: what becomes of the gradient on its way back, and through what."""

from edgewise.diagnosis.attribution import Attribution, PathShare, attribute
from edgewise.diagnosis.budget import Budget, Row, gradient_budget
from edgewise.diagnosis.findings import Finding
from edgewise.diagnosis.report import Report, Trial, diagnose, repair
from edgewise.diagnosis.watch import Moment, Watch

__all__ = [
    "Attribution",
    "Budget",
    "Finding",
    "Moment",
    "PathShare",
    "Report",
    "Row",
    "Trial",
    "Watch",
    "attribute",
    "diagnose",
    "gradient_budget",
    "repair",
]
