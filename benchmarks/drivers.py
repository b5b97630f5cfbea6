"""The two drivers of a pass, Python's threads and Numba's, from one thread to all cores."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any
from unittest import mock

import numpy as np

from benchmarks import machine
from benchmarks.instruments import Options
from benchmarks.problems import Problem, generate
from benchmarks.reporting import measured_by, note
from benchmarks.rounds import Rounds, alternate
from benchmarks.table import number, rows_of_cells, times
from fastem import kernels
