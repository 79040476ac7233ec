"""A look at the ledger from outside, beside the processes that work on it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Engine, NullPool, Select, column, create_engine, func, select, table
from sqlalchemy.exc import DBAPIError

from app.core.states import ChunkState, DeliveryState, RunState
from app.database.connection import Database
from app.database.models import chunks, deliveries, runs, tallies, unknowns
from tests import pool
from tests.app.world import build

_ENDS = (RunState.FINISHED.value, RunState.CANCELLED.value)


@cache
def _engine(url: str) -> Engine:
    """Keeps no connection, but what it knows of the server and of statements: some are asked every moment."""
    return create_engine(url, poolclass=NullPool)


@dataclass(frozen=True, slots=True)
class View:
    """Reads the database of `url`, each time on a connection of its own."""

    url: str

    def rows(self, query: Select[Any]) -> list[tuple[Any, ...]]:
        with _engine(self.url).connect() as connection:
            return [tuple(row) for row in connection.execute(query)]

    def states(self) -> dict[DeliveryState, int]:
        """Deliveries by state, counted in the rows."""
        query = select(deliveries.c.state, func.count()).group_by(deliveries.c.state)
        return {DeliveryState(state): n for state, n in self.rows(query)}

    def tallied(self, *states: DeliveryState) -> int:
        """Deliveries in these states, as the tallies say; -1 while the database is away."""
        query = select(func.coalesce(func.sum(tallies.c.n), 0)).where(tallies.c.state.in_(states))
        try:
            return int(self.rows(query)[0][0])
        except DBAPIError:
            return -1

    def phones(self, *states: DeliveryState) -> set[int]:
        """The numbers of the deliveries in these states."""
        return {row[0] for row in self.rows(select(deliveries.c.phone).where(deliveries.c.state.in_(states)))}

    def declared(self) -> set[int]:
        """Numbers that a link has declared it will send to, without a result so far."""
        c, d = chunks.c, deliveries.c
        own = (d.campaign_id == c.campaign_id) & (d.batch_id == c.batch_id)
        query = (
            select(d.phone)
            .join(chunks, own & (d.seq >= c.first_seq) & (d.seq <= c.watermark))
            .where(c.state == ChunkState.LEASED, d.state == DeliveryState.QUEUED, d.attempts < c.pass_no)
        )
        return {row[0] for row in self.rows(query)}

    def listed(self) -> set[int]:
        """The numbers on the list of unknown deliveries."""
        return {row[0] for row in self.rows(select(unknowns.c.phone))}

    def leases(self) -> int:
        """How many chunks somebody holds."""
        return int(
            self.rows(select(func.count()).select_from(chunks).where(chunks.c.state == ChunkState.LEASED))[0][
                0
            ]
        )

    def others(self) -> int:
        """How many connections to this database the server still serves; SQLite has no server."""
        own = (column("datname") == func.current_database()) & (column("backend_type") == "client backend")
        own &= column("application_name") != pool.NAME
        seen = select(func.count()).select_from(table("pg_stat_activity")).where(own)
        # One of them asks.
        return 0 if self.url.startswith("sqlite") else int(self.rows(seen)[0][0]) - 1

    def over(self) -> bool:
        """Whether every run has come to its end."""
        return all(state in _ENDS for (state,) in self.rows(select(runs.c.state)))


def queue(url: str, count: int, chunk: int = 1000) -> None:
    """A running run at viettel with `count` deliveries, all queued; then nobody holds the database."""
    db = Database(url)
    try:
        build(db, count, chunk=chunk).fan_out()
    finally:
        db.close()
