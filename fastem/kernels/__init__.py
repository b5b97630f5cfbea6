"""Compiled passes over the rows: every line of Numba, and nothing else."""

from fastem.kernels.arranging import merge_equal_rows, order_rows
from fastem.kernels.assignments import (
    assignment_pass,
    member_pass,
    seeding_pass,
)
from fastem.kernels.diagonal import DiagonalFactors
from fastem.kernels.full import FullFactors
from fastem.kernels.launch import (
    PassSums,
    expectation_pass,
    label_pass,
    log_likelihood_pass,
    probability_pass,
    row_work,
)
from fastem.kernels.nearest import Points
from fastem.kernels.skipping import Reach, reach_of
from fastem.kernels.tied import TiedFactors
from fastem.kernels.tiles import CHUNK_ROWS, NEAR_TILE

__all__ = [
    "CHUNK_ROWS",
    "NEAR_TILE",
    "DiagonalFactors",
    "FullFactors",
    "PassSums",
    "Points",
    "Reach",
    "TiedFactors",
    "assignment_pass",
    "expectation_pass",
    "label_pass",
    "log_likelihood_pass",
    "member_pass",
    "merge_equal_rows",
    "order_rows",
    "probability_pass",
    "reach_of",
    "row_work",
    "seeding_pass",
]
