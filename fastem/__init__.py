"""Gaussian mixture models, fitted fast and right.

A mixture says that rows come from K clouds of points, and to which degree each row
belongs to each cloud. :class:`GaussianMixture` fits one by Expectation-Maximisation,
with the interface of scikit-learn's; :class:`StudentMixture` one of clouds with longer
tails.

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
- `fastem.covariances`: fourteen structures, and when to choose which; bounds against
  spikes.
- `fastem.choice`: a call that chooses the structure and how many components.
- `fastem.decisions`: from a mixture to a decision: anomalies with a stated rate of
  false alarms, classes, regression.
- `fastem.report`: reports for colleagues, pictures and summaries of a fitted mixture.
- `fastem.starts`: where EM starts, and which start suits which table.
- `fastem.groups`: rows with missing values, and rows of known components.
- `fastem.em`: long fits: when to stop, what is left to gain, checkpoints, and what
  happens to a component that collapses.
- `fastem.sources`: tables larger than memory.
- `fastem.dask`: tables on a cluster.
- `fastem.terminal`: the command line.
- `fastem.kernels`: how a pass over the rows works, and why it is fast.
"""

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from fastem.version import __version__

if TYPE_CHECKING:
    from fastem.choice.bagging import bagged_memberships
    from fastem.choice.calibration import Calibration, calibration
    from fastem.choice.likelihood_ratio import LikelihoodRatioTest, bootstrap_lrt
    from fastem.choice.merging import Merging, merge_components
    from fastem.choice.overlap import Overlap, OverlappingPair, overlap
    from fastem.choice.progress import SelectionProgress
    from fastem.choice.results import SelectionResults, SelectionRow
    from fastem.choice.selector import GaussianMixtureSelector
    from fastem.choice.stability import Stability, stability
    from fastem.choice.uncertainty import StandardErrors, standard_errors
    from fastem.covariances import Degeneracy, SingularCovarianceError
    from fastem.decisions.classifier import MixtureClassifier
    from fastem.decisions.detector import MixtureOutlierDetector
    from fastem.decisions.explanation import Explanation
    from fastem.decisions.files import load_model, save_model
    from fastem.decisions.regressor import MixtureRegressor
    from fastem.em.convergence import Convergence
    from fastem.em.maximization import Collapse
    from fastem.em.progress import Progress, StopFit
    from fastem.em.ridge import RegularizationWarning
    from fastem.mixture import GaussianMixture, StudentMixture
    from fastem.report.anomaly_pictures import AnomalyDisplay
    from fastem.report.calibration_pictures import CalibrationDisplay
    from fastem.report.choice_pictures import SelectionDisplay
    from fastem.report.conditional_pictures import ConditionalDisplay
    from fastem.report.map_pictures import MembershipMapDisplay
    from fastem.report.merging_pictures import MergeDisplay
    from fastem.report.page import Summary
    from fastem.report.pair_pictures import PairsDisplay
    from fastem.report.pictures import ClusterDisplay
    from fastem.report.reporting import Report, report
    from fastem.report.scaling import fit_standardized
    from fastem.report.summary import summary
    from fastem.report.uncertainty_pictures import UncertaintyDisplay

__all__ = [
    "AnomalyDisplay",
    "Calibration",
    "CalibrationDisplay",
    "ClusterDisplay",
    "Collapse",
    "ConditionalDisplay",
    "Convergence",
    "Degeneracy",
    "Explanation",
    "GaussianMixture",
    "GaussianMixtureSelector",
    "LikelihoodRatioTest",
    "MembershipMapDisplay",
    "MergeDisplay",
    "Merging",
    "MixtureClassifier",
    "MixtureOutlierDetector",
    "MixtureRegressor",
    "Overlap",
    "OverlappingPair",
    "PairsDisplay",
    "Progress",
    "RegularizationWarning",
    "Report",
    "SelectionDisplay",
    "SelectionProgress",
    "SelectionResults",
    "SelectionRow",
    "SingularCovarianceError",
    "Stability",
    "StandardErrors",
    "StopFit",
    "StudentMixture",
    "Summary",
    "UncertaintyDisplay",
    "__version__",
    "bagged_memberships",
    "bootstrap_lrt",
    "calibration",
    "fit_standardized",
    "load_model",
    "merge_components",
    "overlap",
    "report",
    "save_model",
    "stability",
    "standard_errors",
    "summary",
]

# Imported at their first use: what the command line does about Ctrl-C has to be in
# place before the second that this takes.
_HOMES = {
    "AnomalyDisplay": "fastem.report.anomaly_pictures",
    "Calibration": "fastem.choice.calibration",
    "CalibrationDisplay": "fastem.report.calibration_pictures",
    "ClusterDisplay": "fastem.report.pictures",
    "Collapse": "fastem.em.maximization",
    "ConditionalDisplay": "fastem.report.conditional_pictures",
    "Convergence": "fastem.em.convergence",
    "Degeneracy": "fastem.covariances",
    "Explanation": "fastem.decisions.explanation",
    "GaussianMixture": "fastem.mixture",
    "GaussianMixtureSelector": "fastem.choice.selector",
    "LikelihoodRatioTest": "fastem.choice.likelihood_ratio",
    "MembershipMapDisplay": "fastem.report.map_pictures",
    "MergeDisplay": "fastem.report.merging_pictures",
    "Merging": "fastem.choice.merging",
    "MixtureOutlierDetector": "fastem.decisions.detector",
    "PairsDisplay": "fastem.report.pair_pictures",
    "MixtureRegressor": "fastem.decisions.regressor",
    "Overlap": "fastem.choice.overlap",
    "OverlappingPair": "fastem.choice.overlap",
    "MixtureClassifier": "fastem.decisions.classifier",
    "Progress": "fastem.em.progress",
    "RegularizationWarning": "fastem.em.ridge",
    "Report": "fastem.report.reporting",
    "SelectionDisplay": "fastem.report.choice_pictures",
    "SelectionProgress": "fastem.choice.progress",
    "SelectionResults": "fastem.choice.results",
    "SelectionRow": "fastem.choice.results",
    "SingularCovarianceError": "fastem.covariances",
    "Stability": "fastem.choice.stability",
    "StandardErrors": "fastem.choice.uncertainty",
    "StopFit": "fastem.em.progress",
    "StudentMixture": "fastem.mixture",
    "bootstrap_lrt": "fastem.choice.likelihood_ratio",
    "bagged_memberships": "fastem.choice.bagging",
    "calibration": "fastem.choice.calibration",
    "Summary": "fastem.report.page",
    "UncertaintyDisplay": "fastem.report.uncertainty_pictures",
    "fit_standardized": "fastem.report.scaling",
    "merge_components": "fastem.choice.merging",
    "overlap": "fastem.choice.overlap",
    "report": "fastem.report.reporting",
    "load_model": "fastem.decisions.files",
    "save_model": "fastem.decisions.files",
    "stability": "fastem.choice.stability",
    "standard_errors": "fastem.choice.uncertainty",
    "summary": "fastem.report.summary",
}


def __getattr__(name: str) -> Any:
    """A public name from where it is at home, or a package of this one."""
    if name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
        # Importing has set `report` already: to the package, which can be called.
        return globals().setdefault(name, value)
    if find_spec(f"fastem.{name}") is None:
        raise AttributeError(f"module 'fastem' has no attribute {name!r}")
    return import_module(f"fastem.{name}")


def __dir__() -> list[str]:
    """The public names, without the packages behind them."""
    return __all__
