"""Repairs tallies by a recount of the rows (`loa verify --repair`), batch by batch, during sending.

A delivery and its tally change in one transaction, so the error of a tally is constant. It is read in one
snapshot, however long that takes, and added afterwards: nothing waits, and concurrent changes are kept.

Added as well are submissions that a receipt has proved and that nobody has recorded: until December 2026 none
was written where a message had been put off before, and was lost by a process that stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

from sqlalchemy import Connection, and_, exists, func, insert, select, union

from app.core import clock
from app.core.errors import Conflict, no_such
from app.core.states import RECEIVED, DeliveryState
from app.database.advisory_locks import AdvisoryLock
from app.database.connection import Database, one_at_a_time, shared_ms
from app.database.models import audit as acts
from app.database.models import campaigns, deliveries, receipts, run_batches, submissions, tallies
from app.ledger import erasure
from app.ledger.contract import TAKEN, ResultKind, TallyCount
from app.ledger.ledger import Ledger
from app.reports.counting import snapshots
from app.reports.figures import tally
from app.reports.verification import snapshot_recount
from app.reports.verification.snapshot_recount import Contradiction
from app.security import audit

ACTION = "tallies.repaired"
SETTLED = "submissions.repaired"
SET_ASIDE = "snapshot.set-aside"
_IN_THE_AUDIT = 50  # keys listed; the total number stands beside them


@dataclass(frozen=True, slots=True)
class Repair:
    """One corrected batch: `counts` were added, one per key."""

    campaign_id: int
    batch_id: int
    counts: tuple[TallyCount, ...]


Say = Callable[[Repair], None]


def repair(
    db: Database, ledger: Ledger, who: str, campaign_id: int | None = None, say: Say = lambda _: None
) -> list[Repair]:
    """Recount the tallies of one campaign or all from their rows, and add the differences.

    Each batch is one short transaction and one audit entry. Raises NotFound, and Conflict for an erased
    campaign, whose tallies are all that is left.
    """
    done = []
    for number, batch_id in db.read(_batches, campaign_id):
        while (off := db.read(_off, ledger, number, batch_id)) and off.counts:
            if db.write(_add, ledger, who, off):
                done.append(Repair(number, batch_id, off.counts))
                say(done[-1])
                break
    return done


def settle(
    db: Database,
    who: str,
    campaign_id: int | None = None,
    say: Callable[[int, int, int], None] = lambda *_: None,
) -> int:
    """Record as taken what receipts have settled and no submission tells of; return how many messages.

    Each batch is one transaction and one audit entry. say: called with campaign, batch and number.
    """
    done = 0
    for number, batch_id in db.read(_batches, campaign_id):
        if db.read(_unrecorded, number, batch_id) and (n := db.write(_record, who, number, batch_id)):
            done += n
            say(number, batch_id, n)
    return done


def set_aside(
    db: Database,
    who: str,
    campaign_id: int | None = None,
    say: Callable[[Contradiction], None] = lambda _: None,
) -> int:
    """Set aside the snapshots taken while the clock was ahead; return how many, each with an audit entry."""
    done = 0
    for number in dict.fromkeys(number for number, _ in db.read(_batches, campaign_id)):
        found = db.read(_contradictions, number)
        for contradiction in {(each.run_id, each.taken_ms): each for each in found if each.ahead}.values():
            if db.write(_set_aside, who, contradiction):
                done += 1
                say(contradiction)
    return done


def _contradictions(connection: Connection, campaign_id: int) -> list[Contradiction]:
    return list(snapshot_recount.of_campaign(connection, campaign_id))


def _set_aside(connection: Connection, who: str, found: Contradiction) -> bool:
    if not snapshots.set_aside(connection, found.run_id, found.taken_ms):
        return False
    at = clock.moment(found.taken_ms).isoformat()
    audit.note(connection, who, SET_ASIDE, f"run/{found.run_id}", taken_at=at)
    return True


def _unrecorded(connection: Connection, campaign_id: int, batch_id: int) -> list[dict[str, int]]:
    """Return the submissions that are missing: of each message its first receipt that changed anything."""
    d, s, r = deliveries.c, submissions.c, receipts.c
    own = and_(s.campaign_id == d.campaign_id, s.batch_id == d.batch_id, s.seq == d.seq)
    told = exists().where(own, s.result.in_((*TAKEN, ResultKind.REJECTED)))
    by_receipt = d.state.in_((*RECEIVED, DeliveryState.UNDELIVERED, DeliveryState.EXPIRED))
    at = func.coalesce(r.matched_at, r.received_at)
    same = and_(r.campaign_id == d.campaign_id, r.batch_id == d.batch_id, r.seq == d.seq, r.changed)
    query = select(d.seq, at, r.link_id, r.group_id).join(receipts, same).order_by(d.seq, at)
    rows = connection.execute(
        query.where(d.campaign_id == campaign_id, d.batch_id == batch_id, by_receipt, ~told)
    )
    key = {"campaign_id": campaign_id, "batch_id": batch_id, "attempt": 0, "part": 0}
    names, settled = ("seq", "at", "link_id", "group_id"), {"result": int(ResultKind.SETTLED)}
    return [
        key | settled | dict(zip(names, next(of), strict=True))
        for _, of in groupby(rows, lambda row: row.seq)
    ]


def _record(connection: Connection, who: str, campaign_id: int, batch_id: int) -> int:
    one_at_a_time(connection, AdvisoryLock.ERASURE)
    if erasure.of_campaign(connection, campaign_id) is not None:
        return 0
    now = shared_ms(connection)  # of today, so that snapshots taken before have not missed it
    rows = [row | {"at": max(row["at"], now)} for row in _unrecorded(connection, campaign_id, batch_id)]
    if rows:
        connection.execute(insert(submissions), rows)
        audit.note(connection, who, SETTLED, f"campaign/{campaign_id}", batch=batch_id, n=len(rows))
    return len(rows)


@dataclass(frozen=True, slots=True)
class _Off:
    """The error of a batch's tallies; act: id of the last repair before it was counted."""

    campaign_id: int
    batch_id: int
    counts: tuple[TallyCount, ...]
    act: int | None


def _batches(connection: Connection, campaign_id: int | None) -> Sequence[tuple[int, int]]:
    """Return (campaign, batch) of all rows and tallies; erased campaigns are skipped unless named."""
    if campaign_id is not None:
        if connection.execute(select(campaigns.c.id).where(campaigns.c.id == campaign_id)).first() is None:
            raise no_such("campaign", campaign_id, field="campaign")
        if erasure.of_campaign(connection, campaign_id) is not None:
            raise Conflict(
                "The rows of campaign {campaign} have been or are being erased. Only its tallies "
                "remain, and nothing can be recounted.",
                campaign=campaign_id,
            )
    parts = [select(t.c.campaign_id, t.c.batch_id) for t in (run_batches, tallies)]
    if campaign_id is not None:
        parts = [part.where(part.selected_columns.campaign_id == campaign_id) for part in parts]
    found = sorted(tuple(row) for row in connection.execute(union(*parts)))
    gone = {number for number, _ in found if erasure.of_campaign(connection, number) is not None}
    return [(number, batch_id) for number, batch_id in found if number not in gone]


def _off(connection: Connection, ledger: Ledger, campaign_id: int, batch_id: int) -> _Off:
    """Count the error in this snapshot; none once the erasure of its rows has begun."""
    if erasure.of_campaign(connection, campaign_id) is not None:
        return _Off(campaign_id, batch_id, (), None)
    t = tallies.c
    off: dict[tuple[int, str | None, int, int], list[int]] = {}
    tallied = tally.sums(connection, t.campaign_id == campaign_id, t.batch_id == batch_id)
    for sign, counts in ((1, ledger.recount(connection, campaign_id, batch_id)), (-1, tallied)):
        for count in counts:
            have = off.setdefault((count.run_id, *count[2:5]), [0, 0])
            have[0] += sign * int(count.n)
            have[1] += sign * int(count.segments)
    counts = [TallyCount(key[0], batch_id, *key[1:], *have) for key, have in off.items() if any(have)]
    return _Off(campaign_id, batch_id, tuple(counts), _last(connection, campaign_id))


def _last(connection: Connection, campaign_id: int) -> int | None:
    mine = (acts.c.action == ACTION, acts.c.subject == f"campaign/{campaign_id}")
    return connection.execute(select(func.max(acts.c.id)).where(*mine)).scalar()


def _add(connection: Connection, ledger: Ledger, who: str, off: _Off) -> bool:
    """Add the error; False if the campaign was repaired since, or its erasure has begun."""
    one_at_a_time(connection, AdvisoryLock.ERASURE)
    begun = erasure.of_campaign(connection, off.campaign_id) is not None
    if begun or _last(connection, off.campaign_id) != off.act:
        return False
    ledger.correct(connection, off.campaign_id, off.counts)
    keys = [[c.run_id, c.area, c.state, c.reason, c.n, c.segments] for c in off.counts[:_IN_THE_AUDIT]]
    said = {"batch": off.batch_id, "keys": len(off.counts), "added": keys}
    audit.note(connection, who, ACTION, f"campaign/{off.campaign_id}", **said)
    return True
