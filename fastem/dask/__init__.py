"""The same estimator for tables that lie on a Dask cluster, in partitions.

Install `fastem[dask]` on the client and on the workers. What changes is the import, and
that `X` is a Dask array or DataFrame:

>>> import dask.dataframe
>>> import numpy as np
>>> import pandas
>>> from dask.distributed import Client
>>> from fastem.dask import GaussianMixture
>>> # Client("scheduler:8786") for a cluster, Client() for this machine; here:
>>> client = Client(processes=False, dashboard_address=":0")
>>> random = np.random.default_rng(0)
>>> rows = random.normal(size=(4000, 2)) + 6 * random.integers(2, size=(4000, 1))
>>> table = pandas.DataFrame(rows, columns=["speed", "load"]).assign(weight=1.0)
>>> X = dask.dataframe.from_pandas(table, npartitions=4)
>>> model = GaussianMixture(2, random_state=0).fit(X, sample_weight="weight")
>>> memberships = model.predict_proba(X.drop(columns="weight"))  # not computed yet
>>> memberships.compute().shape
(4000, 2)
>>> client.close()

A folder on a shared disk or in a store is read by the workers:

>>> X = dask.dataframe.read_parquet("s3://bucket/rows/")  # doctest: +SKIP

A cluster
=========
Start one scheduler, and on each of the other machines one worker:

    $ dask scheduler
    $ dask worker scheduler:8786 --nthreads 1

Give the model `n_threads=8` (their cores): each partition is then walked over by all
cores. Or leave `n_threads` out and let workers have a thread for each core and at least
as many partitions.

A task costs the scheduler 1 to 2 ms, so make partitions large: a few for each worker,
0.1 s of work or more. Rows stay in the workers' memory during a fit. The same
partitions give the same bits on any number of workers, also when one dies. Equal rows
are not merged, and components that are far from rows are not left out. What 100
workers would take is computed in `benchmarks/README.md`, "A cluster, on paper".
"""

try:
    import dask.array  # noqa: F401
    import distributed  # noqa: F401
except ImportError as error:
    raise ImportError(
        f"fastem.dask needs dask and distributed: pip install 'fastem[dask]' ({error})"
    ) from error

from fastem.dask.estimator import GaussianMixture, StudentMixture

__all__ = ["GaussianMixture", "StudentMixture"]
