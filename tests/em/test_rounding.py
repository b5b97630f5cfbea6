"""Where the rows' own digits are the limit, it is said."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from fastem import GaussianMixture


@pytest.mark.parametrize(
    ("dtype", "near", "far"), [(np.float64, 1e13, 1e15), (np.float32, 1e4, 1e6)]
)
def test_rows_far_from_zero_are_warned_of(random, covariance_type, dtype, near, far):
    X = random.normal(size=(500, 3))
    offset = np.array([1, 0, 0])
    model = GaussianMixture(1, covariance_type=covariance_type, reg_covar=1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit((X + near * offset).astype(dtype))
    with pytest.warns(ConvergenceWarning, match="digits of the rows") as caught:
        model.fit((X + far * offset).astype(dtype))
    (warning,) = caught
    assert warning.filename == __file__
    apart = float(np.spacing(dtype(far)))
    where = f"{far:.2g}, where {np.dtype(dtype).name} numbers are {apart:.2g} apart"
    assert where in str(warning.message)
    assert "column 0 spreads by" in str(warning.message)
