"""Standard errors from derivatives of the log-likelihood."""

import numpy as np
import pytest
from scipy.integrate import trapezoid
from scipy.linalg import expm
from scipy.stats import multivariate_t
from scipy.stats import t as student_t

from fastem import GaussianMixture, StudentMixture, standard_errors
from fastem.choice import sandwich as module
from fastem.choice.information import frame, information, weight_information
from fastem.covariances import STRUCTURES
from fastem.covariances.directions import directions_of, pairs_of

TIGHT = {
    "stopping": "remaining_gain",
    "tol": 1e-9,
    "max_iter": 5000,
    "accelerate": True,
    "reg_covar": 0,
}


def two_clusters(n=70):
    random = np.random.default_rng(0)
    turn = np.array([[1, 0.5], [0, 0.7]])
    first = random.normal(size=(n, 2)) * [1, 2]
    return np.vstack([first, random.normal(size=(n, 2)) @ turn + [2.5, 1]])


class Curves:
    """Where free parameters lead, by the structure's own definition."""

    def __init__(self, model):
        structure, self.fitted = model._fitted()
        K = len(self.fitted.weights)
        frames = [frame(structure.representation, self.fitted, k) for k in range(K)]
        self.unwhitening = [np.linalg.inv(U).T for U in frames]
        self.directions = directions_of(structure, self.fitted)

    def __call__(self, of_weights, of_means, of_covariances):
        directions, fitted = self.directions, self.fitted
        X = np.tensordot(of_covariances, directions.logarithms, 1)
        weights = fitted.weights * np.exp(of_weights)
        means, covariances = [], []
        for k, L in enumerate(self.unwhitening):
            means.append(fitted.means[k] + L @ of_means[k])
            logarithm = np.diag(X[k]) if X.ndim == 2 else X[k]
            if directions.rotations is None:
                covariances.append(L @ expm(logarithm) @ L.T)
                continue
            turn = expm(np.tensordot(of_covariances, directions.rotations, 1)[k])
            scale = L @ directions.axes[k] / np.sqrt(directions.variances[k])
            inner = turn @ np.diag(directions.variances[k]) @ expm(logarithm) @ turn.T
            covariances.append(scale @ inner @ scale.T)
        return weights / weights.sum(), np.array(means), np.array(covariances)


def log_likelihood(X, weights, means, covariances):
    of_each = []
    for weight, mean, covariance in zip(weights, means, covariances, strict=True):
        residuals = X - mean
        squares = (residuals @ np.linalg.inv(covariance) * residuals).sum(axis=1)
        volume = np.linalg.det(2 * np.pi * covariance)
        of_each.append(np.log(weight) - np.log(volume) / 2 - squares / 2)
    return np.logaddexp.reduce(of_each).sum()


@pytest.mark.parametrize("name", list(STRUCTURES))
def test_information_is_the_numerical_second_derivative(name):
    """Along curves that the structure itself can have, to second order."""
    X = two_clusters()
    model = GaussianMixture(2, covariance_type=name, random_state=0, **TIGHT).fit(X)
    structure, fitted = model._fitted()
    K, D = fitted.means.shape
    curves = Curves(model)
    directions = curves.directions
    assert len(directions.first) == structure.n_parameters(K, D)
    jacobian = module._jacobian(
        module._weight_directions(K, K, None),
        *(directions, np.zeros((0, 0)), None, K, D),
    )
    told = information(model, X, None)
    assert np.abs(jacobian.T @ told.score).max() < 1e-3  # at the maximum
    q = 1 + D + directions.first.shape[2]
    analytic = jacobian.T @ told.observed @ jacobian
    n = len(directions.first)
    gradient = told.score.reshape(K, q)[:, 1 + D :]
    analytic[-n:, -n:] -= directions.second(gradient)
    to_weights = jacobian.reshape(K, q, -1)[:, 0]

    def at(free):
        means = free[1 : 1 + K * D].reshape(K, D)
        place = curves(to_weights @ free, means, free[1 + K * D :])
        return log_likelihood(X, *place)

    p, step = jacobian.shape[1], 1e-3
    nearby = np.eye(p) * step
    numeric = np.zeros((p, p))
    for i, j in zip(*np.triu_indices(p), strict=True):
        a, b = nearby[i], nearby[j]
        numeric[i, j] = at(a - b) + at(b - a) - at(a + b) - at(-a - b)
        numeric[j, i] = numeric[i, j]
    numeric /= 4 * step**2
    assert analytic == pytest.approx(numeric, abs=2e-5 * np.abs(numeric).max())
    if directions.rotations is not None:  # and it is the structure's
        free = np.full(n, 0.05)
        _, _, covariances = curves(0.0, np.zeros((K, D)), free)
        nearest = structure.nearest(structure.representation.compact(covariances))
        assert nearest == pytest.approx(covariances, rel=1e-8)


def test_scores_are_numerical_derivatives_row_by_row():
    X = two_clusters(20)
    model = GaussianMixture(2, random_state=0).fit(X)
    told = information(model, X, None)
    rows = [information(model, X[i : i + 1], None).score for i in range(len(X))]
    assert told.outer == pytest.approx(np.transpose(rows) @ rows, abs=1e-9)
    assert told.score == pytest.approx(np.sum(rows, axis=0), abs=1e-9)


@pytest.mark.parametrize("name", ["full", "spherical"])
def test_of_one_normal_distribution_they_are_known(name, random):
    X = random.normal(size=(20_000, 2)) * (1 if name == "spherical" else [1, 3])
    model = GaussianMixture(covariance_type=name, reg_covar=0).fit(X)
    errors = standard_errors(model, X, method="sandwich")
    S = model._fitted()[0].representation.expand(model.covariances_, 1, 2)[0]
    N = len(X)
    assert errors.weights == pytest.approx([0])
    assert errors.means[0] ** 2 == pytest.approx(np.diag(S) / N, rel=1e-2)
    if name == "full":
        expected = np.sqrt((np.outer(np.diag(S), np.diag(S)) + S**2) / N)
        assert errors.covariances[0] == pytest.approx(expected, rel=0.03)
        # Whatever the distribution: the mean's is the sandwich's own formula.
        residuals = X - X.mean(axis=0)
        exact = np.sqrt(((residuals**2).var(axis=0)) / N)
        assert np.diag(errors.covariances[0]) == pytest.approx(exact, rel=1e-6)
    else:
        assert errors.covariances == pytest.approx(S[0, 0] / np.sqrt(N), rel=0.03)


@pytest.mark.exhaustive
def test_they_agree_with_the_bootstrap_of_many_rows():
    random = np.random.default_rng(0)
    X = np.vstack([random.normal(size=(700, 2)), random.normal(size=(400, 2)) * 2 + 4])
    model = GaussianMixture(2, random_state=0, **TIGHT).fit(X)
    errors = standard_errors(model, X, method="sandwich")
    by_fits = standard_errors(model, X, n_bootstrap=80, random_state=0)
    for name in ("weights", "means", "covariances"):
        found, expected = getattr(errors, name), getattr(by_fits, name)
        assert found == pytest.approx(expected, rel=0.3)
        low, high = errors.interval(name)
        estimate = getattr(model, f"{name}_")
        assert (low + high) / 2 == pytest.approx(estimate)
        assert high - low == pytest.approx(2 * 1.959964 * found, rel=1e-6)
    assert "by the sandwich" in str(errors)


@pytest.mark.parametrize("name", ["full", "EEV", "diag"])
def test_weights_are_repetitions(name):
    random = np.random.default_rng(0)
    X = two_clusters()
    counts = random.integers(1, 4, len(X))
    repeated = X.repeat(counts, axis=0)
    settings = {"covariance_type": name, "random_state": 0, **TIGHT}
    model = GaussianMixture(2, **settings).fit(repeated)
    weighted = standard_errors(model, X, counts, method="sandwich")
    plain = standard_errors(model, repeated, method="sandwich")
    blocks = type(
        "Blocks", (), {"__iter__": lambda self: iter([repeated[:50], repeated[50:]])}
    )()
    in_blocks = standard_errors(model, blocks, method="sandwich")
    for part in ("weights", "means", "covariances"):
        assert getattr(weighted, part) == pytest.approx(getattr(plain, part), rel=1e-8)
        assert getattr(in_blocks, part) == pytest.approx(getattr(plain, part), rel=1e-8)


@pytest.mark.parametrize("name", ["full", "diag", "spherical"])
def test_gaps_and_a_background_count(name):
    """Scores are the numerical derivatives of the observed log-likelihood."""
    X = two_clusters(25)
    X[::3, 0] = np.nan
    X[1::6, 1] = np.nan
    X[:6] = np.random.default_rng(1).uniform(-20, 20, (6, 2))
    labels = np.repeat([0, 1], 25)
    labels[:6] = -1
    model = GaussianMixture(
        2,
        covariance_type=name,
        init_params=labels,
        missing_values="marginalize",
        noise=True,
        random_state=0,
        **TIGHT,
    ).fit(X)
    structure, fitted = model._fitted()
    told = information(model, X, None)
    q = 1 + 2 + len(pairs_of(2, structure.representation.has_matrices)[0])
    assert len(told.score) == 2 * q + 1
    L = np.linalg.inv(frame(structure.representation, fitted, 1)).T
    step = 1e-5
    for place, direction in ((0, L[:, 0]), (1, L[:, 1])):
        sides = []
        for sign in (1, -1):
            means = model.means_.copy()
            means[1] += sign * step * direction
            shifted = GaussianMixture.from_parameters(
                *(np.append(model.weights_, [])[:2], means, model.covariances_),
                covariance_type=name,
                noise_weight=model.noise_weight_,
                noise_bounds=model.noise_bounds_,
                noise_volume=model.noise_volume_,
                missing_values="marginalize",
            )
            sides.append(shifted.score_samples(X))
        rows = (sides[0] - sides[1]) / (2 * step)
        assert told.outer[q + 1 + place, q + 1 + place] == pytest.approx(
            (rows**2).sum(), rel=1e-5
        )
    errors = standard_errors(model, X, method="sandwich")
    assert (errors.weights > 0).all()
    assert np.isfinite(errors.covariances).all()


def test_what_is_fixed_has_no_error():
    X = two_clusters()
    free = GaussianMixture(2, random_state=0, **TIGHT).fit(X)
    start = {
        "weights_init": free.weights_,
        "means_init": free.means_,
        "precisions_init": free.precisions_,
    }
    fixed = {"weights": True, "means": [True, False], "covariances": [False, True]}
    model = GaussianMixture(2, fixed=fixed, **start, **TIGHT).fit(X)
    errors = standard_errors(model, X, method="sandwich")
    assert (errors.weights == 0).all()
    assert (errors.means[0] == 0).all()
    assert (errors.means[1] > 0).all()
    assert (errors.covariances[1] == 0).all()
    assert (errors.covariances[0] > 0).all()


def test_components_are_taken_one_by_one_where_there_are_too_many(monkeypatch):
    X = two_clusters()
    X[70:] += 20  # far apart they tell nothing of each other
    model = GaussianMixture(2, random_state=0, **TIGHT).fit(X)
    together = standard_errors(model, X, method="sandwich")
    monkeypatch.setattr(module, "_MOST", 5)
    apart = standard_errors(model, X, method="sandwich")
    assert apart.by_component
    assert not together.by_component
    assert "component by component" in str(apart)
    for part in ("weights", "means", "covariances"):
        assert getattr(apart, part) == pytest.approx(getattr(together, part), rel=1e-3)
    told = weight_information(model, X, None)
    assert told.outer == pytest.approx(told.observed, rel=1e-3)
    tied = GaussianMixture(2, covariance_type="tied", random_state=0).fit(X)
    with pytest.raises(ValueError, match="cannot be taken one by one"):
        standard_errors(tied, X, method="sandwich")


def test_it_is_refused_where_there_is_no_derivative():
    X = two_clusters()
    bounded = GaussianMixture(2, covariance_ratio=5.0, random_state=0).fit(X)
    with pytest.raises(ValueError, match="a maximum at which derivatives are 0"):
        standard_errors(bounded, X, method="sandwich")
    empty = GaussianMixture.from_parameters(
        [1.0, 0.0], [[0.0, 0.0], [1.0, 1.0]], [np.eye(2)] * 2
    )
    with pytest.raises(ValueError, match="Component 1 has weight 0"):
        standard_errors(empty, X, method="sandwich")
    elsewhere = GaussianMixture.from_parameters(
        [0.5, 0.5], [[5.0, 5.0], [-5.0, 5.0]], [np.eye(2) * 9] * 2
    )
    with pytest.raises(ValueError, match="does not fall in all directions"):
        standard_errors(elsewhere, X, method="sandwich")


def two_clouds_with_tails(n=150):
    random = np.random.default_rng(4)
    turn = np.array([[1, 0.5], [0, 0.7]])
    first = random.standard_t(4, size=(n, 2)) * [1, 2]
    return np.vstack([first, random.standard_t(3, size=(n, 2)) @ turn + [6.0, 2.0]])


def student_log_likelihood(X, weights, means, scales, v):
    """By SciPy; rows that lack columns by the marginal t of the others."""
    of_each = np.zeros((len(weights), len(X)))
    gaps = np.isnan(X)
    for k, (weight, mean, scale) in enumerate(zip(weights, means, scales, strict=True)):
        for pattern in np.unique(gaps, axis=0):
            mine, has = (gaps == pattern).all(axis=1), np.flatnonzero(~pattern)
            law = multivariate_t(mean[has], scale[np.ix_(has, has)], v[k])
            of_each[k, mine] = np.log(weight) + law.logpdf(X[mine][:, has])
    return np.logaddexp.reduce(of_each).sum()


@pytest.mark.parametrize(
    ("name", "wish", "gaps"),
    [
        ("full", "estimate", False),
        ("full", "shared", True),
        ("VEV", "estimate", False),
        ("tied", 4.0, False),
        ("diag", "estimate", True),
        ("spherical", "shared", False),
    ],
)
def test_the_information_of_t_is_the_numerical_second_derivative(name, wish, gaps):
    X = two_clouds_with_tails()
    if gaps:
        X[::4, 0] = X[1::8, 1] = np.nan
    model = StudentMixture(
        *(2,),
        covariance_type=name,
        degrees_of_freedom=wish,
        missing_values="marginalize",
        random_state=0,
        **TIGHT,
    ).fit(X)
    K, D = model.means_.shape
    curves = Curves(model)
    directions = curves.directions
    of_tails = module._tail_directions(model, curves.fitted)
    n_tails = {"estimate": 2, "shared": 1}.get(wish, 0)
    assert of_tails.shape == (2, n_tails)
    jacobian = module._jacobian(
        *(module._weight_directions(K, K, None), directions, of_tails, None, K, D)
    )
    told = information(model, X, None)
    q = len(told.score) // K
    gradient = told.score.reshape(K, q)[:, 1 + D : -1]
    assert np.abs(jacobian.T @ told.score).max() < 1e-3  # at the maximum
    analytic = jacobian.T @ told.observed @ jacobian
    analytic -= module._curvature(directions, gradient, jacobian, of_tails)
    n = len(directions.first)
    to_weights = jacobian.reshape(K, q, -1)[:, 0]

    def at(free):
        means = free[1 : 1 + K * D].reshape(K, D)
        shapes, tails = np.split(free[1 + K * D :], [n])
        place = curves(to_weights @ free, means, shapes)
        v = model.degrees_of_freedom_ * np.exp(of_tails @ tails)
        return student_log_likelihood(X, *place, v)

    p, step = jacobian.shape[1], 1e-3
    assert p == 1 + K * D + n + n_tails
    random = np.random.default_rng(0)
    for i in range(p):  # each parameter by itself, and with a mixture of all
        a, b = np.eye(p)[i] * step, random.choice([-1.0, 1.0], p) * step
        numeric = (at(a - b) + at(b - a) - at(a + b) - at(-a - b)) / (4 * step**2)
        tolerance = 3e-5 * np.abs(analytic).max()
        assert a @ analytic @ b / step**2 == pytest.approx(numeric, abs=tolerance)


def test_scores_of_t_are_numerical_derivatives_row_by_row():
    X = two_clouds_with_tails(10)
    model = StudentMixture(2, random_state=0, max_iter=1000).fit(X)
    told = information(model, X, None)
    rows = np.array([information(model, X[i : i + 1], None).score for i in range(20)])
    assert told.outer == pytest.approx(rows.T @ rows, abs=1e-9)
    v, step = model.degrees_of_freedom_, 1e-4
    place = model.weights_, model.means_, model.covariances_
    for k in range(2):
        move = np.exp(step * np.eye(2)[k])
        for i, row in enumerate(X[:, np.newaxis]):
            sides = [
                student_log_likelihood(row, *place, v * m) for m in (move, 1 / move)
            ]
            numeric = (sides[0] - sides[1]) / (2 * step)
            assert rows[i].reshape(2, -1)[k, -1] == pytest.approx(numeric, abs=1e-7)


def test_of_one_t_distribution_they_are_known(random):
    """The Fisher information of the mean is (v + 1) / (v + 3) of its precision."""
    v, N = 4.0, 20_000
    X = random.standard_t(v, size=(N, 1)) * 2
    held = StudentMixture(degrees_of_freedom=v, reg_covar=0, tol=1e-9, max_iter=500)
    errors = standard_errors(held.fit(X), X, method="sandwich")
    expected = 2 * np.sqrt((v + 3) / (v + 1) / N)
    assert errors.means[0, 0] == pytest.approx(expected, rel=0.03)
    assert errors.degrees_of_freedom.tolist() == [0]
    # And of the logarithm of the scale 2 v / (v + 3), so of its square, 4 of them.
    by_log = np.sqrt((v + 3) / (2 * v) / N)
    assert errors.covariances[0, 0, 0] == pytest.approx(2 * 4 * by_log, rel=0.03)
    free = StudentMixture(reg_covar=0, tol=1e-9, max_iter=500).fit(X)
    of_free = standard_errors(free, X, method="sandwich")

    def product(x, i, j):
        """Of derivatives by the logarithms of the scale and of v, and the density."""
        scores = []
        for scale, power in ((1e-4, 0.0), (0.0, 1e-4)):
            up = student_t(v * np.exp(power), scale=2 * np.exp(scale)).logpdf(x)
            down = student_t(v * np.exp(-power), scale=2 * np.exp(-scale)).logpdf(x)
            scores.append((up - down) / 2e-4)
        return scores[i] * scores[j] * student_t(v, scale=2).pdf(x)

    x = 2 * np.sinh(np.linspace(-8, 8, 8001))
    fisher = [[trapezoid(product(x, i, j), x) for j in (0, 1)] for i in (0, 1)]
    by_logs = np.sqrt(np.diag(np.linalg.inv(fisher)) / N)
    assert of_free.degrees_of_freedom[0] == pytest.approx(v * by_logs[1], rel=0.1)
    assert of_free.covariances[0, 0, 0] == pytest.approx(8 * by_logs[0], rel=0.05)
    assert "degrees of freedom 0." in str(of_free)


@pytest.mark.exhaustive
def test_of_t_they_agree_with_the_bootstrap():
    X = two_clouds_with_tails(800)
    model = StudentMixture(2, random_state=0, **TIGHT).fit(X)
    errors = standard_errors(model, X, method="sandwich")
    by_fits = standard_errors(model, X, n_bootstrap=80, random_state=0)
    for name in ("weights", "means", "covariances", "degrees_of_freedom"):
        found, expected = getattr(errors, name), getattr(by_fits, name)
        assert found == pytest.approx(expected, rel=0.35)
        low, high = errors.interval(name)
        assert (low + high) / 2 == pytest.approx(getattr(model, f"{name}_"))


def test_components_of_t_are_taken_one_by_one_where_there_are_too_many(monkeypatch):
    X = two_clouds_with_tails()
    X[150:] += 200
    model = StudentMixture(2, random_state=0, **TIGHT).fit(X)
    together = standard_errors(model, X, method="sandwich")
    monkeypatch.setattr(module, "_MOST", 5)
    apart = standard_errors(model, X, method="sandwich")
    assert apart.by_component
    for part in ("means", "covariances", "degrees_of_freedom"):
        assert getattr(apart, part) == pytest.approx(getattr(together, part), rel=1e-3)
    model.set_params(degrees_of_freedom="shared").fit(X)
    with pytest.raises(ValueError, match="which share their degrees_of_freedom"):
        standard_errors(model, X, method="sandwich")
