"""A shorter term of the settings erases nothing until it is confirmed; a longer one counts at once."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import insert, select

from app.database import models as m
from app.database.connection import Database
from app.privacy import terms_in_force
from app.privacy.erasable import RetentionTerms
from tests.long.app.privacy.past import DAYS, TERMS, erase, over, rows

LONG, SHORT = RetentionTerms(3650, 1200), RetentionTerms(36, 1200)


def note(db: Database, terms: RetentionTerms) -> None:
    db.write(terms_in_force.note, terms)


def in_force(db: Database, wanted: RetentionTerms) -> tuple[RetentionTerms, list[tuple[Any, ...]]]:
    found = db.read(terms_in_force.in_force, wanted)
    return found.terms, [tuple(each) for each in found.waiting]


def shortened(db: Database) -> list[Any]:
    acts = select(m.audit.c.who, m.audit.c.detail).where(m.audit.c.action == "retention.shorten")
    return [tuple(row) for row in db.read(lambda c: c.execute(acts).all())]


def test_the_first_terms_count_at_once(db: Database) -> None:
    assert in_force(db, SHORT) == (SHORT, [])
    note(db, SHORT)
    assert in_force(db, SHORT) == (SHORT, [])


def test_a_shorter_term_waits_however_often_it_is_seen(db: Database) -> None:
    note(db, LONG)
    for _ in range(3):
        assert in_force(db, SHORT) == (LONG, [("retention_days", 3650, 36)])
        note(db, SHORT)
    assert in_force(db, LONG) == (LONG, [])
    assert shortened(db) == []


def test_a_longer_term_counts_at_once(db: Database) -> None:
    note(db, SHORT)
    assert in_force(db, LONG) == (LONG, [])
    note(db, LONG)
    assert in_force(db, LONG) == (LONG, [])
    assert in_force(db, SHORT)[0] == LONG


def test_a_confirmed_term_counts_and_the_audit_has_both(db: Database) -> None:
    note(db, LONG)
    db.write(terms_in_force.confirm, SHORT, "lan")
    assert in_force(db, SHORT) == (SHORT, [])
    before, after = {"days": 3650, "months": 1200}, {"days": 36, "months": 1200}
    assert shortened(db) == [("lan", {"before": before, "after": after})]
    assert db.write(terms_in_force.confirm, SHORT, "lan") == ()
    assert len(shortened(db)) == 1


def test_days_and_months_wait_each_by_itself(db: Database) -> None:
    note(db, RetentionTerms(90, 1200))
    assert in_force(db, RetentionTerms(120, 24)) == (
        RetentionTerms(120, 1200),
        [("records_months", 1200, 24)],
    )


def test_shortened_step_by_step_the_longest_counts(db: Database) -> None:
    note(db, LONG)
    note(db, RetentionTerms(90, 1200))
    note(db, SHORT)
    assert in_force(db, SHORT)[0] == LONG


def test_a_process_with_the_longer_term_takes_a_confirmation_back(db: Database) -> None:
    """As with a host whose settings were not changed: nothing is erased that one of them keeps."""
    note(db, LONG)
    db.write(terms_in_force.confirm, SHORT, "lan")
    note(db, LONG)
    assert in_force(db, SHORT) == (LONG, [("retention_days", 3650, 36)])


def test_terms_that_a_version_before_noted_one_by_one_count_by_the_longest(db: Database) -> None:
    for days in (365, 36):
        db.write(
            lambda c, days=days: c.execute(insert(m.retention_terms).values(days=days, months=24, since=1))
        )
    assert in_force(db, RetentionTerms(36, 24)) == (RetentionTerms(365, 24), [("retention_days", 365, 36)])


def test_where_nothing_was_noted_yet_the_newest_certificate_tells_the_term(db: Database) -> None:
    """As after the upgrade with which terms are noted."""
    row = {"kind": "batch", "name": "a", "rule": "b", "days": 365, "due_at": 1, "counts": {}, "totals": []}
    row |= {"by": "retention", "started_at": 1, "ended_at": 1}
    db.write(lambda c: c.execute(insert(m.erasures).values(row)))
    assert in_force(db, SHORT) == (RetentionTerms(365, 1200), [("retention_days", 365, 36)])
    note(db, SHORT)
    assert in_force(db, SHORT)[0] == RetentionTerms(365, 1200)


@pytest.mark.longer
def test_an_eraser_erases_by_a_shorter_term_once_it_is_confirmed(db: Database) -> None:
    over(db)
    erase(db, terms=RetentionTerms(3650, 1200))
    assert erase(db, terms=TERMS) == 0
    assert rows(db, m.deliveries)
    db.write(terms_in_force.confirm, TERMS, "lan")
    assert erase(db, terms=TERMS) > 0
    assert not rows(db, m.deliveries)
    days = select(m.erasures.c.days).where(m.erasures.c.kind == "campaign")
    assert db.read(lambda c: c.execute(days).scalars().all()) == [DAYS]
