"""What can be erased, and the two retention terms of the settings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, select

from app.database.models import erasures

_AT_ONCE = 100


class ErasureKind(StrEnum):
    CAMPAIGN = "campaign"  # deliveries and all that refers to them
    BATCH = "batch"  # subscribers and bad lines
    RECEIPT_FILE = "receipt_file"  # the lines of a carrier's result file
    QUARANTINE = "quarantine"  # receipts that match no message
    INBOUND = "inbound"  # messages of subscribers to us
    TOTALS = "totals"  # a campaign's tallies and kept reports
    NOTICES = "notices"  # notices sent, with their addresses
    AUDIT = "audit"  # the oldest acts of the audit


@dataclass(frozen=True, slots=True)
class RetentionTerms:
    """Days from the report to the erasure of numbers, months to that of totals and acts."""

    days: int
    months: int


@dataclass(frozen=True, slots=True)
class Erasable:
    """Something to erase, due at `due_at` unless `held` says why it can't be; times in ms since 1970."""

    kind: ErasureKind
    id: int | None
    name: str
    rule: str
    due_at: int | None = None
    held: str | None = None
    first_at: int | None = None  # the period it covers
    last_at: int | None = None
    months: int | None = None  # the term, if it is in months


def in_pieces(rows: Sequence[Row[Any]]) -> Iterator[Sequence[Row[Any]]]:
    """Yield rows by the hundred: who needs the first one only does not wait for what all need."""
    return (rows[first : first + _AT_ONCE] for first in range(0, len(rows), _AT_ONCE))


def erased(connection: Connection, kind: ErasureKind, ids: Sequence[int]) -> set[int]:
    """Return those of the ids whose erasure is complete."""
    e = erasures.c
    query = select(e.subject_id).where(e.kind == kind.value, e.subject_id.in_(ids), e.ended_at.is_not(None))
    return set(connection.execute(query).scalars())
