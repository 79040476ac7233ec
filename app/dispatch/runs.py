"""Sweeps over runs: subscribers become queued deliveries, and runs reach their next state by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, and_, exists, func, or_, select, update

from app import clock
from app.ledger.contract import ChunkState, Ledger
from app.models import audiences, campaigns, chunks, run_batches, runs, statements, tallies
from app.states import DeliveryState, NotSent, RunState, move_run
from carriers.text import segments

# Subscribers turned to deliveries in one transaction: small, so that no other writer waits long.
SLICE = 10_000
_CHUNKS_AT_ONCE = 20


@dataclass(frozen=True, slots=True)
class Due:
    """A batch that is to be queued for a run; first: nothing of it is yet, and it will be sent."""

    run_id: int
    campaign_id: int
    batch_id: int
    segments: dict[str, int]
    first: bool


def fan_out_next(connection: Connection, ledger: Ledger, looked_at: int | None) -> bool:
    """Queue one slice of one started run; whether there may be more to do.

    Nothing is queued of a batch that is to be sent before it was looked at (app/dispatch/queueing.py).
    """
    due = next_due(connection)
    if due is None:
        return False
    if due.first and due.batch_id != looked_at:
        return True
    fan_out(connection, ledger, due)
    return True


def fan_out(connection: Connection, ledger: Ledger, due: Due) -> None:
    """Queue one slice of the batch."""
    ledger.open_campaign(connection, due.campaign_id)
    ledger.fan_out(connection, due.run_id, due.batch_id, due.segments, SLICE)


def next_due(
    connection: Connection, states: Sequence[RunState] = (RunState.RUNNING, RunState.CANCELLING)
) -> Due | None:
    """A batch of a started run that is not fanned out whole; a cancelled run's too: all are counted."""
    b, r, c = run_batches.c, runs.c, campaigns.c
    query = (
        select(r.id, r.state, b.campaign_id, b.batch_id, b.fanned_upto, c.texts)
        .join(runs, r.id == b.run_id)
        .join(campaigns, c.id == b.campaign_id)
        .where(b.fanned_all.is_(False), r.state.in_([state.value for state in states]))
        .order_by(r.priority.desc(), b.fanned_upto, b.batch_id)
        .limit(1)
    )
    row = connection.execute(query).first()
    if row is None:
        return None
    parts = {lang: segments(wording) for lang, wording in row.texts.items()}
    first = row.fanned_upto == 0 and row.state == RunState.RUNNING
    return Due(row.id, row.campaign_id, row.batch_id, parts, first)


def close_over(connection: Connection, ledger: Ledger) -> bool:
    """Close what will not be sent in one run: cancelled, or past its window's end; whether any was moved."""
    r = runs.c
    living = r.state.in_([RunState.RUNNING.value, RunState.PAUSED.value])
    past = connection.execute(select(r.id, r.state).where(living, _past_end(), ~_held()).limit(1)).first()
    if past is not None:
        return move(connection, past.id, past.state, RunState.CANCELLING, closing=NotSent.WINDOW_CLOSED)
    due = and_(r.state == RunState.CANCELLING.value, _fanned_out())
    late = and_(r.state == RunState.CANCELLED.value, _left())
    row = connection.execute(select(r.id, r.state, r.closing).where(or_(due, late)).limit(1)).first()
    if row is None or ledger.close_unsent(connection, row.id, row.closing, _CHUNKS_AT_ONCE):
        return False
    if row.state == RunState.CANCELLED:
        return True
    end = RunState.CANCELLED if row.closing == NotSent.CANCELLED else RunState.SENT
    return move(connection, row.id, RunState.CANCELLING, end, ended_at=clock.now_ms())


def _past_end() -> ColumnElement[bool]:
    ended = and_(campaigns.c.id == runs.c.campaign_id, campaigns.c.window_end <= clock.now_ms())
    return exists().where(ended)


def _fanned_out() -> ColumnElement[bool]:
    """Every batch of the run has been turned to deliveries."""
    return ~exists().where(run_batches.c.run_id == runs.c.id, run_batches.c.fanned_all.is_(False))


def advance(connection: Connection) -> int:
    """Running runs with nothing left to send are sent; sent runs with nothing open are finished; how many.

    A run whose carrier sends has nothing here: its operator says when it ends, and its figures finish it.
    """
    r = runs.c
    done = select(r.id).where(r.state == RunState.RUNNING.value, ~_left(), _fanned_out(), ~_held())
    moved = _run_again(connection)
    for run_id in connection.execute(done).scalars().all():
        move(connection, run_id, RunState.RUNNING, RunState.SENT, ended_at=clock.now_ms())
        moved += 1
    sent = select(r.id).where(r.state == RunState.SENT.value, or_(~_held(), _stated()))
    for run_id in connection.execute(sent).scalars().all():
        if not _open(connection, run_id):
            move(connection, run_id, RunState.SENT, RunState.FINISHED)
            moved += 1
    return moved


def _held() -> ColumnElement[bool]:
    """The carrier holds the audience and sends by itself."""
    return exists().where(audiences.c.run_id == runs.c.id)


def _stated() -> ColumnElement[bool]:
    """Figures of the run have come in."""
    return exists().where(statements.c.run_id == runs.c.id)


def _run_again(connection: Connection) -> int:
    """Sent runs with chunks to send: a holder thought dead came back and said what it had not sent."""
    again = select(runs.c.id).where(runs.c.state == RunState.SENT.value, _left())
    found = connection.execute(again).scalars().all()
    return sum(move(connection, run_id, RunState.SENT, RunState.RUNNING, ended_at=None) for run_id in found)


def _left() -> ColumnElement[bool]:
    """There are chunks of the run still to be sent or closed."""
    return exists().where(chunks.c.run_id == runs.c.id, chunks.c.state < ChunkState.DONE)


def _open(connection: Connection, run_id: int) -> int:
    """Deliveries of the run whose final state is still to come; what was written off is not waited for."""
    t = tallies.c
    waiting = [DeliveryState.QUEUED, DeliveryState.SUBMITTED, DeliveryState.UNKNOWN]
    query = select(func.coalesce(func.sum(t.n), 0)).where(t.run_id == run_id, t.state.in_(waiting))
    query = query.where(t.reason != NotSent.WRITTEN_OFF)
    return int(connection.execute(query).scalar_one())


def move(connection: Connection, run_id: int, old: str, new: RunState, **values: int | None) -> bool:
    """Move the run, where it is still in state `old`."""
    own = update(runs).where(runs.c.id == run_id, runs.c.state == str(old))
    return bool(connection.execute(own.values(state=move_run(old, new).value, **values)).rowcount)
