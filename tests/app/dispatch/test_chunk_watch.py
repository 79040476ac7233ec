"""A fault of a look at what a send loop holds is shown, and is not the last look."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from app.database.connection import Database
from app.dispatch.claims import ChunkWatch, HeldChunk
from app.observability import faults
from tests.app.dispatch.paper import PaperCarrier, loop_for, until
from tests.app.world import build


@pytest.mark.longer
async def test_a_watch_goes_on_after_a_fault_and_says_it_until_it_is_over(db: Database) -> None:
    world, looks, broken = build(db, 3), 0, True

    def chunks() -> Sequence[HeldChunk]:
        nonlocal looks
        looks += 1
        if broken:
            raise ZeroDivisionError
        return []

    loop = loop_for(world, PaperCarrier())
    watching = ChunkWatch(loop.link, loop.context, chunks).start()
    await until(lambda: len(db.read(faults.present)) == 2)  # the leases are looked at every few seconds
    shown = {row.source: row.reason for row in db.read(faults.present)}
    assert set(shown) == {f"orders {loop.link.name}", f"deadlines {loop.link.name}"}
    assert all(reason.startswith("ZeroDivisionError") for reason in shown.values())
    broken, before = False, looks
    await until(lambda: not db.read(faults.present) and looks > before + 1)
    assert not any(task.done() for task in watching)
    for task in watching:
        task.cancel()
    await asyncio.gather(*watching, return_exceptions=True)
