"""Gaussian mixture models, fitted fast and right.

A mixture says that rows come from K clouds of points, and to which degree each row
belongs to each cloud. :class:`GaussianMixture` fits one by Expectation-Maximisation,
with the interface of scikit-learn's.

>>> import numpy as np
>>> from fastem import GaussianMixture
>>> random = np.random.default_rng(0)
>>> X = np.vstack([random.normal(m, s, (1000, 2)) for m, s in ((0, 1), (4, 1.5))])
>>> model = GaussianMixture(n_components=2, random_state=0).fit(X)
>>> model.predict_proba([[0, 0], [1.7, 1.7], [2, 2], [4, 4]]).round(2)
array([[0.  , 1.  ],
       [0.37, 0.63],
       [0.76, 0.24],
       [1.  , 0.  ]])

The guides stand where the work is done:

- `fastem.mixture`: the estimator; how many components; what is not as in
  scikit-learn; streams; model files.
- `fastem.choice`: which structure and how many components.
- `fastem.starts`: where EM starts, and which start suits which table.
- `fastem.em`: long fits: when to stop, what is left to gain, checkpoints, and what
  happens to a component that collapses.
- `fastem.sources`: tables larger than memory.
- `fastem.dask`: tables on a cluster.
- `fastem.terminal`: the command line.
- `fastem.kernels`: how a pass over the rows works, and why it is fast.
"""

from fastem.choice.results import SelectionResults, SelectionRow
from fastem.choice.selector import GaussianMixtureSelector, SelectionProgress
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
    "GaussianMixtureSelector",
    "Progress",
    "RegularizationWarning",
    "SelectionProgress",
    "SelectionResults",
    "SelectionRow",
    "SingularCovarianceError",
    "StopFit",
    "__version__",
    "load_model",
    "save_model",
]


def __dir__() -> list[str]:
    """The public names, without the packages behind them."""
    return __all__
