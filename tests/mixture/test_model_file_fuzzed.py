"""Model files that anything may have happened to: an error that helps, or a model."""

import copy
import json
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fastem import GaussianMixture, load_model, save_model
from fastem.covariances import STRUCTURES
from fastem.mixture.model_file import read_model_file

# The text that a good file has.
GOOD = {}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module", autouse=True)
def _good(folder):
    model = GaussianMixture.from_parameters(
        [0.25, 0.75],
        [[0.0, 1.0], [2.0, 3.0]],
        [[1.0, 0.5], [0.5, 2.0]],
        covariance_type="tied",
    )
    model._begin_stream(500.0, np.array([1e-6, 2e-6]))
    path = folder / "good.json"
    save_model(model, path, columns=("a", "größe"))
    GOOD["bytes"] = path.read_bytes()
    GOOD["values"] = json.loads(GOOD["bytes"])


def outcome(folder, written):
    """What loading says: the text of an error, or None if there is a model."""
    path = folder / "model.json"
    path.write_bytes(written)
    said = None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            model = read_model_file(path).model
            load_model(path)
        except ValueError as error:
            said = str(error)
    if said is not None:
        assert str(path) in said
        return said
    # No half of a model: it answers.
    degrees = model.predict_proba(np.zeros((3, model.n_features_in_)))
    assert degrees.shape == (3, model.n_components)
    np.testing.assert_allclose(degrees.sum(axis=1), 1)
    return None


def places(values, path=()):
    """Keys to every node and leaf below the top."""
    if isinstance(values, dict | list):
        pairs = values.items() if isinstance(values, dict) else enumerate(values)
        for key, value in pairs:
            yield (*path, key)
            yield from places(value, (*path, key))


def with_value(path, value):
    """The good file's text with another value in one place."""
    values = copy.deepcopy(GOOD["values"])
    inner = values
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = "PLACE"
    return json.dumps(values).replace('"PLACE"', value).encode()


def key_of(path):
    """The key that an error about a place has to name."""
    return path[1] if path[0] in ("fit", "stream") and len(path) > 1 else path[0]


def test_a_file_cut_short_at_any_byte_is_refused(folder):
    whole = GOOD["bytes"]
    assert outcome(folder, whole) is None
    assert outcome(folder, whole.rstrip()) is None
    for n in range(len(whole.rstrip())):
        said = outcome(folder, whole[:n])
        assert "is not JSON" in said


WRONG = ["null", "true", '"text"', "{}", "[]", "[[]]", "[null]", "[1, [2]]",
         '{"a": 1}', "-1", "1.5", "1e400", "-1e400", "1" + "0" * 400,
         "1" + "0" * 5000, "-1" + "0" * 400, "1e-400", "1e308", "1e300", "NaN",
         "Infinity", '"\\ud800"', "[" * 30 + "]" * 30, "[" * 600 + "]" * 600,
         '"' + "x" * 5000 + '"']  # fmt: skip


# Where null is a value.
MAY_BE_NULL = {
    *("columns", "random_state", "memory", "stream", "covariance_ratio"),
    *("lower_bound", "remaining_gain", "convergence_rate"),
}
# What is right nowhere.
ALWAYS_WRONG = {"{}", '{"a": 1}', "NaN", "Infinity", "[" * 30 + "]" * 30}


@pytest.mark.parametrize("text", WRONG, ids=lambda text: text[:12])
def test_a_wrong_value_is_named_wherever_it_is(folder, text):
    for path in places(GOOD["values"]):
        said = outcome(folder, with_value(path, text))
        if said is not None and text not in {"NaN", "Infinity"}:
            assert key_of(path) in said or "nested too deeply" in said, (path, said)
        if text == "null":
            assert (said is None) == (path[-1] in MAY_BE_NULL), path
        if text in ALWAYS_WRONG:
            assert said is not None, path


def test_any_key_that_is_missing_is_named(folder):
    for key in set(GOOD["values"]) - {"stream"}:  # older files do not have it
        values = {**GOOD["values"]}
        del values[key]
        assert f'"{key}"' in outcome(folder, json.dumps(values).encode())


def test_a_key_too_many_is_named(folder):
    values = GOOD["values"] | {"colums": ["a", "b"]}
    said = outcome(folder, json.dumps(values).encode())
    assert '"colums" is not a key of a model file. Remove it' in said


@pytest.mark.parametrize("section", ["", '"fit": {'])
def test_a_key_that_is_there_twice_is_named(folder, section):
    text = GOOD["bytes"].decode()
    place = text.index(section) + len(section) if section else 1
    key = '"n_iter"' if section else '"weights"'
    twice = text[:place] + f"{key}: 3," + text[place:]
    assert f"the key {key} is there twice" in outcome(folder, twice.encode())


@pytest.mark.parametrize(
    ("written", "words"),
    [
        (b"", "is not JSON"),
        (b"\x00" * 100, "is not JSON"),
        (b"\xff\xfe{\x00}\x00", "not even text"),
        ("größe".encode("latin-1"), "not even text"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b"1" * 10_000, "must hold a JSON object"),
        (b'"text"', "must hold a JSON object"),
        (b"{} {}", "is not JSON"),
    ],
    ids=range(9),
)
def test_other_files_are_refused_with_their_name(folder, written, words):
    assert words in outcome(folder, written)


def test_the_mark_of_windows_before_text_is_no_matter(folder):
    assert outcome(folder, b"\xef\xbb\xbf" + GOOD["bytes"]) is None
    assert outcome(folder, GOOD["bytes"].replace(b"\n", b"\r\n")) is None


@pytest.mark.parametrize(
    ("name", "kind"), [("", IsADirectoryError), ("none.json", FileNotFoundError)]
)
def test_what_is_no_file_is_an_error_of_the_system(tmp_path, name, kind):
    with pytest.raises(kind, match=str(tmp_path / name)):
        load_model(tmp_path / name)


numbers = st.one_of(
    st.floats(),
    st.integers(),
    st.sampled_from([0.0, -0.0, 5e-324, 1e-300, 1e154, 1e300, 1.7e308, 0.5, 1.0]),
)
leaves = st.one_of(st.none(), st.booleans(), numbers, st.text(max_size=5))
documents = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.text(max_size=5), inner, max_size=3),
    ),
    max_leaves=12,
)
many = settings(
    max_examples=12 * settings.default.max_examples,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@many
@given(data=st.data())
def test_any_values_anywhere_give_an_error_or_a_model(folder, data):
    values = copy.deepcopy(GOOD["values"])
    everywhere = list(places(values))
    for path in data.draw(st.lists(st.sampled_from(everywhere), max_size=3)):
        inner = values
        try:
            for key in path[:-1]:
                inner = inner[key]
            inner[path[-1]] = data.draw(documents)
        except (TypeError, KeyError, IndexError):
            continue  # another change has removed that place
    outcome(folder, json.dumps(values).encode())


@many
@given(data=st.data())
def test_any_numbers_of_the_right_shape_give_an_error_or_a_model(folder, data):
    K, D = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3))
    name = data.draw(st.sampled_from(list(STRUCTURES)))
    structure = STRUCTURES[name]
    sizes = st.sampled_from(
        [0.0, -0.0, 5e-324, 1e-310, 1e-200, 1e-30, 1.0, 2.0, 1e200, 1e306, 1.7e308]
    )
    # A mean 1e154 standard deviations from another one has no density.
    points = st.sampled_from([0.0, -0.0, 5e-324, -1.0, 1e30, 1.7e308, -1.7e308])

    def array(elements, *shape):
        n = int(np.prod(shape))
        drawn = data.draw(st.lists(elements, min_size=n, max_size=n))
        return np.reshape(drawn, shape)

    covariances = array(sizes, *structure.representation.shape(K, D))
    if structure.representation.has_matrices:
        covariances = covariances * np.eye(D)
    values = GOOD["values"] | {
        "covariance_type": name,
        "n_components": K,
        "columns": None,
        "weights": [1 / K] * K,
        "means": array(points, K, D).tolist(),
        "covariances": covariances.tolist(),
    }
    outcome(folder, json.dumps(values).encode())


@many
@given(data=st.data())
def test_any_damage_to_bytes_gives_an_error_or_a_model(folder, data):
    damaged = bytearray(GOOD["bytes"])
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(damaged) - 1))
        length = data.draw(st.integers(0, 8))
        damaged[start : start + length] = data.draw(st.binary(max_size=8))
    outcome(folder, bytes(damaged))
