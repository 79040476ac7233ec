"""Journals that the model of sending allows, and forged ones that it does not."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, insert, select, update

from app.core.states import DeliveryState as State
from app.database.connection import Database
from app.database.models import deliveries, state_events, submissions
from app.ledger.contract import ResultKind, StateEvent
from tests.app.world import build
from tests.drill.trace_check import Step, Trace, check, is_allowed

A, R, P, L, S, Q, W = (
    Step.ACCEPTED,
    Step.REFUSED,
    Step.PUT_OFF,
    Step.LOST,
    Step.SETTLED,
    Step.REQUEUED,
    Step.WRITTEN_OFF,
)


def trace(state: State, *steps: Step) -> Trace:
    return Trace(84_900_000_000, [(at, step) for at, step in enumerate(steps)], state)


@pytest.mark.parametrize(
    ("steps", "state", "copies"),
    [
        ((), State.NOT_SENT, 0),
        ((A,), State.SUBMITTED, 1),
        ((A,), State.DELIVERED, 1),
        ((R,), State.REJECTED, 0),
        ((P, P, A), State.DELIVERED, 1),
        ((P, P, P, P, P), State.REJECTED, 0),
        ((L,), State.UNKNOWN, 0),
        ((L,), State.UNKNOWN, 1),
        ((L,), State.DELIVERED, 1),  # by its receipt
        ((L, A), State.DELIVERED, 1),  # the answer came after the lease was over
        ((L, S), State.DELIVERED, 1),
        ((L, R), State.REJECTED, 0),
        ((L, Q, A), State.DELIVERED, 1),
        ((L, Q, A), State.DELIVERED, 2),  # a person took the risk
        ((L, W), State.UNKNOWN, 1),
        ((R, Q, A), State.DELIVERED, 1),
        ((L, Q, R), State.DELIVERED, 1),  # a duplicate to the carrier, which had taken the first
    ],
)
def test_what_the_model_allows_passes(steps: tuple[Step, ...], state: State, copies: int) -> None:
    assert is_allowed(trace(state, *steps), copies)


@pytest.mark.parametrize(
    ("steps", "state", "copies"),
    [
        ((A,), State.DELIVERED, 2),  # two copies of one sending
        ((A,), State.DELIVERED, 0),  # claimed, and the carrier never had it
        ((R,), State.REJECTED, 1),  # denied, and the carrier has it
        ((P,), State.QUEUED, 1),  # called not taken, and it was
        ((), State.QUEUED, 1),  # sent before it was reserved
        ((L,), State.UNKNOWN, 2),
        ((A, A), State.DELIVERED, 2),  # sent again after an acceptance
        ((A, L), State.UNKNOWN, 1),
        ((A, Q, A), State.DELIVERED, 2),  # queued again although nothing was unknown
        ((L, Q, A), State.DELIVERED, 3),
        ((L, Q), State.UNKNOWN, 0),
        ((W,), State.UNKNOWN, 0),
        ((L,), State.REJECTED, 0),
        ((R,), State.DELIVERED, 0),
        ((P,), State.DELIVERED, 1),
    ],
)
def test_what_the_model_does_not_allow_is_found(steps: tuple[Step, ...], state: State, copies: int) -> None:
    assert not is_allowed(trace(state, *steps), copies)


def test_steps_of_one_millisecond_may_stand_in_any_order_and_others_only_where_a_clock_was_set() -> None:
    mixed = Trace(84_900_000_000, [(5, Q), (5, L), (5, A)], State.DELIVERED)
    assert is_allowed(mixed, 1)
    backwards = Trace(84_900_000_000, [(4, A), (5, Q), (6, L)], State.DELIVERED)
    assert not is_allowed(backwards, 1)
    assert is_allowed(backwards, 1, by_time=False)


@pytest.mark.longer
def test_the_ledger_s_own_journal_is_read_and_wrong_ones_are_told_without_their_numbers(db: Database) -> None:
    world = build(db, 4)
    world.fan_out()
    key = {"campaign_id": world.campaign, "batch_id": world.batch}
    answer = key | {"attempt": 1, "part": 0, "at": 10, "link_id": 1, "group_id": 1}
    results = (ResultKind.ACCEPTED, ResultKind.REJECTED, ResultKind.UNKNOWN, ResultKind.DEFERRED)
    states = (State.DELIVERED, State.REJECTED, State.UNKNOWN, State.QUEUED)

    def write(connection: Connection) -> list[int]:
        rows = connection.execute(
            select(deliveries.c.seq, deliveries.c.phone).order_by(deliveries.c.seq)
        ).all()
        for row, result, state in zip(rows, results, states, strict=True):
            connection.execute(insert(submissions).values(answer | {"seq": row.seq, "result": int(result)}))
            one = update(deliveries).where(deliveries.c.seq == row.seq)
            connection.execute(one.values(state=int(state)))
        lost = {"seq": rows[2].seq, "at": 10, "kind": int(StateEvent.LOST)}
        connection.execute(insert(state_events).values(key | lost))
        return [row.phone for row in rows]

    phones = db.write(write)
    assert db.read(check, {phones[0]: 1}) == (4, [])
    assert db.read(check, {phones[0]: 1, phones[2]: 1}) == (4, [])
    looked, (sentence,) = db.read(check, {phones[0]: 2, phones[3]: 1})
    assert looked == 4
    assert sentence.startswith("2 messages went a way that the model of sending does not have: 8491*****")
    assert "(put off; queued, 1 at the carrier)" in sentence
    assert not any(str(phone) in sentence for phone in phones)
