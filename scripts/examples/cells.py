"""Which samples of tissue are alike, by what 500 genes do: nobody says how many kinds.

The mixture is fitted to the coordinates in which samples differ most.
"""

import pandas as pd
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score
from sklearn.pipeline import make_pipeline

import fastem
from scripts.examples.tables import OUTPUT, load_cells

STRUCTURES = ["VII", "VVI", "EEE"]


def main(genes, tissues, folder, n_components=range(4, 11)):
    """Choose, and compare with the tissues that nobody told the mixture."""
    # Few samples of each kind: structures that share what they can, and no more kinds
    # than 10, as BIC would go on and cut tissues in two.
    selector = fastem.GaussianMixtureSelector(n_components, STRUCTURES, random_state=0)
    pca = PCA(7, random_state=0).set_output(transform="pandas")
    steps = make_pipeline(pca, selector).fit(genes)
    model = selector.best_estimator_.sort_components()
    print(f"7 coordinates keep {pca.explained_variance_ratio_.sum():.0%} of 500 genes")
    print(selector.results_)
    coordinates, kinds = pca.transform(genes), steps.predict(genes)
    counts = pd.crosstab(tissues, kinds)
    print(counts)
    print(f"{counts.max().sum()} of {len(genes)} samples are of their kind's tissue")
    fastem.report(
        model, coordinates, labels=tissues, title="Kinds of tissue, by 500 genes"
    ).to_html(folder / "cells.html")
    k_means = KMeans(selector.n_components_, n_init=10, random_state=0)
    told = KMeans(tissues.nunique(), n_init=10, random_state=0)
    scores = [
        adjusted_rand_score(tissues, labels)
        for labels in (
            kinds,
            k_means.fit_predict(coordinates),
            told.fit_predict(coordinates),
        )
    ]
    print(
        "Agreement with the tissues (adjusted Rand): {:.3f}; k-means of as many {:.3f},"
        " told how many tissues there are {:.3f}".format(*scores)
    )
    doubts = model.predict_proba(coordinates).max(axis=1) < 0.9
    print(f"{doubts.sum()} of {len(doubts)} samples belong to none above 90 %")
    picture = fastem.ClusterDisplay.from_estimator(
        model, coordinates, space="discriminant"
    )
    picture.figure_.savefig(folder / "cells.png")
    return scores


if __name__ == "__main__":
    main(*load_cells(), OUTPUT)
