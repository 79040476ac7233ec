"""Erasing a campaign's rows for good: the chunk table is the work list here too, so a kill loses nothing."""

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
    questions,
    receipts,
    submissions,
    turns,
    unknowns,
)
from app.ledger.engine_base import EngineBase

# What has its rows in one table for all campaigns on both engines.
_SHARED = (unknowns, questions, turns)
_LARGE = (submissions, deliveries, receipts)
_AT_ONCE = 1000


class EraseOperations(EngineBase):
    """detach and erase. Tallies stay: they hold no number, and reports and history are made of them."""

    sliced: Sequence[Table] = _LARGE  # the large tables whose rows are deleted chunk by chunk

    @abstractmethod
    def detach(self, connection: Connection, campaign_id: int) -> None:
        """Take the campaign's large tables away from those who send and receive, where they can be."""

    def erase(self, connection: Connection, campaign_id: int, limit: int) -> dict[str, int]:
        """Erase what belongs to up to `limit` chunks; rows by table. Nothing in it: nothing is left."""
        self.forget_for_good(connection)
        c = chunks.c
        query = select(chunks).where(c.campaign_id == campaign_id).order_by(c.batch_id, c.first_seq)
        counts: Counter[str] = Counter()
        for chunk in connection.execute(query.limit(limit)).all():
            counts.update(self._erase_chunk(connection, chunk))
        return dict(counts or self._erase_rest(connection, campaign_id))

    def forget_for_good(self, connection: Connection) -> None:
        """See to it that what this transaction deletes can't be read in the file any more."""

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
        """What is in no chunk, a slice of one table at a time; then what was detached."""
        for table in (left_out, *_SHARED):
            c = table.c
            key = tuple_(c.batch_id, c.seq)
            some = select(c.batch_id, c.seq).where(c.campaign_id == campaign_id).limit(_AT_ONCE)
            rest = delete(table).where(c.campaign_id == campaign_id, key.in_(some))
            if n := connection.execute(rest).rowcount:
                return {table.name: n}
        return self.drop_detached(connection, campaign_id)

    def drop_detached(self, connection: Connection, campaign_id: int) -> dict[str, int]:
        """Count what was detached, and drop it; rows by table, nothing where there is none."""
        return {}


def _of(table: Table, chunk: Any) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return table.c.campaign_id == chunk.campaign_id, table.c.batch_id == chunk.batch_id
