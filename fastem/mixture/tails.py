"""The degrees of freedom of an estimator, if it is one of Student's mixtures."""

from typing import Any

from numpy.typing import ArrayLike

from fastem.checks.parameters import check_degrees_of_freedom
from fastem.em.tails import LEAST, MOST, StudentTails
from fastem.statistics import Array

_SETTING, _FITTED = "degrees_of_freedom", "degrees_of_freedom_"


def tails_of_fit(model: Any) -> StudentTails | None:
    """How degrees of freedom are to follow; None for Gaussian components."""
    if not hasattr(model, _SETTING):
        return None
    first = model.degrees_of_freedom_init
    if first is not None:
        first = check_degrees_of_freedom(
            first, model.n_components, LEAST, MOST, f"{_SETTING}_init"
        )
    return StudentTails(getattr(model, _SETTING), first)


def given_tails(
    kind: Any, given: ArrayLike | None, n_components: int
) -> tuple[Array | None, dict[str, Any]]:
    """The user's degrees of freedom, (K,), and the setting by which fits keep them.

    One number is kept by fits; of several, estimates start there.
    """
    if _SETTING not in kind._get_param_names():
        if given is None:
            return None, {}
        raise ValueError(
            "degrees_of_freedom is given, but a GaussianMixture has none: use "
            "StudentMixture.from_parameters"
        )
    if given is None:
        raise ValueError("degrees_of_freedom must be given: a number, or one for each")
    v = check_degrees_of_freedom(given, n_components, LEAST, MOST, _SETTING)
    if isinstance(given, (int, float)):
        return v, {_SETTING: given}
    return v, {f"{_SETTING}_init": v}


def degrees_of_freedom_of(model: Any) -> Array | None:
    """The fitted attribute, (K,); None for Gaussian components."""
    v: Array | None = getattr(model, _FITTED, None)
    return v


def set_degrees_of_freedom(model: Any, v: Array | None) -> None:
    """Set the fitted attribute, which only Student's mixtures have."""
    if v is not None:
        setattr(model, _FITTED, v)


def n_tail_parameters(model: Any) -> int:
    """Number of free degrees of freedom."""
    tails = tails_of_fit(model)
    return 0 if tails is None else tails.n_parameters(len(model.weights_))
