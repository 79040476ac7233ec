"""After a restore: mark as unknown what may have been sent, and record what a person decides.

That a database was restored is seen in link_store.py, which then lets no link send.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy import Connection, func, or_, select

from app.core import clock
from app.core.errors import Conflict
from app.core.states import DeliveryState, RunState
from app.database.connection import Database, shared_ms
from app.database.models import LINK_GONE_AFTER_MS as GONE_AFTER_MS
from app.database.models import campaigns, link_health, links, runs, tallies
from app.dispatch import link_store
from app.dispatch.run_sweeps import fan_out, next_due
from app.ledger import batch_rows
from app.ledger.ledger import Ledger
from app.ledger.restore_acknowledgement import LISTS, RESTORED
from app.security import audit

_LIVE_STATES = (RunState.RUNNING, RunState.PAUSED)
_CHUNKS_AT_ONCE = 2  # a thousand deliveries each: short, so that webhooks can be stored in between
_PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class RunMarkedUnknown:
    """A run that was alive in the backup, and how many of its deliveries became unknown."""

    run_id: int
    carrier: str
    unknown: int


def mark_live_runs_unknown(db: Database, ledger: Ledger, who: str) -> list[RunMarkedUnknown]:
    """Mark as unknown all that live runs still had to send; return the count for each run.

    What was not yet queued is queued first, since it may have been queued and sent as well. No worker may run
    meanwhile. Safe to repeat after an interruption. Raises Conflict for an altered batch, a busy run or a
    worker that is still up.
    """
    if db.sqlite:  # nobody else has the file
        db.write(ledger.reclaim)
    else:
        db.read(_require_no_workers)
    while due := db.read(next_due, _LIVE_STATES):
        if due.first and db.read(batch_rows.rows_altered, due.batch_id):
            raise Conflict(
                "Batch {batch_id} was altered after its import. Cancel run {run_id} first.",
                batch_id=due.batch_id,
                run_id=due.run_id,
            )
        db.write(fan_out, ledger, due)
    found = [_mark_unknown(db, ledger, *run) for run in db.read(_live_runs)]
    db.write(_note, ledger, who, found)
    return found


def _require_no_workers(connection: Connection) -> None:
    """Raise Conflict while a worker lives; one that has died counts as long as its last report."""
    h, now = link_health.c, shared_ms(connection)
    query = select(h.holder, h.seen_at).where(h.seen_at > now - GONE_AFTER_MS)
    last = connection.execute(query.order_by(h.seen_at.desc()).limit(1)).first()
    if last is not None:
        host, until = last.holder.partition(":")[0], clock.local(clock.from_ms(last.seen_at + GONE_AFTER_MS))
        raise Conflict(
            "A worker on {host} has its links open. Stop every worker, then run this again. If "
            "that worker has died, wait until {until} on {until2}. After a failover without loss, "
            "use --nothing-lost instead; workers can then keep running.",
            host=host,
            until=f"{until:%H:%M:%S}",
            until2=f"{until:%d/%m/%Y}",
        )


def _live_runs(connection: Connection) -> list[tuple[int, str]]:
    query = select(runs.c.id, runs.c.carrier).where(runs.c.state.in_([state.value for state in _LIVE_STATES]))
    return [(row.id, row.carrier) for row in connection.execute(query.order_by(runs.c.id))]


def planned(connection: Connection) -> list[int]:
    """Return runs not yet started in the backup: it cannot know whether they were started since."""
    query = select(runs.c.id).where(runs.c.state == RunState.PLANNED.value).order_by(runs.c.id)
    return list(connection.execute(query).scalars())


def refused(connection: Connection, ledger: Ledger) -> list[tuple[int, str, int]]:
    """Return id, carrier and rejected messages of the runs of which an order could have sent some again."""
    r, t, end = runs.c, tallies.c, campaigns.c.window_end
    n = func.sum(t.n)
    query = select(r.id, r.carrier, n).join(tallies, t.run_id == r.id).group_by(r.id, r.carrier)
    query = query.join(campaigns, campaigns.c.id == r.campaign_id).where(
        t.state == DeliveryState.REJECTED,
        r.state.in_([state.value for state in (*_LIVE_STATES, RunState.SENT, RunState.FINISHED)]),
        or_(end.is_(None), end > ledger.now_ms(connection)),
    )
    rows = connection.execute(query.having(n > 0).order_by(r.id))
    return [(run_id, carrier, int(count)) for run_id, carrier, count in rows]


def _mark_unknown(db: Database, ledger: Ledger, run_id: int, carrier: str) -> RunMarkedUnknown:
    first = select(links.c.id).where(links.c.carrier == carrier).order_by(links.c.id).limit(1)
    link_id = db.read(lambda connection: connection.execute(first).scalar())
    ends, unknown = clock.monotonic() + _PATIENCE_S, 0
    while True:
        step = db.write(ledger.mark_waiting_unknown, run_id, link_id, _CHUNKS_AT_ONCE)
        unknown += step.unknown
        if not step.left:
            return RunMarkedUnknown(run_id, carrier, unknown)
        if clock.monotonic() > ends:
            raise Conflict(
                "Another process is working on run {run_id}. Stop every worker, then try again.",
                run_id=run_id,
            )
        time.sleep(0.0 if step.unknown else 0.5)  # leases from before the backup expire soon


def trust(connection: Connection, ledger: Ledger, who: str) -> None:
    """Record a person's word that nothing was sent that this database does not know, and resume sending."""
    audit.note(connection, who, "database.trusted", "database", home=ledger.home(connection))
    _resume(connection, ledger, who)


def _note(connection: Connection, ledger: Ledger, who: str, marked: list[RunMarkedUnknown]) -> None:
    unknown = {str(each.run_id): each.unknown for each in marked}
    said = {"unknown": unknown, "at": ledger.now_ms(connection), LISTS: True}
    audit.note(connection, who, RESTORED, "database", **said)
    _resume(connection, ledger, who)


def _resume(connection: Connection, ledger: Ledger, who: str) -> None:
    link_store.record_identity(connection, ledger, who)
    link_store.end_restore_halts(connection)
