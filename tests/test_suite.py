"""No test is lost: what scripts/test leaves out, scripts/test --all runs."""

from types import SimpleNamespace

import pytest

from tests.conftest import pytest_collection_modifyitems
from tests.pythons import ROOT


@pytest.mark.parametrize("is_all", [False, True])
def test_exhaustive_tests_are_left_out_unless_all_are_asked_for(is_all):
    names = ["cheap", "dear", "as cheap", "dearer"]
    items = [
        SimpleNamespace(name=name, get_closest_marker=lambda _, name=name: "d" in name)
        for name in names
    ]
    left_out = []
    hook = SimpleNamespace(pytest_deselected=lambda items: left_out.extend(items))
    config = SimpleNamespace(getoption=lambda name: is_all, hook=hook)
    pytest_collection_modifyitems(config, items)
    assert [item.name for item in items] == (names if is_all else names[::2])
    assert [item.name for item in left_out] == ([] if is_all else names[1::2])


def test_what_lands_has_passed_all():
    assert "scripts/test --all\n" in (ROOT / ".ci" / "run").read_text()
    calls = [
        line
        for line in (ROOT / "scripts" / "test").read_text().splitlines()
        if ".venv/bin/pytest" in line
    ]
    assert all(' "$@"' in line for line in calls)
    assert [line.endswith(' "$@"') for line in calls] == [True, False]
