"""What documents point to is there; the front door is no longer than it should be."""

import re
import struct
import subprocess
import sys

import pytest

from tests.documents.reading import GUIDES, PAGES, README, ROOT, code_spans

# Of users, or names of many.
NOT_OURS = {"model.json", "scaling.png", "FILE.md", "FILE.png", "NAME.json"}
FILE = re.compile(r"[\w./-]+\.(?:py|md|json|png|cpp|hpp|toml)")


def anchors(text):
    """The names that headings have as targets of links."""
    titles = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def name_of(path):
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_links_lead_somewhere(path):
    text = path.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if link.startswith(("https:", "http:")):
            continue
        file, _, anchor = link.partition("#")
        target = path.parent / file if file else path
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target.read_text(encoding="utf-8")), link


@pytest.mark.parametrize(
    ("text", "folder"),
    [
        *(pytest.param(p.read_text(), p.parent, id=name_of(p)) for p in PAGES),
        *(pytest.param(text, ROOT, id=name) for name, text in GUIDES.items()),
    ],
)
def test_files_that_are_named_exist(text, folder):
    for span in code_spans(text):
        if FILE.fullmatch(span) and span not in NOT_OURS:
            places = [ROOT / span, folder / span, ROOT / "fastem" / span]
            assert any(place.exists() for place in places), span


def test_the_front_door_is_short():
    assert len(README.splitlines()) <= 150


@pytest.mark.parametrize("picture", re.findall(r"!\[[^\]]+\]\(([^)]+)\)", README))
def test_pictures_are_small(picture):
    content = (ROOT / picture).read_bytes()
    assert len(content) < 150_000
    width, height = struct.unpack(">II", content[16:24])
    assert 800 < width < 1300
    assert 300 < height < 800


def test_the_readme_names_every_guide():
    assert len(GUIDES) > 5
    named = set(re.findall(r'`help\("(fastem[\w.]*)"\)`', README))
    assert named == GUIDES.keys()


def test_the_guides_can_be_rendered(tmp_path):
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "docs.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    front = (tmp_path / "docs-output" / "fastem.html").read_text()
    assert "GaussianMixture.predict_proba" in front
    for guide in GUIDES.keys() - {"fastem"}:
        assert (tmp_path / "docs-output" / f"{guide.replace('.', '/')}.html").exists()
