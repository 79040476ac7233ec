"""What a chief clerk stumbled over: words of papers that were right and told their readers something else."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from sqlalchemy import update

from app.core import areas
from app.core.states import DeliveryState as S
from app.database import models as m
from app.database.connection import Database
from app.ledger.ledger import ledger_for
from app.reports.counting import carrier_report, consolidated
from app.reports.counting.stated_report import StatedReport
from app.reports.figures.document_meta import EntrySource
from app.reports.figures.figures import RARE
from app.reports.figures.table_model import ReportTable
from app.reports.figures.version import Version
from app.reports.forms import carrier_tables, comparison_tables, directive_areas, letterhead
from app.reports.frozen.archive import ReportSubject, SubjectKind
from app.reports.intake import statement_service
from app.reports.intake.schemas import StatementBody
from app.reports.papers import annexes, chart_images, final_paper
from app.reports.papers.final_paper import Issue, ReplacedPaper
from app.reports.papers.model import PaperDocument, Paragraph, Section
from app.reports.release import freeze
from app.reports.release.freeze import Freezer
from tests.long.app.reports.intake.scene import body, held
from tests.long.app.reports.scene import DAY, HOUR, T0, Scene
from tests.long.app.reports.test_what_tables_claim import said

DIRECTIVE, RUN = ReportSubject(SubjectKind.DIRECTIVE, 1), ReportSubject(SubjectKind.RUN, 1)
NOW = T0 + DAY
HEADS = letterhead.load(None)
HEAD = HEADS.of(letterhead.POLICE, date(2025, 11, 3))


def form_5(db: Database) -> ReportTable:
    return comparison_tables.of_directive(db.read(consolidated.build, 1, NOW))[0]


def ended(db: Database) -> None:
    db.write(lambda c: c.execute(update(m.runs).values(ended_at=T0 + HOUR)))


# ---- a carrier's report that is frozen later


def test_a_directive_is_frozen_anew_once_a_carriers_report_was_frozen(db: Database) -> None:
    scene = Scene("finished")
    scene.message(S.DELIVERED)
    scene.save(db)
    freezer = Freezer(db, ledger_for(db), HEADS, "officer")
    first, _ = freezer.freeze(DIRECTIVE)
    assert freezer.freeze(DIRECTIVE) == (first, False)
    assert said(form_5(db), "run_1")["paper"] == "chưa chốt khi lập"
    freezer.freeze(RUN)
    second, new = freezer.freeze(DIRECTIVE)
    assert (new, second.version, second.changes) == (True, 2, ())


# ---- provisional has an end


@pytest.mark.parametrize(
    ("state", "words"), [("sent", "SỐ LIỆU TẠM THỜI"), ("finished", "Số liệu cuối cùng")]
)
def test_a_run_is_final_once_the_time_for_receipts_is_over(db: Database, state: str, words: str) -> None:
    scene = Scene(state)
    scene.message(S.SUBMITTED)
    scene.save(db)
    ended(db)
    finished = T0 + 2 * HOUR if state == "finished" else None
    db.write(lambda c: c.execute(update(m.runs).values(finished_at=finished)))
    report = db.read(carrier_report.build, 1, NOW)
    assert report.interim is (state == "sent")
    assert carrier_tables.finality(report).startswith(words)
    assert ("1 tin không có biên nhận" in carrier_tables.finality(report)) is (state == "finished")
    assert replace(report, rules=1).interim  # as it was said in reports frozen before


@pytest.mark.parametrize(("ended_at", "final"), [("2024-02-18T17:00", True), ("2024-02-18T17:01", False)])
def test_a_statement_is_final_if_it_was_drawn_up_after_that_time(
    db: Database, ended_at: str, final: bool
) -> None:
    held(db)
    claim = StatementBody.model_validate(body(ended_at=f"{ended_at}:00+07:00")).claim(EntrySource.API)
    db.write(statement_service.state, 2, claim, "viettel")
    report = db.read(freeze.of_run, 2, db.wait_for_commits(None))
    assert report.interim is not final
    assert isinstance(report, StatedReport)
    words = carrier_tables.finality(report)
    assert words == "Số liệu cuối cùng: 20 tin không có biên nhận, đã hết thời gian chờ" or (
        not final and "chốt số liệu khi biên nhận còn về" in words
    )


# ---- names of former areas


def test_a_district_that_is_no_more_is_named_as_former(db: Database) -> None:
    scene = Scene("finished")
    day = T0 + 600 * DAY  # September 2025: the 75 communes
    scene.rows[m.runs][0]["started_at"] = day
    for code in ("118", areas.reported(date(2025, 9, 20))[0].code):
        scene.message(S.DELIVERED, area=code)
    scene.save(db)
    report = db.read(carrier_report.build, 1, day + DAY)
    form = next(each for each in carrier_tables.of_run(report) if each.name == "Biểu 2")
    names = [row.cells[form.place("name")] for row in form.rows]
    assert "Huyện Quỳnh Nhai (cũ)" in names
    assert sum("(cũ)" in str(name) for name in names) == 1
    assert form.columns[form.place("name")].title == "Xã, phường"
    form_6 = directive_areas.of_directive(db.read(consolidated.build, 1, day + DAY))
    assert "Huyện Quỳnh Nhai (cũ)" in [row.cells[form_6.place("name")] for row in form_6.rows]


# ---- what is over, when it began, what papers are called


def test_form_5_begins_when_form_3_does(db: Database) -> None:
    scene = Scene("finished")
    scene.message(S.DELIVERED, submitted_at=T0 + 61_000, done_at=T0 + 90_000)
    scene.save(db)
    ended(db)
    report = db.read(carrier_report.build, 1, NOW)
    (day, _) = next(form for form in carrier_tables.of_run(report) if form.name == "Biểu 3").rows
    begins = str(day.cells[1])[:5]
    assert f" {begins}–" in str(said(form_5(db), "run_1")["span"])


def test_a_run_that_is_over_without_a_known_result_awaits_no_deadline(db: Database) -> None:
    scene = Scene("finished")
    scene.message(S.EXPIRED)
    scene.save(db)
    ended(db)
    db.write(lambda c: c.execute(update(m.directives).values(report_deadline=NOW + DAY)))
    assert said(form_5(db), "run_1")["sent_in_time"] == "Chưa rõ"


def test_papers_have_no_number_that_only_loa_knows(db: Database) -> None:
    scene = Scene("finished")
    scene.message(S.DELIVERED)
    scene.save(db)
    report = db.read(carrier_report.build, 1, NOW)
    head = carrier_tables.of_run(report)[0]
    carrier = next(row.cells[1] for row in head.rows if row.cells[0] == "Doanh nghiệp")
    assert carrier == "VNPT VinaPhone (hoàn thành; mã đợt gửi trong Loa: 1)"
    assert Version(3, issued=True).words(NOW).startswith("Số liệu chốt đến")


@pytest.mark.parametrize("issued", [True, False])
def test_a_draft_replaces_only_a_report_that_was_issued(issued: bool) -> None:
    version = Version(2, (1, T0), issued_before=issued, issued=issued)
    blocks = tuple(annexes.replaces(version, HEAD, {"changes": "Phụ lục"}))
    assert [("thay thế" in each.text) for each in blocks] == [issued]
    for block in blocks if issued else ():
        before = ReplacedPaper("215", date(2025, 11, 20), HEAD.symbol, HEAD.name)
        paper = PaperDocument("", "", "", T0, (Section((block,)),))
        (final,) = final_paper.fill(paper, Issue("220", date(2025, 11, 24), "An"), before).blocks
        assert isinstance(final, Paragraph)
        assert "thay thế Báo cáo số 215/BC-CAT-PA05 ngày 20 tháng 11 năm 2025" in final.text
        assert "bản số" not in final.text


# ---- layout


def test_one_bar_is_no_picture_and_a_column_of_nothing_no_column(db: Database) -> None:
    scene = Scene("finished")
    for _ in range(3):
        scene.message(S.EXPIRED, area="116")
    scene.save(db)
    form = next(f for f in carrier_tables.of_run(db.read(carrier_report.build, 1, NOW)) if f.name == "Biểu 2")
    assert chart_images.draw(form) is None
    kept = [column.key for column in form.without_empty(RARE)[0].columns]
    assert "delivered" in kept  # that nobody was reached is said
    assert not {"excluded", "waiting", "unknown", "relayed", "relayed_ratio"} & set(kept)
