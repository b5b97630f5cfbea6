"""What a fit tells while it runs."""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from fastem.em.convergence import Convergence
from fastem.runtime import compiling

_ITERATIONS_AVERAGED = 10


@dataclass(frozen=True)
class Progress:
    """What a callback is told after each iteration.

    Attributes
    ----------
    restart : int
        Number of the initialisation, from 0.
    iteration : int
        Number of the iteration, from 1.
    lower_bound : float
        Mean log-likelihood of a row at the start of the iteration. After a step that
        ``accelerate`` took back, or that tested the end, the one before it once more.
    change : float
        ``lower_bound`` less that of the iteration before; inf in the first one, unless
        an earlier fit goes on.
    seconds : float
        Time that the iteration took, without what a first use takes to compile.
    rows_per_second : float
        Rows of the table over the mean time of an iteration, of the last ten.
    seconds_left : float
        Time until this start ends, at that rate: until it meets ``tol``, if the last
        gains foretell when, or else until ``max_iter``.
    """

    restart: int
    iteration: int
    lower_bound: float
    change: float
    seconds: float
    rows_per_second: float
    seconds_left: float


class StopFit(Exception):  # noqa: N818  (no error: a wish)
    """To be raised by the callback of a fit, to end it with what it has reached."""


class Reporter:
    """Prints what ``verbose`` asks for, and calls the user's callback.

    Parameters
    ----------
    verbose, interval : int
    callback : callable or None
    n_rows : int
        Number of rows that an iteration walks over.
    restart : int
        Number of the first start.
    """

    def __init__(
        self,
        verbose: int,
        interval: int,
        callback: Callable[[Progress], object] | None,
        n_rows: int = 0,
        restart: int = 0,
    ) -> None:
        self._verbose = verbose
        self._interval = interval
        self._callback = callback
        self._n_rows = n_rows
        self._restart = restart - 1
        self._began = 0.0
        self._last: deque[float] = deque(maxlen=_ITERATIONS_AVERAGED)

    def begin(self, iteration: int = 0) -> None:
        """A restart begins, or goes on after so many iterations."""
        self._restart += 1
        self._began = compiling.clock()
        self._last.clear()
        if self._verbose:
            resumed = f", resumed after iteration {iteration}" if iteration else ""
            print(f"Initialization {self._restart}{resumed}")

    def iteration(
        self,
        iteration: int,
        lower_bound: float,
        change: float,
        seconds: float,
        iterations_left: Callable[[], float],
    ) -> bool:
        """An iteration is over. Whether the callback wants the fit to end."""
        self._last.append(seconds)
        if self._verbose and iteration % self._interval == 0:
            detail = (
                f"\t time lapse {seconds:.5f}s\t ll change {change:.5f}"
                if self._verbose > 1
                else ""
            )
            print(f"  Iteration {iteration}{detail}")
        if self._callback is None:
            return False
        average = sum(self._last) / len(self._last)
        progress = Progress(
            *(self._restart, iteration, lower_bound, change, seconds),
            rows_per_second=self._n_rows / average if average > 0 else math.inf,
            seconds_left=average * iterations_left(),
        )
        try:
            self._callback(progress)
        except StopFit:
            return True
        return False

    def end(
        self,
        converged: bool,
        dropped: bool,
        lower_bound: float,
        convergence: Convergence,
    ) -> None:
        """A restart is over."""
        if self._verbose:
            how = "converged" if converged else "did not converge"
            if dropped:
                how = "was dropped, as it would not become the best"
            detail = (
                f" time lapse {compiling.clock() - self._began:.5f}s"
                f"\t lower bound {lower_bound:.5f}; {convergence}."
                if self._verbose > 1
                else ""
            )
            print(f"Initialization {how}.{detail}")
