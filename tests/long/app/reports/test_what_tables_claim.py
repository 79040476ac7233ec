"""Tables, pictures and papers claim what receipts can prove, in every format, and no more."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import openpyxl
import pytest
from sqlalchemy import select, update

from app.core import areas, clock
from app.core.phone import network
from app.core.states import DeliveryState as S
from app.core.states import NotSent
from app.database import models as m
from app.database.connection import Database
from app.directives.status import status
from app.reports.counting import carrier_report, consolidated, snapshots
from app.reports.counting.snapshots import SnapshotCause
from app.reports.counting.stated_report import StatedReport
from app.reports.export.formats import Format, Report, render
from app.reports.figures.document_meta import EntrySource
from app.reports.figures.table_model import ReportTable, value
from app.reports.figures.version import PREVIEW
from app.reports.forms import carrier_tables, comparison_tables, letterhead
from app.reports.frozen.archive import ReportSubject, SubjectKind
from app.reports.intake import statement_service
from app.reports.intake.schemas import StatementBody
from app.reports.papers import carrier_paper, chart_images, consolidated_paper
from app.reports.papers.model import DocumentPicture, Heading, PaperDocument, Paragraph, Table
from app.reports.release import freeze
from app.web.view_models import norm
from tests.long.app.reports.intake.scene import body, held
from tests.long.app.reports.letter_2024 import AFTER
from tests.long.app.reports.reading import words
from tests.long.app.reports.scene import DAY, HOUR, T0, Scene
from tests.sampled import each_third

HEADS = letterhead.load(None)
NOW = T0 + DAY
TODAY = T0 + 600 * DAY  # September 2025: the 75 communes
NOTHING, UNPROVED = "–", "…"


def mixed(db: Database) -> None:
    """Run 1 and 2 by receipts of telephones, 3 by those of the centre, 4 of telephones that took nothing."""
    scene = Scene("running")
    for id, carrier, level in ((2, "viettel", 2), (3, "mobifone", 1), (4, "vietnamobile", 2)):
        scene.run(id, carrier, "running" if id == 2 else "finished", level)
        scene.batch(id, run=id)
    sent = {1: {S.DELIVERED: 9, S.EXPIRED: 1}, 2: {S.DELIVERED: 10, S.UNKNOWN: 1, S.QUEUED: 7}}
    sent |= {3: {S.RELAYED: 30}, 4: {S.EXPIRED: 4}}
    for batch, states in sent.items():
        for state, n in states.items():
            for _ in range(n):
                scene.message(state, batch=batch)
    scene.save(db)
    ended = {"ended_at": T0 + HOUR}
    db.write(lambda c: c.execute(update(m.runs).where(m.runs.c.id != 2).values(**ended)))


def due(db: Database, deadline_ms: int) -> None:
    db.write(lambda c: c.execute(update(m.directives).values(report_deadline=deadline_ms)))


def said(form: ReportTable, key: str) -> dict[str, Any]:
    """The row of that key by its columns."""
    row = next(row for row in form.rows if row.key == key)
    return {c.key: value(cell) for c, cell in zip(form.columns, row.cells, strict=True)}


def form_5(db: Database, at: int = NOW) -> ReportTable:
    return comparison_tables.of_directive(db.read(consolidated.build, 1, at))[0]


def paragraphs(paper: PaperDocument) -> list[str]:
    return [b.text for section in paper.sections for b in section.blocks if isinstance(b, Paragraph)]


def pictures(paper: PaperDocument) -> list[DocumentPicture]:
    return [b for section in paper.sections for b in section.blocks if isinstance(b, DocumentPicture)]


def form_b(db: Database, at: int = NOW) -> PaperDocument:
    report = db.read(consolidated.build, 1, at)
    return consolidated_paper.compose(report, HEADS.of(letterhead.POLICE, report.letter.issued_on), PREVIEW)


def test_form_b_names_the_networks_that_nobody_was_asked_to_write_to(db: Database) -> None:
    mixed(db)
    run_carriers = db.read(lambda c: set(c.execute(select(m.runs.c.carrier)).scalars()))
    (line,) = [each for each in paragraphs(form_b(db)) if each.startswith("Chưa bao gồm thuê bao")]
    missing = {"viettel", "vnpt", "mobifone", "vietnamobile", "gmobile"} - run_carriers
    assert missing
    assert all(network(each) in line for each in missing)
    assert not any(network(each) in line for each in run_carriers)


# ---- ratios are of what can be proved -------------------------------------------------------------------


def test_a_total_over_several_levels_has_no_ratio_and_the_part_that_is_proved_has(db: Database) -> None:
    mixed(db)
    form = form_5(db)
    total, handset = said(form, "total_measured"), said(form, "total_measured_2")
    assert (total["sent"], total["delivered"], total["delivered_ratio"]) == (55, 19, None)
    assert (handset["name"], handset["sent"], handset["delivered"]) == ("Trong đó: biên nhận mức máy", 25, 19)
    assert handset["delivered_ratio"] == 19 / 25
    assert said(form, "run_3")["delivered"] == UNPROVED
    assert [said(form, f"run_{n}")["source"] for n in (1, 3)] == [
        "đo bằng biên nhận, mức máy",
        "đo bằng biên nhận, mức tổng đài",
    ]


def test_a_campaigns_table_says_the_same_in_every_format(db: Database) -> None:
    mixed(db)
    report = db.read(carrier_report.build_campaign, 1, NOW)
    form = carrier_tables.of_campaign(report)[0]
    assert (said(form, "total")["delivered_ratio"], said(form, "total")["relayed_ratio"]) == (None, None)
    assert said(form, "total_2")["delivered_ratio"] == 19 / 25
    assert said(form, "total_1")["relayed_ratio"] == 1.0
    assert "mức máy: máy thuê bao đã nhận" not in form.source
    found = json.loads(render(report, Format.JSON).content)
    assert found["total"]["received_by_handset_ratio"] is None
    by_level = {each["receipt_level"]: each for each in found["total_by_receipt_level"]}
    assert by_level["handset"]["received_by_handset_ratio"] == 19 / 25
    lines = list(csv.reader(io.StringIO(render(report, Format.CSV).content.decode("utf-8-sig"))))
    assert next(line[-2:] for line in lines if "Tổng cộng" in line) == ["", ""]
    assert next(line[-2] for line in lines if "Trong đó: biên nhận mức máy" in line) == "76.00"
    sheet = openpyxl.load_workbook(io.BytesIO(render(report, Format.XLSX).content), data_only=True)["Biểu 7"]
    rows = {row[1]: row for row in sheet.iter_rows(values_only=True)}
    assert rows["Tổng cộng"][-2:] == (None, None)
    assert rows["Trong đó: biên nhận mức máy"][-2] == 19 / 25


def test_areas_compare_what_telephones_prove(db: Database) -> None:
    mixed(db)
    (row,) = db.read(norm.areas_of, 1)
    assert row.measured is not None
    assert row.handset is not None
    assert (row.measured.sent, row.handset.sent, row.handset.delivered) == (
        55,
        25,
        19,
    )


def test_what_a_carriers_centre_took_is_not_called_received(db: Database) -> None:
    held(db)
    claim = StatementBody.model_validate(body(level="operator")).claim(EntrySource.API)
    db.write(statement_service.state, 2, claim, "viettel")
    report = db.read(freeze.of_run, 2, AFTER + 10**12)
    assert isinstance(report, StatedReport)
    for form in carrier_tables.of_run(report):
        assert not {"Tỷ lệ nhận", "Đã nhận (biên nhận máy)"} & {column.title for column in form.columns}
    titles = [column.title for column in carrier_tables.of_run(report)[2].columns]
    assert "Tỷ lệ nhà mạng tiếp nhận" in titles
    (_, row) = [each for each in db.read(norm.areas_of, 1) if each.stated][:2]
    assert row.stated is not None
    assert row.stated.received is None


# ---- form 5 closes, and is in time only when that is known ----------------------------------------------


def test_waiting_unknown_and_without_receipt_are_three_columns(db: Database) -> None:
    mixed(db)
    row = said(form_5(db), "run_2")
    names = ("eligible", "excluded", "waiting", "sent", "delivered", "failed", "no_receipt", "unknown")
    assert [row[name] for name in names] == [18, 0, 7, 11, 10, 0, 0, 1]
    assert row["eligible"] - row["excluded"] - row["waiting"] == row["sent"]


def test_in_time_is_said_when_it_is_known(db: Database) -> None:
    mixed(db)

    def told(deadline: int, key: str) -> tuple[Any, Any]:
        due(db, deadline)
        row = said(form_5(db), key)
        return row["sent_in_time"], row["reported_in_time"]

    assert told(NOW + DAY, "run_1") == ("Có", NOTHING)
    assert told(NOW + DAY, "run_2") == ("Chưa đến hạn", NOTHING)
    assert told(NOW - HOUR, "run_2") == ("Không", NOTHING)
    assert told(T0 - 1, "run_1") == ("Không", NOTHING)


@pytest.mark.parametrize("unsent", [0, 3])
def test_what_its_time_left_unsent_was_not_sent_in_time(db: Database, unsent: int) -> None:
    scene = Scene("finished")
    for _ in range(9):
        scene.message(S.DELIVERED)
    for _ in range(unsent):
        scene.message(S.NOT_SENT, reason=NotSent.WINDOW_CLOSED)
    scene.save(db)
    ended = update(m.runs).values(ended_at=T0 + HOUR, closing=NotSent.WINDOW_CLOSED)
    db.write(lambda c: c.execute(ended))
    due(db, NOW + DAY)
    assert said(form_5(db), "run_1")["sent_in_time"] == ("Không" if unsent else "Có")
    line = json.loads(render(db.read(consolidated.build, 1, NOW), Format.JSON).content)["runs"][0]
    assert (line["sent_in_time"], line["late"]) == (not unsent, bool(unsent))


@pytest.mark.parametrize("sent", [0, 3])
def test_what_a_person_cancelled_is_neither_in_time_nor_late(db: Database, sent: int) -> None:
    scene = Scene("cancelled")
    for _ in range(sent):
        scene.message(S.DELIVERED)
    for _ in range(4):
        scene.message(S.NOT_SENT, reason=NotSent.CANCELLED)
    scene.save(db)
    db.write(lambda c: c.execute(update(m.runs).values(ended_at=T0 + HOUR)))
    for deadline in (NOW + DAY, NOW - HOUR, T0):
        due(db, deadline)
        assert said(form_5(db), "run_1")["sent_in_time"] == "Đã hủy"
        line = json.loads(render(db.read(consolidated.build, 1, NOW), Format.JSON).content)["runs"][0]
        assert (line["sent_in_time"], line["late"]) == (None, False)


def test_nobody_knows_that_unknown_messages_were_sent_in_time(db: Database) -> None:
    scene = Scene("finished")
    scene.message(S.UNKNOWN)
    scene.save(db)
    db.write(lambda c: c.execute(update(m.runs).values(ended_at=T0 + HOUR)))
    for deadline in (T0 + 2 * HOUR, NOW + DAY):  # it is over, so that no deadline is awaited any more
        due(db, deadline)
        assert said(form_5(db), "run_1")["sent_in_time"] == "Chưa rõ"
    due(db, T0 + HOUR // 2)
    line = json.loads(render(db.read(consolidated.build, 1, NOW), Format.JSON).content)["runs"][0]
    assert (line["sent_in_time"], line["late"]) == (None, False)
    assert db.read(status, 1, clock.from_ms(NOW)).runs[0].in_time is None


def test_of_a_carrier_that_has_said_nothing_nothing_is_known(db: Database) -> None:
    held(db)
    due(db, NOW + DAY)
    row = said(form_5(db), "run_2")
    assert (row["sent_in_time"], row["reported_in_time"]) == ("Chưa đến hạn", "Chưa đến hạn")
    due(db, NOW - HOUR)
    row = said(form_5(db), "run_2")
    assert (row["sent_in_time"], row["reported_in_time"]) == (NOTHING, "Không")
    line = json.loads(render(db.read(consolidated.build, 1, NOW), Format.JSON).content)["runs"][1]
    assert (line["sent_in_time"], line["reported_in_time"]) == (None, False)


def test_no_zero_stands_where_receipts_of_telephones_include_it(db: Database) -> None:
    mixed(db)
    report = db.read(carrier_report.build, 1, NOW)
    found = {form.name: form for form in carrier_tables.of_run(report)}
    assert said(found["Biểu 1"], "relayed")["n"] == NOTHING
    assert said(found["Biểu 2"], "total")["relayed"] == NOTHING
    assert said(form_5(db), "run_1")["relayed"] == NOTHING
    paper = carrier_paper.compose(report, HEADS.of("vnpt", carrier_tables.first_day(report.header)), PREVIEW)
    assert not any("nhà mạng đã tiếp nhận: 0" in each for each in paragraphs(paper))


# ---- provisional papers, order of the paper -------------------------------------------------------------


@pytest.mark.parametrize("form", each_third([Format.DOCX, Format.PDF, Format.XLSX, Format.CSV]))
@pytest.mark.parametrize("which", ["form B", "stated"])
def test_every_provisional_paper_says_so(db: Database, form: Format, which: str) -> None:
    held(db)
    said = body(ended_at="2024-02-20T17:00:00+07:00")  # receipts still came at its cut-off
    claim = StatementBody.model_validate(said).claim(EntrySource.API)
    db.write(statement_service.state, 2, claim, "viettel")
    build: dict[str, Callable[[], Report]] = {
        "form B": lambda: db.read(consolidated.build, 1, db.wait_for_commits(None)),
        "stated": lambda: db.read(freeze.of_run, 2, db.wait_for_commits(None)),
    }
    report = build[which]()
    assert report.interim
    assert "SỐ LIỆU TẠM THỜI" in words(form, render(report, form, HEADS).content)


def test_the_channels_stand_after_all_who_used_them_with_a_total(replayed: Database) -> None:
    blocks = form_b(replayed, AFTER).sections[0].blocks
    nth = next(n for n, b in enumerate(blocks) if isinstance(b, Table) and b.form.name == "Hình thức")
    titles = [b.text for b in blocks[:nth] if isinstance(b, Heading)]
    assert titles[-1] == "6. Tổng hợp các mục 1, 2 và 4 theo hình thức tuyên truyền"
    form = blocks[nth].form
    total = said(form, "total")
    assert (total["pieces"], total["minutes"]) == (14 + 310 + 122 + 9 + 24 + 6 + 38, 1_240 + 180 + 90)
    assert total["units"] == 6


def test_a_carrier_that_reached_nobody_is_named(db: Database) -> None:
    mixed(db)
    assert "Chưa có thuê bao nào được máy xác nhận đã nhận: Vietnamobile (4 thuê bao)." in paragraphs(
        form_b(db)
    )


# ---- pictures -------------------------------------------------------------------------------------------


def test_pictures_of_form_5_keep_kinds_apart_and_add_nothing(replayed: Database) -> None:
    form = comparison_tables.of_directive(replayed.read(consolidated.build, 1, AFTER))[0]
    assert [each.title for each in form.charts] == [
        "Kết quả theo doanh nghiệp: đo bằng biên nhận",
        "Kết quả theo doanh nghiệp: doanh nghiệp báo số",
        "Kết quả theo doanh nghiệp: nhập tay (có bản quét kèm theo)",
    ]
    assert pictures(form_b(replayed, AFTER)) == []  # each would have one bar


def test_a_picture_of_form_5_tells_each_bar(db: Database) -> None:
    mixed(db)
    (found,) = pictures(form_b(db))
    assert "MobiFone: Đã gửi: 30" in found.alt
    assert "55" not in found.alt


def test_a_picture_of_areas_says_what_it_leaves_out(db: Database) -> None:
    scene = Scene("finished")
    scene.rows[m.runs][0]["started_at"] = TODAY
    for code in codes_of_today()[:30]:
        scene.message(S.DELIVERED, area=code)
    for _ in range(3):
        scene.message(S.DELIVERED, area=None)
    scene.save(db)
    form = next(
        f for f in carrier_tables.of_run(db.read(carrier_report.build, 1, TODAY + DAY)) if f.name == "Biểu 2"
    )
    picture = chart_images.draw(form)
    assert picture is not None
    assert "15 địa bàn có số đã gửi nhiều nhất trong 30 địa bàn" in picture.title
    assert "không vẽ: không xác định địa bàn" in picture.title
    assert "Tổng cộng: Đã gửi: 33" in picture.alt


def codes_of_today() -> list[str]:
    return [area.code for area in areas.reported(clock.local(clock.from_ms(TODAY)).date())]


# ---- areas with nobody ----------------------------------------------------------------------------------


@pytest.mark.prove
def test_areas_with_nobody_in_them_are_named(db: Database) -> None:
    scene = Scene("finished")
    scene.rows[m.runs][0]["started_at"] = TODAY
    first, *rest = codes_of_today()
    for code in rest[1:]:
        scene.message(S.DELIVERED, area=code)
    scene.save(db)
    report = db.read(carrier_report.build, 1, TODAY + DAY)
    names = [each.name for each in report.empty]
    assert [each.code for each in report.empty] == [first, rest[0]]
    sentence = f"2 địa bàn không có thuê bao nào trong danh sách gửi: {', '.join(names)}."
    for form in (Format.DOCX, Format.PDF, Format.CSV, Format.XLSX):
        assert sentence in words(form, render(report, form, HEADS).content), form
    found = json.loads(render(report, Format.JSON).content)
    assert [each["name"] for each in found["areas_without_subscribers"]] == names
    run = ReportSubject(SubjectKind.RUN, 1)
    db.write(snapshots.keep, run, report, TODAY + DAY, SnapshotCause.ERASURE)
    assert db.read(snapshots.of_run, 1, TODAY + DAY) == report


def test_a_picture_in_the_workbook_skips_rows_of_another_kind(db: Database) -> None:
    mixed(db)
    claim = StatementBody.model_validate(body(areas=[], days=[], reasons=[])).claim(EntrySource.API)
    db.write(statement_service.state, 1, claim, "vnpt")
    content = render(db.read(consolidated.build, 1, db.wait_for_commits(None)), Format.XLSX).content
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        drawn = book.read("xl/charts/chart1.xml").decode()
    assert "('Biểu 5'!$H$4,'Biểu 5'!$H$6,'Biểu 5'!$H$7,'Biểu 5'!$H$8)" in drawn
