"""Unknown deliveries for their operator: the list, and two recorded decisions, send again or write off."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, Row, select

from app import audit, erasure
from app.dispatch.runs import move
from app.errors import Conflict, no_such
from app.ledger.contract import Key, Ledger
from app.models import runs, unknowns
from app.states import RunState


def find_run(connection: Connection, run_id: int, carrier: str | None = None) -> Row[tuple[object, ...]]:
    """The run's row, or NotFound; another carrier's runs are not there for an operator of `carrier`."""
    row = connection.execute(select(runs).where(runs.c.id == run_id)).first()
    if row is None or carrier not in (None, row.carrier):
        raise no_such("run", run_id)
    return row


def listed(
    connection: Connection, run_id: int, after: Sequence[int] = (0, 0), limit: int = 1000
) -> list[Row[tuple[object, ...]]]:
    """The run's unknown deliveries by (batch, line), those after `after`; written-off ones too."""
    find_run(connection, run_id)
    u = unknowns.c
    later = (u.batch_id > after[0]) | ((u.batch_id == after[0]) & (u.seq > after[1]))
    query = select(unknowns).where(u.run_id == run_id, later).order_by(u.batch_id, u.seq)
    return list(connection.execute(query.limit(limit)))


def resend(
    connection: Connection, ledger: Ledger, run_id: int, lines: Sequence[tuple[int, int]], who: str
) -> int:
    """Send unknown deliveries of the run again, knowing that a second copy may come of it; how many."""
    run = find_run(connection, run_id)
    erasure.require_rows(connection, run.campaign_id)
    if run.state not in (RunState.RUNNING, RunState.PAUSED, RunState.SENT, RunState.FINISHED):
        raise Conflict(f"The run is {run.state}; unknown deliveries can be sent again only while it lives.")
    done = ledger.resend(connection, _keys(connection, run_id, lines))
    if done and run.state in (RunState.SENT, RunState.FINISHED):
        move(connection, run_id, run.state, RunState.RUNNING)
    audit.note(connection, who, "unknown sent again", f"run {run_id}", n=done)
    return done


def write_off(
    connection: Connection,
    ledger: Ledger,
    run_id: int,
    lines: Sequence[tuple[int, int]],
    who: str,
    reason: str | None = None,
) -> int:
    """Leave unknown deliveries of the run unknown for good; how many. reason: kept in the audit."""
    erasure.require_rows(connection, find_run(connection, run_id).campaign_id)
    done = ledger.write_off(connection, _keys(connection, run_id, lines), who)
    said = {"reason": reason} if reason else {}
    audit.note(connection, who, "unknown written off", f"run {run_id}", n=done, **said)
    return done


def _keys(connection: Connection, run_id: int, lines: Sequence[tuple[int, int]]) -> list[Key]:
    """Those of (batch, line) that are on the run's list; an empty `lines` is all of them."""
    u = unknowns.c
    query = select(u.campaign_id, u.batch_id, u.seq).where(u.run_id == run_id)
    wanted = set(lines)
    keys = [Key(*row) for row in connection.execute(query)]
    return [key for key in keys if not wanted or (key.batch_id, key.seq) in wanted]
