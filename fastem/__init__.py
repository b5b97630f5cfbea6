"""Gaussian mixture models, fitted fast and right."""

from fastem.covariances import Degeneracy, SingularCovarianceError
from fastem.em.convergence import Convergence
from fastem.em.maximization import Collapse
from fastem.em.progress import Progress, StopFit
from fastem.em.ridge import RegularizationWarning
from fastem.mixture import GaussianMixture
from fastem.mixture.model_file import load_model, save_model
from fastem.version import __version__

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


def __dir__() -> list[str]:
    """The public names, without the packages behind them."""
    return __all__
