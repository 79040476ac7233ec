"""Heads of the audit's chain in a file outside the database, which reveal that the chain was cut off.

Several databases may share a file: each line names its database by its place in the settings, which someone
with the database alone can't change. Older lines without a name count for every database in a verification.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from app.core import clock, ids
from app.core.logger import get_logger
from app.database.sqlite_file import private_open

log = get_logger(__name__)

_RESTORED = "restored"
_OF = "of="
_MS = re.compile("[0-9]{1,13}")


class AuditHead(NamedTuple):
    """The chain's end at some time: id and hash of its last row, written `at` ms since 1970."""

    row: int
    hash: str
    at: int

    @property
    def said(self) -> str:
        """The form in which people keep it, ROW:HASH."""
        return f"{self.row}:{self.hash}"


def keep(file: Path, head: AuditHead, database: str = "") -> None:
    """Append the head of the database named `database` to the file; if that fails, log it and carry on."""
    _append(file, _line(head, database))


def say(file: Path, head: AuditHead, database: str = "") -> None:
    """Log the head, since logs may go to another host, and append it to the file."""
    log.info("the head of the audit", head=head.said)
    keep(file, head, database)


def branch(file: Path, head: AuditHead, database: str = "") -> None:
    """Record a restore: heads of rows after this one no longer hold."""
    _append(file, f"{_line(head, database)} {_RESTORED}")


def _line(head: AuditHead, database: str) -> str:
    name = f" {_OF}{database}" if database else ""
    return f"{head.said} {head.at} {clock.from_ms(head.at).isoformat()}{name}"


def _append(file: Path, line: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        number = private_open(file, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(number, f"{line}\n".encode())  # a single call, because several processes may write
        finally:
            os.close(number)
    except OSError as error:
        log.error("the audit head cannot be stored", file=str(file), why=error.strerror)


def newest(file: Path, database: str) -> AuditHead | None:
    """Return the last head under this database's name, ignoring lines without a name."""
    try:
        each = [line.split() for line in file.read_text("utf-8", "replace").splitlines()]
    except OSError:
        return None
    found = _holding(words for words in each if _name(words) == database)
    return max(found, default=None)


def kept(file: Path | None, database: str = "") -> tuple[AuditHead, ...]:
    """Return every head in the file that still holds, in order; () if there is no file. Raises OSError.

    database: only those of the database of this name.
    """
    try:
        lines = file.read_text("utf-8", "replace").splitlines() if file else []
    except FileNotFoundError:
        return ()
    each = (line.split() for line in lines)
    return _holding(words for words in each if not database or _name(words) in ("", database))


def _name(words: list[str]) -> str:
    return next((word.removeprefix(_OF) for word in words[3:] if word.startswith(_OF)), "")


def _holding(lines: Iterable[list[str]]) -> tuple[AuditHead, ...]:
    found: list[AuditHead] = []
    for words in lines:
        head = _read(words)
        if head is None:
            continue  # a line cut off by a full disk
        if _RESTORED in words[3:]:
            found = [each for each in found if each.row <= head.row]
        found.append(head)
    return tuple(found)


def _read(words: list[str]) -> AuditHead | None:
    if len(words) < 2:
        return None
    row, _, digest = words[0].partition(":")
    number = ids.read(row)
    return (
        AuditHead(number, digest, int(words[1])) if number is not None and _MS.fullmatch(words[1]) else None
    )
