"""Which samples of tissue are alike, by what 500 genes do: nobody says how many kinds.

The mixture is fitted to the coordinates in which samples differ most.
"""

import pandas as pd
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score

import fastem
from scripts.examples.tables import OUTPUT, load_cells


def main(genes, tissues, folder, n_components=range(4, 15)):
    """Choose, and compare with the tissues that nobody told the mixture."""
    pca = PCA(7, random_state=0).set_output(transform="pandas")
    coordinates = pca.fit_transform(genes)
    print(f"7 coordinates keep {pca.explained_variance_ratio_.sum():.0%} of 500 genes")

    # Few samples of each kind: structures that share what they can.
    selector = fastem.GaussianMixtureSelector(
        n_components, ["VII", "VVI", "EEE"], random_state=0
    ).fit(coordinates)
    model = selector.best_estimator_.sort_components()
    print(selector.results_)

    kinds = model.predict(coordinates)
    print(pd.crosstab(tissues, kinds))
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
