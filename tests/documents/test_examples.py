"""Every example in the README, the guides and docstrings gives what it shows."""

import ast
import doctest
import importlib
import re

import pytest

from tests.architecture import MODULES
from tests.documents.reading import GUIDES, README, python_blocks

# A guide about what cannot be shown in a line of Python.
WITHOUT_EXAMPLES = {"fastem.terminal"}


def examples():
    """All docstrings with examples, by the names of module and object.

    They are read from the source: what doctest finds by itself depends on the module
    that a class says it is from.
    """
    parser = doctest.DocTestParser()
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                name = f"{module}:{getattr(node, 'name', '')}"
                text = ast.get_docstring(node) or ""
                test = parser.get_doctest(text, {}, name, str(path), 0)
                if test.examples:
                    yield test


EXAMPLES = list(examples())
# Choices among all structures, which the class's own docstring has with fewer.
DEAR = {"fastem.choice:"}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Examples write files: each into a folder of its own."""
    monkeypatch.chdir(tmp_path)


def test_the_first_block_of_the_readme_runs():
    names = {}
    exec(compile(python_blocks(README)[0], "README.md", "exec"), names)
    assert names["degrees"].shape == (3000, 3)
    assert 0 < (names["densities"] < -9).mean() < 0.01


@pytest.mark.exhaustive
def test_the_blocks_of_the_readme_run_one_after_the_other(capsys):
    blocks = python_blocks(README)
    assert len(blocks) > 1
    names = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    shown = re.findall(r"^print\(.*\)  # (.*)$", "\n".join(blocks), flags=re.MULTILINE)
    assert shown
    assert capsys.readouterr().out.splitlines() == shown


@pytest.mark.parametrize(
    "test",
    [
        pytest.param(
            test,
            id=test.name,
            marks=pytest.mark.exhaustive if test.name in DEAR else (),
        )
        for test in EXAMPLES
    ],
)
def test_examples_in_docstrings_give_what_they_show(test):
    module = importlib.import_module(test.name.partition(":")[0])
    test.globs = vars(module).copy()
    said = []
    failed, _ = doctest.DocTestRunner().run(test, out=said.append, clear_globs=False)
    assert failed == 0, "".join(said)


def test_there_are_examples_in_docstrings():
    n_examples = {test.name: len(test.examples) for test in EXAMPLES}
    assert n_examples["fastem.mixture.gaussian:GaussianMixture"] > 4
    assert n_examples["fastem.dask.estimator:GaussianMixture"] > 5
    for guide in GUIDES.keys() - WITHOUT_EXAMPLES:
        assert n_examples[f"{guide}:"] > 3, guide


def test_nothing_is_skipped_but_what_is_not_here():
    skipped = [
        example.source
        for test in EXAMPLES
        for example in test.examples
        if doctest.SKIP in example.options
    ]
    assert len(skipped) == 1
    assert "s3://" in skipped[0]
