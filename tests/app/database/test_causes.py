"""Trouble with the database is told by its cause: what helps a full disk does not help a standby."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import text

from app.core.errors import AppError, Damaged, DatabaseUnavailable
from app.database.connection import Database
from app.database.engines import sqlite_engine, translated


def told_by_sqlite(file: Path, *statements: str) -> str:
    """The sentence of the last statement's error."""
    engine = sqlite_engine(f"sqlite:///{file}")
    with engine.connect() as connection:
        for statement in statements[:-1]:
            connection.exec_driver_sql(statement)
        with pytest.raises(DatabaseUnavailable) as refusal, translated():
            connection.exec_driver_sql(statements[-1])
    engine.dispose()
    return str(refusal.value)


def test_a_full_disk_is_called_full_and_nobody_says_that_nothing_is_stored(tmp_path: Path) -> None:
    full = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) INSERT INTO t SELECT x FROM n"
    said = told_by_sqlite(tmp_path / "l", "CREATE TABLE t (x)", "PRAGMA max_page_count=20", full)
    assert said.startswith("The database's disk is full")
    assert "cannot be reached" not in said
    assert "what was stored before it stays" in said


def test_a_ledger_that_can_only_be_read_is_called_so(tmp_path: Path) -> None:
    said = told_by_sqlite(tmp_path / "l", "PRAGMA query_only=1", "CREATE TABLE t (x)")
    assert said.startswith("The database can only be read")


def test_a_file_that_this_account_cannot_open_is_a_matter_of_rights(tmp_path: Path) -> None:
    (tmp_path / "l").mkdir()
    engine = sqlite_engine(f"sqlite:///{tmp_path / 'l'}")
    with (
        pytest.raises(DatabaseUnavailable, match="cannot be opened or written by this account"),
        translated(),
    ):
        engine.connect()


@pytest.mark.parametrize(
    ("code", "error", "sentence"),
    [
        ("53100", DatabaseUnavailable, "The database's disk is full"),
        ("58030", DatabaseUnavailable, "The database's disk reports an error"),
        ("25006", DatabaseUnavailable, "The database can only be read"),
        ("XX001", Damaged, "PostgreSQL cannot read part of its data"),
        ("XX002", Damaged, "PostgreSQL cannot read part of its data"),
    ],
)
def test_a_server_says_the_cause_by_its_code(
    new_postgresql_url: str, code: str, error: type[AppError], sentence: str
) -> None:
    db = Database(new_postgresql_url)
    db.end_within(0)
    raised = f"DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '{code}'; END $$"
    with pytest.raises(error) as refusal, translated(writing=True), db.engine.connect() as connection:
        connection.execute(text(raised))
    assert str(refusal.value).startswith(sentence)
    db.close()


def test_a_server_that_does_not_know_the_account_is_not_called_away(new_postgresql_url: str) -> None:
    db = Database(new_postgresql_url.replace("root", "nobody_of_that_name", 1))
    with pytest.raises(DatabaseUnavailable, match="refuses this account"), translated():
        db.engine.connect()
    db.close()
