"""Tests of fastem, in the order of its wings.

Threads of OpenMP and of OpenBLAS wait for work by turning in circles. In small fits of
scikit-learn's, of which the tests make thousands, that took ten times the processor
time of the work. Here they sleep at once; there are as many of them as ever. The
libraries read this when they are loaded.
"""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "4")
