"""The rows of a fit, wherever they are: in memory, or read block by block."""
