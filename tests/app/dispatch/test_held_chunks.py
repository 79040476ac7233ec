"""A chunk that a send loop holds: its hours end by the database's clock, whatever its own host's says."""

from __future__ import annotations

import time

import pytest

from app.core import clock
from app.database.connection import Database
from app.dispatch import run_content
from app.dispatch.claims import HeldChunk
from tests.app.world import build

HOUR_S = 3600


@pytest.mark.parametrize("ahead_s", [-24 * HOUR_S, 0, 24 * HOUR_S])
def test_the_hours_of_a_chunk_end_by_the_databases_clock(
    db: Database, ahead_s: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, real = build(db, 3), time.time
    world.fan_out()
    world.rewrite(window_end=clock.now_ms() + HOUR_S * 1000)
    found = db.write(run_content.claim, world.ledger, world.link, "link-1", 30.0)
    assert isinstance(found, run_content.ClaimedChunk)
    monkeypatch.setattr(time, "time", lambda: real() + ahead_s)
    asked = clock.monotonic()
    chunk = HeldChunk.of(found, asked, 30.0)
    assert chunk.permit.closes == pytest.approx(asked + HOUR_S, abs=60)
    assert (chunk.now() - found.at).total_seconds() == pytest.approx(0, abs=60)
