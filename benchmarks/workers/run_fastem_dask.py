"""fastem on a cluster of this machine: a worker of one thread for each core."""

import os

import dask.array
import numpy as np
from distributed import Client, LocalCluster

import fastem
from benchmarks.workers import run_fastem
from benchmarks.workers.protocol import Fit, Parameters, serve
from fastem.dask import GaussianMixture

PARTITIONS_OF_A_WORKER = 2


def prepare(X: np.ndarray, start: Parameters) -> Fit:
    """Rows are sent to the workers before an iteration is timed."""
    n_workers = len(os.sched_getaffinity(0))
    cluster = LocalCluster(
        n_workers=n_workers, threads_per_worker=1, dashboard_address=":0"
    )
    client = Client(cluster)
    n_rows = -(-len(X) // (PARTITIONS_OF_A_WORKER * n_workers))
    rows = client.persist(dask.array.from_array(X, chunks=(n_rows, -1)))
    return run_fastem.prepare(rows, start, GaussianMixture)


if __name__ == "__main__":
    serve(f"fastem {fastem.__version__} on Dask", prepare)
