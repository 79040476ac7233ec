"""Erase a campaign's rows. The chunk table serves as the work list, so a killed process loses nothing."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, delete, select, tuple_

from app.database.models import (
    chunks,
    deliveries,
    left_out,
    polled_chunks,
    receipts,
    state_events,
    status_queries,
    submissions,
    unknowns,
)
from app.ledger.engine_base import EngineBase

# Tables that hold the rows of all campaigns on both engines.
_SHARED = (unknowns, status_queries, state_events)
_LARGE = (submissions, deliveries, receipts)
_AT_ONCE = 1000


class EraseOperations(EngineBase):
    """Implements `detach` and `erase`. Tallies stay: they hold no number, and reports are built from them."""

    sliced: Sequence[Table] = _LARGE  # large tables whose rows are deleted chunk by chunk

    @abstractmethod
    def detach(self, connection: Connection, campaign_id: int) -> None:
        """Detach the campaign's large tables, if the engine can."""

    def erase(self, connection: Connection, campaign_id: int, limit: int) -> dict[str, int]:
        self.forget_for_good(connection)
        c = chunks.c
        query = select(chunks).where(c.campaign_id == campaign_id).order_by(c.batch_id, c.first_seq)
        counts: Counter[str] = Counter()
        for chunk in connection.execute(query.limit(limit)).all():
            counts.update(self._erase_chunk(connection, chunk))
        return dict(counts or self._erase_rest(connection, campaign_id))

    def forget_for_good(self, connection: Connection) -> None:
        """Make sure that deleted rows can't be recovered from the file; nothing to do by default."""

    def _erase_chunk(self, connection: Connection, chunk: Any) -> dict[str, int]:
        counts = {}
        for table in (*_SHARED, *self.sliced):
            seq = table.c.seq.between(chunk.first_seq, chunk.last_seq)
            counts[table.name] = connection.execute(delete(table).where(*_of(table, chunk), seq)).rowcount
        for table in (polled_chunks, chunks):
            own = (*_of(table, chunk), table.c.first_seq == chunk.first_seq)
            counts[table.name] = connection.execute(delete(table).where(*own)).rowcount
        return counts

    def _erase_rest(self, connection: Connection, campaign_id: int) -> dict[str, int]:
        """Delete rows that belong to no chunk, one slice of one table per call; then drop detached tables."""
        for table in (left_out, *_SHARED):
            c = table.c
            key = tuple_(c.batch_id, c.seq)
            some = select(c.batch_id, c.seq).where(c.campaign_id == campaign_id).limit(_AT_ONCE)
            rest = delete(table).where(c.campaign_id == campaign_id, key.in_(some))
            if n := connection.execute(rest).rowcount:
                return {table.name: n}
        return self.drop_detached(connection, campaign_id)

    def drop_detached(self, connection: Connection, campaign_id: int) -> dict[str, int]:
        """Count the rows of the detached tables and drop them; rows by table, empty if there are none."""
        return {}


def _of(table: Table, chunk: Any) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return table.c.campaign_id == chunk.campaign_id, table.c.batch_id == chunk.batch_id
