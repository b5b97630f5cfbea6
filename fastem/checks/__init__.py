"""User input, up to what kernels take, and every error about it."""
