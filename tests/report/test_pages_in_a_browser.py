"""A page in a browser is drawn without an error, and as narrow as a phone."""

import re
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest

import fastem
from fastem import GaussianMixture

pytestmark = pytest.mark.exhaustive

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chromium-headless-shell")


@pytest.fixture
def browser():
    found = [path for name in BROWSERS if (path := shutil.which(name))]
    if not found:
        pytest.skip(f"there is no browser on the PATH: {', '.join(BROWSERS)}")
    return found[0]


def call(browser, folder, *arguments):
    options = (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={folder}",
    )
    return subprocess.run(
        [browser, *options, "--enable-logging=stderr", *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )


# What this adds to the page says how wide it is where it is shown.
MEASURE = """<script>
const page = document.documentElement;
page.dataset.width = page.scrollWidth;
page.dataset.pictures = [...document.images].every(i => i.naturalWidth > 99);
</script>"""
FRAME = '<body style="margin:0"><iframe src="{}" width="390" height="3000"></iframe>'


def test_a_phone_shows_it_whole(browser, random, tmp_path):
    names = [f"a column with a long name {j}" for j in range(8)]
    X = np.vstack([random.normal(m, 1, (100, 8)) for m in range(0, 40, 4)])
    table = pd.DataFrame(X, columns=names)
    model = GaussianMixture(10, covariance_type="diag", random_state=0).fit(table)
    labels = np.repeat([f"kind {k}" for k in range(10)], 100)
    report = fastem.report(model, table, labels=labels, outcome=labels == "kind 3")
    page = tmp_path / "page.html"
    report.to_html(page)
    page.write_text(page.read_text().replace("</body>", f"{MEASURE}</body>"))
    frame = tmp_path / "frame.html"
    frame.write_text(FRAME.format(page.as_uri()))
    profile = tmp_path / "profile"
    for shown in (page, frame):
        picture = tmp_path / "shown.png"
        done = call(browser, profile, f"--screenshot={picture}", shown.as_uri())
        assert "CONSOLE" not in done.stderr
        assert picture.stat().st_size > 10_000
    # A frame of a file is another origin: it is looked at by itself, as narrow.
    done = call(browser, profile, "--dump-dom", "--window-size=500,900", page.as_uri())
    width, pictures = re.search(
        r'data-width="(\d+)" data-pictures="(\w+)"', done.stdout
    ).groups()
    assert int(width) <= 500
    assert pictures == "true"
