"""How clusters compare with labels that are known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastem.choice.frames import frame_of
from fastem.choice.stability import adjusted_rand
from fastem.report.column_tallies import ColumnTally
from fastem.statistics import Array

MOST_LABELS = 24  # that are shown


@dataclass(frozen=True)
class Agreement:
    """How clusters compare with labels that are known.

    Attributes
    ----------
    name : str
        Of the labels.
    components : tuple of int
        What the rows of ``counts`` are of; -1 is the background.
    labels : tuple of str
    counts : array of shape (K, L)
        How many rows whose likeliest component it is have each label, by their
        weights; with a background (K + 1, L).
    missing : float
        The share of the rows without a label, which do not count.
    adjusted_rand : float
        1 if clusters are the labels, about 0 if they have nothing to do with them. A
        background is a cluster of its own here.
    """

    name: str
    components: tuple[int, ...]
    labels: tuple[str, ...]
    counts: Array
    missing: float
    adjusted_rand: float

    def most_of(self, place: int) -> tuple[str, float]:
        """The label that most of a cluster's rows have, and the share of them."""
        of_cluster = self.counts[place]
        if not of_cluster.any():
            return "", np.nan
        most = int(of_cluster.argmax())
        return self.labels[most], float(of_cluster[most] / of_cluster.sum())

    def to_frame(self) -> Any:
        """A DataFrame with a row for each cluster: of pandas, or of polars."""
        columns = dict(zip(self.labels, self.counts.T.tolist(), strict=True))
        return frame_of({"component": list(self.components), **columns})


def agreement_of(tally: ColumnTally) -> Agreement:
    """The agreement that was counted, each row being in its likeliest cluster.

    Raises
    ------
    ValueError
        If the column holds no labels.
    """
    levels = tally.as_levels()
    if levels is None:
        tally.told()
        reason = tally.untold or "it holds too many different numbers"
        raise ValueError(f"labels {tally.name!r} cannot be compared: {reason}")
    return Agreement(
        *(tally.name, levels.components, levels.levels, levels.counts),
        *(levels.missing, adjusted_rand(levels.counts)),
    )
