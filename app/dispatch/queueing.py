"""Queues what has been started, after a look whether a batch's rows are those that were approved."""

from __future__ import annotations

from collections.abc import Sequence

from app import seal
from app.db import Database
from app.dispatch import runs, sendable
from app.errors import Away
from app.faults import Aside
from app.ledger.contract import Ledger


async def queue_next(db: Database, ledger: Ledger, aside: Aside) -> bool:
    """Queue one slice of one started run; whether there may be more to do. A run that fails stands back."""
    resting = aside.resting()
    due = await db.insist_reading(runs.next_due, but=resting)
    if due is None:
        return False
    return await aside.attempt(due.run_id, f"run {due.run_id}", _queue(db, ledger, due, resting))


async def _queue(db: Database, ledger: Ledger, due: runs.Due, but: Sequence[int]) -> bool:
    """A run of which a batch was altered after its import is stopped: nothing of that batch goes out."""
    try:
        # Beside the writer, since it takes seconds: once for each batch, before anything of it is queued.
        altered = due.first and await db.aread(seal.rows_altered, due.batch_id)
    except Away:
        return False
    if altered:
        await db.insist(sendable.stop, due.run_id, due.campaign_id, batch=due.batch_id)
        return True
    return await db.insist(runs.fan_out_next, ledger, due.batch_id, but)
