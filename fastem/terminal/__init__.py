"""The command line: fit, select, predict, info and report for files.

Install `fastem[cli]`, and `fastem[cli,report]` for pictures and reports. Tables are
CSV, TSV, Parquet, Arrow or NPY files, folders of Parquet files, or CSV on standard
input (`-`).

    $ fastem fit cars.csv -k 3 --standardize --output model.json --plot clusters.png
    $ fastem predict model.json cars.csv --output memberships.parquet
    $ fastem info model.json cars.csv

`--standardize` fits on columns scaled to mean 0 and standard deviation 1; the model
is saved in the units of the data. Rows with missing values are an error; `--missing
drop` (or `--drop-missing`) leaves them out, `--missing marginalize` uses the values
that they have (see `fastem.groups`). `--columns A,B,C` chooses columns, `--weights A`
names that of the row weights, `--labels A` one that says of some rows which component
they belong to, and `--assign memberships.csv` saves memberships together with the fit.

How many components, and of which form? `select` fits each form of covariances with each
number of components, on some of the rows first, shows the best and what they are worth,
and saves the one with the lowest BIC, or ICL, or -2 log L of held-out rows (see
`fastem.choice`). Fits that only `reg_covar` holds up are not chosen. `fit`, `select`
and `info` tell BIC and AIC: of fits to the same rows and columns the one with the least
is the best.

    $ fastem select cars.csv -k 1-4 --columns speed,load --output best.json
    $ fastem select cars.csv -k 2,3 --covariance full,diag --criterion icl --plot c.png
    $ fastem fit cars.csv -k 3 --columns speed,load --weights cars --assign degrees.csv

`fastem predict` writes a row for each row of the data; `--keep` carries columns of the
data along, `--plot` draws the rows, `--columns` names those to use where they are not
called as the model's. `--log-density` adds the logarithm of the density: the lower, the
more of an outlier a row is. `--outliers-below` adds whether it is below a number. Which
number is low, densities of rows tell that are known to be good: those that the model
was fitted to look better to it than others, so that a share of them is not one of new
rows.

    $ fastem predict model.json cars.csv --keep cars --log-density --output odd.csv
    $ fastem predict best.json cars.csv --outliers-below -9 --plot odd.png -o m.csv
    $ fastem fit cars.csv -k 3 --covariance diag --n-init 5 --stopping remaining_gain
    $ fastem fit --help

All columns that count are used (see `fastem.sources`); which are left out is said, and
which seem to number the rows. A column of numbers with a few `?` is text, and an error:
`--na-values` says what stands for missing values in a CSV file, `--decimal ,` that the
comma is the decimal mark.

    $ fastem fit people.csv -k 2 --na-values '?' --decimal , --drop-missing

`fastem report` writes a page for colleagues: a sentence for each cluster, pictures,
tables of all columns of the file, also those that the model does not know, and what
became of the rows (`--outcome`). It needs no network, and can be sent by mail.

    $ fastem report model.json cars.csv --output clusters.html

Outputs that exist are never replaced unless `--overwrite` is given, files and folders
alike; of folders only such as hold nothing but Parquet files.

The table of components says for each its weight (the sum of degrees of membership over
all rows), its rows (those that belong to it most) and how many of these are sure
(to more than 90 %).

In the picture, a point is a row in the colour of its most likely component, the
paler, the less certain. More than 20,000 rows are an image, the deeper, the more there
are. Ellipses lie at 1 and 2 standard deviations and hold 39 % and
86 % of their component. The columns shown are those that tell the components apart
best.
"""
