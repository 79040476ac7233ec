"""PostgreSQL keeps every version of a row while somebody reads: what is sent then costs no more."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import Connection, text

from app.database.connection import Database
from app.ledger.contract import Reservation
from tests.app.ledger.times import apply, said
from tests.app.world import FIRST_PHONE, World, accepted, build

COUNT = 300


@pytest.fixture
def world(new_postgresql_url: str) -> Iterator[World]:
    """Messages that wait, and a snapshot that is kept open from now on."""
    db = Database(new_postgresql_url)
    try:
        made = build(db, COUNT, chunk=COUNT)
        made.fan_out()
        with psycopg.connect(new_postgresql_url.replace("+psycopg", "")) as reader:
            reader.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            reader.execute("SELECT count(*) FROM deliveries")
            yield made
            reader.rollback()
    finally:
        db.close()


def sent(world: World) -> None:
    lease = world.claim()
    assert lease
    world.db.write(world.ledger.record, world.link, lease, accepted(lease.items), None, 30.0)


def test_links_are_read_once_however_many_receipts_come(world: World) -> None:
    """Each commit of a pace leaves one more version of its link's row to pass by."""
    sent(world)
    some = [said(world, f"m{n + 2}", phone=FIRST_PHONE + n) for n in range(COUNT)]

    def looks(c: Connection) -> int:
        assert world.ledger.apply(c, some).changed == COUNT
        asked = "SELECT seq_scan + idx_scan FROM pg_stat_xact_user_tables WHERE relname = 'links'"
        return int(c.execute(text(asked)).scalar_one())

    assert world.db.write(looks) < 10


def test_the_pace_leaves_the_row_of_its_link_alone(world: World) -> None:
    """Whatever reads the link would have to pass one version for each half that was sent."""
    asked = text("SELECT xmin::text, ctid::text FROM links")
    before = world.db.read(lambda c: c.execute(asked).all())
    lease = world.claim()
    assert lease
    for upto in range(10, 60, 10):
        half = Reservation(lease.first_seq + upto, 10)
        assert world.db.write(world.ledger.record, world.link, lease, [], half, 30.0).go
    assert world.db.read(lambda c: c.execute(asked).all()) == before


def test_most_deliveries_stay_on_their_page(world: World) -> None:
    """Where there is no room, a version goes to another page, with an entry in each index."""
    before = pages(world)
    sent(world)
    some = [said(world, f"m{n + 2}", phone=FIRST_PHONE + n) for n in range(COUNT)]
    assert apply(world, *some) == (COUNT, COUNT, 0)
    after = pages(world)
    assert sum(before[seq] == page for seq, page in after.items()) > 0.8 * COUNT


def pages(world: World) -> dict[int, int]:
    """The page of each delivery, by its line."""
    asked = text("SELECT seq, (ctid::text::point)[0]::int AS page FROM deliveries")
    return {row.seq: row.page for row in world.db.read(lambda c: c.execute(asked).all())}
