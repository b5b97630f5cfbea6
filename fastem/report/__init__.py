"""What is told to people about a fitted mixture: numbers, tables and pictures.

Reports
=======
This package is a function too. ``fastem.report(model, X)`` describes clusters for a
colleague (`pip install 'fastem[report]'` for pages):

>>> import numpy as np
>>> import pandas as pd
>>> import fastem
>>> random = np.random.default_rng(0)
>>> is_large = np.arange(600) < 200
>>> table = pd.DataFrame({"length": random.normal(np.where(is_large, 80, 50), 5)})
>>> table["kind"] = np.where(is_large, "pike", "perch")
>>> table["caught"] = random.random(600) < np.where(is_large, 0.6, 0.2)
>>> model = fastem.GaussianMixture(2, random_state=0).fit(table[["length"]])
>>> report = fastem.report(model, table, outcome="caught")
>>> report.to_html("fish.html")
>>> print(report.sentences[1])  # doctest: +NORMALIZE_WHITESPACE
length is much higher (about 80; all rows 59.9). Though not used to find the clusters,
kind is pike for 99.8% (all rows 33%). caught is True for 60% (53% to 67%; all rows
33%).

The page is one file, which needs no network: a sentence for each cluster in the
columns' own units, pictures, and tables; what became of the rows of each cluster, with
intervals; which rows are torn between which clusters; and what there is to know before
one believes it, such as a fit that had not converged. Columns that the mixture does not
know are told of too: texts, truth values and few numbers by their shares, other numbers
by their means. ``print(report)`` says the same as text, and ``report.to_frame()`` has
a row for each cluster.

A scikit-learn pipeline that ends with a mixture is described by the columns of the
table that it takes, in their units: means are those of the rows, each counting to the
degree that it belongs. Of a :class:`fastem.GaussianMixtureSelector` the alternatives
are shown. On the command line it is `fastem report model.json rows.csv -o page.html`.

Pictures
========
A display draws on your axes, or on a new figure (`pip install 'fastem[plot]'`), and
says beside it what is drawn. :class:`fastem.ClusterDisplay` shows rows and components
in the two columns that separate these best, or in those that you name:

>>> import matplotlib.pyplot as plt
>>> import numpy as np
>>> import fastem
>>> from fastem import ClusterDisplay, GaussianMixture, PairsDisplay
>>> random = np.random.default_rng(0)
>>> X = np.vstack([random.normal(m, s, (500, 4)) for m, s in ((0, 1), (2, 2))])
>>> model = GaussianMixture(2, random_state=0).fit(X)
>>> figure, axes = plt.subplots(1, 2, figsize=(14, 5), layout="constrained")
>>> display = ClusterDisplay.from_estimator(model, X, ax=axes[0])
>>> display.ax_ is axes[0], display.figure_ is figure
(True, True)

With `space='discriminant'` the coordinates are made of all columns: the directions in
which components differ most, in their means or in how they spread.

>>> display = ClusterDisplay.from_estimator(model, X, space="discriminant", ax=axes[1])
>>> figure.savefig("clusters.png")

| | |
| --- | --- |
| :class:`fastem.ClusterDisplay` | rows and components in two coordinates, or one |
| :class:`fastem.PairsDisplay` | each pair of columns, and each column's density |
| :class:`fastem.UncertaintyDisplay` | where rows are torn between components |
| :class:`fastem.MergeDisplay` | which components are one cluster, step by step |
| :class:`fastem.CalibrationDisplay` | whether memberships are as right as they claim |
| :class:`fastem.AnomalyDisplay` | the rows that surprise most, and by which columns |
| :class:`fastem.SelectionDisplay` | the criterion of each candidate of a choice |
| :class:`fastem.ConditionalDisplay` | the density of a column, given values of others |
| :class:`fastem.MembershipMapDisplay` | which pixels of an image belong where |

Rows are read once, also from a folder. More than `max_points` (20,000) of them are
drawn as an image, which counts all; so a picture of ten million rows takes no more
memory than one of many thousand. A row with missing values is drawn where it has what
is shown, and those that are not drawn are counted beside the picture.

>>> PairsDisplay.from_estimator(model, X, columns=[0, 3], max_points=100).axes_.shape
(2, 2)
>>> plt.close("all")

Summaries
=========
:func:`fastem.summary` says on a page what a mixture says: how large each component is,
what sets it apart in the units of the columns, which components overlap. With rows,
also how sure these are, what they lack, and the criteria; of a selector, the
alternatives. On the command line it is `fastem info model.json rows.csv`.

>>> summary = fastem.summary(model, X, feature_names=["a", "b", "c", "d"])
>>> print(summary)  # doctest: +ELLIPSIS
Gaussian mixture of 2 components, covariance full (...), 1,000 rows x 4 columns...
>>> summary.to_frame()[["component", "n_rows", "a", "a (sd)"]].round(1)
   component  n_rows    a  a (sd)
0          0     529  0.0    -0.5
1          1     471  2.1     0.6
"""

import sys
from inspect import Signature, signature
from types import ModuleType
from typing import Any


class _Callable(ModuleType):
    """A package that is called: ``fastem.report(model, X)`` makes a report."""

    def __call__(self, model: Any, X: Any, **given: Any) -> Any:
        from fastem.report.reporting import report

        return report(model, X, **given)

    @property
    def __signature__(self) -> Signature:
        from fastem.report.reporting import report

        return signature(report)


sys.modules[__name__].__class__ = _Callable
