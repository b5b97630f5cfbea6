"""The estimator: scikit-learn's interface to the rooms below."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import Interval, StrOptions

from fastem.covariances import COVARIANCE_TYPES
from fastem.em.checkpoint import remove
from fastem.em.progress import Progress
from fastem.em.ridge import RELATIVE
from fastem.em.stopping import STOPPING_RULES
from fastem.mixture.fitted import unchanged_on_error
from fastem.mixture.online import AUTO
from fastem.mixture.planned import PlannedMixture
from fastem.storage.writing import PathLike
from fastem.training.in_blocks import training_rows
from fastem.training.in_memory import TrainingRows

# Of starts, by their names.
METHODS = {
    *("kmeans", "random", "random_from_data", "k-means++", "subsample", "trimmed")
}


class GaussianMixture(PlannedMixture):
    """Gaussian mixture model, fitted by Expectation-Maximisation on all cores.

    A drop-in for :class:`sklearn.mixture.GaussianMixture`: the same parameters,
    attributes and methods, and from the same start the same numbers after the same
    number of iterations. What it adds: ``sample_weight``, ``n_threads``,
    :meth:`from_parameters`, and no array of rows x components (N K / 8 bytes at most).

    Parameters
    ----------
    n_components : int, default=1
        Number of components, K.
    covariance_type : str, default='full'
        - 'full': each component has its own covariance matrix.
        - 'tied': all components share one covariance matrix.
        - 'diag': each component has a variance of its own for each column.
        - 'spherical': each component has one variance for all columns.
        - Or one of the fourteen codes of R's mclust: 'EII', 'VII' ('spherical'),
          'EEI', 'VEI', 'EVI', 'VVI' ('diag'), 'EEE' ('tied'), 'VEE', 'EVE', 'VVE',
          'EEV', 'VEV', 'EVV', 'VVV' ('full'). Letters are for volume, shape and axes:
          E equal in all components, V each its own, I spheres or axes along the
          columns. :mod:`fastem.covariances` says when to choose which.
    tol : float, default=1e-3
        EM stops when it is this close to its limit, as ``stopping`` measures it.
    reg_covar : float or 'relative', default=1e-6
        Added to every variance, in squared units of the data. 'relative' adds a
        millionth of the column's own variance, so that the answer does not depend on
        units (a constant column gets the mean of the others).
    max_iter : int, default=100
        Largest number of EM iterations.
    stopping : {'change', 'remaining_gain'}, default='change'
        What is to be less than ``tol``.

        - 'change': the change of the mean log-likelihood of a row in an iteration.
          That says how fast it moves, not how far it has to go.
        - 'remaining_gain': all that EM would still gain in total log-likelihood (the
          sum over rows, times their weights, in nats), as three forecasts in a row
          say, or when gains are lost in rounding. A forecast sees no rise behind a
          plateau, such as components that coincide. So the end is tested: 5 to 45
          passes beside it look for a way up. If one leads higher by ``tol``, EM goes
          on from there; if none does, the end is kept, to the bit. Of 1,000 small
          random problems 24 (with ``accelerate`` 34) ended more than 0.1 nats short
          without the test, none with it. That proves no maximum: the test looks in up
          to 20 directions, of which it follows the slowest, and not behind falls. It
          misses a way up that hides among many slow directions, and one that begins
          flat, as where two 'tied' components coincide exactly. With a ridge EM may
          come back to where it was; after ten times the fit ends there.
          Needs more iterations than the default: raise ``max_iter``.
    accelerate : bool, default=False
        Whether to take longer steps than EM's: a fit that needs many iterations then
        needs several times fewer. The log-likelihood never falls by such a step, and
        the last step is EM's own. Off by default: iterations are no longer those of
        scikit-learn, and where many components share few rows, the optimum often is
        another one, higher about as often as lower.
    covariance_ratio : float or None, default=None
        Largest ratio between any two eigenvalues of covariances, over all components:
        the likeliest covariances within that bound are taken, so that no component
        shrinks to a spike of density, whatever the units of the data [3]_. 1 makes
        spheres of one size; 10 to 100 leaves room for clusters of unlike sizes.
        Columns are measured in units of their standard deviations, or as they are
        where the structure compares columns: 'spherical', 'EII', 'EEV' and 'VVE'. The
        bound is exact; so it is an error with the structures that share their volume
        or their shape alone: 'EVI', 'EVE', 'EVV', 'VEI', 'VEE' and 'VEV'.
    on_collapse : {'raise', 'drop', 'reseed'}, default='raise'
        What to do when a component's rows do not spread in all columns any more (or
        when it has no rows), so that its density has no bound.

        - 'raise': :class:`SingularCovarianceError`, where nothing but rounding is left
          of a variance after ``reg_covar`` was added to it. A component that only
          ``reg_covar`` holds up is kept, and warned of.
        - 'drop': leave the component out and go on with the others.
        - 'reseed': put it where the mixture explains the rows worst: on a row drawn
          from the worst twentieth, with the mean covariance of the others and weight
          1 / K. An error after 10 K times.

        The last two act as well where more than half of what a column varies, given
        the others, is ``reg_covar``, unless that is so in all components. What they
        did is in ``collapses_``, and 'drop' warns of it. Where all components share a
        covariance they act on those without rows.
    n_init : int or 'auto', default=1
        Number of starts. The fit with the largest lower bound is kept, of those that
        ``reg_covar`` does not hold up if there are any. Starts that end in a singular
        covariance are left out, with a warning. With 'auto' short runs on K (200 +
        10 D) rows, or all, judge 20 to 64 starts, until the best end is found again and
        again; the best four go on with K (1000 + 20 D), and the best with all.
    init_params : {'kmeans', 'k-means++', 'random_from_data', 'random', \
'subsample', 'trimmed'}, array-like of shape (N,) or (N, K), callable, default='kmeans'
        How EM starts. 'kmeans' starts from the clusters of scikit-learn's KMeans for
        the same random numbers. 'subsample' is the fastest on large tables: up to
        four runs of k-means and at most 30 iterations of EM each, on rows drawn at
        random (by their weights), of which the one with the largest log-likelihood
        goes on with all rows. It draws K (1000 + 20 D) rows, but not more than a
        tenth of all unless that is less than K (200 + 10 D).
        'trimmed' is the start for tables with outliers: they get no components, and no
        component is drawn out to them. 64 mixtures with bounded covariances are fitted
        to K (200 + 10 D) rows, or all, in steps that leave out the least likely ones
        (``outlier_share``); the likeliest goes on with at most K (1000 + 20 D) rows.
        As in scikit-learn, 'k-means++' and 'random_from_data' give each component one
        single row: covariances of ``reg_covar`` on the diagonal and weights of
        1 / N, which do not sum to one. The first iterations recover from that, often
        at a poor optimum. For a start among the rows that is sound, use 'kmeans' or
        'subsample', or pass such rows as ``means_init`` together with
        ``weights_init`` and ``precisions_init`` of the spread of the data.
        An array is a partition of the rows of ``fit``: numbers of components, or -1
        for a row that is in none (with ``noise=True``, for noise); or degrees to which
        rows belong to each, which sum to 1, or to 0 for none (with ``noise=True`` the
        last of K + 1 columns is noise, or what K leave). The start is the maximisation
        step on it. A callable makes such an array, ``n_init`` times in each fit, of
        rows without gaps (of blocks or a cluster, a sample), K and a RandomState.
    outlier_share : float, default=0.05
        For 'trimmed': the largest share of the rows that may be outliers, less than
        0.5. So much is left out of the start; EM then goes on with all rows. If there
        are more, the start is what they make of it. The likeliest mixture within
        ``covariance_ratio`` is looked for, or else within a ratio of 1000; for a
        structure that takes no such bound, one whose covariances are free, and the
        last step is the structure's own.
    weights_init : array-like of shape (K,), default=None
        Weights to start from, instead of those of ``init_params``.
    means_init : array-like of shape (K, D), default=None
        Means to start from, likewise.
    precisions_init : array-like, default=None
        Inverse covariances to start from, in the shape of ``covariances_``, or
        matrices of shape (K, D, D) that the structure can have.
    fixed : dict, default=None
        What stays as it is at the start: for 'weights', 'means' and 'covariances' True,
        or for each component whether its own does (K truth values). The start must say
        what that is: ``weights_init``, ``means_init``, ``precisions_init``, a partition
        or labels of the rows, or an earlier fit. Nothing is added to fixed covariances.
        Those of some components can be fixed where covariances have nothing in common:
        'full', 'diag' and 'spherical'. ``on_collapse='reseed'`` acts on components of
        which nothing is fixed. :mod:`fastem.groups` has more.
    equal_weights : bool, default=False
        Whether all components have the same weight.
    missing_values : {'error', 'marginalize'}, default='error'
        What to do with rows in which values are missing: NaN, None, pandas' NA, masked
        values, or nulls. With 'marginalize' a row counts with the values that it has,
        in every method: fits have the largest likelihood of what was observed, and
        nothing is filled in. :mod:`fastem.groups` has more.
    noise : bool, default=False
        Whether rows may belong to no component: a uniform background with a weight of
        its own takes those that are in none. It is component -1.
    noise_weight_init : float, default=None
        Weight of the background to start from, in [0, 1); ``weights_init`` are scaled
        by what it leaves. None for a tenth; from 1 % to 50 % the answers are nearly
        the same.
    noise_volume : float, default=None
        The density of the background is 1 / volume, everywhere. None for the volume
        of ``noise_bounds``; or, if those are not given either, of the smaller one of
        the box around the rows and the box around them along their principal
        components, as in mclust. That takes three more passes over rows that are read
        block by block or lie on a cluster.
    noise_bounds : array-like of shape (D, 2), default=None
        The least and the largest value of each column for rows of the background. None
        for the ranges of the rows.
    forgetting : float, default=2.0
        How :meth:`partial_fit` weighs rows by their age: the r-th row since the start
        counts as r to the power of ``forgetting`` - 1. With 1 all rows count alike,
        also the first, whose memberships were those of a poor model.
    memory : float or None, default=None
        For streams that change: :meth:`partial_fit` forgets rows, so that one that
        came this number of rows ago counts 1/e (at most) of one that comes now. None
        forgets none for good.
    random_state : int, RandomState instance or None, default=None
        Seed of the starts and of :meth:`sample`.
    warm_start : bool, default=False
        Whether ``fit`` continues from the parameters of the last fit.
    verbose : int, default=0
        1 prints starts and iterations, 2 also changes and times.
    verbose_interval : int, default=10
        Number of iterations between two prints.
    n_threads : int or None, default=None
        Largest number of threads to use; None for Numba's own setting (all cores
        unless ``NUMBA_NUM_THREADS`` says otherwise). It changes no digit of any
        result, and Numba's setting is what it was after each call.

    Attributes
    ----------
    weights_ : array of shape (K,)
        Weights of the components. With ``noise=True`` they sum to 1 less
        ``noise_weight_``.
    means_ : array of shape (K, D)
        Means of the components.
    covariances_ : array
        Shape (D, D) for 'tied', (K,) for 'spherical' and 'EII', (K, D) for 'diag',
        'EEI', 'VEI' and 'EVI', (K, D, D) for 'full' and the others.
    precisions_ : array
        Inverses of the covariances, in the same shape.
    precisions_cholesky_ : array
        Upper triangular U with U U' = precision; where covariances are variances,
        1 / standard deviation.
    noise_weight_ : float
        Weight of the background. Only with ``noise=True``, like the next two.
    noise_volume_ : float
        Its density is 1 / volume.
    noise_bounds_ : array of shape (D, 2), or None
        The box that :meth:`sample` draws it from; None for a model that was made from
        parameters without bounds.
    converged_ : bool
        Whether the best start met ``tol`` within ``max_iter``.
    convergence_ : Convergence
        How near the best start came to its limit: what is left to gain, the rate of
        convergence, and how often the log-likelihood fell.
    n_dropped_ : int
        Number of starts that were dropped before their end, as they would not have
        become the best. With ``stopping='remaining_gain'`` only, after 20 iterations
        or more, when ten forecasts in a row say that even a thousand times the gain
        that is left is not enough.
    collapses_ : list of Collapse
        The components that ``on_collapse`` dropped or seeded anew in the best start,
        and after which iteration: there ``lower_bounds_`` may fall.
    n_iter_ : int
        Number of iterations of the best start: passes over the rows.
    lower_bound_ : float
        Mean log-likelihood of a row, at the start of the last iteration.
    lower_bounds_ : list of float
        The same for each iteration of the best start, except for those that
        ``accelerate`` took back or that tested the end.
    n_samples_seen_ : float
        Rows of the fit and of :meth:`partial_fit` since then, as their weights say.
    n_effective_ : float
        How many rows that count alike say as much.
    n_features_in_ : int
        Number of columns, D.
    feature_names_in_ : array of shape (D,)
        Names of the columns, if X had names that are strings.

    See Also
    --------
    sklearn.mixture.GaussianMixture : The interface that this class keeps to.

    Notes
    -----
    Parameters are float64 whatever the type of X. Rows of float32 stay float32, and
    all sums over more than a few hundred rows are float64.

    References
    ----------
    .. [1] A. P. Dempster, N. M. Laird, D. B. Rubin, "Maximum likelihood from
       incomplete data via the EM algorithm", JRSS B 39 (1977), 1-38.
    .. [2] G. J. McLachlan, D. Peel, "Finite Mixture Models", Wiley (2000), ch. 3.
    .. [3] L. A. Garcia-Escudero, A. Gordaliza, C. Matran, A. Mayo-Iscar, "A general
       trimming approach to robust cluster analysis", Ann. Stat. 36 (2008), 1324-1345.

    Examples
    --------
    >>> import numpy as np
    >>> from fastem import GaussianMixture
    >>> X = np.array([[1, 2], [2, 4], [3, 0], [10, 2], [11, 4], [12, 0]])
    >>> model = GaussianMixture(n_components=2, random_state=0).fit(X)
    >>> model.means_.round(3)
    array([[11.,  2.],
           [ 2.,  2.]])
    >>> model.predict([[0, 0], [12, 3]])
    array([1, 0])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "covariance_type": [StrOptions(set(COVARIANCE_TYPES))],
        "tol": [Interval(Real, 0.0, None, closed="left")],
        "reg_covar": [
            Interval(Real, 0.0, None, closed="left"),
            StrOptions({RELATIVE}),
        ],
        "covariance_ratio": [Interval(Real, 1.0, None, closed="left"), None],
        "max_iter": [Interval(Integral, 0, None, closed="left")],
        "stopping": [StrOptions(set(STOPPING_RULES))],
        "on_collapse": [StrOptions({"raise", "drop", "reseed"})],
        "accelerate": ["boolean"],
        "n_init": [Interval(Integral, 1, None, closed="left"), StrOptions({AUTO})],
        "init_params": [StrOptions(METHODS), "array-like", callable],
        "outlier_share": [Interval(Real, 0.0, 0.5, closed="left")],
        "weights_init": ["array-like", None],
        "means_init": ["array-like", None],
        "precisions_init": ["array-like", None],
        "fixed": [dict, None],
        "equal_weights": ["boolean"],
        "missing_values": [StrOptions({"error", "marginalize"})],
        "noise": ["boolean"],
        "noise_weight_init": [Interval(Real, 0.0, 1.0, closed="left"), None],
        "noise_volume": [Interval(Real, 0.0, None, closed="neither"), None],
        "noise_bounds": ["array-like", None],
        "forgetting": [Interval(Real, 1.0, None, closed="left")],
        "memory": [Interval(Real, 0.0, None, closed="neither"), None],
        "random_state": ["random_state"],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
        "verbose_interval": [Interval(Integral, 1, None, closed="left")],
        "n_threads": [Interval(Integral, 1, None, closed="left"), None],
    }

    def __init__(
        self,
        n_components: int = 1,
        *,
        covariance_type: str = "full",
        tol: float = 1e-3,
        reg_covar: float | str = 1e-6,
        covariance_ratio: float | None = None,
        max_iter: int = 100,
        stopping: str = "change",
        accelerate: bool = False,
        on_collapse: str = "raise",
        n_init: int | str = 1,
        init_params: str | ArrayLike | Callable[..., ArrayLike] = "kmeans",
        outlier_share: float = 0.05,
        weights_init: ArrayLike | None = None,
        means_init: ArrayLike | None = None,
        precisions_init: ArrayLike | None = None,
        fixed: dict[str, bool | ArrayLike] | None = None,
        equal_weights: bool = False,
        missing_values: str = "error",
        noise: bool = False,
        noise_weight_init: float | None = None,
        noise_volume: float | None = None,
        noise_bounds: ArrayLike | None = None,
        forgetting: float = 2.0,
        memory: float | None = None,
        random_state: int | np.random.RandomState | None = None,
        warm_start: bool = False,
        verbose: int = 0,
        verbose_interval: int = 10,
        n_threads: int | None = None,
    ) -> None:
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.tol = tol
        self.reg_covar = reg_covar
        self.covariance_ratio = covariance_ratio
        self.max_iter = max_iter
        self.stopping = stopping
        self.accelerate = accelerate
        self.on_collapse = on_collapse
        self.n_init = n_init
        self.init_params = init_params
        self.outlier_share = outlier_share
        self.weights_init = weights_init
        self.means_init = means_init
        self.precisions_init = precisions_init
        self.fixed = fixed
        self.equal_weights = equal_weights
        self.missing_values = missing_values
        self.noise = noise
        self.noise_weight_init = noise_weight_init
        self.noise_volume = noise_volume
        self.noise_bounds = noise_bounds
        self.forgetting = forgetting
        self.memory = memory
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose
        self.verbose_interval = verbose_interval
        self.n_threads = n_threads

    def fit(
        self,
        X: Any,
        y: None = None,
        sample_weight: ArrayLike | str | None = None,
        *,
        labels: ArrayLike | tuple[str, str] | None = None,
        callback: Callable[[Progress], object] | None = None,
        checkpoint: PathLike | None = None,
    ) -> Self:
        """Estimate the parameters from the rows of X.

        On an error the estimator is left as it was.

        Parameters
        ----------
        X : array-like of shape (N, D), or a source of rows in blocks
            Numbers; other types than float32 are converted to float64. Sources: the
            path of a Parquet file or of a folder of them, pyarrow datasets and
            record-batch readers, objects that iterate over arrays anew each time,
            memory maps and Arrow tables over a gigabyte. All starts but 'random' are
            from a sample of them.
        y : None
            Ignored.
        sample_weight : array-like of shape (N,), or name of a column, default=None
            How often each row counts. Weight 2 is a row given twice, 0 one left out;
            a common factor changes nothing.
        labels : array-like of shape (N,) or (N, K), or ('column', name), default=None
            What is known of the rows: the number of a row's component, -1 (or a missing
            value) for nothing, or -2 for noise (with ``noise=True``); component k is
            label k. Of two dimensions, whether each component may be the row's. Or the
            column of a table or of files that holds the numbers. :mod:`fastem.groups`
            has more.
        callback : callable, default=None
            Called with a :class:`fastem.Progress` after each iteration. If it raises
            :class:`fastem.StopFit`, the fit ends with what it has reached.
        checkpoint : path, default=None
            A file to keep the state of the fit in. If the process is killed, the same
            call goes on from there, and ends with the same bits as without the break.
            Written about once a second; removed when the fit is complete, but not if
            the callback stopped it. The file of a fit to other rows (of which 10,000
            are compared) or with other parameters is an error.

        Returns
        -------
        GaussianMixture
            The estimator itself.

        Raises
        ------
        ValueError
            If X, a parameter or a weight cannot be used; the text says where and why.
        SingularCovarianceError
            If every start ended in a covariance that is not positive definite.
        """
        self._fit(X, sample_weight, callback, checkpoint, labels)
        return self

    def fit_predict(
        self,
        X: Any,
        y: None = None,
        sample_weight: ArrayLike | str | None = None,
        *,
        labels: ArrayLike | tuple[str, str] | None = None,
    ) -> NDArray[np.intp]:
        """Fit, and return the most likely component of each row.

        The same as ``fit(X, sample_weight=sample_weight, labels=labels).predict(X)``:
        what is known of a row is for the fit only.

        Parameters
        ----------
        X : array-like of shape (N, D), or a source of rows in blocks
        y : None
            Ignored.
        sample_weight : array-like of shape (N,), or name of a column, default=None
        labels : array-like of shape (N,) or (N, K), or ('column', name), default=None

        Returns
        -------
        array of shape (N,), int
        """
        with self._announced():
            rows = self._fit(X, sample_weight, labels=labels)
            return rows.labels(self._row_answers())

    def _fit(
        self,
        X: Any,
        sample_weight: ArrayLike | str | None,
        callback: Callable[[Progress], object] | None = None,
        checkpoint: PathLike | None = None,
        labels: ArrayLike | tuple[str, str] | None = None,
    ) -> TrainingRows:
        """Fit, and return the rows as they were used."""
        self._check_settings()
        with unchanged_on_error(self), self._announced():
            rows = self._training_rows(X, sample_weight, labels)
            fitted = self._fit_rows(
                rows,
                self._given_labels(rows.shape[0]),
                self._continued(rows.shape[1]),
                callback,
                checkpoint,
            )
            if not fitted.best.stopped:
                remove(checkpoint)
        self._warn_of(fitted, rows)
        return rows

    def _training_rows(
        self, X: Any, sample_weight: Any, labels: Any = None
    ) -> TrainingRows:
        """What the user passed to ``fit``, checked, wherever it is."""
        return training_rows(self, X, sample_weight, labels)
