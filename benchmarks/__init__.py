"""Measurements of fastem, and of others on the same rows from the same start."""
