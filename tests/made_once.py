"""Files that several modules of tests begin from, made by the first worker that asks for them."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from app.database.connection import Database

FOLDER = "made-once"  # in the folder of all that tests of a session write


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """Return the folder of this name, which `make` has filled; other workers wait until it is whole."""
    own = factory.getbasetemp()
    folder = (own.parent if own.name.startswith("popen-") else own) / FOLDER
    folder.mkdir(exist_ok=True)
    found = folder / name
    with (folder / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not found.exists():
            new = Path(tempfile.mkdtemp(dir=folder))
            make(new)
            new.rename(found)
    return found


def database_made_once(
    factory: pytest.TempPathFactory, name: str, template: Path, make: Callable[[Database, Path], object]
) -> Path:
    """Return an SQLite file of which tests take copies; make(database, folder) fills one of `template`."""

    def filled(folder: Path) -> None:
        shutil.copy(template, folder / "loa.sqlite3")
        with closing(Database(f"sqlite:///{folder / 'loa.sqlite3'}")) as db:
            make(db, folder)
            with db.engine.connect() as connection:
                connection.connection.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    return made_once(factory, name, filled) / "loa.sqlite3"
