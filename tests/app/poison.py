"""A row that the database refuses to change or to take, so that whoever meets it fails."""

from __future__ import annotations

from sqlalchemy import Connection

from app.database.connection import Database

_FUNCTION = """
    CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'poison'; END $$
"""


def poison(db: Database, event: str, table: str, when: str) -> None:
    """Let `event` (UPDATE, INSERT) of rows of the table fail `when` (a condition on NEW)."""

    def work(connection: Connection) -> None:
        head = f"CREATE TRIGGER poison BEFORE {event} ON {table} FOR EACH ROW WHEN ({when})"
        if db.sqlite:
            connection.exec_driver_sql(f"{head} BEGIN SELECT RAISE(ABORT, 'poison'); END")
            return
        connection.exec_driver_sql(_FUNCTION)
        connection.exec_driver_sql(f"{head} EXECUTE FUNCTION poison()")

    db.write(work)


def antidote(db: Database, table: str) -> None:
    """The row is as any other again."""

    def work(connection: Connection) -> None:
        if db.sqlite:
            connection.exec_driver_sql("DROP TRIGGER poison")
            return
        connection.exec_driver_sql(f"DROP TRIGGER poison ON {table}")
        connection.exec_driver_sql("DROP FUNCTION poison()")

    db.write(work)
