"""Expectation-Maximisation: long fits, when they end, and how to follow them.

When a fit stops
================
`tol` has scikit-learn's meaning: it says how fast the log-likelihood moves, not how
far it has to go. Overlapping clusters need a smaller one, or
`stopping='remaining_gain'`. On 400,000 rows of one column, a quarter N(0, 1) and the
rest N(1.5, 1), the default stops after 7 iterations, 815 nats short, and says so in
`convergence_`: 950.

With `stopping='remaining_gain'` a fit ends when `tol` is more than all that EM would
still gain in total log-likelihood. That needs more iterations: raise `max_iter`. The
last of them test the end: where EM hardly moves need not be a maximum. From a plateau
it goes on, on a way that its own steps would find after thousands more, or never.

>>> import numpy as np
>>> from fastem import GaussianMixture, SingularCovarianceError, StopFit
>>> random = np.random.default_rng(0)
>>> X = random.normal(size=(4000, 1)) + 1.5 * (random.random((4000, 1)) < 0.75)
>>> quick = GaussianMixture(2, random_state=0).fit(X)
>>> exact = GaussianMixture(2, max_iter=5000, random_state=0)
>>> exact = exact.set_params(stopping="remaining_gain").fit(X)
>>> exact.convergence_.remaining_gain < 1e-3
True
>>> quick.n_iter_ < exact.n_iter_ and quick.score(X) < exact.score(X)
True

`tol=0` goes on until nothing but rounding changes.

Fewer iterations
================
`accelerate=True` takes longer steps along EM's path: a fit that needs hundreds of
iterations then needs several times fewer. The log-likelihood never falls by it. It
often ends at another optimum where many components share few rows, higher about as
often as lower.

>>> fast = GaussianMixture(**exact.get_params()).set_params(accelerate=True).fit(X)
>>> fast.n_iter_ < exact.n_iter_
True

Following a fit
===============
A callback is told after each iteration how far the fit is (:class:`fastem.Progress`).
If it raises :class:`fastem.StopFit`, what has been reached is kept.

>>> def stop_in_time(progress):
...     if progress.seconds_left > 3600 or progress.iteration == 5:
...         raise StopFit
>>> stopped = GaussianMixture(2, random_state=0, tol=1e-9)
>>> stopped = stopped.fit(X, callback=stop_in_time)
>>> stopped.n_iter_
5

A fit that may be killed
========================
With a `checkpoint`, a fit that is killed goes on when the same call is made again, and
ends with the same bits as without the break (on the same kind of processor).

>>> safe = GaussianMixture(2, random_state=0).fit(X, checkpoint="fit.json")
>>> bool(np.all(safe.means_ == quick.means_))
True

The file is written about once a second, removed when the fit is complete, and kept when
the callback stopped it. On the command line:

    $ fastem fit data.parquet -k 32 --checkpoint ckpt.json

A component that collapses
==========================
A component whose rows do not spread in all columns has a density without bound. It is
never kept in silence: without a ridge (`reg_covar=0`) the fit ends in a
:class:`fastem.SingularCovarianceError` that names the component, its weight, rows and
columns; with one it is kept, and a :class:`fastem.RegularizationWarning` says where
the ridge decides. `on_collapse='drop'` leaves the component out, and warns
of it; 'reseed' puts it elsewhere; and `collapses_` tells what was done.

Where one value repeats in many rows of a column (0 and 1, mostly zeros, a code for
none), no number of components helps: error and warning then name the value and its
share of the rows, and what does help. The warning begins with the same sentence for
the same trouble; this silences all of them:

    warnings.filterwarnings("ignore", message="The answer depends on reg_covar")

>>> X = np.vstack([random.normal(size=(500, 2)), np.full((20, 2), 7.0)])
>>> spike = GaussianMixture(2, reg_covar=0, random_state=0)
>>> try:
...     spike.fit(X)
... except SingularCovarianceError as error:
...     print(error.component, error.constant_columns, round(error.n_rows))
1 (0, 1) 20
>>> import warnings
>>> with warnings.catch_warnings(record=True) as said:
...     warnings.simplefilter("always")
...     kept = GaussianMixture(2, on_collapse="drop", random_state=0).fit(X)
>>> len(kept.weights_), kept.collapses_[0].action, len(said)
(1, 'dropped', 1)
"""
