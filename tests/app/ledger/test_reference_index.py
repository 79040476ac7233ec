"""Receipts find their message by a hash of the id on SQLite: never another one's, never by a scan."""

from __future__ import annotations

from itertools import pairwise

import pytest
from sqlalchemy import Connection, event

from app.database.connection import Database
from app.ledger.contract import SubmitOutcome
from app.ledger.receipt_matching import bears_one_of, reference_hash
from app.receipts import receipt_log
from app.receipts.result_files import match_deliveries
from app.receipts.result_files.match_deliveries import Candidate
from carriers.contract import Accepted
from tests.app.ledger.test_receipt_matching import apply, said, state
from tests.app.ledger.times import BAD, DELIVERED, SUBMITTED
from tests.app.world import FIRST_PHONE, World, build

# Ids with the same hash, found by trying sixty thousand.
ONE, OTHER = "vt-40de-01", "vt-6641-01"


def sent(db: Database, *references: str) -> World:
    """A world whose deliveries, lines 2 and on, have these references."""
    world = build(db, len(references))
    world.fan_out()
    lease = world.claim()
    assert lease
    pairs = zip(lease.items, references, strict=True)
    outcomes = [SubmitOutcome(item, Accepted((reference,))) for item, reference in pairs]
    db.write(world.ledger.record, world.link, lease, outcomes, None, 30.0)
    return world


def test_an_id_with_the_hash_of_another_is_not_that_one(db: Database) -> None:
    assert reference_hash(ONE) == reference_hash(OTHER)
    world = sent(db, ONE, "vt-1")
    assert apply(world, said(world, phone=FIRST_PHONE, reference=OTHER)) == (0, 0, 1)
    assert state(world, 2) == SUBMITTED


def test_ids_with_one_hash_have_a_message_each(db: Database) -> None:
    world = sent(db, ONE, OTHER)
    other = said(world, phone=FIRST_PHONE + 1, reference=OTHER)
    swapped = said(world, BAD, phone=FIRST_PHONE + 1, reference=ONE)
    assert apply(world, other, swapped) == (1, 1, 1)
    assert (state(world, 2), state(world, 3)) == (SUBMITTED, DELIVERED)


@pytest.mark.parametrize("odd", ["Đơn-7", "a\ud800", "x" * 100, "0", "", " 7 "])
def test_any_id_has_a_hash_of_48_bits(odd: str) -> None:
    assert -(2**47) <= reference_hash(odd) < 2**47


def test_ids_that_count_up_stay_together() -> None:
    """A hundred of them touch few pages; the index of ids that are of no order is not spoilt by others."""
    hashes = [reference_hash(f"70{number:08d}") for number in range(1000)]
    assert [one - hashes[0] for one in hashes[1:10]] == list(range(1, 10))
    near = sum(abs(after - before) < 2**16 for before, after in pairwise(hashes))
    assert near == 1000 - 10


@pytest.mark.longer
def test_every_look_for_an_id_goes_by_its_index(sqlite_url: str) -> None:
    db = Database(sqlite_url)
    world = sent(db, ONE, OTHER)
    asked: list[tuple[str, object]] = []
    status = (int(SUBMITTED), 0, 1, 0, 0, 0)
    first = Candidate(world.campaign, world.batch, 2, FIRST_PHONE, world.link.id, 0, *status)

    def look(connection: Connection) -> None:
        event.listen(connection, "before_cursor_execute", lambda *call: asked.append((call[2], call[3])))
        receipt_log._shared(connection, {ONE})
        assert match_deliveries._by_reference(connection, ONE, [first]) == [first]
        named = [(statement, values) for statement, values in asked if "reference" in statement]
        assert len(named) == 2
        for statement, values in named:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()
            assert any("ix_submissions_reference_hash (reference_hash=?" in row[3] for row in plan), plan

    db.write(look)
    db.close()


def test_on_postgresql_the_id_itself_is_looked_for(db: Database) -> None:
    found = str(db.read(lambda c: bears_one_of(c, {ONE})))
    assert ("hash" in found) == db.sqlite
