"""The demo as people start it: what it says, what it leaves, and that nothing of it goes on running."""

from __future__ import annotations

import fcntl
import io
import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook
from rich.console import Console
from sqlalchemy import insert

from app.campaigns.queries import MessageCount, RunSummary
from app.cli.verify_command import document
from app.core import clock
from app.core.config import LinkSettings
from app.core.errors import SetupError
from app.core.states import RunState
from app.database.connection import Database
from app.database.models import directives
from app.devtools.demo.demo_output import tell_end, tell_outcome
from app.devtools.demo.demo_setup import (
    MARKER,
    approved_campaign,
    claimed,
    fresh_db,
    import_file,
    settings_for,
)
from app.devtools.demo.outcome import SHOWN, DemoOutcome, compare, figures
from app.devtools.demo.progress_board import ProgressBoard
from app.devtools.demo.scenario_smpp import scenario
from app.devtools.demo.sending import send
from app.devtools.demo.simulator_processes import running_simulators
from app.ledger.ledger import ledger_for
from app.reports.figures.figures import CampaignReport
from app.reports.verification.verify import Verification, examine

SUBSCRIBERS = 600
PATIENCE_S = 100


@dataclass(frozen=True, slots=True)
class Demo:
    """One `loa demo` in a process whose descendants bear a mark in their environment."""

    folder: Path
    process: subprocess.Popen[str]
    mark: str

    def survivors(self) -> list[int]:
        """Processes of this demo that are still there."""
        found = []
        for each in Path("/proc").glob("[0-9]*"):
            try:
                if self.mark.encode() in (each / "environ").read_bytes():
                    found.append(int(each.name))
            except OSError:
                continue
        return found


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Any]:
    started: list[Demo] = []

    def run(*flags: str, url: str | None = None) -> Demo:
        mark = f"mark-{uuid.uuid4().hex}"
        own = {name: value for name, value in os.environ.items() if not name.startswith("LOA_")}
        own |= {"LOA_TEST_MARK": mark, "PYTHONUNBUFFERED": "1"} | ({"LOA_DATABASE_URL": url} if url else {})
        command = [sys.executable, "-m", "app.cli", "demo", "--folder", str(tmp_path / "demo"), *flags]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        process = subprocess.Popen(command, env=own, text=True, **pipes)
        started.append(Demo(tmp_path / "demo", process, mark))
        return started[-1]

    yield run
    for demo in started:
        with demo.process as process:
            process.kill()


def finished(demo: Demo) -> tuple[str, dict[str, Any]]:
    said, _ = demo.process.communicate(timeout=PATIENCE_S)
    assert demo.process.returncode == 0, said
    return said, json.loads(said.splitlines()[-1])


def check_figures(found: dict[str, Any]) -> None:
    assert found["verified"] is True
    assert found["objections"] == []
    assert found["copies_max"] == 1
    assert found["sent_messages"] == found["import_accepted_lines"] == SUBSCRIBERS
    outcomes = ("delivered", "failed", "no_receipt", "unknown")
    assert sum(found[f"{name}_messages"] for name in outcomes) == SUBSCRIBERS
    assert found["delivered_messages"] > SUBSCRIBERS * 0.9
    assert found["messages_per_second"] > 0
    lines = ("accepted", "rejected", "repeated")
    assert sum(found[f"import_{name}_lines"] for name in lines) == found["import_lines"] > SUBSCRIBERS


def check_files(folder: Path, found: dict[str, Any]) -> None:
    assert json.loads((folder.parent / "demo.json").read_text("utf-8")) == found
    reports = {path.name for path in (folder / "reports").iterdir()}
    names = ("campaign", "viettel", "vnpt", "mobifone")
    assert reports >= {f"{name}.{form}" for name in names for form in ("json", "csv", "xlsx")}
    papers = {f"{name}.{form}" for name in ("viettel", "vnpt", "mobifone") for form in ("docx", "pdf")}
    assert {name for name in reports if name.endswith(("docx", "pdf"))} == papers
    total = json.loads((folder / "reports" / "campaign.json").read_text("utf-8"))["total"]
    assert total["sent_messages"] == found["sent_messages"]
    assert "Biểu 1" in load_workbook(folder / "reports" / "vnpt.xlsx").sheetnames
    assert "Viettel" in (folder / "reports" / "viettel.csv").read_text("utf-8-sig").title()


@pytest.mark.prove
def test_the_demo_sends_everything_once_and_its_figures_agree(start: Any) -> None:
    demo = start("--subscribers", str(SUBSCRIBERS), "--json")
    said, found = finished(demo)
    check_figures(found)
    check_files(demo.folder, found)
    assert found["engine"] == "sqlite"
    assert "Forecast" in said
    assert "after" not in said.partition("Forecast")[2].partition("sending")[0]  # no deadline is missed
    assert "Biểu 5" in said
    assert "Verified" in said
    assert demo.survivors() == []
    db = Database(f"sqlite:///{demo.folder / 'loa.sqlite3'}")
    try:
        assert document(examine(db, ledger_for(db)))["verified"] is True
    finally:
        db.close()


@pytest.mark.prove
def test_the_demo_goes_over_the_carriers_own_interfaces_as_well(start: Any) -> None:
    said, found = finished(start("--subscribers", str(SUBSCRIBERS), "--carriers", "http", "--json"))
    assert (found["verified"], found["objections"], found["copies_max"]) == (True, [], 1)
    assert found["sent_messages"] == SUBSCRIBERS
    assert set(found["simulators"]) == {"viettel", "vnpt", "mobifone", "vietnamobile"}
    # Viettel's receipts come by webhook, VNPT's statuses by questions, MobiFone's results in a file.
    assert found["simulators"]["viettel"]["receipts_acknowledged"] > SUBSCRIBERS * 0.4
    assert (found["no_receipt_messages"], found["waiting_messages"]) == (0, 0)
    assert "asked for, message by message" in said


@pytest.mark.prove
@pytest.mark.no_cover  # as on SQLite
def test_the_demo_runs_on_an_empty_postgresql_database_and_tidies_up(
    start: Any, new_postgresql_url: str
) -> None:
    demo = start("--subscribers", str(SUBSCRIBERS), "--json", "--tidy", url=new_postgresql_url)
    _, found = finished(demo)
    check_figures(found)
    assert found["engine"] == "postgresql"
    assert not (demo.folder / "sample").exists()
    assert (demo.folder / "reports" / "campaign.xlsx").exists()
    assert demo.survivors() == []


@pytest.mark.prove
def test_a_demo_that_is_broken_off_leaves_nothing_running(start: Any) -> None:
    """SIGTERM becomes what Ctrl-C is, so this proves both."""
    demo = start("--subscribers", "12000")
    assert any(line.startswith("sending") for line in demo.process.stdout)
    demo.process.send_signal(signal.SIGTERM)
    rest, _ = demo.process.communicate(timeout=PATIENCE_S)
    assert demo.process.returncode not in (0, -signal.SIGTERM), rest
    assert "Verified" not in rest
    assert demo.survivors() == []
    db = Database(f"sqlite:///{demo.folder / 'loa.sqlite3'}")
    try:
        assert examine(db, ledger_for(db)).differences == ()
    finally:
        db.close()


# ---- the folder -------------------------------------------------------------------------------------------


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(SetupError, match="does not empty it"), claimed(tmp_path):
        pass
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_former_demos_folder_is_emptied(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "demo"
    with claimed(folder):
        (folder / "sample").mkdir()
        (folder / "sample" / "old.csv").touch()
    with claimed(folder):
        assert [path.name for path in folder.iterdir()] == [MARKER]


def test_two_demos_do_not_share_a_folder(tmp_path: Path) -> None:
    with claimed(tmp_path / "demo"), (tmp_path / "demo" / MARKER).open() as other:
        with pytest.raises(SetupError, match="Another demo is running"), claimed(tmp_path / "demo"):
            pass
        with pytest.raises(OSError, match="unavailable"):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


# ---- settings and database --------------------------------------------------------------------------------


def test_the_links_of_the_installation_are_not_the_demos(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = '[links.real]\ncarrier = "viettel"\nsegments_per_second = 10\n'
    (tmp_path / "loa.toml").write_text(real, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOA_LINKS__ALSO__CARRIER", "vnpt")
    own = {"viettel-demo": scenario(600)["viettel"].settings("viettel", 2775)}
    assert list(settings_for(tmp_path, own).links) == ["viettel-demo"]


def test_a_database_that_holds_data_is_refused(
    db: Database, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    letter = {"number": "1", "issued_on": "2024-01-29", "issuer": "a", "subject": "b", "addressees": []}
    db.write(lambda c: c.execute(insert(directives).values(**letter, created_at=0, created_by="x")))
    db.close()
    monkeypatch.setenv("LOA_DATABASE_URL", database_url)
    with pytest.raises(SetupError, match="in directives"), fresh_db(settings_for(tmp_path, {})):
        pass


# ---- the simulators ---------------------------------------------------------------------------------------


def test_a_centre_that_is_killed_is_named(tmp_path: Path) -> None:
    roles = {"vnpt": scenario(600)["vnpt"]}
    with running_simulators(roles, 1, tmp_path / "log") as centres:
        centres["vnpt"].process.kill()
        with pytest.raises(SetupError, match=r"The simulator of vnpt ended without reporting its figures\."):
            centres["vnpt"].stop()


SEEN = {"distinct_numbers": 95, "copies_max": 1, "numbers_twice": 0, "messages_incomplete": 0}
PROGRESS = {"delivered": 80, "undelivered": 10, "submitted": 3, "unknown": 2, "rejected": 5}


def run_of(carrier: str, states: dict[str, int]) -> RunSummary:
    progress = {name: MessageCount(n, n) for name, n in states.items()}
    at = clock.now()
    return RunSummary(
        1, 1, carrier, RunState.SENT, 0, None, [1], sum(states.values()), 0, progress, at, at, at
    )


@pytest.mark.parametrize(
    ("seen", "sentences"),
    [
        ({}, []),
        ({"distinct_numbers": 93}, []),
        ({"distinct_numbers": 92}, ["its simulator accepted messages for 92 numbers"]),
        ({"distinct_numbers": 96}, ["its simulator accepted messages for 96 numbers"]),
        ({"copies_max": 2, "numbers_twice": 7}, ["7 numbers received more than one copy"]),
        ({"messages_incomplete": 4}, ["4 messages are missing a part"]),
    ],
)
def test_what_simulator_and_ledger_see_differently_is_said(
    seen: dict[str, int], sentences: list[str]
) -> None:
    found = compare(run_of("vnpt", PROGRESS), SEEN | seen)
    assert [words in sentence for words, sentence in zip(sentences, found, strict=True)] == [True] * len(
        found
    )


async def test_a_demo_in_which_nothing_moves_ends_in_words(tmp_path: Path) -> None:
    """The run is never started, so nothing ever moves."""
    file = tmp_path / "vnpt.csv"
    file.write_text("phone\n0912345678\n", encoding="utf-8")
    links: dict[str, LinkSettings] = {}
    settings = settings_for(tmp_path, links)
    with fresh_db(settings) as db:
        batch, _ = import_file(db, "vnpt", file, lambda _: None)
        approved_campaign(db, {"vnpt": batch})
        with pytest.raises(SetupError, match="has stalled"):
            await send(db, settings, lambda *_: None, stuck_s=0.5)


# ---- what is shown ----------------------------------------------------------------------------------------


def board(terminal: bool) -> tuple[ProgressBoard, io.StringIO]:
    out = io.StringIO()
    return ProgressBoard(Console(file=out, force_terminal=terminal, width=80, highlight=False)), out


def test_what_does_not_agree_is_said_and_not_called_verified(tmp_path: Path) -> None:
    shown, out = board(terminal=False)
    outcome = DemoOutcome(
        CampaignReport(1, "Warning", 0, ()), Verification({}, ()), ("vnpt: 3 are missing.",)
    )
    found = figures(outcome, {"vnpt": {**dict.fromkeys(SHOWN, 1), "messages": 2}})
    tell_outcome(shown, outcome, {})
    tell_end(shown, found, tmp_path, tmp_path / "demo.json")
    assert found["verified"] is False
    assert found["messages_per_second"] is None
    assert "DIFFERENCE: vnpt: 3 are missing." in out.getvalue()
    assert "Verified" not in out.getvalue()
