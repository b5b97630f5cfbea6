"""The estimator, what it keeps on disk, and what it answers."""

from fastem.mixture.gaussian import GaussianMixture

# Its name in pickles, wherever in this package it is written.
GaussianMixture.__module__ = __name__

__all__ = ["GaussianMixture"]
