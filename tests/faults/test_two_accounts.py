"""Two accounts of PostgreSQL: one owns the tables and migrates, the other one works and can do no more."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg
import pytest
from alembic import command
from sqlalchemy import Connection, insert, make_url, select, text
from sqlalchemy.exc import DBAPIError, ProgrammingError

from app.core import clock
from app.database import schema
from app.database.connection import Database
from app.database.models import audit
from app.devtools.sample_data import write_sample
from app.diagnostics.doctor import _rights
from app.ledger.ledger import ledger_for
from app.privacy import totals_retention
from carriers.simulators.smsc import Smsc, SmscBehaviour
from tests.conftest import NO_SERVER, SERVER, postgresql_url
from tests.faults.journey import Api, reported
from tests.faults.processes import Home, smpp_link

pytestmark = pytest.mark.prove

SUBSCRIBERS = 120


@dataclass(frozen=True, slots=True)
class Accounts:
    """The addresses of one database by both accounts."""

    owner: str
    worker: str


@pytest.fixture
def accounts() -> Iterator[Accounts]:
    """An empty database, made as docs/operations.md says."""
    if not SERVER:
        pytest.skip(NO_SERVER)
    name = f"loa_two_x{uuid.uuid4().hex[:12]}"  # digits alone would be masked as a number
    owner, worker = f"{name}_owner", f"{name}_work"
    with psycopg.connect(SERVER, autocommit=True) as admin:
        for role in (owner, worker):
            admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{name}'")
        admin.execute(f"GRANT {worker} TO {owner}")
        admin.execute(f"CREATE DATABASE {name} OWNER {owner}")
    try:
        url = make_url(postgresql_url(name)).set(password=name)
        found = [url.set(username=role).render_as_string(hide_password=False) for role in (owner, worker)]
        yield Accounts(*found)
    finally:
        with psycopg.connect(SERVER, autocommit=True) as admin:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
            for role in (owner, worker):
                admin.execute(f"DROP ROLE {role}")


@pytest.fixture
def two(accounts: Accounts, tmp_path: Path) -> Iterator[Home]:
    """A home whose programs work by the account without rights."""
    home = Home(tmp_path, accounts.worker)
    try:
        yield home
    finally:
        home.end()


async def test_one_account_migrates_and_another_without_rights_sends_a_campaign(
    two: Home, accounts: Accounts
) -> None:
    files = write_sample(two.folder / "files", SUBSCRIBERS, seed=3)
    two.configure({}, migration_database_url=accounts.owner)
    assert "has the rights to use" in await two.command("migrate")
    async with Smsc(SmscBehaviour(receipt_delay_s=0.1)) as centre:
        two.configure({"viettel": smpp_link("viettel", centre.port)})
        author = (await two.command("key", "add", "author")).splitlines()[-1]
        chief = (await two.command("key", "add", "chief", "--role", "approver")).splitlines()[-1]
        programs = two.all()
        await two.until(lambda: "listening" in programs[0].words(), "the API listens")
        headers = {"Authorization": f"Bearer {author}"}
        async with httpx.AsyncClient(base_url=two.base, headers=headers, timeout=30) as http:
            api = Api(http, two, chief)
            batch = await api.upload("viettel", files["viettel"])
            run = (await api.approved({"viettel": batch}))["viettel"]
            await api.post(f"/v1/runs/{run}/start")
            await api.wait({f"/v1/runs/{run}": "finished"})
            await reported(api, run, batch)
            await api.post("/v1/reports", json={"run_id": run})
        for program in programs:
            assert await program.stop() == 0, program.words()
    for words in (["verify"], ["audit", "verify"], ["retention", "run"]):
        await two.command(*words)
    # A later release migrates beside partitions that the other account has made.
    two.configure({}, migration_database_url=accounts.owner)
    await two.command("migrate")
    _erases(accounts, run)


def _erases(accounts: Accounts, run: int) -> None:
    """The partitions go by the account that works; then the owner takes the whole schema down and up."""
    db = Database(accounts.worker)
    try:
        ledger = ledger_for(db)
        query = text("SELECT campaign_id FROM runs WHERE id = :run")
        campaign = db.read(lambda c: c.execute(query, {"run": run}).scalar_one())
        db.write(ledger.detach, campaign)
        dropped = [db.write(ledger.engine.drop_detached, campaign) for _ in range(2)]
        assert [sorted(each) for each in dropped] == [
            ["deliveries", "partitions", "receipts", "submissions"],
            [],
        ]
    finally:
        db.close()
    db = Database(accounts.owner)
    try:
        db.write(lambda c: command.downgrade(schema._config(c), "base"))
        schema.upgrade(db)
        assert schema.differences(db) == []
    finally:
        db.close()


FORBIDDEN = (
    "UPDATE audit SET who = 'somebody else'",
    "TRUNCATE audit",
    "DELETE FROM audit",
    "UPDATE audit SET hash = 'x'",
    "CREATE OR REPLACE FUNCTION loa_erase_acts(upto bigint) RETURNS bigint LANGUAGE sql AS 'SELECT 1'",
    "ALTER TABLE audit ADD COLUMN more int",
    "DROP TABLE campaigns",
    "CREATE TRIGGER t BEFORE INSERT ON approvals EXECUTE FUNCTION suppress_redundant_updates_trigger()",
    "UPDATE alembic_version SET version_num = '0001'",
    "CREATE ROLE somebody SUPERUSER",
    "COPY people TO PROGRAM 'cat'",
)


def test_the_account_that_works_can_do_no_more(accounts: Accounts) -> None:
    worker = str(make_url(accounts.worker).username)
    db = Database(accounts.owner)
    try:
        schema.upgrade(db)
        db.write(schema.hand_over, worker)
    finally:
        db.close()
    db = Database(accounts.worker)
    try:
        schema.require(db)
        assert "does not own the tables" in db.read(_rights).what
        for statement in FORBIDDEN:
            with pytest.raises(ProgrammingError, match=r"permission denied|must be owner|InsufficientPriv"):
                db.write(Connection.exec_driver_sql, statement)
    finally:
        db.close()


def test_acts_younger_than_the_retention_are_not_erased_by_the_account_that_works(accounts: Accounts) -> None:
    """Finding 8: it could delete all acts and insert others; now the owner's function alone deletes."""
    db = Database(accounts.owner)
    try:
        schema.upgrade(db)
        db.write(schema.hand_over, str(make_url(accounts.worker).username), 24)
    finally:
        db.close()
    db = Database(accounts.worker)
    erase = text("SELECT loa_erase_acts(:upto)")

    def dated(months: tuple[int, ...]) -> None:
        for number, ago in enumerate(months, 1):
            at = clock.plus_months(clock.now_ms(), -ago)
            row = {"id": number, "at": at, "who": "a", "action": "b", "subject": "c", "detail": {}}
            db.write(lambda c, row=row: c.execute(insert(audit).values(row | {"hash": "h"})))

    try:
        dated((30, 25, 23, 0))
        with pytest.raises(DBAPIError, match="Acts younger than 24 months are not erased"):
            db.write(lambda c: c.execute(erase, {"upto": 3}))
        # Names of its own in the schema, which the function must not take for those that it means.
        db.write(
            lambda c: c.exec_driver_sql(
                "CREATE FUNCTION now() RETURNS timestamptz LANGUAGE sql AS "
                "$$ SELECT '2100-01-01'::timestamptz $$"
            )
        )
        with pytest.raises(DBAPIError, match="Acts younger than 24 months are not erased"):
            db.write(lambda c: c.execute(erase, {"upto": 3}))
        db.write(totals_retention._delete_acts, 2)
        left = db.read(lambda c: c.execute(select(audit.c.id).order_by(audit.c.id)).scalars().all())
        assert left == [3, 4]
    finally:
        db.close()


async def test_accounts_that_do_not_fit_are_named_with_the_remedy(two: Home, accounts: Accounts) -> None:
    two.configure({}, migration_database_url=accounts.worker)
    assert "Name a different account" in await two.command("migrate", status=1)
    owner, worker = (str(make_url(each).username) for each in (accounts.owner, accounts.worker))
    with psycopg.connect(SERVER, autocommit=True) as admin:
        admin.execute(f"REVOKE {worker} FROM {owner}")
    two.configure({}, migration_database_url=accounts.owner)
    assert f"GRANT {worker} TO {owner}" in await two.command("migrate", status=1)
    two.url = accounts.worker.replace(f"{worker}:", "nobody_at_all:")
    assert "no account nobody_at_all" in await two.command("migrate", status=1)
