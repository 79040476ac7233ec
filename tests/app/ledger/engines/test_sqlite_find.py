"""On SQLite the messages of many receipts are found together as each by itself."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection

from app.database.connection import Database
from app.ledger.contract import CROWD, EVER, MatchedDelivery, SubmissionQuery, SubmitOutcome
from app.ledger.engines.sqlite import SqliteEngine
from carriers.contract import Accepted
from tests.app.ledger.test_reference_index import ONE, OTHER
from tests.app.world import FIRST_PHONE, World, build

MANY = "same"


def sent(db: Database, *references: str) -> World:
    world = build(db, len(references), chunk=1000)
    world.fan_out()
    lease = world.claim()
    assert lease
    pairs = zip(lease.items, references, strict=True)
    outcomes = [SubmitOutcome(item, Accepted((reference,))) for item, reference in pairs]
    db.write(world.ledger.record, world.link, lease, outcomes, None, 30.0)
    return world


def asked(world: World, *references: str, phone: int | None = None) -> list[SubmissionQuery]:
    return [SubmissionQuery(world.link.group_id, each, phone, 0, EVER) for each in references]


def found(world: World, queries: list[SubmissionQuery]) -> list[MatchedDelivery]:
    ledger = SqliteEngine()

    def find(connection: Connection) -> list[MatchedDelivery]:
        return ledger.find(connection, queries)

    return world.db.write(find)


@pytest.mark.parametrize("crowd", [1, 2, CROWD, CROWD + 5])
def test_a_group_finds_what_each_of_it_finds(sqlite_url: str, crowd: int) -> None:
    db = Database(sqlite_url)
    try:
        world = sent(db, ONE, OTHER, *[MANY] * crowd, *(f"vt-{number}" for number in range(230)))
        names = [ONE, OTHER, MANY, "vt-none", *(f"vt-{number}" for number in range(230))]
        queries = asked(world, *names) + asked(world, ONE, OTHER, MANY, phone=FIRST_PHONE + 2)
        queries += [one._replace(group_id=one.group_id + 1) for one in queries[:5]]
        queries += [one._replace(latest=1) for one in queries[:5]]
        alone = [hit._replace(nth=nth) for nth, one in enumerate(queries) for hit in found(world, [one])]
        assert found(world, queries) == alone
        assert len([hit for hit in alone if hit.nth == names.index(MANY)]) == min(crowd, CROWD)
        assert {hit.crowd for hit in alone if hit.nth == names.index(MANY)} == {min(crowd, CROWD)}
    finally:
        db.close()
