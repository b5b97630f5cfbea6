"""Spark's MLlib on this machine, in one process with a thread for each core."""

import os
import sys
from types import SimpleNamespace

import numpy as np
import pyspark
from pyspark.mllib.clustering import GaussianMixture
from pyspark.mllib.linalg import DenseMatrix, Vectors
from pyspark.mllib.stat.distribution import MultivariateGaussian
from pyspark.sql import SparkSession

from benchmarks.workers.protocol import Fit, Parameters, serve


def prepare(X: np.ndarray, start: Parameters) -> Fit:
    """Rows are parsed before an iteration is timed, and cached by ``train``."""
    n_cores = len(os.sched_getaffinity(0))
    os.environ["PYSPARK_PYTHON"] = sys.executable
    session = (
        SparkSession.builder.master(f"local[{n_cores}]")
        .config("spark.driver.memory", "4g")
        .config("spark.ui.enabled", "false")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    blocks = session.sparkContext.parallelize(
        np.array_split(X, 4 * n_cores), 4 * n_cores
    )
    rows = blocks.flatMap(lambda block: [Vectors.dense(row) for row in block]).cache()
    rows.count()
    weights, means, covariances = start
    n_features = X.shape[1]
    components = [
        MultivariateGaussian(
            Vectors.dense(mean),
            DenseMatrix(n_features, n_features, covariance.ravel(order="F")),
        )
        for mean, covariance in zip(means, covariances, strict=True)
    ]
    # All that train reads of a model, which only Java can make.
    model = SimpleNamespace(
        k=len(weights), weights=weights.tolist(), gaussians=components
    )

    def fit(n_iterations: int) -> Parameters:
        fitted = GaussianMixture.train(
            rows,
            len(weights),
            convergenceTol=0.0,
            maxIterations=n_iterations,
            initialModel=model,
        )
        return (
            np.asarray(fitted.weights),
            np.stack([one.mu.toArray() for one in fitted.gaussians]),
            np.stack([one.sigma.toArray() for one in fitted.gaussians]),
        )

    return fit


if __name__ == "__main__":
    serve(f"Spark MLlib {pyspark.__version__}", prepare)
