"""The SQLite file: locked by the process that sends, and never written again once it is damaged."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection

from app.core.errors import Damaged, SetupError

_CODES = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_FAULTS = 3  # how many are reported
_WORDS = (
    "The ledger file is damaged ({why}). Loa has stopped sending and receiving. Stop Loa, keep the "
    "file, check the disk, restore the newest backup and run `loa database restored` "
    "(docs/operations.md)."
)


# PostgreSQL's codes for a page and an index that it can't read.
_SERVER_CODES = ("XX001", "XX002")
_SERVER_WORDS = (
    "PostgreSQL cannot read part of its data ({why}). Loa has stopped sending and receiving. Stop Loa, "
    "check the server's disk and log, restore the newest backup and run `loa database restored` "
    "(docs/operations.md)."
)


def damage(error: BaseException | None) -> Damaged | None:
    """Return the error as Damaged if the database met a page that it can't read."""
    if getattr(error, "sqlstate", None) in _SERVER_CODES:
        return Damaged(_SERVER_WORDS, why=str(error).partition("\n")[0])
    is_it = (
        isinstance(error, sqlite3.DatabaseError) and getattr(error, "sqlite_errorcode", 0) & 0xFF in _CODES
    )
    return damaged(str(error)) if is_it else None


def damaged(why: str) -> Damaged:
    return Damaged(_WORDS, why=why)


def faults(connection: Connection) -> list[str]:
    """Return the first faults that SQLite finds in the file's pages; reads the whole file."""
    found = connection.exec_driver_sql(f"PRAGMA quick_check({_FAULTS:d})").scalars().all()
    return [] if found == ["ok"] else [line for each in found for line in str(each).splitlines() if line]


class Soundness:
    """Whether damage was found, by this process or an earlier one; a mark beside the file persists it."""

    def __init__(self, file: Path | None) -> None:
        self._mark = file and file.with_suffix(".damaged")
        self._seen: Damaged | None = None

    def note(self, error: Damaged) -> None:
        self._seen = self._seen or error
        if self._mark is not None:
            with contextlib.suppress(OSError):  # the disk itself may be broken
                self._mark.write_text(error.detail + "\n", encoding="utf-8")

    def require(self) -> None:
        """Raise Damaged once damage was found: this process writes nothing more."""
        if self._seen is not None:
            raise Damaged(self._seen.detail)

    def look(self, read: Callable[[Callable[[Connection], list[str]]], list[str]]) -> None:
        """Raise Damaged if damage found earlier is still there. read: runs a function on the database.

        A replacement file is checked once, and then the mark is removed.
        """
        if self._mark is None or not self._mark.exists():
            return
        if found := read(faults):
            raise damaged(found[0])
        self._mark.unlink()


_SHARED = stat.S_ISGID | stat.S_IRWXG


def is_shared(folder: Path) -> bool:
    """Return whether the folder's mode lets a group, and nobody else, work with what is in it (2770)."""
    return folder.is_dir() and folder.stat().st_mode & (_SHARED | stat.S_IRWXO) == _SHARED


def private_open(file: Path, flags: int) -> int:
    """Open or create a file for this account alone, or for the group that shares its folder."""
    handle = os.open(file, flags | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if is_shared(file.parent) and os.fstat(handle).st_uid == os.geteuid():
        os.fchmod(handle, 0o660)  # nosec B103 - the folder is shared with this group on purpose
    return handle


def lock_folder(file: Path, *, beside: bool = False) -> int | None:
    """Lock the SQLite folder for this process, and return the lock's descriptor.

    If another Loa has it: None for a process that may work `beside` it, else SetupError. In a folder that a
    group shares, the group may open the lock and the ledger; SQLite gives the files beside the ledger its
    mode.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = private_open(file.with_suffix(".lock"), os.O_RDWR)
        if is_shared(file.parent):
            os.close(private_open(file, os.O_RDWR))
    except OSError as error:
        raise SetupError(
            "Cannot use the folder {parent} for the ledger ({strerror}). Give this account write "
            "access (docs/access.md explains how two people share it), or choose another folder "
            "with LOA_DATA.",
            parent=file.parent,
            strerror=error.strerror,
        ) from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        if beside:
            os.close(handle)
            return None
        holder = os.read(handle, 64).decode("ascii", "replace").strip() or "unknown"
        os.close(handle)
        raise SetupError(
            "Another Loa (process {holder}) is using the folder {parent}. With SQLite only one "
            "process can send. Stop the other process, choose another folder with LOA_DATA, or set "
            "LOA_DATABASE_URL to a PostgreSQL server, which several processes can share.",
            holder=holder,
            parent=file.parent,
        ) from None
    os.ftruncate(handle, 0)
    os.write(handle, str(os.getpid()).encode())
    return handle
