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

`n_init=5` makes five starts and keeps the best. Starts that turn singular are left out
with a warning. With `stopping='remaining_gain'` a start that cannot win any more is
dropped before its end.

A start of your own is `means_init`, `weights_init` and `precisions_init`; what is not
given follows from `init_params`:

>>> model = GaussianMixture(2, means_init=[[0, 0], [6, 6]], random_state=0).fit(X)
>>> model.means_.round().astype(int)
array([[0, 0],
       [6, 6]])

`warm_start=True` goes on from the last fit.
"""
