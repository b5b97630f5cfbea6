"""Anomalous readings of a space shuttle's sensors, at a stated rate of false alarms.

The detector sees ordinary readings only; alarms are counted among others.
"""

import numpy as np
from sklearn.ensemble import IsolationForest

import fastem
from scripts.examples.tables import OUTPUT, load_shuttle

RATES = (0.001, 0.01, 0.05)
STRUCTURES = ["VVV", "EEE"]


def main(readings, is_anomalous, folder, n_components=range(1, 7)):
    """Fit to half of the ordinary readings, count alarms among all others."""
    random = np.random.default_rng(0)
    ordinary = random.permutation(np.flatnonzero(~is_anomalous))
    fitted, new = np.split(ordinary, [len(ordinary) // 2])
    new = np.append(new, np.flatnonzero(is_anomalous))
    known, unknown = readings.iloc[fitted], readings.iloc[new]
    truth = is_anomalous[new]

    # Sensors jump: tails of Student's t, else jumps would be components.
    selector = fastem.GaussianMixtureSelector(
        n_components,
        STRUCTURES,
        estimator=fastem.StudentMixture(reg_covar="relative", max_iter=1000),
        random_state=0,
    ).fit(known)
    print(selector.results_)
    detector = fastem.MixtureOutlierDetector(selector.best_estimator_, random_state=0)
    p_values = detector.fit(known).p_values(unknown)
    forest = IsolationForest(random_state=0).fit(known)
    scores, usual = forest.score_samples(unknown), forest.score_samples(known)

    found = {}
    for rate in RATES:
        for name, flagged in (
            ("fastem", p_values <= rate),
            ("IsolationForest", scores < np.quantile(usual, rate)),
        ):
            alarms, seen = flagged[~truth].mean(), flagged[truth].mean()
            print(
                f"{rate:.1%} false alarms are asked for; {name}: {alarms:.2%}, "
                f"{seen:.1%} of anomalies found"
            )
            found[name, rate] = alarms, seen
    sure = detector.p_values(unknown, adjust="bh") <= 0.1
    print(
        f"To have at most 10 % of the flagged be ordinary: {sure.sum():,} flagged, "
        f"{np.mean(~truth[sure]):.1%} ordinary"
    )
    fastem.report(
        detector.mixtures_[0],
        unknown.assign(anomalous=truth),
        outcome="anomalous",
        title="Readings of a shuttle's sensors",
    ).to_html(folder / "anomalies.html")
    picture = fastem.AnomalyDisplay.from_estimator(detector, unknown, n_rows=5)
    picture.figure_.savefig(folder / "anomalies.png")
    return found


if __name__ == "__main__":
    main(*load_shuttle(), OUTPUT)
