"""Compiled passes over the rows: every line of Numba, and nothing else."""

from fastem.kernels.assignments import (
    assignment_pass,
    member_pass,
    seeding_pass,
)
from fastem.kernels.diagonal import DiagonalFactors
from fastem.kernels.full import FullFactors
from fastem.kernels.launch import (
    CHUNK_ROWS,
    PassSums,
    expectation_pass,
    label_pass,
    log_likelihood_pass,
    probability_pass,
)
from fastem.kernels.nearest import Points
from fastem.kernels.skipping import Nearness, unknown_nearness
from fastem.kernels.tied import TiedFactors

__all__ = [
    "CHUNK_ROWS",
    "DiagonalFactors",
    "FullFactors",
    "Nearness",
    "PassSums",
    "Points",
    "TiedFactors",
    "assignment_pass",
    "expectation_pass",
    "label_pass",
    "log_likelihood_pass",
    "member_pass",
    "probability_pass",
    "seeding_pass",
    "unknown_nearness",
]
