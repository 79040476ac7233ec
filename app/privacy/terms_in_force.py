"""A shorter retention term in the settings erases nothing until somebody at the host confirms it.

Nothing brings back what retention has erased, and a digit is easily left out. So the ledger remembers the
longest terms that its processes had since the last confirmation, and erases by these. A longer term counts at
once.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import NamedTuple

from sqlalchemy import Connection, delete, func, insert, select

from app.database.advisory_locks import AdvisoryLock
from app.database.connection import one_at_a_time, shared_ms
from app.database.models import erasures, retention_terms
from app.privacy.erasable import RetentionTerms
from app.security import audit

SHORTENED = "retention.shorten"


class Shortened(NamedTuple):
    """A setting whose new number waits for its confirmation; before: what counts until then."""

    name: str
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class TermsInForce:
    """By which terms is erased now, and which settings wait for a confirmation."""

    terms: RetentionTerms
    waiting: tuple[Shortened, ...] = ()


def in_force(connection: Connection, configured: RetentionTerms) -> TermsInForce:
    """Return by which terms a process with these settings erases."""
    terms = _longest(connection, configured)
    pairs = (
        ("retention_days", terms.days, configured.days),
        ("records_months", terms.months, configured.months),
    )
    return TermsInForce(terms, tuple(Shortened(*pair) for pair in pairs if pair[1] > pair[2]))


def note(connection: Connection, terms: RetentionTerms) -> None:
    """Remember the settings' terms where they are the first, or longer than before; safe to run twice."""
    one_at_a_time(connection, AdvisoryLock.RETENTION_TERMS)
    if not noted(connection, terms):
        _remember(connection, _longest(connection, terms))


def noted(connection: Connection, terms: RetentionTerms) -> bool:
    """Return whether there is nothing to remember."""
    return _known(connection) == _longest(connection, terms)


def confirm(connection: Connection, terms: RetentionTerms, who: str) -> tuple[Shortened, ...]:
    """Let the settings' terms count, and return which of them were shortened."""
    one_at_a_time(connection, AdvisoryLock.RETENTION_TERMS)
    found = in_force(connection, terms)
    _remember(connection, terms)
    if found.waiting:
        audit.note(connection, who, SHORTENED, "settings", before=asdict(found.terms), after=asdict(terms))
    return found.waiting


def _remember(connection: Connection, terms: RetentionTerms) -> None:
    connection.execute(delete(retention_terms))
    connection.execute(insert(retention_terms).values(**asdict(terms), since=shared_ms(connection)))


def _longest(connection: Connection, terms: RetentionTerms) -> RetentionTerms:
    known = _known(connection) or _by_certificates(connection) or terms
    return RetentionTerms(max(terms.days, known.days), max(terms.months, known.months))


def _known(connection: Connection) -> RetentionTerms | None:
    t = retention_terms.c
    row = connection.execute(select(func.max(t.days).label("days"), func.max(t.months).label("months"))).one()
    return None if row.days is None else RetentionTerms(row.days, row.months)


def _by_certificates(connection: Connection) -> RetentionTerms | None:
    """Return the terms of the newest certificates: of a ledger from before terms were remembered."""
    e = erasures.c
    newest = select(e.days, e.months).order_by(e.id.desc()).limit(1)
    last = connection.execute(newest).first()
    if last is None:
        return None
    months = connection.execute(newest.where(e.months.is_not(None))).first()
    return RetentionTerms(last.days, months.months if months else 0)
