"""Reads tables of R's mlbench, in an environment that has rdata.

Arguments: the folder in which mlbench keeps its data, and the file to write.
"""

import sys
import warnings
from pathlib import Path

import numpy as np
import rdata

_CLASSES = {"Satellite": "classes", "Ionosphere": "Class", "Glass": "Type"}


def main(folder: str, target: str) -> None:
    """Write the numeric columns that vary, and the class of each row as text."""
    warnings.simplefilter("ignore")
    arrays = {}
    for name, column in _CLASSES.items():
        frame = rdata.read_rda(Path(folder) / f"{name}.rda")[name]
        rows = frame.drop(columns=column).apply(lambda c: c.astype(str).astype(float))
        rows = rows.to_numpy(np.float64)
        arrays[f"{name} rows"] = rows[:, rows.std(axis=0) > 0]
        arrays[f"{name} classes"] = frame[column].astype(str).to_numpy(str)
    np.savez(target, **arrays)


if __name__ == "__main__":
    main(*sys.argv[1:])
