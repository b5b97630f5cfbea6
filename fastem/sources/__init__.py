"""Where rows come from: tables in memory, and tables that do not fit there.

Rows in memory
==============
NumPy arrays, pandas and polars DataFrames, Arrow tables, and whatever else becomes an
array. float32 stays float32, other numbers become float64. Memory beside the rows, for
3,000,000 x 3 float32 (36 MB) with K = 16: 74 MB from k-means, 55 MB from a given start.
Where rows are put in order (see `fastem.kernels`), as much as the rows again.

Rows that do not fit
====================
`fit` and every method that takes rows read them block by block from

- a Parquet file, or a folder of them;
- a pyarrow dataset (with its `filter`, too) or record-batch reader;
- memory maps and Arrow tables of more than a gigabyte;
- any object whose `iter()` starts anew and gives arrays.

>>> from pathlib import Path
>>> import numpy as np
>>> import pyarrow as pa
>>> from pyarrow import parquet
>>> from fastem import GaussianMixture
>>> random = np.random.default_rng(0)
>>> Path("big").mkdir()
>>> for i in range(4):  # a folder of Parquet files, written one by one
...     X = random.normal(size=(5_000, 3)) + 5 * random.integers(3, size=(5_000, 1))
...     columns = dict(zip(("speed", "load", "heat"), X.T))
...     columns["cars"] = random.integers(1, 9, len(X))
...     parquet.write_table(pa.table(columns), f"big/part-{i}.parquet")
>>> model = GaussianMixture(n_components=3, random_state=0)
>>> model = model.fit("big", sample_weight="cars")  # how often each row counts
>>> list(model.feature_names_in_)
['speed', 'load', 'heat']
>>> model.predict("big").shape  # answers are arrays
(20000,)

The same on the command line, where memberships may become a folder too:

    $ fastem fit big/ -k 3 --weights cars -o model.json
    $ fastem predict model.json big/ --output memberships/

What to expect
==============
Memory holds a few blocks of 16 MB and a sample, whatever the number of rows.

From the same start the result has the bits of the fit of the same rows in memory, or
agrees to rounding where that merges equal rows or puts rows in order: on blocks, equal
rows are not merged, and components that are far from rows are not left out.

One pass more counts and checks the rows and draws the sample, K (1000 + 20 D) rows,
from which all starts but 'random' are made: k-means on a stream is therefore not
scikit-learn's to the last digit.

Files of a folder are read in the order of their names.

Which columns count
===================
Numbers of every type, truth values (as 0 and 1) and categories that are numbers, from
whatever table. Text, dates and times are none.

- Of files and folders the columns that count are read; which are left out, a warning
  says, and on the command line a line. `--columns` chooses.
- Text of files most of whose values are numbers is not left out: it is an error that
  quotes the first value that is none, with its row.
- Tables that you hold (DataFrames, Arrow tables, datasets, readers) are taken at their
  word: a column that does not count is an error.
- The index that pandas writes into a file beside the columns of a DataFrame is none of
  them, and is said to be left out.
- Names of folders are not read: of `big/hour=3/part-0.parquet`, `hour` is no column, as
  it would be for pandas, and this is said, too. With
  `pyarrow.dataset.dataset("big", partitioning="hive")` it is one.

An error names the row, its file and its block. Rows with missing values are an error
too; on the command line `--drop-missing` leaves them out, and their memberships are
null.
"""
