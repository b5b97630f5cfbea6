"""Profiles of patients with a disease of the liver, a quarter of whom lack most values.

What is missing is left open: each patient counts with what was measured.
"""

import numpy as np
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import fastem
from scripts.examples.tables import OUTPUT, load_patients

AS_LOGARITHMS = ["bili", "chol", "copper", "alk.phos", "ast", "trig", "protime"]
MEASURED = make_column_transformer(
    (FunctionTransformer(np.log10), AS_LOGARITHMS),
    ("passthrough", ["age", "albumin", "platelet"]),
    verbose_feature_names_out=False,
).set_output(transform="pandas")
STRUCTURES = ["VVV", "EEE", "VVI", "VEE"]


def main(patients, folder, n_components=range(1, 5)):
    """Choose profiles; say who died; fill values that were hidden for the purpose."""
    known = patients.drop(columns=["id", "time", "status"])
    selector = fastem.GaussianMixtureSelector(
        n_components,
        STRUCTURES,
        missing_values="marginalize",
        random_state=0,
    )
    steps = make_pipeline(MEASURED, selector).fit(known)
    model = selector.best_estimator_.sort_components("bili")
    print(selector.results_)
    fates = patients["status"].map({0: "alive", 1: "transplant", 2: "died"})
    report = fastem.report(steps, known, outcome=fates, title="Profiles of patients")
    report.to_html(folder / "patients.html")
    for profile, sentence in enumerate(report.sentences):
        print(f"profile {profile}: {sentence}")

    values = steps[0].transform(known)
    random, errors = np.random.default_rng(0), {}
    hidden = values.notna() & (random.random(values.shape) < 0.1)
    shown = (values - values.mean()) / values.std()
    truth, shown = shown.to_numpy()[hidden], shown.mask(hidden)
    fillers = {
        "neighbours": KNNImputer(),
        "one column by the others": IterativeImputer(random_state=0, max_iter=30),
        "means": SimpleImputer(),
    }
    filled = {name: filler.fit_transform(shown) for name, filler in fillers.items()}
    again = clone(model).set_params(n_init=10, random_state=0)
    filled["fastem"] = again.fit(shown).impute(shown)
    print(f"{len(truth)} values hidden and filled again, error in deviations:")
    for name, rows in filled.items():
        errors[name] = np.sqrt(np.mean((rows[hidden] - truth) ** 2))
        print(f"    {name}: {errors[name]:.3f}")

    picture = fastem.ConditionalDisplay.from_estimator(
        model, "bili", {"albumin": [2.5, 3.5, 4.5]}
    )
    picture.ax_.set_xlabel("bilirubin, mg/dl, as a logarithm to base 10")
    picture.figure_.savefig(folder / "patients.png")
    return errors


if __name__ == "__main__":
    main(load_patients(), OUTPUT)
