"""`loa receipts` on a SQLite folder with a run that was sent."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.cli.receipts_commands import app
from app.core.errors import AppError, Conflict, Invalid, NotFound
from app.database.connection import Database
from tests.app.receipts.result_files.scene import TAKEN, at, csv_file, phone, sent
from tests.exact import exactly


@pytest.fixture(autouse=True)
def folder(sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own for each test, whose ledger has four messages that were taken."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LOA_DATABASE_URL", raising=False)
    monkeypatch.setenv("LOA_DATA", str(tmp_path))
    db = Database(sqlite_url)
    sent(db, [TAKEN] * 4)
    db.close()
    return tmp_path


@pytest.fixture
def file(folder: Path) -> str:
    rows = [(phone(0), "DELIVRD", at(), "0"), (phone(1), "Khóa", at(), ""), (phone(9), "SENT", at(), "")]
    return str(csv_file(folder / "f.csv", rows))


def run(*words: str) -> Result:
    result = CliRunner().invoke(app, words)
    if isinstance(result.exception, AppError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


def load(file: str, *more: str) -> Result:
    return run("import", file, "--carrier", "viettel", *more)


@pytest.mark.longer
def test_a_file_is_applied_and_told_of_in_a_table(file: str) -> None:
    said = load(file).stdout.splitlines()
    assert said[0] == "Receipt file 1 of viettel, ready: 3 lines, of which"
    told = {words[1]: int(words[0]) for words in map(str.split, said[1:11])}
    assert {name: n for name, n in told.items() if n} == {"settled": 1, "unknown": 1, "bad": 1}
    assert said[11] == (
        "Run 1 (campaign 1): 4 sent = 0 rejected immediately + 1 listed in the file + 3 missing "
        "+ 0 handed over later."
    )
    assert load(file).stdout.splitlines() == said
    assert run("show", "1").stdout.splitlines() == said


@pytest.mark.longer
def test_words_of_the_link_are_read(file: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = {"carrier": "viettel", "segments_per_second": 1, "status_words": {"Khóa": "undelivered"}}
    monkeypatch.setenv("LOA_LINKS", json.dumps({"v": link}))
    assert json.loads(load(file, "--json").stdout)["reconciliation"]["settled"] == 2


@pytest.mark.longer
def test_machines_get_one_object(file: str) -> None:
    told = json.loads(load(file, "--campaign", "1", "--level", "handset", "--name", "Đợt 1", "--json").stdout)
    assert (told["campaign_id"], told["level"], told["name"], told["lines"]) == (1, "handset", "Đợt 1", 3)
    assert json.loads(run("list", "--json").stdout)[0]["reconciliation"] == told["reconciliation"]
    assert "viettel" in run("list").stdout


@pytest.mark.longer
def test_counts_and_lines_are_written_for_excel(file: str, folder: Path) -> None:
    load(file)
    run("show", "1", "--out", str(folder / "table.csv"))
    assert len((folder / "table.csv").read_text("utf-8-sig").splitlines()) == 1 + 11 + 5
    run("lines", "1", "--out", str(folder / "lines.csv"))
    rows = list(csv.reader((folder / "lines.csv").read_text("utf-8-sig").splitlines()))
    assert [(row[1], row[7]) for row in rows[1:]] == [
        *(("8491*****00", "settled"), ("", "bad"), ("8491*****09", "unknown")),
        *((f"8491*****0{n}", "missing") for n in (1, 2, 3)),
    ]
    run("lines", "1", "--out", str(folder / "whole.csv"), "--verdict", "missing", "--whole-numbers")
    assert "84912000001" in (folder / "whole.csv").read_text("utf-8-sig")


@pytest.mark.longer
def test_what_can_not_be_is_refused_in_words(file: str, folder: Path) -> None:
    with pytest.raises(Invalid, match="No campaign has a run at “vietel”"):
        run("import", file, "--carrier", "vietel")
    with pytest.raises(Invalid, match="Cannot read"):
        load(str(folder / "none.csv"))
    with pytest.raises(Invalid, match=exactly("“sure” is not a valid level. Choose operator or handset.")):
        load(file, "--level", "sure")
    with pytest.raises(NotFound, match="no receipt file 7"):
        run("show", "7")
    load(file)
    with pytest.raises(
        Conflict,
        match=exactly(
            "This file was already uploaded as receipt file 1, and its lines were applied to any campaign, "
            "the level of its link. To apply some to another campaign, upload them as a separate file."
        ),
    ):
        load(file, "--level", "handset")
