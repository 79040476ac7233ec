"""What is recorded of each answer: the delivery's parts and faults, and a row for each part."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from app.core.states import DeliveryState
from app.database.connection import Database
from app.database.models import state_events, submissions, unknowns
from app.ledger.contract import ResultKind, StateEvent, SubmitOutcome
from carriers.contract import Accepted, Deferred, Halted, Partial, Reason, Rejected, SubmitResult, Unknown
from tests.app.world import World, build
from tests.engines import by_default

database_url = by_default

S, R, U, Q = (
    DeliveryState.SUBMITTED,
    DeliveryState.REJECTED,
    DeliveryState.UNKNOWN,
    DeliveryState.QUEUED,
)
OK, NO = ResultKind.ACCEPTED, ResultKind.REJECTED


def answered(db: Database, result: SubmitResult, *, one_receipt: bool = False) -> World:
    """A message of three parts, answered so."""
    world = build(db, 1)
    world.link = replace(world.link, one_receipt=one_receipt)
    db.write(world.ledger.open_campaign, world.campaign)
    db.write(world.ledger.fan_out, world.run, world.batch, 3, 10)
    lease = world.claim()
    assert lease
    outcomes = [SubmitOutcome(lease.items[0], result)]
    db.write(world.ledger.record, world.link, lease, outcomes, None, 30.0)
    return world


def rows(db: Database, table: Any) -> list[Any]:
    return list(db.read(lambda c: c.execute(select(table)).all()))


@pytest.mark.parametrize(
    ("result", "state", "parts", "failed", "faults", "attempts"),
    [
        (Accepted(("a", "b")), S, 2, 0, 0, 0),
        (Accepted(()), S, 1, 0, 0, 0),
        (Partial(("a", None, "c"), (1,), "0x65", Reason.FILTERED), S, 3, 0b010, 0, 0),
        (Rejected("0x0B", Reason.NO_SUCH_NUMBER), R, 1, 1, 0, 0),
        (Unknown("no answer"), U, 3, 0, 0, 0),
        (Unknown("no answer", ("a", None)), U, 2, 0, 0, 0),
        (Deferred("0x58", counts=False), Q, 3, 0, 0, 1),
        (Deferred("0x08", counts=True), Q, 3, 0, 1, 1),
        (Halted("0x0E", "the password is wrong"), Q, 3, 0, 0, 1),
    ],
)
def test_a_delivery_has_the_parts_and_faults_that_its_answer_tells(
    db: Database, result: SubmitResult, state: int, parts: int, failed: int, faults: int, attempts: int
) -> None:
    world = answered(db, result)
    row = world.delivery(2)
    reason = result.reason if isinstance(result, Partial | Rejected) else 0
    assert (row["state"], row["reason"]) == (state, reason)
    assert (row["parts"], row["failed"], row["faults"], row["attempts"]) == (parts, failed, faults, attempts)
    assert (row["submitted_at"] is None) == (state == Q)
    world.check()


def test_an_unknown_over_a_link_with_one_receipt_waits_for_one(db: Database) -> None:
    assert answered(db, Unknown("no answer"), one_receipt=True).delivery(2)["parts"] == 1


@pytest.mark.parametrize(
    ("result", "kinds", "said"),
    [
        (Accepted(("a", "b")), [(OK, "a"), (OK, "b")], (None, None)),
        (Accepted(()), [(OK, None)], (None, None)),
        (Partial(("a", None), (1,), "0x65", Reason.FILTERED), [(OK, "a"), (NO, None)], ("0x65", None)),
        (Rejected("c" * 90, Reason.FILTERED), [(NO, None)], ("c" * 80, None)),
        (Rejected("1", Reason.FILTERED, "vnpt"), [(NO, None)], ("1", "vnpt")),
        (Deferred("0x58"), [(ResultKind.DEFERRED, None)], ("0x58", None)),
        (Halted("0x0E", "why"), [(ResultKind.HALTED, None)], ("0x0E", None)),
        (Unknown("no answer", ("a", None)), [(ResultKind.UNKNOWN, "a"), (ResultKind.UNKNOWN, None)], None),
    ],
)
def test_each_part_has_a_row_with_what_was_said_of_it(
    db: Database, result: SubmitResult, kinds: list[tuple[int, str | None]], said: tuple[Any, Any] | None
) -> None:
    world = answered(db, result)
    found = rows(db, submissions)
    assert [(row.result, row.reference) for row in found] == kinds
    assert [row.part for row in found] == list(range(len(kinds)))
    own = {(row.campaign_id, row.batch_id, row.seq, row.attempt, row.link_id) for row in found}
    assert own == {(world.campaign, world.batch, 2, 1, world.link.id)}
    assert {(row.code, row.network) for row in found} == {said or (None, None)}


def test_a_message_refused_in_part_and_a_lost_one_are_events_of_the_journal(db: Database) -> None:
    answered(db, Partial(("a", None), (1,), "0x65", Reason.FILTERED))
    (event,) = rows(db, state_events)
    assert (event.kind, event.reason) == (StateEvent.PARTLY, Reason.FILTERED)
    assert rows(db, unknowns) == []


def test_a_refusal_of_what_was_sent_once_is_none(db: Database) -> None:
    answered(db, Rejected("1", Reason.FILTERED))
    assert rows(db, state_events) == []


def test_a_lost_answer_is_listed_with_the_beginning_of_its_reason(db: Database) -> None:
    answered(db, Unknown("w" * 300))
    (event,), (listed,) = rows(db, state_events), rows(db, unknowns)
    assert (event.kind, event.reason, event.submitted_at) == (StateEvent.LOST, 0, None)
    assert (listed.why, listed.attempt, listed.written_off_by) == ("w" * 200, 1, None)
