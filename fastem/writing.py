"""Files that appear under their name only when they are complete."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PathLike = str | os.PathLike[str]


def check_writable(path: PathLike, suffixes: tuple[str, ...]) -> None:
    """Raise now what would otherwise fail after the work is done.

    Raises
    ------
    ValueError
        If the suffix is none of ``suffixes``.
    OSError
        If the folder does not exist or cannot be written to.
    """
    path = Path(path)
    if path.suffix.lower() not in suffixes:
        raise ValueError(
            f"{path}: the name of this output must end in {' or '.join(suffixes)}"
        )
    folder = path.resolve().parent
    if not folder.is_dir():
        raise FileNotFoundError(
            f"{path} cannot be written: there is no folder {folder}; create it first"
        )
    if path.is_dir():
        raise IsADirectoryError(f"{path} cannot be written: it is a folder")
    if not os.access(folder, os.W_OK):
        raise PermissionError(
            f"{path} cannot be written: the folder {folder} is not writable"
        )


@contextmanager
def complete_or_absent(path: PathLike) -> Iterator[Path]:
    """A temporary path beside ``path`` that takes its place if the block succeeds.

    If the block raises, whatever was at ``path`` is still there.
    """
    final = Path(path).resolve()  # through links: the link stays one
    temporary = final.with_name(f".{final.name}.{os.getpid()}.part")
    try:
        yield temporary
        os.replace(temporary, final)
    finally:
        temporary.unlink(missing_ok=True)
