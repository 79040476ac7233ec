"""A run's own rate is shared by the links that are at work: others keep their rows, and count no more."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from app.core import clock
from app.database.connection import Database
from app.database.models import links, runs
from app.dispatch import link_store
from app.dispatch.link_store import mark_closed, write_health
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


@pytest.mark.longer
def test_links_of_one_account_count_once(db: Database) -> None:
    """They keep one pace together, as while a link is renamed host by host."""
    world = build(db, 10)  # a link of 100 segments/s
    db.write(lambda c: c.execute(update(runs).values(segments_per_second=50)))
    db.write(lambda c: c.execute(update(links).values(account="smpp loa@10.0.0.1:2775")))
    again = link_store.LinkRecord(
        "new", "viettel", "new", 100.0, ReceiptLevel.NONE, account="smpp loa@10.0.0.1:2775"
    )
    new = db.write(link_store.register, again)
    assert share(db) == 0.5
    db.write(write_health, [(new.id, "a", LinkHealth())])  # the old name is at work nowhere
    assert share(db) == 0.5
    db.write(write_health, [(world.link.id, "b", LinkHealth())])
    assert share(db) == 0.5
