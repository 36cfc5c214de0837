"""Why a network does not learn: what becomes of the gradient on its way back, and through what."""

from edgewise.diagnosis.budget import Budget, Row, gradient_budget

__all__ = ["Budget", "Row", "gradient_budget"]
