"""Compiled passes over the rows: every line of Numba, and nothing else."""

from fastem.kernels.arranging import merge_equal_rows, order_rows
from fastem.kernels.diagonal import DiagonalFactors
from fastem.kernels.full import FullFactors
from fastem.kernels.launch import (
    PassSums,
    expectation_pass,
    label_pass,
    log_likelihood_pass,
    probability_pass,
)
from fastem.kernels.skipping import Reach, reach_of
from fastem.kernels.tied import TiedFactors
from fastem.kernels.tiles import CHUNK_ROWS, NEAR_TILE

__all__ = [
    "CHUNK_ROWS",
    "NEAR_TILE",
    "DiagonalFactors",
    "FullFactors",
    "PassSums",
    "Reach",
    "TiedFactors",
    "expectation_pass",
    "label_pass",
    "log_likelihood_pass",
    "merge_equal_rows",
    "order_rows",
    "probability_pass",
    "reach_of",
]
