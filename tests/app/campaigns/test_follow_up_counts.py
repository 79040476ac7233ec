"""The number that is offered, asked for and confirmed is the number of people whom the follow-up has."""

from __future__ import annotations

from sqlalchemy import insert, select

from app.core.states import NotSent
from app.database.connection import Database
from app.database.models import run_batches, submissions
from app.ledger import unreached
from app.ledger.contract import ResultKind
from app.ledger.unreached import Outcome
from tests.app.campaigns.past import D, audience, begin, change, follow, in_state, left, sent
from tests.engines import each_engine

database_url = each_engine


def _offered(db: Database, campaign: int) -> dict[Outcome, int]:
    counts = db.read(unreached.counts, [campaign])
    return {count.cause.outcome: count.subscribers for count in counts}


def test_a_campaign_with_the_next_number_is_no_round_of_it(db: Database) -> None:
    first = sent(db, {0: D.DELIVERED, 1: D.UNDELIVERED})
    sent(db, {1: D.DELIVERED}, state="running")  # of another letter, to the same person
    assert _offered(db, first) == {Outcome.UNDELIVERED: 1}
    assert audience(db, follow(db, first)) == [1]


def test_second_copies_are_counted_without_those_whom_another_round_has_perhaps_reached(
    db: Database,
) -> None:
    first = sent(db, {1: D.UNDELIVERED, 2: D.UNDELIVERED, 3: D.UNKNOWN})
    second = follow(db, first)
    begin(db, second)
    change(db, first, 1, D.UNKNOWN, NotSent.WRITTEN_OFF)
    change(db, first, 2, D.UNKNOWN, NotSent.WRITTEN_OFF)
    change(db, second, 1, D.RELAYED)
    change(db, second, 2, D.UNDELIVERED)
    assert _offered(db, first) == {Outcome.WRITTEN_OFF: 1, Outcome.UNKNOWN: 1}
    third = follow(db, first, outcomes=(Outcome.WRITTEN_OFF,), second_copies=1)
    assert audience(db, third) == [2]


def test_who_was_unknown_is_written_to_though_that_is_written_off_meanwhile(db: Database) -> None:
    first = sent(db, {1: D.UNKNOWN})
    second = follow(db, first, outcomes=(Outcome.UNKNOWN,), second_copies=1)
    change(db, first, 1, D.UNKNOWN, NotSent.WRITTEN_OFF)
    begin(db, second)
    assert left(db, second) == {}
    assert in_state(db, second, D.QUEUED) == [1]


def test_who_was_refused_as_a_duplicate_in_one_round_is_not_written_to_by_another(db: Database) -> None:
    first = sent(db, {1: D.UNDELIVERED, 2: D.UNDELIVERED})
    second, third = follow(db, first), follow(db, first)
    begin(db, third)
    for n, code in ((1, "Trùng tin"), (2, "45")):
        change(db, third, n, D.REJECTED)
        key = {"campaign_id": third, "batch_id": _batch(db, third), "seq": n, "attempt": 1, "part": 0}
        answer = {"at": 2, "link_id": 1, "group_id": 1, "result": int(ResultKind.REJECTED), "code": code}
        db.write(lambda c, row=key | answer: c.execute(insert(submissions).values(row)))
    begin(db, second)
    assert left(db, second) == {NotSent.OTHER_ROUND: 1}
    assert in_state(db, second, D.QUEUED) == [2]


def _batch(db: Database, campaign: int) -> int:
    query = select(run_batches.c.batch_id).where(run_batches.c.campaign_id == campaign)
    return db.read(lambda c: c.execute(query).scalar_one())
