"""Whom earlier campaigns did not reach: the audience of a follow-up, and who is left out of it later.

A follow-up and its sources are rounds. A person gets a follow-up only if no round has reached them, may have
reached them, or is about to: that is looked at when the audience is made, again when its deliveries are
queued, and again when a chunk of them is claimed, since receipts come late. Nobody is ever added.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    and_,
    case,
    false,
    func,
    insert,
    literal,
    or_,
    select,
)

from app.core import hashing
from app.core.areas import Area, every, old_districts, place
from app.core.errors import Conflict
from app.core.states import ChunkState, DeliveryState, NotSent, RunState
from app.database.advisory_locks import AdvisoryLock
from app.database.connection import not_during, one_at_a_time, shared_ms
from app.database.models import (
    batches,
    chunks,
    deliveries,
    do_not_send,
    erasures,
    follow_up_sources,
    follow_ups,
    left_out,
    links,
    run_batches,
    runs,
    subscribers,
)
from app.ledger.contract import VALIDITY_MS
from app.security.row_stamps import canonical
from carriers.contract import ReceiptLevel


class Outcome(StrEnum):
    """What became of a message, as somebody chooses whom to write to again. Unknown is not among them."""

    UNDELIVERED = "undelivered"  # by a receipt
    EXPIRED = "expired"  # by a receipt
    NO_RECEIPT = "no_receipt"  # accepted by the carrier, and its run finished without a receipt
    REJECTED = "rejected"  # refused by the carrier at once
    NOT_SENT = "not_sent"  # its run was cancelled, or its window was over
    ACCEPTED = "accepted"  # by the operator's centre, or by a carrier that gives no receipts: perhaps reached
    WRITTEN_OFF = "written_off"  # unknown, and left so by a person: perhaps reached


USUAL = (Outcome.UNDELIVERED, Outcome.EXPIRED, Outcome.NO_RECEIPT)
# The states in which tallies count them: more than are taken, never fewer.
STATES = {
    Outcome.UNDELIVERED: (DeliveryState.UNDELIVERED,),
    Outcome.EXPIRED: (DeliveryState.EXPIRED,),
    Outcome.NO_RECEIPT: (DeliveryState.SUBMITTED,),
    Outcome.REJECTED: (DeliveryState.REJECTED,),
    Outcome.NOT_SENT: (DeliveryState.NOT_SENT,),
    Outcome.ACCEPTED: (DeliveryState.RELAYED, DeliveryState.SUBMITTED),
    Outcome.WRITTEN_OFF: (DeliveryState.UNKNOWN,),
}


@dataclass(frozen=True, slots=True)
class FollowUpDefinition:
    """The definition of a follow-up's batch. campaign_id: the one it was made for; areas: none for all."""

    campaign_id: int
    sources: tuple[int, ...]
    outcomes: tuple[Outcome, ...]
    areas: tuple[str, ...]

    def sha256(self, carrier: str) -> str:
        """Hash the definition: it takes the place of a file's hash, and so is part of the approval."""
        said = {"follow_up": self.campaign_id, "carrier": carrier, "sources": list(self.sources)}
        said |= {"outcomes": [str(each) for each in self.outcomes], "areas": list(self.areas)}
        return hashing.digest(canonical(said))


def definition(connection: Connection, batch_id: int) -> FollowUpDefinition | None:
    """Return the definition of a batch, None if it is made of a file."""
    row = connection.execute(select(follow_ups).where(follow_ups.c.batch_id == batch_id)).first()
    if row is None:
        return None
    s = follow_up_sources.c
    own = select(s.campaign_id).where(s.batch_id == batch_id).order_by(s.campaign_id)
    sources = tuple(connection.execute(own).scalars())
    return FollowUpDefinition(row.campaign_id, sources, tuple(map(Outcome, row.outcomes)), tuple(row.areas))


def is_redefined(connection: Connection, batch_id: int) -> bool:
    """Return whether the definition of a follow-up's batch is not the one that it was made by."""
    found = definition(connection, batch_id)
    if found is None:
        return False
    row = connection.execute(select(batches).where(batches.c.id == batch_id)).one()
    return bool(row.sha256 != found.sha256(row.carrier))


def covered(codes: Collection[str]) -> frozenset[str]:
    """Return these areas with all that lie in them or became part of them."""
    wanted = set(codes)

    def names(area: Area) -> set[str | None]:
        home = area.district or next(iter(old_districts(area.code, date.max)), None)
        return {area.code, home, place(area.code, date.max)}

    return frozenset(area.code for area in every() if wanted & names(area))


def rounds(connection: Connection, campaign_ids: Collection[int]) -> set[int]:
    """Return these campaigns, those they follow, those that follow them, and so on."""
    found, s, b = set(campaign_ids), follow_up_sources.c, run_batches.c
    fresh = set(found)
    while fresh:
        joined = follow_up_sources.join(run_batches, b.batch_id == s.batch_id)
        after = select(b.campaign_id).select_from(joined).where(s.campaign_id.in_(fresh))
        before = select(s.campaign_id).select_from(joined).where(b.campaign_id.in_(fresh))
        near = {*connection.execute(after).scalars(), *connection.execute(before).scalars()}
        fresh = near - found
        found |= fresh
    return found


class Rounds:
    """The rounds around a batch, and the conditions on their deliveries."""

    def __init__(self, connection: Connection, chosen: FollowUpDefinition) -> None:
        self.chosen = chosen
        family = rounds(connection, {chosen.campaign_id, *chosen.sources})
        r = runs.c
        own = select(r.id, r.campaign_id, r.state, r.ended_at).where(r.campaign_id.in_(family))
        found = connection.execute(own.where(r.state != RunState.PLANNED.value)).all()
        self.campaigns = sorted({row.campaign_id for row in found})
        over = shared_ms(connection) - VALIDITY_MS
        self._over = [row.id for row in found if is_over(row.state, row.ended_at, over)]
        proves = select(links.c.id).where(links.c.receipt_level > ReceiptLevel.NONE)
        self._proving = list(connection.execute(proves).scalars())
        self._areas = sorted(covered(chosen.areas))

    def takes(self, d: Any) -> ColumnElement[bool]:
        """Select deliveries (a table or its alias) of a chosen outcome in a chosen area."""
        wanted = [self._outcome(each, d) for each in self.chosen.outcomes]
        here = d.area.in_(self._areas) if self.chosen.areas else literal(1) == 1
        return and_(or_(false(), *wanted), here)

    def _outcome(self, outcome: Outcome, d: Any) -> ColumnElement[bool]:
        silent = and_(d.state == DeliveryState.SUBMITTED, d.run_id.in_(self._over))
        match outcome:
            case Outcome.NO_RECEIPT:
                return and_(silent, d.link_id.in_(self._proving))
            case Outcome.ACCEPTED:
                mute = and_(silent, or_(d.link_id.is_(None), d.link_id.not_in(self._proving)))
                return or_(d.state == DeliveryState.RELAYED, mute)
            case Outcome.NOT_SENT:
                reasons = (NotSent.CANCELLED, NotSent.WINDOW_CLOSED)
                return and_(d.state == DeliveryState.NOT_SENT, d.reason.in_(reasons))
            case Outcome.WRITTEN_OFF:
                return and_(d.state == DeliveryState.UNKNOWN, d.reason == NotSent.WRITTEN_OFF)
            case _:
                return and_(d.state == STATES[outcome][0])

    def bars(self, d: Any, before: int | None = None) -> ColumnElement[bool]:
        """Select deliveries whose number gets nothing from another round: it has got it, or perhaps, or will.

        before: for a message of this campaign that is queued. What is queued too bars only in campaigns
        before this one, so that two rounds do not leave a number out of each other; in later ones, only if a
        link has it in hand. That a number is perhaps reached was granted for those before it alone.
        """
        held = (DeliveryState.SUBMITTED, DeliveryState.UNKNOWN, DeliveryState.RELAYED)
        perhaps = (Outcome.NO_RECEIPT, Outcome.ACCEPTED, Outcome.WRITTEN_OFF)
        granted = [self._outcome(each, d) for each in self.chosen.outcomes if each in perhaps]
        queued, let = d.state == DeliveryState.QUEUED, or_(false(), *granted)
        if before is not None:
            queued = and_(queued, or_(d.campaign_id < before, _in_hand(d)))
            let = and_(let, d.campaign_id < before)
        return or_(d.state == DeliveryState.DELIVERED, queued, and_(d.state.in_(held), ~let))

    def barred(self, d: Any, but: int, before: int | None = None) -> ColumnElement[bool]:
        """Select rows (with a phone) that another round than `but` bars, by its index of phones."""
        e = deliveries.alias("e")
        others = [each for each in self.campaigns if each != but]
        return _found(e, e.c.campaign_id.in_(others), e.c.phone == d.phone, self.bars(e.c, before))

    def repeated(self, d: Any, campaign_id: int) -> ColumnElement[bool]:
        """Select deliveries whose number a later source gives as well: the newest one decides by whom."""
        f = deliveries.alias("f")
        later = [each for each in self.chosen.sources if each > campaign_id]
        return _found(f, f.c.campaign_id.in_(later), f.c.phone == d.phone, self.takes(f.c))


def _in_hand(d: Any) -> ColumnElement[bool]:
    """Select queued deliveries that may go out, or have gone, without another claim.

    Their chunk is leased, also if the lease ran out and nobody has claimed it since; or they were reserved
    and have no recorded answer.
    """
    c = chunks.c
    unanswered = and_(c.state < ChunkState.DONE, c.watermark >= d.seq, c.pass_no > d.attempts)
    held = select(case((or_(c.state == ChunkState.LEASED, unanswered), 1)))
    held = held.where(c.campaign_id == d.campaign_id, c.batch_id == d.batch_id, c.first_seq <= d.seq)
    held = held.where(c.last_seq >= d.seq).order_by(c.first_seq.desc()).limit(1)
    return held.correlate(d.seq.table).scalar_subquery().is_not(None)


def is_over(state: str, ended_at: int | None, over_ms: int) -> bool:
    """Return whether the run no longer waits for receipts."""
    late = state == RunState.CANCELLED and ended_at is not None and ended_at <= over_ms
    return state == RunState.FINISHED or late


def _found(table: FromClause, *where: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whether there is such a row. A scalar is looked up row by row; an EXISTS may become a full scan."""
    query = select(literal(1)).select_from(table).where(*where).limit(1)
    return query.scalar_subquery().is_not(None)


# ---- Making the audience


@dataclass(frozen=True, slots=True)
class Stretch:
    """Lines of a batch of an earlier campaign, sent by a run."""

    campaign_id: int
    run_id: int
    batch_id: int
    after: int
    upto: int


def stretches(connection: Connection, batch_id: int, carrier: str, size: int) -> list[Stretch]:
    """Return what is to be looked through for a follow-up's batch, `size` lines at a time."""
    r, b, s = runs.c, run_batches.c, follow_up_sources.c
    sources = select(s.campaign_id).where(s.batch_id == batch_id)
    query = (
        select(r.campaign_id, r.id, b.batch_id, b.fanned_upto)
        .join(run_batches, b.run_id == r.id)
        .where(r.campaign_id.in_(sources), r.carrier == carrier)
        .order_by(r.campaign_id, b.batch_id)
    )
    return [
        Stretch(campaign, run, batch, after, after + size)
        for campaign, run, batch, last in connection.execute(query)
        for after in range(0, last, size)
    ]


def add_unreached(connection: Connection, batch_id: int, stretch: Stretch, added: int) -> int:
    """Add a stretch's share to a follow-up's batch, which has `added` subscribers; return how many."""
    chosen = definition(connection, batch_id)
    if chosen is None:
        return 0
    carrier = connection.execute(select(batches.c.carrier).where(batches.c.id == batch_id)).scalar_one()
    found = Rounds(connection, chosen)
    fresh = insert(subscribers).from_select(
        ["batch_id", "seq", "phone", "area"], _unreached(found, batch_id, stretch, added, carrier)
    )
    return connection.execute(fresh.execution_options(preserve_rowcount=True)).rowcount


def _unreached(rounds: Rounds, batch_id: int, stretch: Stretch, added: int, carrier: str) -> Select[Any]:
    d, n, at = deliveries.c, do_not_send.c, func.row_number().over(order_by=deliveries.c.seq)
    asked = _found(do_not_send, n.carrier == carrier, n.phone == d.phone)
    lines = and_(d.seq > stretch.after, d.seq <= stretch.upto)
    return (
        select(literal(batch_id), added + at, d.phone, d.area)
        .where(d.campaign_id == stretch.campaign_id, d.batch_id == stretch.batch_id, lines)
        .where(d.run_id == stretch.run_id, rounds.takes(d), ~asked)
        .where(~rounds.barred(d, stretch.campaign_id), ~rounds.repeated(d, stretch.campaign_id))
    )


# ---- Leaving out


def leave_out(connection: Connection, campaign_id: int, batch_id: int, after: int, last: int) -> bool:
    """Mark the lines that another round has reached meanwhile; return False if the batch is from a file."""
    chosen = definition(connection, batch_id)
    if chosen is None:
        return False
    one_at_a_time(connection, AdvisoryLock.FOLLOW_UP)
    s, found = subscribers.c, Rounds(connection, chosen)
    columns = (literal(campaign_id), s.batch_id, s.seq, literal(int(NotSent.OTHER_ROUND)))
    query = select(*columns).where(s.batch_id == batch_id, s.seq > after, s.seq <= last)
    names = ["campaign_id", "batch_id", "seq", "reason"]
    connection.execute(insert(left_out).from_select(names, query.where(found.barred(s, campaign_id))))
    return True


def before_claim(connection: Connection) -> None:
    """Wait for orders that queue messages again, and let none begin before this claim is committed.

    A claim looks at what other rounds have queued, an order at what they have in hand. On PostgreSQL neither
    sees what the other has not committed, so both would go on, to one number.
    """
    not_during(connection, AdvisoryLock.REQUEUE)


def before_order(connection: Connection) -> None:
    """Wait for claims, and let none begin before this order's messages are queued again."""
    one_at_a_time(connection, AdvisoryLock.REQUEUE)


def reached_since(connection: Connection, campaign_id: int, batch_id: int) -> ColumnElement[bool] | None:
    """Select deliveries of the batch that another round has reached since, or may have.

    None if the campaign follows none and is followed by none. Messages of a campaign that is followed are
    queued by orders alone: what was refused or unknown is sent again. Orders ask this, and claims once more.
    """
    chosen, s = definition(connection, batch_id), follow_up_sources.c
    if chosen is None:
        known = select(s.batch_id).where(s.campaign_id == campaign_id).limit(1)
        if connection.execute(known).first() is None:
            return None
        chosen = FollowUpDefinition(campaign_id, (), (), ())  # barred by all that may have been reached
    return Rounds(connection, chosen).barred(deliveries.c, campaign_id, before=campaign_id)


def require_rounds(connection: Connection, campaign_ids: Collection[int], field: str | None = None) -> None:
    """Raise Conflict once the erasure of a round of these campaigns has begun that was ever started.

    No erasure of one begins until this transaction is committed.
    """
    not_during(connection, AdvisoryLock.ERASURE)
    e, r = erasures.c, runs.c
    sent = select(r.campaign_id).where(r.campaign_id.in_(rounds(connection, campaign_ids)))
    gone = select(func.min(e.subject_id)).where(
        e.kind == "campaign", e.subject_id.in_(sent.where(r.started_at.is_not(None)))
    )
    campaign = connection.execute(gone).scalar()
    if campaign is not None:
        raise Conflict(
            "Campaign {campaign}'s numbers have been erased, so a follow-up is no longer possible. "
            "Choose another campaign.",
            campaign=campaign,
            field=field,
        )
