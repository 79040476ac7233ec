"""Unknown deliveries for their operator: the list, and one audited decision, to write them off."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, func, select, tuple_

from app.core import clock
from app.core.errors import AppError, Invalid, no_such
from app.database import listing
from app.database.connection import Database
from app.database.models import runs, unknowns
from app.ledger import erasure
from app.ledger.contract import DeliveryKey
from app.ledger.ledger import Ledger
from app.security import audit
from carriers.phrases import Phrase

SLICE = 200  # deliveries decided on in one transaction
REST = 3.0  # pause between slices, in times of the last one, that leaves the writer to others
_KEY = (unknowns.c.campaign_id, unknowns.c.batch_id, unknowns.c.seq)


def find_run(connection: Connection, run_id: int, carrier: str | None = None) -> Row[tuple[object, ...]]:
    """Return the run's row. Raises NotFound, also to an operator of `carrier` for other carriers' runs."""
    row = connection.execute(select(runs).where(runs.c.id == run_id)).first()
    if row is None or carrier not in (None, row.carrier):
        raise no_such("run", run_id)
    return row


def listed(
    connection: Connection, run_id: int, after: Sequence[int] = (0, 0), limit: int = 1000
) -> list[Row[tuple[object, ...]]]:
    """Return the run's unknown deliveries after (batch, line), in that order, written-off ones included."""
    run = find_run(connection, run_id)
    return list(connection.execute(_of_run(select(unknowns), run).where(_behind(after)).limit(limit)))


def how_many(connection: Connection, run_id: int) -> int:
    """Count them by the index on their run, up to one more than listing.COUNTED."""
    return listing.counted(connection, select(unknowns.c.seq).where(unknowns.c.run_id == run_id))


class Position(NamedTuple):
    """How far an order has come: what it means was unknown by then, decided up to this (batch, line).

    given_at: ms since 1970 by the ledger's clock; done: how many deliveries are decided.
    """

    given_at: int
    after: tuple[int, int] = (0, 0)
    done: int = 0


class KeptPosition(Protocol):
    """Where an order's position is kept, so that its repetition goes on behind it, also at the same time."""

    def take(self, connection: Connection) -> Sequence[Any] | None:
        """Return the last position, None before the first slice; others wait until the transaction ends."""

    def keep(self, connection: Connection, position: Sequence[Any]) -> None:
        """Store the position in the transaction of its slice."""


@dataclass(frozen=True, slots=True)
class UnknownOrder:
    """A person's decision on unknown deliveries of one run: these (batch, line), or all listed by then.

    kept: an order that is repeated after an interruption, and is the same one; None: each is a new one.
    """

    run_id: int
    who: str
    lines: Sequence[tuple[int, int]] = ()
    reason: str | None = None  # of a write-off, kept in the audit
    kept: KeptPosition | None = None


Progress = Callable[[int, int], None]
_Step = Callable[[Connection, Sequence[DeliveryKey]], int]


def write_off(db: Database, ledger: Ledger, order: UnknownOrder, say: Progress = lambda *_: None) -> int:
    """Leave unknown deliveries of the run unknown for good; return how many.

    Works in slices of one transaction each, so that nobody else waits long, and calls `say(done, total)`
    after each. After an interruption what is done stays done; repeat the order for the rest. Where its
    position is kept, that is what it has not decided yet, else all that is unknown by then.
    """

    def step(connection: Connection, keys: Sequence[DeliveryKey]) -> int:
        erasure.require_rows(connection, find_run(connection, order.run_id).campaign_id)
        done = ledger.write_off(connection, keys, order.who)
        said = {"reason": order.reason} if order.reason else {}
        audit.note(connection, order.who, "unknown.write_off", f"run/{order.run_id}", n=done, **said)
        return done

    return _in_slices(db, ledger, order, step, say)


def broken_off(error: AppError, done: int) -> AppError:
    """Return the error that ended an order in slices, with how many messages it has decided."""
    sentence = Phrase(
        "{n} messages were decided before an error occurred: {why} Repeat the action for the rest.",
        n=done,
        why=error.detail,
    )
    return type(error)(sentence)


def _in_slices(db: Database, ledger: Ledger, order: UnknownOrder, step: _Step, say: Progress) -> int:
    position, total = db.read(_begin, ledger, order)
    before, seen, more = position.done, 0, True
    try:
        while more:
            began = clock.monotonic()
            position, n, more = db.write(_decide, order, step, position)
            seen += n
            if total > SLICE:
                say(seen, total)
                time.sleep(REST * (clock.monotonic() - began))
    except AppError as error:
        if not seen:
            raise
        raise broken_off(error, position.done - before) from error
    return position.done


def _begin(connection: Connection, ledger: Ledger, order: UnknownOrder) -> tuple[Position, int]:
    run, now = find_run(connection, order.run_id), ledger.now_ms(connection)
    listed = _of_run(select(unknowns.c.since), run, ordered=False).subquery().c
    total, latest = connection.execute(select(func.count(), func.max(listed.since))).one()
    # By a clock that was ahead some have become unknown later than now: they are listed, so they are meant.
    return Position(max(now, latest or 0)), len(order.lines) or total


def _kept(connection: Connection, order: UnknownOrder) -> Position | None:
    found = order.kept and order.kept.take(connection)
    if not found:
        return None
    given_at, after, done = found
    return Position(given_at, (after[0], after[1]), done)


def _decide(
    connection: Connection, order: UnknownOrder, step: _Step, position: Position
) -> tuple[Position, int, bool]:
    """Decide on the next slice; return the position behind it, how many it had, and whether more may follow.

    Each delivery comes once: what becomes unknown again meanwhile is not decided twice.
    """
    kept = _kept(connection, order)
    position = kept or position
    if order.lines and not any(position.after) and kept is None:
        _require_some(connection, order, position)
    if order.lines:
        lines = sorted(line for line in set(order.lines) if line > position.after)[:SLICE]
        keys, after = _among(connection, order, lines, position.given_at), (lines or [position.after])[-1]
        more = len(lines) == SLICE
    else:
        keys = _next(connection, order, position)
        after = (keys[-1].batch_id, keys[-1].seq) if keys else position.after
        more = len(keys) == SLICE
    empty = not keys and any(position.after)  # an order that has nothing at all is audited as well
    done = position.done + (0 if empty else step(connection, keys))
    position = position._replace(after=after, done=done)
    if order.kept is not None:
        order.kept.keep(connection, position)
    return position, len(keys), more


def _require_some(connection: Connection, order: UnknownOrder, position: Position) -> None:
    """Raise Invalid if none of the named deliveries is on the list: the order would change nothing."""
    lines = sorted(set(order.lines))
    some = (lines[at : at + SLICE] for at in range(0, len(lines), SLICE))
    if not any(_among(connection, order, these, position.given_at) for these in some):
        named = ", ".join(f"{batch}:{seq}" for batch, seq in lines[:5])
        raise Invalid(
            "None of {named} is unknown in run {run}: they are settled or do not exist. GET "
            "/v1/runs/{again}/unknown and `loa unknown list {same}` show the unknown messages.",
            named=named,
            run=order.run_id,
            again=order.run_id,
            same=order.run_id,
            field="lines",
        )


def _next(connection: Connection, order: UnknownOrder, position: Position) -> list[DeliveryKey]:
    run = find_run(connection, order.run_id)
    behind = (_behind(position.after), unknowns.c.since <= position.given_at)
    query = _of_run(select(*_KEY), run).where(*behind)
    return [DeliveryKey(*row) for row in connection.execute(query.limit(SLICE))]


def _among(
    connection: Connection, order: UnknownOrder, lines: Sequence[tuple[int, int]], given_at: int
) -> list[DeliveryKey]:
    u = unknowns.c
    these = and_(tuple_(u.batch_id, u.seq).in_(lines), u.since <= given_at)
    query = _of_run(select(*_KEY), find_run(connection, order.run_id)).where(these)
    return [DeliveryKey(*row) for row in connection.execute(query)]


def _of_run(query: Select[Any], run: Row[Any], ordered: bool = True) -> Select[Any]:
    """Select by the list's own key, so that its order needs no sort however long the list is."""
    u = unknowns.c
    query = query.where(u.campaign_id == run.campaign_id, u.run_id == run.id)
    return query.order_by(u.batch_id, u.seq) if ordered else query


def _behind(after: Sequence[int]) -> ColumnElement[bool]:
    return tuple_(unknowns.c.batch_id, unknowns.c.seq) > tuple_(*after)
