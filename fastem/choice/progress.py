"""What is told while candidates are fitted."""

from collections.abc import Callable
from dataclasses import dataclass

from fastem.choice.candidates import Attempt


@dataclass(frozen=True)
class SelectionProgress:
    """What a callback is told after each fit of a candidate.

    Attributes
    ----------
    covariance_type : str
    n_components : int
    n_rows : int
        How many rows it was fitted to.
    n_done, n_left : int
        Fits to as many rows that are over, and that are still to come.
    seconds_left : float
        Until the last of these, if the others take as long as the ones before.
    fold : int, default=0
        With ``criterion='held_out'``, of the fits without a fold: its number, from 1.
        They are counted by themselves, when all fits to all rows are over.
    """

    covariance_type: str
    n_components: int
    n_rows: int
    n_done: int
    n_left: int
    seconds_left: float
    fold: int = 0


class SelectionReport:
    """Tells of each fit, in print and to the user's callback."""

    def __init__(
        self, verbose: int, callback: Callable[[SelectionProgress], object] | None
    ) -> None:
        self._verbose = verbose
        self._callback = callback
        self._counted: tuple[int, bool] | None = None
        self._n_done = 0
        self._seconds = 0.0

    def of_rows(self, attempt: Attempt, n_rows: int, n_left: int) -> None:
        """A fit to so many rows is over."""
        if self._verbose:
            how = f"{attempt.seconds:.2f} s" if attempt.is_regular else attempt.reason
            print(f"{attempt.candidate}: {n_rows:,} rows, {how}")
        self._tell(attempt, n_rows, n_left, attempt.seconds, 0)

    def of_fold(
        self, attempt: Attempt, n_rows: int, fold: int, n_left: int, seconds: float
    ) -> None:
        """A fit without a fold of so many rows is over."""
        if self._verbose:
            print(f"{attempt.candidate}: without fold {fold}, {seconds:.2f} s")
        self._tell(attempt, n_rows, n_left, seconds, fold)

    def _tell(
        self, attempt: Attempt, n_rows: int, n_left: int, seconds: float, fold: int
    ) -> None:
        counted = n_rows, fold > 0
        if counted != self._counted:
            self._counted, self._n_done, self._seconds = counted, 0, 0.0
        self._n_done += 1
        self._seconds += seconds
        if self._callback is not None:
            candidate = attempt.candidate
            self._callback(
                SelectionProgress(
                    *(candidate.covariance_type, candidate.n_components, n_rows),
                    *(self._n_done, n_left, self._seconds / self._n_done * n_left),
                    fold,
                )
            )
