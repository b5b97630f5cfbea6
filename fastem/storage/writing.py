"""Files that appear under their name only when they are complete."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

_MODULES = {"io": "pyarrow", "plot": "matplotlib"}

PathLike = str | os.PathLike[str]


def check_writable(
    path: PathLike, suffixes: tuple[str, ...], data: PathLike, extra: str | None = None
) -> None:
    """Raise now what would otherwise fail after the work is done.

    Parameters
    ----------
    path : path
        The output.
    suffixes : tuple of str
        What its name may end in; '' is a folder, which must not exist.
    data : path
        The input, which it must not replace.
    extra : {'io', 'plot'}, default=None
        What must be installed to write it.

    Raises
    ------
    ValueError
        If the suffix is another, or the output is the input.
    ImportError
        If the extra is not installed.
    OSError
        If the folder does not exist or cannot be written to.
    """
    path = Path(path)
    if not path.suffix and "" in suffixes:
        if path.exists():
            raise FileExistsError(
                f"the folder {path} cannot be written: it exists; remove it, or choose "
                "another name"
            )
    elif path.suffix.lower() not in suffixes:
        raise ValueError(
            f"{path}: the name of this output must end in "
            f"{' or '.join(filter(None, suffixes))}"
        )
    if path.resolve() == Path(data).resolve():
        raise ValueError(
            f"{path} is the data, and writing the output would destroy it: "
            "name another file"
        )
    if extra is not None and find_spec(_MODULES[extra]) is None:
        raise ImportError(
            f"{path} cannot be written without {_MODULES[extra]}: "
            f"pip install 'fastem[{extra}]'"
        )
    check_folder(path)


def check_folder(path: PathLike) -> None:
    """Raise OSError if no file can be written there."""
    path = Path(path)
    folder = path.resolve().parent
    if not folder.is_dir():
        raise FileNotFoundError(
            f"{path} cannot be written: there is no folder {folder}; create it first"
        )
    if path.is_dir():
        raise IsADirectoryError(
            f"{path} cannot be written: it is a folder. Name a file in it"
        )
    if not os.access(folder, os.W_OK):
        raise PermissionError(
            f"{path} cannot be written: the folder {folder} is not writable"
        )


@contextmanager
def complete_or_absent(path: PathLike) -> Iterator[Path]:
    """A temporary path beside ``path`` that takes its place if the block succeeds.

    The block makes a file of it, or a folder.

    If the block raises, whatever was at ``path`` is still there.
    """
    final = Path(path).resolve()  # through links: the link stays one
    temporary = final.with_name(f".{final.name}.{os.getpid()}.part")
    try:
        yield temporary
        os.replace(temporary, final)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary)
        temporary.unlink(missing_ok=True)
