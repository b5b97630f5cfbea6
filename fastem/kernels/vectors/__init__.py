"""Vectors as values: what the kernels compute with, one instruction each."""
