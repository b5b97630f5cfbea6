"""From a mixture to a decision.

Which class?
============
:class:`fastem.MixtureClassifier` learns what the rows of each class are like, and asks
of a new row which class makes it likeliest. With one component for each class that is
quadratic discriminant analysis:

>>> import numpy as np
>>> from fastem import GaussianMixture, GaussianMixtureSelector, MixtureClassifier
>>> random = np.random.default_rng(0)
>>> X = random.normal(size=(900, 2))
>>> y = np.repeat(["ring", "core", "ring"], 300)
>>> X[y == "ring"] *= 4 / np.linalg.norm(X[y == "ring"], axis=1, keepdims=True)
>>> X[y == "ring"] += random.normal(scale=0.3, size=(600, 2))
>>> classifier = MixtureClassifier().fit(X, y)
>>> print(classifier.classes_, classifier.priors_.round(2))
['core' 'ring'] [0.33 0.67]
>>> print(classifier.predict([[0, 0], [4, 0]]))
['core' 'ring']

A class that no single cloud describes has a mixture of its own. The `mixture` is a
template, of any structure, of Student's t, with weights, gaps and noise as they are; a
:class:`fastem.GaussianMixtureSelector` chooses the number of components and the
structure for each class:

>>> template = GaussianMixtureSelector(range(1, 9), ["VII", "EEE"], random_state=0)
>>> chooser = MixtureClassifier(template).fit(X, y)
>>> [mixture.n_components for mixture in chooser.mixtures_]
[1, 8]

Few rows do not tell a covariance for each class. With `share_across_classes=True` what
a structure has in common is common to the components of all classes. One component for
each class, 'tied', is then linear discriminant analysis, and the fourteen structures
are the models that R's mclust calls EDDA; several components are the mixture
discriminant analysis of Hastie and Tibshirani:

>>> linear = MixtureClassifier(
...     GaussianMixture(covariance_type="tied"), share_across_classes=True
... )
>>> linear.fit(X, y).mixtures_[0].covariances_.shape
(2, 2)

By default the shares of the rows are the `priors` of the classes. If classes will be
met more or less often than in the table, say so: `priors=[0.99, 0.01]`. Which template
is best is asked as of any classifier, by `sklearn.model_selection.GridSearchCV` over
`mixture__covariance_type` and the like, with `scoring='neg_log_loss'` if probabilities
matter.

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
