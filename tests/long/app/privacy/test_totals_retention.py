"""Totals and acts go after months: certified, in slices, and what is left can still be verified."""

from __future__ import annotations

import hashlib
from datetime import datetime

import pytest
from alembic import command as migrations
from sqlalchemy import Connection, delete, insert, select, text, update
from typer.testing import CliRunner

from app.cli import audit_commands as command
from app.core import clock
from app.core.config import Settings
from app.core.errors import Conflict
from app.database import models as m
from app.database import schema
from app.database.connection import Database
from app.ledger.ledger import ledger_for
from app.privacy import certificates, retention_due
from app.privacy.certificates import Certificate
from app.privacy.erasable import Erasable, ErasureKind, RetentionTerms
from app.reports.counting import carrier_report, consolidated
from app.reports.forms.letterhead import Letterheads
from app.reports.frozen import archive
from app.reports.frozen.archive import ReportSubject as Reported
from app.reports.frozen.archive import SubjectKind
from app.reports.release import verify_archive
from app.reports.release.freeze import Freezer
from app.reports.verification.verify import examine
from app.security import audit
from app.web.view_models import norm
from tests.app.client import Client
from tests.engines import sqlite_alone
from tests.long.app.privacy.past import DAYS, erase, over, rows
from tests.long.app.reports.scene import DAY, T0

database_url = sqlite_alone  # but for the two that erase everything, on each engine

SOON = RetentionTerms(DAYS, 12)  # T0 is in 2024: both terms are over
MONTH = 31 * DAY


def certified(db: Database, kind: ErasureKind) -> list[Certificate]:
    return [each for each in db.read(certificates.listed, 0, 100).items if each.kind is kind]


def waiting(db: Database, terms: RetentionTerms, kind: ErasureKind) -> Erasable:
    return next(
        each for each in db.read(lambda c: list(retention_due.subjects(c, terms))) if each.kind is kind
    )


def acts(db: Database, *times: int) -> None:
    """One act at each time, chained like all."""
    for at in times:
        db.write(_act, at)


def _act(c: Connection, at: int) -> None:
    audit.note(c, "Lan", "run.rate", "run/1", at=at)
    last = c.execute(select(m.audit).order_by(m.audit.c.id.desc()).limit(1)).one()
    before = c.execute(select(m.audit.c.hash).where(m.audit.c.id == last.id - 1)).scalar() or audit.START
    said = (last.id, at, last.who, last.origin, last.action, last.subject)
    stored = c.execute(
        text("SELECT CAST(detail AS text) FROM audit WHERE id = :id"), {"id": last.id}
    ).scalar_one()
    values = {"at": at, "hash": audit.link(before, (*said, stored))}
    c.execute(update(m.audit).where(m.audit.c.id == last.id).values(values))


@pytest.mark.parametrize(
    ("start", "months", "end"),
    [
        ("2024-02-09T10:00+07:00", 24, "2026-02-09T10:00+07:00"),
        ("2024-02-29T10:00+07:00", 24, "2026-03-01T10:00+07:00"),
        ("2023-12-31T23:00+07:00", 2, "2024-03-02T23:00+07:00"),
        ("2024-06-30T20:00+00:00", 12, "2025-07-01T03:00+07:00"),  # by the calendar of Vietnam
    ],
)
def test_months_go_by_the_calendar_and_are_never_short(start: str, months: int, end: str) -> None:
    later = clock.plus_months(clock.to_ms(datetime.fromisoformat(start)), months)
    assert clock.local(clock.from_ms(later)) == datetime.fromisoformat(end)


@pytest.mark.prove
def test_totals_go_after_their_months_and_all_that_is_left_agrees(each_engine: str) -> None:
    db = over(Database(each_engine))
    heads = Letterheads(())
    paper, _ = Freezer(db, ledger_for(db), heads, "an").freeze(Reported(SubjectKind.RUN, 1))
    db.write(lambda c: c.execute(update(m.frozen_reports).values(created_at=T0 + 5 * DAY)))
    assert erase(db, terms=SOON) == 5  # the four of the numbers, then the totals
    assert (rows(db, m.tallies), rows(db, m.snapshots)) == (0, 0)
    (totals,) = certified(db, ErasureKind.TOTALS)
    assert totals.intact
    assert (totals.rows["snapshots"], totals.months) == (3, 12)  # of the freeze, the last, the directive
    assert clock.to_ms(totals.due_at) == clock.plus_months(T0 + 5 * DAY, 12)
    assert "CHỨNG NHẬN XÓA SỐ TỔNG HỢP, THÔNG BÁO, NHẬT KÝ" in certificates.text(totals)
    (numbers,) = certified(db, ErasureKind.CAMPAIGN)
    assert numbers.intact  # with the totals and the hashes that it had
    assert numbers.totals
    assert set(numbers.kept_reports) == {"1"}
    verdict = examine(db, ledger_for(db))
    assert verdict.differences == ()
    assert "Campaign 1: its totals have been erased too (certificate 5)" in verdict.erased[1]
    proof = verify_archive.prove(db, db.read(archive.get, paper.id))
    assert proof.sound
    assert "its underlying totals have been erased" in (proof.note or "")
    assert db.read(archive.content, paper, "pdf")[1]
    assert erase(db, terms=SOON) == 0
    db.close()


def test_what_is_measured_is_refused_in_words_once_the_totals_are_gone(client: Client, db: Database) -> None:
    over(db)
    erase(db, terms=SOON)
    now = clock.now_ms()
    for read in (
        lambda c: carrier_report.build(c, 1, now),
        lambda c: carrier_report.build_campaign(c, 1, now),
        lambda c: consolidated.build(c, 1, now),
        lambda c: norm.areas_of(c, 1),
    ):
        with pytest.raises(Conflict, match="The totals of campaign 1 were erased under the retention rules"):
            db.read(read)
    run = client.get("/v1/runs/1").json()
    assert (run["totals_erased"], run["progress"], run["not_queued"]) == (True, {}, 0)
    assert client.get("/v1/runs/1/report").status_code == 409


def test_rows_that_come_back_after_the_totals_are_gone_are_found(db: Database) -> None:
    over(db)
    erase(db, terms=SOON)
    row = {"campaign_id": 1, "run_id": 1, "batch_id": 1, "n": 1, "segments": 1, "state": 3, "reason": 0}
    db.write(lambda c: c.execute(insert(m.tallies).values(row)))
    (found,) = examine(db, ledger_for(db)).differences
    assert found.sentence == "The totals of campaign 1 were erased, but 1 rows of tallies remain."


def test_a_kept_report_exchanged_together_with_its_hash_is_found_by_the_certificate(db: Database) -> None:
    over(db)
    erase(db)
    of_run = m.snapshots.c.kind == "run"
    figures = db.read(lambda c: c.execute(select(m.snapshots.c.figures).where(of_run)).scalar_one())
    forged = figures.replace("11", "12")
    digest = hashlib.sha256(forged.encode()).hexdigest()
    db.write(lambda c: c.execute(update(m.snapshots).where(of_run).values(figures=forged, sha256=digest)))
    assert [each.sentence for each in examine(db, ledger_for(db)).differences] == [
        "Run 1: its stored report is missing or was altered."
    ]


def test_totals_wait_for_the_last_campaign_of_the_same_directive(db: Database) -> None:
    over(db)
    db.write(_second_campaign, clock.now_ms())
    assert erase(db, terms=SOON) > 0
    assert rows(db, m.tallies) > 0
    held = waiting(db, SOON, ErasureKind.TOTALS).held
    assert held == "The numbers of campaign 2 under the same directive have not been erased."


def _second_campaign(c: Connection, ended_at: int) -> None:
    first = c.execute(select(m.campaigns)).one()._mapping
    c.execute(insert(m.campaigns).values(dict(first) | {"id": 2}))
    run = {"id": 2, "campaign_id": 2, "carrier": "vnpt", "state": "sent", "created_at": T0}
    c.execute(insert(m.runs).values(run | {"started_at": T0, "ended_at": ended_at, "closing": 20}))
    c.execute(insert(m.run_batches).values(campaign_id=2, batch_id=1, run_id=2, fanned_all=False))


def test_certificates_of_before_keep_the_hashes_that_they_spoke_of(sqlite_url: str) -> None:
    db = Database(sqlite_url)
    over(db)
    erase(db)
    before = certified(db, ErasureKind.CAMPAIGN)
    db.write(lambda c: migrations.downgrade(schema._config(c), "0010"))
    schema.upgrade(db)
    assert certified(db, ErasureKind.CAMPAIGN) == before
    assert before[0].intact
    db.close()


def test_notices_go_with_the_addresses_to_which_they_went(db: Database) -> None:
    row = {"kind": "directive.due", "channel": "email", "target": "vp@sotuphap.example", "payload": {}}
    row |= {"state": "sent", "due_at": T0}
    for number, at in enumerate((T0, T0 + DAY, clock.now_ms() - DAY)):
        key = {"key": f"directive/{number}", "created_at": at}
        db.write(lambda c, key=key: c.execute(insert(m.notices).values(row | key)))
    assert erase(db, terms=SOON) == 1
    (made,) = certified(db, ErasureKind.NOTICES)
    assert (made.rows, made.months, made.intact) == ({"notices": 2}, 12, True)
    assert rows(db, m.notices) == 1
    assert erase(db, terms=SOON) == 0


# ---- the audit -------------------------------------------------------------------------------------------


def cut(db: Database) -> str:
    """Two old acts and two new ones; what is old goes. The head before that."""
    acts(db, T0, T0 + DAY, clock.now_ms() - DAY, clock.now_ms())
    head = db.read(audit.verify)
    assert erase(db, terms=SOON) == 1
    return f"{head.rows}:{head.head}"


def test_old_acts_go_and_the_chain_is_whole_from_its_anchor_on(each_engine: str) -> None:
    db = Database(each_engine)
    cut(db)
    found = db.read(audit.verify)
    assert (found.rows, found.fault, found.erased, found.certificate) == (5, None, 2, 1)
    left = [act.id for act in db.read(audit.listed, 0, 10).items]
    assert left == [3, 4, 5]  # the fifth names the certificate
    (made,) = certified(db, ErasureKind.AUDIT)
    assert made.intact
    assert made.rows == {"audit": 2}
    assert (made.anchor or "").startswith("2:")
    assert (made.first_at, made.last_at) == tuple(clock.local(clock.from_ms(at)) for at in (T0, T0 + DAY))
    assert "Dòng nhật ký cuối cùng đã xóa (số:SHA-256) 2:" in certificates.text(made)
    db.write(audit.note, "Lan", "run.rate", "run/1")
    assert db.read(audit.verify).rows == 6
    assert erase(db, terms=SOON) == 0
    db.close()


@pytest.mark.parametrize("row", [3, 4, 5])
def test_what_is_changed_after_the_cut_is_found(db: Database, row: int) -> None:
    cut(db)
    db.write(lambda c: c.execute(update(m.audit).where(m.audit.c.id == row).values(who="Mallory")))
    assert f"Row {row} (" in (db.read(audit.verify).fault or "")


def test_more_cut_off_the_beginning_than_the_certificate_says_is_found(db: Database) -> None:
    cut(db)
    third = db.read(audit.listed, 2, 1).items[0]
    db.write(lambda c: c.execute(delete(m.audit).where(m.audit.c.id == 3)))
    assert db.read(audit.verify).fault == "Row 3 is missing; the next row is 4."
    db.write(lambda c: c.execute(update(m.erasures).values(anchor=f"3:{third.hash}")))
    assert not certified(db, ErasureKind.AUDIT)[0].intact
    db.write(lambda c: c.execute(update(m.erasures).values(sha256="0" * 64)))
    fault = db.read(audit.verify).fault
    assert fault == "No act mentions certificate 1, by which rows 1 to 3 were erased."


def test_the_last_act_stays_however_old_it_is(db: Database) -> None:
    acts(db, T0, T0 + DAY)
    assert erase(db, terms=SOON) == 1
    assert [act.id for act in db.read(audit.listed, 0, 10).items] == [2, 3]


def test_acts_from_which_a_report_is_still_told_stay(db: Database) -> None:
    over(db)
    db.write(lambda c: c.execute(update(m.runs).values(state="running", started_at=T0)))
    db.write(lambda c: c.execute(delete(m.audit)))  # the scene's own approval is of today
    acts(db, T0 - DAY, T0 + 1, clock.now_ms())
    first = db.read(audit.listed, 0, 10).items[0].id
    assert erase(db, terms=SOON) == 1  # the one of before the run
    assert [act.id - first for act in db.read(audit.listed, 0, 10).items] == [1, 2, 3]
    said = waiting(db, SOON, ErasureKind.AUDIT)
    assert said.held == ("They are needed for the reports of a campaign whose numbers have not been erased.")


def test_the_audit_is_cut_once_a_month_at_the_most(db: Database) -> None:
    cut(db)
    db.write(lambda c: c.execute(update(m.erasures).values(ended_at=clock.now_ms() - 10 * DAY)))
    again = waiting(db, RetentionTerms(DAYS, 0), ErasureKind.AUDIT)
    assert again.due_at is not None
    assert clock.now_ms() + 19 * DAY < again.due_at < clock.now_ms() + 21 * DAY


def test_a_head_of_before_the_cut_is_told_apart_from_one_that_proves_something(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    db = Database(sqlite_url)
    head = cut(db)
    begin = db.read(audit.anchor)
    monkeypatch.setenv("LOA_DATA", str(db.url.database).removesuffix("/loa.sqlite3"))
    db.close()

    def said(*arguments: str) -> str:
        result = CliRunner().invoke(command.app, ["verify", *arguments])
        return result.output or str(getattr(result.exception, "detail", ""))

    assert said("--head", head).startswith("5 acts (1 to 2 erased by certificate 1), all unaltered")
    assert said("--head", f"2:{begin.hash}").startswith("5 acts")
    assert "Row 2 differs from the row that was there at that time" in said("--head", f"2:{'0' * 64}")
    assert "Use one that was printed later" in said("--head", f"1:{'0' * 64}")


def test_the_setting_is_two_years_and_never_less_than_one() -> None:
    assert Settings().records_months == 24
    with pytest.raises(ValueError, match="greater than or equal to 12"):
        Settings(records_months=11)
