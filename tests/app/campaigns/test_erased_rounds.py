"""Once a round of follow-ups is erased nobody knows whom it reached, so nobody is written to again."""

from __future__ import annotations

import pytest
from sqlalchemy import insert, update

from app.campaigns import follow_ups, queries
from app.campaigns.follow_ups import FollowUpRequest
from app.core.clock import DAY_MS
from app.core.errors import Conflict
from app.core.states import RunState
from app.database.connection import Database, shared_ms
from app.database.models import erasures, runs
from app.privacy import retention_due
from app.privacy.erasable import Erasable, RetentionTerms
from tests.app.campaigns import past
from tests.app.campaigns.past import D, approved, audience, change, follow, sent, start
from tests.app.campaigns.rows import HOURS
from tests.engines import each_engine

database_url = each_engine
ERASED = "Campaign {}'s numbers have been erased"


def erase(db: Database, campaign: int) -> None:
    """Begin the erasure of a campaign; its rows are gone sooner or later."""
    row = {"kind": "campaign", "subject_id": campaign, "name": "x", "rule": "x", "days": 1, "due_at": 1}
    row |= {"counts": {}, "totals": [], "by": "x", "started_at": 1}
    db.write(lambda c: c.execute(insert(erasures).values(row)))


def two_rounds(db: Database) -> tuple[int, int, int]:
    """A campaign that did not reach a person, its follow-up that was started, and one that is ready."""
    one = sent(db, {1: D.UNDELIVERED})
    made, ready = follow(db, one), follow(db, one)
    for each in (made, ready):
        approved(db, each)
    start(db, made)
    change(db, made, 1, D.UNDELIVERED)
    finished(db, made)
    return one, made, ready


def finished(db: Database, campaign: int) -> None:
    over = {"state": RunState.FINISHED.value, "ended_at": 2}
    own = runs.c.campaign_id == campaign
    db.write(lambda c: c.execute(update(runs).where(own).values(over)))


def test_a_follow_up_is_not_made_nor_started_once_another_is_erased(db: Database) -> None:
    one, two, ready = two_rounds(db)
    asked = db.write(follow_ups.create, FollowUpRequest((one,)), HOURS, "lan")
    erase(db, two)
    with pytest.raises(Conflict, match=ERASED.format(two)):
        follow(db, one)
    with pytest.raises(Conflict, match=ERASED.format(two)):
        start(db, ready)
    past.fill(db)
    found = db.read(queries.dossier, asked).follow_up
    assert found is not None
    assert ERASED.format(two) in (found.batches[0].error or "")


def test_one_that_was_never_started_has_reached_nobody(db: Database) -> None:
    one = sent(db, {1: D.UNDELIVERED})
    erase(db, follow(db, one))
    assert audience(db, follow(db, one)) == [1]


def test_a_round_is_not_erased_while_another_one_looks_up_whom_it_reached(db: Database) -> None:
    one, two, other = two_rounds(db)
    start(db, other)
    terms, now = RetentionTerms(90, 1200), db.read(shared_ms) + 1000 * DAY_MS

    def held() -> dict[int | None, Erasable]:
        return {each.id: each for each in db.read(lambda c: list(retention_due.subjects(c, terms, now)))}

    why = f"of campaign {other} in the same follow-up chain has not ended."
    for state in (RunState.RUNNING, RunState.PAUSED, RunState.CANCELLING):
        moved = update(runs).where(runs.c.campaign_id == other).values(state=state.value)
        db.write(lambda c, moved=moved: c.execute(moved))
        assert all((held()[each].held or "").endswith(why) for each in (one, two)), state
    finished(db, other)
    assert [held()[each].held for each in (one, two)] == [None, None]
