"""What a fit tells while it runs."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from fastem.convergence import Convergence


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
        ``accelerate`` took back, the one before it once more.
    change : float
        ``lower_bound`` less that of the iteration before; inf in the first one, unless
        an earlier fit goes on.
    seconds : float
        Time that the iteration took.
    """

    restart: int
    iteration: int
    lower_bound: float
    change: float
    seconds: float


class Reporter:
    """Prints what ``verbose`` asks for, and calls the user's callback."""

    def __init__(
        self,
        verbose: int,
        interval: int,
        callback: Callable[[Progress], object] | None,
    ) -> None:
        self._verbose = verbose
        self._interval = interval
        self._callback = callback
        self._restart = -1
        self._began = 0.0

    def begin(self) -> None:
        """A restart begins."""
        self._restart += 1
        self._began = time.perf_counter()
        if self._verbose:
            print(f"Initialization {self._restart}")

    def iteration(
        self, iteration: int, lower_bound: float, change: float, seconds: float
    ) -> None:
        """An iteration is over."""
        if self._verbose and iteration % self._interval == 0:
            detail = (
                f"\t time lapse {seconds:.5f}s\t ll change {change:.5f}"
                if self._verbose > 1
                else ""
            )
            print(f"  Iteration {iteration}{detail}")
        if self._callback is not None:
            self._callback(
                Progress(self._restart, iteration, lower_bound, change, seconds)
            )

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
                f" time lapse {time.perf_counter() - self._began:.5f}s"
                f"\t lower bound {lower_bound:.5f}; {convergence}."
                if self._verbose > 1
                else ""
            )
            print(f"Initialization {how}.{detail}")
