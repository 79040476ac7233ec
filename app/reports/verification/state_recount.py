"""Recounts delivery states from receipts and submissions, and compares them with the rows.

The database groups a batch's deliveries by stored columns and journal; such groups are few, whatever the
number of deliveries, and each is judged here by the rules of app/core/states.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Subquery,
    and_,
    case,
    distinct,
    func,
    literal,
    or_,
    select,
)

from app.core.states import FAILED, RECEIVED, DeliveryState, DeliveryStatus, NotSent, conclude
from app.database.models import deliveries, receipts, state_events, submissions
from app.ledger.contract import ResultKind, StateEvent
from carriers.contract import Reason, ReceiptLevel, ReceiptStatus
from carriers.phrases import Phrase

_UNSETTLED = -1


class Group(NamedTuple):
    """Deliveries alike in stored columns, receipts and submissions.

    resends: times persons had them sent again, unknown or rejected, which clears what came before.
    """

    state: int
    reason: int
    parts: int
    delivered: int
    relayed: int
    failed: int
    receipts_delivered: int
    receipts_relayed: int
    receipts_failed: int
    on_the_way: int
    worst: int
    refused: int
    accepted: int
    unknown: int
    settled: int
    deferred: int
    resends: int
    written_off: int  # its reason took the place of that of the parts which had failed before
    n: int
    seq: int


def recount_states(connection: Connection, campaign_id: int, batch_id: int) -> Iterator[tuple[int, str]]:
    """Yield (messages, sentence) for each group of the batch's deliveries whose row and journal disagree.

    A group that has several sentences is counted with its first one.
    """
    for row in connection.execute(_groups(campaign_id, batch_id)):
        group = Group(*(int(value) for value in row))
        for nth, trouble in enumerate(_judge(group)):
            state = DeliveryState(group.state).name
            said = Phrase(
                "{n} deliveries (the first: line {line}) are recorded as {state}, but {why}.",
                n=group.n,
                line=group.seq,
                state=state,
                why=trouble,
            )
            yield (0 if nth else group.n), said


def _judge(group: Group) -> Iterator[str]:
    yield from _judge_submissions(group)
    yield from _judge_masks(group)
    yield from _judge_state(group)


def _judge_submissions(group: Group) -> Iterator[str]:
    known = group.accepted or group.unknown or group.settled
    match DeliveryState(group.state):
        case DeliveryState.QUEUED | DeliveryState.NOT_SENT if group.accepted and not group.unknown:
            yield "a submission says that the carrier accepted them"
        case DeliveryState.SUBMITTED if not (group.accepted or group.settled or group.on_the_way):
            yield "no submission says that the carrier accepted them"
        case DeliveryState.REJECTED if not (group.refused or group.deferred):
            yield "no submission says that the carrier rejected them"
        case (
            DeliveryState.UNDELIVERED
            | DeliveryState.EXPIRED
            | DeliveryState.RELAYED
            | DeliveryState.DELIVERED
        ):
            if not (known or group.refused):
                yield "they were never submitted"


def _judge_masks(group: Group) -> Iterator[str]:
    pairs = (
        ("delivered", group.delivered, group.receipts_delivered),
        ("relayed", group.relayed, group.receipts_relayed),
        ("failed", group.failed, group.receipts_failed | group.refused),
    )
    for name, stored, journal in pairs:
        if name == "failed" and group.state == DeliveryState.REJECTED:
            continue  # rejected as a whole, whatever its number of parts
        extra = stored & ~journal
        if extra or (stored != journal and not group.resends):
            yield Phrase(
                "their parts recorded as {name} are {stored} in the row and {journal} in the journal",
                name=name,
                stored=f"{stored:b}",
                journal=f"{journal:b}",
            )


def _judge_state(group: Group) -> Iterator[str]:
    """Check that the stored masks give the stored state, and that the reason is the worst received."""
    bare = DeliveryStatus(_UNSETTLED, group.reason, group.parts)
    made = conclude(bare, group.delivered, group.relayed, group.failed, group.reason)
    settled = made.state != _UNSETTLED
    by_receipts = group.state in (*RECEIVED, DeliveryState.UNDELIVERED, DeliveryState.EXPIRED)
    if group.state == DeliveryState.REJECTED:
        if made.state in RECEIVED:
            yield Phrase("their parts make them {state}", state=DeliveryState(made.state).name)
    elif settled and made.state != group.state:
        yield Phrase("their parts make them {state}", state=DeliveryState(made.state).name)
    elif by_receipts and not settled:
        yield "not all of their parts are settled"
    if group.state in RECEIVED and group.reason != Reason.NONE:
        yield Phrase("they have the failure reason {reason}", reason=group.reason)
    if _reason_differs(group):
        yield Phrase(
            "their recorded reason is {reason}, but the worst reason in their receipts is {worst}",
            reason=group.reason,
            worst=group.worst,
        )


def _reason_differs(group: Group) -> bool:
    comparable = group.state in FAILED and group.state != DeliveryState.REJECTED
    if not comparable or group.refused or group.resends or group.reason >= NotSent.CANCELLED:
        return False
    return group.reason > group.worst if group.written_off else group.reason != group.worst


def _groups(campaign_id: int, batch_id: int) -> Select[*tuple[Any, ...]]:
    d = deliveries.c
    reported = _reported(campaign_id, batch_id)
    sent = _submitted(campaign_id, batch_id)
    stored = (d.state, d.reason, d.parts, d.delivered, d.relayed, d.failed)
    journal = [func.coalesce(c, 0) for c in (*reported.c, *sent.c) if c.name != "seq"]
    ordered = _ordered(campaign_id, batch_id)
    joined = deliveries.outerjoin(reported, reported.c.seq == d.seq).outerjoin(sent, sent.c.seq == d.seq)
    decided = (d.resends + func.coalesce(ordered.c.n, 0), func.coalesce(ordered.c.written_off, 0))
    return (
        select(*stored, *journal, *decided, func.count(), func.min(d.seq))
        .select_from(joined.outerjoin(ordered, ordered.c.seq == d.seq))
        .where(d.campaign_id == campaign_id, d.batch_id == batch_id)
        .group_by(*stored, *journal, *decided)
    )


def _ordered(campaign_id: int, batch_id: int) -> Subquery:
    """Count by delivery how often it was rejected and an order had it sent again; say whether written off."""
    t = state_events.c
    again = and_(t.kind == StateEvent.REQUEUED, t.reason > Reason.NONE)
    written_off = t.kind == StateEvent.WRITTEN_OFF
    columns = (func.sum(case((again, 1), else_=0)).label("n"), _any(written_off).label("written_off"))
    query = select(t.seq, *columns).where(t.campaign_id == campaign_id, t.batch_id == batch_id)
    return query.where(or_(again, written_off)).group_by(t.seq).subquery("ordered")


def _reported(campaign_id: int, batch_id: int) -> Subquery:
    """Group receipts by delivery: a mask of parts per outcome, and the worst reason."""
    r = receipts.c
    good = r.status == ReceiptStatus.DELIVERED.value
    bad = r.status.in_([ReceiptStatus.UNDELIVERED.value, ReceiptStatus.EXPIRED.value])
    handset = r.level == ReceiptLevel.HANDSET
    unnamed = case((r.status == ReceiptStatus.EXPIRED.value, int(Reason.EXPIRED)), else_=int(Reason.OTHER))
    reason = case((and_(bad, r.reason == Reason.NONE), unnamed), (bad, r.reason), else_=0)
    masks = (_mask(r.part, and_(good, handset)), _mask(r.part, and_(good, ~handset)), _mask(r.part, bad))
    columns = zip(masks, ("receipts_delivered", "receipts_relayed", "receipts_failed"), strict=True)
    on_the_way = _any(r.status == ReceiptStatus.IN_TRANSIT.value)
    named = [mask.label(name) for mask, name in columns]
    return (
        select(r.seq, *named, on_the_way.label("on_the_way"), func.max(reason).label("worst"))
        .where(r.campaign_id == campaign_id, r.batch_id == batch_id)
        .group_by(r.seq)
        .subquery("said")
    )


def _submitted(campaign_id: int, batch_id: int) -> Subquery:
    s = submissions.c
    return (
        select(
            s.seq,
            _mask(s.part, s.result == ResultKind.REJECTED).label("refused"),
            _any(s.result == ResultKind.ACCEPTED).label("accepted"),
            _any(s.result == ResultKind.UNKNOWN).label("unknown"),
            _any(s.result == ResultKind.SETTLED).label("settled"),
            _any(s.result == ResultKind.DEFERRED).label("deferred"),
        )
        .where(s.campaign_id == campaign_id, s.batch_id == batch_id)
        .group_by(s.seq)
        .subquery("sent")
    )


def _mask(part: ColumnElement[int], condition: ColumnElement[bool]) -> ColumnElement[int]:
    """Combine the bits of matching parts: the sum of distinct powers of two equals their OR."""
    bit = literal(1).bitwise_lshift(part)
    return func.sum(distinct(case((condition, bit), else_=0)))


def _any(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.max(case((condition, 1), else_=0))
