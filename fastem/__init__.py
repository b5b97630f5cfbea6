"""Gaussian mixture models, fitted fast and right."""

from importlib.metadata import version

from fastem.convergence import Convergence
from fastem.covariances import Degeneracy, SingularCovarianceError
from fastem.maximization import Collapse
from fastem.mixture import GaussianMixture
from fastem.model_file import load_model, save_model
from fastem.progress import Progress, StopFit
from fastem.ridge import RegularizationWarning

__version__ = version("fastem")

__all__ = [
    "Collapse",
    "Convergence",
    "Degeneracy",
    "GaussianMixture",
    "Progress",
    "RegularizationWarning",
    "SingularCovarianceError",
    "StopFit",
    "__version__",
    "load_model",
    "save_model",
]
