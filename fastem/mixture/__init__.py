"""The estimator: fit, answer, learn from streams, be kept in a file.

Fit and answer
==============
>>> import numpy as np
>>> from fastem import GaussianMixture
>>> random = np.random.default_rng(0)
>>> clouds = ((0, 1), (4, 0.5), (9, 2))
>>> X = np.vstack([random.normal(m, s, (1000, 2)) for m, s in clouds])
>>> model = GaussianMixture(n_components=3, random_state=0).fit(X)
>>> labels = model.predict(X)  # the most likely component of each row
>>> degrees = model.predict_proba(X)  # how much each row belongs to each
>>> densities = model.score_samples(X)  # the logarithm of the density at each row

A row counts as often as its weight says: ``fit(X, sample_weight=weights)``. Also
``score`` and the criteria (``bic``, ``aic``, ``icl``, ``entropy``) take weights.

Where columns are in units far apart, k-means starts see the widest alone:
`fastem.fit_standardized(model, X)` fits to columns scaled to mean 0 and standard
deviation 1, and gives a model in the units of X.

How many components
===================
Fit several numbers and compare BIC: lower is better. It charges each parameter the
logarithm of the number of rows. :class:`fastem.GaussianMixtureSelector` does that, for
several structures, in little time, and leaves out spikes (`help("fastem.choice")`); by
hand it is:

>>> models = [GaussianMixture(k, random_state=0).fit(X) for k in range(1, 6)]
>>> best = min(models, key=lambda model: model.bic(X))
>>> best.n_components
3

Real clouds are not Gaussian. With very many rows BIC therefore goes on falling, as a
bend in the edge of a cloud pays for a component of its own. To read clusters, take
the number where it stops falling steeply, or the one with the least `icl`, which also
charges rows that are torn between components (`entropy`); to estimate a density, take
more.

Outliers
========
Rows that belong to no cloud pull at the components, or get components of their own.
`noise=True` gives them a uniform background with an estimated weight: where it is
likelier than each component, a row is labelled -1, and the last column of
`predict_proba` is the degree to which each row belongs to it.

>>> outliers = random.uniform(-20, 25, size=(150, 2))
>>> dirty = np.vstack([X, outliers])
>>> robust = GaussianMixture(3, noise=True, random_state=0).fit(dirty)
>>> round(robust.noise_weight_, 2)
0.04
>>> bool(np.mean(robust.predict(outliers) == -1) > 0.8)
True
>>> bool(np.mean(robust.predict(X) == -1) < 0.01)
True

The background's density is one over the volume of a box around the rows (the smaller
one of two, as in mclust), or over `noise_volume`, or over the volume of `noise_bounds`.
It is part of `score`, BIC and AIC: compare mixtures with and without it by those.

Where clouds have long tails themselves, :class:`fastem.StudentMixture` has components
that expect them: the farther out a row lies, the less it counts. BIC tells which tails
are those of the rows.

>>> from fastem import StudentMixture
>>> tailed = random.standard_t(3, size=(3000, 2)) + 12 * (np.arange(3000) % 2)[:, None]
>>> student = StudentMixture(2, random_state=0).fit(tailed)
>>> gaussian = GaussianMixture(2, random_state=0).fit(tailed)
>>> student.bic(tailed) < gaussian.bic(tailed)
True
>>> bool(np.all(student.degrees_of_freedom_ < 6))
True

Both go together: `StudentMixture(3, noise=True)`. Neither helps where the start is
captured: k-means gives outliers that lie together components of their own. On normal
clouds degrees of freedom grow without a limit, ever more slowly: then
`accelerate=True`, or a number for them, ends a fit to the limit sooner.
A start may give outliers components, which the background does not get back from them.
`init_params='trimmed'` starts without the least likely rows (:mod:`fastem.starts`).
To flag single rows, at a rate of false alarms that you state, use
:class:`fastem.MixtureOutlierDetector` (:mod:`fastem.decisions`).

As a distribution
=================
A mixture's `marginal` distribution of some columns, and the `conditional` one of the
others given values of some, are mixtures again, by name where columns have names:

>>> first = model.marginal([0])
>>> given = model.conditional({1: 4.0})  # of column 0, where column 1 is 4
>>> given.means_[given.weights_.argmax()].round(1)
array([4.])

Of one column there are `cdf` and its inverse `ppf`. `density_levels(0.95)` says how
dense the smallest region is that holds 95 %, in any number of columns:

>>> bool(abs(first.cdf(first.ppf(0.3)) - 0.3) < 1e-12)
True
>>> usual = model.score_samples(X) >= model.density_levels(0.95, random_state=0)
>>> round(float(usual.mean()), 2)
0.95

Coming from scikit-learn
========================
Constructor parameters, fitted attributes, methods and warnings are scikit-learn's. From
the same start, the same number of iterations gives the same numbers to 1e-8 relative
(seen: 1e-14), for all covariance types and all ways to start. Where they differ:

| | scikit-learn | fastem |
| --- | --- | --- |
| `sample_weight` | - | in `fit`, `fit_predict`, `score`, `bic`, `aic` |
| clusters that overlap | - | `icl` and `entropy` charge them |
| a model without data | - | `GaussianMixture.from_parameters(weights, means, \
covariances)` |
| uint8 in `predict` (pixels) | squares overflow: wrong labels | as float64 |
| data far from zero (1e8, sd 1) | tied, diag and spherical fail | right to the \
rounding of the data |
| float32 | float32 throughout | rows and tiles float32, long sums float64, \
parameters float64 |
| memory | several arrays of rows x components | the answer of `predict_proba`; else \
at most a bit for each pair |
| rows with missing values | an error | `missing_values='marginalize'`, as \
:mod:`fastem.groups` has it; `impute` |
| rows of known components | - | `fit(X, labels=...)` |
| classes, by a mixture for each | - | `MixtureClassifier` |
| parameters that are known | - | `fixed=`, `equal_weights=`, as :mod:`fastem.groups` \
has them |
| outliers | - | `noise=True`: a uniform background; `StudentMixture` |
| covariance structures | 4 | the fourteen of mclust, as :mod:`fastem.covariances` has \
them; `covariance_ratio` bounds them |
| a start from a partition | - | `init_params=labels`, degrees of membership, or a \
callable |
| several starts | the likeliest, though it be a spike that `reg_covar` holds up | the \
likeliest of the others; `n_init='auto'` judges many by short runs |
| fewer iterations | - | `accelerate=True` |
| when to stop | when it moves slowly | or `stopping='remaining_gain'`: when little \
is left to gain |
| how near the end is | - | `convergence_`: remaining gain, rate, decreases |
| tables larger than memory | - | Parquet files and folders, readers, memory maps, \
blocks; Dask |
| streams, checkpoints | - | `partial_fit`; `fit(X, checkpoint=...)` |
| a start for large tables | - | `init_params='subsample'` |
| a start that outliers cannot capture | - | `init_params='trimmed'` |
| equal rows (pixels) | computed one by one | once, with their number as weight |
| a start that turns singular | ends the fit | left out with a warning if others are \
left |
| a singular covariance | "ill-defined empirical covariance", or a spike of density | \
an error with component, weight, rows and columns; or `on_collapse='drop'`, 'reseed' |
| `reg_covar` that decides the answer | silent | warned of; `reg_covar='relative'` \
follows the units |
| `tol=0` | runs to `max_iter` | ends where only rounding changes |
| a failed `fit` | changed estimator | estimator as before |
| threads | BLAS's own | `n_threads`, and the same bits for any number |

Streams
=======
`partial_fit` learns from rows as they come (stepwise EM, Cappé and Moulines 2009).
The first call is a fit to its rows, some hundred for each component; later ones use
each row once.

>>> random.shuffle(X)
>>> stream = GaussianMixture(n_components=3, random_state=0)
>>> for block in np.split(X, 10):
...     stream = stream.partial_fit(block)
>>> stream.n_samples_seen_
3000.0

The r-th row counts as r^(`forgetting` - 1): with the default 2, early rows, whose
memberships came from a poor model, count less. `memory=100_000` follows a mixture that
moves: a row that came so many rows ago counts 1/e.

What one pass reaches depends on the rows for each parameter. In 36 streams with 80 to
1,000 of them (six problems of the benchmark, each in six orders) the log-likelihood of
a row ended within 0.003 nats of a fit with default arguments, and within 0.008 of one
that went on to its limit. With 6 it loses 0.06, with 1.5 0.3 (`scripts/bench
--streams`).

A component whose rows have come to count less than one, as none came for long, is named
in a warning, and `on_collapse='drop'` and 'reseed' act then. Of ridges and dropped
components a stream warns as a fit does, when that is new.

Models in files
===============
A model file is JSON that a person can read and that executes nothing. Numbers come back
to the last bit.

>>> import fastem
>>> fastem.save_model(model, "model.json")
>>> bool(np.all(fastem.load_model("model.json").means_ == model.means_))
True

It also keeps what a stream goes on from: load today's model, learn from today's rows,
save it again.

>>> fastem.save_model(stream, "stream.json")
>>> tomorrow = fastem.load_model("stream.json").partial_fit(X[:500])
>>> tomorrow.n_samples_seen_
3500.0

Other tools may want other files. `model.to_sklearn()` is a mixture of scikit-learn's
with the same answers, which skl2onnx converts: `skl2onnx.to_onnx(model.to_sklearn(),
X[:1])`. skops loads a model if it is told to trust these types, the last two of which
are there only if components have been dropped or seeded anew:

    skops.io.load("model.skops", trusted=[
        "fastem.mixture.GaussianMixture", "fastem.em.convergence.Convergence",
        "fastem.em.maximization.Collapse", "fastem.covariances.degeneracy.Degeneracy",
    ])

A model can also be made from numbers that come from elsewhere:

>>> known = GaussianMixture.from_parameters([0.5, 0.5], [[0.0], [4.0]], [[[1.0]]] * 2)
>>> known.predict([[1.0], [3.0]])
array([0, 1])
"""

from fastem.mixture.gaussian import GaussianMixture
from fastem.mixture.student import StudentMixture

# Their names in pickles, wherever in this package they are written.
GaussianMixture.__module__ = StudentMixture.__module__ = __name__

__all__ = ["GaussianMixture", "StudentMixture"]
