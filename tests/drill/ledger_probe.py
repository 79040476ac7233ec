"""Queries of the drill on the ledger, beside the processes that work on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine, NullPool, Select, create_engine, func, select, text, union_all
from sqlalchemy.exc import DBAPIError

from app.core.states import ChunkState, DeliveryState, RunState
from app.database.models import (
    chunks,
    deliveries,
    directives,
    quarantine,
    receipts,
    run_batches,
    runs,
    state_events,
    tallies,
)
from app.ledger.contract import StateEvent
from tests.drill import trace_check

_MANY = 10_000
_SEGMENTS = 1000
_MEGABYTE = "pg_logical_emit_message(false, 'drill', repeat('x', 1000000))"
_CUT = (
    "pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


@dataclass(slots=True)
class LedgerProbe:
    """Reads the database of `url`, on a new connection each time."""

    url: str
    _engine: Engine = field(init=False)

    def __post_init__(self) -> None:
        self._engine = create_engine(self.url, poolclass=NullPool)

    @contextmanager
    def _rows(self, query: Select[Any]) -> Iterator[Iterator[Any]]:
        with self._engine.connect() as connection:
            yield self._streamed(connection, query)

    def _streamed(self, connection: Connection, query: Select[Any]) -> Iterator[Any]:
        return iter(connection.execution_options(stream_results=True, yield_per=_MANY).execute(query))

    def _set(self, query: Select[Any]) -> set[int]:
        with self._rows(query) as rows:
            return {int(row[0]) for row in rows}

    def _one(self, query: Select[Any]) -> int:
        with self._rows(query) as rows:
            return int(next(rows)[0])

    def states(self) -> dict[int, int]:
        with self._rows(select(deliveries.c.phone, deliveries.c.state)) as rows:
            return dict(map(tuple, rows))

    def open(self) -> int:
        """Count deliveries still to be sent or queued; -1 while the database is unavailable."""
        t, r = tallies.c, run_batches.c
        queued = select(func.coalesce(func.sum(t.n), 0)).where(t.state == DeliveryState.QUEUED)
        begun = runs.c.state.in_([RunState.RUNNING.value])
        unmade = select(func.count()).select_from(run_batches.join(runs, r.run_id == runs.c.id))
        try:
            return self._one(queued) + self._one(unmade.where(begun, r.fanned_all.is_(False)))
        except DBAPIError:
            return -1

    def delivered(self) -> int:
        t = tallies.c
        return self._one(select(func.coalesce(func.sum(t.n), 0)).where(t.state == DeliveryState.DELIVERED))

    def leases(self) -> int:
        held = select(func.count()).select_from(chunks).where(chunks.c.state == ChunkState.LEASED)
        return self._one(held)

    def traces(self, copies: Mapping[int, int], *, by_time: bool) -> tuple[int, list[str]]:
        """Hold each message's journal against the model of sending; copies: at the carrier, by number."""
        with self._engine.connect() as connection:
            return trace_check.check(connection, copies, by_time=by_time)

    def declared(self) -> set[int]:
        """Return numbers that a send loop has reserved and that have no result yet."""
        c, d = chunks.c, deliveries.c
        own = (d.campaign_id == c.campaign_id) & (d.batch_id == c.batch_id)
        query = select(d.phone).join(chunks, own & (d.seq >= c.first_seq) & (d.seq <= c.watermark))
        leased = c.state == ChunkState.LEASED
        return self._set(query.where(leased, d.state == DeliveryState.QUEUED, d.attempts < c.pass_no))

    def within(self, state: DeliveryState) -> set[int]:
        return self._set(select(deliveries.c.phone).where(deliveries.c.state == state))

    def ever_unknown(self) -> set[int]:
        t, d = state_events.c, deliveries.c
        own = (d.campaign_id == t.campaign_id) & (d.batch_id == t.batch_id) & (d.seq == t.seq)
        return self._set(select(d.phone).join(state_events, own).where(t.kind == StateEvent.LOST))

    def reported(self) -> dict[int, int]:
        """Count by number the distinct receipt ids in journal and quarantine."""
        r, q, d = receipts.c, quarantine.c, deliveries.c
        own = (d.campaign_id == r.campaign_id) & (d.batch_id == r.batch_id) & (d.seq == r.seq)
        every = union_all(
            select(d.phone, r.reference).join(receipts, own), select(q.phone, q.reference)
        ).subquery()
        counted = select(every.c.phone, func.count(every.c.reference.distinct())).group_by(every.c.phone)
        with self._rows(counted) as rows:
            return dict(map(tuple, rows))

    def waiting(self) -> set[int]:
        return self._set(select(quarantine.c.phone).where(quarantine.c.phone.is_not(None)))

    def cut(self) -> None:
        with self._rows(select(text(_CUT))) as rows:
            list(rows)

    def flood(self) -> None:
        """Write to the WAL until the disk is full, which stops the server."""
        with suppress(DBAPIError):
            for _ in range(_SEGMENTS):
                with self._rows(select(text(_MEGABYTE))) as rows:
                    list(rows)

    def letters(self, number: str) -> int:
        return self._one(select(func.count()).select_from(directives).where(directives.c.number == number))
