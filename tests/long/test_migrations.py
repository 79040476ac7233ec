"""The schema goes up and down on both engines, and a wrong one is refused with its remedy."""

from __future__ import annotations

from typing import Any

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    LargeBinary,
    String,
    Table,
    TypeDecorator,
    func,
    insert,
    inspect,
    select,
    text,
    update,
)
from sqlalchemy import table as sa_table

from app.batches import importer
from app.campaigns import follow_ups
from app.campaigns.follow_ups import FollowUpRequest
from app.core import clock
from app.core.errors import Conflict, SetupError
from app.core.states import DeliveryState
from app.database import schema
from app.database.connection import Database
from app.database.models import campaigns, metadata
from app.file_import.upload import UploadedFile
from app.ledger import approval_digest
from app.ledger.ledger import ledger_for
from tests.app.campaigns import past
from tests.app.campaigns.rows import HOURS
from tests.app.held import expire
from tests.app.world import build
from tests.engines import each_engine, other_by_hand

database_url = each_engine


def tables(connection: Connection) -> set[str]:
    return set(inspect(connection).get_table_names()) - {"alembic_version"}


def test_the_number_of_the_last_file_is_the_newest_revision() -> None:
    """Found without loading what migrates: every start asks for it."""
    assert schema.newest() == ScriptDirectory.from_config(schema._config()).get_current_head()


@other_by_hand
def test_down_leaves_nothing_and_up_brings_all_back(db: Database) -> None:
    config = schema._config
    db.write(lambda c: command.downgrade(config(c), "base"))
    assert db.read(tables) == set()
    with pytest.raises(SetupError, match=r"has schema none.*loa migrate"):
        schema.require(db)
    schema.upgrade(db)
    schema.require(db)
    assert db.read(tables) == set(metadata.tables)
    assert schema.differences(db) == []


def described(connection: Connection) -> dict[str, Any]:
    """Each table as the engine describes it; names of foreign keys aside."""
    inspector = inspect(connection)
    indexes = (
        "SELECT indexdef FROM pg_indexes WHERE schemaname = current_schema()"
        if connection.dialect.name == "postgresql"
        else "SELECT sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    )
    kinds = "SELECT relname, relkind FROM pg_class WHERE relkind IN ('r', 'p') AND relname !~ '^(pg|sql)_'"
    found: dict[str, Any] = {"indexes": sorted(connection.exec_driver_sql(indexes).scalars())}
    if connection.dialect.name == "postgresql":
        found["kinds"] = sorted(tuple(row) for row in connection.exec_driver_sql(kinds))
    for table in sorted(inspector.get_table_names()):
        columns = {
            column["name"]: (
                repr(column["type"]),
                column["nullable"],
                # SQLite keeps a default as it was written; a sequence has the name that its table had first.
                "sequence" if "nextval" in str(column["default"]) else str(column["default"]).strip("()"),
            )
            for column in inspector.get_columns(table)
        }
        foreign = sorted(
            (key["constrained_columns"], key["referred_table"], key["referred_columns"], str(key["options"]))
            for key in inspector.get_foreign_keys(table)
        )
        unique = sorted(str(each["column_names"]) for each in inspector.get_unique_constraints(table))
        checks = sorted(str(each["sqltext"]) for each in inspector.get_check_constraints(table))
        found[table] = (
            columns,
            inspector.get_pk_constraint(table)["constrained_columns"],
            foreign,
            unique,
            checks,
        )
    return found


def test_a_new_database_is_made_as_the_migrations_would_make_it(db: Database) -> None:
    made = db.read(described)
    assert len(made) > 50
    config = schema._config
    db.write(lambda c: command.downgrade(config(c), "base"))
    db.write(lambda c: command.upgrade(config(c), "head"))
    assert db.read(described) == made


@pytest.mark.prove
def test_a_filled_database_goes_down_step_by_step_and_up_again(db: Database) -> None:
    db.write(ledger_for(db).open_campaign, 1)
    for table in metadata.sorted_tables:
        db.write(_fill, table)
    before = db.read(_counts)
    assert set(before.values()) == {1}
    for revision in reversed(_revisions()):
        db.write(lambda c, to=revision: command.downgrade(schema._config(c), to))
        assert db.read(_counts) == {name: 1 for name in before if name in db.read(tables)}
    assert db.read(lambda c: c.execute(text("SELECT id FROM campaigns")).scalars().all()) == [1]
    for revision in (*_revisions()[1:], "head"):
        db.write(lambda c, to=revision: command.upgrade(schema._config(c), to))
    assert schema.differences(db) == []
    assert {name for name, n in db.read(_counts).items() if n} >= {"campaigns", "runs", "audit", "deliveries"}
    if db.sqlite:
        assert db.read(lambda c: c.exec_driver_sql("PRAGMA foreign_key_check").all()) == []


def _revisions() -> list[str]:
    """All of them but the newest, the oldest first."""
    found = ScriptDirectory.from_config(schema._config()).walk_revisions()
    return [each.revision for each in found][:0:-1]


def _counts(connection: Connection) -> dict[str, int]:
    def count(name: str) -> int:
        return connection.execute(select(func.count()).select_from(sa_table(name))).scalar_one()

    return {name: count(name) for name in tables(connection) if name in metadata.tables}


def _fill(connection: Connection, table: Table) -> None:
    """One row; ids are 1, so that whatever it refers to is there."""
    connection.execute(insert(table).values({each.name: _value(each) for each in table.columns}))


def _value(of: Column[Any]) -> Any:
    kind = of.type.impl if isinstance(of.type, TypeDecorator) else of.type
    if isinstance(kind, JSON):
        return []
    if isinstance(kind, LargeBinary):
        return b"1"
    if isinstance(kind, Boolean):
        return True
    # As long as may be: a secret that is sealed is longer than the schema before had room for.
    return "1" * (getattr(kind, "length", None) or 80) if isinstance(kind, String) else 1


def test_upgrading_twice_changes_nothing(db: Database) -> None:
    schema.upgrade(db)
    schema.upgrade(db)
    assert db.read(schema.current) == schema.newest()


def test_a_partition_is_no_difference(db: Database) -> None:
    for _ in range(2):
        db.write(ledger_for(db).open_campaign, 7)
    assert schema.differences(db) == []


@pytest.mark.parametrize("more", [{"budget_segments": 5}, {"budget_segments": None}, {"budget_signed": 9}])
def test_a_limit_that_was_turned_into_parts_is_no_higher_and_not_taken_away(
    db: Database, more: dict[str, Any]
) -> None:
    world = build(db, 5)
    world.rewrite(budget_segments=4, budget_dong=1000, budget_signed=4)
    db.write(lambda c: c.execute(update(campaigns).values(budget_segments=3)))
    assert db.read(_approved)
    db.write(lambda c: c.execute(update(campaigns).values(more)))
    assert not db.read(_approved)


def _approved(connection: Connection) -> bool:
    return approval_digest.approved(connection, connection.execute(select(campaigns)).one()) is not None


def with_areas(db: Database, run: str, campaign: str = "approved") -> int:
    """A campaign of before 0066 with a text for an area, in the state of the run."""
    world = build(db, 2)
    world.rewrite(texts={"": "a", "hmn": "b"}, text_areas={"hmn": ["125"]}, state=campaign)
    db.write(lambda c: command.downgrade(schema._config(c), "0064"))
    db.write(lambda c: c.execute(text("UPDATE runs SET state = :run"), {"run": run}))
    return world.campaign


def test_a_finished_one_keeps_what_it_sent_and_verifies(db: Database) -> None:
    campaign = with_areas(db, "finished")
    before = db.read(lambda c: c.execute(select(campaigns).where(campaigns.c.id == campaign)).one())
    db.write(lambda c: command.upgrade(schema._config(c), "head"))
    row = db.read(lambda c: c.execute(select(campaigns).where(campaigns.c.id == campaign)).one())
    assert row == before
    assert db.read(approval_digest.approved, row) is not None


def test_what_was_in_hand_under_leases_of_its_own_is_waited_for_and_begun_again(db: Database) -> None:
    one = past.sent(db, dict.fromkeys(range(5), DeliveryState.UNDELIVERED))
    made = db.write(follow_ups.create, FollowUpRequest((one,)), HOURS, "lan")
    register = ("vnpt", UploadedFile("a.csv", "9" * 64, 10), "an")
    batch = db.write(importer.register, *register).id
    db.write(lambda c: command.downgrade(schema._config(c), "0067"))
    held = "UPDATE batches SET owner = 'elsewhere:1:a:b/2', lease_until = :until WHERE state = 'importing'"
    until = clock.now_ms() + 3000
    db.write(lambda c: c.execute(text(held), {"until": until}))
    db.write(lambda c: command.upgrade(schema._config(c), "head"))
    rows = db.read(lambda c: c.execute(select(metadata.tables["jobs"])).all())
    assert {(row.kind, row.subject, row.due_at, row.owner) for row in rows} == {
        ("import", f"batch {batch}", until, None),
        ("follow-ups", "batch 2", until, None),
    }
    assert db.write(importer.register, *register).waiting
    past.fill(db)
    assert past.audience(db, made) == []
    expire(db)  # what a process of the old version had in hand
    past.fill(db)
    assert past.audience(db, made) == [0, 1, 2, 3, 4]


ORDERED_AGAIN = {
    "an unknown message": "UPDATE deliveries SET resends = 1 WHERE seq = 2",
    "a rejected one": "INSERT INTO state_events (campaign_id, batch_id, seq, at, kind, reason)"
    " VALUES (1, 1, 2, 5, 2, 2)",
    "an open request": "INSERT INTO approval_requests (id, kind, subject, wanted, reason, asked_by, behind,"
    " asked_at, state, result) VALUES (1, 'rejected', 'run/1', '{}', 'x', 'lan', '[]', 1, 'open', '{}')",
}


@pytest.mark.parametrize("ordered", ORDERED_AGAIN)
@pytest.mark.parametrize("state", ["running", "paused", "cancelling", "sent", "finished", "cancelled"])
def test_what_was_ordered_to_be_sent_again_is_finished_before_rounds_take_its_place(
    db: Database, ordered: str, state: str
) -> None:
    world = build(db, 3)
    world.fan_out()
    db.write(lambda c: command.downgrade(schema._config(c), "0074"))
    db.write(lambda c: c.execute(text(ORDERED_AGAIN[ordered])))
    db.write(lambda c: c.execute(text("UPDATE runs SET state = :state"), {"state": state}))
    if state in ("finished", "cancelled"):
        schema.upgrade(db)
        return
    with pytest.raises(Conflict, match=r"^Run 1 \(viettel\) has messages that were ordered to be sent again"):
        schema.upgrade(db)


def test_a_run_without_such_orders_goes_on(db: Database) -> None:
    world = build(db, 3)
    world.fan_out()
    db.write(lambda c: command.downgrade(schema._config(c), "0074"))
    schema.upgrade(db)
    assert world.claim() is not None
