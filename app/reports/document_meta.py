"""What belongs to every paper that comes in: its number, when it came, its scan, and why it was corrected."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, Select, Table, select

from app.database.models import attachments


class EntrySource(StrEnum):
    """The way by which the figures came in."""

    API = "api"
    COMMAND = "command"
    WORKBOOK = "workbook"  # the XLSX form that Loa hands out


@dataclass(frozen=True, slots=True)
class Attachment:
    """A scan or paper as it is known: `sha256` in hexadecimal, `size` in bytes."""

    sha256: str
    name: str
    media_type: str
    size: int


@dataclass(frozen=True, slots=True)
class PaperMeta:
    """One version of what somebody reported. Times are ms since 1970 (UTC).

    number, dated_on (ISO date): as on the paper; received_ms: when it came, which decides whether it was in
    time; reason: why this version corrects the one before, None for the first; at_ms, by: who put it in.
    """

    version: int
    reason: str | None
    source: EntrySource
    number: str | None
    dated_on: str | None
    received_ms: int
    note: str | None
    attachment: Attachment | None
    at_ms: int
    by: str


def joined(table: Table) -> Select[Any]:
    """The rows of such a table with their attachments, if they have any (without the content)."""
    a = attachments.c
    scan = (a.sha256, a.name.label("scan_name"), a.media_type, a.size)
    return select(table, *scan).outerjoin(attachments, a.id == table.c.attachment_id)


def paper(row: Row[Any]) -> PaperMeta:
    """The paper's part of such a row."""
    scan = None if row.sha256 is None else Attachment(row.sha256, row.scan_name, row.media_type, row.size)
    return PaperMeta(
        version=row.version,
        reason=row.reason,
        source=EntrySource(row.source),
        number=row.number,
        dated_on=row.dated_on,
        received_ms=row.received_at,
        note=row.note,
        attachment=scan,
        at_ms=row.at,
        by=row.by,
    )
