"""Scores of pyod's ECOD, in an environment that has it: the higher, the stranger.

Arguments: a file with the arrays 'fitted' and 'new', and the file to write.
"""

import sys

import numpy as np
from pyod.models.ecod import ECOD


def main(source: str, target: str) -> None:
    """Write the scores of the fitted rows and of the new ones."""
    arrays = np.load(source)
    model = ECOD().fit(arrays["fitted"])
    new = model.decision_function(arrays["new"])
    np.savez(target, fitted=model.decision_scores_, new=new)


if __name__ == "__main__":
    main(*sys.argv[1:])
