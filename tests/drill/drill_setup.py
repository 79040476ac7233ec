"""Prepares the drill: an empty database, settings, keys, a simulated carrier and Loa's processes."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx
from sqlalchemy import inspect

from app.core.config import normal_url
from app.core.errors import SetupError
from app.database import schema
from app.database.connection import Database, connect_patiently
from app.security.principal import at_keyboard
from app.security.roles import Role
from carriers.simulators.smsc import Smsc, SmscBehaviour
from tests.drill.cluster import Cluster, own_cluster
from tests.drill.context import CARRIER, LEASE_S, RESPONSE_TIMEOUT_S, SUB_BATCH, DrillContext
from tests.drill.drill_client import CLIENTS, DrillClient
from tests.drill.ledger_probe import LedgerProbe
from tests.drill.plan import Engine
from tests.drill.processes import ProcessGroup
from tests.operations import new_key

_CHUNK = 500
_WHO = at_keyboard("root")


@contextmanager
def engine(name: Engine, folder: Path) -> Iterator[tuple[str, Cluster | None]]:
    """Yield the database's URL, and its server if that is the drill's own."""
    if name == "sqlite":
        yield f"sqlite:///{folder / 'loa.sqlite3'}", None
        return
    with own_cluster() as cluster:
        given = os.environ.get("LOA_DATABASE_URL")
        if cluster is None and not given:
            raise SetupError(
                "PostgreSQL's own programs (initdb, pg_ctl) are not installed here. Install them, or name an "
                "empty database in LOA_DATABASE_URL; its server is then not stopped, its connections are cut."
            )
        yield cluster.url if cluster else normal_url(given or ""), cluster


def _keys(url: str) -> tuple[str, str]:
    """Migrate an empty database; return an author's and an approver's key."""
    db = Database(url)
    try:
        connect_patiently(db, 10.0)
        if not db.sqlite and db.read(lambda connection: inspect(connection).get_table_names()):
            raise SetupError(
                "The database of LOA_DATABASE_URL is not empty, and the drill wants one that is."
            )
        schema.upgrade(db)
        author = new_key(db, "drill", who=_WHO)
        return author, new_key(db, "drill chief", Role.APPROVER, who=_WHO)
    finally:
        db.close()


@asynccontextmanager
async def running_loa(
    url: str, folder: Path, cluster: Cluster | None, carrier: Smsc, rate: float
) -> AsyncIterator[DrillContext]:
    """Run Loa against the simulator; nothing is left running."""
    author, chief = _keys(url)
    processes = ProcessGroup(folder, url)
    limits = httpx.Limits(max_connections=2 * CLIENTS)
    try:
        async with carrier, httpx.AsyncClient(base_url=processes.base, timeout=30, limits=limits) as http:
            processes.configure(
                _link(carrier.port, rate),
                sub_batch=SUB_BATCH,
                chunk_size=_CHUNK,
                lease_seconds=LEASE_S,
                requests_per_minute=1_000_000,
            )
            processes.start()
            yield DrillContext(
                processes,
                carrier,
                LedgerProbe(url),
                DrillClient(http, author, chief),
                cluster,
                carrier.behaviour,
            )
    finally:
        processes.end()


def simulator(seed: int, port: int) -> Smsc:
    """Create the simulator: quick answers, receipts after 0.3 to 0.6 s."""
    behaviour = SmscBehaviour(
        seed=seed, answer_delay_s=0.01, receipt_delay_s=0.3, receipt_spread_s=0.3, receipt_window=500
    )
    return Smsc(behaviour, port)


def _link(port: int, rate: float) -> dict[str, object]:
    own: dict[str, object] = {"carrier": CARRIER, "kind": "smpp", "host": "127.0.0.1", "port": port}
    own |= {"system_id": "drill", "password": "drill", "segments_per_second": rate, "window": 100}
    own |= {"response_timeout_s": RESPONSE_TIMEOUT_S, "reconnect_min_s": 0.1, "reconnect_max_s": 1.0}
    own |= {"receipt_level": "handset"}
    return own
