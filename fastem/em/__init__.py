"""Expectation-Maximisation: the loop, its two steps, and when it ends."""
