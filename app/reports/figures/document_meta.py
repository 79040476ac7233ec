"""Metadata of every incoming report: its number, arrival, scan, and reason of a correction."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, Select, Table, select

from app.database.models import attachments
from app.database.records import from_row


class EntrySource(StrEnum):
    """How the figures were entered."""

    API = "api"
    COMMAND = "command"
    WORKBOOK = "workbook"  # the XLSX form that Loa provides
    SIGNED = "signed"  # a result that its carrier has signed


@dataclass(frozen=True, slots=True)
class Attachment:
    """A stored scan: `sha256` in hexadecimal, `size` in bytes."""

    sha256: str
    name: str
    media_type: str
    size: int


@dataclass(frozen=True, slots=True)
class DigitalSignature:
    """The key by which a carrier has signed its result, and the SHA-256 of what it signed."""

    kid: str
    sha256: str


@dataclass(frozen=True, slots=True)
class PaperMeta:
    """One version of a received report. Times are ms since 1970 (UTC).

    number, dated_on (ISO date): as printed; received_ms: its arrival, which decides whether it was in time;
    reason: why it corrects the version before, None for the first; at_ms, by: when and by whom entered.
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
    signature: DigitalSignature | None = None


def joined(table: Table) -> Select[Any]:
    """Select the table's rows with their attachments, if any (without the content)."""
    a = attachments.c
    scan = (a.sha256, a.name.label("scan_name"), a.media_type, a.size)
    return select(table, *scan).outerjoin(attachments, a.id == table.c.attachment_id)


def paper(row: Row[Any]) -> PaperMeta:
    scan = None if row.sha256 is None else Attachment(row.sha256, row.scan_name, row.media_type, row.size)
    kid = getattr(row, "signed_kid", None)  # of statements alone
    return from_row(
        PaperMeta,
        row,
        received_ms=row.received_at,
        attachment=scan,
        at_ms=row.at,
        signature=None if kid is None else DigitalSignature(kid, row.signed_sha256),
    )
