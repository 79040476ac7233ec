"""Claim a chunk at the same cost, however many chunks are open."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, text

from app.database.connection import Database
from app.database.models import chunks
from app.ledger.engines import postgresql, sqlite
from tests.app.world import World, build
from tests.engines import on_sqlite

MANY = 5000  # chunks of 1,000 messages


def open_more(world: World, count: int) -> None:
    """Open so many more chunks of the run, behind those there are."""
    moved = {name: f"{offset} + i * 1000" for name, offset in (("first_seq", 10_000), ("last_seq", 10_999))}
    moved |= {"watermark": "9999 + i * 1000"}
    names = [column.name for column in chunks.columns]
    series = f"SELECT generate_series(1, {count}) AS i"
    if world.db.sqlite:
        numbers = f"SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < {count}"
        series = f"WITH RECURSIVE s(i) AS ({numbers}) SELECT i FROM s"
    values = ", ".join(moved.get(name, f"one.{name}") for name in names)
    one = "(SELECT * FROM chunks ORDER BY first_seq LIMIT 1) AS one"
    sql = f"INSERT INTO chunks ({', '.join(names)}) SELECT {values} FROM {one}, ({series}) AS i"
    world.db.write(lambda c: c.execute(text(sql)))


def plan(connection: Connection, run: int) -> str:
    """Explain how the next chunk of the run is found."""
    if connection.dialect.name == "sqlite":
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sqlite._DUE}", (run, 1, 0, 1, 1)).all()
        return "\n".join(str(row[3]) for row in rows)
    connection.exec_driver_sql("ANALYZE chunks")
    values = {"run": run, "early": False, "owner": "x", "link": 1, "lease": 1000, "most": 1}
    return "\n".join(row[0] for row in connection.exec_driver_sql(f"EXPLAIN {postgresql._TAKE}", values))


def test_the_next_chunk_is_found_by_the_index_in_its_order(db: Database) -> None:
    world = build(db, 300)
    world.fan_out()
    open_more(world, MANY)
    found = db.write(plan, world.run)
    assert "ix_chunks_open" in found
    assert "TEMP B-TREE" not in found, "SQLite sorts nothing"
    assert "Sort" not in found, "PostgreSQL sorts nothing"
    assert "Seq Scan on chunks" not in found


@pytest.mark.longer
@on_sqlite
def test_on_sqlite_a_claim_takes_as_many_steps_among_many_chunks_as_among_few(db: Database) -> None:
    world = build(db, 500)
    world.fan_out()

    def steps() -> int:
        count = [0]

        def work(connection: Connection) -> None:
            raw = connection.connection.driver_connection
            assert raw is not None
            raw.set_progress_handler(lambda: count.__setitem__(0, count[0] + 1), 1)
            try:
                lease = world.ledger.claim(connection, world.link, [world.run], "link", 30.0)
            finally:
                raw.set_progress_handler(None, 0)
            assert lease is not None
            assert len(lease.items) == 100

        db.write(work)
        return count[0]

    steps()
    few = steps()
    open_more(world, MANY)
    assert steps() <= 1.2 * few
