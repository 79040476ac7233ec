"""The demo's folder: claimed for one demo at a time, and emptied only where a former demo has filled it."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.core.errors import SetupError

MARKER = "made-by-loa-demo.txt"
_WORDS = "Everything in this folder was made by `loa demo`; the next demo here deletes it.\n"
_BULKY = ("sample", "loa.sqlite3", "loa.sqlite3-wal", "loa.sqlite3-shm", "loa.lock")


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """The folder, made or emptied, for this process alone; SetupError where it is not a demo's."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MARKER).is_file():
        raise SetupError(
            f"{folder} holds files that no demo made, so the demo does not empty it. "
            "Name a new folder with --folder, or move those files away."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SetupError(f"{folder} can't be made ({error.strerror}). Name another with --folder.") from None
    with (folder / MARKER).open("a", encoding="utf-8") as marker:
        try:
            fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise SetupError(
                f"Another demo is at work in {folder}. Wait for its end, or name another with --folder."
            ) from None
        _empty(folder)
        marker.truncate(0)
        marker.write(_WORDS)
        marker.flush()
        yield


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.name != MARKER:
            _remove(path)


def tidy(folder: Path) -> None:
    """Delete what grows with the number of subscribers: the sample files and the SQLite ledger."""
    for name in _BULKY:
        _remove(folder / name)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
