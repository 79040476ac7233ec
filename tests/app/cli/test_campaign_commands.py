"""Directives, campaigns, runs and keys from the command line."""

from __future__ import annotations

import json
import os
import pwd
import re
import threading
from pathlib import Path

import pytest
from sqlalchemy import update
from typer import Typer
from typer.testing import CliRunner, Result

from app.campaigns.approval import FourEyes
from app.cli import app as loa
from app.cli import (
    batch_commands,
    campaign_commands,
    directive_commands,
    report_commands,
    text_commands,
)
from app.cli import run_commands as run
from app.cli.output import instant, whoami
from app.core.errors import AppError, Conflict, Invalid
from app.database.connection import Database
from app.database.models import audit, campaigns, runs
from tests.app.campaigns.rows import new_batch
from tests.exact import exactly

WINDOW = ["--start", "2031-02-02T07:00+07:00", "--end", "2031-02-09T18:00+07:00"]
SENDER = ["--sender", "CA SON LA"]


class Shell:
    """Runs commands over one database, each as a process of its own would."""

    def __init__(self, url: str, folder: Path) -> None:
        (folder / "loa.toml").touch()
        self.env = {"LOA_DATABASE_URL": url, "LOA_DATA": str(folder), "LOA_CONFIG": str(folder / "loa.toml")}

    def __call__(self, app: Typer, *words: str) -> str:
        result = self.run(app, *words)
        if result.exception:
            raise result.exception
        return result.stdout.strip()

    def run(self, app: Typer, *words: str) -> Result:
        return CliRunner().invoke(app, list(words), env=self.env)


@pytest.fixture
def shell(database_url: str, tmp_path: Path) -> Shell:
    return Shell(database_url, tmp_path)


def batch(url: str, **counts: int) -> int:
    db = Database(url)
    batch_id = db.write(new_batch, accepted=1000, **counts)
    db.close()
    return batch_id


def written_by(url: str, name: str) -> None:
    """Let somebody else than the account of this test have written and submitted all campaigns."""
    db = Database(url)
    hands = {"created_by": name, "submitted_by": name, "editors": [name]}
    db.write(lambda c: c.execute(update(campaigns).values(hands)))
    acts = update(audit).where(audit.c.action.like("campaign.%"))
    db.write(lambda c: c.execute(acts.values(who=name)))
    db.close()


@pytest.mark.longer
def test_a_campaign_goes_from_the_letter_to_cancelled(shell: Shell, database_url: str) -> None:
    letter = [
        "303/CAT-PA05",
        "--issued-on",
        "2024-01-29",
        "--issuer",
        "Công an tỉnh",
        "--subject",
        "Tuyên truyền",
    ]
    due = ["--report-deadline", "2031-02-24T17:00+07:00", "--to", "VNPT", "--to", "Viettel"]
    assert shell(directive_commands.app, "create", *letter, *due) == "Directive 1"
    text = ["--text-key", "gia-danh-cong-an", "--directive", "1"]
    assert shell(campaign_commands.app, "create", "Before Tet", *SENDER, *text, *WINDOW) == "Campaign 1"
    add = ("add-run", "1", "--carrier", "vnpt", "--batch", str(batch(database_url, rejected=500, lines=1500)))
    with pytest.raises(Invalid, match="500 of 1500 lines are bad"):
        shell(campaign_commands.app, *add)
    assert shell(campaign_commands.app, *add, "--acknowledge") == "Run 1"
    assert shell(campaign_commands.app, "submit", "1") == "Campaign 1 is submitted."
    with pytest.raises(
        FourEyes,
        match=exactly(
            "You wrote, changed or submitted this campaign or uploaded its list. Someone else must decide."
        ),
    ):
        shell(campaign_commands.app, "approve", "1", "--digest", "0" * 64)
    written_by(database_url, "author")
    digest = json.loads(shell(campaign_commands.app, "show", "1", "--json"))["digest"]
    assert shell(campaign_commands.app, "approve", "1", "--digest", digest) == "Campaign 1 is approved."
    said = [shell(run.app, verb, "1") for verb in ("start", "pause", "resume", "cancel")]
    assert said == ["Run 1 is running.", "Run 1 is paused.", "Run 1 is running.", "Run 1 is cancelling."]
    decision = json.loads(shell(campaign_commands.app, "show", "1", "--json"))["decisions"][0]
    assert (decision["decision"], decision["by"]) == ("approved", whoami())


@pytest.mark.longer
def test_lists_are_tables_for_people_and_json_for_programs(shell: Shell, database_url: str) -> None:
    shell(campaign_commands.app, "create", "Before Tet", *SENDER, "--text", "Cảnh giác", "--form", "accented")
    shell(campaign_commands.app, "add-run", "1", "--carrier", "vnpt", "--batch", str(batch(database_url)))
    shell(
        directive_commands.app,
        "create",
        "1/CAT",
        "--issued-on",
        "2024-01-29",
        "--issuer",
        "CAT",
        "--subject",
        "x",
    )
    table = shell(campaign_commands.app, "list").splitlines()
    assert table[0].split() == ["ID", "NAME", "PURPOSE", "SENDER", "STATE", "WINDOW_START", "WINDOW_END"]
    assert table[1].split() == ["1", "Before", "Tet", "tuyen_truyen", "CA", "SON", "LA", "draft", "-", "-"]
    assert json.loads(shell(campaign_commands.app, "list", "--json"))[0]["texts"] == {"": "Cảnh giác"}
    assert json.loads(shell(run.app, "list", "--json"))[0]["subscribers"] == 1000
    assert "1/CAT" in shell(directive_commands.app, "list")
    assert "issuer: CAT" in shell(directive_commands.app, "show", "1")
    assert "batch_ids: 1\n" in shell(run.app, "show", "1")
    told = shell(run.app, "forecast", "1")
    assert "The carrier has no link" in told
    assert re.search(r"^begins_at: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d\+07:00$", told, re.MULTILINE)
    assert "No report has been frozen" in shell(report_commands.app, "list")
    assert json.loads(shell(report_commands.app, "list", "--json")) == []
    assert "The carrier has no link" in shell(run.app, "show", "1")
    assert shell(run.app, "priority", "1", "5") == "Run 1 has priority 5."
    for rate in (["40"], []):
        said = shell(run.app, "rate", "1", *rate)
        assert said == "The rate was changed. It applies after about the next thousand messages."
        assert json.loads(shell(run.app, "show", "1", "--json"))["segments_per_second"] == (
            40 if rate else None
        )


@pytest.mark.longer
def test_a_draft_is_edited_field_by_field_and_its_run_removed(shell: Shell, database_url: str) -> None:
    shell(
        campaign_commands.app, "create", "Tet", *SENDER, "--text", "Cảnh giác", "--form", "accented", *WINDOW
    )
    shell(campaign_commands.app, "add-run", "1", "--carrier", "vnpt", "--batch", str(batch(database_url)))
    shell(campaign_commands.app, "edit", "1", "--name", "After Tet", "--day-ends", "18:00")
    found = json.loads(shell(campaign_commands.app, "show", "1", "--json"))
    campaign = found["campaign"]
    assert (campaign["name"], campaign["day_ends"], campaign["texts"]) == (
        "After Tet",
        "18:00",
        {"": "Cảnh giác"},
    )
    assert campaign["window_end"] == "2031-02-09T18:00:00+07:00"
    assert found["cost"] == {"subscribers": 1000, "sms_parts": 1000}
    shell(campaign_commands.app, "edit", "1", "--text-key", "gia-danh-cong-an")
    assert "(default): CA SON LA" in shell(campaign_commands.app, "show", "1")
    shell(campaign_commands.app, "edit", "1", "--text", "Canh giac")
    shell(campaign_commands.app, "remove-run", "1")
    found = json.loads(shell(campaign_commands.app, "show", "1", "--json"))
    assert (found["campaign"]["text_key"], found["campaign"]["texts"][""], found["runs"]) == (
        None,
        "Canh giac",
        [],
    )
    with pytest.raises(
        Invalid, match=exactly("Name at least one change, for example --end 2024-02-09T18:00+07:00.")
    ):
        shell(campaign_commands.app, "edit", "1")


@pytest.mark.longer
def test_runs_are_found_by_campaign_and_state_and_watched_to_their_end(
    shell: Shell, database_url: str
) -> None:
    for name in ("a", "b"):
        shell(campaign_commands.app, "create", name, *SENDER, "--text", "Canh giac")
    shell(campaign_commands.app, "add-run", "2", "--carrier", "vnpt", "--batch", str(batch(database_url)))
    assert [each["id"] for each in json.loads(shell(run.app, "list", "--campaign", "2", "--json"))] == [1]
    assert json.loads(shell(run.app, "list", "--campaign", "1", "--json")) == []
    assert json.loads(shell(run.app, "list", "--state", "running", "--json")) == []
    db = Database(database_url)
    db.write(lambda c: c.execute(update(runs).values(state="finished")))
    db.close()
    assert shell(run.app, "watch", "1") == "run 1: finished; 1,000 not queued"
    assert "sha256: 00000" in shell(batch_commands.app, "show", "1")


def test_texts_are_listed_and_a_wording_is_judged(shell: Shell) -> None:
    assert "gia-danh-cong-an" in shell(text_commands.app, "list")
    assert "accented:" in shell(text_commands.app, "show", "gia-danh-cong-an")
    found = shell(text_commands.app, "preview", "Bấm http://bit.ly/x", "--subscribers", "1000")
    assert "unaccented: 1 SMS parts, 1,000 for 1,000 subscribers" in found
    assert "error at character 5: The text links to bit.ly" in found


def test_a_draft_with_a_shortened_link_is_made_and_the_author_is_warned(shell: Shell) -> None:
    made = shell.run(campaign_commands.app, "create", "A", *SENDER, "--text", "Bấm http://bit.ly/x")
    assert made.stdout == "Campaign 1\n"
    assert made.stderr.startswith("Check the text: The text links to bit.ly")
    edited = shell.run(campaign_commands.app, "edit", "1", "--text", "Canh giac")
    assert edited.stderr == ""


@pytest.mark.longer
def test_a_run_that_is_watched_says_again_and_again_what_it_waits_for(
    shell: Shell, database_url: str
) -> None:
    shell(campaign_commands.app, "create", "A", *SENDER, "--text", "Canh giac")
    shell(campaign_commands.app, "add-run", "1", "--carrier", "vnpt", "--batch", str(batch(database_url)))
    db = Database(database_url)

    def finish() -> None:
        db.write(lambda c: c.execute(update(runs).values(state="finished")))
        db.close()

    over = threading.Timer(4.0, finish)
    over.start()
    lines = shell(run.app, "watch", "1", "--every", "0.1").splitlines()
    over.join()
    waiting = "waiting to be started: `loa run start 1` once its campaign is approved"
    assert lines[0] == f"run 1: planned; 1,000 not queued; {waiting}"
    assert 2 <= lines.count(lines[0]) <= 3
    assert lines[-1] == "run 1: finished; 1,000 not queued"


@pytest.mark.longer
def test_a_rejection_keeps_its_reason(shell: Shell, database_url: str) -> None:
    shell(campaign_commands.app, "create", "Before Tet", *SENDER, "--text", "x")
    shell(campaign_commands.app, "add-run", "1", "--carrier", "vnpt", "--batch", str(batch(database_url)))
    shell(campaign_commands.app, "submit", "1")
    written_by(database_url, "author")
    assert shell(campaign_commands.app, "reject", "1", "--reason", "wrong name") == "Campaign 1 is rejected."
    assert "reason: wrong name" in shell(campaign_commands.app, "show", "1")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["create", "A", *SENDER, "--text", "x", "--start", "2031-02-02T07:00"],
            "--start must be a date and time with a time zone, for example",
        ),
        (
            ["create", "A", *SENDER, "--text", "x", "--end", "tomorrow"],
            "--end must be a date and time with a time zone, for example",
        ),
        (["create", "A", *SENDER], r"Provide either text_key \(a text from messages/\) or text \(your own"),
        (["submit", "9"], "There is no campaign 9"),
    ],
)
def test_mistakes_are_sentences(shell: Shell, words: list[str], sentence: str) -> None:
    with pytest.raises(AppError, match=sentence):
        shell(campaign_commands.app, *words)


def test_a_letter_needs_a_real_date(shell: Shell) -> None:
    with pytest.raises(Invalid, match=exactly("--issued-on must be a date, for example 2024-01-29.")):
        shell(
            directive_commands.app,
            "create",
            "1",
            "--issued-on",
            "29/1/2024",
            "--issuer",
            "x",
            "--subject",
            "x",
        )


@pytest.mark.longer
def test_a_key_is_printed_once_and_can_be_revoked(shell: Shell) -> None:
    secret = shell(loa, "key", "add", "phone room")
    assert secret.startswith("loa_")
    with pytest.raises(
        Conflict, match=exactly("A key named phone room already exists. Choose another name for this key.")
    ):
        shell(loa, "key", "add", "phone room")
    listed = shell(loa, "key", "list", "--json")
    assert secret.split("_", 2)[2] not in listed
    assert json.loads(listed)[0]["revoked_at"] is None
    assert shell(loa, "key", "revoke", "phone room") == "The key phone room was revoked."
    assert json.loads(shell(loa, "key", "list", "--json"))[0]["revoked_at"]


def test_an_instant_may_be_left_out() -> None:
    assert instant("start", None) is None


def test_the_account_is_that_of_the_process_whatever_the_environment_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(variable, "somebody-else")
    assert whoami() == f"{pwd.getpwuid(os.getuid()).pw_name} (command line)"
    monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)  # a container's number without a name
    assert whoami() == f"uid {os.getuid()} (command line)"
