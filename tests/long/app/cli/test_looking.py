"""Looking migrates nothing and makes nothing; a schema of a newer program is said to be one."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer import Typer

from app.cli import app as loa
from app.cli import batch_commands, run_commands
from app.core.errors import NotFound, SetupError
from app.database import schema
from app.database.connection import Database
from tests.app.cli.test_campaign_commands import Shell


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """Over a SQLite ledger that one command has made."""
    found = Shell(f"sqlite:///{tmp_path / 'loa.sqlite3'}", tmp_path)
    found(loa, "key", "add", "lan")
    return found


def stamp(shell: Shell, revision: str | None = None) -> str:
    """The revision of the ledger, after it was set to another."""
    db = Database(shell.env["LOA_DATABASE_URL"])
    try:
        if revision:
            db.write(lambda c: c.exec_driver_sql("UPDATE alembic_version SET version_num = ?", (revision,)))
        return db.read(schema.current) or ""
    finally:
        db.close()


@pytest.mark.prove
@pytest.mark.parametrize(
    ("app", "words"),
    [
        (run_commands.app, ["list"]),
        (batch_commands.app, ["list"]),
        (loa, ["key", "list"]),
        (batch_commands.app, ["bad-lines", "1"]),
    ],
)
def test_looking_at_an_older_ledger_leaves_it_as_it_is(shell: Shell, app: Typer, words: list[str]) -> None:
    stamp(shell, "0001")
    with pytest.raises(SetupError, match="The database has schema 0001, but this program needs "):
        shell(app, *words)
    assert stamp(shell) == "0001"


def test_looking_where_no_ledger_is_makes_none(tmp_path: Path) -> None:
    shell = Shell(f"sqlite:///{tmp_path / 'far' / 'loa.sqlite3'}", tmp_path)
    with pytest.raises(NotFound, match="There is no ledger in the folder"):
        shell(run_commands.app, "list")
    assert not (tmp_path / "far").exists()


@pytest.mark.prove
@pytest.mark.parametrize("words", [["migrate"], ["run", "list"], ["key", "add", "mai"]])
def test_a_ledger_of_a_newer_program_is_not_touched(shell: Shell, words: list[str]) -> None:
    stamp(shell, "9999")
    with pytest.raises(
        SetupError, match="The database has schema 9999, but this program only knows schemas up"
    ):
        shell(loa, *words)
    assert stamp(shell) == "9999"


def test_who_looks_sees_a_ledger_of_this_program(shell: Shell) -> None:
    assert "lan" in shell(loa, "key", "list")
