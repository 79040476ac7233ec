"""Checks that each message's journal is a way that the model of sending (docs/model) allows.

The ledger's journal of a drill is the trace: each answer of the carrier with the claim that it came under,
and each change that no answer records. What the carrier has taken stands beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, select

from app.core.phone import mask
from app.core.states import DeliveryState as State
from app.database.models import deliveries, state_events, submissions
from app.ledger.contract import ResultKind, StateEvent

_SHOWN = 3
_MANY = 10_000


class Step(StrEnum):
    """One step of a message, as a transaction of the ledger recorded it."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    PUT_OFF = "put off"
    LOST = "lost"
    SETTLED = "settled"
    REQUEUED = "queued again"
    WRITTEN_OFF = "written off"


# What the model lets happen in each state; the names of its transactions are those of docs/model/sending.pml.
_ALLOWED: Mapping[tuple[State, Step], tuple[State, ...]] = {
    (State.QUEUED, Step.ACCEPTED): (State.SUBMITTED,),
    (State.QUEUED, Step.REFUSED): (State.REJECTED,),
    (State.QUEUED, Step.PUT_OFF): (State.QUEUED, State.REJECTED),  # put off too often, it is rejected
    (State.QUEUED, Step.LOST): (State.UNKNOWN,),
    (State.UNKNOWN, Step.ACCEPTED): (State.SUBMITTED,),
    (State.UNKNOWN, Step.SETTLED): (State.SUBMITTED,),
    (State.UNKNOWN, Step.REFUSED): (State.REJECTED,),
    (State.UNKNOWN, Step.REQUEUED): (State.QUEUED,),
    (State.UNKNOWN, Step.WRITTEN_OFF): (State.UNKNOWN,),
}
# Where a message may stand when its last step left it in one of the model's states; receipts are not in it.
_RECEIVED = frozenset({State.SUBMITTED, State.RELAYED, State.DELIVERED, State.UNDELIVERED, State.EXPIRED})
_ENDS: Mapping[State, frozenset[State]] = {
    State.QUEUED: frozenset({State.QUEUED, State.NOT_SENT}),
    State.SUBMITTED: _RECEIVED,
    State.UNKNOWN: _RECEIVED | {State.UNKNOWN},
    State.REJECTED: frozenset({State.REJECTED}),
}
_OF_EVENT = {
    StateEvent.LOST: Step.LOST,
    StateEvent.REQUEUED: Step.REQUEUED,
    StateEvent.WRITTEN_OFF: Step.WRITTEN_OFF,
}


@dataclass(frozen=True, slots=True)
class Trace:
    """One message: its number, its steps with their times (ms since 1970), and where it stands."""

    phone: int
    steps: Sequence[tuple[int, Step]]
    state: State


def is_allowed(of: Trace, copies: int, *, by_time: bool = True) -> bool:
    """Return whether the model has a way through these steps with so many copies at the carrier.

    Steps of one millisecond may have come in any order; with by_time false, all of them: a clock was set.
    """
    return _goes(of, State.QUEUED, tuple(sorted(of.steps)), (copies, by_time), (0, 0, False))


# Copies that there must be, that there may be, and whether the lost one may be another.
_Count = tuple[int, int, bool]


def _goes(
    of: Trace, state: State, left: Sequence[tuple[int, Step]], asked: tuple[int, bool], count: _Count
) -> bool:
    """Try every order of the steps that are left."""
    copies, by_time = asked
    least, most, may_be = count
    if not left:
        return of.state in _ENDS[state] and least <= copies <= most + may_be
    first = [each for each in left if not by_time or each[0] == left[0][0]]
    for each in dict.fromkeys(first):
        rest = list(left)
        rest.remove(each)
        counted = _counted(each[1], count)
        if any(_goes(of, then, rest, asked, counted) for then in _ALLOWED.get((state, each[1]), ())):
            return True
    return False


def _counted(step: Step, count: _Count) -> _Count:
    """Count the carrier's copies: one accepted is one, a lost one may be one, and one refused is none."""
    least, most, _ = count
    if step in (Step.ACCEPTED, Step.SETTLED):
        return least + 1, most + 1, False
    if step is Step.LOST:
        return least, most, True
    return (least, most, False) if step in (Step.REFUSED, Step.REQUEUED) else count


def traces(connection: Connection) -> Iterator[Trace]:
    """Yield every message of the ledger with its journal, in the order of their keys."""
    d, s, e = deliveries.c, submissions.c, state_events.c
    key = attrgetter("campaign_id", "batch_id", "seq")
    sent = _grouped(
        connection, select(s.campaign_id, s.batch_id, s.seq, s.attempt, s.at, s.result), submissions
    )
    state_changes = _grouped(connection, select(e.campaign_id, e.batch_id, e.seq, e.at, e.kind), state_events)
    columns = (d.campaign_id, d.batch_id, d.seq, d.phone, d.state)
    answers, events = next(sent, None), next(state_changes, None)
    for row in _streamed(connection, select(*columns).order_by(*columns[:3])):
        steps: list[tuple[int, Step]] = []
        if answers is not None and answers[0] == key(row):
            steps += _answers(answers[1])
            answers = next(sent, None)
        if events is not None and events[0] == key(row):
            steps += [(event.at, _OF_EVENT[event.kind]) for event in events[1] if event.kind in _OF_EVENT]
            events = next(state_changes, None)
        yield Trace(row.phone, steps, State(row.state))


def _grouped(connection: Connection, query: Any, table: Any) -> Iterator[tuple[Any, list[Any]]]:
    c = table.c
    rows = _streamed(connection, query.order_by(c.campaign_id, c.batch_id, c.seq))
    for key, some in groupby(rows, attrgetter("campaign_id", "batch_id", "seq")):
        yield key, list(some)


def _streamed(connection: Connection, query: Any) -> Iterator[Any]:
    return iter(connection.execution_options(stream_results=True, yield_per=_MANY).execute(query))


def _answers(rows: Iterable[Any]) -> Iterator[tuple[int, Step]]:
    """Yield the answer of each claim: of a message in parts, the one that says most about it."""
    by_claim: dict[tuple[int, bool], list[Any]] = {}
    for row in rows:
        by_claim.setdefault((row.attempt, row.result == ResultKind.SETTLED), []).append(row)
    for some in by_claim.values():
        results, at = {row.result for row in some}, min(row.at for row in some)
        if ResultKind.SETTLED in results:
            yield at, Step.SETTLED
        elif ResultKind.UNKNOWN in results:  # stands in the journal as lost as well
            continue
        elif ResultKind.ACCEPTED in results:
            yield at, Step.ACCEPTED
        elif ResultKind.REJECTED in results:
            yield at, Step.REFUSED
        else:
            yield at, Step.PUT_OFF


def check(
    connection: Connection, copies: Mapping[int, int], *, by_time: bool = True
) -> tuple[int, list[str]]:
    """Return how many messages were looked at, and a sentence where the model has no way for some."""
    looked, wrong = 0, list[Trace]()
    for each in traces(connection):
        looked += 1
        if not is_allowed(each, copies.get(each.phone, 0), by_time=by_time):
            wrong.append(each)
    if not wrong:
        return looked, []
    shown = "; ".join(_said(each, copies.get(each.phone, 0)) for each in wrong[:_SHOWN])
    return looked, [f"{len(wrong):,} messages went a way that the model of sending does not have: {shown}."]


def _said(of: Trace, copies: int) -> str:
    steps = ", ".join(step for _, step in sorted(of.steps)) or "nothing"
    return f"{mask(of.phone)} ({steps}; {of.state.name.lower()}, {copies} at the carrier)"
