"""A run's own rate is shared by the links that are at work: others keep their rows, and count no more."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from app.core import clock
from app.database.connection import Database
from app.database.models import runs
from app.dispatch import link_store
from app.dispatch.link_health import mark_closed, write_health
from app.dispatch.run_content import run_contents
from carriers.contract import LinkHealth, ReceiptLevel
from tests.app.world import build


def share(db: Database) -> float:
    (content,) = db.read(run_contents, "viettel", clock.now())
    return content.share


@pytest.mark.longer
def test_a_link_that_was_renamed_takes_no_part_of_a_run_s_own_rate(db: Database) -> None:
    world = build(db, 10)  # a link of 100 segments/s
    db.write(lambda c: c.execute(update(runs).values(segments_per_second=50)))
    old = db.write(
        link_store.register, link_store.LinkRecord("old", "viettel", "old", 300.0, ReceiptLevel.NONE)
    )
    assert share(db) == 0.125, "nobody has spoken of any link yet"
    db.write(write_health, [(world.link.id, "a", LinkHealth()), (old.id, "a", LinkHealth())])
    assert share(db) == 0.125
    db.write(mark_closed, ["a"])
    db.write(write_health, [(world.link.id, "b", LinkHealth())])
    assert share(db) == 0.5
