"""fastem on a cluster of this machine: a worker of one thread for each core."""

import os
import warnings

import dask.array
import numpy as np
from distributed import Client, LocalCluster

import fastem
from benchmarks.workers.protocol import Fit, Parameters, serve
from fastem.dask import GaussianMixture

PARTITIONS_OF_A_WORKER = 2


def prepare(X: np.ndarray, start: Parameters) -> Fit:
    """Rows are sent to the workers before an iteration is timed."""
    warnings.simplefilter("ignore")
    n_workers = len(os.sched_getaffinity(0))
    cluster = LocalCluster(
        n_workers=n_workers, threads_per_worker=1, dashboard_address=":0"
    )
    client = Client(cluster)
    n_rows = -(-len(X) // (PARTITIONS_OF_A_WORKER * n_workers))
    rows = client.persist(dask.array.from_array(X, chunks=(n_rows, -1)))
    weights, means, covariances = start

    def fit(n_iterations: int) -> Parameters:
        model = GaussianMixture(
            len(weights),
            tol=0.0,
            reg_covar=0.0,
            max_iter=n_iterations,
            weights_init=weights,
            means_init=means,
            precisions_init=np.linalg.inv(covariances),
        ).fit(rows)
        return model.weights_, model.means_, model.covariances_

    return fit


if __name__ == "__main__":
    serve(f"fastem {fastem.__version__} on Dask", prepare)
