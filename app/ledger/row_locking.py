"""Lock rows that a decision rests on, before what other tables say of them is read.

On PostgreSQL a statement that waits for a lock goes on to see other tables as they were before it waited. So
whoever decides by several tables locks first, and asks in the next statement. The order is the same
everywhere, so that nobody waits in a circle: budget and chunk, then run, then deliveries by line, then the
lists about them. On SQLite, with one writer, these are plain reads.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from app.core.states import RunState
from app.database.models import batches, chunks, deliveries, runs
from app.ledger.contract import ChunkLease


def lock_runs(connection: Connection, run_ids: Sequence[int]) -> None:
    r = runs.c
    connection.execute(select(r.id).where(r.id.in_(run_ids)).order_by(r.id).with_for_update()).all()


def lock_batches(connection: Connection, batch_ids: Sequence[int]) -> None:
    b = batches.c
    connection.execute(select(b.id).where(b.id.in_(batch_ids)).order_by(b.id).with_for_update()).all()


def lock_chunk_and_run(connection: Connection, lease: ChunkLease) -> RunState:
    """Lock the lease's chunk, then its run, so that no sweep ends the run meanwhile; return its state."""
    c = chunks.c
    own = (c.campaign_id == lease.campaign_id, c.batch_id == lease.batch_id)
    chunk = select(c.first_seq).where(*own, c.first_seq == lease.first_seq)
    connection.execute(chunk.with_for_update()).all()
    run = select(runs.c.state).where(runs.c.id == lease.run_id)
    return RunState(connection.execute(run.with_for_update(read=True)).scalar_one())


def lock_lines(connection: Connection, lease: ChunkLease, seqs: Sequence[int]) -> None:
    """Lock deliveries of the lease's batch, whatever their state."""
    d = deliveries.c
    own = (d.campaign_id == lease.campaign_id, d.batch_id == lease.batch_id, d.seq.in_(seqs))
    connection.execute(select(d.seq).where(*own).order_by(d.seq).with_for_update()).all()
