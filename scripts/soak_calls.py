"""Calls of fastem to choose from at random, valid and invalid: each has one answer."""

import copy
import hashlib
import pickle
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet
from sklearn.base import clone

from fastem import GaussianMixture, load_model, save_model

KINDS = ("full", "tied", "diag", "spherical")


def digest(value: Any) -> str:
    """A text that is the same for the same bits."""
    sha = hashlib.sha256()

    def add(part: Any) -> None:
        if isinstance(part, np.ndarray):
            sha.update(f"{part.dtype} {part.shape}".encode())
            # Of objects an array has the addresses.
            is_text = part.dtype == object
            sha.update(repr(part.tolist()).encode() if is_text else part.tobytes())
        elif isinstance(part, (list, tuple)):
            for item in part:
                add(item)
        else:
            sha.update(repr(part).encode())

    add(value)
    return sha.hexdigest()


def state(model: GaussianMixture) -> str:
    """All attributes of a model, bit by bit."""
    return digest([item for pair in sorted(vars(model).items()) for item in pair])


class Refusal(Exception):  # noqa: N818 - it is no error
    """What a callback raises."""


@dataclass(frozen=True)
class Call:
    """A call that gives the same answer, or the same error, whenever it is made.

    Attributes
    ----------
    kind : str
        What it is an example of.
    model : callable
        Makes the estimator to call.
    act : callable
        Calls it, and returns the answer.
    """

    kind: str
    model: Callable[[], GaussianMixture]
    act: Callable[[GaussianMixture], Any]


class Catalogue:
    """Random tables and calls, the same for the same seed and number of threads."""

    def __init__(self, seed: int, n_threads: int | None, folder: Path) -> None:
        self._random = np.random.default_rng(seed)
        self._n_threads = n_threads
        self._folder = folder
        self._tables = list(self._make_tables())

    def _make_tables(self) -> Iterator[np.ndarray]:
        for n_rows, n_columns in ((40, 1), (300, 2), (3000, 3), (2500, 7), (25_000, 2)):
            centers = self._random.normal(scale=4, size=(4, n_columns))
            rows = centers[self._random.integers(4, size=n_rows)]
            rows = rows + self._random.normal(size=rows.shape)
            yield rows
            yield rows.astype(np.float32)
            # Pixels: whole numbers, many of them equal.
            yield np.clip(rows * 8 + 100, 0, 255).astype(np.uint8)

    def _choose(self, *options: Any) -> Any:
        return options[self._random.integers(len(options))]

    def _parameters(self, X: np.ndarray) -> dict[str, Any]:
        K = int(self._choose(1, 2, 3, 5))
        kind = self._choose(*KINDS)
        parameters = {
            "n_components": K,
            "covariance_type": kind,
            "max_iter": int(self._choose(0, 1, 3, 10)),
            "tol": self._choose(0.0, 1e-3),
            "reg_covar": self._choose(0.0, 1e-6, 1e-2),
            "n_init": int(self._choose(1, 1, 2)),
            "init_params": self._choose(
                *("kmeans", "k-means++", "random", "random_from_data"),
                *("subsample", "trimmed"),
            ),
            "accelerate": bool(self._choose(False, True)),
            "stopping": self._choose("change", "remaining_gain"),
            "random_state": int(self._random.integers(1000)),
            "n_threads": self._n_threads,
        }
        if self._choose(True, False):
            parameters["means_init"] = X[self._random.integers(len(X), size=K)]
            parameters["weights_init"] = np.full(K, 1 / K)
        return parameters

    def _weights(self, n_rows: int) -> np.ndarray | None:
        weights: np.ndarray | None = self._choose(
            None,
            self._random.uniform(size=n_rows),
            self._random.integers(3, size=n_rows),
        )
        return weights

    def _fitted(self) -> tuple[Callable[[], GaussianMixture], np.ndarray]:
        """A model, and rows for it."""
        X = self._choose(*self._tables)
        K = int(self._choose(1, 2, 4))
        kind, D = self._choose(*KINDS), X.shape[1]
        shapes = {"full": (K, D, D), "tied": (D, D), "diag": (K, D), "spherical": (K,)}
        variances = self._random.uniform(1, 9, size=shapes[kind])
        covariances = variances * np.eye(D) if kind in ("full", "tied") else variances
        weights = self._random.dirichlet(np.ones(K))
        means = X[self._random.integers(len(X), size=K)].astype(np.float64)
        seed = int(self._random.integers(1000))

        def make() -> GaussianMixture:
            return GaussianMixture.from_parameters(
                weights,
                means,
                covariances,
                covariance_type=kind,
                random_state=seed,
                n_threads=self._n_threads,
            )

        return make, X

    def calls(self, n_of_each: int) -> list[Call]:
        """So many calls of each kind."""
        makers = (
            *(self._fit, self._fit, self._fit, self._warm, self._answers),
            *(self._copies, self._file, self._bad_parameter, self._bad_rows),
            *(self._bad_answer, self._callback, self._bad_file),
            *(self._stream, self._blocks, self._bad_blocks, self._checkpoint),
        )
        return [make() for make in makers for _ in range(n_of_each)]

    def _path(self) -> Path:
        """A file of this thread's own."""
        return self._folder / f"{threading.get_ident()}.json"

    def _fit(self) -> Call:
        X = self._choose(*self._tables)
        parameters, weights = self._parameters(X), self._weights(len(X))
        return Call(
            "fit",
            lambda: GaussianMixture(**parameters),
            lambda model: digest_of_fit(model.fit(X, sample_weight=weights)),
        )

    def _warm(self) -> Call:
        make, X = self._fitted()
        return Call(
            "fit, warm start",
            lambda: make().set_params(warm_start=True, max_iter=2),
            lambda model: (model.fit_predict(X), digest_of_fit(model)),
        )

    def _answers(self) -> Call:
        make, X = self._fitted()
        weights = self._weights(len(X))
        return Call(
            "answers",
            make,
            lambda model: [
                *(model.predict(X), model.predict_proba(X), model.score_samples(X)),
                *(model.score(X, sample_weight=weights), model.bic(X), model.aic(X)),
                *(model.sample(50), model.predict(X[:1])),
            ],
        )

    def _copies(self) -> Call:
        make, X = self._fitted()
        duplicate = self._choose(
            copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))
        )
        return Call(
            "copies",
            make,
            lambda model: [
                duplicate(model).predict_proba(X[:500]),
                repr(clone(model).get_params()["random_state"]),
            ],
        )

    def _file(self) -> Call:
        make, X = self._fitted()

        def save_and_load(model: GaussianMixture) -> Any:
            path = self._path()
            save_model(model, path)
            return load_model(path).predict_proba(X[:500])

        return Call("model file", make, save_and_load)

    def _stream(self) -> Call:
        X = self._choose(*self._tables)
        parameters, weights = self._parameters(X), self._weights(len(X))

        def learn(model: GaussianMixture) -> Any:
            learned = clone(model).partial_fit(X, sample_weight=weights)
            save_model(learned.partial_fit(X[::-1]), self._path())
            goes_on = load_model(self._path()).partial_fit(X)
            # Last, since an interrupt may leave the model as it is now or is then.
            model.partial_fit(X)
            return [digest_of_fit(one) for one in (learned, goes_on, model)]

        return Call("partial_fit", lambda: GaussianMixture(**parameters), learn)

    def _parquet(self, X: np.ndarray) -> Path:
        """A folder of three files with these rows."""
        folder = self._folder / digest(X)
        folder.mkdir(exist_ok=True)
        for i, rows in enumerate(np.array_split(X.astype(np.float64), 3)):
            columns = {f"x{j}": column for j, column in enumerate(rows.T)}
            parquet.write_table(pa.table(columns), folder / f"{i}.parquet")
        return folder

    def _blocks(self) -> Call:
        X = self._choose(*self._tables)
        parameters, folder = self._parameters(X), self._parquet(X)
        return Call(
            "rows in blocks",
            lambda: GaussianMixture(**parameters),
            lambda model: [
                *(digest_of_fit(model.fit(folder)), model.predict(folder)),
                *(model.score(folder), digest_of_fit(learn_more(model, folder))),
            ],
        )

    def _bad_blocks(self) -> Call:
        make, X = self._fitted()
        spoilt = X.astype(np.float64)
        spoilt[int(self._random.integers(len(X))), 0] = np.nan
        folder = self._parquet(spoilt)
        method = self._choose("fit", "partial_fit", "predict", "score")
        return Call("bad blocks", make, lambda model: getattr(model, method)(folder))

    def _checkpoint(self) -> Call:
        X = self._choose(*self._tables)
        parameters = self._parameters(X)

        def fit(model: GaussianMixture) -> Any:
            path = self._path().with_suffix(".checkpoint.json")
            # What an interrupted fit has left is of another one.
            path.unlink(missing_ok=True)
            return digest_of_fit(model.fit(X, checkpoint=path))

        return Call("fit with a checkpoint", lambda: GaussianMixture(**parameters), fit)

    def _bad_parameter(self) -> Call:
        make, X = self._fitted()
        wrong = self._choose(
            {"n_components": 0},
            {"n_components": "two"},
            {"covariance_type": "round"},
            {"tol": -1},
            {"reg_covar": np.nan},
            {"max_iter": 1.5},
            {"n_init": None},
            {"init_params": "best"},
            {"random_state": -1},
            {"n_threads": 0},
            {"weights_init": [0.5, 0.6, 0.7]},
            {"means_init": [[np.nan]]},
            {"precisions_init": "large"},
            {"stopping": "soon"},
        )
        return Call(
            "bad parameter",
            lambda: make().set_params(**wrong),
            lambda model: digest_of_fit(model.fit(X)),
        )

    def _bad_rows(self) -> Call:
        make, X = self._fitted()
        spoilt = X.astype(np.float64)
        row = int(self._random.integers(len(X)))
        spoilt[row, 0] = self._choose(np.nan, np.inf, 1e300)
        rows, weights = self._choose(
            (spoilt, None),
            (X[:0], None),
            (X[:, :0], None),
            (X[0], None),
            (X[np.newaxis], None),
            (X.astype(complex), None),
            (X.astype("U4"), None),
            (X.astype("M8[s]"), None),
            (None, None),
            ("rows", None),
            (np.zeros_like(X), None),
            (X, -np.ones(len(X))),
            (X, np.ones(len(X) + 1)),
            (X, np.zeros(len(X))),
            (X, "heavy"),
        )
        return Call(
            "bad rows or weights",
            lambda: make().set_params(reg_covar=0),
            lambda model: digest_of_fit(model.fit(rows, sample_weight=weights)),
        )

    def _bad_answer(self) -> Call:
        make, X = self._fitted()
        method = self._choose("predict", "predict_proba", "score_samples", "score")
        rows = self._choose(
            np.hstack([X, X]), X[:0], X[0], X.astype("U4"), X * np.nan, None
        )
        unfitted = bool(self._choose(False, False, True))
        return Call(
            "bad rows for an answer",
            lambda: GaussianMixture() if unfitted else make(),
            lambda model: getattr(model, method)(rows),
        )

    def _callback(self) -> Call:
        make, X = self._fitted()
        last = int(self._choose(1, 2, 3))
        error = self._choose(KeyboardInterrupt, Refusal, SystemExit)

        def refuse(progress: Any) -> None:
            if progress.iteration == last:
                raise error("as planned")

        return Call(
            "callback that raises",
            lambda: make().set_params(max_iter=5, tol=0),
            lambda model: digest_of_fit(model.fit(X, callback=refuse)),
        )

    def _bad_file(self) -> Call:
        make, _ = self._fitted()
        share = float(self._random.uniform())

        def load_a_part(model: GaussianMixture) -> Any:
            path = self._path()
            save_model(model, path)
            content = path.read_bytes()
            path.write_bytes(content[: int(share * (len(content) - 2))])
            try:
                load_model(path)
            except ValueError as error:
                raise ValueError(str(error).replace(str(path), "")) from None

        return Call("bad model file", make, load_a_part)


def learn_more(model: GaussianMixture, folder: Path) -> GaussianMixture:
    """A copy of the model that has learned from the folder."""
    return copy.deepcopy(model).partial_fit(folder)


def digest_of_fit(model: GaussianMixture) -> Any:
    """What a fit found."""
    return [
        *(model.weights_, model.means_, model.covariances_, model.precisions_cholesky_),
        *(model.lower_bounds_, model.n_iter_, model.converged_, model.convergence_),
    ]
