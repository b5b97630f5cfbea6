"""Rows that are the limit: numbers so large that their own digits hide what varies."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike

from fastem.covariances import named_columns
from fastem.covariances.representations import Representation
from fastem.em import convergence_warnings
from fastem.statistics import MixtureParameters

# Rounding to multiples of q adds q^2 / 12 to a variance: here 1e-4 of it.
_NOTICEABLE = 0.035


def warn_of_rounding(
    parameters: MixtureParameters,
    representation: Representation,
    dtype: DTypeLike,
    names: Sequence[str] | None,
) -> None:
    """Warn if numbers of this type are far apart where a component's rows are.

    Parameters
    ----------
    dtype : dtype
        That of the rows.
    names : sequence of str or None
        Names of all columns.
    """
    means = np.abs(parameters.means)
    apart = np.spacing(means.astype(dtype)).astype(np.float64)
    variances = np.broadcast_to(
        representation.variances(parameters.covariances), means.shape
    )
    shares = apart / np.sqrt(variances)
    k, j = (int(i) for i in np.unravel_index(np.argmax(shares), shares.shape))
    if not shares[k, j] > _NOTICEABLE:
        return
    deviation = np.sqrt(variances[k, j])
    convergence_warnings.warn(
        "The digits of the rows are the limit, not those of the fit: "
        f"{named_columns([j], names)} spreads by {deviation:.2g} in component {k}, at "
        f"{means[k, j]:.2g}, where {np.dtype(dtype).name} numbers are "
        f"{apart[k, j]:.2g} apart. Subtract what its values have in common before they "
        "are rounded so."
    )
