"""Results of submits: one commit writes them with submissions and tallies, and declares what comes next."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, and_, select, update

from app.ledger.contract import Grant, Intention, Key, Lane, Lease, Outcome, ResultKind
from app.ledger.receiving import SUBMISSION, Receiving
from app.ledger.store import Recorded, Row
from app.ledger.tallies import Changes
from app.ledger.unknowns import Decisions, Lost, enlist, strike
from app.models import campaigns, lanes, runs, submissions
from app.states import CampaignState, DeliveryState, LaneState, RunState
from carriers.contract import (
    Accepted,
    Deferred,
    Halted,
    Partial,
    Reason,
    Rejected,
    SubmitResult,
    Unknown,
)

# How often a carrier's own trouble (Deferred with `counts`) is borne with one message.
MAX_FAULTS = 5


class Results(Receiving, Decisions):
    """record."""

    def record(
        self,
        connection: Connection,
        lane: Lane,
        lease: Lease,
        outcomes: Sequence[Outcome],
        then: Intention | None,
        lease_s: float,
    ) -> Grant:
        """Write results, with submissions and tallies, and declare the next sub-batch, in one commit."""
        halted = next((o.result for o in outcomes if isinstance(o.result, Halted)), None)
        goes_on = then is not None and halted is None and _runs(connection, lane, lease)
        upto = then.upto if then is not None and goes_on else None
        held = self.hold(connection, lease, round(lease_s * 1000), upto)
        if outcomes:
            self._write_results(connection, lane, lease, outcomes, held)
        if halted is not None:
            _halt(connection, lane, halted, self.now_ms(connection))
        if then is None or not (held and goes_on):
            return Grant(held, go=False)
        wait_s = self.reserve(connection, lane.id, then.segments * then.stretch)
        return Grant(held, go=True, wait_s=wait_s)

    def _write_results(
        self, connection: Connection, lane: Lane, lease: Lease, outcomes: Sequence[Outcome], held: bool
    ) -> None:
        """A lost lease's deliveries were declared unknown meanwhile; what we know of them still counts."""
        old = DeliveryState.QUEUED if held else DeliveryState.UNKNOWN
        if not held:
            self.requeue(connection, [_key(lease, o) for o in outcomes if isinstance(o.result, _NOT_TAKEN)])
            outcomes = [o for o in outcomes if isinstance(o.result, Accepted | Partial | Rejected)]
        values = [_recorded(outcome, lease.pass_no) for outcome in outcomes]
        written = self.write_outcomes(connection, lease, lane.id, old, values)
        pairs = [(o, new) for o, new in zip(outcomes, values, strict=True) if new.seq in written]
        self._tally(connection, lease, pairs, old)
        now = self.now_ms(connection)
        rows = [row for o, new in pairs for row in _submissions(o, new, (lane, lease, now))]
        self.add_missing(connection, submissions, SUBMISSION, rows)
        self._list_unknowns(connection, lane, lease, pairs)
        if not held:
            strike(connection, [_key(lease, outcome) for outcome, _ in pairs])
        references = [row[9] for row in rows if row[9] is not None]
        if references:
            self.rematch_references(connection, references)

    def _tally(
        self,
        connection: Connection,
        lease: Lease,
        pairs: Sequence[tuple[Outcome, Recorded]],
        old: DeliveryState,
    ) -> None:
        changes = Changes()
        for outcome, new in pairs:
            item = outcome.item
            where = (lease.campaign_id, lease.run_id, lease.batch_id, item.area)
            changes.move(where, (old, Reason.NONE), (new.state, new.reason), item.segments)
        changes.write(connection, self)

    def _list_unknowns(
        self, connection: Connection, lane: Lane, lease: Lease, pairs: Sequence[tuple[Outcome, Recorded]]
    ) -> None:
        for outcome, _new in pairs:
            if isinstance(outcome.result, Unknown):
                item = outcome.item
                lost = Lost(lease.campaign_id, lease.batch_id, item.seq, lease.run_id, item.phone)
                enlist(connection, self, [lost], lane.id, outcome.result.reason[:200])


# The carrier's own word that it has nothing: sending these again is no guess.
_NOT_TAKEN = Deferred | Halted


def _key(lease: Lease, outcome: Outcome) -> Key:
    return Key(lease.campaign_id, lease.batch_id, outcome.item.seq)


def _runs(connection: Connection, lane: Lane, lease: Lease) -> bool:
    """Whether lane and run still run, and the campaign is still approved, as committed."""
    query = (
        select(lanes.c.id)
        .select_from(lanes)
        .join(runs, and_(runs.c.id == lease.run_id, runs.c.state == RunState.RUNNING.value))
        .join(campaigns, campaigns.c.id == runs.c.campaign_id)
        .where(lanes.c.id == lane.id, lanes.c.state == LaneState.RUNNING.value)
        .where(campaigns.c.state == CampaignState.APPROVED.value)
    )
    return connection.execute(query).first() is not None


def _halt(connection: Connection, lane: Lane, halted: Halted, now: int) -> None:
    values = {
        "state": LaneState.HALTED.value,
        "code": halted.code,
        "reason": halted.reason,
        "changed_at": now,
    }
    connection.execute(update(lanes).where(lanes.c.id == lane.id).values(values))


def _recorded(outcome: Outcome, pass_no: int) -> Recorded:
    """The delivery's new values: state, reason, parts, failed parts, attempts, faults."""
    item, result = outcome.item, outcome.result
    seq, faults = item.seq, item.faults
    match result:
        case Accepted(refs):
            return Recorded(seq, DeliveryState.SUBMITTED, 0, len(refs) or 1, 0, 0, faults)
        case Partial(refs, refused, _, reason):
            mask = sum(1 << part for part in refused)
            return Recorded(seq, DeliveryState.SUBMITTED, reason, len(refs), mask, 0, faults)
        case Rejected(_, reason):
            return Recorded(seq, DeliveryState.REJECTED, reason, 1, 1, 0, faults)
        case Unknown(_, refs):
            return Recorded(seq, DeliveryState.UNKNOWN, 0, len(refs) or item.segments, 0, 0, faults)
        case Deferred(counts=True) if faults + 1 >= MAX_FAULTS:
            return Recorded(seq, DeliveryState.REJECTED, Reason.SYSTEM, 1, 1, 0, faults + 1)
        case Deferred(counts=counts):
            return Recorded(seq, DeliveryState.QUEUED, 0, item.segments, 0, pass_no, faults + counts)
        case Halted():
            return Recorded(seq, DeliveryState.QUEUED, 0, item.segments, 0, pass_no, faults)


_KIND: dict[type[SubmitResult], ResultKind] = {
    Accepted: ResultKind.ACCEPTED,
    Partial: ResultKind.ACCEPTED,
    Rejected: ResultKind.REJECTED,
    Deferred: ResultKind.DEFERRED,
    Halted: ResultKind.HALTED,
    Unknown: ResultKind.UNKNOWN,
}


def _submissions(outcome: Outcome, new: Recorded, where: tuple[Lane, Lease, int]) -> list[Row]:
    """One row for each part; one for a message whose parts the carrier does not name."""
    lane, lease, now = where
    result = outcome.result
    kind = ResultKind.REJECTED if new.state == DeliveryState.REJECTED else _KIND[type(result)]
    refs = getattr(result, "refs", ()) or (None,)
    refused = result.refused if isinstance(result, Partial) else ()
    head = (lease.campaign_id, lease.batch_id, outcome.item.seq, lease.pass_no)
    tail, code = (now, lane.id, lane.group_id), _code(result)
    return [
        (*head, part, *tail, int(ResultKind.REJECTED if part in refused else kind), reference, code)
        for part, reference in enumerate(refs)
    ]


def _code(result: SubmitResult) -> str | None:
    code = getattr(result, "code", None)
    return code[:80] if code else None
