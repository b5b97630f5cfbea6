"""Rows that are the limit: numbers so large that their own digits hide what varies."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike

from fastem.covariances import named_columns
from fastem.covariances.representations import Representation
from fastem.em import convergence_warnings
from fastem.statistics import MixtureParameters, Ridge

# A spread of which more than this share is the ridge is none of the rows'.
_OF_THE_RIDGE = 0.5
# Rounding to multiples of q adds q^2 / 12 to a variance: here 1e-4 of it.
_NOTICEABLE = 0.035


def warn_of_rounding(
    parameters: MixtureParameters,
    representation: Representation,
    ridge: Ridge,
    dtype: DTypeLike,
    names: Sequence[str] | None,
) -> None:
    """Warn if numbers of this type are far apart where a component's rows are.

    Parameters
    ----------
    ridge : float or array of shape (D,)
        What was added to every variance. A column that is constant has digits enough.
    dtype : dtype
        That of the rows.
    names : sequence of str or None
        Names of all columns.
    """
    means = np.abs(parameters.means)
    variances = representation.variances(parameters.covariances)
    # Rows spread on both sides of the mean: what is near 0 has digits enough.
    apart = np.spacing((means + np.sqrt(variances)).astype(dtype)).astype(np.float64)
    precisions = representation.ridge_shares(parameters.precisions_cholesky, 1.0)
    deviations = np.broadcast_to(1 / np.sqrt(precisions), means.shape)
    of_ridge = representation.ridge_shares(parameters.precisions_cholesky, ridge)
    shares = np.where(of_ridge > _OF_THE_RIDGE, 0, apart / deviations)
    k, j = (int(i) for i in np.unravel_index(np.argmax(shares), shares.shape))
    if not shares[k, j] > _NOTICEABLE:
        return
    given = ", given the other columns," if representation.has_matrices else ""
    convergence_warnings.warn(
        "The digits of the rows are the limit, not those of the fit: "
        f"{named_columns([j], names)}{given} spreads by {deviations[k, j]:.2g} in "
        f"component {k}, at {means[k, j]:.2g}, where {np.dtype(dtype).name} numbers "
        f"are {apart[k, j]:.2g} apart. Subtract what its values have in common before "
        "they are rounded so, or leave it out if it follows from the others."
    )
