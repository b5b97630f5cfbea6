"""JSON text: written for people to read, and read with errors that name the key."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

# Digits of the longest whole number that is finite as a float, and never a size.
_MOST_DIGITS = 300
_DEEPEST = 64  # lists and objects within each other


@dataclass(frozen=True)
class Section:
    """A JSON object, and where it stands for the sake of error texts."""

    where: str
    values: dict[str, Any]

    @classmethod
    def of_file(cls, path: Path) -> "Section":
        """The object that a file holds.

        Raises
        ------
        ValueError
            If it holds anything else, a key twice, NaN or Infinity.
        OSError
            If the file cannot be read.
        """
        remedy = "It is damaged, or another kind of file: save it anew"
        try:
            # With or without the mark that Windows puts before text.
            text = path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise ValueError(f"{path} is not JSON: it is not even text") from error
        try:
            content = json.loads(
                text,
                parse_constant=_refuse_constant,
                parse_int=_whole_number,
                object_pairs_hook=_object,
            )
        except json.JSONDecodeError as error:
            raise ValueError(f"{path} is not JSON: {error}. {remedy}") from error
        except ValueError as error:
            raise ValueError(f"{path}: {error}. {remedy}") from error
        except RecursionError as error:
            raise ValueError(f"{path} is nested too deeply. {remedy}") from error
        if _is_deeper(content, _DEEPEST):
            raise ValueError(f"{path} is nested too deeply. {remedy}")
        if not isinstance(content, dict):
            raise ValueError(f"{path} must hold a JSON object, not {brief(content)}")
        return cls(str(path), content)

    def get(self, key: str, kind: type | tuple[type, ...]) -> Any:
        """The value of a key that must be there and of this kind."""
        if key not in self.values:
            raise ValueError(f'{self.where}: the key "{key}" is missing')
        value = self.values[key]
        if isinstance(value, float) and math.isinf(value):
            raise ValueError(f'{self.where}: "{key}" is too large a number')
        # In Python, but not in JSON, true is a number.
        if not isinstance(value, kind) or (
            isinstance(value, bool) and kind is not bool
        ):
            raise ValueError(f'{self.where}: "{key}" must not be {brief(value)}')
        return value

    def count(self, key: str) -> int:
        """The whole number of a key, not negative."""
        number: int = self.get(key, int)
        if number < 0:
            raise ValueError(f'{self.where}: "{key}" must not be {brief(number)}')
        return number

    def numbers(self, key: str) -> np.ndarray:
        """The lists of a key as an array of numbers."""
        values = self.get(key, list)
        for value in _leaves(values):
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise ValueError(
                    f'{self.where}: "{key}" must hold numbers only, not {brief(value)}'
                )
        try:
            array = np.array(values, dtype=np.float64)
        except ValueError as error:
            raise ValueError(
                f'{self.where}: the lists in "{key}" must be of equal length'
            ) from error
        if not np.isfinite(array).all():
            raise ValueError(f'{self.where}: "{key}" holds a number that is too large')
        return array


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"{constant} is not a number of JSON")


def _whole_number(text: str) -> float:
    """As large as floats are; Python would take any size, or refuse it."""
    return (
        int(text)
        if len(text) <= _MOST_DIGITS
        else math.copysign(math.inf, -1 if text[0] == "-" else 1)
    )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in values if keys.count(key) > 1)
        raise ValueError(f"the key {brief(twice)} is there twice")
    return values


def _is_deeper(content: Any, depth: int) -> bool:
    """Whether lists and objects are nested more than ``depth`` times."""
    level = [content] if isinstance(content, (dict, list)) else []
    for _ in range(depth):
        level = [
            inner
            for value in level
            for inner in (value.values() if isinstance(value, dict) else value)
            if isinstance(inner, (dict, list))
        ]
        if not level:
            return False
    return True


def _leaves(values: Any) -> Iterator[Any]:
    if isinstance(values, list):
        for value in values:
            yield from _leaves(value)
    else:
        yield values


def readable(value: Any, indent: str = "") -> str:
    """JSON with a line for each key, and for each list of numbers or names."""
    deeper = indent + "  "
    if isinstance(value, dict):
        lines = [
            f"{deeper}{json.dumps(k)}: {readable(v, deeper)}" for k, v in value.items()
        ]
        return "{\n" + ",\n".join(lines) + f"\n{indent}}}"
    if isinstance(value, list) and any(isinstance(item, list) for item in value):
        lines = [f"{deeper}{readable(item, deeper)}" for item in value]
        return "[\n" + ",\n".join(lines) + f"\n{indent}]"
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def brief(value: Any) -> str:
    """The value in at most 60 characters."""
    return _shortened(json.dumps(value, ensure_ascii=False))


def _shortened(text: str) -> str:
    """At most 60 characters, all of which can be written."""
    text = text.encode(errors="backslashreplace").decode()
    return text if len(text) <= 60 else text[:57] + "..."
