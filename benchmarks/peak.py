"""How many multiply-adds the cores can do: what every pass is held against.

A loop that does nothing but multiply-adds on vectors of full width, in registers:
no load, no store. Twelve independent chains hide the latency of four or five cycles
on two units, and fit, with the two operands, into the 16 registers of AVX2.
"""

import time
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import njit, prange, types
from numba.core import cgutils
from numba.extending import intrinsic

from benchmarks.machine import vector_bits

CHAINS = 12
_CALL_ROUNDS = 1_000_000  # 12 to 25 ms a call


def lanes(dtype: str) -> int:
    """Numbers of this type in a vector register."""
    return vector_bits() // (8 * np.dtype(dtype).itemsize)


def _chains_of(element: Any, n_lanes: int) -> Any:
    """An intrinsic: run the chains for a number of rounds, and add up what they hold.

    The loop is written in LLVM's own language, since its vectoriser prefers half the
    width on some machines.
    """

    @intrinsic
    def chains(typing_context: Any, rounds: Any, factor: Any, term: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            scalar = context.get_value_type(element)
            vector = ir.VectorType(scalar, n_lanes)
            name = f"llvm.fmuladd.v{n_lanes}f{element.bitwidth}"
            multiply_add = cgutils.get_or_insert_function(
                builder.module, ir.FunctionType(vector, [vector] * 3), name
            )

            def fill(value: Any) -> Any:
                filled = ir.Constant(vector, ir.Undefined)
                for lane in range(n_lanes):
                    position = ir.Constant(ir.IntType(32), lane)
                    filled = builder.insert_element(filled, value, position)
                return filled

            n, factor, term = arguments
            factors, terms = fill(factor), fill(term)
            # Different first values, or LLVM would make one chain of all.
            sums = [
                cgutils.alloca_once_value(
                    builder, fill(ir.Constant(scalar, float(chain + 1)))
                )
                for chain in range(CHAINS)
            ]
            with cgutils.for_range(builder, n):
                for place in sums:
                    operands = [builder.load(place), factors, terms]
                    builder.store(builder.call(multiply_add, operands), place)
            total = ir.Constant(scalar, 0.0)
            for place in sums:
                values = builder.load(place)
                for lane in range(n_lanes):
                    position = ir.Constant(ir.IntType(32), lane)
                    value = builder.extract_element(values, position)
                    total = builder.fadd(total, value)
            return total

        return element(types.intp, element, element), generate

    return chains


_double_chains = _chains_of(types.float64, lanes("float64"))
_single_chains = _chains_of(types.float32, lanes("float32"))


@njit(parallel=True)
def _all_double(rounds: int, factor: Any, term: Any, sums_out: Any) -> None:
    for t in prange(sums_out.shape[0]):
        sums_out[t] = _double_chains(rounds, factor, term)


@njit(parallel=True)
def _all_single(rounds: int, factor: Any, term: Any, sums_out: Any) -> None:
    for t in prange(sums_out.shape[0]):
        sums_out[t] = _single_chains(rounds, factor, term)


def multiply_add_rate(dtype: str) -> float:
    """Floating-point operations a second on all of Numba's threads: one short run."""
    run = _all_double if dtype == "float64" else _all_single
    n_threads = numba.get_num_threads()
    number = np.dtype(dtype).type
    sums = np.empty(n_threads, dtype)
    operands = number(0.999), number(0.001)
    if not run.signatures:
        run(1, *operands, sums)
    began = time.perf_counter()
    run(_CALL_ROUNDS, *operands, sums)
    seconds = time.perf_counter() - began
    return 2.0 * CHAINS * lanes(dtype) * _CALL_ROUNDS * n_threads / seconds


def assembly(dtype: str) -> str:
    """The machine code of the loop, for a look at its registers."""
    chains = _double_chains if dtype == "float64" else _single_chains
    half = np.dtype(dtype).type(0.5)
    kernel = njit(lambda rounds, factor, term: chains(rounds, factor, term))
    kernel(1, half, half)
    (code,) = kernel.inspect_asm().values()
    return str(code)
