"""Actions timed in turn, A B C A B C: what is not an iteration of EM."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from statistics import median

from benchmarks.machine import OtherPrograms
from benchmarks.measure import Sample, wait_until_quiet

Action = Callable[[], object]
_MOST_CALLS = 10_000


@dataclass(frozen=True)
class Rounds:
    """A sample of one call for each action and round."""

    samples: dict[str, list[Sample]]

    def times(self, action: str) -> list[float]:
        """Seconds on the wall, round by round."""
        return [sample.wall for sample in self.samples[action]]

    def seconds(self, action: str) -> float:
        """Their median."""
        return median(self.times(action))

    def ratios(self, action: str, base: str) -> list[float]:
        """Time of ``action`` over that of ``base``, round by round."""
        pairs = zip(self.times(action), self.times(base), strict=True)
        return [one / other for one, other in pairs]

    @property
    def n_samples(self) -> int:
        """Of all actions together."""
        return sum(len(samples) for samples in self.samples.values())

    @property
    def n_disturbed(self) -> int:
        """How many of them other programs disturbed."""
        return sum(s.is_disturbed for some in self.samples.values() for s in some)


def alternate(
    actions: Mapping[str, Action],
    *,
    repeats: int,
    seconds_a_sample: float = 0.0,
    patience: float = 0.0,
) -> Rounds:
    """Time the actions in turn, after a call of each that warms up.

    A sample is one call, or as many as take ``seconds_a_sample``. One that other
    programs disturbed is taken again, as long as that costs less than ``patience``
    seconds in all.
    """
    n_calls = {}
    for name, action in actions.items():
        action()
        once = _sample(action, 1).wall
        n_calls[name] = min(max(1, round(seconds_a_sample / once)), _MOST_CALLS)
    samples: dict[str, list[Sample]] = {name: [] for name in actions}
    for _ in range(repeats):
        for name, action in actions.items():
            sample = _sample(action, n_calls[name])
            while sample.is_disturbed and patience > 0:
                before = time.perf_counter()
                wait_until_quiet(patience)
                sample = _sample(action, n_calls[name])
                patience -= time.perf_counter() - before
            samples[name].append(sample)
    return Rounds(samples)


def _sample(action: Action, n_calls: int) -> Sample:
    others = OtherPrograms()
    before = Sample.now()
    for _ in range(n_calls):
        action()
    sample = Sample.now().since(before).over(n_calls)
    return replace(sample, others=others.share() or 0.0)
