"""Pickles of models: which version wrote them, and what it did not know of yet."""

import re
import sys
import warnings
from typing import Any

from sklearn.base import BaseEstimator

from fastem.em import convergence, maximization
from fastem.em.convergence import UNKNOWN
from fastem.version import __version__

# A pickle names the modules of what it holds, and Python looks there before anything
# of ours is called: these are where versions up to 0.1.0 had them.
sys.modules["fastem.convergence"] = convergence
sys.modules["fastem.maximization"] = maximization


def _added() -> dict[str, Any]:
    """What a fit leaves, and older versions did not."""
    return {
        "convergence_": UNKNOWN,
        "n_dropped_": 0,
        "collapses_": [],
        "lower_bounds_": [],
    }


class VersionedPickle(BaseEstimator):  # type: ignore[misc]
    """An estimator that notes in its pickle which version of fastem wrote it."""

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_fastem_version": __version__}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take over the attributes; parameters that are new get their defaults."""
        attributes = dict(state)
        version = attributes.pop("_fastem_version", "0.1.0")
        if _numbers_in(version) > _numbers_in(__version__):
            warnings.warn(
                "This model was pickled by a later fastem, and this one may not know "
                f"all that is in it. It was {version}, and this is {__version__}: pip "
                f"install 'fastem>={version}', or hand models on with "
                "fastem.save_model.",
                UserWarning,
                stacklevel=2,
            )
        added = _added() if "weights_" in attributes else {}
        if "n_samples_seen_" in attributes:
            added["n_effective_"] = attributes["n_samples_seen_"]
        super().__setstate__(type(self)().get_params() | added | attributes)


def _numbers_in(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]
