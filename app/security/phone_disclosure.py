"""The only places that give out whole phone numbers; each use leaves an act: who, what and how many."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import Connection

from app.security import audit

ACTION = "numbers.shown"


class DisclosurePlace(StrEnum):
    """Where whole numbers come out; a new one is entered in tests/long/app/privacy/test_masks.py as well."""

    RECEIPT_LINES = "receipt-lines"  # lines.csv of a result file, for the operator of the same carrier
    RECEIPT_LINES_COMMAND = "receipt-lines-command"  # the same by `loa receipts lines --whole-numbers`


def note(connection: Connection, who: str, place: DisclosurePlace, subject: str, n: int) -> None:
    """Write down, before any number leaves, that `who` is given `n` whole numbers of `subject`."""
    audit.note(connection, who, ACTION, subject, place=place.value, numbers=n)
