"""Reads tables of R's mlbench, in an environment that has rdata.

Arguments: the folder of the package's data, and the file to write.
"""

import sys
import warnings
from pathlib import Path

import numpy as np
import rdata

# The name in the package, and the column of groups.
_TABLES = {
    "satellite": ("Satellite", "classes"),
    "vehicle": ("Vehicle", "Class"),
    "pima": ("PimaIndiansDiabetes2", "diabetes"),
}


def main(folder: str, target: str) -> None:
    """Write the columns and the numbers of the groups of each table."""
    warnings.simplefilter("ignore")
    arrays = {}
    for name, (in_package, column) in _TABLES.items():
        frame = rdata.read_rda(Path(folder) / f"{in_package}.rda")[in_package]
        groups = frame[column].astype(str).to_numpy()
        values = frame.drop(columns=column).to_numpy(np.float64)
        arrays[f"{name} rows"] = values
        arrays[f"{name} groups"] = np.unique(groups, return_inverse=True)[1]
    np.savez(target, **arrays)


if __name__ == "__main__":
    main(*sys.argv[1:])
