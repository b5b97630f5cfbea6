"""The same estimator for tables that lie on a Dask cluster, in partitions."""

try:
    import dask.array  # noqa: F401
    import distributed  # noqa: F401
except ImportError as error:
    raise ImportError(
        f"fastem.dask needs dask and distributed: pip install 'fastem[dask]' ({error})"
    ) from error

from fastem.dask.estimator import GaussianMixture

__all__ = ["GaussianMixture"]
