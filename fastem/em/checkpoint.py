"""Checkpoints: files from which a fit that was killed goes on, to the same bits."""

import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path as FilePath
from typing import Any

import numpy as np

from fastem.covariances import Degeneracy, SingularCovarianceError
from fastem.em.acceleration import Pair, Place
from fastem.em.convergence import Convergence, Trace
from fastem.em.expectation import Expectation
from fastem.em.loop import Fit, Position
from fastem.em.maximization import Collapse, Maximization
from fastem.em.plan import Plan
from fastem.em.plateaus import End, PlateauTest
from fastem.em.restarts import Search
from fastem.runtime import blas
from fastem.statistics import Background, MixtureParameters
from fastem.storage.json_text import Section, brief, readable
from fastem.storage.json_values import digest, from_json, to_json
from fastem.storage.writing import PathLike, check_folder, complete_or_absent
from fastem.version import __version__

FORMAT = "fastem.checkpoint"
FORMAT_VERSION = 1

# Writing takes up to a twentieth of the time, and never happens more than once a
# second: a mixture of 16 components in 16 columns is a file of 0.3 MB.
_SECONDS_BETWEEN = 1.0
_LARGEST_SHARE = 1 / 20

_IRRELEVANT = {"n_threads", "verbose", "verbose_interval"}
_VALUES = (
    *(Background, Collapse, Convergence, Degeneracy, End, Fit, MixtureParameters),
    *(Pair, Place, Trace),
)


@dataclass
class Checkpoint:
    """Where a fit stands, in a file.

    Parameters
    ----------
    path : path or None
        None writes nothing.
    identify : callable
        Returns what a fit must have in common with the one that wrote the file, to go
        on from it: for each section, names and plain values. Not called without a path.
    plan : Plan
    expect : Expectation
    maximize : Maximization

    Attributes
    ----------
    search : Search
        How far the choice among starts has come; whoever chooses keeps it up to date.
    """

    path: PathLike | None
    identify: Callable[[], dict[str, dict[str, Any]]]
    plan: Plan
    expect: Expectation
    maximize: Maximization
    search: Search = field(default_factory=Search)

    def __post_init__(self) -> None:
        self._due = -math.inf
        self._identity: dict[str, dict[str, Any]] = {}
        if self.path is not None:
            check_folder(self.path)
            self._identity = self.identify()

    def starts(
        self, start: Callable[[], Any], n_starts: int
    ) -> list[Callable[[], Any]]:
        """The starts that are left; the first one of them is where the fit stood.

        The search, the random state, and the states of the steps become what they
        were. If there is no file, all starts are left.

        Raises
        ------
        ValueError
            If the file is that of another fit, or no checkpoint.
        """
        if self.path is None or not FilePath(self.path).exists():
            return [start] * n_starts
        position = self._read(self.path)
        return [lambda: position, *[start] * (n_starts - self.search.n_finished - 1)]

    def record(self, position: Position, *, at_once: bool = False) -> None:
        """Write it if that is due; in any case, if ``at_once``."""
        began = time.perf_counter()
        if self.path is None or (began < self._due and not at_once):
            return
        search = self.search
        content = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            **self._identity,
            "search": {
                "n_finished": search.n_finished,
                "best": search.best,
                "n_dropped": search.n_dropped,
                "failures": [error.args for error in search.failures],
                "waiting": search.waiting,
            },
            "position": {
                "iteration": position.iteration,
                "largest_fall": position.largest_fall(),
                "trace": position.trace,
                "parameters": position.parameters,
                "reached": position.reached,
                "path": position.path.state(),
                "tested": None if position.test is None else position.test.end,
            },
            "expectation": self.expect.state(),
            "collapses": list(self.maximize.collapses),
            "random_state": self.plan.random_state.get_state(legacy=False),
        }
        with complete_or_absent(self.path) as temporary:
            text = readable(to_json(content)) + "\n"
            with temporary.open("w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())  # or the file is empty after a power cut
        ended = time.perf_counter()
        pause = max(_SECONDS_BETWEEN, (ended - began) / _LARGEST_SHARE)
        self._due = ended + pause

    def _read(self, path: PathLike) -> Position:
        content = Section.of_file(FilePath(path))
        self._check_identity(content)
        search, place, expectation, collapses, random_state = (
            self._value(content, key, kind)
            for key, kind in (
                *(("search", dict), ("position", dict), ("expectation", object)),
                *(("collapses", list), ("random_state", dict)),
            )
        )
        self.search.n_finished = search["n_finished"]
        self.search.best = search["best"]
        self.search.n_dropped = search["n_dropped"]
        self.search.failures = [
            SingularCovarianceError(*arguments) for arguments in search["failures"]
        ]
        self.search.waiting = search["waiting"]
        way = self.plan.path()
        way.restore(place["path"])
        self.expect.restore(expectation)
        self.maximize.collapses = collapses
        self.plan.random_state.set_state(random_state)
        test = None
        if place["tested"] is not None:
            with blas.one_thread():
                test = PlateauTest(self.maximize, place["tested"])
        return Position(
            place["parameters"],
            place["reached"],
            place["trace"],
            way,
            place["iteration"],
            partial(float, place["largest_fall"]),
            test,
        )

    def _check_identity(self, content: Section) -> None:
        found = content.values.get("format")
        if found != FORMAT or content.values.get("format_version") != FORMAT_VERSION:
            raise ValueError(
                f'{self.path} is not a checkpoint of this fastem: its "format" is '
                f"{brief(found)}. Choose another path, or delete the file."
            )
        for section, now in self._identity.items():
            before = content.get(section, dict)
            expected = to_json(now)
            for name in expected:
                if before.get(name) != expected[name]:
                    raise ValueError(
                        f"{self.path} is the checkpoint of another fit: its {section} "
                        f"had {name}={_shown(before.get(name))}, and now it is "
                        f"{_shown(expected[name])}. Fit with what it was to go on, or "
                        "delete the file to start anew."
                    )

    def _value(self, content: Section, key: str, kind: type) -> Any:
        try:
            return from_json(content.get(key, kind), _VALUES)
        except ValueError as error:
            raise ValueError(
                f'{self.path}, "{key}": {error}. Delete the file to start anew.'
            ) from None


def remove(path: PathLike | None) -> None:
    """The fit is complete: nothing is left to go on from."""
    if path is not None:
        FilePath(path).unlink(missing_ok=True)


def plain_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Constructor parameters as values that can be compared, with fastem's version.

    Without those that change no digit. Arrays and generators of random numbers become
    fingerprints.
    """
    plain: dict[str, Any] = {"fastem": __version__}
    for name, value in settings.items():
        if name in _IRRELEVANT:
            continue
        if isinstance(value, np.random.RandomState):
            state = repr(to_json(value.get_state(legacy=False)))
            plain[name] = f"RandomState {digest(np.array(state))}"
        elif value is None or isinstance(value, (str, bool, int, float, np.generic)):
            plain[name] = value
        elif callable(value):
            kind = value if hasattr(value, "__qualname__") else type(value)
            plain[name] = f"callable {kind.__module__}.{kind.__qualname__}"
        elif isinstance(value, Mapping):
            parts = {key: np.asarray(value[key]).tolist() for key in sorted(value)}
            plain[name] = str(parts)
        else:
            plain[name] = f"array {digest(np.asarray(value))}"
    return plain


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else brief(value)
