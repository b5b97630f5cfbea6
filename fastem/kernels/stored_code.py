"""Machine code on disk: one file for each compilation, which tells if it is whole."""

import hashlib
import os
import pickle
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba.core.caching import FunctionCache, NullCache
from numba.core.serialize import dumps

from fastem.runtime.callers import levels_to_caller

_DIGEST = hashlib.sha256
_DIGEST_SIZE = _DIGEST().digest_size
_said: set[str] = set()


def _say_once(what: str, text: str) -> None:
    """Warn, if nothing was said of this in the process before."""
    if what not in _said:
        _said.add(what)
        warnings.warn(text, RuntimeWarning, stacklevel=levels_to_caller())


class CodeFiles:
    """The files of one function in a folder.

    Numba has an index beside the code and trusts both: one that is cut short raises
    at the call, code with a block of zeros in it ends the process, and two processes
    that compile at once can leave an index that names the other one's code. A file
    that is named by what it holds needs no index, and a digest tells the rest.
    """

    def __init__(self, folder: str, name: str) -> None:
        self._folder = Path(folder)
        self._name = name

    def _path(self, key: Any) -> Path:
        named = hashlib.sha256(repr(key).encode()).hexdigest()[:16]
        return self._folder / f"{self._name}.{named}.code"

    def load(self, key: Any) -> Any:
        """What was saved under the key; None if nothing was.

        Raises
        ------
        ValueError
            If the file is not what was written.
        """
        path = self._path(key)
        try:
            content = path.read_bytes()
        except OSError:  # whatever is there, no code is
            return None
        digest, stored = content[:_DIGEST_SIZE], content[_DIGEST_SIZE:]
        if _DIGEST(stored).digest() != digest:
            raise ValueError(f"{path.name} is not as it was written")
        stored_key, data = pickle.loads(stored)
        return data if stored_key == key else None

    def save(self, key: Any, data: Any) -> None:
        """Write a file that appears under its name when it is complete."""
        stored = dumps((key, data))
        handle, temporary = tempfile.mkstemp(suffix=".part", dir=self._folder)
        try:
            with open(handle, "wb") as file:
                file.write(_DIGEST(stored).digest() + stored)
            os.replace(temporary, self._path(key))
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    def flush(self) -> None:
        """Forget what was compiled."""
        for path in self._folder.glob(f"{self._name}.*.code"):
            path.unlink(missing_ok=True)


class CodeCache(FunctionCache):
    """Where Numba looks for a function's machine code, and keeps it.

    Whatever is wrong with a file, the function is compiled anew and the file replaced.
    """

    _cache_file: Any

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        self._cache_file = CodeFiles(self.cache_path, self._impl.filename_base)

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The compiled function, or None."""
        try:
            return super().load_overload(sig, target_context)
        except Exception as error:
            _say_once(
                "unreadable",
                f"Compiled kernels in {self.cache_path} cannot be used ({error}). They "
                "are compiled again and replaced, which takes some seconds.",
            )
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep the compiled function if the folder can be written to."""
        try:
            super().save_overload(sig, data)
        except Exception as error:
            _say_not_kept(f"in {self.cache_path} ({error})")


class NoCache(NullCache):
    """In place of a cache where no folder can be written to."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def save_overload(self, sig: Any, data: Any) -> None:
        """Say why the next process will take as long."""
        _say_not_kept(f"in {self._folder}, which cannot be written to")


def _say_not_kept(where: str) -> None:
    _say_once(
        "not kept",
        f"Compiled kernels cannot be kept {where}: every process has to compile them, "
        "which takes some seconds. Set NUMBA_CACHE_DIR to a folder that can be "
        "written to.",
    )
