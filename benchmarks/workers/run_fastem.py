"""fastem, from the start that the protocol gives."""

import warnings
from typing import Any

import numpy as np

import fastem
from benchmarks.workers.protocol import Fit, Parameters, serve


def prepare(X: Any, start: Parameters, estimator: Any = fastem.GaussianMixture) -> Fit:
    """Through the public fit, without a ridge, since the others have none."""
    warnings.simplefilter("ignore")
    weights, means, covariances = start

    def fit(n_iterations: int) -> Parameters:
        model = estimator(
            len(weights),
            tol=0.0,
            reg_covar=0.0,
            max_iter=n_iterations,
            weights_init=weights,
            means_init=means,
            precisions_init=np.linalg.inv(covariances),
        ).fit(X)
        return model.weights_, model.means_, model.covariances_

    return fit


if __name__ == "__main__":
    serve(f"fastem {fastem.__version__}", prepare)
