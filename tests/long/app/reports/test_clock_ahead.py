"""A clock was ahead, and is set right: no report of now is made that leaves out what was done by then."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from sqlalchemy import Column, Connection, insert, update
from typer.testing import CliRunner

from app.cli import app as cli
from app.core import clock
from app.core.config import Settings
from app.core.errors import Conflict
from app.core.states import DeliveryState
from app.database import models as m
from app.database.connection import Database
from app.directives.status import status
from app.ledger import directive_deadline
from app.reports.counting import unique_reach
from app.reports.frozen.archive import ReportSubject, SubjectKind
from app.reports.release import verify_archive
from app.reports.release.freeze import Freezer
from app.reports.verification.verify import verify
from app.runtime.api_app import create_app
from app.security import create_key, kept_rows
from carriers.contract import Accepted
from tests.app import world
from tests.app.client import Client
from tests.app.ledger.test_receipt_matching import again
from tests.app.ledger.times import passes
from tests.app.world import World
from tests.engines import by_default
from tests.long.app.reports.test_freeze import HEADS

database_url = by_default

HOURS_3 = 3 / 24
SENTENCE = (
    r"has a time in the future \(up to \d\d/\d\d/\d{4} \d\d:\d\d:\d\d\) "
    r"because the clock was ahead .* create the report after that time\."
)
RUN = ReportSubject(SubjectKind.RUN, 1)
DIRECTIVE = ReportSubject(SubjectKind.DIRECTIVE, 1)


@pytest.fixture
def done(db: Database) -> World:
    """A run under a directive, of which all was taken and one in two was received."""
    made = world.build(db, 6)
    made.fan_out()
    lease = made.claim()
    assert lease
    db.write(made.ledger.record, made.link, lease, world.accepted(lease.items), None, 30.0)
    db.write(made.ledger.release, lease, 0.0)
    db.write(made.ledger.apply, [world.receipt(made.link, f"m{item.seq}") for item in lease.items[::2]])
    now = clock.now_ms()
    letter = {"id": 1, "number": "1/X", "issued_on": "2024-01-29", "issuer": "X", "subject": "X"}
    db.write(
        lambda c: c.execute(
            insert(m.directives).values(letter | {"addressees": [], "created_at": now, "created_by": "x"})
        )
    )
    db.write(kept_rows.adopt)
    db.write(lambda c: c.execute(update(m.campaigns).values(directive_id=1)))
    db.write(lambda c: c.execute(update(m.runs).values(started_at=now - 1000)))
    return made


@pytest.fixture
def freezer(done: World) -> Freezer:
    return Freezer(done.db, done.ledger, HEADS, "tester")


@pytest.mark.parametrize("subject", [RUN, DIRECTIVE])
def test_nothing_is_frozen_while_all_was_done_at_a_time_to_come(
    db: Database, freezer: Freezer, subject: ReportSubject
) -> None:
    passes(db, -HOURS_3)
    with pytest.raises(Conflict, match=SENTENCE):
        freezer.freeze(subject)
    passes(db, HOURS_3 + 0.01)  # and that time has come
    assert freezer.freeze(subject)[1]


ANY = [
    m.runs.c.started_at,
    m.runs.c.ended_at,
    m.campaigns.c.created_at,
    m.approvals.c.at,
    m.submissions.c.at,
    m.receipts.c.received_at,
    m.receipts.c.matched_at,
    m.deliveries.c.submitted_at,
]


@pytest.mark.parametrize("column", ANY, ids=str)
@pytest.mark.parametrize("subject", [RUN, DIRECTIVE])
def test_one_time_to_come_is_enough(
    db: Database, freezer: Freezer, subject: ReportSubject, column: Column[int]
) -> None:
    to_come = clock.now_ms() + 60_000
    db.write(lambda c: c.execute(update(column.table).values({column.name: to_come})))
    with pytest.raises(Conflict, match=SENTENCE):
        freezer.freeze(subject)


def addressed(db: Database) -> None:
    """An addressee has reported, and the deadline was put off: all of it now."""
    at = {"at": clock.now_ms(), "received_at": clock.now_ms(), "by": "x", "source": "api", "version": 1}
    told = {"addressee_id": 1, "items": [], **at}
    name = {"id": 1, "directive_id": 1, "name": "Sở Tư pháp", "kind": "department"}

    def work(c: Connection) -> None:
        c.execute(insert(m.addressees).values(name))
        c.execute(insert(m.outreach).values(told))
        directive_deadline.note(c, 1, (None, clock.now_ms()), "flood", "x")

    db.write(work)


UNDER = [
    m.outreach.c.at,
    m.audit.c.at,
]


@pytest.mark.parametrize("column", UNDER, ids=str)
def test_what_addressees_did_is_not_left_out_either(
    db: Database, freezer: Freezer, column: Column[int]
) -> None:
    addressed(db)
    assert freezer.freeze(DIRECTIVE)[1]
    to_come = clock.now_ms() + 60_000
    db.write(lambda c: c.execute(update(column.table).values({column.name: to_come})))
    with pytest.raises(Conflict, match=SENTENCE):
        freezer.freeze(DIRECTIVE)
    assert not freezer.freeze(RUN)[0].version > 1


def test_the_reach_is_not_told_and_the_status_has_every_run(db: Database, done: World) -> None:
    assert db.read(unique_reach.present, 1).persons == 3
    passes(db, -HOURS_3)
    with pytest.raises(Conflict, match=SENTENCE):
        db.read(unique_reach.present, 1)
    to_come = clock.now_ms() + 3_600_000
    db.write(lambda c: c.execute(update(m.approvals).values(at=to_come)))
    assert [run.run_id for run in db.read(status, 1, clock.now()).runs] == [1]


def test_a_clock_that_is_put_right_by_a_second_hinders_nobody(db: Database, freezer: Freezer) -> None:
    passes(db, -1 / 86400)
    assert freezer.freeze(RUN)[1]


def test_times_to_come_of_another_campaign_hinder_nobody(db: Database, done: World, freezer: Freezer) -> None:
    other = again(done, Accepted(()))
    to_come = clock.now_ms() + 60_000
    mine = m.runs.c.id == other.run
    db.write(lambda c: c.execute(update(m.runs).where(mine).values(started_at=to_come)))
    assert freezer.freeze(RUN)[1]


def test_a_report_of_before_is_still_what_it_was(db: Database, freezer: Freezer) -> None:
    report, _ = freezer.freeze(RUN)
    to_come = clock.now_ms() + 3_600_000
    db.write(lambda c: c.execute(update(m.runs).values(ended_at=to_come)))
    assert verify_archive.prove(db, report).sound


COMMANDS = [
    ["run", "1"],
    ["batch", "1", "1"],
    ["campaign", "1"],
    ["directive", "1"],
    ["build", "--run", "1"],
    ["freeze", "--campaign", "1"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_command_leaves_it_out(
    db: Database, done: World, command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes(db, -HOURS_3)
    monkeypatch.chdir(tmp_path)
    url = db.url.render_as_string(hide_password=False)
    said = CliRunner().invoke(
        cli, ["report", *command], env={"LOA_DATA": str(tmp_path), "LOA_DATABASE_URL": url}
    )
    assert said.exit_code == 1, said.output
    assert "has a time in the future" in str(said.exception)


PREVIEWS = ["runs/1/report", "campaigns/1/report", "batches/1/report?campaign=1", "directives/1/report"]


@pytest.mark.parametrize("path", PREVIEWS)
def test_no_preview_leaves_it_out(db: Database, done: World, tmp_path: Path, path: str) -> None:
    with Client(create_app(Settings(data=tmp_path), db), db.write(create_key, "admin")) as client:
        assert client.get(f"/v1/{path}").status_code == 200
        passes(db, -HOURS_3)
        answer = client.get(f"/v1/{path}")
    assert answer.status_code == 409
    assert "has a time in the future" in answer.json()["detail"]


def test_a_report_that_was_frozen_ahead_stands_and_verify_names_its_snapshot(
    db: Database, done: World, freezer: Freezer, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = time.time_ns
    with monkeypatch.context() as ahead:
        ahead.setattr(time, "time_ns", lambda: real() + 3 * 3600 * 10**9)
        report, _ = freezer.freeze(RUN)
    clock.forget_latest()
    assert verify_archive.prove(db, report).sound
    rest = [world.receipt(done.link, f"m{seq}") for seq in range(1, 7)]
    db.write(done.ledger.apply, rest)
    assert verify_archive.prove(db, report).sound
    (odd,) = verify(db, done.ledger)
    assert "the clock was ahead when it was taken" in odd.sentence


def test_a_report_that_differs_under_a_right_clock_blames_no_clock(
    db: Database, done: World, freezer: Freezer
) -> None:
    report, _ = freezer.freeze(RUN)
    failed = {"state": int(DeliveryState.UNDELIVERED), "reason": 1}
    db.write(lambda c: c.execute(update(m.deliveries).values(failed)))
    proof = verify_archive.prove(db, report)
    assert not proof.sound
    assert not any("set back" in each for each in proof.sentences)
