"""How well a mixture describes rows, for what its parameters cost."""

import math
from dataclasses import dataclass

from fastem.checks.rows import Rows
from fastem.mixture import GaussianMixture
from fastem.sources.blocks import Source
from fastem.statistics import Array


@dataclass(frozen=True)
class Criteria:
    """Of mixtures of the same rows and columns, the one with the least is the best."""

    bic: float
    aic: float

    def __str__(self) -> str:
        return f"BIC {self.bic:,.1f}, AIC {self.aic:,.1f}"


def measure_criteria(
    model: GaussianMixture, X: Rows | Source, sample_weight: Array | None = None
) -> Criteria:
    """``model.bic(X)`` and ``model.aic(X)``, in one pass over the rows.

    Blocks of a source have their own weights.
    """
    mean, count = model._score(X, sample_weight)
    count.warn_if_scaled("BIC")
    n_rows = count.total
    return Criteria(
        *(model._criterion(mean, n_rows, price) for price in (math.log(n_rows), 2))
    )
