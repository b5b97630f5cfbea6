"""Where EM starts, and which start suits which table.

EM climbs from where it starts to the nearest top, so the start decides which optimum is
found. `init_params` chooses how:

- 'kmeans', the default, starts from the clusters of scikit-learn's KMeans for the
  same seed. It takes up to half of a fit.
- 'subsample' is faster on large tables, with other clusters: up to four runs of
  k-means and a few iterations of EM, on rows drawn at random; the best goes on with
  all rows.
- 'trimmed' is for tables with outliers. A k-means cluster, and then a component, may
  be a handful of far rows, or be drawn out to one, and EM does not mend that. Here many
  mixtures are fitted in concentration steps, which leave out the least likely rows, and
  the likeliest is chosen without them. `outlier_share` says how many at most: better
  too many than too few. It takes as long as several hundred iterations on a sample.
- 'random', 'k-means++' and 'random_from_data' are scikit-learn's, with their
  weaknesses: they often end in a poor optimum.

>>> import numpy as np
>>> from fastem import GaussianMixture
>>> random = np.random.default_rng(0)
>>> X = random.normal(size=(2000, 2)) + 6 * random.integers(2, size=(2000, 1))
>>> model = GaussianMixture(2, init_params="subsample", random_state=0).fit(X)
>>> np.sort(model.means_[:, 0]).round().astype(int)
array([0, 6])

>>> with_outliers = np.vstack([X, random.uniform(-200, 200, size=(60, 2))])
>>> model = GaussianMixture(2, noise=True, init_params="trimmed", random_state=0)
>>> np.sort(model.fit(with_outliers).means_[:, 0]).round().astype(int)
array([0, 6])
>>> model = GaussianMixture(2, noise=True, init_params="kmeans", random_state=0)
>>> print(abs(model.fit(with_outliers).means_).max() > 50)
True

The start keeps clear of outliers, and `noise=True` is what EM then explains them with.
A mixture without has nothing but components for that: allow it one more than there are
groups.

More starts
===========
EM from one start often ends below the best optimum. `n_init=10` makes ten starts and
keeps the best fit, among those that `reg_covar` does not hold up: a component that
shrinks to a spike is likelier than anything else. Starts that turn singular are left
out with a warning. With `stopping='remaining_gain'` a start that cannot win any more is
dropped before its end.

`n_init='auto'` judges 20 to 64 starts by short runs, on some of the rows where there
are many, until the best end is found again and again, and only the best goes on to its
end. That is for large tables and fits of many iterations: on small tables with
`accelerate=True` whole fits are as short (`scripts/bench --starts` measures it).

>>> random = np.random.default_rng(5)
>>> overlapping = np.vstack([random.normal(m, 1, (100, 2)) for m in (0, 3, 6, 9, 12)])
>>> one, judged = (
...     GaussianMixture(5, n_init=n, random_state=1, tol=1e-6, max_iter=500)
...     for n in (1, "auto")
... )
>>> ends = [model.fit(overlapping).lower_bound_ for model in (one, judged)]
>>> bool(ends[1] > ends[0] + 0.05)
True

A start of your own
===================
`means_init`, `weights_init` and `precisions_init`; what is not given follows from
`init_params`:

>>> model = GaussianMixture(2, means_init=[[0, 0], [6, 6]], random_state=0).fit(X)
>>> model.means_.round().astype(int)
array([[0, 0],
       [6, 6]])

`init_params` may also say where each row starts, by labels (N,), or to which degree it
belongs to each component (N, K). Such arrays are of the rows of one fit. A callable is
asked in each fit, so that it works in cross-validation and pipelines, and is called
`n_init` times; it is given rows without gaps, K and a RandomState:

>>> from sklearn.cluster import AgglomerativeClustering
>>> def ward(rows, n_components, random_state):
...     return AgglomerativeClustering(n_components).fit_predict(rows)
>>> model = GaussianMixture(2, init_params=ward).fit(X)
>>> again = GaussianMixture(2, init_params=model.predict_proba(X)).fit(X)
>>> again.n_iter_ <= model.n_iter_
True

`warm_start=True` goes on from the last fit.
"""
