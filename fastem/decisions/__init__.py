"""From a mixture to a decision.

Anomalies
=========
:class:`fastem.MixtureOutlierDetector` tells rows that are unlike the others, with a
rate of false alarms that you state. Three lines:

>>> import numpy as np
>>> from fastem import GaussianMixture, MixtureOutlierDetector
>>> random = np.random.default_rng(0)
>>> X = random.normal(size=(5000, 2)) @ [[1, 0.9], [0, 0.4]]
>>> X[3000:] += 9
>>> detector = MixtureOutlierDetector(GaussianMixture(2), random_state=0).fit(X)
>>> detector.predict([[0, 0], [9, 9], [2, -2]])  # -1: an anomaly
array([ 1,  1, -1])
>>> detector.p_values([[0, 0], [9, 9], [2, -2]]).round(3)
array([1.   , 0.794, 0.001])

A row is scored by its log-density (`score_samples`); the threshold is a score below
which `false_alarm_rate` (0.01) of ordinary rows lie. A fit says too well of the rows
that it has seen: taken from those, a threshold for 5 % gave 7 to 15 % of alarms among
new rows, in sixteen settings of 100 to 1,000 rows. So it comes from others. Of large
tables some rows are held out from the fit: then the rate holds whether the mixture is
right or not, as a new row is as likely as each of these to be the one that scores
lowest. Of small tables none can be spared: there is a fit for each of five folds, which
sees the others, and new rows are scored by the mean of the five densities. That is
careful: in the same settings 2.7 to 4.6 % of alarms for 5 %. `calibration=0.3` and
`calibration=10` say which way to go. A better mixture finds more anomalies at the same
rate.

`p_values` says how unusual each row is: of ordinary rows a share u has a p-value of u
or less. The least one is 1 / (n + 1), of n rows that were held out; where that is above
the rate, no row can be flagged, and `fit` warns of it. It is no error, as scores and
explanations are right, and more rows may follow. Among many rows some are flagged by
chance. To have at most a tenth of the flagged be ordinary, however few anomalies there
are, adjust p-values for all rows together (Benjamini and Hochberg):

>>> new = np.vstack([X[:1000], random.normal(size=(50, 2)) * 0.2 + [3, -6]])
>>> flagged = detector.p_values(new, adjust="bh") <= 0.1
>>> int(flagged[1000:].sum()), bool(flagged[:1000].sum() <= 10)
(50, True)

Tables that have anomalies themselves
-------------------------------------
The detector learns what is ordinary, and `X` may have anomalies. Then the mixture
should not give them components: start without the least likely rows, and let a
background take them. The background is left out of scores, as it would rank all far
rows alike. Held-out rows count as ordinary, whatever they are: with 5 % of
anomalies among them, a rate of 1 % flags a fifth of these, and hardly a row that is
ordinary. So state how many rows you want flagged.

>>> dirty = np.vstack([X, random.uniform(-20, 30, size=(250, 2))])
>>> mixture = GaussianMixture(2, init_params="trimmed", noise=True)
>>> cleaner = MixtureOutlierDetector(mixture, false_alarm_rate=0.05, random_state=0)
>>> labels = cleaner.fit_predict(dirty)
>>> bool(np.mean(labels[5000:] == -1) > 0.8), bool(np.mean(labels[:5000] == -1) < 0.02)
(True, True)

Why?
----
`explain` says what each column adds to the surprise of a row: by how much its
log-density is below that at the mean of its component, in nats. `parts` sum to that.
`given_others` is what would be saved if the column were as the others lead one to
expect (`expected`), `alone` how surprising its value is by itself: the row below is
usual in each column, and impossible in both.

>>> explanation = detector.explain([[2, -2]])
>>> explanation.surprise.round(1), explanation.parts.round(1)
(array([47.6]), array([[23.2, 24.4]]))
>>> explanation.alone.round(1), explanation.given_others.round(1)
(array([[2. , 2.2]]), array([[45.4, 45.6]]))

`explain(X, n_rows=10)` has the ten that score lowest, `to_frame()` makes a table, and
`fastem.AnomalyDisplay` a picture of it.

Streams, gaps, large tables
---------------------------
`partial_fit` scores new rows before the mixture learns from them, and lets old ones
fade from the calibration, so that the threshold follows rows that change. Folders of
Parquet files and other rows in blocks are scored in blocks. With
`GaussianMixture(missing_values="marginalize")` rows may have gaps. Log-densities of
different columns cannot be compared; a row with gaps is given the one at which a
complete row is as improbable, among rows of the mixture: exactly for one component,
nearly where components overlap.
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
