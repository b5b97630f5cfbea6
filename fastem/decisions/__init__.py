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
"""
