"""The report of a run whose carrier sends: its own figures, under its own name, in every format."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from sqlalchemy import Connection, insert

from app.cli.report_commands import _of_campaign
from app.core import clock
from app.core.errors import Conflict
from app.database.connection import Database
from app.database.models import attachments
from app.ledger.ledger import ledger_for
from app.reports.counting import carrier_report, consolidated, stated_report
from app.reports.counting.stated_report import StatedReport
from app.reports.export.formats import Format, render
from app.reports.figures.document_meta import EntrySource
from app.reports.forms import comparison_tables, letterhead
from app.reports.frozen import archive
from app.reports.frozen.archive import ReportSubject, SubjectKind
from app.reports.intake import statement_service
from app.reports.intake.schemas import StatementBody
from app.reports.release import freeze
from app.reports.release.freeze import Freezer
from app.reports.release.verify_archive import prove
from app.reports.verification import verify
from app.security import create_key
from tests.app.client import Client
from tests.long.app.reports.intake.scene import PDF, body, held
from tests.long.app.reports.letter_2024 import AFTER, at
from tests.long.app.reports.reading import words

VIETTEL, MOBIFONE = 2, 3


def freezer(db: Database) -> Freezer:
    return Freezer(db, ledger_for(db), letterhead.load(None), "officer")


def told(db: Database, **changes: object) -> None:
    claim = StatementBody.model_validate(body(**changes)).claim(EntrySource.API)
    db.write(statement_service.state, 2, claim, "desk")


@pytest.mark.parametrize("form", ["docx", "pdf", "xlsx", "csv", "json"])
def test_every_format_says_the_same_and_whose_figures_they_are(replayed: Database, form: str) -> None:
    report = replayed.read(freeze.of_run, VIETTEL, AFTER)
    assert isinstance(report, StatedReport)
    content = render(report, Format(form), letterhead.load(None)).content
    said = words(form, content)
    points = form in ("docx", "pdf")
    for n in (652_000, 4_000, 648_000, 601_234, 40_000, 6_766, 1_296_000, 51_234):
        assert (f"{n:,}".replace(",", ".") if points else str(n)) in said, n
    joined = said.replace(" ", "")
    for name in ("Thành phố Sơn La", "Huyện Vân Hồ", "125/BC-VTSL"):
        assert name.replace(" ", "") in joined, name
    source = '"source": "stated"' if form == "json" else "doanh nghiệp báo số"
    assert source.replace(" ", "") in joined
    if form != "json":
        assert "Đã nhận (biên nhận máy)".replace(" ", "") in joined


@pytest.mark.parametrize("form", ["docx", "pdf", "xlsx", "csv"])
def test_a_carrier_without_receipts_has_no_received_figure(replayed: Database, form: str) -> None:
    report = replayed.read(freeze.of_run, MOBIFONE, AFTER)
    said = words(form, render(report, Format(form), letterhead.load(None)).content)
    joined = said.replace(" ", "")
    for name in ("không có biên nhận", "nhập tay", "41/BC-MBF-SLA", "Nhà mạng đã tiếp nhận"):
        assert name.replace(" ", "") in joined, name
    assert "Đã nhận (biên nhận máy)".replace(" ", "") not in joined


def test_before_anything_was_stated_there_is_no_report(replayed: Database) -> None:
    with pytest.raises(Conflict, match=r"viettel sends run 2 itself .*`loa statement form 2 "):
        replayed.read(stated_report.build, VIETTEL, at(20))


def test_a_correction_gives_version_2_with_what_changed(db: Database) -> None:
    held(db)
    told(db)
    subject = ReportSubject(SubjectKind.RUN, 2)
    first, _ = freezer(db).freeze(subject)
    again, new = freezer(db).freeze(subject)
    assert (again.id, new) == (first.id, False)
    general = body()["general"] | {"received": 910, "failed": 45}
    told(db, general=general, areas=[], days=[], reasons=[], reason="Biên nhận về muộn")
    second, new = freezer(db).freeze(subject)
    assert (second.version, new) == (2, True)
    changed = {(each.before, each.after) for each in second.changes if "Biểu 1" in each.where}
    assert {(900, 910), (50, 45), (20, 15)} <= changed
    kept = json.loads(db.read(archive.figures, first))
    assert kept["general"]["received_by_handset_messages"] == 900
    assert [prove(db, each).sentences for each in (first, second)] == [(), ()]


def test_the_campaigns_report_has_the_measured_runs_and_names_the_others(replayed: Database) -> None:
    report = replayed.read(carrier_report.build_campaign, 1, AFTER)
    assert [run.header.carrier for run in report.runs] == ["vnpt"]
    assert report.held == ("viettel", "mobifone")
    assert (
        "Chưa gồm đợt do doanh nghiệp tự gửi (Viettel, MobiFone)"
        in render(report, Format.CSV).content.decode()
    )


def test_what_a_carrier_says_of_a_measured_run_stands_beside_and_in_no_sum(db: Database) -> None:
    held(db)
    told(db)
    claim = StatementBody.model_validate(body(areas=[], days=[], reasons=[])).claim(EntrySource.API)
    db.write(statement_service.state, 1, claim, "vnpt desk")
    form = comparison_tables.of_directive(db.read(consolidated.build, 1, clock.now_ms()))[0]
    source, sent = form.place("source"), form.place("sent")
    assert [(row.cells[1], row.cells[source], row.cells[sent]) for row in form.rows] == [
        ("VNPT VinaPhone", "đo bằng biên nhận, mức máy", 0),
        ("VNPT VinaPhone (đối chiếu)", "doanh nghiệp báo số, mức máy", 970),
        ("Viettel", "doanh nghiệp báo số, mức máy", 970),
    ]


def test_what_is_frozen_of_a_campaign_leaves_out_whoever_is_silent(db: Database) -> None:
    held(db)
    silent = db.read(_of_campaign, 1)
    told(db)
    assert [each.id for each in silent if each.kind is SubjectKind.RUN] == [1]
    assert [each.id for each in db.read(_of_campaign, 1) if each.kind is SubjectKind.RUN] == [1, 2]


def test_over_http_another_carrier_finds_no_such_run(
    client: Client, application: FastAPI, db: Database
) -> None:
    held(db)
    assert client.get("/v1/runs/2/report").status_code == 409
    with Client(application, db.write(create_key, "vnpt desk", "operator", "vnpt")) as other:
        assert other.get("/v1/runs/2/report").status_code == 404
    told(db)
    found = client.get("/v1/runs/2/report").json()
    assert (found["source"], found["general"]["sent_messages"]) == ("stated", 970)
    assert client.get("/v1/runs/2/report", params={"format": "pdf"}).content[:5] == b"%PDF-"


# ---- looked at again ------------------------------------------------------------------------------------


def test_a_sound_campaign_with_statements_is_verified(replayed: Database) -> None:
    verdict = verify.examine(replayed, ledger_for(replayed))
    assert verdict.differences == ()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("UPDATE statements SET figures = replace(figures, '970', '971')", "general.sent"),
        ("UPDATE attachments SET content = X'6F'", "no longer the file that came"),
    ],
)
def test_altered_papers_are_found(sqlite_db: Database, change: str, sentence: str) -> None:
    held(sqlite_db)
    told(sqlite_db)
    sqlite_db.write(_attach)
    sqlite_db.write(lambda c: c.exec_driver_sql(change))
    found = verify.examine(sqlite_db, ledger_for(sqlite_db)).differences
    assert any(sentence in each.sentence for each in found), found


def _attach(c: Connection) -> None:
    row = {"sha256": hashlib.sha256(PDF).hexdigest(), "name": "a.pdf", "media_type": "application/pdf"}
    row |= {"size": len(PDF), "content": PDF, "created_at": 0, "created_by": "an"}
    c.execute(insert(attachments).values(row))


@pytest.fixture
def sqlite_db(sqlite_url: str) -> Iterator[Database]:
    database = Database(sqlite_url)
    yield database
    database.close()
