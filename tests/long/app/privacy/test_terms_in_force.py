"""A shorter term of the settings erases nothing for a day, whoever has it; a longer one counts at once."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from app.core.clock import DAY_MS
from app.database import models as m
from app.database.connection import Database
from app.privacy import terms_in_force
from app.privacy.erasable import RetentionTerms
from app.privacy.terms_in_force import WAIT_MS
from app.security import audit
from tests.engines import each_engine
from tests.long.app.privacy.past import DAYS, TERMS, erase, over, rows

database_url = each_engine

NOW = 1_800_000_000_000
LONG, SHORT = RetentionTerms(3650, 1200), RetentionTerms(36, 1200)


def note(db: Database, terms: RetentionTerms, at: int) -> None:
    db.write(terms_in_force.note, terms, at, "retention")


def in_force(db: Database, wanted: RetentionTerms, at: int) -> tuple[RetentionTerms, int | None]:
    found = db.read(terms_in_force.in_force, wanted, at)
    return found.terms, found.waiting[0].until_ms if found.waiting else None


def seen(db: Database) -> list[int]:
    return list(
        db.read(
            lambda c: (
                c.execute(select(m.retention_terms.c.days).order_by(m.retention_terms.c.id)).scalars().all()
            )
        )
    )


def test_the_first_terms_count_at_once(db: Database) -> None:
    assert in_force(db, SHORT, NOW) == (SHORT, None)
    note(db, SHORT, NOW)
    assert in_force(db, SHORT, NOW) == (SHORT, None)


def test_a_shorter_term_waits_a_day_from_where_it_was_seen_first(db: Database) -> None:
    note(db, LONG, NOW)
    later = NOW + 400 * DAY_MS  # the settings are looked at whenever something is to be erased
    assert in_force(db, SHORT, later) == (LONG, later + WAIT_MS)
    note(db, SHORT, later)
    for at in (later, later + WAIT_MS - 1):
        assert in_force(db, SHORT, at) == (LONG, later + WAIT_MS)
    assert in_force(db, SHORT, later + WAIT_MS) == (SHORT, None)


def test_put_back_in_time_it_has_erased_nothing_and_nothing_waits(db: Database) -> None:
    note(db, LONG, NOW)
    note(db, SHORT, NOW + 5)
    note(db, LONG, NOW + WAIT_MS - 5)
    for at in (NOW + WAIT_MS - 4, NOW + 9 * WAIT_MS):
        assert in_force(db, LONG, at) == (LONG, None)


def test_a_longer_term_counts_at_once(db: Database) -> None:
    note(db, SHORT, NOW)
    assert in_force(db, LONG, NOW + 1) == (LONG, None)
    note(db, LONG, NOW + 1)
    assert in_force(db, LONG, NOW + 1) == (LONG, None)


def test_shortened_step_by_step_each_of_the_last_day_counts(db: Database) -> None:
    between = RetentionTerms(90, 1200)
    note(db, LONG, NOW)
    note(db, between, NOW + 1000)
    note(db, SHORT, NOW + 2000)
    assert in_force(db, SHORT, NOW + 3000) == (LONG, NOW + 1000 + WAIT_MS)
    assert in_force(db, SHORT, NOW + 1000 + WAIT_MS) == (between, NOW + 2000 + WAIT_MS)
    assert in_force(db, SHORT, NOW + 2000 + WAIT_MS) == (SHORT, None)


def test_days_and_months_wait_each_by_itself(db: Database) -> None:
    note(db, RetentionTerms(90, 1200), NOW)
    wanted = RetentionTerms(120, 24)
    note(db, wanted, NOW + 1)
    found = db.read(terms_in_force.in_force, wanted, NOW + 2)
    assert found.terms == RetentionTerms(120, 1200)
    assert found.waiting == (("records_months", 1200, 24, NOW + 1 + WAIT_MS),)


def test_two_processes_with_other_settings_erase_by_the_longer_term(db: Database) -> None:
    """As with a command in a folder without loa.toml, or while hosts are changed one by one."""
    for n in range(100):
        note(db, LONG if n % 2 else SHORT, NOW + n * 60_000)
        for wanted in (LONG, SHORT):
            assert in_force(db, wanted, NOW + n * 60_000 + 1)[0] == (LONG if n else wanted)


def test_each_setting_waits_for_its_own_time(db: Database) -> None:
    note(db, RetentionTerms(365, 36), NOW)
    note(db, RetentionTerms(100, 36), NOW + 10)
    note(db, RetentionTerms(100, 24), NOW + DAY_MS // 2)
    found = db.read(terms_in_force.in_force, RetentionTerms(100, 24), NOW + DAY_MS // 2)
    assert found.terms == RetentionTerms(365, 36)
    ends = ("retention_days", 365, 100, NOW + 10 + WAIT_MS), ("records_months", 36, 24, NOW + 3 * DAY_MS // 2)
    assert found.waiting == ends


def test_what_was_seen_by_a_clock_that_was_behind_waits_from_when_it_is_right(db: Database) -> None:
    """As after a reboot without a battery, which is when settings change."""
    note(db, LONG, NOW)
    for behind in (NOW - 30 * DAY_MS, NOW - 9000 * DAY_MS):
        note(db, SHORT, behind)
        assert in_force(db, SHORT, behind)[0] == LONG
    assert in_force(db, SHORT, NOW + 600_000) == (LONG, NOW + 600_000 + WAIT_MS)
    note(db, SHORT, NOW + 600_000)
    assert in_force(db, SHORT, NOW + WAIT_MS) == (LONG, NOW + 600_000 + WAIT_MS)


def test_a_clock_that_is_behind_the_newest_act_is_not_taken_for_right(db: Database) -> None:
    note(db, LONG, NOW - 300 * DAY_MS)
    db.write(lambda c: audit.note(c, "lan", "a.b", "c/1"))
    db.write(lambda c: c.execute(update(m.audit).values(at=NOW)))
    note(db, SHORT, NOW - 40 * DAY_MS)
    assert in_force(db, SHORT, NOW + 1) == (LONG, NOW + 1 + WAIT_MS)


def test_an_act_by_a_clock_that_was_behind_does_not_make_it_right(db: Database) -> None:
    """The newest act is the one that was written last, not the one of the latest time."""
    note(db, LONG, NOW - 300 * DAY_MS)
    for at in (NOW, NOW - 3 * DAY_MS):
        db.write(lambda c: audit.note(c, "lan", "a.b", "c/1"))
        newest = m.audit.c.id == select(func.max(m.audit.c.id)).scalar_subquery()
        changed = update(m.audit).where(newest).values(at=at)
        db.write(lambda c, changed=changed: c.execute(changed))
    note(db, SHORT, NOW - 3 * DAY_MS)
    assert in_force(db, SHORT, NOW + 1) == (LONG, NOW + 1 + WAIT_MS)


def test_a_clock_that_was_ahead_for_a_while_forgets_no_longer_term(db: Database) -> None:
    note(db, LONG, NOW)
    note(db, SHORT, NOW + 1)
    note(db, RetentionTerms(70, 1200), NOW + 2 * DAY_MS)  # by a clock that is ahead
    assert in_force(db, SHORT, NOW + 2)[0] == LONG


def test_where_nothing_was_noted_yet_the_newest_certificate_tells_the_term(db: Database) -> None:
    """As after the upgrade with which terms are noted."""
    row = {"kind": "batch", "name": "a", "rule": "b", "days": 365, "due_at": 1, "counts": {}, "totals": []}
    row |= {"by": "retention", "started_at": NOW - 9 * DAY_MS, "ended_at": NOW - 9 * DAY_MS}
    db.write(lambda c: c.execute(insert(m.erasures).values(row)))
    note(db, SHORT, NOW)
    assert in_force(db, SHORT, NOW + 1) == (RetentionTerms(365, 1200), NOW + WAIT_MS)


def test_a_shorter_term_of_another_process_is_told(db: Database) -> None:
    note(db, SHORT, NOW)
    assert db.read(terms_in_force.in_force, LONG, NOW + 1).elsewhere == (("retention_days", 3650, 36),)
    assert db.read(terms_in_force.in_force, SHORT, NOW + 1).elsewhere == ()


def test_two_processes_at_odds_are_told_of_once_a_day(db: Database) -> None:
    for n in range(100):
        note(db, SHORT if n % 2 else LONG, NOW + n * 60_000)
    assert len(shortened(db)) == 1


def test_what_no_longer_counts_is_forgotten(db: Database) -> None:
    for n in range(400):
        note(db, RetentionTerms(30 + n % 2, 24), NOW + n * DAY_MS // 4)
    assert len(seen(db)) <= 4 * 7 + 2


def test_a_clock_that_was_set_back_lets_nothing_be_erased_early(db: Database) -> None:
    note(db, LONG, NOW)
    note(db, SHORT, NOW + 1000)
    assert in_force(db, SHORT, NOW - 9 * DAY_MS)[0] == LONG


def test_the_same_terms_again_make_no_row_and_no_act(db: Database) -> None:
    for _ in range(3):
        note(db, SHORT, NOW)
    assert seen(db) == [36]
    assert shortened(db) == []


def shortened(db: Database) -> list[Any]:
    acts = select(m.audit.c.who, m.audit.c.detail).where(m.audit.c.action == "retention.shorten")
    return [tuple(row) for row in db.read(lambda c: c.execute(acts).all())]


def test_who_had_it_shortened_is_in_the_audit_once(db: Database) -> None:
    note(db, LONG, NOW)
    db.write(terms_in_force.note, SHORT, NOW + 1, "lan")
    note(db, LONG, NOW + 2)
    before, after = {"days": 3650, "months": 1200}, {"days": 36, "months": 1200}
    assert shortened(db) == [("lan", {"before": before, "after": after})]


@pytest.mark.longer
def test_an_eraser_erases_nothing_by_a_term_of_today_and_all_by_one_of_yesterday(db: Database) -> None:
    over(db)
    erase(db, terms=RetentionTerms(3650, 1200))
    assert erase(db, terms=TERMS) == 0
    assert rows(db, m.deliveries)
    db.write(lambda c: c.execute(update(m.retention_terms).values(since=m.retention_terms.c.since - WAIT_MS)))
    assert erase(db, terms=TERMS) > 0
    assert not rows(db, m.deliveries)
    days = select(m.erasures.c.days).where(m.erasures.c.kind == "campaign")
    assert db.read(lambda c: c.execute(days).scalars().all()) == [DAYS]
