"""Database schema: migrate it, check its revision, and compare it with the models."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Index, Table, inspect, make_url, text
from sqlalchemy.schema import CreateIndex, CreateTable

from app.core.errors import NotFound, SetupError
from app.database.advisory_locks import AdvisoryLock
from app.database.connection import Database
from app.database.models import ONLY_ON, metadata
from carriers.phrases import Phrase

if TYPE_CHECKING:  # imported late, because most commands migrate nothing
    from alembic.config import Config
    from sqlalchemy.sql.schema import SchemaItem

_FOLDER = Path(__file__).parents[2] / "migrations"
# Long enough for a busy table's turn, short enough that senders do not queue up behind a migration.
_LOCK_TIMEOUT = "SET LOCAL lock_timeout = '5s'"
PARTITIONED = {"deliveries", "submissions", "receipts"}
# What `on_postgresql` may say, and how SQLAlchemy wants it.
_OPTIONS: dict[str, Callable[[str], object]] = {"postgresql_partition_by": str, "postgresql_where": text}
_ACCOUNT = text(
    "SELECT pg_has_role(current_user, rolname, 'MEMBER') AS member FROM pg_roles WHERE rolname = :account"
)
# Runs with the owner's rights and only names of pg_catalog, because the working account may create objects in
# the schema. The last row stays, since the next one is chained to it.
_ERASE_ACTS = """
    CREATE OR REPLACE FUNCTION {schema}.loa_erase_acts(upto bigint) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $erase$
    DECLARE
        young bigint := (extract(epoch FROM now() - interval '{months} months') * 1000)::bigint;
        erased bigint;
    BEGIN
        IF EXISTS (SELECT 1 FROM {schema}.audit WHERE id <= upto AND at > young) THEN
            RAISE EXCEPTION 'Acts younger than {months} months are not erased.'
                USING HINT = 'After a change of records_months run `loa migrate`.';
        END IF;
        DELETE FROM {schema}.audit WHERE id <= upto AND id < (SELECT max(id) FROM {schema}.audit);
        GET DIAGNOSTICS erased = ROW_COUNT;
        RETURN erased;
    END $erase$
"""
# These tables and their partitions, also detached ones, that another account still owns.
_LARGE = text(
    """
    SELECT relname FROM pg_class
     WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')
       AND relname ~ '^(deliveries|submissions|receipts)(_c[0-9]+)?$'
       AND pg_get_userbyid(relowner) <> :account
     ORDER BY relname
    """
)


def require_file(url: str) -> None:
    """Raise NotFound if this is a SQLite ledger that is not there."""
    where = make_url(url)
    file = Path(where.database or "")
    if where.get_backend_name() == "sqlite" and not file.exists():
        raise NotFound(
            "There is no ledger in the folder {parent}. Set LOA_DATA or LOA_CONFIG to its "
            "location. The first command that writes, for example `loa batch import` or `loa key "
            "add`, creates one.",
            parent=file.parent,
        )


def _config(connection: Connection | None = None) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    if connection is not None:
        config.attributes["connection"] = connection
    return config


@cache
def newest() -> str:
    """Return the revision that this program needs, the number of the last migration."""
    return max(file.name for file in (_FOLDER / "versions").glob("[0-9]*.py")).partition("_")[0]


def current(connection: Connection) -> str | None:
    """Return the database's revision, None if it has no schema."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return revision


def upgrade(db: Database, adopt: Callable[[Connection, str], None] | None = None) -> None:
    """Migrate the schema to the newest revision in one transaction; an empty database gets it as it is today.

    adopt: stamps existing rows when they get stamps for the first time (app/security/row_stamps.py); it is
    given the revision that the database had.
    """
    before = db.read(current)
    if before == newest():
        return
    if before is not None and before > newest():
        raise SetupError(fault(before) or "")

    def work(connection: Connection) -> None:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(_LOCK_TIMEOUT)
            # If two hosts start together, the second waits and finds nothing to do.
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({AdvisoryLock.MIGRATION:d})")
        if before is None and current(connection) is None:
            create(connection)
            return
        from alembic import command

        command.upgrade(_config(connection), "head")
        if adopt and before is not None:
            adopt(connection, before)

    db.write(work)


def create(connection: Connection) -> None:
    """Make the tables of an empty database from the models, without its history of migrations."""
    engine = connection.dialect.name
    for table in metadata.sorted_tables:
        indexes = [each for each in table.indexes if each.info.get(ONLY_ON, engine) == engine]
        if engine == "postgresql":
            _with_options(table)
            for index in indexes:
                _with_options(index)
        connection.execute(CreateTable(table))
        for index in sorted(indexes, key=lambda item: str(item.name)):
            connection.execute(CreateIndex(index))
    connection.exec_driver_sql(
        "CREATE TABLE IF NOT EXISTS alembic_version (version_num VARCHAR(32) NOT NULL, "
        "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
    )
    connection.execute(text("INSERT INTO alembic_version VALUES (:newest)"), {"newest": newest()})


def _with_options(item: Table | Index) -> None:
    """Give the item what `on_postgresql` says of it."""
    for name in item.info.keys() & _OPTIONS.keys():
        item.dialect_options["postgresql"][name.removeprefix("postgresql_")] = _OPTIONS[name](item.info[name])


def hand_over(connection: Connection, account: str, months: int = 24) -> None:
    """Give the working account the rights it needs and no more; run by the migrating account.

    It owns the partitioned tables and may create objects in the schema, to open and erase campaigns; in other
    tables it reads and writes rows. To the audit it may add rows and write seals, and erase rows older than
    `months` through a function of the owner.
    """
    _may_hand_over(connection, account)
    to = connection.dialect.identifier_preparer.quote(account)
    spell = connection.dialect.identifier_preparer.quote
    schema = spell(connection.exec_driver_sql("SELECT current_schema()").scalar_one())
    connection.exec_driver_sql(f"GRANT USAGE, CREATE ON SCHEMA {schema} TO {to}")
    for name in connection.execute(_LARGE, {"account": account}).scalars():
        connection.exec_driver_sql(f"ALTER TABLE {spell(name)} OWNER TO {to}")
    for name in sorted(set(metadata.tables) - PARTITIONED):
        rights = "SELECT, INSERT, UPDATE (seal)" if name == "audit" else "SELECT, INSERT, UPDATE, DELETE"
        connection.exec_driver_sql(f"REVOKE ALL ON {spell(name)} FROM {to}")
        connection.exec_driver_sql(f"GRANT {rights} ON {spell(name)} TO {to}")
    connection.exec_driver_sql(_ERASE_ACTS.format(schema=schema, months=int(months)))
    connection.exec_driver_sql(f"REVOKE ALL ON FUNCTION {schema}.loa_erase_acts(bigint) FROM PUBLIC")
    connection.exec_driver_sql(f"GRANT EXECUTE ON FUNCTION {schema}.loa_erase_acts(bigint) TO {to}")
    connection.exec_driver_sql(f"GRANT SELECT ON alembic_version TO {to}")
    connection.exec_driver_sql(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {to}")


def _may_hand_over(connection: Connection, account: str) -> None:
    """Raise SetupError if the account does not exist or the migrating account can't give it tables."""
    own = connection.exec_driver_sql("SELECT current_user").scalar_one()
    found = connection.execute(_ACCOUNT, {"account": account}).first()
    if found is None:
        raise SetupError(
            "The server has no account {account}, which LOA_DATABASE_URL names. Create it first.",
            account=account,
        )
    if not found.member:
        raise SetupError(
            "{own} cannot give tables to {account}. Run GRANT {account} TO {own} as the server's "
            "administrator.",
            own=own,
            account=account,
        )


def fault(revision: str | None) -> str | None:
    """Say what is wrong with this revision, with the remedy; None if it is the one that is needed."""
    needed = newest()
    if revision == needed:
        return None
    if revision is not None and revision > needed:
        return Phrase(
            "The database has schema {found}, but this program only knows schemas up to {needed}. "
            "A newer Loa has migrated it. Start that version, or restore a backup from before the "
            "migration.",
            found=revision,
            needed=needed,
        )
    return Phrase(
        "The database has schema {found}, but this program needs {needed}. Run `loa migrate`.",
        found=revision or "none",
        needed=needed,
    )


def require(db: Database) -> None:
    """Raise SetupError, with the remedy, unless the schema is the one this program needs."""
    if wrong := fault(db.read(current)):
        raise SetupError(wrong)


def differences(db: Database) -> list[object]:
    """Return how the migrated database and the models differ, as `alembic check` does."""
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    def work(connection: Connection) -> list[object]:
        options = {"compare_type": True, "include_object": ours(connection.dialect.name)}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))

    return db.read(work)


def ours(engine: str) -> Callable[..., bool]:
    """Return what decides whether a table or an index of this engine is compared.

    Not partitions, which the ledger creates as campaigns open, nor indexes that are for the other engine.
    """

    def is_ours(item: SchemaItem, name: str | None, kind: str, reflected: bool, _compare_to: object) -> bool:
        tail = (name or "").rpartition("_c")[2]
        partition = kind == "table" and reflected and tail.isdigit()
        return not partition and item.info.get(ONLY_ON, engine) == engine

    return is_ours
