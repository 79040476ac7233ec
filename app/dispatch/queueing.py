"""Queues what has been started, after a look whether a batch's rows are those that were approved."""

from __future__ import annotations

from app import seal
from app.db import Database
from app.dispatch import runs, sendable
from app.errors import Away
from app.ledger.contract import Ledger


async def queue_next(db: Database, ledger: Ledger) -> bool:
    """Queue one slice of one started run; whether there may be more to do.

    A run of which a batch was altered after its import is stopped instead: nothing of that batch goes out.
    """
    try:
        due = await db.aread(runs.next_due)
        # Beside the writer, since it takes seconds: once for each batch, before anything of it is queued.
        altered = due is not None and due.first and await db.aread(seal.rows_altered, due.batch_id)
    except Away:
        return False
    if due is not None and altered:
        await db.insist(sendable.stop, due.run_id, due.campaign_id, batch=due.batch_id)
        return True
    return await db.insist(runs.fan_out_next, ledger, due.batch_id if due else None)
