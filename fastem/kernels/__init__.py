"""Compiled passes over the rows: every line of Numba, and nothing else.

What a fit does with them:

    rows --(pass)--> sums --(maximisation)--> weights, means, covariances --> next pass

One pass
========
A tile of 64 to 512 rows is copied transposed into the core's cache; log-densities,
responsibilities and the sums that they weight are computed there, and the
responsibilities never leave it. Loops run over contiguous rows in explicit vectors;
dense structures work on blocks of up to four rows (three where there are 16 vector
registers), of which only the lower triangle is computed.

Nothing that cannot change the answer
=====================================
Equal rows are merged into one with the sum of their weights. Where most components
are far from most rows, rows are brought, once, into an order in which neighbours in
the table lie close together, and a component is left out where its density is below
eps / 64 of the mixture's. That moves a sum of responsibilities by less than eps / 64
of itself (`fastem/kernels/skipping.py` has the proof). The first pass finds out
whether it pays.

What is that far follows from boxes around tiles; with covariance matrices of five
columns or more, a shared one of seven, and variances of nine, from what the last pass
has computed and how far components have moved since: a number for 32 rows and a
component, N K / 8 bytes in all and no more than the rows take
(`fastem/kernels/carried.py`). With or without it, sums have the same bits.

Labels and densities, of rows that no pass has seen before, are found by the first
columns alone where these rule a component out, with covariance matrices of 16 columns
or more, for densities of 32 (`fastem/kernels/leaving.py`): labels to the last bit,
densities to eps / 64.

Sums about the component's current mean
=======================================
No covariance is the difference of two large numbers, whatever the data's offset. (The
shared one of 'tied' is, in a third of the time, where that costs no more than a
quarter of the digits.)

A fixed grid
============
Rows are cut into chunks of 1024 (4096 with such numbers) whatever the number of
threads, each with sums of its own, added in the order of the rows: results are the same
to the last bit for any number of threads. These are Python's: the kernels release the
GIL, so that several fits may run at once and a forked child may fit with threads.

>>> import numpy as np
>>> from fastem import GaussianMixture
>>> X = np.random.default_rng(0).normal(size=(5000, 3))
>>> one, two = (GaussianMixture(2, n_threads=n, random_state=0).fit(X) for n in (1, 2))
>>> bool(np.all(one.means_ == two.means_))
True

Python's threads or Numba's
===========================
With `FASTEM_DRIVER=numba` in the environment the threads of a pass are Numba's: one
small loop, `@njit(parallel=True)`, calls the compiled kernels by their address, for all
covariance types the same. Bits are the same, too. `threads`, which is what an unset
variable means, stands for Python's. It is read once, at the first pass, and any other
value is an error there. Numba's threads are used where that is safe: in a forked child,
and while another thread of the process is in the loop, Python's take their place. With
Numba's threading layer `workqueue`, a parallel loop of your own must not run in another
thread meanwhile. `scripts/bench --drivers` says which of them takes less time on a
machine.

No covariance type
==================
A structure reaches the kernels as a named tuple whose type selects the code at compile
time: none of them knows a covariance type by name.

Compiling
=========
Kernels are compiled on first use: 3.4 to 7.3 s for the first fit in an environment
(`scripts/bench --compile`), once for each covariance type and float width. That is
said: on the logger `fastem` (INFO), with `verbose=1`, and in the command line; no rate
and no time left counts it. Later processes load them, in 0.2 to 0.3 s, from
`$XDG_CACHE_HOME/fastem`, or from `$NUMBA_CACHE_DIR/fastem`; a damaged or unwritable
cache costs a compilation and one warning, never an answer. The first large table of
which components are left out takes some seconds more, once. A Ctrl-C meanwhile waits
until a kernel is compiled. `from fastem import GaussianMixture` takes 1.15 times as
long as `import sklearn.mixture`: Numba, and modules of its own.
"""

from fastem.kernels.arranging import merge_equal_rows, order_rows, smallest_node
from fastem.kernels.assignments import (
    assignment_pass,
    member_pass,
    seeding_pass,
)
from fastem.kernels.background import Uniform
from fastem.kernels.carried import (
    Drift,
    History,
    bytes_of_history,
    drift_of,
    first_history,
)
from fastem.kernels.diagonal import DiagonalFactors
from fastem.kernels.dispatch import CarryingCosts, carrying_costs
from fastem.kernels.full import FullFactors
from fastem.kernels.gappy_answers import GappyAnswers, answer_gappy
from fastem.kernels.gaps import GappyFactors, GappySums, GappyTails, gappy_pass
from fastem.kernels.grid import number_of_threads, share
from fastem.kernels.launch import (
    BACKGROUND,
    PassSums,
    carried_pass,
    expectation_pass,
    expectation_passes,
    label_pass,
    log_likelihood_pass,
    probability_pass,
    row_work,
)
from fastem.kernels.members import OF_BACKGROUND
from fastem.kernels.nearest import Points
from fastem.kernels.rotations import turn_in_planes
from fastem.kernels.skipping import Reach, reach_of
from fastem.kernels.tails import StudentTails
from fastem.kernels.tied import TiedFactors
from fastem.kernels.tiles import CHUNK_ROWS, FEWEST_CARRYING, GROUP_ROWS, NEAR_TILE

__all__ = [
    "BACKGROUND",
    "CHUNK_ROWS",
    "FEWEST_CARRYING",
    "GROUP_ROWS",
    "NEAR_TILE",
    "OF_BACKGROUND",
    "CarryingCosts",
    "DiagonalFactors",
    "Drift",
    "FullFactors",
    "GappyAnswers",
    "GappyFactors",
    "GappySums",
    "GappyTails",
    "History",
    "PassSums",
    "Points",
    "Reach",
    "StudentTails",
    "TiedFactors",
    "Uniform",
    "answer_gappy",
    "assignment_pass",
    "bytes_of_history",
    "carried_pass",
    "carrying_costs",
    "drift_of",
    "expectation_pass",
    "expectation_passes",
    "first_history",
    "gappy_pass",
    "label_pass",
    "log_likelihood_pass",
    "member_pass",
    "merge_equal_rows",
    "number_of_threads",
    "order_rows",
    "probability_pass",
    "reach_of",
    "row_work",
    "seeding_pass",
    "share",
    "smallest_node",
    "turn_in_planes",
]
