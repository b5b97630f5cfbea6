"""Which loans are not paid back: groups of applicants, and a probability for each.

Numbers have gaps, which are left open.
"""

import numpy as np
from sklearn.calibration import CalibrationDisplay
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

import fastem
from scripts.examples.tables import OUTPUT, load_loans

LOGARITHM = FunctionTransformer(np.log1p)
SIX_NUMBERS = make_column_transformer(
    (LOGARITHM, ["Seniority", "Income", "Amount", "Price"]),
    ("passthrough", ["Age", "Expenses"]),
    verbose_feature_names_out=False,
).set_output(transform="pandas")
CATEGORIES = make_pipeline(
    SimpleImputer(strategy="most_frequent"),
    OneHotEncoder(drop="first", sparse_output=False),
)
ALL_COLUMNS = make_column_transformer(
    (CATEGORIES, ["Home", "Marital", "Records", "Job"]),
    (LOGARITHM, ["Seniority", "Income", "Assets", "Debt", "Amount", "Price"]),
    remainder="passthrough",
)
STRUCTURES = ["VVV", "EEE"]


def main(loans, folder, n_components=range(2, 7)):
    """Groups and their rates; then a classifier beside a logistic regression."""
    known, is_bad = loans.drop(columns="Status"), loans["Status"] == "bad"
    open_gaps = {"missing_values": "marginalize"}
    selector = fastem.GaussianMixtureSelector(
        *(n_components, STRUCTURES),
        **open_gaps,
        criterion="icl",
        random_state=0,
    )
    steps = make_pipeline(SIX_NUMBERS, selector).fit(known)
    selector.best_estimator_.sort_components("Age")
    print(selector.results_)
    report = fastem.report(steps, known, outcome=is_bad.rename("bad"), title="Loans")
    report.to_html(folder / "credit.html")
    for group, sentence in enumerate(report.sentences):
        print(f"group {group}: {sentence}")

    # One component for each class, of common shape: few parameters for 20 columns.
    alike = fastem.GaussianMixture(
        covariance_type="tied", reg_covar="relative", **open_gaps
    )
    judges = {
        "fastem": [fastem.MixtureClassifier(alike, share_across_classes=True)],
        "logistic regression": [
            SimpleImputer(),
            StandardScaler(),
            LogisticRegression(),
        ],
    }
    old, new = train_test_split(known.index, stratify=is_bad, random_state=0)
    told, ax = {}, None
    for name, judge in judges.items():
        fitted = make_pipeline(ALL_COLUMNS, *judge).fit(known.loc[old], is_bad[old])
        p = fitted.predict_proba(known.loc[new])[:, 1]
        told[name] = roc_auc_score(is_bad[new], p), log_loss(is_bad[new], p)
        print("{}: area {:.3f}, log loss {:.3f}, new loans".format(name, *told[name]))
        ax = CalibrationDisplay.from_predictions(
            is_bad[new], p, strategy="quantile", n_bins=8, name=name, ax=ax
        ).ax_
    ax.set(xlabel="probability of a bad loan", ylabel="share of bad loans")
    ax.figure.savefig(folder / "credit.png", bbox_inches="tight")
    return told


if __name__ == "__main__":
    main(load_loans(), OUTPUT)
