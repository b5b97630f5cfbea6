"""Which parts of a stained piece of tissue are alike, in a noisy photograph of it.

Truth is what the mixture says of the photograph without noise.
"""

import numpy as np
import pandas as pd
from scipy.ndimage import gaussian_filter
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans

import fastem
from scripts.examples.tables import OUTPUT, load_photograph

NOISE = 30  # of 255


def share_alike(labels, truth):
    """Of pixels, if each of one is called as the most of the other: in percent."""
    counts = np.zeros((truth.max() + 1,) * 2)
    np.add.at(counts, (labels.ravel(), truth.ravel()), 1)
    return 100 * counts[linear_sum_assignment(-counts)].sum() / truth.size


def main(photograph, folder, n_components=range(2, 6)):
    """Choose on what is clean, and find it again in noise, in three ways."""
    shape, pixels = photograph.shape[:2], photograph.reshape(-1, 3)
    selector = fastem.GaussianMixtureSelector(
        n_components, ["VVV"], criterion="icl", random_state=0
    ).fit(pixels)
    print(selector.results_)
    K, truth = selector.n_components_, selector.predict(pixels).reshape(shape)

    random = np.random.default_rng(0)
    noisy = np.clip(photograph + random.normal(scale=NOISE, size=(*shape, 3)), 0, 255)
    soft = gaussian_filter(noisy, (1, 1, 0))
    model = fastem.GaussianMixture(K, tol=1e-5, max_iter=500, random_state=0)
    of_noisy = model.fit(noisy.reshape(-1, 3)).predict_proba(noisy.reshape(-1, 3))
    of_noisy = of_noisy.reshape(*shape, K)
    of_soft = model.fit(soft.reshape(-1, 3)).predict_proba(soft.reshape(-1, 3))
    of_soft = of_soft.reshape(*shape, K)
    smoothed = gaussian_filter(of_soft, (1, 1, 0))
    alike = {
        "noisy pixels": share_alike(of_noisy.argmax(axis=2), truth),
        "their memberships smoothed": share_alike(
            gaussian_filter(of_noisy, (2, 2, 0)).argmax(axis=2), truth
        ),
        "pixels smoothed": share_alike(of_soft.argmax(axis=2), truth),
        "pixels and memberships smoothed": share_alike(smoothed.argmax(axis=2), truth),
    }
    k_means = KMeans(K, n_init=3, random_state=0)
    of_clean = k_means.fit_predict(pixels).reshape(shape)
    of_soft_pixels = k_means.fit_predict(soft.reshape(-1, 3)).reshape(shape)
    alike["k-means, pixels smoothed"] = share_alike(of_soft_pixels, of_clean)
    for what, percent in alike.items():
        print(f"{what}: {percent:.1f} % of pixels as without noise")
    some = pd.DataFrame(soft.reshape(-1, 3)[::10], columns=["red", "green", "blue"])
    fastem.report(model, some, title="Stained tissue").to_html(folder / "image.html")
    picture = fastem.MembershipMapDisplay(smoothed, colors=model.means_ / 255).plot()
    picture.figure_.savefig(folder / "image.png")
    return alike


if __name__ == "__main__":
    main(load_photograph(), OUTPUT)
