"""Gaussian mixture models, fitted fast and right."""

from importlib.metadata import version

from fastem.convergence import Convergence
from fastem.covariances import SingularCovarianceError
from fastem.mixture import GaussianMixture
from fastem.model_file import load_model, save_model
from fastem.progress import Progress

__version__ = version("fastem")

__all__ = [
    "Convergence",
    "GaussianMixture",
    "Progress",
    "SingularCovarianceError",
    "__version__",
    "load_model",
    "save_model",
]
