"""How every kernel is compiled, and where Numba keeps the machine code."""

import gc
import hashlib
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import numba
from numba import njit
from numba.extending import register_jitable

from fastem.kernels.linked_code import SubroutineCompiler
from fastem.kernels.stored_code import CodeCache, NoCache
from fastem.runtime import compiling

# A named set, never fastmath=True: "nnan" and "ninf" would let LLVM assume
# that -inf (the log-weight of an empty component) and NaN cannot occur.
FASTMATH = {"contract", "nsz", "arcp", "reassoc"}

# "reassoc" may cancel the add-and-subtract that rounds an exponent to an
# integer, so functions that round that way are compiled with this set.
FASTMATH_EXACT_ROUNDING = {"contract"}

# Without entries for C callbacks, which take a tenth of a first fit; and without a
# count of references to arrays. Each view of an array is one, counted atomically, and
# ten of them a component and vector took a tenth to a fifth of a pass over 2 to 32
# columns. So nothing is allocated in a kernel (Numba refuses to compile that, or an
# array as the result): it gets its space as an argument. To compile ``np.empty`` and
# its like took a seventh of a first fit.
OPTIONS: dict[str, Any] = {
    "error_model": "numpy",
    "fastmath": FASTMATH,
    "no_cfunc_wrapper": True,
    "_nrt": False,
}

SUBROUTINE_OPTIONS: dict[str, Any] = {**OPTIONS, "pipeline_class": SubroutineCompiler}


def source_hash(folder: Path) -> str:
    """Hash of every Python file in a folder and the folders in it.

    Numba's own index looks at one file a function: after an edit to a function
    in another module, it would go on serving machine code of the old one.
    """
    digest = hashlib.sha256(numba.__version__.encode())
    for path in sorted(folder.rglob("*.py")):
        digest.update(path.relative_to(folder).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _user_cache_root() -> Path:
    """The folder for caches: NUMBA_CACHE_DIR if set, else the user's own."""
    if numba.config.CACHE_DIR:
        return Path(numba.config.CACHE_DIR)
    if sys.platform == "win32" and "LOCALAPPDATA" in os.environ:
        return Path(os.environ["LOCALAPPDATA"])
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def _writable_cache_folder() -> str | None:
    """A writable folder that belongs to these sources alone, or None."""
    try:
        sources = source_hash(Path(__file__).parent)
        folder = _user_cache_root() / "fastem" / f"kernels-{sources}"
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except (OSError, RuntimeError):  # RuntimeError: no home directory
        return None
    return str(folder)


def _cache(function: Callable[..., Any]) -> Any:
    """Where the machine code of a function is kept."""
    if CACHE_FOLDER is None:
        return NoCache("the user's cache folder")
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = CACHE_FOLDER
    try:
        return CodeCache(function)
    finally:
        numba.config.CACHE_DIR = before


CACHE_FOLDER = _writable_cache_folder()


@contextmanager
def interrupts_later() -> Iterator[None]:
    """Have a Ctrl-C wait for the end of the block: some seconds, if it compiles.

    Between two lines of Python that give memory of LLVM's back, it would have that done
    twice, which ends the process.
    """
    handler = signal.getsignal(signal.SIGINT)
    is_main = threading.current_thread() is threading.main_thread()
    if not (is_main and callable(handler)):
        yield
        return
    came: list[tuple[int, FrameType | None]] = []
    try:
        signal.signal(signal.SIGINT, lambda *details: came.append(details))
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if came:
            handler(*came[0])


@contextmanager
def _garbage_kept() -> Iterator[None]:
    """Have Python's garbage collector wait for the end of the block.

    What a compiler builds, it keeps: to walk through all of it again and again took a
    tenth of a first fit. So it counts as old afterwards: what is new the collector
    would walk through at once.
    """
    was_collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_collecting:
            if not gc.get_freeze_count():  # else what the user froze would thaw, too
                gc.freeze()
                gc.unfreeze()
            gc.enable()


def _told(compile_types: Callable[..., Any]) -> Callable[..., Any]:
    """The same, but all who listen are told of it."""

    def compile_and_tell(types: tuple[Any, ...], return_type: Any) -> Any:
        # The first array holds the rows. Merging takes their bits, as unsigned numbers.
        arrays = [t for t in types if isinstance(t, numba.types.Array)]
        what = f"float{arrays[0].dtype.bitwidth} rows" if arrays else "Numba's threads"
        with compiling.told(what):
            return compile_types(types, return_type)

    return compile_and_tell


def kernel(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Decorate a function for compilation, cached on disk where possible.

    Without a writable folder the kernels compile anew in each process.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        compiled = njit(**{**OPTIONS, **options})(function)
        if not numba.config.DISABLE_JIT:
            compiled._cache = _cache(function)
            compiled._compiler.compile = _told(compiled._compiler.compile)
            ready = compiling.clock_stopped()(compiled._compile_for_args)
            compiled._compile_for_args = interrupts_later()(_garbage_kept()(ready))
        return compiled

    return decorate


def subroutine(**options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Decorate a function that only kernels call.

    It gets no entry from Python and no file in the cache; called from Python, it
    runs as Python.
    """
    return register_jitable(**{**SUBROUTINE_OPTIONS, **options})


def compiled_by(intrinsic: Any) -> Callable[[Callable[..., Any]], Any]:
    """Decorate the plain twin of an intrinsic function, which takes its place.

    Where nothing is compiled, the twin stays. ``overload`` would do the same, but
    compile a function around the intrinsic one for each signature.
    """

    def decorate(twin: Callable[..., Any]) -> Any:
        return twin if numba.config.DISABLE_JIT else intrinsic

    return decorate
