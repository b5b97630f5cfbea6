"""Which loans are not paid back: groups of applicants, and a probability for each.

Numbers and categories have gaps, which are left open.
"""

import numpy as np
import pandas as pd
from sklearn.calibration import CalibrationDisplay
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import fastem
from scripts.examples.tables import OUTPUT, load_loans

NUMBERS = ["Seniority", "Age", "Expenses", "Income", "Amount", "Price"]
AMOUNTS = ["Seniority", "Income", "Assets", "Debt", "Amount", "Price"]
CATEGORIES = ["Home", "Marital", "Records", "Job"]


def main(loans, folder, n_components=range(2, 7)):
    """Groups and their rates; then a classifier beside a logistic regression."""
    is_bad = loans.pop("Status") == "bad"
    loans[AMOUNTS] = np.log1p(loans[AMOUNTS])
    selector = fastem.GaussianMixtureSelector(
        n_components,
        ["VVV", "VVE", "EEE"],
        criterion="icl",
        missing_values="marginalize",
        random_state=0,
    ).fit(loans[NUMBERS])
    model = selector.best_estimator_.sort_components("Age")
    print(selector.results_)
    rates = is_bad.groupby(model.predict(loans[NUMBERS])).mean()
    for group, rate in rates.items():
        print(f"group {group}: {rate:.1%} bad, {model.weights_[group]:.0%} of loans")

    # A category is a column for each value but the first; an unknown one is a gap.
    coded = pd.get_dummies(loans, drop_first=True, dtype=float)
    for name in CATEGORIES:
        columns = [c for c in coded if c.startswith(f"{name}_")]
        coded.loc[loans[name].isna(), columns] = np.nan
    fitted, new = train_test_split(loans.index, stratify=is_bad, random_state=0)
    alike = fastem.GaussianMixture(
        covariance_type="tied", missing_values="marginalize", reg_covar="relative"
    )
    classifier = fastem.MixtureClassifier(alike, share_across_classes=True)
    classifier.fit(coded.loc[fitted], is_bad[fitted])
    numbers = loans.columns.drop(CATEGORIES)
    logistic = make_pipeline(
        make_column_transformer(
            (make_pipeline(SimpleImputer(), StandardScaler()), numbers),
            (OneHotEncoder(handle_unknown="ignore"), CATEGORIES),
        ),
        LogisticRegression(max_iter=1000),
    ).fit(loans.loc[fitted], is_bad[fitted])
    said = {
        "fastem": classifier.predict_proba(coded.loc[new])[:, 1],
        "logistic regression": logistic.predict_proba(loans.loc[new])[:, 1],
    }
    told, ax = {}, None
    for name, p in said.items():
        told[name] = roc_auc_score(is_bad[new], p), log_loss(is_bad[new], p)
        print(
            "{}: area {:.3f}, log loss {:.3f}, on new loans".format(name, *told[name])
        )
        ax = CalibrationDisplay.from_predictions(
            is_bad[new], p, strategy="quantile", n_bins=10, name=name, ax=ax
        ).ax_
    ax.figure.savefig(folder / "credit.png")
    return np.array(rates), told


if __name__ == "__main__":
    main(load_loans(), OUTPUT)
