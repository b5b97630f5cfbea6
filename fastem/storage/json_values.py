"""Values as JSON that is read back to the last bit: numbers, arrays, dataclasses."""

import dataclasses
import hashlib
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

_KIND = "is"


def to_json(value: Any, other: Callable[[Any], Any] | None = None) -> Any:
    """What JSON has for the value.

    Numbers, texts, None, lists and dicts are what they are. Anything else is an
    object whose key "is" says what it was.

    Parameters
    ----------
    other : callable, optional
        What is written of values of other types, with a key "is" of its own; None
        where it does not know them either.

    Raises
    ------
    TypeError
        If the value is none of: number, text, None, list, tuple, dict with keys of
        text, array of numbers or of such values, dataclass.
    """

    def written(value: Any) -> Any:
        return to_json(value, other)

    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        # JSON has no inf and no nan.
        return value if math.isfinite(value) else {_KIND: "float", "value": str(value)}
    if isinstance(value, list):
        return [written(item) for item in value]
    if isinstance(value, tuple):
        return {_KIND: "tuple", "items": [written(item) for item in value]}
    if isinstance(value, dict):
        return {key: written(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        # Sums over an array depend on its layout in their last bits: that is kept too.
        axes = sorted(range(value.ndim), key=lambda axis: -value.strides[axis])
        laid_out = value.transpose(axes)
        return {
            _KIND: "array",
            "dtype": value.dtype.str if value.dtype.kind == "U" else value.dtype.name,
            "shape": list(laid_out.shape),
            "axes": axes,
            "values": written(list(laid_out.ravel()))
            if value.dtype.hasobject
            else _numbers(laid_out.ravel()),
        }
    if dataclasses.is_dataclass(value):
        fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        return {_KIND: type(value).__name__, **written(fields)}
    known = None if other is None else other(value)
    if known is not None:
        return known
    raise TypeError(f"a {type(value).__name__} cannot be written as JSON")


def from_json(
    value: Any,
    classes: Iterable[type],
    others: Mapping[str, Callable[[dict[str, Any]], Any]] | None = None,
) -> Any:
    """The value that :func:`to_json` was given.

    Parameters
    ----------
    value : JSON
    classes : iterable of types
        The dataclasses that may be in it.
    others : mapping, optional
        By their key "is", what makes the other values of what was written of them, in
        which all values are read already.

    Raises
    ------
    ValueError
        If it is nothing that :func:`to_json` makes.
    """
    known = {kind.__name__: kind for kind in classes}
    made = others or {}

    def read(value: Any) -> Any:
        if isinstance(value, list):
            return [read(item) for item in value]
        if not isinstance(value, dict):
            return value
        kind = value.get(_KIND)
        content = {key: item for key, item in value.items() if key != _KIND}
        if kind is None:
            return {key: read(item) for key, item in content.items()}
        if kind == "float":
            return float(content["value"])
        if kind == "tuple":
            return tuple(read(item) for item in content["items"])
        if kind == "array":
            values = np.array(read(content["values"]), dtype=content["dtype"])
            return values.reshape(content["shape"]).transpose(
                np.argsort(content["axes"], kind="stable")
            )
        if kind in made:
            return made[kind]({key: read(item) for key, item in content.items()})
        return known[kind](**{key: read(item) for key, item in content.items()})

    try:
        return read(value)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"this is no value that fastem has written: {error}") from None


def _numbers(array: np.ndarray) -> list[Any]:
    """The elements; those that JSON has no number for, as NumPy reads them in text."""
    values: list[Any] = array.tolist()
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        return [v if math.isfinite(v) else str(v) for v in values]
    return values


def digest(*arrays: np.ndarray) -> str:
    """A short fingerprint of the types, shapes and bytes of arrays."""
    hashed = hashlib.blake2b(digest_size=16)
    for array in arrays:
        hashed.update(f"{array.dtype} {array.shape} ".encode())
        hashed.update(np.ascontiguousarray(array).tobytes())
    return hashed.hexdigest()
