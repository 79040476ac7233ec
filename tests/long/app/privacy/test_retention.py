"""Numbers are erased when they are due, counted and certified; what stays adds up."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection, delete, insert, select, text, update
from typer.testing import CliRunner

from app.batches.importer import register
from app.campaigns import runs
from app.campaigns.runs import Verb
from app.cli import app
from app.core import clock
from app.core.config import Settings
from app.core.errors import Conflict
from app.core.states import BatchState
from app.database import jobs
from app.database import models as m
from app.database.connection import Database
from app.database.jobs import Job, new_owner
from app.dispatch import unknown_decisions
from app.file_import.leased_import import IMPORT
from app.file_import.upload import UploadedFile
from app.ledger.contract import Link, ResultKind
from app.ledger.ledger import ledger_for
from app.observability.faults import Faults
from app.observability.metrics import Metrics
from app.privacy import certificates, retention_due
from app.privacy.erasable import ErasureKind
from app.reports.counting import carrier_report
from app.reports.export import json_file
from app.reports.forms.letterhead import Letterheads
from app.reports.frozen import archive
from app.reports.frozen.archive import ReportSubject, SubjectKind
from app.reports.release import verify_archive
from app.reports.release.freeze import Freezer
from app.reports.verification.verify import examine
from app.runtime.job_loop import JobKind, JobLoop
from app.runtime.worker import Worker
from app.security import audit
from tests.app.held import expire, held_by
from tests.app.world import receipt
from tests.engines import other_by_hand
from tests.long.app.privacy.past import PERSONAL, TERMS, counted, erase, eraser, over, rows, stray
from tests.long.app.reports.scene import DAY, T0

LINK = Link(1, "vnpt-1", "vnpt", 1)


def _refer(db: Database, reference: str) -> None:
    """Line 5's submission gets this reference."""
    own = update(m.submissions).where(m.submissions.c.seq == 5)
    db.write(lambda c: c.execute(own.values(reference=reference)))


def certified(db: Database) -> dict[str, certificates.Certificate]:
    return {each.kind.value: each for each in db.read(certificates.listed, 0, 100).items}


def held(db: Database) -> dict[tuple[str, int | None], str | None]:
    return {
        (each.kind.value, each.id): each.held
        for each in db.read(lambda c: list(retention_due.subjects(c, TERMS)))
    }


def test_everything_that_speaks_of_a_number_is_erased_counted_and_certified(db: Database) -> None:
    before = counted(over(db))
    assert set(before) == {table.name for table in PERSONAL} - {"left_out"}
    assert erase(db) == 4  # the campaign, its two batches, the result file
    assert counted(db) == {}
    found = db.read(certificates.listed, 0, 100).items
    assert [(each.kind, each.subject_id) for each in found] == [
        (ErasureKind.CAMPAIGN, 1),
        (ErasureKind.BATCH, 1),
        (ErasureKind.BATCH, 2),
        (ErasureKind.RECEIPT_FILE, 1),
    ]
    erased: dict[str, int] = {}
    for each in found:
        assert each.intact
        assert each.ended_at
        erased |= {name: erased.get(name, 0) + n for name, n in each.rows.items() if name != "partitions"}
    assert erased == before
    if not db.sqlite:
        assert found[0].rows["partitions"] == 3


@other_by_hand
def test_the_report_stays_what_it_was_in_every_form(db: Database) -> None:
    over(db)
    now = clock.now_ms()
    before = db.read(carrier_report.build, 1, now)
    erase(db)
    after = db.read(carrier_report.build, 1, clock.now_ms())
    assert replace(after, header=replace(after.header, cutoff_ms=now)) == before
    assert json_file.of_run(after)["general"]["sent_messages"] == 10
    assert db.read(carrier_report.build_campaign, 1, now + DAY).runs[0].general == before.general
    with pytest.raises(Conflict, match="The rows of run 1 have been erased, so its report cannot be created"):
        db.read(carrier_report.build, 1, T0)
    with pytest.raises(Conflict, match="The rows of campaign 1 have been erased, so batch reports are no"):
        db.read(carrier_report.build_batch, 1, 1, clock.now_ms())


@other_by_hand
def test_a_recount_knows_that_rows_are_gone_and_finds_what_is_altered(db: Database) -> None:
    over(db)
    erase(db)
    verdict = examine(db, ledger_for(db))
    assert verdict.differences == ()
    assert "Campaign 1: 11 deliveries were erased on" in verdict.erased[0]
    db.write(lambda c: c.execute(update(m.tallies).values(n=m.tallies.c.n + 1)))
    db.write(lambda c: c.execute(update(m.snapshots).values(figures="{}")))
    chunk = {"campaign_id": 1, "batch_id": 1, "first_seq": 1, "last_seq": 1, "run_id": 1, "watermark": 0}
    db.write(lambda c: c.execute(insert(m.chunks).values(chunk)))
    said = " ".join(each.sentence for each in examine(db, ledger_for(db)).differences)
    assert "tallies differ from the totals in certificate" in said
    assert "stored report is missing or was altered" in said
    assert "1 rows of chunks remain" in said


@other_by_hand
def test_a_frozen_report_survives_and_its_proof_says_why_no_more(db: Database, database_url: str) -> None:
    over(db)
    heads = Letterheads(())
    frozen_, _ = Freezer(db, ledger_for(db), heads, "an").freeze(ReportSubject(SubjectKind.RUN, 1))
    db.write(lambda c: c.execute(update(m.frozen_reports).values(created_at=T0 + 5 * DAY)))
    erase(db)
    assert counted(db) == {}
    proof = verify_archive.prove(db, db.read(archive.get, frozen_.id))
    assert proof.sound
    assert proof.note
    assert "Report 1: its underlying rows were erased by " in proof.note
    assert db.read(archive.content, frozen_, "pdf")[1]
    again, new = Freezer(db, ledger_for(db), heads, "an").freeze(ReportSubject(SubjectKind.RUN, 1))
    assert (again.id, new) == (frozen_.id, False)  # the same figures, so no new version
    directive, new = Freezer(db, ledger_for(db), heads, "an").freeze(ReportSubject(SubjectKind.DIRECTIVE, 1))
    assert new
    assert verify_archive.prove(db, directive).sound
    assert verify_archive.prove(db, directive).note is None  # its cut-off came later: built from what stays
    db.close()
    said = CliRunner(env={"LOA_DATABASE_URL": database_url}).invoke(app, ["report", "verify"]).stdout
    assert "figures, except where only the file's bytes were compared (see above)." in said


@other_by_hand
@pytest.mark.parametrize(
    ("reported_days_ago", "ended_days_ago", "is_due"),
    [(None, 91, True), (None, 89, False), (89, 200, False), (91, 200, True), (300, 91, True)],
)
def test_days_count_from_the_report_or_else_from_the_end(
    db: Database, reported_days_ago: int | None, ended_days_ago: int, is_due: bool
) -> None:
    now = clock.now_ms()
    over(db, now - ended_days_ago * clock.DAY_MS)
    if reported_days_ago is not None:
        Freezer(db, ledger_for(db), Letterheads(()), "an").freeze(ReportSubject(SubjectKind.RUN, 1))
        at = now - reported_days_ago * clock.DAY_MS
        db.write(lambda c: c.execute(update(m.frozen_reports).values(created_at=at)))
    erase(db)
    assert (rows(db, m.deliveries) == 0) == is_due


@other_by_hand
@pytest.mark.parametrize("state", ["running", "paused", "cancelling", "planned"])
def test_nothing_of_a_campaign_that_may_still_send_is_erased(db: Database, state: str) -> None:
    before = counted(over(db))
    db.write(lambda c: c.execute(update(m.runs).values(state=state)))
    assert erase(db) == 0
    assert counted(db) == before
    assert held(db)["campaign", 1] == f"Run 1 (vnpt) is {state}."
    assert held(db)["batch", 1] == "Campaign 1 uses it."
    assert held(db)["receipt_file", 1] == "It refers to campaign 1."


def test_a_shared_batch_keeps_its_subscribers_until_the_last_campaign_is_due(db: Database) -> None:
    over(db)
    db.write(_second_campaign)
    erase(db)
    assert rows(db, m.deliveries) == 0
    kept = db.read(lambda c: c.execute(select(m.subscribers.c.batch_id).distinct()).scalars().all())
    assert kept == [1]
    assert examine(db, ledger_for(db)).differences == ()
    db.write(lambda c: c.execute(update(m.runs).where(m.runs.c.id == 2).values(ended_at=T0)))
    erase(db)
    assert rows(db, m.subscribers) == 0


def _second_campaign(c: Connection) -> None:
    first = c.execute(select(m.campaigns)).one()._mapping
    c.execute(insert(m.campaigns).values(dict(first) | {"id": 2, "directive_id": None}))
    run = {"id": 2, "campaign_id": 2, "carrier": "vnpt", "state": "sent", "created_at": T0}
    c.execute(insert(m.runs).values(run | {"started_at": T0, "ended_at": clock.now_ms(), "closing": 20}))
    c.execute(insert(m.run_batches).values(campaign_id=2, batch_id=1, run_id=2, fanned_all=False))


@other_by_hand
def test_a_batch_that_nobody_used_is_erased_and_the_same_file_is_a_new_upload(db: Database) -> None:
    over(db)
    batch = {"id": 9, "carrier": "vnpt", "name": "x", "sha256": "9" * 64, "state": "ready", "lines": 1}
    made = {"accepted": 1, "created_at": T0, "created_by": "an"}
    db.write(lambda c: c.execute(insert(m.batches).values(batch | made)))
    db.write(lambda c: c.execute(insert(m.subscribers).values(batch_id=9, seq=1, phone=84_912_000_009)))
    db.write(lambda c: c.execute(update(m.runs).values(state="running")))
    state = select(m.batches.c.state).where(m.batches.c.id == 9)
    assert (erase(db), db.read(lambda c: c.execute(state).scalar_one())) == (1, BatchState.ERASED)
    again = db.write(register, "vnpt", UploadedFile("x", "9" * 64, 0), "an")
    assert (again.id, again.created, again.waiting) == (9, False, True)
    assert (erase(db), db.read(lambda c: c.execute(state).scalar_one())) == (0, BatchState.IMPORTING)


@pytest.mark.parametrize("state", ["ready", "importing"])
def test_an_import_at_work_is_left_alone_and_one_that_was_left_half_done_is_not(
    db: Database, state: str
) -> None:
    over(db)
    held_by(db, IMPORT, "batch 1", new_owner())
    own = update(m.batches).where(m.batches.c.id == 1)
    db.write(lambda c: c.execute(delete(m.run_batches).where(m.run_batches.c.batch_id == 1)))
    db.write(lambda c: c.execute(own.values(state=state)))
    assert (("batch", 1) in held(db)) == (state == "ready")
    expire(db)
    assert ("batch", 1) in held(db)


def test_a_late_receipt_waits_in_quarantine_and_expires_there(db: Database) -> None:
    over(db)
    _refer(db, "late")
    erase(db)
    arrival = receipt(LINK, "late", phone=84_910_100_005)
    ledger = ledger_for(db)
    assert db.write(ledger.apply, [arrival]).quarantined == 1
    assert erase(db) == 0
    db.write(lambda c: c.execute(update(m.quarantine).values(received_at=T0)))
    stray(db, clock.now_ms())
    assert erase(db) == 1
    assert rows(db, m.quarantine) == 1  # the one that is not due
    assert certified(db)["quarantine"].rows == {"quarantine": 1}
    stray(db, T0)
    assert erase(db) == 0  # once a day


def test_receipts_for_a_campaign_under_erasure_move_nothing(db: Database) -> None:
    over(db)
    _refer(db, "now")
    ledger = ledger_for(db)
    job = db.write(jobs.take, Job(certificates.JOB, "", new_owner()))
    assert job
    assert db.write(certificates.begin, certificates.EraserIdentity(job, "x", TERMS)) == 1
    assert db.write(ledger.apply, [receipt(LINK, "now")]).quarantined == 1


def test_a_report_frozen_as_the_erasure_begins_names_what_nobody_can_explain(
    db: Database,
) -> None:
    over(db)
    odd = update(m.submissions).where(m.submissions.c.seq == 3).values(result=int(ResultKind.DEFERRED))
    db.write(lambda c: c.execute(odd))
    freezer = Freezer(db, ledger_for(db), Letterheads(()), "an")
    run = ReportSubject(SubjectKind.RUN, 1)
    before = freezer.freeze(run)[0]
    assert json.loads(db.read(archive.figures, before))["unexplained_messages"] > 0
    db.write(lambda c: c.execute(update(m.frozen_reports).values(created_at=T0 + 4 * DAY)))
    job = db.write(jobs.take, Job(certificates.JOB, "", new_owner()))
    assert job
    assert db.write(certificates.begin, certificates.EraserIdentity(job, "x", TERMS)) == 1
    assert freezer.freeze(run)[0].version == before.version


async def killed(db: Database) -> None:
    """An erasure that ends in the middle."""
    before = counted(db)
    running = asyncio.create_task(eraser(db).run(asyncio.Event()))
    while counted(db) == before:  # noqa: ASYNC110 - the erasure says nothing on its way
        await asyncio.sleep(0.001)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


def test_a_killed_erasure_is_gone_on_with_by_another(db: Database) -> None:
    before = counted(over(db))
    asyncio.run(killed(db))
    assert len(counted(db)) > 0
    assert erase(db) == 0  # the other one may be alive
    expire(db)
    assert erase(db) >= 1
    assert counted(db) == {}
    total: dict[str, int] = {}
    for each in db.read(certificates.listed, 0, 100).items:
        total |= {name: total.get(name, 0) + n for name, n in each.rows.items() if name != "partitions"}
    assert total == before  # nothing counted twice, nothing forgotten


async def test_who_looks_for_what_is_due_goes_on_with_a_killed_erasure_once_its_lease_is_over(
    db: Database,
) -> None:
    """And not at the next usual look: receipts of its campaign move nothing meanwhile."""
    over(db)
    await killed(db)
    stopping = asyncio.Event()
    expire(db, -1000)
    kinds = {certificates.JOB: JobKind(lambda job: eraser(db).erase(job, stopping), every_s=300.0)}
    loop = JobLoop(db, Faults(db, Metrics()), kinds)
    looking = asyncio.create_task(loop.run())
    async with asyncio.timeout(30):
        while counted(db):  # noqa: ASYNC110 - the erasure says nothing on its way
            await asyncio.sleep(0.05)
    stopping.set()
    loop.stop()
    await looking


@other_by_hand
def test_again_there_is_nothing_to_do(db: Database) -> None:
    over(db)
    assert erase(db) == 4
    assert erase(db) == 0
    assert len(db.read(certificates.listed, 0, 100).items) == 4


@other_by_hand
def test_a_campaign_whose_figures_do_not_close_is_kept_and_does_not_stop_the_others(db: Database) -> None:
    over(db)
    db.write(lambda c: c.execute(update(m.tallies).where(m.tallies.c.batch_id == 2).values(n=5)))
    stray(db, T0)
    assert erase(db) == 1
    assert set(certified(db)) == {"quarantine"}
    assert rows(db, m.deliveries) == 11


@other_by_hand
def test_a_certificate_prints_and_every_change_of_it_shows(db: Database) -> None:
    over(db)
    erase(db)
    found = certified(db)["campaign"]
    said = certificates.text(found)
    assert "CHỨNG NHẬN XÓA DỮ LIỆU CÁ NHÂN số 1" in said
    assert "Quy tắc: 90 ngày sau khi kết thúc, vì chưa chốt báo cáo" in said
    assert "11  deliveries" in said
    assert f"SHA-256 {found.sha256}" in said
    noted = [each for each in db.read(audit.listed, 0, 1000).items if each.action == "erasure"]
    assert {each.detail["sha256"] for each in noted} == {
        each.sha256 for each in db.read(certificates.listed, 0, 100).items
    }
    counts = json.loads(json.dumps(found.rows)) | {"deliveries": 12}
    db.write(lambda c: c.execute(update(m.erasures).where(m.erasures.c.id == 1).values(counts=counts)))
    assert not db.read(certificates.get, 1).intact
    assert "KHÔNG KHỚP" in certificates.text(db.read(certificates.get, 1))


def test_what_sqlite_has_deleted_can_not_be_read_in_its_file(sqlite_url: str) -> None:
    db = Database(sqlite_url)
    over(db)
    file = Path(db.url.database or "")
    phone = (84_910_100_003).to_bytes(6, "big")
    with db.engine.connect() as c:
        c.connection.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert phone in file.read_bytes()
    erase(db)
    with db.engine.connect() as c:
        c.connection.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert phone not in file.read_bytes()
    db.close()


def test_a_reader_of_the_tables_puts_the_drop_off_and_holds_nobody_up(new_postgresql_url: str) -> None:
    db = Database(new_postgresql_url)
    over(db)

    async def work() -> int:
        stopping = asyncio.Event()
        with db.engine.connect() as reader:
            reader.execute(text("SELECT count(*) FROM deliveries"))
            running = asyncio.create_task(eraser(db).run(stopping))
            for _ in range(20):  # a writer goes on all the while
                await db.awrite(lambda c: c.execute(delete(m.deliveries).where(m.deliveries.c.seq == -1)))
                await asyncio.sleep(0.05)
            assert rows(db, m.deliveries) == 11
            reader.rollback()
        return await running

    assert asyncio.run(work()) == 4
    assert counted(db) == {}
    left = "SELECT count(*) FROM pg_class WHERE relname LIKE '%\\_c1' AND relkind = 'r'"
    assert db.read(lambda c: c.execute(text(left)).scalar_one()) == 0
    db.close()


def test_a_worker_erases_by_itself(db: Database, settings: Settings) -> None:
    over(db)

    async def work() -> None:
        worker = Worker(db, ledger_for(db), settings, Metrics())
        running = asyncio.create_task(worker.run())
        while counted(db) and not running.done():  # noqa: ASYNC110 - the worker says nothing of it
            await asyncio.sleep(0.02)
        worker.stop()
        await running

    asyncio.run(work())
    assert counted(db) == {}
    assert {each.by for each in db.read(certificates.listed, 0, 10).items} == {"retention"}


@other_by_hand
def test_nothing_more_is_sent_or_decided_in_an_erased_campaign(db: Database) -> None:
    over(db)
    db.write(lambda c: c.execute(update(m.runs).values(state="planned", started_at=None)))
    db.write(lambda c: c.execute(update(m.campaigns).values(window_end=T0 + DAY)))
    db.write(lambda c: c.execute(delete(m.left_out)))
    erase(db)
    with pytest.raises(
        Conflict, match="The numbers of this campaign have been erased, so nothing more can be"
    ):
        unknown_decisions.write_off(db, ledger_for(db), unknown_decisions.UnknownOrder(1, "an"))
    with pytest.raises(
        Conflict, match="The numbers of this campaign have been erased, so nothing more can be"
    ):
        db.write(runs.act, Verb.START, 1, "an")
