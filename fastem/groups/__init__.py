"""Gaps, labels, and what you already know.

Missing values
==============
Rows in which values are missing are an error, until you say what to do with them. With
`missing_values='marginalize'` each row counts with the values that it has: a fit has
the largest likelihood of what was observed, which is right if what is missing depends
on nothing but what is there. Nothing is filled in, and no row is left out.

>>> import numpy as np
>>> from fastem import GaussianMixture
>>> random = np.random.default_rng(0)
>>> X = random.normal(size=(1000, 3)) @ [[1, 0.9, 0], [0, 0.4, 0], [0, 0, 1]]
>>> X[500:] += 4
>>> gappy = np.where(random.random(X.shape) < [0.3, 0.3, 0], np.nan, X)
>>> model = GaussianMixture(2, missing_values="marginalize", random_state=0).fit(gappy)
>>> np.sort(model.means_[:, 0]).round().astype(int)
array([0, 4])

NaN, None, pandas' NA, masked values and nulls are all the same. Every method takes
them: in `predict`, `predict_proba` and `score_samples` a row is judged by the density
of the columns that it has. A row without any value has a log-density of 0, and
memberships that are the weights; it counts as a row, and moves nothing.

A model that was fitted without gaps, or comes from a file, answers about rows with gaps
as soon as it is told to:

>>> complete = GaussianMixture(2, random_state=0).fit(X)
>>> complete = complete.set_params(missing_values="marginalize")
>>> bool(np.mean(complete.predict(gappy) == complete.predict(X)) > 0.98)
True

`impute` fills gaps with what the mixture expects there, given the values present; with
`method='sample'` with draws, which vary as the values would.

>>> filled = model.impute(gappy)
>>> bool(np.all(filled[~np.isnan(gappy)] == gappy[~np.isnan(gappy)]))
True
>>> several = [model.impute(gappy, method="sample", random_state=i) for i in range(5)]

Where EM starts
---------------
`init_params` works on the complete rows, if there are 4 (D + 1) of them for each
component. If not, gaps are filled with what a single normal distribution, fitted to all
rows, expects there; for a partition of your own, with the column's mean. That is for
the start only.

What is an error
----------------
A column without any value; and a component none of whose rows have a value in a column,
as nothing says what the column is like there. `on_collapse` treats that as a collapse.

What it costs
-------------
Rows that lack the same columns are a group, and a group of many rows (of ten columns
900, of twenty 300) is a pass of the kernels over its columns; such groups run side by
side. Rows of smaller groups are walked over one by one, with a Cholesky factor of each
kind of gaps. Memory
holds, beside the rows, copies of at most 128 MB of them. Where nothing is missing the
bits are those without the option. A background (`noise=True`) is measured by the ranges
of the columns where there are gaps, not along principal components.

Known labels
============
Where it is known of some rows which component they belong to, say so: `labels` has the
number of each row's component, -1 where nothing is known, and -2 for rows that are
noise (with `noise=True`). Component k is label k. The others follow from all rows.

>>> species = np.repeat([0, 1], 500)
>>> labels = np.where(random.random(1000) < 0.02, species, -1)
>>> model = GaussianMixture(2, tol=1e-6).fit(X, labels=labels)
>>> bool(np.mean(model.predict(X) == species) > 0.95)
True

What is maximised is the sum over known rows of log(weight x density) of their own
component, and over the others of the mixture's log-density: `lower_bounds_` have it,
per row. `score` is the plain one. Of two dimensions, (N, K) of booleans, `labels` say
of each component whether it may be the row's; and `labels=("column", "species")` is a
column of a table, of Parquet files, or of a Dask collection. A missing label is -1.
Labels go with all that a fit can do, with `partial_fit`, and on the command line
(`fastem fit --labels species`, where names are numbered by the alphabet); but not with
`on_collapse='drop'`, after which components have other numbers. In scikit-learn's
pipelines and cross-validation they are routed as metadata:
`model.set_fit_request(labels=True)`. :class:`fastem.GaussianMixtureSelector` takes
them too, and so does `fastem select`: each number of components, from that of the
labels on, is judged by what such a fit maximises.

A fit starts with one maximisation step in which known rows belong where they are known
to, and unknown ones to all components alike; unless `means_init`, `weights_init` and
`precisions_init` or a partition in `init_params` say otherwise. A component of which no
row is known starts from one of the K clusters of the others, by k-means: the one
farthest from the means of known rows. (Of rows in blocks or on a cluster, each must
have some.) From such a start EM moves slowly at first: `tol` should be small.

Other rows help if the components are what the labels mean. If they are not, as clusters
lie across them, they harm: compare with a fit to the known rows alone.

Fixed parameters
================
Where it is known what a component is like, it can be held there. `fixed` says what
stays as it is at the start: 'weights', 'means', 'covariances', of all components (True)
or of some (K truth values). Everything else is the likeliest beside it: a covariance is
then the spread about the fixed mean, and free weights share what fixed ones leave.

>>> start = {"means_init": [[0, 0, 0], [3, 3, 3]], "fixed": {"means": [True, False]}}
>>> held = GaussianMixture(2, **start, random_state=0).fit(X)
>>> held.means_.round().astype(int)
array([[0, 0, 0],
       [4, 4, 4]])

Something must say where what is fixed starts: `means_init`, `weights_init` or
`precisions_init`, of all components; or a partition, labels, or an earlier fit
(`warm_start=True`). It keeps its bits; `reg_covar` is not added to fixed covariances.
With `equal_weights=True` all components have the same weight.

>>> equal = GaussianMixture(2, equal_weights=True, random_state=0).fit(X)
>>> equal.weights_
array([0.5, 0.5])

- Covariances of some components can be fixed with 'full', 'diag' and 'spherical'. All
  other structures have something in common: there it is all or none.
- Beside a background (`noise=True`) weights are fixed beside each other: what it takes,
  all give alike.
- `covariance_ratio` holds between free and fixed covariances too. Fixed ones that are
  farther apart leave no room for others, which is an error.
- `on_collapse='reseed'` acts on components of which nothing is fixed; 'drop' would give
  components other numbers, and is refused.
- BIC and AIC count what is free; `standard_errors` are 0 for the rest.
- `partial_fit`, model files and `sort_components` go on with what is fixed.
- Degrees of freedom are held by `StudentMixture(degrees_of_freedom=5.0)`.
"""

from fastem.groups.answers import RowAnswers
from fastem.groups.expectation import GroupedExpectation, expectation_of
from fastem.groups.imputation import imputed
from fastem.groups.rows import Group, groups_of, has_gaps, warn_of_empty_rows

__all__ = [
    "Group",
    "GroupedExpectation",
    "RowAnswers",
    "expectation_of",
    "groups_of",
    "has_gaps",
    "imputed",
    "warn_of_empty_rows",
]
