"""What a report holds, however it is shown."""

from __future__ import annotations

from dataclasses import dataclass, field

from fastem.mixture import GaussianMixture
from fastem.report.agreement import Agreement
from fastem.report.column_tallies import Told
from fastem.report.doubtful_rows import Doubts
from fastem.report.drawn_rows import DrawnRows
from fastem.report.outcomes import Outcome
from fastem.report.page import Summary

Drawn = tuple[GaussianMixture, list[DrawnRows]]


@dataclass(frozen=True)
class Contents:
    """What a report holds; :class:`Report` tells of each."""

    title: str
    summary: Summary
    sentences: tuple[str, ...]
    beside: tuple[Told, ...]
    outcome: Outcome | None
    agreement: Agreement | None
    doubts: Doubts
    notes: tuple[str, ...]
    drawn: Drawn | None = field(repr=False, compare=False)

    @property
    def components(self) -> tuple[int, ...]:
        """Numbers of the components, the heaviest first; -1 for a background, last."""
        weights = self.summary.model.weights_
        numbers = sorted(range(len(weights)), key=lambda k: -weights[k])
        return (*numbers, *[-1] * (len(self.sentences) - len(weights)))
