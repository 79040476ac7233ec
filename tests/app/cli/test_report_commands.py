"""`loa report`, `loa verify` and `loa database copy`, as a person at a terminal sees them."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import Result
from sqlalchemy import func, select, update
from typer.testing import CliRunner

from app import models as m
from app.cli import app
from app.db import Database
from app.errors import NotFound, SetupError
from tests.app.reports.scene import varied

Loa = Callable[..., Result]


@pytest.fixture
def loa(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Loa:
    """The command line over a varied campaign."""
    monkeypatch.setenv("LOA_DATABASE_URL", database_url)
    monkeypatch.chdir(tmp_path)
    with closing(Database(database_url)) as db:
        varied(db)
    return lambda *words: CliRunner().invoke(app, list(words))


def test_a_run_is_printed_for_people(loa: Loa) -> None:
    result = loa("report", "run", "1")
    assert result.exit_code == 0
    assert "Biểu 1 – Kết quả chung" in result.stdout


@pytest.mark.parametrize("words", [["campaign", "1"], ["batch", "1", "1"], ["run", "2"]])
def test_reports_are_printed_for_programs(loa: Loa, words: list[str]) -> None:
    result = loa("report", *words, "--format", "json")
    assert json.loads(result.stdout)["campaign_id"] == 1


@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_a_report_is_written_to_a_file(loa: Loa, tmp_path: Path, form: str) -> None:
    file = tmp_path / f"report.{form}"
    result = loa("report", "campaign", "1", "--format", form, "--out", str(file))
    assert f"({file.stat().st_size} bytes)" in result.stdout


def test_a_workbook_is_not_printed_on_a_terminal(loa: Loa) -> None:
    result = loa("report", "run", "1", "--format", "xlsx")
    assert result.exit_code == 2
    assert "FILE.xlsx" in result.output


def test_a_run_that_does_not_exist_is_named(loa: Loa) -> None:
    assert isinstance(loa("report", "run", "9").exception, NotFound)


def test_verify_says_what_it_counted(loa: Loa) -> None:
    result = loa("verify")
    assert result.exit_code == 0
    assert "Verified: every figure agrees." in result.stdout
    counted = json.loads(loa("verify", "--campaign", "1", "--json").stdout.splitlines()[-1])
    assert counted["verified"] is True
    assert counted["counted_rows"]["deliveries"] == 15


def test_verify_fails_loudly(loa: Loa, database_url: str) -> None:
    with closing(Database(database_url)) as db:
        db.write(lambda c: c.execute(update(m.batches).values(accepted=m.batches.c.accepted + 1)))
    result = loa("verify")
    assert result.exit_code == 1
    assert "DIFFERENCE: Batch 1: its counter of accepted subscribers is 11" in result.stdout
    document = json.loads(loa("verify", "--json").stdout)
    assert document["verified"] is False
    assert len(document["differences"]) > 0


def test_verify_shows_the_first_differences_of_very_many(loa: Loa, database_url: str) -> None:
    with closing(Database(database_url)) as db:
        batch = {
            "carrier": "x",
            "name": "x",
            "state": "ready",
            "lines": 1,
            "created_at": 0,
            "created_by": "x",
        }
        rows = [batch | {"id": n, "sha256": f"x{n}"} for n in range(100, 160)]
        db.write(lambda c: c.execute(m.batches.insert(), rows))
    result = loa("verify")
    assert result.stdout.count("DIFFERENCE") == 50
    assert "... and 10 more" in result.stdout


def test_a_sqlite_ledger_moves_to_postgresql(
    sqlite_url: str, new_postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOA_DATABASE_URL", sqlite_url)
    with closing(Database(sqlite_url)) as db:
        varied(db)
    result = CliRunner().invoke(app, ["database", "copy", "--to", new_postgresql_url])
    assert result.exit_code == 0
    assert "deliveries: 15 rows" in result.stderr
    with closing(Database(new_postgresql_url)) as db:
        assert db.read(lambda c: c.execute(select(func.count()).select_from(m.deliveries)).scalar_one()) == 15
    again = CliRunner().invoke(app, ["database", "copy", "--to", new_postgresql_url])
    assert isinstance(again.exception, SetupError)
