"""Why a network does not learn: what becomes of the gradient on its way back, and through what."""

from edgewise.diagnosis.budget import Budget, Row, gradient_budget
from edgewise.diagnosis.findings import Finding
from edgewise.diagnosis.report import Report, diagnose

__all__ = ["Budget", "Finding", "Report", "Row", "diagnose", "gradient_budget"]
