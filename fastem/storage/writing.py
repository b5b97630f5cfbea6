"""Files that appear under their name only when they are complete."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

_MODULES = {
    "io": ("pyarrow",),
    "plot": ("matplotlib",),
    "report": ("matplotlib", "jinja2"),
}

PathLike = str | os.PathLike[str]


def check_writable(
    path: PathLike,
    suffixes: tuple[str, ...],
    data: PathLike,
    extra: str | None = None,
    *,
    overwrite: bool = False,
) -> None:
    """Raise now what would otherwise fail after the work is done.

    Parameters
    ----------
    path : path
        The output.
    suffixes : tuple of str
        What its name may end in; '' is a folder.
    data : path
        The input, which it must not replace.
    extra : {'io', 'plot', 'report'}, default=None
        What must be installed to write it.
    overwrite : bool, default=False
        Whether it may exist: a file, or a folder of nothing but Parquet files.

    Raises
    ------
    ValueError
        If the suffix is another, or the output is the input or a part of it.
    ImportError
        If the extra is not installed.
    OSError
        If it exists, or its folder does not or cannot be written to.
    """
    path = Path(path)
    is_folder = not path.suffix and "" in suffixes
    if not is_folder and path.suffix.lower() not in suffixes:
        raise ValueError(
            f"{path}: the name of this output must end in "
            f"{' or '.join(filter(None, suffixes))}"
        )
    if path.resolve() == Path(data).resolve():
        raise ValueError(
            f"{path} is the data, and writing the output would destroy it: "
            "name another file"
        )
    _check_apart(path, Path(data))
    needed = () if extra is None else _MODULES[extra]
    lacking = [name for name in needed if find_spec(name) is None]
    if lacking:
        raise ImportError(
            f"{path} cannot be written without {lacking[0]}: "
            f"pip install 'fastem[{extra}]'"
        )
    if is_folder:
        _check_parent(path)
    else:
        check_folder(path)
    if path.exists():
        _check_replaceable(path, overwrite, is_folder=is_folder)


def _check_apart(path: Path, data: Path) -> None:
    """Raise ValueError if data are in the output, or it would become one of them."""
    output, source = path.resolve(), data.resolve()
    if output in source.parents and path.is_dir():
        raise ValueError(f"{path} holds the data: name another folder")
    if source.is_dir() and source in output.parents and path.suffix in ("", ".parquet"):
        raise ValueError(
            f"{path} is in {data}, and would be read as data the next time: name "
            "another place"
        )


def _check_replaceable(path: Path, overwrite: bool, *, is_folder: bool) -> None:
    """Raise OSError unless it may be replaced, and is such as would be written."""
    what = "folder" if path.is_dir() else "file"
    if not overwrite:
        raise FileExistsError(
            f"the {what} {path} exists: choose another name, or replace it with "
            "--overwrite"
        )
    if not is_folder:
        return
    if not path.is_dir():
        raise NotADirectoryError(
            f"the file {path} is not replaced by a folder: choose another name"
        )
    others = [
        file
        for file in path.rglob("*")
        if file.is_file() and file.suffix.lower() != ".parquet"
    ]
    if others:
        raise FileExistsError(
            f"the folder {path} is not replaced: it holds other files than Parquet "
            f"files, such as {others[0]}. Remove it yourself, or choose another name"
        )


def check_folder(path: PathLike) -> None:
    """Raise OSError if no file can be written there."""
    path = Path(path)
    _check_parent(path)
    if path.is_dir():
        raise IsADirectoryError(
            f"{path} cannot be written: it is a folder. Name a file in it"
        )


def _check_parent(path: Path) -> None:
    """Raise OSError if nothing can be written in the folder that it is to be in."""
    folder = path.resolve().parent
    if not folder.is_dir():
        raise FileNotFoundError(
            f"{path} cannot be written: there is no folder {folder}; create it first"
        )
    if not os.access(folder, os.W_OK):
        raise PermissionError(
            f"{path} cannot be written: the folder {folder} is not writable"
        )


@contextmanager
def complete_or_absent(path: PathLike) -> Iterator[Path]:
    """A temporary path beside ``path`` that takes its place if the block succeeds.

    The block makes a file of it, or a folder, which may take the place of a folder.

    If the block raises, whatever was at ``path`` is still there.
    """
    final = Path(path).resolve()  # through links: the link stays one
    temporary = final.with_name(f".{final.name}.{os.getpid()}.part")
    try:
        yield temporary
        if temporary.is_dir() and final.is_dir():
            # A folder takes the place of an empty one only.
            aside = temporary.with_suffix(".old")
            os.replace(final, aside)
            os.replace(temporary, final)
            shutil.rmtree(aside)
        else:
            os.replace(temporary, final)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary)
        temporary.unlink(missing_ok=True)
