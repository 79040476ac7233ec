"""Every disclosure of whole phone numbers, each recorded in the audit with who, what and how many."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import Connection

from app.security import audit

ACTION = "numbers.shown"


class DisclosurePlace(StrEnum):
    """Where whole numbers are disclosed; add new places to tests/long/app/privacy/test_masks.py."""

    RECEIPT_LINES = "receipt-lines"  # lines.csv of a result file, for the operator of the same carrier
    RECEIPT_LINES_COMMAND = "receipt-lines-command"  # the same by `loa receipts lines --whole-numbers`
    UNKNOWN_LIST = "unknown-list"  # unknown.csv of a run, for the operator of the same carrier
    FAILED_LIST = "failed-list"  # failed.csv of a run, for the operator of the same carrier
    SCAM_REPORTS = "scam-reports"  # what citizens have reported, for an administrator
    SCAM_REPORTS_COMMAND = "scam-reports-command"  # the same by `loa inbound export --whole-numbers`
    UNKNOWN_LIST_COMMAND = "unknown-list-command"  # `loa unknown export --whole-numbers`


def note(connection: Connection, who: str, place: DisclosurePlace, subject: str, n: int) -> None:
    """Record, before any number leaves, that `who` receives `n` whole numbers of `subject`."""
    audit.note(connection, who, ACTION, subject, place=place.value, numbers=n)
