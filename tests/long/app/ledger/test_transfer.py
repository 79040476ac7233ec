"""A SQLite ledger arrives in PostgreSQL whole, or not at all."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, delete, func, insert, select, text

from app.core.errors import SetupError
from app.database import models as m
from app.database.connection import Database
from app.ledger.ledger import ledger_for
from app.ledger.transfer import copy_ledger
from app.reports.verification.verify import verify
from app.security import audit, kept_rows
from tests.long.app.reports.scene import T0, varied

LETTER = {"number": "303/CAT-PA05", "issued_on": "2024-01-29", "issuer": "Công an tỉnh", "subject": "x"}
LETTER |= {"addressees": [], "created_at": T0, "created_by": "an"}


@pytest.fixture
def source(sqlite_url: str) -> Iterator[Database]:
    database = Database(sqlite_url)
    varied(database)
    note = {"at": T0, "who": "an", "action": "x", "subject": "y", "hash": "h"}
    note |= {"detail": {"tên": "Sơn La", "n": [1, None]}}
    database.write(lambda c: c.execute(insert(m.directives).values(id=41, **LETTER | {"number": "41"})))
    key = {"name": "an", "prefix": "abcd1234", "secret_hash": b"\x00\xff", "role": "admin", "created_at": T0}
    database.write(lambda c: c.execute(insert(m.api_keys).values(**key)))
    scan = {
        "sha256": hashlib.sha256(b"\x00\xff\x00").hexdigest(),
        "name": "a.pdf",
        "media_type": "application/pdf",
        "size": 3,
    }
    scan |= {"content": b"\x00\xff\x00", "created_at": T0, "created_by": "an"}
    database.write(lambda c: c.execute(insert(m.attachments).values(**scan)))
    database.write(kept_rows.adopt)
    database.write(lambda c: c.execute(insert(m.audit).values(id=41, **note)))
    yield database
    database.close()


@pytest.fixture
def target(new_postgresql_url: str) -> Iterator[Database]:
    database = Database(new_postgresql_url)
    yield database
    database.close()


def everything(connection: Connection) -> dict[str, list[tuple[object, ...]]]:
    return {
        table.name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
        for table in m.metadata.sorted_tables
    }


@pytest.mark.prove
def test_every_row_arrives_with_the_same_values(source: Database, target: Database) -> None:
    seen: dict[str, int] = {}
    rows = copy_ledger(source, target, seen.__setitem__)
    before = source.read(everything)
    assert target.read(everything) == before
    assert rows == {table: len(found) for table, found in before.items()}
    assert seen == {table: n for table, n in rows.items() if n}


def test_a_campaign_without_rows_gets_no_partitions_in_the_copy(source: Database, target: Database) -> None:
    """Those that are erased, and drafts that are not queued yet; queueing makes them."""

    def more(c: Connection) -> None:
        first = dict(c.execute(select(m.campaigns).where(m.campaigns.c.id == 1)).one()._mapping)
        c.execute(insert(m.campaigns), [first | {"id": 100 + n} for n in range(5)])

    source.write(more)
    rows = source.read(lambda c: c.execute(select(m.deliveries.c.campaign_id).distinct()).scalars().all())
    copy_ledger(source, target)
    children = text(
        "SELECT inhrelid::regclass::text FROM pg_inherits JOIN pg_class p ON p.oid = inhparent"
        " WHERE p.relkind = 'p'"
    )
    made = {f"{table}_c{each}" for table in ("deliveries", "submissions", "receipts") for each in rows}
    assert set(target.read(lambda c: c.execute(children).scalars().all())) == made


def test_the_copy_verifies_and_goes_on_with_new_ids(source: Database, target: Database) -> None:
    copy_ledger(source, target)
    assert verify(target, ledger_for(target)) == []
    new = target.write(
        lambda c: c.execute(insert(m.directives).values(LETTER | {"number": "42"})).inserted_primary_key
    )
    assert new is not None
    assert new[0] == 42
    target.write(audit.note, "an", "x", "y")
    assert [act.id for act in target.read(audit.listed, 40, 10).items] == [41, 42]


@pytest.mark.prove
def test_the_number_of_a_removed_run_is_given_to_no_other(source: Database, target: Database) -> None:
    source.write(audit.note, "an", "run.remove", "run/1234")
    copy_ledger(source, target)
    new = target.write(
        lambda c: (
            c.execute(
                insert(m.runs).values(campaign_id=1, carrier="gmobile", state="planned", created_at=0)
            ).inserted_primary_key
        )
    )
    assert new is not None
    assert new[0] == 1235


def test_campaigns_get_partitions_of_their_own(source: Database, target: Database) -> None:
    copy_ledger(source, target)
    own = text("SELECT count(*) FROM deliveries_c1")
    assert target.read(lambda c: c.execute(own).scalar_one()) == len(source.read(everything)["deliveries"])


@pytest.mark.prove
def test_a_source_that_says_nothing_for_longer_than_writers_may_is_waited_for(
    source: Database, target: Database
) -> None:
    """As SQLite does while it adds up millions of rows from a cold disk, or a terminal that was stopped."""
    told: list[str] = []

    def say(table: str, _: int) -> None:
        if not told:
            time.sleep(5.7)  # a writer may be silent for 5 s (app/database/engines.py)
        told.append(table)

    copy_ledger(source, target, say)
    assert target.read(everything) == source.read(everything)
    assert len(told) == len(set(told))  # and nothing was begun again


def test_more_rows_than_a_slice_arrive(source: Database, target: Database) -> None:
    many = [{"batch_id": 3, "seq": n, "phone": 84_920_000_000 + n} for n in range(1000, 21_005)]
    source.write(lambda c: c.execute(insert(m.subscribers), many))
    steps: list[int] = []
    rows = copy_ledger(source, target, lambda table, n: steps.append(n) if table == "subscribers" else None)
    assert steps == [10_000, 20_000, rows["subscribers"]]


def test_a_target_with_rows_is_refused_and_left_alone(source: Database, target: Database) -> None:
    row = {"id": 1, "number": "1", "issued_on": "2024-01-01", "issuer": "a", "subject": "b", "addressees": []}
    target.write(lambda c: c.execute(insert(m.directives).values(**row, created_at=T0, created_by="an")))
    before = target.read(everything)
    with pytest.raises(SetupError, match="not empty: its table directives has rows"):
        copy_ledger(source, target)
    assert target.read(everything) == before


def test_a_target_without_schema_is_refused(source: Database, target: Database) -> None:
    target.write(lambda c: c.execute(text("DELETE FROM alembic_version")))
    with pytest.raises(SetupError, match=r"target is not ready\. .*Run `loa migrate`"):
        copy_ledger(source, target)


def test_only_sqlite_is_copied_and_only_to_postgresql(source: Database, target: Database) -> None:
    for pair in ((source, source), (target, target), (target, source)):
        with pytest.raises(SetupError, match="Only a SQLite ledger can be copied"):
            copy_ledger(*pair)


@pytest.mark.prove
@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        ("NEW.phone = NEW.phone + 1; RETURN NEW", "table deliveries, column phone"),
        ("IF NEW.seq = 5 THEN RETURN NULL; END IF; RETURN NEW", "table deliveries, number of rows"),
    ],
)
def test_a_copy_that_differs_is_not_kept(source: Database, target: Database, spoil: str, said: str) -> None:
    target.write(lambda c: ledger_for(target).open_campaign(c, 1))
    function = f"CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {spoil}; END $$"
    trigger = "CREATE TRIGGER spoil BEFORE INSERT ON deliveries_c1 FOR EACH ROW EXECUTE FUNCTION spoil()"
    target.write(lambda c: (c.execute(text(function)), c.execute(text(trigger))))
    with pytest.raises(SetupError, match=said):
        copy_ledger(source, target)
    assert not any(target.read(everything).values())


@pytest.mark.prove
def test_tallies_that_differ_only_in_their_keys_are_not_kept(source: Database, target: Database) -> None:
    swap = "IF NEW.state = 7 THEN NEW.state = 3; ELSIF NEW.state = 3 THEN NEW.state = 7; END IF; RETURN NEW"
    extra = [{"campaign_id": 1, "run_id": 1, "batch_id": 1, "state": s, "reason": 0} for s in (3, 7)]
    source.write(lambda c: c.execute(delete(m.tallies)))
    source.write(
        lambda c: c.execute(insert(m.tallies), [e | {"n": e["state"], "segments": 1} for e in extra])
    )
    function = f"CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {swap}; END $$"
    trigger = "CREATE TRIGGER spoil BEFORE INSERT ON tallies FOR EACH ROW EXECUTE FUNCTION spoil()"
    target.write(lambda c: (c.execute(text(function)), c.execute(text(trigger))))
    with pytest.raises(SetupError, match="tallies differ"):
        copy_ledger(source, target)


def test_an_empty_ledger_is_copied_too(sqlite_url: str, target: Database) -> None:
    empty = Database(sqlite_url)
    try:
        assert set(copy_ledger(empty, target).values()) == {0}
    finally:
        empty.close()
    count = target.read(lambda c: c.execute(select(func.count()).select_from(m.batches)).scalar_one())
    assert count == 0
