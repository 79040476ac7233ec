"""The list of deliveries whose fate we do not know, and the two decisions that a person may take on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, select, update

from app.ledger.contract import ChunkState, Key, Turn
from app.ledger.store import Store
from app.ledger.tallies import Changes
from app.models import chunks, deliveries, lanes, quarantine, turns, unknowns
from app.states import DeliveryState, NotSent

_COLUMNS = ("campaign_id", "batch_id", "seq", "run_id", "phone", "lane_id", "group_id", "since", "why")
_TURN = ("campaign_id", "batch_id", "seq", "at", "kind", "reason", "submitted_at")


class Lost(NamedTuple):
    """A delivery that has just become unknown."""

    campaign_id: int
    batch_id: int
    seq: int
    run_id: int
    phone: int


def enlist(connection: Connection, store: Store, lost: Sequence[Lost], lane_id: int | None, why: str) -> None:
    """Put deliveries on the list, and let quarantined receipts for their phones be looked at again now."""
    if not lost:
        return
    now = store.now_ms(connection)
    group = connection.execute(select(lanes.c.group_id).where(lanes.c.id == lane_id)).scalar()
    rows = [(*item, lane_id, group, now, why) for item in lost]
    store.add_missing(connection, unknowns, _COLUMNS, rows)
    take_down(connection, store, [Key(*item[:3]) for item in lost], Mark(Turn.LOST))
    phones = [item.phone for item in lost]
    connection.execute(update(quarantine).where(quarantine.c.phone.in_(phones)).values(try_at=now))


class Mark(NamedTuple):
    """A turn; reason: of a part that was refused; submitted_at: of the sending that a requeue takes back."""

    turn: Turn
    reason: int = 0
    submitted_at: int | None = None


def take_down(connection: Connection, store: Store, keys: Sequence[Key], mark: Mark) -> None:
    """Journal a turn that no submission and no receipt tells of."""
    told = (store.now_ms(connection), int(mark.turn), int(mark.reason), mark.submitted_at)
    store.add_missing(connection, turns, _TURN, [(*key, *told) for key in keys])


def strike(connection: Connection, keys: Sequence[Key]) -> None:
    """Take deliveries off the list."""
    for key in keys:
        connection.execute(delete(unknowns).where(_is(unknowns, key)))


class Decisions(Store):
    """resend and write_off."""

    def resend(self, connection: Connection, keys: Sequence[Key]) -> int:
        """Queue unknown deliveries again: a person's recorded decision, never called by a sweep."""
        done = self.requeue(connection, keys)
        for key in done:
            more = deliveries.c.resends + 1
            connection.execute(update(deliveries).where(_is(deliveries, key)).values(resends=more))
        return len(done)

    def requeue(self, connection: Connection, keys: Sequence[Key]) -> list[Key]:
        """Queue unknown deliveries again; which were."""
        changes = Changes()
        done = [key for key in sorted(keys) if self._requeue(connection, key, changes)]
        changes.write(connection, self)
        return done

    def _requeue(self, connection: Connection, key: Key, changes: Changes) -> bool:
        """Set one delivery back in its chunk, behind the present pass; reopen the chunk if it was done."""
        c, d = chunks.c, deliveries.c
        own = and_(c.campaign_id == key.campaign_id, c.batch_id == key.batch_id)
        holding = and_(own, c.first_seq <= key.seq, c.last_seq >= key.seq)
        # The chunk first, as everybody does: a lane may be about to release it.
        chunk = connection.execute(
            update(chunks).where(holding).values(owner=c.owner).returning(chunks)
        ).first()
        unknown = select(deliveries).where(_is(deliveries, key), d.state == DeliveryState.UNKNOWN)
        row = connection.execute(unknown.with_for_update()).first()
        if chunk is None or row is None:
            return False
        values = {
            "state": DeliveryState.QUEUED,
            "reason": 0,
            "attempts": chunk.pass_no,
            "parts": row.segments,
        }
        clean = {"delivered": 0, "relayed": 0, "failed": 0, "done_at": None, "submitted_at": None}
        connection.execute(update(deliveries).where(_is(deliveries, key)).values(values | clean))
        if chunk.state == ChunkState.DONE:
            again = {
                "state": ChunkState.READY,
                "pass_no": chunk.pass_no + 1,
                "watermark": chunk.first_seq - 1,
            }
            connection.execute(update(chunks).where(holding).values(again | {"not_before": 0}))
        where = (row.campaign_id, row.run_id, row.batch_id, row.area)
        changes.move(where, (DeliveryState.UNKNOWN, row.reason), (DeliveryState.QUEUED, 0), row.segments)
        take_down(connection, self, [key], Mark(Turn.REQUEUED, submitted_at=row.submitted_at))
        strike(connection, [key])
        return True

    def write_off(self, connection: Connection, keys: Sequence[Key], who: str) -> int:
        """Leave unknown deliveries so: a person's recorded decision. A later receipt still settles them."""
        changes, done = Changes(), 0
        for key in sorted(keys):
            row = connection.execute(select(deliveries).where(_is(deliveries, key)).with_for_update()).first()
            listed = update(unknowns).where(_is(unknowns, key), unknowns.c.written_off_by.is_(None))
            if row is None or not connection.execute(listed.values(written_off_by=who)).rowcount:
                continue
            connection.execute(
                update(deliveries).where(_is(deliveries, key)).values(reason=NotSent.WRITTEN_OFF)
            )
            where = (row.campaign_id, row.run_id, row.batch_id, row.area)
            new = (DeliveryState.UNKNOWN, int(NotSent.WRITTEN_OFF))
            changes.move(where, (row.state, row.reason), new, row.segments)
            take_down(connection, self, [key], Mark(Turn.WRITTEN_OFF))
            done += 1
        changes.write(connection, self)
        return done


def _is(table: Table, key: Key) -> ColumnElement[bool]:
    return and_(
        table.c.campaign_id == key.campaign_id, table.c.batch_id == key.batch_id, table.c.seq == key.seq
    )
