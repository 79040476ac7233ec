"""Closes what will not be sent: of runs that were cancelled, or are past their window's end."""

from __future__ import annotations

from sqlalchemy import Connection, and_, or_, select

from app.core.states import NotSent, RunState
from app.database.connection import Database
from app.database.models import campaigns, runs
from app.dispatch.run_sweeps import fanned_out, held, left, move
from app.ledger.contract import Ledger
from app.observability.faults import Aside

# So many chunks in one transaction: short, so that no other writer waits long.
_CHUNKS_AT_ONCE = 20


async def close_due(db: Database, ledger: Ledger, aside: Aside) -> bool:
    """Close a slice of each run that is to be closed; whether there is more to do at once.

    A run with a chunk in somebody's hands, or one that fails, keeps none of the others waiting.
    """
    more, resting = False, aside.resting()
    for run_id in await db.insist_reading(to_close, ledger):
        if run_id not in resting:
            more |= await aside.attempt(run_id, f"run {run_id}", db.insist(close, ledger, run_id))
    return more


def to_close(connection: Connection, ledger: Ledger) -> list[int]:
    """The runs that are to be closed, by the clock that all processes share, the oldest first."""
    r = runs.c
    living = r.state.in_([RunState.RUNNING.value, RunState.PAUSED.value])
    past = and_(living, campaigns.c.window_end <= ledger.now_ms(connection), ~held())
    closing = and_(r.state == RunState.CANCELLING.value, or_(left(), fanned_out()))
    late = and_(r.state == RunState.CANCELLED.value, left())
    query = select(r.id).join(campaigns, campaigns.c.id == r.campaign_id).where(or_(past, closing, late))
    return list(connection.execute(query.order_by(r.id)).scalars())


def close(connection: Connection, ledger: Ledger, run_id: int) -> bool:
    """Close a slice of the run, and the run itself once nothing is left; whether to go on at once."""
    if run_id not in to_close(connection, ledger):  # somebody was before us
        return False
    row = connection.execute(select(runs, fanned_out().label("whole")).where(runs.c.id == run_id)).one()
    if row.state in (RunState.RUNNING, RunState.PAUSED):
        return move(connection, run_id, row.state, RunState.CANCELLING, closing=NotSent.WINDOW_CLOSED)
    closed = ledger.close_unsent(connection, run_id, row.closing, _CHUNKS_AT_ONCE)
    if closed.left or row.state != RunState.CANCELLING or not row.whole:
        return closed.chunks > 0
    end = RunState.CANCELLED if row.closing == NotSent.CANCELLED else RunState.SENT
    return move(connection, run_id, RunState.CANCELLING, end, ended_at=ledger.now_ms(connection))
