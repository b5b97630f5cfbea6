"""Time an EM iteration of several libraries, run by run in turn."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import median

import numpy as np

from benchmarks.libraries import LIBRARIES, NUMPY, Prepare, Run
from benchmarks.machine import QUIET, OtherPrograms
from benchmarks.peak import multiply_add_rate
from benchmarks.problems import Problem, Rows, Start, generate

# Largest relative difference of a log-likelihood to the NumPy reference in float64.
TOLERANCES = {"float64": 1e-9, "float32": 1e-5}

_FEWEST_ITERATIONS, _MOST_ITERATIONS = 2, 50
_MOST_CHECKED = 10
_MOST_RETRIES = 20


class DisagreementError(AssertionError):
    """A library reached another log-likelihood: its time means nothing."""


@dataclass(frozen=True)
class Sample:
    """Seconds by three clocks: on the wall, and of the processor.

    ``cpu`` counts all threads of the process, ``own_cpu`` the calling one alone.
    """

    wall: float
    cpu: float
    own_cpu: float
    others: float = 0.0  # part of the cores' time that other programs took

    @classmethod
    def now(cls) -> "Sample":
        """The clocks' readings."""
        return cls(time.perf_counter(), time.process_time(), time.thread_time())

    def since(self, earlier: "Sample") -> "Sample":
        """What passed between two readings."""
        return replace(
            self,
            wall=self.wall - earlier.wall,
            cpu=self.cpu - earlier.cpu,
            own_cpu=self.own_cpu - earlier.own_cpu,
        )

    def over(self, n: int) -> "Sample":
        """One n-th."""
        return replace(
            self, wall=self.wall / n, cpu=self.cpu / n, own_cpu=self.own_cpu / n
        )

    @property
    def is_disturbed(self) -> bool:
        """Whether its time on the wall means little."""
        return self.others > QUIET


@dataclass
class Timing:
    """What one library took for one problem; samples are of one EM iteration."""

    first_seconds: float  # the first run of one iteration, compilation included
    n_iterations: int
    samples: list[Sample] = field(default_factory=list)
    difference: float = 0.0  # largest relative one of the log-likelihood

    @property
    def wall(self) -> list[float]:
        """Seconds on the wall an iteration, round by round."""
        return [sample.wall for sample in self.samples]

    @property
    def cpu(self) -> list[float]:
        """Processor seconds an iteration, round by round."""
        return [sample.cpu for sample in self.samples]

    @property
    def n_disturbed(self) -> int:
        """Number of samples during which the machine had other things to do."""
        return sum(sample.is_disturbed for sample in self.samples)

    @property
    def parallel_share(self) -> float:
        """The part of the processor time that other threads than the first took.

        With n threads that share the work evenly it is 1 - 1/n, whatever else runs
        on the machine.
        """
        cpu = sum(sample.cpu for sample in self.samples)
        own = sum(sample.own_cpu for sample in self.samples)
        return 1 - own / cpu


@dataclass
class Result:
    """All that was measured of one problem."""

    problem: Problem
    timings: dict[str, Timing]
    log_likelihood: float  # mean of a row at the last iteration that is compared
    peak: float = 0.0  # FLOP/s of the cores: the most that was seen in any round

    def ratios(self, library: str, base: str, clock: str = "wall") -> list[float]:
        """Time of ``library`` over that of ``base``, round by round."""
        times: list[float] = getattr(self.timings[library], clock)
        base_times: list[float] = getattr(self.timings[base], clock)
        return [a / b for a, b in zip(times, base_times, strict=True)]

    def flop_rate(self, library: str) -> float:
        """Useful floating-point operations a second, at the median time."""
        return self.problem.flops / median(self.timings[library].wall)


def relative_difference(history: Sequence[float], truth: Sequence[float]) -> float:
    """The largest one over the iterations that both have; infinite for NaN."""
    pairs = list(zip(history, truth, strict=False))
    differences = [abs(value - true) / abs(true) for value, true in pairs]
    return max(d if d == d else float("inf") for d in differences)


def measure(
    problem: Problem,
    libraries: Sequence[str],
    *,
    prepared_by: Mapping[str, Prepare] = LIBRARIES,
    repeats: int,
    seconds_a_run: float,
    most_iterations: int = _MOST_ITERATIONS,
    with_peak: bool = True,
    patience: float = 0.0,
    report: Callable[[str], None],
) -> Result:
    """Time an iteration in alternating runs (A B C A B C ...) on the same rows.

    One sample is the difference between a run of 1 + n iterations and a run of one,
    over n: whatever a library does once a fit (validation, the start, scikit-learn's
    last expectation step for labels) is in both and cancels. n is chosen for each
    library so that its n iterations take about ``seconds_a_run``; it is no more than
    ``most_iterations``, as fastem ends at the optimum. ``prepared_by`` says how each
    library runs, if not as in ``LIBRARIES``. A sample that other programs disturbed is
    taken again, as long as that costs less than ``patience`` seconds in all.

    Raises
    ------
    DisagreementError
        If a log-likelihood differs from the reference's by more than rounding.
    """
    X, start = generate(problem)
    runs: dict[str, Run] = {}
    timings: dict[str, Timing] = {}
    for library in libraries:
        report(f"{problem.name}: warming up {library}")
        run = runs[library] = prepared_by[library](problem, X, start)
        before = time.perf_counter()
        run(1)
        first_seconds = time.perf_counter() - before
        iteration = _sample(run, _FEWEST_ITERATIONS)[0].wall
        wanted = round(seconds_a_run / iteration)
        n = min(max(wanted, _FEWEST_ITERATIONS), most_iterations)
        timings[library] = Timing(first_seconds, n)
    report(f"{problem.name}: the log-likelihood to be reached")
    n_checked = 1 + min(timing.n_iterations for timing in timings.values())
    truth = true_history(problem, X, start, min(n_checked, _MOST_CHECKED))
    result = Result(problem, timings, truth[-1])
    for repeat in range(repeats):
        report(f"{problem.name}: round {repeat + 1} of {repeats}")
        if with_peak:
            result.peak = max(result.peak, multiply_add_rate(problem.dtype))
        for library, timing in timings.items():
            sample, history = _sample(runs[library], timing.n_iterations)
            while sample.is_disturbed and patience > 0:
                report(f"{problem.name}: waiting for other programs")
                before = time.perf_counter()
                wait_until_quiet(patience)
                sample, history = _sample(runs[library], timing.n_iterations)
                patience -= time.perf_counter() - before
            timing.samples.append(sample)
            difference = relative_difference(history, truth)
            timing.difference = max(timing.difference, difference)
            if not difference <= TOLERANCES[problem.dtype]:
                raise DisagreementError(
                    f"{library} on {problem.name}: the log-likelihood is off by "
                    f"{difference:.1e} (relative), more than "
                    f"{TOLERANCES[problem.dtype]:.0e}: {history[: len(truth)]} "
                    f"instead of {truth}"
                )
    return result


def with_common_peak(results: Sequence[Result]) -> Sequence[Result]:
    """The same results, all against the highest peak that was seen for their type."""
    for result in results:
        result.peak = max(
            other.peak
            for other in results
            if other.problem.dtype == result.problem.dtype
        )
    return results


def true_history(
    problem: Problem, X: Rows, start: Start, n_iterations: int
) -> list[float]:
    """The NumPy reference's log-likelihoods, in float64 whatever the rows are."""
    return LIBRARIES[NUMPY](problem, X.astype(np.float64), start)(n_iterations)


def wait_until_quiet(seconds: float) -> None:
    """Sleep until the cores are free, but not for longer than that."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        others = OtherPrograms()
        time.sleep(0.5)
        if (others.share() or 0.0) <= QUIET:
            return


def _sample(run: Run, n_iterations: int) -> tuple[Sample, list[float]]:
    """The time of one iteration, and the log-likelihoods of the longer run."""
    for _ in range(_MOST_RETRIES):
        others = OtherPrograms()
        start = Sample.now()
        run(1)
        middle = Sample.now()
        history = run(1 + n_iterations)
        end = Sample.now()
        if len(history) != 1 + n_iterations:
            raise DisagreementError(
                f"{len(history)} iterations instead of {1 + n_iterations}"
            )
        sample = end.since(middle).since(middle.since(start)).over(n_iterations)
        sample = replace(sample, others=others.share() or 0.0)
        if sample.wall > 0 and sample.cpu > 0:
            return sample, history
    raise RuntimeError(
        f"one iteration took longer than {1 + n_iterations}, {_MOST_RETRIES} times: "
        "the machine is too busy to measure anything"
    )
