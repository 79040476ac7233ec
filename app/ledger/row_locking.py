"""Lock rows that a decision rests on, before what other tables say of them is read.

On PostgreSQL a statement that waits for a lock goes on to see other tables as they were before it waited. So
whoever decides by several tables locks first, and asks in the next statement. Late answers lock their chunk,
the run where it may go on, then deliveries by line; claims and sweeps skip chunks that others have; orders of
persons lock their chunks in order, each with its deliveries, and move the run last. Batches are locked before
runs, and the audit's chain after both. On SQLite, with one writer, these are plain reads.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from app.core.states import RunState
from app.database.models import batches, chunks, deliveries, runs
from app.ledger.contract import ChunkLease


def lock_runs(connection: Connection, run_ids: Sequence[int]) -> None:
    """Lock runs for a move; rows that refer to them can still be added."""
    r = runs.c
    query = select(r.id).where(r.id.in_(run_ids)).order_by(r.id)
    connection.execute(query.with_for_update(key_share=True)).all()


def lock_batches(connection: Connection, batch_ids: Sequence[int]) -> None:
    """Lock batches, so that none is erased while a run is planned over it, nor the reverse."""
    b = batches.c
    query = select(b.id).where(b.id.in_(batch_ids)).order_by(b.id)
    connection.execute(query.with_for_update(key_share=True)).all()


def lock_chunk(connection: Connection, lease: ChunkLease) -> None:
    c = chunks.c
    own = (c.campaign_id == lease.campaign_id, c.batch_id == lease.batch_id)
    chunk = select(c.first_seq).where(*own, c.first_seq == lease.first_seq)
    connection.execute(chunk.with_for_update()).all()


def lock_run_state(connection: Connection, run_id: int) -> RunState:
    """Keep others from moving the run, which several may do at once; return its state."""
    run = select(runs.c.state).where(runs.c.id == run_id)
    return RunState(connection.execute(run.with_for_update(read=True)).scalar_one())


def lock_lines(connection: Connection, lease: ChunkLease, seqs: Sequence[int]) -> None:
    """Lock deliveries of the lease's batch, whatever their state."""
    d = deliveries.c
    own = (d.campaign_id == lease.campaign_id, d.batch_id == lease.batch_id, d.seq.in_(seqs))
    connection.execute(select(d.seq).where(*own).order_by(d.seq).with_for_update(key_share=True)).all()
