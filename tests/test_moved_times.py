"""The tool that moves stored times: it knows every column, and what it leaves verifies."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from app.core.clock import DAY_MS
from app.database.connection import Database
from app.database.models import audit, chunks, metadata, runs
from app.security import audit as chain
from tests.app.world import build
from tests.faults.times import move_back, time_columns


def test_every_column_of_eight_bytes_is_a_time_or_named_as_none() -> None:
    named = {f"{table.name}.{each.name}" for table in metadata.sorted_tables for each in time_columns(table)}
    wanted = {"receipts.received_at", "chunks.lease_until", "link_pace.next_free_us", "campaigns.window_end"}
    assert wanted <= named
    assert len(named) > 80


@pytest.mark.longer
def test_a_ledger_that_is_moved_back_is_older_and_verifies(db: Database) -> None:
    world = build(db, 20)
    world.fan_out()
    db.write(chain.note, "an", "test.one", "campaign/1", before=1)
    db.write(chain.note, "an", "test.two", "campaign/1", before=2)
    asked = select(audit.c.at).order_by(audit.c.id)
    before = db.read(lambda c: c.execute(asked).scalars().all())
    db.write(lambda c: c.execute(update(runs).values(started_at=100 * DAY_MS)))
    move_back(db, 15)
    assert db.read(lambda c: c.execute(asked).scalars().all()) == [at - 15 * DAY_MS for at in before]
    assert db.read(lambda c: c.execute(select(runs.c.started_at)).scalar()) == 85 * DAY_MS
    assert set(db.read(lambda c: c.execute(select(chunks.c.not_before)).scalars().all())) == {0}
    assert db.read(chain.verify).fault is None
    world.check()
