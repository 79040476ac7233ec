"""The schema's state: bring it up to date, say whether it is, and compare it with the models."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

from app.core.errors import SetupError
from app.database.connection import Database
from app.database.models import metadata

if TYPE_CHECKING:  # whoever has nothing to migrate does not wait for what migrates
    from alembic.config import Config

_FOLDER = Path(__file__).parents[2] / "migrations"
# Long enough for a busy table's turn, short enough that senders do not queue up behind a migration.
_STAMPED = "0025"  # the first revision in which the audit and accounts bear stamps
_LOCK_TIMEOUT = "SET LOCAL lock_timeout = '5s'"
PARTITIONED = {"deliveries", "submissions", "receipts"}
_ACCOUNT = text(
    "SELECT pg_has_role(current_user, rolname, 'MEMBER') AS member FROM pg_roles WHERE rolname = :account"
)
# With the owner's rights, and names of pg_catalog alone: the account that works makes others in the schema.
# The last act stays, since the next one is chained to it.
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
# They and their partitions, also one that is on its way out, as far as they are somebody else's yet.
_LARGE = text(
    """
    SELECT relname FROM pg_class
     WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p')
       AND relname ~ '^(deliveries|submissions|receipts)(_c[0-9]+)?$'
       AND pg_get_userbyid(relowner) <> :account
     ORDER BY relname
    """
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
    """The revision that this program needs: the number of the last migration."""
    return max(file.name for file in (_FOLDER / "versions").glob("[0-9]*.py")).partition("_")[0]


def current(connection: Connection) -> str | None:
    """The revision that the database has."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return revision


def upgrade(db: Database, adopt: Callable[[Connection], None] | None = None) -> None:
    """Bring the schema to the newest revision, in one transaction.

    adopt: stamps what is there where rows had no stamps until this moment (app/security/row_stamps.py).
    """
    before = db.read(current)
    if before == newest():
        return
    _refuse_newer(before)
    from alembic import command

    def work(connection: Connection) -> None:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(_LOCK_TIMEOUT)
            # Two hosts that start together: the second waits and then finds nothing to do.
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(4915)")
        command.upgrade(_config(connection), "head")
        if adopt and before is not None and before < _STAMPED:
            adopt(connection)

    db.write(work)


def hand_over(connection: Connection, account: str, months: int = 24) -> None:
    """Give the account that works all that work needs, and no more; run by the account that migrates.

    It owns the partitioned tables, or it could neither open nor erase a campaign, and may add to the schema
    for that; everywhere else it reads and writes rows. To the audit it adds, and puts seals on it; what is
    older than `months` it can have erased by a function of the owner's, and nothing younger.
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
    """SetupError where there is no such account, or where the one that migrates can't give it tables."""
    own = connection.exec_driver_sql("SELECT current_user").scalar_one()
    found = connection.execute(_ACCOUNT, {"account": account}).first()
    if found is None:
        raise SetupError(f"The server has no account {account}, which LOA_DATABASE_URL names: make it first.")
    if not found.member:
        raise SetupError(
            f"{own} may not give tables to {account}: run GRANT {account} TO {own} as the server's admin."
        )


def _refuse_newer(found: str | None) -> None:
    """SetupError for a schema that a newer program has made; revisions are numbers."""
    if found is not None and found > newest():
        raise SetupError(
            f"The database has schema {found}, this program knows those up to {newest()}: a newer Loa has "
            "migrated it. Start that version, or put a backup of before in its place."
        )


def require(db: Database) -> None:
    """SetupError with the remedy, unless the schema is the one that this program needs."""
    found, needed = db.read(current), newest()
    _refuse_newer(found)
    if found != needed:
        raise SetupError(
            f"The database has schema {found or 'none'}, this program needs {needed}. Run `loa migrate`."
        )


def differences(db: Database) -> list[object]:
    """What `alembic check` would say: how the migrated database and the models differ."""
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    def work(connection: Connection) -> list[object]:
        options = {"compare_type": True, "include_object": ours}
        return list(compare_metadata(MigrationContext.configure(connection, opts=options), metadata))

    return db.read(work)


def ours(_object: object, name: str | None, kind: str, reflected: bool, _compare_to: object) -> bool:
    """Partitions are made by the ledger as campaigns open; they are no part of the models."""
    tail = (name or "").rpartition("_c")[2]
    return not (kind == "table" and reflected and tail.isdigit())
