"""What cannot be used is an error that names it; what can be used gives the answer."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from fastem import GaussianMixture, RegularizationWarning, SingularCovarianceError
from fastem.checks import rows as checked_rows
from fastem.covariances import STRUCTURES
from tests.mixtures import draw, random_mixture, start_of

K, D, N = 2, 3, 120
METHODS = ["predict", "predict_proba", "score_samples", "score", "bic", "aic"]
FITS = ["fit", "fit_predict"]
NAMES = ["height", "width", "depth"]


def rows():
    random = np.random.default_rng(8)
    return draw(random, random_mixture(random, "full", K, D), N)


def changed(row, column, value):
    X = rows()
    X[row, column] = value
    return X


@pytest.fixture(scope="module")
def fitted():
    """A model for each structure, fitted to rows with names."""
    return {
        name: GaussianMixture(
            K, covariance_type=name, random_state=0, max_iter=500
        ).fit(rows())
        for name in STRUCTURES
    }


def call(method, X, model):
    """The method on an own estimator, fitted where it must be."""
    if method in FITS:
        return getattr(GaussianMixture(K, random_state=0, max_iter=500), method)(X)
    return getattr(model, method)(X)


def assert_refused(action, error_type, words):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of NumPy, about what it was given
        with pytest.raises(error_type) as raised:
            action()
    for word in words:
        assert word in str(raised.value), str(raised.value)


# Rows that cannot be used

frame = pd.DataFrame(rows(), columns=NAMES)
BAD_ROWS = {
    "NaN": (changed(5, 2, np.nan), ValueError, ["1 NaN", "row 5", "column 2", "drop"]),
    "infinity": (changed(7, 0, -np.inf), ValueError, ["1 inf", "row 7", "column 0"]),
    "many": (
        changed(slice(90, 100), slice(0, 2), np.nan),
        ValueError,
        ["20 NaN", "10 of 120 rows", "row 90", "column 0"],
    ),
    "both": (
        np.where(rows() > 2, np.inf, changed(0, 1, np.nan)),
        ValueError,
        ["1 NaN and", "inf", "row 0", "column 1"],
    ),
    "NaN in a named column": (
        pd.DataFrame(changed(5, 2, np.nan), columns=NAMES),
        ValueError,
        ["1 NaN", "row 5", "column 'depth'"],
    ),
    "null in a polars table": (
        pl.DataFrame(changed(5, 2, 0.0), schema=NAMES).with_columns(
            pl.when(pl.int_range(N) == 4)
            .then(None)
            .otherwise(pl.col("width"))
            .alias("width")
        ),
        ValueError,
        ["1 NaN", "row 4", "column 'width'"],
    ),
    "NaN in float32": (
        changed(5, 2, np.nan).astype(np.float32),
        ValueError,
        ["1 NaN", "row 5", "column 2"],
    ),
    "too large to square": (
        changed(3, 1, 1e200),
        ValueError,
        ["too large", "row 3", "column 1", "1e+200", "Scale"],
    ),
    "too large to square in float32": (
        changed(3, 1, 1e25).astype(np.float32),
        ValueError,
        ["too large", "row 3", "column 1", "float32"],
    ),
    "masked values": (
        np.ma.masked_array(rows(), mask=np.arange(N * D).reshape(N, D) == 13),
        ValueError,
        ["masked", "1 masked", "row 4", "column 1"],
    ),
    "text": (
        rows().astype(str).astype(object) + "x",
        (ValueError, TypeError),
        ["column 0", "numbers"],
    ),
    "text of numbers": (
        np.hstack([rows().astype(object), rows()[:, :1].astype(str)]),
        ValueError,
        ["numbers in column 3, but text: row 0 holds"],
    ),
    "lists of text": (
        [["1", "2", "3"], ["3", "5", "?"]],
        ValueError,
        ["numbers in column 0, but text: row 0 holds '1'"],
    ),
    "one text among numbers in lists": (
        [[1, 2, 3], [4, 5, "?"]],
        ValueError,
        ["numbers in column 2, but text: row 1 holds '?'"],
    ),
    "bytes": (rows().astype("S"), ValueError, ["column 0, but text: row 0 holds"]),
    "a question mark in a table": (
        frame.assign(width=["7"] * 40 + ["?"] * (N - 40)),
        ValueError,
        ["column 'width', but text: row 40 holds '?'", "pandas.to_numeric"],
    ),
    "text of numbers in an Arrow table": (
        pa.table({name: [str(i) for i in range(N)] for name in NAMES}),
        ValueError,
        ["column 'height', but text: row 0 holds '0'"],
    ),
    "a polars query": (
        pl.LazyFrame(rows(), schema=NAMES),
        TypeError,
        ["X.collect()", "X.sink_parquet"],
    ),
    "a text column of a table": (
        frame.assign(width=["wide"] * N),
        (ValueError, TypeError),
        ["column 'width'", "Leave that column out"],
    ),
    "a text column of a polars table": (
        pl.from_pandas(frame).with_columns(width=pl.lit("wide")),
        (ValueError, TypeError),
        ["column 'width'", "Leave that column out"],
    ),
    "dates": (
        frame.assign(width=pd.Timestamp("2020-01-01")),
        (ValueError, TypeError),
        ["dates or times", "column 'width'", "Subtract"],
    ),
    "dates in an array": (
        np.zeros((N, D), "datetime64[s]"),
        (ValueError, TypeError),
        ["dates or times", "column 0"],
    ),
    "complex numbers": (rows() * 1j, ValueError, ["omplex"]),
    "a sparse matrix": (
        sparse.csr_array(rows()),
        TypeError,
        ["parse", "toarray"],
    ),
    "one dimension": (rows()[:, 0], ValueError, ["1D", "reshape"]),
    "three dimensions": (rows()[np.newaxis], ValueError, ["dim", "3"]),
    "an image": (
        np.zeros((4, 5, 3), np.uint8),
        ValueError,
        ["3 dimensions", "Of an image, X.reshape(-1, 3) has a row for each pixel"],
    ),
    "lists of lists of lists": (rows()[np.newaxis].tolist(), ValueError, ["dim 3"]),
    "a single number": (3.5, (ValueError, TypeError), ["scalar"]),
    "no rows": (rows()[:0], ValueError, ["0 sample", "(0, 3)"]),
    "no columns": (rows()[:, :0], ValueError, ["0 feature"]),
    "ragged lists": ([[1.0, 2.0, 3.0], [1.0]], ValueError, []),
    "nothing": (None, (ValueError, TypeError), []),
}


@pytest.mark.parametrize("method", FITS + METHODS)
@pytest.mark.parametrize("what", BAD_ROWS)
def test_rows_that_cannot_be_used_are_named(fitted, what, method):
    X, error_type, words = BAD_ROWS[what]
    assert_refused(lambda: call(method, X, fitted["full"]), error_type, words)


@pytest.mark.parametrize("row", [0, 6, 7, 8, 118, 119])
@pytest.mark.parametrize(
    ("value", "word"), [(np.nan, "1 NaN"), (np.inf, "1 inf"), (1e200, "too large")]
)
def test_a_bad_value_is_found_in_any_block_of_rows(monkeypatch, row, value, word):
    monkeypatch.setattr(checked_rows, "_BLOCK_ROWS", 7)
    X = changed(row, 2, value)
    words = [word, f"row {row}, column 2"]
    assert_refused(lambda: GaussianMixture().fit(X), ValueError, words)


@pytest.mark.parametrize("method", METHODS)
def test_another_number_of_columns_is_an_error_with_both_numbers(
    fitted, covariance_type, method
):
    model = fitted[covariance_type]
    for X in (rows()[:, :2], np.hstack([rows(), rows()])):
        assert_refused(
            lambda X=X: getattr(model, method)(X),
            ValueError,
            [f"{X.shape[1]} features", "3 features"],
        )


@pytest.mark.parametrize("method", [*METHODS, "sample"])
def test_an_unfitted_estimator_says_so(method):
    with pytest.raises(NotFittedError, match="not fitted yet"):
        getattr(GaussianMixture(), method)(*([rows()] if method != "sample" else []))


@pytest.mark.parametrize("method", FITS)
def test_fewer_rows_than_components_is_an_error_with_both_numbers(method):
    X = rows()[:4]
    assert_refused(
        lambda: getattr(GaussianMixture(5), method)(X),
        ValueError,
        ["n_components=5", "n_samples = 4"],
    )
    weights = np.ones(N)
    weights[3:] = 0
    assert_refused(
        lambda: getattr(GaussianMixture(5), method)(rows(), sample_weight=weights),
        ValueError,
        ["n_components=5", "3", "positive weight"],
    )


@pytest.mark.parametrize("method", FITS)
def test_fewer_distinct_rows_than_components_is_an_error_with_both_numbers(method):
    X = np.repeat(rows()[:4], 30, axis=0)
    assert_refused(
        lambda: getattr(GaussianMixture(5), method)(X),
        ValueError,
        ["4 distinct rows", "n_components=5"],
    )


def test_a_single_row_is_refused_for_fitting_and_fine_afterwards(fitted):
    assert_refused(lambda: GaussianMixture().fit(rows()[:1]), ValueError, ["1 sample"])
    for name in STRUCTURES:
        assert fitted[name].predict(rows()[:1]).shape == (1,)


# Rows that can be used


def integers(dtype):
    X = np.rint(rows() * 8)
    return (
        (np.abs(X) if np.dtype(dtype).kind in "ub" else X).clip(-127, 127).astype(dtype)
    )


USABLE = {
    **{dtype: integers(dtype) for dtype in ("int8", "int16", "int32", "int64")},
    **{dtype: integers(dtype) for dtype in ("uint8", "uint16", "uint32", "uint64")},
    "bool": rows() > 0,
    "float16": rows().astype(np.float16),
    "longdouble": rows().astype(np.longdouble),
    "big-endian float64": rows().astype(">f8"),
    "big-endian int32": integers(">i4"),
    "objects": rows().astype(object),
    "lists": rows().tolist(),
    "tuples": tuple(map(tuple, rows().tolist())),
    "pandas": pd.DataFrame(rows()),
    "pandas integers": pd.DataFrame(integers("int64")),
    "pandas nullable": pd.DataFrame(integers("int64")).astype("Int64"),
    "pandas mixed": pd.DataFrame(
        {"a": integers("int8")[:, 0], "b": rows()[:, 1], "c": rows()[:, 2] > 0}
    ),
    "polars": pl.DataFrame(rows(), schema=["a", "b", "c"]),
    "arrow": pa.table(dict(zip("abc", rows().T, strict=True))),
    "an unmasked masked array": np.ma.masked_array(rows()),
}


def as_float64(X):
    if isinstance(X, pa.Table):
        X = X.to_pandas()
    return np.asarray(X, dtype=np.float64)


def fit_quietly(X, covariance_type):
    model = GaussianMixture(
        K, covariance_type=covariance_type, random_state=0, reg_covar=1e-3
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", RegularizationWarning)
        return model.fit(X)


@pytest.mark.parametrize("what", USABLE)
def test_any_kind_of_numbers_gives_the_answers_of_float64(covariance_type, what):
    X = USABLE[what]
    model = fit_quietly(X, covariance_type)
    plain = fit_quietly(as_float64(X), covariance_type)
    assert np.array_equal(model.means_, plain.means_)
    assert model.lower_bounds_ == plain.lower_bounds_
    for method in METHODS:
        actual = getattr(model, method)(X)
        expected = getattr(plain, method)(as_float64(X))
        np.testing.assert_array_equal(actual, expected, method)


def layouts(X):
    strided = np.zeros((2 * len(X), 3 * X.shape[1]), X.dtype)
    strided[::2, ::3] = X
    read_only = X.copy()
    read_only.flags.writeable = False
    misaligned = np.frombuffer(b"x" + X.tobytes(), np.uint8)[1:].view(X.dtype)
    return {
        "Fortran": np.asfortranarray(X),
        "strided": strided[::2, ::3],
        "reversed": X[::-1].copy()[::-1],
        "read-only": read_only,
        "misaligned": misaligned.reshape(X.shape),
    }


@pytest.mark.parametrize("layout", layouts(np.zeros((1, 1))))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_any_layout_gives_the_same_bits(covariance_type, layout, dtype):
    X = rows().astype(dtype)
    laid_out = layouts(X)[layout]
    assert np.array_equal(laid_out, X)
    model = fit_quietly(laid_out, covariance_type)
    plain = fit_quietly(X, covariance_type)
    assert model.lower_bounds_ == plain.lower_bounds_
    for method in METHODS:
        np.testing.assert_array_equal(
            getattr(model, method)(laid_out), getattr(plain, method)(X), method
        )


def test_a_memory_map_gives_the_same_bits(tmp_path, fitted):
    path = tmp_path / "rows.npy"
    np.save(path, rows())
    mapped = np.load(path, mmap_mode="r")
    for model in fitted.values():
        assert np.array_equal(model.predict_proba(mapped), model.predict_proba(rows()))


# Sample weights

BAD_WEIGHTS = {
    "negative": (
        np.where(np.arange(N) == 9, -0.5, 1),
        ["sample_weight", "-0.5", "row 9"],
    ),
    "NaN": (np.where(np.arange(N) == 9, np.nan, 1), ["sample_weight", "nan", "row 9"]),
    "infinite": (
        np.where(np.arange(N) == 9, np.inf, 1),
        ["sample_weight", "inf", "row 9"],
    ),
    "too few": (np.ones(N - 1), ["sample_weight", f"({N - 1},)", f"({N},)"]),
    "one column": (np.ones((N, 1)), ["sample_weight", f"({N}, 1)", f"({N},)"]),
    "a number": (2.0, ["sample_weight"]),
    "all zero": (np.zeros(N), ["sample_weight", "zero"]),
    "text": (["heavy"] * N, ["sample_weight", "heavy"]),
    "text of numbers": (["1"] * N, ["sample_weight", "text, the first '1'"]),
    "masked": (
        np.ma.masked_array(np.ones(N), mask=np.arange(N) == 9),
        ["sample_weight", "masked"],
    ),
}


@pytest.mark.parametrize("method", [*FITS, "score", "bic", "aic"])
@pytest.mark.parametrize("what", BAD_WEIGHTS)
def test_weights_that_cannot_be_used_are_named(fitted, what, method):
    weights, words = BAD_WEIGHTS[what]
    model = GaussianMixture(K) if method in FITS else fitted["full"]
    assert_refused(
        lambda: getattr(model, method)(rows(), sample_weight=weights),
        (ValueError, TypeError),
        words,
    )


# Parameters

BAD_PARAMETERS = [
    {"n_components": 0},
    {"n_components": 1.5},
    {"n_components": "2"},
    {"covariance_type": None},
    {"tol": -1e-3},
    {"tol": "small"},
    {"reg_covar": -1e-6},
    {"max_iter": -1},
    {"max_iter": 1.5},
    {"n_init": 0},
    {"init_params": "guess"},
    {"weights_init": "even"},
    {"means_init": 3},
    {"random_state": "seed"},
    {"warm_start": "yes"},
    {"verbose": -1},
    {"verbose_interval": 0},
    {"n_threads": 0},
    {"n_threads": 1.5},
]


@pytest.mark.parametrize("method", FITS)
@pytest.mark.parametrize("parameter", BAD_PARAMETERS, ids=str)
def test_a_parameter_out_of_range_is_named_with_its_value(method, parameter):
    ((name, value),) = parameter.items()
    assert_refused(
        lambda: getattr(GaussianMixture(**parameter), method)(rows()),
        ValueError,
        [f"The {name!r} parameter of GaussianMixture", f"Got {value!r} instead"],
    )


@pytest.mark.parametrize("method", FITS)
@pytest.mark.parametrize(
    ("name", "question"),
    [("round", ""), ("vev", "Did you mean 'VEV'?"), ("Full", "Did you mean 'full'?")],
)
def test_a_structure_that_there_is_not_is_told_which_there_are(method, name, question):
    model = GaussianMixture(covariance_type=name)
    codes = [structure.code for structure in STRUCTURES.values()]
    assert len(codes) == 14
    words = [repr(name), *map(repr, codes), *map(repr, STRUCTURES), question]
    assert_refused(lambda: getattr(model, method)(rows()), ValueError, words)


BAD_STARTS = [
    ({"weights_init": [0.5, 0.4]}, ["weights_init", "sum to 1", "0.9", "divide"]),
    ({"weights_init": [1.2, -0.2]}, ["weights_init", "negative", "-0.2", "at 1"]),
    ({"weights_init": [1.0]}, ["weights_init", "(2,)", "(1,)"]),
    ({"weights_init": [0.5, np.nan]}, ["weights_init", "finite", "nan", "(1,)"]),
    (
        {"weights_init": np.ma.masked_array([0.5, 0.5], mask=[True, False])},
        ["weights_init", "masked"],
    ),
    ({"means_init": [["a", "b", "c"]] * 2}, ["means_init", "numbers", "'a'"]),
    ({"means_init": np.zeros((2, 2))}, ["means_init", "(2, 3)", "(2, 2)"]),
    ({"means_init": np.zeros(3)}, ["means_init", "(2, 3)", "(3,)"]),
    ({"means_init": [[0, 0, np.inf], [1, 1, 1]]}, ["means_init", "inf", "(0, 2)"]),
]


@pytest.mark.parametrize(("start", "words"), BAD_STARTS, ids=str)
def test_a_start_that_cannot_be_used_is_named(covariance_type, start, words):
    model = GaussianMixture(K, covariance_type=covariance_type, **start)
    assert_refused(lambda: model.fit(rows()), ValueError, words)


def precisions(structure):
    shape = structure.representation.shape(K, D)
    return (
        np.broadcast_to(np.eye(D), shape).copy()
        if len(shape) > 2
        or shape
        == (
            D,
            D,
        )
        else np.ones(shape)
    )


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda P: P[..., :1], "should have the shape"),
        (lambda P: np.where(P == 1, np.nan, P), "finite"),
        (lambda P: -P, "positive"),
        (lambda P: 0 * P, "positive"),
    ],
    ids=["shape", "NaN", "negative", "zero"],
)
def test_precisions_that_cannot_be_used_are_named(covariance_type, change, word):
    structure = STRUCTURES[covariance_type]
    bad = change(precisions(structure))
    if (
        bad.shape == structure.representation.shape(K, D)
        and word == "should have the shape"
    ):
        bad = np.stack([bad, bad])
    model = GaussianMixture(K, covariance_type=covariance_type, precisions_init=bad)
    assert_refused(lambda: model.fit(rows()), ValueError, ["precisions_init", word])


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, structure in STRUCTURES.items()
        if structure.representation.has_matrices
    ],
)
def test_asymmetric_precisions_are_refused(name):
    bad = precisions(STRUCTURES[name])
    bad[..., 0, 1] = 0.5
    model = GaussianMixture(K, covariance_type=name, precisions_init=bad)
    assert_refused(
        lambda: model.fit(rows()), ValueError, ["precisions_init", "symmetric"]
    )


@pytest.mark.parametrize("n_samples", [0, -3, 1.5, "many"])
def test_a_sample_of_no_rows_is_refused(fitted, n_samples):
    with pytest.raises(ValueError, match=f"n_samples .* at least 1.* {n_samples!r}"):
        fitted["full"].sample(n_samples)


# Columns without variance


@pytest.mark.parametrize("name", ["full", "tied", "diag"])
def test_a_constant_column_is_named_when_nothing_regularises(name):
    X = pd.DataFrame(changed(slice(None), 1, 4.0), columns=NAMES)
    model = GaussianMixture(1, covariance_type=name, reg_covar=0)
    assert_refused(
        lambda: model.fit(X), SingularCovarianceError, ["'width'", "constant", "raise"]
    )


@pytest.mark.parametrize("name", ["full", "tied"])
def test_a_dependent_column_is_named_when_nothing_regularises(name):
    X = rows()
    X[:, 2] = 2 * X[:, 0]
    model = GaussianMixture(1, covariance_type=name, reg_covar=0)
    assert_refused(
        lambda: model.fit(X), SingularCovarianceError, ["column 2", "copy of column 0"]
    )


def test_a_singular_component_is_an_error_in_every_method_that_fits():
    X = np.concatenate([rows(), [[90.0, 90, 90]] * 2])
    for method in FITS:
        model = GaussianMixture(2, reg_covar=0, random_state=0)
        assert_refused(
            lambda model=model, method=method: getattr(model, method)(X),
            SingularCovarianceError,
            ["component", "singular"],
        )


@pytest.mark.parametrize(
    ("name", "give"),
    [
        (
            "covariances",
            lambda values: GaussianMixture.from_parameters(
                [0.5, 0.5], np.zeros((2, 2)), values, covariance_type="EEI"
            ),
        ),
        (
            "precisions_init",
            lambda values: GaussianMixture(
                2, covariance_type="EEI", precisions_init=values
            ).fit(np.arange(20.0).reshape(10, 2)),
        ),
    ],
)
def test_covariances_of_another_structure_are_told_where(name, give):
    give(np.array([[1.0, 3.0], [1.0, 3.0 + 1e-9]]))
    with pytest.raises(
        ValueError,
        match=f"{name} is not what covariance_type='EEI' can be: at 0, 1 it is 2, "
        "where the nearest that can be has 2.5",
    ):
        give(np.array([[1.0, 2.0], [1.0, 3.0]]))


@pytest.mark.parametrize("name", STRUCTURES)
def test_precisions_may_be_matrices_whatever_the_structure(name, random):
    mixture = random_mixture(random, name, K, D)
    start = start_of(mixture, name)
    expected = GaussianMixture(**start, max_iter=0).fit(rows())
    start["precisions_init"] = np.linalg.inv(mixture.covariances)
    actual = GaussianMixture(**start, max_iter=0).fit(rows())
    np.testing.assert_allclose(actual.covariances_, expected.covariances_, rtol=1e-12)


@pytest.mark.parametrize("name", ["tied", "diag", "spherical", "EII"])
def test_matrices_that_a_structure_cannot_have_are_refused(name):
    matrices = np.stack([np.eye(D)] * K)
    matrices[1] += 0.5
    model = GaussianMixture(K, covariance_type=name, precisions_init=matrices)
    words = ["precisions_init is not", name, "the nearest that can be"]
    assert_refused(lambda: model.fit(rows()), ValueError, words)
