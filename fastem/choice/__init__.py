"""Which mixture: how many components, and of which structure.

One call
========
:class:`fastem.GaussianMixtureSelector` fits each of fourteen structures with each
number of components, and chooses the least BIC. It is an estimator: what it chose
answers.

>>> import numpy as np
>>> import fastem
>>> from fastem import GaussianMixture, GaussianMixtureSelector
>>> random = np.random.default_rng(1)
>>> clouds = ((0, 1), (4, 0.5), (9, 2))
>>> X = np.vstack([random.normal(m, s, (400, 2)) for m, s in clouds])
>>> selector = GaussianMixtureSelector(range(1, 5), random_state=0).fit(X)
>>> print(selector.results_)  # doctest: +NORMALIZE_WHITESPACE
BIC, lower is better, of 45 candidates for 1,200 rows:
  spherical, 3         9,535.3
  VEI, 3               9,542.4  +7.1
  spherical, 4         9,548.4  +13.1
45 fitted to all rows (to_frame() lists all)
>>> selector.best_estimator_.weights_.round(2)
array([0.33, 0.33, 0.33])

`results_.to_frame()` has a row for each candidate, and says of each that was left out
why. A difference of 10 is much, of 2 nothing; where thousands of rows are not quite
Gaussian, BIC goes on falling with more components, and `criterion='icl'`, which charges
components that overlap, finds clusters:

>>> clusters = GaussianMixtureSelector([2, 3, 4], ["VVV"], criterion="icl")
>>> clusters.fit(X).n_components_
3

Whoever wants densities of rows to come, and not clusters, may judge by rows that a fit
has not seen: `criterion='held_out'`, for which each fit to all rows is made once more
without each of five folds.

What else a fit is made of is an `estimator`: outliers, threads, tolerances.

>>> template = GaussianMixture(reg_covar=1e-6, tol=1e-4, n_threads=1)
>>> few = GaussianMixtureSelector(range(1, 4), ["tied", "diag"], estimator=template)
>>> few.fit(X).best_estimator_.n_threads
1

Where the components of some rows are known (:mod:`fastem.groups`), `labels` say so:
component k is label k, and there are at least as many. Each fit also starts where
:class:`fastem.GaussianMixture` does with labels, and criteria are those of the
log-likelihood that it maximises.

>>> labels = np.where(random.random(1200) < 0.05, np.repeat([2, 0, 1], 400), -1)
>>> known = GaussianMixtureSelector(range(2, 5), ["VII"], random_state=0)
>>> known = known.fit(X, labels=labels)
>>> known.n_components_, known.best_estimator_.means_.round().astype(int).tolist()
(3, [[4, 4], [9, 9], [0, 0]])
>>> known.results_.rows[0].reason
'labels name component 2, and there are 2: component k is label k'

Spikes are not chosen
=====================
A component that shrinks to a spike has a likelihood without bound, and so the best of
all criteria. With a ridge it is a number that depends on `reg_covar`. Fits that would
be warned of (:class:`fastem.RegularizationWarning`) are listed with the reason, and not
chosen:

>>> X[random.random(1200) < 0.3, 1] = 0.0  # a code for none
>>> spiked = GaussianMixtureSelector([3, 4], ["full", "tied"], random_state=0).fit(X)
>>> least = min(spiked.results_, key=lambda row: row.value)
>>> least.n_components, round(least.ridge_share, 2), least.reason[:48]
(4, 1.0, 'The answer depends on reg_covar: a value repeats')
>>> spiked.covariance_type_, spiked.n_components_
('tied', 4)

If each candidate is one, those are compared that `covariance_ratio` bounds, and a
warning says so.

Is one more component chance?
=============================
:func:`fastem.bootstrap_lrt` compares what a component more gains in log-likelihood with
what it gains on tables that are drawn from the mixture without it.

>>> test = fastem.bootstrap_lrt(X[:400, :1], 1, n_bootstrap=99, random_state=0)
>>> print(test)  # doctest: +ELLIPSIS
1 or 2 components: twice the gain in log-likelihood is ...
>>> test.p_value > 0.05
True

How sure are the parameters?
============================
:func:`fastem.standard_errors` fits the chosen mixture again and again, each time with
other weights of the same rows:

>>> sure = fastem.standard_errors(selector.best_estimator_, X, n_bootstrap=50,
...                               random_state=0)
>>> sure.means.shape
(3, 2)

Of large tables, wherever they are, `method='sandwich'` makes them of derivatives of the
log-likelihood, in one pass.

Do the components come back?
============================
:func:`fastem.stability` starts anew with rows weighted at random, and says how alike
the partitions are, and of each component how often it was found again:

>>> three = selector.best_estimator_
>>> rows, _ = three.sample(600, random_state=0)
>>> again = fastem.stability(three, rows, n_bootstrap=10, random_state=0)
>>> bool((again.recovered == 1).all())
True

Which components are confused?
==============================
:func:`fastem.overlap` says how often a row of one component is likelier to be of
another, by the mixture itself: no rows are needed.

>>> print(fastem.overlap(selector.best_estimator_))  # doctest: +ELLIPSIS
Rows of a component that are likelier to be of another one:
    ... % of ...

How sure are the memberships?
=============================
Memberships take the parameters for true, and so claim too much of new rows where
components have few rows for their parameters. Those that know it are
`model.predict_proba_uncertain`, where that has a closed form ('full' and 'diag'), and
:func:`fastem.bagged_memberships`, by fits to weighted rows. :func:`fastem.calibration`
says on rows of known groups how often memberships are right, beside what they claim:

>>> labels = np.repeat([0, 1], 30)
>>> few = np.random.default_rng(2).normal(size=(60, 5))
>>> few += 3 / 5**0.5 * labels[:, np.newaxis]
>>> sharp = GaussianMixture(2, random_state=0).fit(few[::2])
>>> for asked in ("predict_proba", "predict_proba_uncertain"):
...     told = fastem.calibration(sharp, few[1::2], labels[1::2], memberships=asked)
...     print(f"claimed {told.mean_claimed:.2f}, right {told.mean_right:.2f}")
claimed 0.98, right 0.87
claimed 0.95, right 0.87

What is left of the gap is not the parameters' fault: groups that are not normal
distributions are no components.

Clusters of several components
==============================
BIC finds as many components as the density needs; a cluster that is not Gaussian needs
several. :func:`fastem.merge_components` merges them step by step, those first whose
rows are torn between them most. It is to look at: nothing is chosen by it.

>>> model = GaussianMixture(4, random_state=0).fit(X[:, :1])
>>> print(fastem.merge_components(model, X[:, :1]))  # doctest: +ELLIPSIS
Entropy of memberships, and what is merged next:
    4 clusters ...
    1 clusters ...

Large tables
============
Rows are checked once, wherever they are: arrays, DataFrames, folders, Dask collections
(`estimator=fastem.dask.GaussianMixture()`). Candidates are first fitted to
K (1000 + 20 D) rows drawn at random, from partitions that all of them share, and from
the fit with a component less, of which one is cut in two. What these rows say of a
candidate is what all rows will say, less half a nat for each parameter, give or take an
error that is known: that of the difference to the best one, row by row. Those that are
worse by more than `margin` (3) such errors are dropped; the others go on where they
are, with more rows, and with all in the end. So do the four best however far they are
behind, as EM may climb to another optimum with more rows. Nearly all work is done on
few rows. `margin=inf` drops none.
"""
