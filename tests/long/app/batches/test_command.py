"""`loa batch` on an empty SQLite folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.cli.batch_commands import app
from app.core.errors import AppError, Invalid
from tests.app.batches.files import MESSY, put


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own for each test; nothing of the surroundings shines in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LOA_DATABASE_URL", raising=False)
    monkeypatch.setenv("LOA_DATA", str(tmp_path / "data"))
    return tmp_path


def run(*words: str) -> Result:
    result = CliRunner().invoke(app, words)
    if isinstance(result.exception, AppError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


def test_a_file_is_imported_and_told_of_in_a_few_lines(folder: Path) -> None:
    path, _ = put(folder / "messy.csv", MESSY)
    assert run("import", str(path), "--carrier", "vnpt").stdout.splitlines() == [
        "Batch 1: 10 lines = 5 accepted + 3 rejected + 2 repeated.",
        "2 numbers are in other carriers' ranges; they may have been ported.",
        "1 lines have an unknown area and are counted without one.",
        "3 lines have a language, which is ignored.",
    ]
    again = run("import", str(path), "--carrier", "vnpt")
    assert "Batch 1 (known already): 10 lines" in again.stdout


def test_machines_get_one_object_as_the_last_line(folder: Path) -> None:
    path, file = put(folder / "messy.csv", MESSY)
    result = run("import", str(path), "--carrier", "vnpt", "--name", "Đợt 1", "--json")
    batch = json.loads(result.stdout.splitlines()[-1])
    assert (batch["name"], batch["sha256"], batch["lines"]) == ("Đợt 1", file.sha256, 10)


def test_batches_are_listed(folder: Path) -> None:
    path, _ = put(folder / "messy.csv", MESSY)
    run("import", str(path), "--carrier", "vnpt")
    assert "messy.csv" in run("list").output
    assert json.loads(run("list", "--json").stdout)[0]["accepted"] == 5


def test_bad_lines_are_shown_or_written_to_a_file(folder: Path) -> None:
    path, _ = put(folder / "messy.csv", MESSY)
    run("import", str(path), "--carrier", "vnpt")
    assert "7\t0212*****23\tIt is a landline number." in run("bad-lines", "1").output
    run("bad-lines", "1", "--out", str(folder / "bad.csv"))
    assert len((folder / "bad.csv").read_text("utf-8-sig").splitlines()) == 6


def test_a_file_that_is_not_there_is_refused(folder: Path) -> None:
    with pytest.raises(Invalid, match="Cannot read"):
        run("import", "none.csv", "--carrier", "vnpt")


def test_a_carrier_that_nobody_knows_is_refused(folder: Path) -> None:
    path, _ = put(folder / "messy.csv", MESSY)
    with pytest.raises(Invalid, match="Carrier “vietel” does not exist"):
        run("import", str(path), "--carrier", "vietel")
