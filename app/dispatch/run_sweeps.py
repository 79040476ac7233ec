"""Sweeps over runs: subscribers become queued deliveries, and runs reach their next state by themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Table,
    TextClause,
    and_,
    bindparam,
    exists,
    func,
    or_,
    select,
    text,
    update,
)

from app.core.states import DeliveryState, NotSent, RunState, move_run
from app.database.connection import Database
from app.database.models import audiences, campaigns, chunks, run_batches, runs, statements, tallies
from app.ledger import approval_digest
from app.ledger.contract import ChunkState, Ledger
from app.observability.faults import Aside
from carriers.text import segments


@dataclass(frozen=True, slots=True)
class DueBatch:
    """A batch that is to be queued for a run, from behind a line; sent: it is not only counted."""

    run_id: int
    campaign_id: int
    batch_id: int
    segments: dict[str, int]
    after: int
    sent: bool

    @property
    def first(self) -> bool:
        """Nothing of it is queued yet, and it will be sent."""
        return self.sent and self.after == 0


def fan_out_next(
    connection: Connection,
    ledger: Ledger,
    looked: Mapping[int, approval_digest.Pieces],
    but: Sequence[int] = (),
) -> DueBatch | None:
    """Queue one slice of one started run: the batch that was altered since it was looked at, or None.

    Nothing is queued of a batch that is to be sent before it was looked at (app/dispatch/fan_out_job.py).
    """
    due = next_due(connection, but=but)
    if due is None or (due.sent and due.batch_id not in looked):
        return None
    if due.sent and not approval_digest.is_piece(connection, due.batch_id, due.after, looked[due.batch_id]):
        return due
    fan_out(connection, ledger, due)
    return None


def fan_out(connection: Connection, ledger: Ledger, due: DueBatch) -> None:
    """Queue one slice of the batch."""
    ledger.open_campaign(connection, due.campaign_id)
    ledger.fan_out(connection, due.run_id, due.batch_id, due.segments, approval_digest.SLICE)


def next_due(
    connection: Connection,
    states: Sequence[RunState] = (RunState.RUNNING, RunState.CANCELLING),
    but: Sequence[int] = (),
) -> DueBatch | None:
    """A batch of a started run that is not fanned out whole; a cancelled run's too: all are counted.

    but: not of these runs.
    """
    b, r, c = run_batches.c, runs.c, campaigns.c
    query = (
        select(r.id, r.state, b.campaign_id, b.batch_id, b.fanned_upto, c.texts)
        .join(runs, r.id == b.run_id)
        .join(campaigns, c.id == b.campaign_id)
        .where(b.fanned_all.is_(False), r.state.in_([state.value for state in states]), r.id.not_in(but))
        .order_by(r.priority.desc(), b.fanned_upto, b.batch_id)
        .limit(1)
    )
    row = connection.execute(query).first()
    if row is None:
        return None
    parts = {lang: segments(wording) for lang, wording in row.texts.items()}
    sent = row.state == RunState.RUNNING
    return DueBatch(row.id, row.campaign_id, row.batch_id, parts, row.fanned_upto, sent)


class RunMove(NamedTuple):
    """A run that has come to its next state by itself."""

    run_id: int
    old: RunState
    new: RunState


def due_steps(connection: Connection, ledger: Ledger, patience_ms: int) -> list[RunMove]:
    """The runs that have come to their next state.

    Running ones with nothing left to send are sent, and running again where a holder that was thought dead
    said what it had not sent. Sent ones with nothing open are finished; so are those that ended longer than
    `patience_ms` ago: what has no receipt by then has none, and one that comes later still counts. A run
    whose carrier sends has nothing here: its operator says when it ends, and its figures finish it.
    """
    idle, again, settling = _watched()
    steps = [
        RunMove(run_id, RunState.RUNNING, RunState.SENT) for run_id in connection.execute(idle).scalars()
    ]
    steps += [
        RunMove(run_id, RunState.SENT, RunState.RUNNING) for run_id in connection.execute(again).scalars()
    ]
    for row in connection.execute(settling, {"old": ledger.now_ms(connection) - patience_ms}).all():
        waiting = _OPEN[:1] if row.over else _OPEN
        if not _count(connection, row.id, waiting):
            steps.append(RunMove(row.id, RunState.SENT, RunState.FINISHED))
    return steps


def advance(connection: Connection, ledger: Ledger, patience_ms: int) -> int:
    """Move runs on until none has a next step; how many moves that took."""
    moved = 0
    while steps := due_steps(connection, ledger, patience_ms):
        for step in steps:
            move(connection, step.run_id, step.old, step.new, **_times(connection, ledger, step.new))
        moved += len(steps)
    return moved


def _times(connection: Connection, ledger: Ledger, new: RunState) -> dict[str, Any]:
    now = ledger.now_ms(connection)
    if new is RunState.FINISHED:
        return {"finished_at": func.coalesce(runs.c.finished_at, now)}
    return {"ended_at": now if new is RunState.SENT else None}


# Final states are still to come for these.
_OPEN = (DeliveryState.QUEUED, DeliveryState.SUBMITTED, DeliveryState.UNKNOWN)


@cache
def _watched() -> tuple[Select[Any], Select[Any], Select[Any]]:
    """Running runs with nothing left, sent ones with something to send, sent ones that may be finished.

    They are asked for each second, and made once: that takes longer than the answers.
    """
    r = runs.c
    idle = select(r.id).where(r.state == RunState.RUNNING.value, ~left(), fanned_out(), ~held())
    return idle, select(r.id).where(r.state == RunState.SENT.value, left()), _settling()


def _settling() -> Select[Any]:
    """Sent runs that may be finished: for the most part found without adding anything up.

    A run with folded rows of an open state, and none that has come since, waits; nobody counts these. Whether
    a row is folded is asked in the words of the indexes: SQLite would not see that they fit.
    """
    r, t = runs.c, tallies.c
    came = _any(tallies, t.run_id == r.id, text("NOT tallies.folded"))
    open_ = (
        t.run_id == r.id,
        text("tallies.folded"),
        t.state.in_(_OPEN),
        t.reason != NotSent.WRITTEN_OFF,
        t.n != 0,
    )
    over = and_(~held(), r.ended_at <= bindparam("old"))
    known = or_(~held(), _any(statements, statements.c.run_id == r.id))
    may = or_(came, ~_any(tallies, *open_), over)
    return select(r.id, over.label("over")).where(r.state == RunState.SENT.value, known, may).order_by(r.id)


def _any(table: Table, *where: ColumnElement[bool] | TextClause) -> ColumnElement[bool]:
    """Whether there is such a row. As a scalar it is asked once for each run, by its index: an EXISTS may be
    turned into a walk through all that there is."""
    return select(1).select_from(table).where(*where).limit(1).scalar_subquery().is_not(None)


def held() -> ColumnElement[bool]:
    """The carrier holds the audience and sends by itself."""
    return exists().where(audiences.c.run_id == runs.c.id)


def left() -> ColumnElement[bool]:
    """There are chunks of the run still to be sent or closed."""
    return _any(chunks, chunks.c.run_id == runs.c.id, chunks.c.state < ChunkState.DONE)


def fanned_out() -> ColumnElement[bool]:
    """Every batch of the run has been turned to deliveries."""
    return ~exists().where(run_batches.c.run_id == runs.c.id, run_batches.c.fanned_all.is_(False))


def _count(connection: Connection, run_id: int, states: Sequence[DeliveryState]) -> int:
    """Deliveries of the run in these states; what was written off is not waited for."""
    t = tallies.c
    query = select(func.coalesce(func.sum(t.n), 0)).where(t.run_id == run_id, t.state.in_(states))
    return int(connection.execute(query.where(t.reason != NotSent.WRITTEN_OFF)).scalar_one())


def move(connection: Connection, run_id: int, old: str, new: RunState, **values: Any) -> bool:
    """Move the run, where it is still in state `old`."""
    own = update(runs).where(runs.c.id == run_id, runs.c.state == str(old))
    return bool(connection.execute(own.values(state=move_run(old, new).value, **values)).rowcount)


# ---- Closes what will not be sent: of runs that were cancelled, or are past their window's end

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
