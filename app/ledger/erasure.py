"""Erasure: whether a campaign's rows or totals are erased, so that its figures are final; and erasing rows.

The chunk table serves as the list of what is left to erase, so a killed process loses nothing.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, bindparam, delete, exists, select, tuple_

from app.core.errors import Conflict
from app.core.states import BatchState
from app.database.models import (
    chunks,
    erasures,
    left_out,
    polled_chunks,
    state_events,
    status_queries,
    unknowns,
)
from app.ledger.contract import Engine

# Built once: nearly every page of a campaign asks it.
_FIRST = (
    select(erasures)
    .where(erasures.c.kind == bindparam("what"), erasures.c.subject_id == bindparam("of"))
    .order_by(erasures.c.id)
    .limit(1)
)


def of_campaign(connection: Connection, campaign_id: int) -> Row[Any] | None:
    """Return the row of `erasures` of a campaign whose erasure has begun, or None."""
    return connection.execute(_FIRST, {"what": "campaign", "of": campaign_id}).first()


def require_none_of_file(connection: Connection, kind: str, row: Row[Any]) -> None:
    """Raise Conflict while a file is being erased, which would take what is imported now as well.

    kind: "batch" or "receipt_file".
    """
    e = erasures.c
    mine = (e.kind == kind, e.subject_id == row.id, e.ended_at.is_(None))
    if row.state == BatchState.ERASED and connection.execute(select(e.id).where(*mine).limit(1)).first():
        raise Conflict(
            "Data imported earlier from this file is still being erased. Upload it again in a few minutes."
        )


def of_totals(connection: Connection, campaign_id: int) -> Row[Any] | None:
    """Return the row of `erasures` of a campaign whose totals are erased or being erased, or None."""
    return connection.execute(_FIRST, {"what": "totals", "of": campaign_id}).first()


def totals_are_gone(campaign_id: ColumnElement[int]) -> ColumnElement[bool]:
    """Build the condition that the totals of a campaign are erased or being erased."""
    e = erasures.c
    return exists().where(e.kind == "totals", e.subject_id == campaign_id)


def require_totals(connection: Connection, campaign_id: int) -> None:
    """Raise Conflict once the erasure of the campaign's totals has begun: no figure can be given any more."""
    row = of_totals(connection, campaign_id)
    if row is not None:
        raise Conflict(
            "The totals of campaign {campaign} were erased under the retention rules (certificate "
            "{certificate}). Its frozen reports remain: GET /v1/reports, or `loa report list`.",
            campaign=campaign_id,
            certificate=row.id,
        )


def require_rows(connection: Connection, campaign_id: int) -> None:
    """Raise Conflict once the erasure of the campaign's rows has begun."""
    if of_campaign(connection, campaign_id) is not None:
        raise Conflict(
            "The numbers of this campaign have been erased, so nothing more can be sent or "
            "decided. Create a new campaign."
        )


# Tables that hold the rows of all campaigns on both engines.
_SHARED = (unknowns, status_queries, state_events)
_AT_ONCE = 1000


class Erasure:
    """Erasing rows. Tallies stay: they hold no number, and reports are built from them."""

    engine: Engine

    def erase(self, connection: Connection, campaign_id: int, limit: int) -> dict[str, int]:
        """Erase what belongs to up to `limit` chunks of a campaign; return the rows erased by table.

        Repeat until the result is empty. Tallies stay. Receipts no longer match what was erased.
        """
        self.engine.forget_for_good(connection)
        c = chunks.c
        query = select(chunks).where(c.campaign_id == campaign_id).order_by(c.batch_id, c.first_seq)
        counts: Counter[str] = Counter()
        for chunk in connection.execute(query.limit(limit)).all():
            counts.update(self._erase_chunk(connection, chunk))
        return dict(counts or self._erase_rest(connection, campaign_id))

    def _erase_chunk(self, connection: Connection, chunk: Any) -> dict[str, int]:
        counts = {}
        for table in (*_SHARED, *self.engine.sliced):
            seq = table.c.seq.between(chunk.first_seq, chunk.last_seq)
            counts[table.name] = connection.execute(
                delete(table).where(*_of_chunk(table, chunk), seq)
            ).rowcount
        for table in (polled_chunks, chunks):
            own = (*_of_chunk(table, chunk), table.c.first_seq == chunk.first_seq)
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
        return self.engine.drop_detached(connection, campaign_id)


def _of_chunk(table: Table, chunk: Any) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return table.c.campaign_id == chunk.campaign_id, table.c.batch_id == chunk.batch_id
