"""Power that fails in the middle of a commit: SQLite on a VFS that forgets what was not synced (power.c)."""

from __future__ import annotations

import ctypes
import random
import shutil
import subprocess
from pathlib import Path

from sqlalchemy.pool import Pool

from app.database.connection import Database

_SOURCE = Path(__file__).with_name("power.c")
_OPERATIONS = 12  # writes and syncs of a file within which the power fails


class NotHere(Exception):
    """What it takes is missing; the message says what."""


def build(folder: Path) -> ctypes.CDLL:
    """Compile the VFS, and make it SQLite's own for this process."""
    library = folder / "power.so"
    if shutil.which("gcc") is None or not Path("/usr/include/sqlite3.h").exists():
        raise NotHere("Power failures need gcc and SQLite's header (Debian: gcc libsqlite3-dev).")
    command = ["gcc", "-O1", "-shared", "-fPIC", "-o", str(library), str(_SOURCE), "-lsqlite3"]
    subprocess.run(command, check=True)
    found = ctypes.CDLL(str(library))
    if found.power_register() != 0:
        raise NotHere("SQLite took no VFS.")
    return found


class Power:
    """The power of the one machine of a simulated day, and the ledger's file, which each failure replaces."""

    def __init__(self, library: ctypes.CDLL, whole: Database) -> None:
        self._library, self._whole = library, whole
        self._kept: list[Pool] = []  # connections of before, never closed: that would write
        self.failures = 0
        self.file = Path("ledger.db")

    def fail_soon(self, chance: random.Random) -> None:
        """Have the power fail at one of the next operations on the ledger's file."""
        self._library.power_fail_after(ctypes.c_long(chance.randrange(_OPERATIONS)))

    @property
    def has_failed(self) -> bool:
        return bool(self._library.power_has_failed())

    def back(self, chance: random.Random) -> None:
        """Start again with what the disk has kept, as a file of its own."""
        self.failures += 1
        before, self.file = self.file, Path(f"ledger-{self.failures}.db")
        for end in ("", "-wal"):
            names = (str(Path(f"{each}{end}").resolve()).encode() for each in (before, self.file))
            if self._library.power_copy(*names, ctypes.c_uint(chance.getrandbits(31))) < 0:
                raise OSError("what the disk kept could not be written")
        self._library.power_fail_after(ctypes.c_long(-1))
        pool = self._whole.engine.pool
        self._kept.append(pool)
        self._whole.engine.pool = pool.recreate()
