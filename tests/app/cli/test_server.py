"""`loa --server URL`: the same commands on another machine's Loa."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from typer.testing import CliRunner

from app.cli import app as loa
from app.cli import common, remote
from app.cli.remote import RequestRefused
from app.core.errors import Invalid
from app.database.connection import Database
from app.security import create_key
from tests.app.api.served import served
from tests.app.campaigns.rows import new_batch, new_run
from tests.exact import exactly

_LOGGED = re.compile(r'\[(info|warning) |"logger": "')  # in whichever form logs were last set up


@pytest.fixture
def server(application: FastAPI, db: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("LOA_KEY", db.write(create_key, "program"))
    # A command that was run before in this process has left its log on a stream that is closed by now.
    root = logging.getLogger()
    for handler in [
        each for each in root.handlers if getattr(getattr(each, "stream", None), "closed", False)
    ]:
        root.removeHandler(handler)
    with served(application) as address:
        yield address
    common.server = None


def said(server: str, *arguments: str) -> str:
    """What the command says; it must go well."""
    found = CliRunner().invoke(loa, ["--server", server, *arguments], catch_exceptions=False)
    assert found.exit_code == 0, found.output
    # The server is a thread of this process, and its log lines come among what the command says.
    return "".join(line for line in found.output.splitlines(keepends=True) if not _LOGGED.search(line))


@pytest.mark.longer
def test_a_file_is_imported_there_and_a_run_ordered(server: str, db: Database, tmp_path: Path) -> None:
    file = tmp_path / "vnpt.csv"
    file.write_text("phone\n0912345678\nx\n", encoding="utf-8")
    told = said(server, "batch", "import", str(file), "--carrier", "vnpt")
    assert told == "Batch 1: 2 lines = 1 accepted + 1 rejected + 0 repeated.\n"
    assert "vnpt.csv" in said(server, "batch", "list")
    db.write(new_run)
    assert said(server, "run", "cancel", "1") == "Run 1 is cancelling.\n"


@pytest.mark.longer
def test_a_campaign_goes_from_draft_to_running_there_by_two_keys(
    server: str, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    db.write(new_batch, lines=10_000, accepted=1000, rejected=9000)
    wording = ("--sender", "CA SON LA", "--text", "Goi 0912345678 khi can.")
    assert said(server, "campaign", "create", "Tet", *wording).startswith("Campaign 1\nCheck the text: ")
    add = ("campaign", "add-run", "1", "--carrier", "vnpt", "--batch", "1")
    with pytest.raises(RequestRefused, match="9000 of 10000 lines are bad"):
        said(server, *add)
    assert said(server, *add, "--acknowledge") == "Run 1\n"
    assert said(server, "campaign", "submit", "1") == "Campaign 1 is submitted.\n"
    shown = said(server, "campaign", "show", "1")
    assert "sms_parts: 1000" in shown
    assert "error at character 5: 8491*****78 is not an approved number" in shown
    digest = re.search(r"digest: (\w+)", shown)
    assert digest
    approve = ("campaign", "approve", "1", "--digest", digest[1])
    with pytest.raises(
        RequestRefused,
        match=exactly(
            "You wrote, changed or submitted this campaign or uploaded its list. Someone else must decide."
        ),
    ):
        said(server, *approve)
    monkeypatch.setenv("LOA_KEY", db.write(create_key, "chief", "approver"))
    with pytest.raises(
        RequestRefused,
        match=exactly(
            "The text needs another look: 8491*****78 is not an approved number. Have it approved "
            "or remove it. Return it for changes, or confirm that you have checked it "
            "(acknowledged)."
        ),
    ):
        said(server, *approve)
    assert said(server, *approve, "--acknowledged") == "Campaign 1 is approved.\n"
    assert "The carrier has no link" in said(server, "run", "forecast", "1")
    assert said(server, "campaign", "withdraw", "1") == "Campaign 1 is withdrawn.\n"


@pytest.mark.longer
def test_a_bad_file_is_refused_in_the_server_s_words(server: str, tmp_path: Path) -> None:
    file = tmp_path / "vnpt.csv"
    file.write_text("no numbers here\n1\n", encoding="utf-8")
    with pytest.raises(Invalid, match="column"):
        said(server, "batch", "import", str(file), "--carrier", "vnpt")


@pytest.mark.longer
@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ("", "table must have 1 or more characters."),
        ("phone,carrier\n" * 80_000, "table must have at most 200000 characters."),
    ],
)
def test_a_table_of_no_or_too_many_characters_is_refused_alike_at_either_door(
    server: str, tmp_path: Path, table: str, sentence: str
) -> None:
    file = tmp_path / "panel.csv"
    file.write_text(table, encoding="utf-8")
    for door in ((), ("--server", server)):
        found = CliRunner().invoke(loa, [*door, "panel", "import", str(file)])
        assert str(found.exception) == sentence


def test_a_command_for_the_database_alone_says_so(server: str) -> None:
    with pytest.raises(Invalid, match="without --server"):
        said(server, "retention", "run")
    with pytest.raises(Invalid, match="such as https"):
        said("loa.example.vn", "run", "list")


@pytest.mark.longer
def test_the_key_comes_from_the_environment_or_a_file(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, db: Database
) -> None:
    monkeypatch.delenv("LOA_KEY")
    with pytest.raises(Invalid, match="LOA_KEY_FILE"):
        said(server, "run", "list")
    monkeypatch.setenv("LOA_KEY_FILE", str(tmp_path / "key"))
    with pytest.raises(Invalid, match="Cannot read the key in"):
        said(server, "run", "list")
    (tmp_path / "key").write_text(db.write(create_key, "another") + "\n", encoding="utf-8")
    assert "ID" in said(server, "run", "list")


@pytest.mark.parametrize(
    "address",
    [
        "http://loa.example.vn",
        "http://10.0.0.5:8600",
        "http://127.0.0.1@evil.example/",
        "http://[::2]",
    ],
)
def test_the_key_goes_over_no_plain_line_that_leaves_the_machine(address: str) -> None:
    with pytest.raises(
        Invalid,
        match=exactly(
            "--server over plain HTTP would expose your key to everyone on the network. Use "
            "https://, or connect to 127.0.0.1 through a tunnel."
        ),
    ):
        remote.choose(address)
    assert common.server is None
