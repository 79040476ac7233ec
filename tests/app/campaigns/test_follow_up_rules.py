"""What can be followed up and when, who approves it, and that its audience is made once and kept."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update

from app.batches.follow_up_job import make_here
from app.batches.importer import folder_of, resume_imports
from app.campaigns import approval, follow_ups, lifecycle, queries
from app.campaigns.approval import FourEyes
from app.campaigns.follow_ups import FollowUpRequest
from app.core.errors import AppError, Conflict, Invalid, NotFound
from app.core.states import BatchState, NotSent, RunState
from app.database.connection import Database
from app.database.models import (
    batches,
    deliveries,
    erasures,
    follow_up_sources,
    links,
    submissions,
    subscribers,
)
from app.database.models import follow_ups as follow_up_batches
from app.file_import.leased_import import FOLLOW_UP
from app.ledger import unreached
from app.ledger.ledger import ledger_for
from app.ledger.unreached import MAY_BE_COPIES, Cause, Outcome
from app.security import Caller
from carriers.contract import Reason
from tests.app.campaigns import past
from tests.app.campaigns.past import D, approved, audience, change, follow, in_state, sent, start
from tests.app.campaigns.rows import DRAFT, HOURS, amend
from tests.app.held import held_by
from tests.engines import on_sqlite
from tests.exact import exactly


@on_sqlite
@pytest.mark.parametrize("state", ["running", "paused", "cancelling", "sent", "finished", "cancelled"])
def test_who_has_failed_is_followed_up_while_the_others_wait(db: Database, state: str) -> None:
    one = sent(db, {1: D.UNDELIVERED, 2: D.SUBMITTED, 3: D.QUEUED}, state=state)
    now = db.read(ledger_for(db).now_ms)
    db.write(lambda c: c.execute(update(deliveries).values(submitted_at=now)))
    assert audience(db, follow(db, one)) == ([1, 2] if state == "finished" else [1])


@on_sqlite
def test_a_campaign_that_has_not_been_started_has_nobody_to_follow_up(db: Database) -> None:
    with pytest.raises(Invalid, match="There is no one to follow up"):
        follow(db, sent(db, {1: D.UNDELIVERED}, state="planned"))


@pytest.mark.longer
@pytest.mark.parametrize(("confirmed", "is_right"), [(None, False), (1, False), (2, True), (3, False)])
def test_how_many_may_get_a_second_copy_is_confirmed_by_the_number(
    db: Database, confirmed: int | None, is_right: bool
) -> None:
    one = sent(db, {1: D.UNKNOWN, 2: (D.UNKNOWN, NotSent.WRITTEN_OFF), 3: D.UNDELIVERED})
    wanted = {"outcomes": (Outcome.UNDELIVERED, *MAY_BE_COPIES), "second_copies": confirmed}
    if is_right:
        assert audience(db, follow(db, one, **wanted)) == [1, 2, 3]
        return
    with pytest.raises(Conflict, match=r"the messages to 2 of these people.*enter the number 2"):
        follow(db, one, **wanted)


@pytest.mark.longer
def test_reasons_by_which_nobody_would_be_reached_are_left_out_unless_chosen(db: Database) -> None:
    one = sent(
        db,
        {
            1: (D.UNDELIVERED, Reason.HANDSET),
            2: (D.UNDELIVERED, Reason.NO_SUCH_NUMBER),
            3: (D.UNDELIVERED, Reason.BARRED),
            4: (D.REJECTED, Reason.OTHER_NETWORK),
            5: (D.REJECTED, Reason.FILTERED),
        },
    )
    assert audience(db, follow(db, one)) == [1]
    both = (Outcome.UNDELIVERED, Outcome.REJECTED)
    assert audience(db, follow(db, one, outcomes=both)) == [1, 5]
    chosen = (Cause(Outcome.UNDELIVERED, Reason.BARRED), Cause(Outcome.REJECTED))
    assert audience(db, follow(db, one, outcomes=(), causes=chosen)) == [3, 4, 5]


@pytest.mark.longer
def test_what_is_counted_is_what_a_follow_up_gets_net_of_the_one_under_way(db: Database) -> None:
    """Offer, form, audience and queue: one number."""
    numbers: dict[int, Any] = dict.fromkeys(range(60), (D.UNDELIVERED, Reason.HANDSET))
    numbers |= dict.fromkeys(range(60, 130), (D.UNDELIVERED, Reason.NO_SUCH_NUMBER))
    one = sent(db, numbers)
    under_way = follow(db, one, areas=("116",))
    past.begin(db, under_way)
    busy = len(audience(db, under_way))
    assert busy == 20
    usual = [count for count in db.read(unreached.counts, [one]) if count.usual]
    assert [(count.messages, count.subscribers) for count in usual] == [(60, 60 - busy)]
    made = follow(db, one)
    assert len(audience(db, made)) == 60 - busy
    past.begin(db, made)
    assert (len(in_state(db, made)), past.left(db, made)) == (60 - busy, {})


@pytest.mark.longer
@pytest.mark.parametrize(
    ("code", "is_free"),
    [("45", True), ("", True), ("Duplicate message", False), ("TIN TRÙNG", False), ("ĐÃ GỬI", False)],
)
def test_what_the_carrier_calls_a_duplicate_is_in_no_follow_up(
    db: Database, code: str, is_free: bool
) -> None:
    one = sent(db, {1: (D.REJECTED, Reason.FILTERED)})
    row = {"campaign_id": one, "batch_id": 1, "seq": 2, "attempt": 1, "part": 0, "at": 1, "link_id": 1}
    row |= {"group_id": 1, "result": 2, "code": code or None}
    db.write(lambda c: c.execute(insert(submissions).values(row)))
    [count] = db.read(unreached.counts, [one])
    assert (count.cause.code, count.messages, count.subscribers) == (code, 1, int(is_free))
    assert unreached.says_duplicate(code) is not is_free
    cause = Cause(Outcome.REJECTED, Reason.FILTERED, code)
    if is_free:
        assert audience(db, follow(db, one, outcomes=(), causes=(cause,))) == [1]
        return
    with pytest.raises(Invalid, match="There is no one to follow up"):
        follow(db, one, outcomes=(), causes=(cause,))


@pytest.mark.parametrize(
    "text", ["undelivered", "rejected:filtered", "rejected:system:", "rejected:system:a:b", "unknown"]
)
def test_a_cause_is_read_as_it_is_written(text: str) -> None:
    assert Cause.read(text).spelt() == text


@pytest.mark.parametrize("text", ["", "lost", "rejected:", "rejected:wet", "unknown:system", ":filtered"])
def test_what_is_no_cause_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a valid Outcome|rejected:|unknown:"):
        Cause.read(text)


@pytest.mark.longer
def test_a_carrier_without_receipts_proves_nothing_so_its_messages_are_accepted_ones(db: Database) -> None:
    one = sent(db, {1: D.SUBMITTED})
    db.write(lambda c: c.execute(update(links).values(receipt_level=0)))
    with pytest.raises(Invalid, match="There is no one to follow up"):
        follow(db, one)
    assert audience(db, follow(db, one, outcomes=(Outcome.ACCEPTED,))) == [1]


@pytest.mark.longer
def test_an_empty_audience_is_said_and_is_never_submitted(db: Database) -> None:
    one = sent(db, {1: D.UNDELIVERED})
    made = db.write(follow_ups.create, FollowUpRequest((one,)), HOURS, "lan")
    change(db, one, 1, D.DELIVERED)  # before its audience is made
    past.fill(db)
    found = db.read(queries.dossier, made)
    assert found.follow_up is not None
    assert not found.follow_up.ready
    assert "No subscribers remain at vnpt" in (found.follow_up.batches[0].error or "")
    with pytest.raises(
        Conflict,
        match=exactly(
            "No subscribers remain at vnpt: everyone in the chosen outcomes and areas was or may "
            "have been reached, or is on the do-not-send list. Remove this run or withdraw the "
            "campaign."
        ),
    ):
        db.write(lifecycle.submit, made, "lan")
    db.write(lifecycle.remove_run, found.runs[0].id, "lan")
    assert db.read(queries.dossier, made).follow_up is None


@pytest.mark.longer
@on_sqlite
def test_it_is_not_submitted_before_its_audience_is_made(db: Database) -> None:
    made = db.write(follow_ups.create, FollowUpRequest((sent(db, {1: D.EXPIRED}),)), HOURS, "lan")
    with pytest.raises(
        Conflict, match=exactly("Batch 2 is still being created. Submit the campaign when it is ready.")
    ):
        db.write(lifecycle.submit, made, "lan")
    past.fill(db)
    db.write(lifecycle.submit, made, "lan")


@pytest.mark.longer
@on_sqlite
def test_what_can_be_no_source_is_refused_in_a_sentence(db: Database) -> None:
    one = sent(db, {1: D.UNDELIVERED})
    draft = db.write(lifecycle.create, DRAFT, HOURS, "lan")
    for sources, error, said in (
        ((), Invalid, "between 1 and 100 campaigns"),
        (tuple(range(1, 102)), AppError, "There is no campaign|between 1 and 100"),
        ((one, 77), NotFound, "77"),
        ((draft,), Invalid, "Campaign 2 has no run with a list of numbers, so Loa does not know"),
    ):
        with pytest.raises(error, match=said):
            follow(db, *sources)
    with pytest.raises(Invalid, match="at least one outcome"):
        follow(db, one, outcomes=())
    with pytest.raises(
        Invalid,
        match=exactly(
            "There is no one to follow up with the chosen outcomes in the chosen areas: they have been "
            "reached, another follow-up is writing to them, receipts for them may still arrive, or they are "
            "on the do-not-send list."
        ),
    ):
        follow(db, one, outcomes=(Outcome.EXPIRED,))


def erase(db: Database, campaign: int) -> None:
    row = {"kind": "campaign", "subject_id": campaign, "name": "x", "rule": "x", "days": 1, "due_at": 1}
    row |= {"counts": {}, "totals": [], "by": "x", "started_at": 1}
    db.write(lambda c: c.execute(insert(erasures).values(row)))


@pytest.mark.longer
@on_sqlite
def test_an_erased_campaign_is_no_source_before_making_nor_before_the_start(db: Database) -> None:
    one, two = sent(db, {1: D.UNDELIVERED}), sent(db, {2: D.UNDELIVERED}, "viettel")
    made = follow(db, one)
    approved(db, made)
    asked = db.write(follow_ups.create, FollowUpRequest((two,)), HOURS, "lan")
    erase(db, one)
    erase(db, two)
    with pytest.raises(Conflict, match=f"Campaign {one}'s numbers have been erased"):
        follow(db, one)
    with pytest.raises(Conflict, match=f"Campaign {one}'s numbers have been erased"):
        start(db, made)
    past.fill(db)
    found = db.read(queries.dossier, asked).follow_up
    assert found is not None
    assert f"Campaign {two}'s numbers have been erased" in (found.batches[0].error or "")


@pytest.mark.longer
@on_sqlite
def test_neither_who_made_it_nor_who_gave_the_lists_approves_it(db: Database) -> None:
    one = sent(db, {1: D.UNDELIVERED})
    db.write(lambda c: c.execute(update(batches).values(again_by=["courier", "clerk"])))
    made = follow(db, one)
    db.write(lifecycle.submit, made, "anh")
    for who in ("lan", "anh", "supplier", "courier", "clerk"):
        with pytest.raises(FourEyes):
            db.write(approval.approve, made, Caller(who, "approver"))
    db.write(approval.approve, made, Caller("boss", "approver"))


@pytest.mark.longer
@on_sqlite
def test_an_edit_after_the_approval_voids_it(db: Database) -> None:
    made = follow(db, sent(db, {1: D.UNDELIVERED}))
    approved(db, made)
    db.write(amend, made, {"text": "Khac."}, HOURS, "lan")
    with pytest.raises(Conflict, match="The campaign is draft"):
        start(db, made)
    assert db.read(queries.dossier, made).decisions[-1].decision == "voided"


def other_rows(c: Any) -> None:
    c.execute(update(subscribers).where(subscribers.c.batch_id == 2).values(phone=past.number(9)))


def other_outcomes(c: Any) -> None:
    c.execute(update(follow_up_batches).values(outcomes=["undelivered", "accepted", "written_off"]))


def other_sources(c: Any) -> None:
    c.execute(delete(follow_up_sources))


@pytest.mark.longer
@on_sqlite
@pytest.mark.parametrize("alter", [other_rows, other_outcomes, other_sources])
def test_an_audience_altered_in_the_database_is_never_queued(db: Database, alter: Any) -> None:
    made = follow(db, sent(db, {1: D.UNDELIVERED}))
    approved(db, made)
    db.write(alter)
    start(db, made)
    assert in_state(db, made) == []
    assert db.read(queries.dossier, made).runs[0].state == RunState.PAUSED


@pytest.mark.longer
def test_many_lines_are_taken_range_by_range_once_each(db: Database, monkeypatch: Any) -> None:
    one = sent(db, {n: D.UNDELIVERED if n % 3 else D.DELIVERED for n in range(50)})
    two = sent(db, dict.fromkeys(range(25, 60), D.EXPIRED), "viettel")
    monkeypatch.setattr("app.batches.follow_up_job.LINES", 7)
    made = follow(db, one, two)
    assert audience(db, made) == [n for n in range(60) if n % 3 or n >= 50]
    rows = db.read(lambda c: c.execute(select(batches).where(batches.c.id > 2)).all())
    assert {row.state for row in rows} == {BatchState.READY}
    assert all(row.accepted == row.lines for row in rows)


@pytest.mark.longer
def test_a_made_audience_is_not_made_again_and_a_broken_off_one_from_the_beginning(db: Database) -> None:
    one = sent(db, dict.fromkeys(range(5), D.UNDELIVERED))
    made = db.write(follow_ups.create, FollowUpRequest((one,)), HOURS, "lan")
    db.write(lambda c: c.execute(insert(subscribers).values(batch_id=2, seq=1, phone=past.number(77))))
    broken = {"lines": 1, "accepted": 1}
    db.write(lambda c: c.execute(update(batches).where(batches.c.id == 2).values(broken)))
    held_by(db, FOLLOW_UP, "batch 2", "h:1:x:y", lease_ms=-1)
    past.fill(db)
    assert audience(db, made) == [0, 1, 2, 3, 4]
    change(db, one, 1, D.DELIVERED)
    assert not make_here(db, 2)
    assert audience(db, made) == [0, 1, 2, 3, 4]


def test_a_start_after_a_kill_gives_no_audience_up_for_want_of_a_file(db: Database, tmp_path: Path) -> None:
    one = sent(db, dict.fromkeys(range(5), D.UNDELIVERED))
    made = db.write(follow_ups.create, FollowUpRequest((one,)), HOURS, "lan")
    gone = f"{socket.gethostname()[:40]}:{2**22 - 1}:abcd:ef"
    held_by(db, FOLLOW_UP, "batch 2", gone, lease_ms=-1)
    assert resume_imports(db, folder_of(tmp_path)) == 0
    past.fill(db)
    assert audience(db, made) == [0, 1, 2, 3, 4]


@pytest.mark.prove
@pytest.mark.longer
@on_sqlite
def test_the_hundredth_round_knows_the_first(db: Database) -> None:
    rounds = [
        sent(db, {n: D.UNDELIVERED, 200: D.DELIVERED if n == 50 else D.UNDELIVERED}) for n in range(100)
    ]
    made = follow(db, *rounds)
    assert audience(db, made) == list(range(100))
