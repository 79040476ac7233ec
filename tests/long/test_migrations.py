"""The schema goes up and down on both engines, and a wrong one is refused with its remedy."""

from __future__ import annotations

import json
from collections.abc import Collection
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
    column,
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
from app.database.models import approvals, budgets, campaigns, metadata
from app.file_import.upload import UploadedFile
from app.ledger import approval_digest, money
from app.ledger.contract import Arrival, SubmitOutcome
from app.ledger.ledger import ledger_for
from carriers.contract import Accepted, Receipt, ReceiptLevel, ReceiptStatus
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
    kind = of.type
    if isinstance(kind, JSON):
        return []
    if isinstance(kind, LargeBinary):
        return b"1"
    if isinstance(kind, Boolean):
        return True
    # As long as may be: a secret that is sealed is longer than the schema before had room for.
    return "1" * (getattr(kind, "length", None) or 80) if isinstance(kind, String) else 1


def test_primary_keys_have_the_names_of_their_tables(db: Database) -> None:
    def names(c: Connection, of: Collection[str]) -> list[str]:
        found = (inspect(c).get_pk_constraint(table)["name"] for table in of)
        return [name for name in found if name]

    named = metadata.tables.keys() - {"tallies", "receipts", "inbound_messages"}
    assert sorted(set(db.read(names, named))) == sorted(f"pk_{table}" for table in named)
    db.write(lambda c: command.downgrade(schema._config(c), "0028"))
    before = ("turns", "questions", "errands", "homes", "answers", "lanes")
    assert db.read(names, before) == [f"pk_{table}" for table in before]


def test_upgrading_twice_changes_nothing(db: Database) -> None:
    schema.upgrade(db)
    schema.upgrade(db)
    assert db.read(schema.current) == schema.newest()


def test_a_partition_is_no_difference(db: Database) -> None:
    for _ in range(2):
        db.write(ledger_for(db).open_campaign, 7)
    assert schema.differences(db) == []


@other_by_hand
def test_scans_of_each_account_go_down_to_one_and_what_names_them_goes_along(db: Database) -> None:
    def second(c: Connection) -> None:
        scan = {each.name: _value(each) for each in metadata.tables["attachments"].columns}
        c.execute(insert(metadata.tables["attachments"]).values(scan | {"id": 2, "created_by": "another"}))
        c.execute(text("UPDATE statements SET attachment_id = 2"))

    def found(c: Connection) -> list[list[int]]:
        named = "SELECT attachment_id FROM statements", "SELECT attachment_id FROM outreach"
        kept = "SELECT id FROM attachments ORDER BY id"
        return [list(c.execute(text(query)).scalars().all()) for query in (*named, kept)]

    db.write(ledger_for(db).open_campaign, 1)
    for table in metadata.sorted_tables:
        db.write(_fill, table)
    db.write(second)
    assert db.read(found) == [[2], [1], [1, 2]]
    for to, go in (("0021", command.downgrade), ("head", command.upgrade)):
        db.write(lambda c, to=to, go=go: go(schema._config(c), to))
        assert db.read(found) == [[1], [1], [1]]


def test_who_has_given_keys_and_passwords_is_read_from_the_audit(db: Database) -> None:
    config = schema._config
    db.write(lambda c: command.downgrade(config(c), "0009"))
    acts = [
        ("key/first", "lan", "key.add"),
        ("key/second", "first", "key.add"),
        ("key/second", "root (command line)", "key.rotate"),
        ("person/hoa", "root (command line)", "person.add"),
        ("person/mai", "root (command line)", "person.add"),
        ("person/mai", "second", "person.password"),
        ("person/mai", "mai", "person.password"),
    ]
    db.write(_accounts, acts)
    db.write(lambda c: command.upgrade(config(c), "0010"))
    query = text(
        "SELECT name, CAST(behind AS TEXT) FROM api_keys "
        "UNION ALL SELECT name, CAST(behind AS TEXT) FROM people"
    )
    found = {name: set(json.loads(value)) for name, value in db.read(lambda c: c.execute(query).all())}
    behind_second = {"first", "lan", "root (command line)"}
    assert found == {
        "first": {"lan"},
        "second": behind_second,
        "hoa": set(),
        "mai": {"second", "first", "lan"},
    }


def test_what_was_sent_before_submissions_had_a_hash_is_found_by_its_id(db: Database) -> None:
    world = build(db, 2)
    world.fan_out()
    lease = world.claim()
    assert lease
    outcomes = [SubmitOutcome(item, Accepted((f"vt-{item.seq}",))) for item in lease.items]
    db.write(world.ledger.record, world.link, lease, outcomes, None, 30.0)
    for to, go in (("0054", command.downgrade), ("head", command.upgrade)):
        db.write(lambda c, to=to, go=go: go(schema._config(c), to))
    done = Receipt("vt-3", None, ReceiptStatus.DELIVERED, ReceiptLevel.HANDSET, code="", raw="")
    applied = db.write(world.ledger.apply, [Arrival(world.link, done)])
    assert (applied.matched, applied.quarantined) == (1, 0)
    assert world.delivery(3)["state"] == DeliveryState.DELIVERED


@pytest.mark.parametrize(
    ("segments", "dong", "price", "spent", "becomes"),
    [
        (None, 1000, {"viettel": 250}, 0, 4),
        (None, 1099, {"viettel": 250}, 1, 4),  # 849 are left, which buy three more
        (3, 1000, {"viettel": 250}, 0, 3),
        (9, 1000, {"viettel": 250}, 0, 4),
        (None, 1000, {"viettel": 0}, 0, 100_000),
        (None, 1000, {"vnpt": 250}, 2, 2),  # without a price nobody knows what it buys
        (None, 100, {"viettel": 250}, 1, 1),  # more is spent than there was
    ],
)
def test_a_budget_in_dong_becomes_the_parts_that_it_still_bought_and_its_approval_holds(
    db: Database, segments: int | None, dong: int, price: dict[str, int], spent: int, becomes: int
) -> None:
    world = build(db, 5)
    db.write(money.open_budget, world.campaign)
    world.rewrite(budget_segments=1, budget_dong=dong, budget_signed=segments)  # what signs both
    before = db.read(_budgets)[0].digest

    def as_it_was(c: Connection) -> None:
        command.downgrade(schema._config(c), "0062")
        for carrier, each in price.items():
            for day, hundredths in ((1, 1), (2, each * 100)):
                row = {"carrier": carrier, "purpose": "tuyen_truyen", "day": day, "price": hundredths}
                _add(c, "segment_prices", **row, vat=1000)
        cost = spent * max(price.values()) * 100
        c.execute(text("UPDATE budgets SET segments = :n, cost = :cost"), {"n": spent, "cost": cost})

    db.write(as_it_was)
    db.write(lambda c: command.upgrade(schema._config(c), "head"))
    (row,) = db.read(_budgets)
    assert (row.budget_segments, row.budget_dong, row.budget_signed) == (becomes, dong, segments)
    assert (row.segments, row.digest) == (spent, before)
    assert db.read(_approved)


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


def test_a_draft_in_dong_is_turned_into_parts_at_the_dearest_price_and_signs_no_dong(db: Database) -> None:
    world = build(db, 5)
    db.write(lambda c: c.execute(approvals.delete()))

    def as_it_was(c: Connection) -> None:
        command.downgrade(schema._config(c), "0062")
        for carrier, hundredths in (("vnpt", 30_000), ("viettel", 25_000)):
            row = {"carrier": carrier, "purpose": "tuyen_truyen", "day": 1, "price": hundredths, "vat": 0}
            _add(c, "segment_prices", **row)
        c.execute(text("DELETE FROM run_batches"))
        c.execute(text("DELETE FROM runs"))
        c.execute(text("UPDATE campaigns SET state = 'draft', budget_dong = 1000"))

    db.write(as_it_was)
    db.write(lambda c: command.upgrade(schema._config(c), "head"))
    row = db.read(lambda c: c.execute(select(campaigns)).one())
    assert (row.id, row.budget_segments, row.budget_dong) == (world.campaign, 3, None)


def _budgets(connection: Connection) -> list[Any]:
    query = select(campaigns, budgets.c.segments, approvals.c.digest)
    joined = query.join(budgets, budgets.c.campaign_id == campaigns.c.id)
    of = joined.join(approvals, approvals.c.campaign_id == campaigns.c.id)
    return list(connection.execute(of.order_by(approvals.c.id.desc()).limit(1)))


def _approved(connection: Connection) -> bool:
    return approval_digest.approved(connection, connection.execute(select(campaigns)).one()) is not None


def _accounts(connection: Connection, acts: list[tuple[str, str, str]]) -> None:
    for number, (subject, who, action) in enumerate(acts, 1):
        row = {"id": number, "subject": subject, "who": who, "action": action, "at": 0, "detail": "{}"}
        _add(connection, "audit", **row, hash="")
    for name in ("first", "second"):
        _add(connection, "api_keys", name=name, prefix=name, secret_hash=b"", role="admin", created_at=0)
    for name in ("hoa", "mai"):
        _add(connection, "people", name=name, role="admin", password_hash="", created_at=0)


def _add(connection: Connection, table: str, **row: Any) -> None:
    connection.execute(insert(sa_table(table, *map(column, row))).values(row))


def _campaign_that_called(connection: Connection, state: str) -> None:
    """A campaign of before 0059 whose run played a recording."""
    campaign = {"id": 1, "name": "x", "purpose": "awareness", "sender": "CATINH", "texts": "{}"}
    campaign |= {"day_starts": "07:00", "day_ends": "21:00", "state": "approved"}
    _add(connection, "campaigns", **campaign, created_at=0, created_by="an")
    run = {"id": 1, "campaign_id": 1, "carrier": "vnpt", "state": state, "created_at": 0}
    _add(connection, "runs", **run)
    audience = {"run_id": 1, "areas": "[]", "area_basis": "dia_chi_dang_ky", "estimated": 5, "spoken": True}
    _add(connection, "audiences", **audience)
    for language in ("vi", "hmn"):
        voice = {"campaign_id": 1, "language": language, "areas": '["116"]', "wording": "x", "sha256": "0"}
        voice |= {"media_type": "audio/wav", "duration_ms": 1000, "size": 1, "content": b"x"}
        _add(connection, "recordings", **voice, created_at=0, created_by="an")


def test_what_was_signed_of_recordings_stays_without_their_sound(db: Database) -> None:
    db.write(lambda c: command.downgrade(schema._config(c), "0058"))
    db.write(_campaign_that_called, "finished")
    schema.upgrade(db)
    kept = db.read(lambda c: c.execute(select(metadata.tables["campaigns"].c.recordings)).scalar_one())
    voice = {"areas": ["116"], "wording": "x", "sha256": "0", "media_type": "audio/wav", "duration_ms": 1000}
    assert kept == [{"language": each} | voice for each in ("hmn", "vi")]
    assert "recordings" not in db.read(tables)


@pytest.mark.parametrize("state", ["planned", "running"])
def test_nothing_is_migrated_while_a_carrier_may_still_play_a_recording(db: Database, state: str) -> None:
    db.write(lambda c: command.downgrade(schema._config(c), "0058"))
    db.write(_campaign_that_called, state)
    with pytest.raises(Conflict, match=r"In run 1 the carrier plays a recording.*then migrate"):
        schema.upgrade(db)
    assert "recordings" in db.read(tables)


@pytest.mark.parametrize("is_queued", [True, False])
def test_answers_to_citizens_go_out_before_they_are_left_out(db: Database, is_queued: bool) -> None:
    world = build(db, 2)
    world.fan_out()
    db.write(lambda c: command.downgrade(schema._config(c), "0059"))
    db.write(lambda c: c.execute(text("UPDATE campaigns SET answers_of = 9, answers_to = 'report'")))
    if is_queued:
        with pytest.raises(Conflict, match="with the text of campaign 9 are queued"):
            schema.upgrade(db)
        return
    db.write(lambda c: c.execute(text("UPDATE chunks SET state = 2")))
    schema.upgrade(db)
    assert db.read(lambda c: c.execute(text("SELECT answers_to FROM campaigns")).scalar_one()) == "report"
    assert "answers" not in db.read(tables)


def with_areas(db: Database, run: str, campaign: str = "approved") -> int:
    """A campaign of before 0066 with a text for an area, in the state of the run."""
    world = build(db, 2)
    world.rewrite(texts={"": "a", "hmn": "b"}, text_areas={"hmn": ["125"]}, state=campaign)
    db.write(lambda c: command.downgrade(schema._config(c), "0064"))
    db.write(lambda c: c.execute(text("UPDATE runs SET state = :run"), {"run": run}))
    return world.campaign


@pytest.mark.parametrize(
    ("run", "campaign"), [("running", "approved"), ("planned", "approved"), ("cancelled", "submitted")]
)
def test_a_campaign_with_texts_by_area_is_finished_before_the_migration(
    db: Database, run: str, campaign: str
) -> None:
    with_areas(db, run, campaign)
    with pytest.raises(Conflict, match=r"Campaign 1 has texts by area.*then migrate"):
        db.write(lambda c: command.upgrade(schema._config(c), "head"))


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
