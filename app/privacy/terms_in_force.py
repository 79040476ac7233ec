"""A term that was shortened waits a day before anything is erased by it: a slip of a digit can be put back.

Nothing brings back what retention has erased. So the ledger remembers the terms that the settings had, and
what erases goes by the longest of the last day, whichever process had it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select

from app.core.clock import DAY_MS
from app.database.connection import one_at_a_time
from app.database.models import retention_terms
from app.privacy.erasable import RetentionTerms
from app.security import audit

SHORTENED = "retention.shorten"
WAIT_MS = DAY_MS
_LOCK = 4975  # of PostgreSQL: one process notes the terms


@dataclass(frozen=True, slots=True)
class TermsInForce:
    """By which terms is erased now; wanted: those of the settings, which count from until_ms on.

    until_ms: in ms since 1970; None where the settings' terms are in force.
    """

    terms: RetentionTerms
    wanted: RetentionTerms
    until_ms: int | None = None

    def shortened(self) -> list[tuple[str, int, int]]:
        """Return each setting that waits, its number in force and the one that is wanted."""
        both = (
            ("retention_days", self.terms.days, self.wanted.days),
            ("records_months", self.terms.months, self.wanted.months),
        )
        return [each for each in both if each[1] > each[2]]


def in_force(connection: Connection, wanted: RetentionTerms, now_ms: int) -> TermsInForce:
    """Return by which terms is erased at this time."""
    rows = _rows(connection)
    longer = [
        (row, ended + WAIT_MS)
        for row, ended in _ends(rows, wanted, now_ms)
        if ended + WAIT_MS > now_ms and (row.days > wanted.days or row.months > wanted.months)
    ]
    if not longer:
        return TermsInForce(wanted, wanted)
    days = max(wanted.days, *(row.days for row, _ in longer))
    months = max(wanted.months, *(row.months for row, _ in longer))
    return TermsInForce(RetentionTerms(days, months), wanted, max(until for _, until in longer))


def noted(connection: Connection, wanted: RetentionTerms) -> bool:
    """Return whether the ledger has these as the latest terms."""
    return _same(_rows(connection)[-1:], wanted)


def note(connection: Connection, wanted: RetentionTerms, now_ms: int, who: str) -> None:
    """Remember the settings' terms from now on, and forget those that no longer count; safe to run twice."""
    one_at_a_time(connection, _LOCK)
    rows = _rows(connection)
    if _same(rows[-1:], wanted):
        return
    past = [row.id for row, ended in _ends(rows, wanted, now_ms) if ended + WAIT_MS <= now_ms]
    connection.execute(delete(retention_terms).where(retention_terms.c.id.in_(past)))
    connection.execute(insert(retention_terms).values(days=wanted.days, months=wanted.months, since=now_ms))
    if any(row.days > wanted.days or row.months > wanted.months for row in rows[-1:]):
        before = RetentionTerms(rows[-1].days, rows[-1].months)
        audit.note(connection, who, SHORTENED, "settings", before=asdict(before), after=asdict(wanted))


def _rows(connection: Connection) -> Sequence[Row[Any]]:
    return connection.execute(select(retention_terms).order_by(retention_terms.c.id)).all()


def _same(rows: Sequence[Row[Any]], wanted: RetentionTerms) -> bool:
    return any((row.days, row.months) == (wanted.days, wanted.months) for row in rows)


def _ends(rows: Sequence[Row[Any]], wanted: RetentionTerms, now_ms: int) -> Iterator[tuple[Row[Any], int]]:
    """Yield terms other than the settings' with the time at which the settings ceased to have them."""
    for nth, row in enumerate(rows):
        is_last = nth + 1 == len(rows)
        if not (is_last and _same([row], wanted)):
            yield row, now_ms if is_last else rows[nth + 1].since
