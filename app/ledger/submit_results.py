"""Record submit results and reserve the next sub-batch in one commit, with submissions and tallies."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select, update

from app.core import clock
from app.core.errors import require
from app.core.states import DeliveryState, DeliveryStatus, LinkState, RunState, apply_late_answer
from app.database.models import deliveries, links, submissions, tallies
from app.ledger import money, unreached
from app.ledger.contract import (
    SUBMISSION,
    TALLY,
    ChunkLease,
    DeliveryKey,
    LeaseCheck,
    Link,
    Recorded,
    Reservation,
    ReservationResult,
    ResultKind,
    Row,
    SideWrites,
    StateEvent,
    SubmitOutcome,
)
from app.ledger.late_references import in_learnt_order
from app.ledger.receipts import Receipts
from app.ledger.row_locking import lock_chunk, lock_lines, lock_run_state
from app.ledger.tallies import Changes
from app.ledger.unknown_outcomes import (
    JournalEvent,
    NewUnknown,
    add_unknown,
    own_unknown,
    record_event,
    remove_unknown,
    take_back,
)
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

# How many failures on the carrier's side (Deferred with `counts`) one message survives.
MAX_FAULTS = 5


_Pairs = Sequence[tuple[SubmitOutcome, Recorded]]
_Context = tuple[Link, ChunkLease, int]  # and the time
TWO_RESULTS = "Two answers arrived for one message, and neither was recorded. Please report this bug."
FOREIGN_RESULT = (
    "An answer arrived for a message in another part of the run and was not recorded. Please report this bug."
)
FOREIGN_PART = (
    "An answer rejected parts that its message does not have, or all of them. No answer was recorded. "
    "Please report this bug."
)
FOREIGN_RESERVATION = (
    "Messages in another part of the run were about to be reserved. Nothing was sent. Please report this bug."
)


class SubmitResults(Receipts):
    def record(
        self,
        connection: Connection,
        link: Link,
        lease: ChunkLease,
        outcomes: Sequence[SubmitOutcome],
        then: Reservation | None,
        lease_s: float,
    ) -> ReservationResult:
        """Write results, submissions and tallies, and reserve the next sub-batch, in one commit.

        Reserve nothing if the run or the link has stopped, if the campaign's budget is too small for it, or
        if the database was restored or failed over and no person has confirmed it yet. Results of a lost
        lease are written if they settle an unknown.
        """
        _require_sound(lease, outcomes, then)
        halted = next((o.result for o in outcomes if isinstance(o.result, Halted)), None)
        upto = then.upto if then is not None and halted is None else None
        taken = (
            money.take(connection, lease, then) if then is not None and upto is not None else money.Taken()
        )
        upto = upto if taken.left is None else None
        lease_check = self.engine.check_lease(connection, link, lease, round(lease_s * 1000), upto)
        if outcomes:
            self._write_results(connection, link, lease, outcomes, lease_check)
        if halted is not None:
            _halt(connection, link, halted, lease_check.now)
        if then is None or upto is None or not (lease_check.held and lease_check.goes_on):
            money.give_back(connection, lease, taken.segments)
            return ReservationResult(lease_check.held, go=False, left=taken.left)
        wait_s = self.engine.reserve(connection, link, then.segments * then.stretch)
        return ReservationResult(lease_check.held, go=True, start=clock.monotonic() + wait_s)

    def _write_results(
        self,
        connection: Connection,
        link: Link,
        lease: ChunkLease,
        outcomes: Sequence[SubmitOutcome],
        lease_check: LeaseCheck,
    ) -> None:
        """Write results. Those of a lost lease still count; its deliveries were marked unknown meanwhile."""
        old = DeliveryState.QUEUED if lease_check.held else DeliveryState.UNKNOWN
        if not lease_check.held:
            own = self._still_settling(connection, lease, outcomes)
            outcomes = in_learnt_order(connection, lease, own)
        where = (link, lease, lease_check.now)
        given: _Pairs = [(one, _recorded(one, lease.pass_no, link.one_receipt)) for one in outcomes]
        taken = all(type(one.result) is Accepted for one in outcomes)
        if not lease_check.held:
            given = _with_receipts(connection, lease, given)
        pairs, early, references = self._write_pairs(connection, where, old, given)
        if not taken:
            self._write_rest(connection, link, lease, pairs)
        if not lease_check.held:
            remove_unknown(connection, [_key(lease, outcome) for outcome, _ in pairs])
        if early and references:  # empty if everything was settled by others meanwhile
            self.rematch_references(connection, references)

    def _write_rest(self, connection: Connection, link: Link, lease: ChunkLease, pairs: _Pairs) -> None:
        """Write what only other answers than plain acceptances bring."""
        self._list_unknowns(connection, link, lease, pairs)
        free = [outcome.item.segments for outcome, new in pairs if new.state in _NOT_CHARGED]
        money.give_back(connection, lease, sum(free))
        for outcome, new in pairs:
            if isinstance(outcome.result, Partial):
                event = JournalEvent(StateEvent.PARTLY, new.reason)
                record_event(connection, self.engine, [_key(lease, outcome)], event)

    def _still_settling(
        self, connection: Connection, lease: ChunkLease, outcomes: Sequence[SubmitOutcome]
    ) -> list[SubmitOutcome]:
        """Return those results of a lost lease that still settle an unknown; requeue what was not sent.

        An acceptance is true whatever happened later. Any other result counts only for what this lease itself
        made unknown: another lease may have taken the message up since. A finished run sends nothing more.
        All rows are locked first, in the order of row_locking.py.
        """
        others = [o for o in outcomes if not isinstance(o.result, Accepted)]
        kept = [_key(lease, o) for o in others if isinstance(o.result, _NOT_TAKEN)]
        if kept:
            unreached.before_requeue(connection)
        lock_chunk(connection, lease)
        if kept and lock_run_state(connection, lease.run_id) is RunState.FINISHED:
            kept = []
        lock_lines(connection, lease, [outcome.item.seq for outcome in outcomes])
        back = {key.seq for key in take_back(self.engine, connection, lease, kept)}
        money.give_back(connection, lease, sum(o.item.segments for o in others if o.item.seq in back))
        refused = [_key(lease, o) for o in others if isinstance(o.result, Partial | Rejected)]
        own = own_unknown(connection, lease, refused)
        return [o for o in outcomes if isinstance(o.result, Accepted) or _key(lease, o) in own]

    def _write_pairs(
        self, connection: Connection, where: _Context, old: DeliveryState, pairs: _Pairs
    ) -> tuple[_Pairs, bool, Sequence[str]]:
        """Write results of deliveries in state `old`; return those written, and whether receipts wait."""
        link, lease, _ = where
        side_writes = _side_writes(where, old, pairs)
        values = [new for _, new in pairs]
        written = self.engine.write_outcomes(connection, (lease, link.id), old, values, side_writes)
        if len(written.seqs) < len(pairs):
            missed = [pair for pair in pairs if pair[1].seq not in written.seqs]
            pairs = [pair for pair in pairs if pair[1].seq in written.seqs]
            side_writes = _side_writes(where, old, pairs)
            self.engine.append(connection, tallies, TALLY, side_writes.tallies)
            self.engine.add_missing(connection, submissions, SUBMISSION, side_writes.submissions)
            failed = self._failed_before(connection, lease, missed) if old is DeliveryState.UNKNOWN else ()
            if failed:
                more, early, references = self._write_pairs(connection, where, old, failed)
                return [*pairs, *more], early or written.early, [*side_writes.references, *references]
        return pairs, written.early, side_writes.references

    def _failed_before(self, connection: Connection, lease: ChunkLease, pairs: _Pairs) -> _Pairs:
        """Clear the reason of a failed part or of a write-off; return these to be retried."""
        d, changes, old = deliveries.c, Changes(), DeliveryState.UNKNOWN
        own = (d.campaign_id == lease.campaign_id, d.batch_id == lease.batch_id)
        these = d.seq.in_([new.seq for _, new in pairs])
        query = select(d.seq, d.area, d.segments, d.reason).where(*own, these)
        failed = query.where(d.state == old, d.reason != Reason.NONE)
        rows = connection.execute(failed.with_for_update(of=deliveries)).all()
        seqs = {row.seq for row in rows}
        connection.execute(update(deliveries).where(*own, d.seq.in_(seqs)).values(reason=Reason.NONE))
        for row in rows:
            where = (lease.campaign_id, lease.run_id, lease.batch_id, row.area)
            changes.move(where, (old, row.reason), (old, Reason.NONE), row.segments)
        changes.write(connection, self.engine)
        return [pair for pair in pairs if pair[1].seq in seqs]

    def _list_unknowns(self, connection: Connection, link: Link, lease: ChunkLease, pairs: _Pairs) -> None:
        for outcome, _new in pairs:
            if isinstance(outcome.result, Unknown):
                item = outcome.item
                own = (lease.campaign_id, lease.batch_id, item.seq, lease.run_id, item.phone)
                lost = NewUnknown(*own, lease.attempt)
                add_unknown(connection, self.engine, [lost], link.id, outcome.result.reason[:200])


def _require_sound(lease: ChunkLease, outcomes: Sequence[SubmitOutcome], then: Reservation | None) -> None:
    """Raise Impossible for what is about other messages, parts that are not there, or twice about one."""
    seqs = {item.seq for item, _ in outcomes}
    require(len(seqs) == len(outcomes), TWO_RESULTS)
    inside = not seqs or (lease.first_seq <= min(seqs) and max(seqs) <= lease.last_seq)
    require(inside, FOREIGN_RESULT)
    partial = [outcome.result for outcome in outcomes if isinstance(outcome.result, Partial)]
    require(all(set(one.refused) < set(range(len(one.refs))) for one in partial), FOREIGN_PART)
    require(then is None or lease.first_seq <= then.upto <= lease.last_seq, FOREIGN_RESERVATION)


def _with_receipts(
    connection: Connection, lease: ChunkLease, pairs: _Pairs
) -> list[tuple[SubmitOutcome, Recorded]]:
    """Lock these unknown deliveries, and add to their new values what receipts have said of them before."""
    d = deliveries.c
    columns = (d.state, d.reason, d.parts, d.delivered, d.relayed, d.failed)
    own = (d.campaign_id == lease.campaign_id, d.batch_id == lease.batch_id, d.state == DeliveryState.UNKNOWN)
    query = select(d.seq, *columns).where(*own, d.seq.in_([new.seq for _, new in pairs])).order_by(d.seq)
    rows = {row.seq: row for row in connection.execute(query.with_for_update(of=deliveries))}
    made = []
    for outcome, new in pairs:
        if row := rows.get(new.seq):
            answer = DeliveryStatus(new.state, new.reason, new.parts, failed=new.failed)
            then = apply_late_answer(DeliveryStatus(*row[1:]), answer)
            new = new._replace(state=then.state, reason=then.reason, parts=then.parts, failed=then.failed)
        made.append((outcome, new))
    return made


def _side_writes(where: _Context, old: DeliveryState, pairs: _Pairs) -> SideWrites:
    link, lease, now = where
    campaign_id, batch_id, pass_no, changes = lease.campaign_id, lease.batch_id, lease.pass_no, Changes()
    tail, said = (pass_no, 0, now, link.id, link.group_id, int(ResultKind.ACCEPTED)), (None, None)
    alike, rows = dict[Row, int](), list[Row]()
    for outcome, new in pairs:
        item, result = outcome
        move = (item.area, int(new.state), new.reason, item.segments)
        alike[move] = alike.get(move, 0) + 1
        if type(result) is Accepted and len(result.refs) == 1 and new.state == DeliveryState.SUBMITTED:
            rows.append((campaign_id, batch_id, item.seq, *tail, result.refs[0], *said))
        else:
            rows += _submissions(outcome, new, where)
    for (area, state, reason, segments), n in alike.items():
        own = (campaign_id, lease.run_id, batch_id, area)
        changes.move(own, (int(old), Reason.NONE), (state, reason), segments, n)
    return SideWrites(rows, changes.rows(), [row[9] for row in rows if row[9] is not None])


# The carrier itself says that it has not taken them, so sending again is safe.
_NOT_TAKEN = Deferred | Halted
_NOT_CHARGED = (DeliveryState.QUEUED, DeliveryState.REJECTED)


def _key(lease: ChunkLease, outcome: SubmitOutcome) -> DeliveryKey:
    return DeliveryKey(lease.campaign_id, lease.batch_id, outcome.item.seq)


def _halt(connection: Connection, link: Link, halted: Halted, now: int) -> None:
    values = {
        "state": LinkState.HALTED.value,
        "code": halted.code,
        "reason": halted.reason,
        "changed_at": now,
    }
    connection.execute(update(links).where(links.c.id == link.id).values(values))


def _recorded(outcome: SubmitOutcome, pass_no: int, one_receipt: bool) -> Recorded:
    item, result = outcome
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
            expected = len(refs) or (1 if one_receipt else item.segments)
            return Recorded(seq, DeliveryState.UNKNOWN, 0, expected, 0, 0, faults)
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


def _submissions(outcome: SubmitOutcome, new: Recorded, where: _Context) -> list[Row]:
    """Return one row per part, or a single row if the carrier does not name the parts."""
    link, lease, now = where
    result = outcome.result
    kind = ResultKind.REJECTED if new.state == DeliveryState.REJECTED else _KIND[type(result)]
    refs = getattr(result, "refs", ()) or (None,)
    refused = result.refused if isinstance(result, Partial) else ()
    head = (lease.campaign_id, lease.batch_id, outcome.item.seq, lease.pass_no)
    said = ((getattr(result, "code", None) or "")[:80] or None, getattr(result, "network", "") or None)
    tail = (now, link.id, link.group_id)
    return [
        (*head, part, *tail, int(ResultKind.REJECTED if part in refused else kind), reference, *said)
        for part, reference in enumerate(refs)
    ]
