"""A term that was shortened waits a day before anything is erased by it: a slip of a digit can be put back.

Nothing brings back what retention has erased. So the ledger remembers the terms that the settings had, and
what erases goes by the longest of the last day, whichever process had it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from operator import attrgetter
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, delete, func, insert, select

from app.core.clock import DAY_MS
from app.database.connection import one_at_a_time
from app.database.models import audit as acts
from app.database.models import batches, erasures, link_health, retention_terms, runs
from app.privacy.erasable import RetentionTerms
from app.security import audit

SHORTENED = "retention.shorten"
WAIT_MS = DAY_MS
_KEPT_MS = 7 * DAY_MS  # longer than it counts: a clock that was ahead for a while forgets nothing
_LOCK = 4975  # of PostgreSQL: one process notes the terms
_SETTINGS: dict[str, Callable[[Any], int]] = {
    "retention_days": attrgetter("days"),
    "records_months": attrgetter("months"),
}


class Shortened(NamedTuple):
    """A setting whose new number waits; before: what counts until until_ms (ms since 1970)."""

    name: str
    before: int
    after: int
    until_ms: int


class Shorter(NamedTuple):
    """A setting that another process, which noted its terms last, has shorter than this one."""

    name: str
    here: int
    there: int


@dataclass(frozen=True, slots=True)
class TermsInForce:
    """By which terms is erased now; what of the settings waits; and what another process has shorter."""

    terms: RetentionTerms
    waiting: tuple[Shortened, ...] = ()
    elsewhere: tuple[Shorter, ...] = ()


def in_force(connection: Connection, wanted: RetentionTerms, now_ms: int) -> TermsInForce:
    """Return by which terms is erased at this time by a process with these settings."""
    rows = _rows(connection)
    ended = [(row, at + WAIT_MS) for row, at in _ends(rows, wanted, now_ms) if at + WAIT_MS > now_ms]
    waiting = tuple(_longest(name, of, ended, of(wanted)) for name, of in _SETTINGS.items())
    found = {each.name: each.before for each in waiting if each is not None}
    return TermsInForce(
        RetentionTerms(found.get("retention_days", wanted.days), found.get("records_months", wanted.months)),
        tuple(each for each in waiting if each is not None),
        tuple(
            Shorter(name, of(wanted), of(rows[-1]))
            for name, of in _SETTINGS.items()
            if rows and of(rows[-1]) < of(wanted)
        ),
    )


def _longest(
    name: str, of: Callable[[Any], int], ended: Sequence[tuple[Row[Any], int]], wanted: int
) -> Shortened | None:
    """Return the longest term that still counts and when it ends; None if the wanted one counts."""
    longer = [(of(row), until) for row, until in ended if of(row) > wanted]
    if not longer:
        return None
    before, until = max(longer)
    return Shortened(name, before, wanted, until)


def noted(connection: Connection, wanted: RetentionTerms) -> bool:
    """Return whether the ledger has these as the latest terms."""
    return _same(_rows(connection)[-1:], wanted)


def note(connection: Connection, wanted: RetentionTerms, now_ms: int, who: str) -> None:
    """Remember the settings' terms from now on, and forget those that no longer count; safe to run twice.

    Does nothing while the clock is behind what is known: a wait that began in the past would be over at once
    when the clock is put right. Until they are noted, the terms before count.
    """
    one_at_a_time(connection, _LOCK)
    if not _rows(connection):
        _note_certificate(connection)
    rows = _rows(connection)
    if _same(rows[-1:], wanted) or (rows and now_ms < _latest(connection, rows)):
        return
    past = [row.id for row, ended in _ends(rows, wanted, now_ms) if ended + _KEPT_MS <= now_ms]
    connection.execute(delete(retention_terms).where(retention_terms.c.id.in_(past)))
    connection.execute(insert(retention_terms).values(days=wanted.days, months=wanted.months, since=now_ms))
    is_shorter = any(row.days > wanted.days or row.months > wanted.months for row in rows[-1:])
    # Two processes with other settings note theirs in turns; once a day is enough to be told of it.
    lately = [row for row in rows if row.since > now_ms - WAIT_MS]
    if is_shorter and not any(_same([row], wanted) for row in lately):
        before = RetentionTerms(rows[-1].days, rows[-1].months)
        audit.note(connection, who, SHORTENED, "settings", before=asdict(before), after=asdict(wanted))


def _note_certificate(connection: Connection) -> None:
    """Begin with the terms of the newest certificates, if any: from before terms were noted."""
    e = erasures.c
    newest = select(e.days, e.months, e.started_at).order_by(e.id.desc())
    last = connection.execute(newest.limit(1)).first()
    if last is not None:
        months = connection.execute(newest.where(e.months.is_not(None)).limit(1)).first()
        row = {"days": last.days, "months": months.months if months else 0, "since": last.started_at}
        connection.execute(insert(retention_terms).values(row))


def _latest(connection: Connection, rows: Sequence[Row[Any]]) -> int:
    """Return the newest time that the ledger knows, of terms, acts, links, lists and runs."""
    times = acts.c.at, link_health.c.seen_at, batches.c.created_at, runs.c.started_at, runs.c.ended_at
    newest = [connection.execute(select(func.max(each))).scalar() for each in times]
    return max(*(int(row.since) for row in rows), *(int(each or 0) for each in newest))


def _rows(connection: Connection) -> Sequence[Row[Any]]:
    return connection.execute(select(retention_terms).order_by(retention_terms.c.id)).all()


def _same(rows: Sequence[Row[Any]], wanted: RetentionTerms) -> bool:
    return any((row.days, row.months) == (wanted.days, wanted.months) for row in rows)


def _ends(rows: Sequence[Row[Any]], wanted: RetentionTerms, now_ms: int) -> Iterator[tuple[Row[Any], int]]:
    """Yield terms other than the settings' with the time at which the settings ceased to have them."""
    for nth, row in enumerate(rows):
        is_last = nth + 1 == len(rows)
        if not (is_last and _same([row], wanted)):
            yield row, max(now_ms if is_last else rows[nth + 1].since, row.since)
