"""What can be erased, and the two terms of the settings after which it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, select

from app.database.models import erasures


class ErasureKind(StrEnum):
    """What an erasure is of."""

    CAMPAIGN = "campaign"  # deliveries and all that speaks of them
    BATCH = "batch"  # subscribers and bad lines
    RECEIPT_FILE = "receipt_file"  # the lines of a carrier's result file
    QUARANTINE = "quarantine"  # receipts that belong to no message
    INBOUND = "inbound"  # what subscribers have sent to us
    TOTALS = "totals"  # a campaign's tallies and kept reports
    NOTICES = "notices"  # what was said outside, with the addresses to which it went
    AUDIT = "audit"  # the oldest acts of the audit


@dataclass(frozen=True, slots=True)
class RetentionTerms:
    """Of the settings: days from the report to the erasure of numbers, months to that of totals and acts."""

    days: int
    months: int


@dataclass(frozen=True, slots=True)
class Erasable:
    """Something to be erased. due_at: ms since 1970, None while `held` says why it can't be due.

    first_at, last_at: the time that it speaks of, ms since 1970. months: it goes by this term.
    """

    kind: ErasureKind
    id: int | None
    name: str
    rule: str
    due_at: int | None = None
    held: str | None = None
    first_at: int | None = None
    last_at: int | None = None
    months: int | None = None


def erased(connection: Connection, kind: ErasureKind, ids: Sequence[int]) -> set[int]:
    """Those of the ids whose erasure has come to its end."""
    e = erasures.c
    query = select(e.subject_id).where(e.kind == kind.value, e.subject_id.in_(ids), e.ended_at.is_not(None))
    return set(connection.execute(query).scalars())
