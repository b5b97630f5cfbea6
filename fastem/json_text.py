"""JSON text: written for people to read, and read with errors that name the key."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


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
            If it holds anything else, or NaN or Infinity, which are not JSON.
        """

        def refuse(constant: str) -> None:
            raise ValueError(f"{path}: {constant} is not a number of JSON")

        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"{path} is not JSON: it is not even text") from error
        try:
            content = json.loads(text, parse_constant=refuse)
        except json.JSONDecodeError as error:
            raise ValueError(f"{path} is not JSON: {error}") from error
        except RecursionError as error:
            raise ValueError(f"{path} is nested too deeply") from error
        if not isinstance(content, dict):
            raise ValueError(f"{path} must hold a JSON object, not {brief(content)}")
        return cls(str(path), content)

    def get(self, key: str, kind: type | tuple[type, ...]) -> Any:
        """The value of a key that must be there and of this kind."""
        if key not in self.values:
            raise ValueError(f'{self.where}: the key "{key}" is missing')
        value = self.values[key]
        # In Python, but not in JSON, true is a number.
        if not isinstance(value, kind) or (
            isinstance(value, bool) and kind is not bool
        ):
            raise ValueError(f'{self.where}: "{key}" must not be {brief(value)}')
        return value

    def numbers(self, key: str) -> np.ndarray:
        """The lists of a key as an array of numbers."""
        values = self.get(key, list)
        for value in _leaves(values):
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise ValueError(
                    f'{self.where}: "{key}" must hold numbers only, not {brief(value)}'
                )
        try:
            return np.array(values, dtype=np.float64)
        except ValueError as error:
            raise ValueError(
                f'{self.where}: the lists in "{key}" must be of equal length'
            ) from error


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
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."
