"""From a mixture to a decision.

Regression
==========
:class:`fastem.MixtureRegressor` fits one mixture to features and targets together; what
it says of the targets, given the features, is a mixture for each row: a mean that bends
where components take over from each other, and a spread that is where the spread is.

>>> import numpy as np
>>> from fastem import GaussianMixture, MixtureRegressor
>>> random = np.random.default_rng(0)
>>> x = random.uniform(-3, 3, size=(2000, 1))
>>> y = np.abs(x[:, 0]) + np.where(x[:, 0] > 0, 0.5, 0.1) * random.normal(size=2000)
>>> model = MixtureRegressor(GaussianMixture(2, tol=1e-6, random_state=0)).fit(x, y)
>>> mean, deviation = model.predict([[-2.0], [2.0]], return_std=True)
>>> mean.round(1), deviation.round(1)
(array([2., 2.]), array([0.1, 0.5]))
>>> model.predict_quantiles([[2.0]], [0.05, 0.95]).round(1)
array([[1.2, 2.8]])

With `missing_values='marginalize'` in the mixture features may be missing, in `fit` and
in `predict`, and so may targets in `fit`. The joint mixture is `mixture_`: its
`conditional` answers about any other columns.
"""
