"""Segments of a telephone company's customers, and how many of each leave.

Fitted to numbers only; the categories and who left describe segments afterwards.
"""

import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import roc_auc_score

import fastem
from scripts.examples.tables import OUTPUT, load_customers

NUMBERS = ["tenure", "monthly_charges", "total_charges"]


def main(customers, folder, n_components=range(2, 7)):
    """Choose segments, say what they are and who leaves; compare with k-means."""
    numbers = customers[NUMBERS].astype(float)
    # What is paid in all is a product: its root is as the months are.
    numbers["total_charges"] **= 0.5
    has_left = customers["churn"] == "Yes"

    # 'icl' is for clusters; new customers have paid nothing yet, and lack the total.
    selector = fastem.GaussianMixtureSelector(
        n_components,
        ["VVV", "VVE", "EVV", "VVI"],
        criterion="icl",
        missing_values="marginalize",
        random_state=0,
    ).fit(numbers)
    model = selector.best_estimator_.sort_components("tenure")
    print(selector.results_)
    print(fastem.summary(model, numbers))

    segments = model.predict(numbers)
    rates = has_left.groupby(segments).mean()
    contracts = customers["contract"].groupby(segments).agg(lambda c: c.mode()[0])
    for segment, rate in rates.items():
        print(f"segment {segment}: {rate:.1%} left; usual: {contracts[segment]}")

    scaled = (numbers / numbers.std()).fillna(0.0)
    k_means = KMeans(len(rates), n_init=5, random_state=0).fit_predict(scaled)
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
    return np.array(rates), areas


if __name__ == "__main__":
    main(load_customers(), OUTPUT)
