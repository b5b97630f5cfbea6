"""Threads: our own, and those of BLAS."""
