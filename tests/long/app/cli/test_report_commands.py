"""`loa report`, `loa verify` and `loa database copy`, as a person at a terminal sees them."""

from __future__ import annotations

import json
import os
import resource
import signal
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import Result
from sqlalchemy import func, select, update
from typer.testing import CliRunner

from app.cli import app
from app.cli.files import replace_whole
from app.core.errors import Invalid, NotFound, SetupError
from app.database import models as m
from app.database.connection import Database
from app.reports.frozen.archive import ReportSubject, SubjectKind
from tests.long.app.reports.kept import take_at, today
from tests.long.app.reports.scene import varied

Loa = Callable[..., Result]
ISSUED = ["--number", "125", "--on", "2024-02-09", "--signer", "Đại tá Nguyễn Văn An"]


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


@pytest.mark.prove
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


@pytest.mark.prove
def test_every_paper_of_a_campaign_is_written_at_once(loa: Loa, tmp_path: Path) -> None:
    result = loa("report", "build", "--campaign", "1", "--folder", "out")
    assert result.exit_code == 0, result.output
    names = {file.name for file in (tmp_path / "out").iterdir()}
    for which in ("run-1", "run-2", "directive-1"):
        assert {
            f"bao-cao-{which}-xem-truoc.{form}" for form in ("docx", "pdf", "xlsx", "csv", "json")
        } <= names
        assert f"bao-cao-{which}-xem-truoc-van-ban.json" in names


@pytest.mark.parametrize(
    "words", [[], ["--run", "1", "--directive", "1"], ["--campaign", "1", "--run", "1"], ["--campaign", "9"]]
)
def test_what_to_build_is_named_once(loa: Loa, words: list[str]) -> None:
    assert isinstance(loa("report", "build", *words).exception, Invalid | NotFound)


def test_a_cut_off_needs_its_zone(loa: Loa) -> None:
    wrong = loa("report", "build", "--run", "1", "--cut-off", "2024-02-01T09:00").exception
    assert isinstance(wrong, Invalid)
    assert "--cut-off" in wrong.detail


@pytest.mark.prove
def test_versions_are_frozen_listed_saved_and_proved(loa: Loa, tmp_path: Path, database_url: str) -> None:
    with closing(Database(database_url)) as db:
        db.write(lambda c: c.execute(update(m.run_batches).values(fanned_all=True)))
        take_at(db, ReportSubject(SubjectKind.RUN, 1), 1_706_752_800_250)
    other = loa("report", "freeze", "--run", "1", "--cut-off", "2024-02-01T08:00+07:00").exception
    assert "The nearest: 01/02/2024 09:00:00." in str(other)
    first = loa("report", "freeze", "--run", "1", "--cut-off", "2024-02-01T09:00+07:00")
    again = loa("report", "freeze", "--run", "1", "--cut-off", "2024-02-01T09:00+07:00", "--folder", "kept")
    assert "version 1, frozen, cut-off 2024-02-01T09:00:00.250+07:00" in first.stdout
    assert "version 1, already frozen," in again.stdout
    assert len(list((tmp_path / "kept").iterdir())) == 6
    assert json.loads(loa("report", "list", "--json").stdout)[0]["version"] == 1
    assert "Report 1: run 1, version 1, draft, interim" in loa("report", "list", "--run", "1").stdout
    assert loa("report", "save", "1", "--folder", "saved").exit_code == 0
    kept, saved = ((tmp_path / name / "bao-cao-run-1-v1.pdf").read_bytes() for name in ("kept", "saved"))
    assert kept == saved
    assert "1 frozen report is unchanged" in loa("report", "verify").stdout


def test_an_issued_report_is_listed_by_its_number_and_day(loa: Loa, database_url: str) -> None:
    with closing(Database(database_url)) as db:
        db.write(lambda c: c.execute(update(m.run_batches).values(fanned_all=True)))
    assert loa("report", "freeze", "--run", "1").exit_code == 0
    day = f"{today()}"
    signer = ("--signer", "Đại tá Nguyễn Văn A")
    assert loa("report", "issue", "1", "--number", "125", "--on", day, *signer).exit_code == 0
    (line,) = loa("report", "list").stdout.splitlines()
    assert line.startswith(f"Report 1: run 1, version 1, issued as number 125 on {day}")
    assert "draft" not in line


@pytest.mark.prove
def test_a_spoilt_version_fails_the_proof(loa: Loa, database_url: str) -> None:
    with closing(Database(database_url)) as db:
        db.write(lambda c: c.execute(update(m.run_batches).values(fanned_all=True)))
    assert loa("report", "freeze", "--run", "1").exit_code == 0
    with closing(Database(database_url)) as db:
        db.write(lambda c: c.execute(update(m.report_files).values(content=b"x")))
    result = loa("report", "verify", "1")
    assert result.exit_code == 1
    assert "DIFFERENCE: The file csv of report 1: the content differs from what was frozen" in result.stdout


@pytest.mark.prove
def test_frozen_reports_move_to_postgresql_with_the_ledger(
    sqlite_url: str, new_postgresql_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOA_DATABASE_URL", sqlite_url)
    with closing(Database(sqlite_url)) as db:
        varied(db)
        db.write(lambda c: c.execute(update(m.run_batches).values(fanned_all=True)))
    invoke = CliRunner().invoke
    assert invoke(app, ["report", "freeze", "--run", "1"]).exit_code == 0
    assert invoke(app, ["database", "copy", "--to", new_postgresql_url]).exit_code == 0
    monkeypatch.setenv("LOA_DATABASE_URL", new_postgresql_url)
    assert "1 frozen report is unchanged" in invoke(app, ["report", "verify"]).stdout


def test_verify_says_what_it_counted(loa: Loa) -> None:
    result = loa("verify")
    assert result.exit_code == 0
    assert "Verified: all figures match." in result.stdout
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


def test_verify_repairs_tallies_when_it_is_told_to(loa: Loa, database_url: str) -> None:
    with closing(Database(database_url)) as db:
        db.write(lambda c: c.execute(update(m.tallies).where(m.tallies.c.state == 7).values(n=9)))
    assert loa("verify").exit_code == 1
    result = loa("verify", "--repair", "--campaign", "1")
    assert result.exit_code == 0
    assert "Verified: all figures match." in result.stdout
    assert json.loads(loa("verify", "--repair", "--json").stdout)["repaired"] == []
    assert "tallies.repaired" in loa("audit", "export").stdout


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


@pytest.mark.prove
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


@pytest.mark.parametrize("words", [["freeze", "--run", "1"], ["issue", "1", *ISSUED]])
def test_nothing_is_stored_whose_files_can_not_be_written(
    loa: Loa, database_url: str, tmp_path: Path, words: list[str]
) -> None:
    (tmp_path / "taken").write_text("a file, and no folder")
    if words[0] == "issue":
        assert loa("report", "freeze", "--run", "1").exit_code == 0
    refused = loa("report", *words, "--folder", str(tmp_path / "taken" / "papers"))
    assert isinstance(refused.exception, OSError)
    with closing(Database(database_url)) as db:
        frozen = db.read(lambda c: c.execute(select(func.count()).select_from(m.frozen_reports)).scalar_one())
        issued = db.read(lambda c: c.execute(select(func.count()).select_from(m.issued_reports)).scalar_one())
    assert (frozen, issued) == (int(words[0] == "issue"), 0)


def test_a_folder_is_made_for_files_alone(loa: Loa, tmp_path: Path) -> None:
    refused = loa("report", "freeze", "--run", "404", "--folder", str(tmp_path / "new" / "papers"))
    assert refused.exit_code != 0
    assert not (tmp_path / "new").exists()
    assert loa("report", "freeze", "--run", "1", "--folder", str(tmp_path / "new" / "papers")).exit_code == 0
    assert list((tmp_path / "new" / "papers").iterdir())


@pytest.mark.parametrize("in_the_way", ["a folder", "a full disk"])
def test_a_report_whose_files_can_not_be_written_is_told_to_be_stored(
    loa: Loa, database_url: str, tmp_path: Path, in_the_way: str
) -> None:
    name = "bao-cao-run-1-v1.docx"
    if in_the_way == "a folder":
        (tmp_path / "papers" / name).mkdir(parents=True)
    else:
        (tmp_path / "papers").mkdir()
        (tmp_path / "papers" / name).symlink_to("/dev/full")
    refused = loa("report", "freeze", "--run", "1", "--folder", str(tmp_path / "papers"))
    assert isinstance(refused.exception, Invalid)
    assert str(refused.exception).startswith("Report 1 is stored, but ")
    assert "`loa report save 1 --folder FOLDER`" in str(refused.exception)
    assert loa("report", "save", "1", "--folder", str(tmp_path / "other")).exit_code == 0
    written = {each.name: each.read_bytes() for each in (tmp_path / "papers").iterdir() if each.is_file()}
    assert (
        written.items() <= {each.name: each.read_bytes() for each in (tmp_path / "other").iterdir()}.items()
    )


def test_a_folder_by_the_sign_for_home_is_there(
    loa: Loa, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert loa("report", "build", "--run", "1", "--folder", "~/papers").exit_code == 0
    assert list((tmp_path / "home" / "papers").iterdir())


def test_a_report_goes_into_a_pipe(loa: Loa, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    try:
        said = loa("report", "run", "1", "--format", "csv", "--out", f"/dev/fd/{writing}")
        assert said.exit_code == 0, said.output
        assert os.read(reading, 100).startswith(b"\xef\xbb\xbf")
    finally:
        os.close(reading)
        os.close(writing)


def test_a_file_that_is_there_survives_a_full_disk(loa: Loa, tmp_path: Path) -> None:
    (tmp_path / "whole.zip").write_bytes(b"whole")
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limit[1]))
    try:
        with pytest.raises(OSError, match="large"):
            replace_whole(tmp_path / "whole.zip", bytes(50_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, ignored)
    assert [each.name for each in tmp_path.glob("*whole*")] == ["whole.zip"]
    assert (tmp_path / "whole.zip").read_bytes() == b"whole"
