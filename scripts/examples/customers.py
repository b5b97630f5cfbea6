"""Segments of a telephone company's customers, and how many of each leave.

Fitted to numbers only; the categories and who left describe segments afterwards.
"""

import numpy as np
from sklearn.cluster import KMeans
from sklearn.compose import make_column_transformer
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import fastem
from scripts.examples.tables import OUTPUT, load_customers

# What is paid in all is a product: its root is as the months are.
NUMBERS = make_column_transformer(
    (FunctionTransformer(np.sqrt), ["total_charges"]),
    ("passthrough", ["tenure", "monthly_charges"]),
    verbose_feature_names_out=False,
).set_output(transform="pandas")
STRUCTURES = ["VVV", "VVE", "EVV", "VVI"]


def main(customers, folder, n_components=range(2, 7)):
    """Choose segments, say what they are and who leaves; compare with k-means."""
    known, has_left = customers.drop(columns="churn"), customers["churn"] == "Yes"
    # 'icl' is for clusters; new customers have paid nothing yet, and lack the total.
    selector = fastem.GaussianMixtureSelector(
        n_components,
        STRUCTURES,
        criterion="icl",
        missing_values="marginalize",
        random_state=0,
    )
    steps = make_pipeline(NUMBERS, selector).fit(known)
    model = selector.best_estimator_.sort_components("tenure")
    print(selector.results_)
    report = fastem.report(
        steps, known, outcome=has_left.rename("left"), title="Who leaves?"
    )
    report.to_html(folder / "customers.html")
    for segment, sentence in enumerate(report.sentences):
        print(f"segment {segment}: {sentence}")

    numbers, segments = steps[0].transform(known), steps.predict(known)
    scaled = (numbers / numbers.std()).fillna(0.0)
    k_means = KMeans(len(model.weights_), n_init=5, random_state=0).fit_predict(scaled)
    areas = [
        roc_auc_score(has_left, has_left.groupby(of_rows).transform("mean"))
        for of_rows in (segments, k_means)
    ]
    print(
        "Who left, told by the segment alone: area under the curve {:.3f}, "
        "k-means {:.3f}".format(*areas)
    )
    picture = fastem.ClusterDisplay.from_estimator(
        model, numbers, columns=["tenure", "monthly_charges"]
    )
    picture.figure_.savefig(folder / "customers.png")
    return areas


if __name__ == "__main__":
    main(load_customers(), OUTPUT)
