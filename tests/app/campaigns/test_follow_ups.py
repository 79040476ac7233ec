"""A follow-up goes to those who were not reached: never to one who was, or may have been, and never twice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from app.campaigns import queries
from app.core.errors import Invalid
from app.core.states import NotSent, RunState
from app.database.connection import Database
from app.database.models import (
    campaigns,
    chunks,
    do_not_send,
    runs,
    tallies,
)
from app.ledger import unreached
from app.ledger.ledger import ledger_for
from app.ledger.unreached import Outcome
from tests.app.campaigns import past
from tests.app.campaigns.past import D, approved, audience, begin, change, follow, in_state, left, sent, start
from tests.app.campaigns.rows import DRAFT
from tests.engines import on_sqlite, other_by_hand
from tests.exact import exactly

ROUND: past.Sent = {
    0: D.DELIVERED,
    1: D.UNDELIVERED,
    2: D.EXPIRED,
    3: D.SUBMITTED,
    4: D.UNKNOWN,
    5: (D.UNKNOWN, NotSent.WRITTEN_OFF),
    6: D.REJECTED,
    7: D.RELAYED,
    8: (D.NOT_SENT, NotSent.CANCELLED),
    9: (D.NOT_SENT, NotSent.DO_NOT_SEND),
}


def sound(db: Database) -> None:
    """The tallies and the rows agree, in every campaign."""
    ledger, t = ledger_for(db), tallies.c
    keys = (t.run_id, t.batch_id, t.area, t.state, t.reason)
    for campaign in db.read(lambda c: c.execute(select(campaigns.c.id)).scalars().all()):
        query = select(*keys, func.sum(t.n)).where(t.campaign_id == campaign).group_by(*keys)
        sums = {tuple(row[:5]): int(row[5]) for row in db.read(lambda c, q=query: c.execute(q).all())}
        counts = {tuple(each[:5]): each.n for each in db.read(ledger.recount, campaign)}
        assert {key: n for key, n in sums.items() if n} == counts


@pytest.mark.longer
@other_by_hand
@pytest.mark.parametrize(
    ("outcomes", "whom"),
    [
        (unreached.USUAL, [1, 2, 3]),
        ((Outcome.UNDELIVERED,), [1]),
        ((Outcome.EXPIRED,), [2]),
        ((Outcome.NO_RECEIPT,), [3]),
        ((Outcome.REJECTED,), [6]),
        ((Outcome.NOT_SENT,), [8]),
        ((Outcome.ACCEPTED,), [7]),
        ((Outcome.WRITTEN_OFF,), [5]),
        ((Outcome.UNKNOWN,), [4]),
        (tuple(Outcome), [1, 2, 3, 4, 5, 6, 7, 8]),
    ],
)
def test_each_outcome_is_chosen_by_name(db: Database, outcomes: tuple[Outcome, ...], whom: list[int]) -> None:
    copies = len({4, 5} & set(whom)) or None
    made = follow(db, sent(db, ROUND), outcomes=outcomes, second_copies=copies)
    assert audience(db, made) == whom
    begin(db, made)
    assert (in_state(db, made), left(db, made)) == (whom, {})
    sound(db)


@pytest.mark.longer
def test_without_a_word_it_says_the_same_as_the_newest_and_has_a_window_of_its_own(db: Database) -> None:
    first = sent(db, {1: D.UNDELIVERED})
    second = sent(db, {2: D.EXPIRED}, draft=replace(DRAFT, name="After", text="Nho: khong chuyen tien."))
    made = db.read(queries.dossier, follow(db, second, first)).campaign
    assert (made.texts, made.sender, made.window_end) == ({"": "Nho: khong chuyen tien."}, DRAFT.sender, None)
    assert made.name == "After – gửi tiếp lần 1"
    fresh = db.read(queries.dossier, follow(db, second, changes={"text": "Canh giac.", "name": "B"})).campaign
    assert (fresh.texts, fresh.name) == ({"": "Canh giac."}, "B")


@pytest.mark.longer
def test_areas_are_those_chosen_and_all_that_lie_in_them_or_became_part_of_them(db: Database) -> None:
    outcome = dict.fromkeys(range(6), D.UNDELIVERED)
    one = sent(db, outcome, areas=("116", "03646", "03808", None, "119", "120"))
    assert audience(db, follow(db, one, areas=("116",))) == [0, 1]
    assert audience(db, follow(db, one, areas=("03646", "120"))) == [1, 2, 5]


@pytest.mark.longer
@on_sqlite
def test_areas_with_nobody_and_areas_that_are_none_are_refused(db: Database) -> None:
    one = sent(db, {1: D.UNDELIVERED}, areas=("116",))
    with pytest.raises(
        Invalid,
        match=exactly(
            "There is no one to follow up with the chosen outcomes in the chosen areas: they have been "
            "reached, another follow-up is writing to them, receipts for them may still arrive, or they are "
            "on the do-not-send list."
        ),
    ):
        follow(db, one, areas=("119",))
    with pytest.raises(
        Invalid,
        match=exactly(
            "Area “999” does not exist. Enter district or commune codes, for example 116 or 03646."
        ),
    ):
        follow(db, one, areas=("999",))


@pytest.mark.longer
def test_each_carrier_has_its_own_run_and_batch(db: Database) -> None:
    one = sent(db, {1: D.UNDELIVERED, 2: D.DELIVERED}, "vnpt")
    sent(db, {3: D.EXPIRED}, "viettel", into=one)
    sent(db, {4: D.DELIVERED}, "mobifone", into=one)
    found, again = (db.read(queries.dossier, follow(db, one)) for _ in range(2))
    assert [each.campaign.name.partition(" – ")[2] for each in (found, again)] == [
        "gửi tiếp lần 1",
        "gửi tiếp lần 2",
    ]
    assert [(run.carrier, run.subscribers) for run in found.runs] == [("viettel", 1), ("vnpt", 1)]
    assert found.follow_up is not None
    assert (found.follow_up.sources, found.follow_up.ready, found.follow_up.subscribers) == ([one], True, 2)
    seen = db.read(queries.dossier, found.campaign.id, "vnpt").follow_up
    assert seen is not None
    assert (seen.subscribers, [each.carrier for each in seen.batches]) == (1, ["vnpt"])


@pytest.mark.longer
def test_a_number_reached_by_another_source_or_unknown_there_is_not_in_it(db: Database) -> None:
    first = sent(db, dict.fromkeys(range(5), D.UNDELIVERED))
    second = sent(db, {0: D.DELIVERED, 1: D.UNKNOWN, 2: D.RELAYED, 3: D.UNDELIVERED}, "viettel")
    made = follow(db, first, second)
    assert audience(db, made) == [3, 4]
    # A number that both carriers failed to reach, as it was ported, goes by the carrier that had it last.
    own = {run.carrier: run.subscribers for run in db.read(queries.dossier, made).runs}
    assert own == {"vnpt": 1, "viettel": 1}
    begin(db, made)
    assert (in_state(db, made), left(db, made)) == ([3, 4], {})
    sound(db)


@pytest.mark.longer
def test_a_later_round_counts_though_only_the_first_is_named(db: Database) -> None:
    first = sent(db, dict.fromkeys(range(4), D.UNDELIVERED))
    second = follow(db, first)
    begin(db, second)
    for n, state in enumerate((D.DELIVERED, D.UNKNOWN, D.UNDELIVERED, D.SUBMITTED)):
        change(db, second, n, state)
    third = follow(db, first)  # the second still waits for receipts
    assert audience(db, third) == [2]


@pytest.mark.longer
def test_a_follow_up_of_a_follow_up_leaves_out_who_was_reached_in_either(db: Database) -> None:
    first = sent(db, dict.fromkeys(range(4), D.UNDELIVERED))
    second = follow(db, first)
    begin(db, second)
    for n in range(4):
        change(db, second, n, D.DELIVERED if n == 0 else D.EXPIRED)
    db.write(lambda c: c.execute(update(runs).values(state=RunState.FINISHED)))
    change(db, first, 1, D.DELIVERED)  # a receipt of the first round, weeks late
    third = follow(db, second)
    assert audience(db, third) == [2, 3]
    change(db, first, 2, D.DELIVERED)
    begin(db, third)
    assert (in_state(db, third), left(db, third)) == ([3], {NotSent.OTHER_ROUND: 1})
    sound(db)


@pytest.mark.longer
def test_who_is_reached_between_approval_and_queueing_is_left_out_and_counted(db: Database) -> None:
    one = sent(db, dict.fromkeys(range(6), D.UNDELIVERED))
    made = follow(db, one)
    approved(db, made)
    before = db.read(queries.dossier, made).digest
    change(db, one, 0, D.DELIVERED)
    change(db, one, 1, D.RELAYED)
    db.write(lambda c: c.execute(insert(do_not_send).values(_asked("vnpt", 1, 2))))
    assert db.read(queries.dossier, made).digest == before  # what was approved is what it was
    start(db, made)
    assert in_state(db, made) == [3, 4, 5]
    assert left(db, made) == {NotSent.OTHER_ROUND: 2, NotSent.DO_NOT_SEND: 1}
    run = db.read(queries.dossier, made).runs[0]
    assert (run.subscribers, run.not_queued, run.progress["excluded"].messages) == (6, 0, 3)
    sound(db)


@pytest.mark.longer
def test_nobody_is_added_after_the_audience_is_made(db: Database) -> None:
    one = sent(db, {1: D.UNDELIVERED, 2: D.DELIVERED, 3: D.UNKNOWN})
    made = follow(db, one)
    change(db, one, 2, D.UNDELIVERED)
    change(db, one, 3, D.EXPIRED)
    begin(db, made)
    assert in_state(db, made) == [1]


@pytest.mark.longer
def test_who_is_reached_after_queueing_is_not_sent_to(db: Database) -> None:
    one = sent(db, dict.fromkeys(range(4), D.UNDELIVERED))
    made = follow(db, one)
    begin(db, made)
    change(db, one, 0, D.DELIVERED)
    change(db, one, 1, D.QUEUED)  # what was unknown is queued again by a lost lease that has not sent it
    run = db.read(queries.dossier, made).runs[0].id
    ledger, link = ledger_for(db), past.link(db)
    lease = db.write(ledger.claim, link, [run], "link-1", 30.0)
    assert lease is not None
    assert [each.phone for each in lease.items] == [past.number(2), past.number(3)]
    assert in_state(db, made, D.NOT_SENT) == [0]
    assert in_state(db, made, D.QUEUED) == [1, 2, 3]  # of which the first waits for the other round
    change(db, one, 1, D.UNDELIVERED)
    sound(db)


@pytest.mark.longer
def test_two_follow_ups_of_one_campaign_never_both_take_a_number(db: Database) -> None:
    one = sent(db, dict.fromkeys(range(4), D.UNDELIVERED))
    mine, theirs = follow(db, one, who="lan"), follow(db, one, who="minh")
    assert audience(db, mine) == audience(db, theirs) == [0, 1, 2, 3]
    approved(db, mine)
    approved(db, theirs)
    start(db, theirs)
    start(db, mine)
    assert (in_state(db, theirs), in_state(db, mine)) == ([0, 1, 2, 3], [0, 1, 2, 3])
    run_ids = [db.read(queries.dossier, campaign).runs[0].id for campaign in (theirs, mine)]
    leases = [db.write(ledger_for(db).claim, past.link(db), [run], "x", 30.0) for run in run_ids]
    assert [(len(lease.items), lease.waiting) for lease in leases if lease] == [(0, 4), (4, 0)]
    sound(db)


@pytest.mark.longer
def test_two_rounds_that_are_both_queued_again_do_not_leave_a_number_out_of_each_other(db: Database) -> None:
    one = sent(db, {0: D.REJECTED})
    second = follow(db, one, outcomes=(Outcome.REJECTED,))
    begin(db, second)
    change(db, second, 0, D.REJECTED)
    db.write(lambda c: c.execute(update(runs).values(state=RunState.FINISHED)))
    third = follow(db, second, outcomes=(Outcome.REJECTED,))
    begin(db, third)
    change(db, second, 0, D.QUEUED)
    ledger, link = ledger_for(db), past.link(db)
    db.write(lambda c: c.execute(update(runs).values(state=RunState.RUNNING)))
    sent_to = []
    for campaign in (third, second):
        run = db.read(queries.dossier, campaign).runs[0].id
        lease = db.write(ledger.claim, link, [run], "link-1", 30.0)
        sent_to.append(len(lease.items) if lease else 0)
    assert sent_to == [0, 1]


@pytest.mark.longer
@other_by_hand
@pytest.mark.parametrize("came", [D.DELIVERED, D.SUBMITTED, D.UNKNOWN, D.QUEUED, D.UNDELIVERED])
def test_what_is_queued_again_in_a_source_waits_or_ends_where_its_follow_up_has_come_first(
    db: Database, came: D
) -> None:
    one = sent(db, {0: D.REJECTED, 1: D.REJECTED})
    made = follow(db, one, outcomes=(Outcome.REJECTED,))
    begin(db, made)
    change(db, made, 0, came)
    change(db, made, 1, D.REJECTED)
    for n in (0, 1):  # as a lost lease that has sent nothing leaves them
        change(db, one, n, D.QUEUED)
    again = {"campaign_id": one, "batch_id": 1, "first_seq": 2, "last_seq": 3, "run_id": 1, "watermark": 1}
    db.write(lambda c: c.execute(insert(chunks).values(again)))
    db.write(lambda c: c.execute(update(runs).values(state=RunState.RUNNING)))
    lease = db.write(ledger_for(db).claim, past.link(db), [1], "link-1", 30.0)
    assert lease is not None
    free = [0, 1] if came in (D.QUEUED, D.UNDELIVERED) else [1]
    assert [item.phone for item in lease.items] == [past.number(n) for n in free]
    assert in_state(db, one, D.NOT_SENT) == ([0] if came is D.DELIVERED else [])
    sound(db)


def _asked(carrier: str, *numbers: int) -> list[dict[str, Any]]:
    own = {"carrier": carrier, "added_at": 1, "added_by": "x"}
    return [{"phone": past.number(n), **own} for n in numbers]
