"""Sweeps over runs: queue deliveries, expire leases of dead holders, move runs on, close ended ones."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import structlog
from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Row,
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

from app.core import clock
from app.core.states import SENT, ChunkState, DeliveryState, NotSent, RunState, move_run
from app.database.connection import Database
from app.database.models import (
    audiences,
    campaigns,
    chunks,
    deliveries,
    replacements,
    run_batches,
    runs,
    statements,
    tallies,
)
from app.ledger import batch_rows
from app.ledger.contract import Closed
from app.ledger.ledger import Ledger
from app.ledger.row_locking import lock_runs
from app.observability.faults import Aside
from carriers.text import segments

log = structlog.get_logger(__name__)

_GOING = (RunState.RUNNING, RunState.PAUSED, RunState.CANCELLING)


@dataclass(frozen=True, slots=True)
class DueBatch:
    """A batch to fan out for a run, from after a line. `sent`: it is to be sent, not only counted."""

    run_id: int
    campaign_id: int
    batch_id: int
    segments: int
    after: int
    sent: bool
    carrier: str

    @property
    def first(self) -> bool:
        return self.sent and self.after == 0


def fan_out_next(
    connection: Connection,
    ledger: Ledger,
    looked: Mapping[int, batch_rows.Pieces],
    lists: Collection[str],
    but: Sequence[int] = (),
) -> DueBatch | None:
    """Queue one slice of one run, unless its batch is not `looked` at; return the batch if it was altered.

    lists: carriers whose do-not-send lists were looked at.
    """
    due = next_due(connection, but=but)
    if due is None or (due.sent and (due.batch_id not in looked or due.carrier not in lists)):
        return None
    if due.sent and not batch_rows.is_piece(connection, due.batch_id, due.after, looked[due.batch_id]):
        return due
    fan_out(connection, ledger, due)
    return None


def fan_out(connection: Connection, ledger: Ledger, batch: DueBatch) -> None:
    ledger.open_campaign(connection, batch.campaign_id)
    ledger.fan_out(connection, batch.run_id, batch.batch_id, batch.segments, batch_rows.SLICE)


def next_due(
    connection: Connection,
    states: Sequence[RunState] = (RunState.RUNNING, RunState.CANCELLING),
    but: Sequence[int] = (),
) -> DueBatch | None:
    """Return a batch to fan out, skipping runs in `but`; of cancelled runs too, so that all are counted."""
    row = connection.execute(_waiting_batches(), {"states": [*states], "but": [*but]}).first()
    if row is None:
        return None
    parts = segments(row.texts[""])
    sent = row.state == RunState.RUNNING
    return DueBatch(row.id, row.campaign_id, row.batch_id, parts, row.fanned_upto, sent, row.carrier)


@cache
def _waiting_batches() -> Select[Any]:
    """Select the batch to be queued next, with its run's state and its campaign's texts.

    What replaces a run waits until that run is stopped: only then is it known to whom it has written.
    """
    b, r, c, p, s = run_batches.c, runs.c, campaigns.c, replacements.c, runs.alias("stopping").c
    stopping = exists().where(p.campaign_id == b.campaign_id, s.campaign_id == p.replaced_id)
    stopping = stopping.where(s.state.in_(_GOING))
    among: BindParameter[list[str]] = bindparam("states", expanding=True)
    but: BindParameter[list[int]] = bindparam("but", expanding=True)
    return (
        select(r.id, r.state, r.carrier, b.campaign_id, b.batch_id, b.fanned_upto, c.texts)
        .join(runs, r.id == b.run_id)
        .join(campaigns, c.id == b.campaign_id)
        .where(b.fanned_all.is_(False), r.state.in_(among), r.id.not_in(but), ~stopping)
        .order_by(r.priority.desc(), b.fanned_upto, b.batch_id)
        .limit(1)
    )


class RunMove(NamedTuple):
    """A state change of a run by itself."""

    run_id: int
    old: RunState
    new: RunState


def due_steps(connection: Connection, ledger: Ledger, patience_ms: int) -> list[RunMove]:
    """Return the state changes that are due.

    A running run with nothing left to send becomes sent, and running again if a lease holder that was thought
    dead reports what it had not sent. A sent run finishes once nothing is open, or `patience_ms` after it
    ended (the setting receipt_days): by then no receipt is expected, but a later one still counts, and the
    messages without one stay as they are. A run whose carrier holds the audience is not moved here: its
    operator says when it ends, and its figures finish it.
    """
    idle, again, settling = _watched()
    steps = [
        RunMove(run_id, RunState.RUNNING, RunState.SENT) for run_id in connection.execute(idle).scalars()
    ]
    steps += [
        RunMove(run_id, RunState.SENT, RunState.RUNNING) for run_id in connection.execute(again).scalars()
    ]
    now = ledger.now_ms(connection)
    for row in connection.execute(settling, {"old": now - patience_ms}).all():
        waiting = _OPEN[:1] if row.over else _OPEN
        if not _count(connection, row.id, waiting):
            steps.append(RunMove(row.id, RunState.SENT, RunState.FINISHED))
    return steps


def advance(connection: Connection, ledger: Ledger, patience_ms: int) -> int:
    """Move runs until none has a next state; return how many moves that took."""
    moved = 0
    while steps := due_steps(connection, ledger, patience_ms):
        for step in steps:
            _take(connection, ledger, step, last_message_ms(connection, step.run_id))
        moved += len(steps)
    return moved


async def advance_due(db: Database, ledger: Ledger, aside: Aside, patience_ms: int) -> bool:
    """Take the next step of each run that has one, in a transaction of its own; whether one was taken.

    The writer is asked only where there are any. A run that fails keeps none of the others waiting.
    """
    taken = False
    for step in await db.read_with_retry(due_steps, ledger, patience_ms):
        if step.run_id not in aside.resting():
            # A look at each of its messages: no writer waits for it.
            ended = step.new is RunState.SENT
            last_ms = await db.read_with_retry(last_message_ms, step.run_id) if ended else None
            work = db.write_with_retry(take_step, ledger, step, patience_ms, last_ms)
            taken |= bool(await aside.result(step.run_id, f"run {step.run_id}", work))
    return taken


async def expire_leases(db: Database, ledger: Ledger, aside: Aside) -> bool:
    """Mark as unknown what a dead process may have sent, also where no link claims it; return False."""
    for run_id in await db.read_with_retry(_with_dead_holders, ledger):
        if run_id not in aside.resting():
            work = db.write_with_retry(ledger.expire_leases, run_id, _CHUNKS_AT_ONCE)
            if lost := await aside.result(run_id, f"run {run_id}", work):
                log.warning("deliveries of a process that ended became unknown", run=run_id, n=lost)
    return False


def _with_dead_holders(connection: Connection, ledger: Ledger) -> list[int]:
    """Return the open runs with chunks whose lease has run out; by the small index of open chunks."""
    return list(connection.execute(_died(), {"now": ledger.now_ms(connection)}).scalars())


@cache
def _died() -> Select[Any]:
    c = chunks.c
    dead = (
        c.run_id == runs.c.id,
        text("chunks.state < 2"),
        c.state == ChunkState.LEASED,
        c.lease_until < bindparam("now"),
    )
    open_ = runs.c.state.in_([RunState.RUNNING.value, RunState.PAUSED.value])
    return select(runs.c.id).where(open_, _any(chunks, *dead))


def take_step(
    connection: Connection, ledger: Ledger, step: RunMove, patience_ms: int, last_ms: int | None = None
) -> bool:
    """Move the run, where that is still its next step once nobody else moves it; whether it was.

    last_ms: when its last message was sent, by which it ended however late that is noticed.
    """
    lock_runs(connection, [step.run_id])
    return step in due_steps(connection, ledger, patience_ms) and _take(connection, ledger, step, last_ms)


def _take(connection: Connection, ledger: Ledger, step: RunMove, last_ms: int | None) -> bool:
    now = ledger.now_ms(connection)
    times: dict[str, Any] = {"ended_at": None}
    if step.new is RunState.FINISHED:
        times = {"finished_at": now}
    elif step.new is RunState.SENT:
        times = {"ended_at": min(now, last_ms or now)}
    return move(connection, step.run_id, step.old, step.new, **times)


def last_message_ms(connection: Connection, run_id: int) -> int | None:
    """Return when the run's last message was sent, as its report has it; None if none was."""
    # On PostgreSQL each campaign has tables of its own: a subquery instead of a number would open them all.
    campaign_id = connection.execute(select(runs.c.campaign_id).where(runs.c.id == run_id)).scalar_one()
    d = deliveries.c
    query = select(func.max(d.submitted_at)).where(
        d.campaign_id == campaign_id, d.run_id == run_id, d.state.in_(SENT)
    )
    return connection.execute(query).scalar()


# Deliveries in these states still wait for a final one.
_OPEN = (DeliveryState.QUEUED, DeliveryState.SUBMITTED, DeliveryState.UNKNOWN)


@cache
def _watched() -> tuple[Select[Any], Select[Any], Select[Any]]:
    """Build once the queries for idle, reopened and perhaps finished runs; building them is the slow part."""
    r = runs.c
    idle = select(r.id).where(r.state == RunState.RUNNING.value, ~left(), fanned_out(), ~held())
    return idle, select(r.id).where(r.state == RunState.SENT.value, left()), _settling()


def _settling() -> Select[Any]:
    """Select sent runs that may be finished, mostly without summing tallies.

    A run that has folded rows of an open state, and none added since, waits and is not counted. The `folded`
    conditions are literal SQL as in the partial indexes; otherwise SQLite would not use these.
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
    sent = (r.state == RunState.SENT.value, known, may)
    return select(r.id, over.label("over")).where(*sent).order_by(r.id)


def _any(table: Table, *where: ColumnElement[bool] | TextClause) -> ColumnElement[bool]:
    """Return whether such a row exists. A scalar uses each run's index; EXISTS may become a full scan."""
    return select(1).select_from(table).where(*where).limit(1).scalar_subquery().is_not(None)


def held() -> ColumnElement[bool]:
    """The carrier holds the audience and sends by itself."""
    return exists().where(audiences.c.run_id == runs.c.id)


def left() -> ColumnElement[bool]:
    return _any(chunks, chunks.c.run_id == runs.c.id, chunks.c.state < ChunkState.DONE)


def fanned_out() -> ColumnElement[bool]:
    return ~exists().where(run_batches.c.run_id == runs.c.id, run_batches.c.fanned_all.is_(False))


def _count(connection: Connection, run_id: int, states: Sequence[DeliveryState]) -> int:
    t = tallies.c
    query = select(func.coalesce(func.sum(t.n), 0)).where(t.run_id == run_id, t.state.in_(states))
    return int(connection.execute(query.where(t.reason != NotSent.WRITTEN_OFF)).scalar_one())


def move(connection: Connection, run_id: int, old: str, new: RunState, **values: Any) -> bool:
    """Move the run if it is still in state `old`; return whether it was."""
    own = update(runs).where(runs.c.id == run_id, runs.c.state == str(old))
    return bool(connection.execute(own.values(state=move_run(old, new).value, **values)).rowcount)


# ---- Close cancelled runs and those past their window

# A transaction goes on to the next chunks for so long: short, so that no other writer waits long.
_SHORT_S = 0.05
_CHUNKS_AT_ONCE = 4


async def close_due(db: Database, ledger: Ledger, aside: Aside) -> bool:
    """Close a slice of each run to be closed, each by itself; return whether to go on at once."""
    more, resting = False, aside.resting()
    for run_id in await db.read_with_retry(to_close, ledger):
        if run_id not in resting:
            more |= await aside.attempt(run_id, f"run {run_id}", db.write_with_retry(close, ledger, run_id))
    return more


def to_close(connection: Connection, ledger: Ledger) -> list[int]:
    """Return the runs to close by the database's clock, oldest first."""
    return list(connection.execute(_ending(), {"now": ledger.now_ms(connection)}).scalars())


@cache
def _ending() -> Select[Any]:
    r = runs.c
    living = r.state.in_([RunState.RUNNING.value, RunState.PAUSED.value])
    past = and_(living, campaigns.c.window_end <= bindparam("now"), ~held())
    closing = and_(r.state == RunState.CANCELLING.value, or_(left(), fanned_out()))
    late = and_(r.state == RunState.CANCELLED.value, left())
    query = select(r.id).join(campaigns, campaigns.c.id == r.campaign_id).where(or_(past, closing, late))
    return query.order_by(r.id)


def close(connection: Connection, ledger: Ledger, run_id: int) -> bool:
    """Close a slice of the run, and the run itself once nothing is left; return whether to go on at once."""
    if run_id not in to_close(connection, ledger):  # another process closed it meanwhile
        return False
    row = connection.execute(select(runs, fanned_out().label("whole")).where(runs.c.id == run_id)).one()
    if row.state in (RunState.RUNNING, RunState.PAUSED):
        return move(connection, run_id, row.state, RunState.CANCELLING, closing=NotSent.WINDOW_CLOSED)
    closed, ends = _close_some(connection, ledger, row), clock.monotonic() + _SHORT_S
    some = closed.chunks > 0
    while closed.chunks and closed.left and clock.monotonic() < ends:
        closed = _close_some(connection, ledger, row)
    if closed.left or row.state != RunState.CANCELLING or not row.whole:
        return some
    end = RunState.CANCELLED if row.closing == NotSent.CANCELLED else RunState.SENT
    return move(connection, run_id, RunState.CANCELLING, end, ended_at=ledger.now_ms(connection))


def _close_some(connection: Connection, ledger: Ledger, row: Row[Any]) -> Closed:
    return ledger.close_unsent(connection, row.id, row.closing, _CHUNKS_AT_ONCE)
