"""oneDAL, through daal4py: since 2025, scikit-learn-intelex brings both."""

from importlib.metadata import version

import daal4py
import numpy as np

from benchmarks.workers.protocol import Fit, Parameters, serve


def prepare(X: np.ndarray, start: Parameters) -> Fit:
    """Its batch algorithm, with a threshold that no change is below."""
    weights, means, covariances = start

    def fit(n_iterations: int) -> Parameters:
        algorithm = daal4py.em_gmm(
            nComponents=len(weights),
            maxIterations=n_iterations,
            accuracyThreshold=0.0,
            covarianceStorage="full",
        )
        result = algorithm.compute(X, weights[np.newaxis], means, list(covariances))
        assert result.nIterations[0, 0] == n_iterations
        return result.weights, result.means, np.asarray(result.covariances)

    return fit


if __name__ == "__main__":
    serve(f"oneDAL {version('daal')}", prepare)
