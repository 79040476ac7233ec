"""Texts on the command line have the bounds that the API has: a sentence per field, and nothing is stored."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import func, select

from app import cli
from app.campaigns.directives import DirectiveFields
from app.campaigns.directives import create as create_directive
from app.cli.files import as_file
from app.database.connection import Database
from app.database.models import audit, campaigns, directives, runs
from app.file_import.upload import shown_name
from tests.app.campaigns.rows import new_batch, whole_run
from tests.app.cli.test_wrong import folder, refused
from tests.engines import on_sqlite, other_by_hand

__all__ = ["folder"]
LETTER = {"--issued-on": "2024-01-29", "--issuer": "CAT", "--subject": "Tet"}
CAMPAIGN = {"--sender": "CA SON LA", "--text": "Canh giac"}
HELD = ["campaign", "add-held-run", "1", "--carrier"]
BY_PRESS = ["addressee", "report", "1", "Bao", "--channel", "meeting", "--pieces"]
ISSUE = ["report", "issue", "1", "--on", "2024-02-09", "--number"]


def letter(**changed: str) -> list[str]:
    options = LETTER | {f"--{name.replace('_', '-')}": value for name, value in changed.items()}
    return ["directive", "create", "303", *(each for pair in options.items() for each in pair)]


def campaign(name: str = "Tet", **changed: str) -> list[str]:
    options = CAMPAIGN | {f"--{name.replace('_', '-')}": value for name, value in changed.items()}
    return ["campaign", "create", name, *(each for pair in options.items() for each in pair)]


# The command, and what its sentence names. The first are longer than the column of the database.
LONG = [
    (["directive", "create", "3" * 61, *letter()[3:]], "number must have at most 60"),
    (letter(issuer="x" * 201), "issuer must have at most 200"),
    (letter(subject="x" * 2001), "subject must have at most 2000"),
    (letter(legal_basis="x" * 2001), "legal_basis must have at most 2000"),
    (letter(contact="x" * 301), "contact must have at most 300"),
    (letter(to="x" * 1000), "addressees.0 must have at most 200"),
    (["directive", "deadline", "1", "none", "--reason", "x" * 201], "reason must have at most 200"),
    (["directive", "replay", "--failed-to", "x" * 255], "target must have at most 254"),
    (campaign("x" * 201), "name must have at most 200"),
    (campaign(purpose="x" * 21), "purpose must have at most 20"),
    (campaign(sender="x" * 101), "sender must have at most 100"),
    (campaign(text="x" * 2001), "text must have at most 2000"),
    (campaign(day_starts="7"), "day_starts must be a time"),
    (["campaign", "edit", "1", "--name", "x" * 201], "name must have at most 200"),
    (["campaign", "edit", "1", "--text", "x" * 2001], "text must have at most 2000"),
    (["campaign", "follow-up", "1", "--name", "x" * 201], "name must have at most 200"),
    (["campaign", "follow-up", "1", "--text", "x" * 2001], "text must have at most 2000"),
    (["campaign", "reject", "1", "--reason", "x" * 2001], "reason must have at most 2000"),
    (["campaign", "return", "1", "--reason", "x" * 2001], "reason must have at most 2000"),
    (["campaign", "approve", "1", "--digest", "x", "--reason", "x" * 2001], "reason must have at most 2000"),
    ([*HELD, "x" * 41, "--estimated", "9"], "carrier must consist of lower-case"),
    (
        [*HELD, "vnpt", "--estimated", "0"],
        "estimated must be at least 1",
    ),
    (
        [*HELD, "vnpt", "--estimated", "9" * 12],
        "estimated must be at most 2000",
    ),
    (["run", "priority", "1", "101"], "priority must be at most 100"),
    (["run", "priority", "1", "--", "-101"], "priority must be at least -100"),
    (["run", "priority", "1", "9" * 20], "priority must be at most 100"),
    (["run", "rate", "1", "0"], "segments_per_second must be at least 1"),
    (["run", "rate", "1", "9" * 20], "segments_per_second must be at most 100000"),
    (["campaign", "follow-up", "1", "--cause", "x" * 121], "causes.0 must have at most 120"),
    (["campaign", "follow-up", "1", "--second-copies", "-1"], "second_copies must be at least 0"),
    (["campaign", "follow-up", "1", "--carrier", "x" * 41], "carriers.0 must consist of lower-case"),
    (["addressee", "set", "1", "x" * 201, "--kind", "press"], "name must have at most 200"),
    (
        ["addressee", "set", "1", "VNPT", "--kind", "carrier", "--carrier", "x" * 41],
        "carrier must consist of lower-case",
    ),
    (
        ["addressee", "set", "1", "Bao", "--kind", "press", "--email", "a@" + "b" * 254],
        "email must have at most 254",
    ),
    (
        ["addressee", "report", "1", "x" * 201, "--channel", "meeting", "--pieces", "1"],
        "addressee must have at most 200",
    ),
    (
        [*BY_PRESS, "-1"],
        "items.0.pieces must be at least 0",
    ),
    (
        [*BY_PRESS, "9" * 30],
        "items.0.pieces must be",
    ),
    (
        [*BY_PRESS, "1", "--number", "x" * 61],
        "number must have at most 60",
    ),
    (
        [*BY_PRESS, "1", "--reason", "x" * 2001],
        "reason must have at most 2000",
    ),
    (
        [*ISSUE, "x" * 31, "--signer", "An"],
        "number must have at most 30",
    ),
    (
        [*ISSUE, "1", "--signer", "x" * 101],
        "signer must have at most 100",
    ),
    (["batch", "import", "list.csv", "--carrier", "vnpt", "--name", "x" * 201], "name must have at most 200"),
    (
        ["receipts", "import", "list.csv", "--carrier", "vnpt", "--name", "x" * 201],
        "name must have at most 200",
    ),
    (["key", "add", "x" * 81], "name"),
    (["user", "add", "x" * 41, "--role", "auditor"], "name"),
    (["text", "preview", "x" * 2001], "text must have at most 2000"),
]
Build = Callable[[str], list[str]]
BAD = ["a\nb", "a\r\nb", "a\x1b[31mb", "a\x9bb", "a\u202eb", "a\u2028b"]
ONE_LINE: list[tuple[Build, str]] = [
    (lambda bad: ["directive", "create", bad, *letter()[3:]], "number"),
    (lambda bad: letter(issuer=bad), "issuer"),
    (lambda bad: letter(contact=bad), "contact"),
    (lambda bad: letter(to=bad), "addressees.0"),
    (lambda bad: ["directive", "deadline", "1", "none", "--reason", bad], "reason"),
    (lambda bad: ["directive", "replay", "--failed-to", bad], "target"),
    (lambda bad: campaign(bad), "name"),
    (lambda bad: ["campaign", "edit", "1", "--name", bad], "name"),
    (lambda bad: campaign(sender=bad), "sender"),
    (lambda bad: ["campaign", "follow-up", "1", "--name", bad], "name"),
    (lambda bad: ["campaign", "follow-up", "1", "--cause", bad], "causes.0"),
    (lambda bad: ["addressee", "set", "1", bad, "--kind", "press"], "name"),
    (lambda bad: [*ISSUE, bad, "--signer", "An"], "number"),
    (lambda bad: [*ISSUE, "1", "--signer", bad], "signer"),
    (lambda bad: ["batch", "import", "list.csv", "--carrier", "vnpt", "--name", bad], "name"),
    (lambda bad: ["receipts", "import", "list.csv", "--carrier", "vnpt", "--name", bad], "name"),
    (lambda bad: ["key", "add", bad], "name"),
    (lambda bad: ["user", "add", bad, "--role", "auditor"], "name"),
]
PROSE: list[tuple[Build, str]] = [
    (lambda bad: letter(subject=bad), "subject"),
    (lambda bad: letter(legal_basis=bad), "legal_basis"),
    (lambda bad: ["campaign", "reject", "1", "--reason", bad], "reason"),
    (lambda bad: campaign(text=bad), "text"),
    (
        lambda bad: [
            *(*ISSUE, "1", "--signer", "An"),
            *("--remark", f"proposals={bad}"),
        ],
        "proposals",
    ),
]


def counts(db: Database) -> list[int]:
    tables = (directives, campaigns, runs, audit)
    return db.read(
        lambda c: [c.execute(select(func.count()).select_from(each)).scalar_one() for each in tables]
    )


@contextmanager
def nothing_kept(folder: Path, db: Database, monkeypatch: pytest.MonkeyPatch, url: str) -> Iterator[None]:
    (folder / "list.csv").write_text("phone\n0912345678\n", encoding="utf-8")
    monkeypatch.setenv("LOA_DATABASE_URL", url)
    (folder / "password").write_text("nine blue rivers under a tin roof\n" * 9, encoding="utf-8")
    before = counts(db)
    with (folder / "password").open(encoding="utf-8") as typed:
        monkeypatch.setattr("sys.stdin", typed)
        yield
    assert counts(db) == before


@pytest.fixture
def held(db: Database) -> Database:
    db.write(whole_run)
    db.write(new_batch)
    return db


@pytest.mark.longer
@other_by_hand
@pytest.mark.parametrize(("words", "said"), LONG, ids=[f"{' '.join(w[:2])} {s.split()[0]}" for w, s in LONG])
def test_what_is_too_long_is_refused_in_a_sentence(
    folder: Path,
    held: Database,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    database_url: str,
    words: list[str],
    said: str,
) -> None:
    with nothing_kept(folder, held, monkeypatch, database_url):
        status, told = refused(monkeypatch, capsys, *words)
    assert (status, said in told) == (1, True), told
    assert "xxxxxxxxxxxxxxxxxxxx" not in told.replace("x" * 41, "")


@pytest.mark.longer
@on_sqlite
@pytest.mark.parametrize(("build", "field"), ONE_LINE, ids=[f"{b('x')[0]} {f}" for b, f in ONE_LINE])
def test_a_line_has_no_line_ends_and_no_control_characters(
    folder: Path,
    held: Database,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    sqlite_url: str,
    build: Build,
    field: str,
) -> None:
    with nothing_kept(folder, held, monkeypatch, sqlite_url):
        for bad in BAD:
            status, told = refused(monkeypatch, capsys, *build(bad))
            assert status == 1, (bad, told)
            assert field in told.lower() or "sender" in told, (bad, told)
            assert not {"\x1b", "\x9b", "\u202e"} & set(told)


@pytest.mark.longer
@on_sqlite
@pytest.mark.parametrize(("build", "field"), PROSE, ids=[f"{b('x')[0]} {f}" for b, f in PROSE])
def test_a_text_of_several_lines_has_no_control_characters(
    folder: Path,
    held: Database,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    sqlite_url: str,
    build: Build,
    field: str,
) -> None:
    with nothing_kept(folder, held, monkeypatch, sqlite_url):
        for bad in BAD[2:4]:
            status, told = refused(monkeypatch, capsys, *build(bad))
            assert (status, field in told) == (1, True), (bad, told)


@pytest.mark.longer
@on_sqlite
def test_bytes_that_are_no_utf_8_are_refused(
    folder: Path,
    held: Database,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    sqlite_url: str,
) -> None:
    with nothing_kept(folder, held, monkeypatch, sqlite_url):
        for words in (letter(issuer="a\udcff"), ["key", "revoke", "\udcff"], ["batch", "import", "\udcff"]):
            status, told = refused(monkeypatch, capsys, *words)
            assert (status, "is not UTF-8" in told) == (1, True), told


def test_a_name_of_a_file_is_kept_on_one_line(tmp_path: Path) -> None:
    file = tmp_path / "a\n\x1b[31mb.csv"
    file.write_text("phone\n", encoding="utf-8")
    assert as_file(file, None).name == "a\\u000a\\u001b[31mb.csv"
    assert shown_name("x" * 300) == "x" * 200
    assert shown_name("\udcff") == "?"


@pytest.mark.longer
@on_sqlite
def test_what_stands_in_older_rows_commands_no_terminal(
    folder: Path,
    db: Database,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    sqlite_url: str,
) -> None:
    monkeypatch.setenv("LOA_DATABASE_URL", sqlite_url)
    fields = DirectiveFields("3\x1b[2J", date(2024, 1, 29), "CAT\x1b[31m", "Tet", addressees=("Bao\x9b\nX",))
    db.write(create_directive, fields, "an")
    for verb in ("list", "show 1", "status 1"):
        monkeypatch.setattr(sys, "argv", ["loa", "directive", *verb.split()])
        with pytest.raises(SystemExit):
            cli.main()
        assert not {"\x1b", "\x9b"} & set(capsys.readouterr().out), verb
