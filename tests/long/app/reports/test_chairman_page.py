"""The chairman's page is one page whatever is on it, and says what it leaves out and whose word it has."""

from __future__ import annotations

import io
import re
import shutil
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from docx import Document
from pypdf import PdfReader

from app.database.connection import Database
from app.reports.counting import consolidated
from app.reports.counting.consolidated import ConsolidatedReport, RunLine
from app.reports.export import docx_file, pdf_file
from app.reports.figures.version import PREVIEW, PrintedCode, Version
from app.reports.forms import comparison_tables, letterhead
from app.reports.papers import consolidated_paper
from app.reports.papers.model import Paragraph
from tests.long.app.reports import five_carriers
from tests.sampled import each_third

HEAD = letterhead.load(None).of("", date(2025, 11, 14))
SUBJECT = "Về việc phối hợp tuyên truyền phòng, chống lừa đảo chiếm đoạt tài sản trên không gian mạng, "
UNIT = "Ủy ban nhân dân xã Chiềng Khoong, huyện Sông Mã, tỉnh Sơn La, bản số "


@pytest.fixture(scope="module")
def report(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> ConsolidatedReport:
    return five_carriers.first_report(sqlite_template, tmp_path_factory.mktemp("five"))


def pages(report: ConsolidatedReport, version: Version = PREVIEW) -> list[str]:
    content = pdf_file.render(consolidated_paper.summary(report, HEAD, version))
    return [re.sub(r"\s+", " ", page.extract_text()) for page in PdfReader(io.BytesIO(content)).pages]


def runs(report: ConsolidatedReport, *kinds: int) -> tuple[RunLine, ...]:
    """Runs like those of the report, by their place there."""
    return tuple(replace(report.lines[kind], run_id=nth) for nth, kind in enumerate(kinds, 1))


def about(report: ConsolidatedReport, subject: str) -> ConsolidatedReport:
    return replace(report, letter=replace(report.letter, subject=subject))


@pytest.mark.prove
def test_what_has_no_room_is_counted_and_its_place_is_said(report: ConsolidatedReport) -> None:
    silent = tuple(f"{UNIT}{nth}" for nth in range(60))
    many = replace(report, silent=silent, lines=runs(report, *[*range(5)] * 8))
    (text,) = pages(about(many, SUBJECT * 20))
    assert "… (đủ ở mục I)" in text
    assert re.search(r"Viettel \(8 đợt\)", text)
    assert re.search(r"Chưa báo cáo: .* và \d\d đơn vị khác \(đủ ở mục II\.5\)\.", text)


@pytest.mark.parametrize("names", [pytest.param(6, marks=pytest.mark.prove), 20])
@pytest.mark.parametrize("subject", each_third([SUBJECT.upper() * 3, SUBJECT, SUBJECT[:300] * 2, "a" * 2000]))
@pytest.mark.parametrize("kinds", [range(5), [0, 1, 2, 3, 4] * 2 + [0, 3], [2] * 12, [4], []])
def test_it_is_one_page(report: ConsolidatedReport, names: int, subject: str, kinds: list[int]) -> None:
    silent = tuple(f"{UNIT}{nth}" for nth in range(names))
    assert len(pages(about(replace(report, silent=silent, lines=runs(report, *kinds)), subject))) == 1


def test_without_receipts_of_telephones_no_share_is_claimed(report: ConsolidatedReport) -> None:
    (text,) = pages(replace(report, lines=runs(report, 3, 4)))
    assert "Chưa có tỷ lệ nhận: chưa doanh nghiệp nào có biên nhận của máy thuê bao." in text
    assert "Địa bàn có tỷ lệ nhận thấp nhất" not in text


def test_no_carrier_is_left_out_and_other_sources_are_not_ranked_before_measured_ones(
    report: ConsolidatedReport,
) -> None:
    (text,) = pages(replace(report, lines=runs(report, *[4, 3, 2, 1, 0] * 3)))
    names = ["Vietnamobile (3 đợt)", "Viettel (3 đợt)", "MobiFone (3 đợt)", "VNPT VinaPhone (3", "Gmobile (3"]
    assert sorted(names, key=text.index) == names


def test_a_sum_with_runs_without_receipts_is_not_measured_by_receipts(report: ConsolidatedReport) -> None:
    measured = report.lines[0]
    header = replace(measured.report.header, receipt_level=0)
    silent = replace(measured, run_id=9, report=replace(measured.report, header=header))
    mixed = comparison_tables.of_directive(replace(report, lines=(measured, silent)))[0]
    assert next(row.cells[1] for row in mixed.rows if row.strong) == "Cộng tin (số đo)"
    paper = consolidated_paper.compose(replace(report, lines=(measured, silent)), HEAD, PREVIEW)
    words = " ".join(each.text for each in paper.blocks if isinstance(each, Paragraph))
    assert "Theo số đo, có đợt không có biên nhận (2 đợt gửi): đã gửi" in words
    proved = comparison_tables.of_directive(replace(report, lines=(measured, replace(measured, run_id=9))))[0]
    assert [row.cells[1] for row in proved.rows if row.strong] == [
        "Cộng tin (đo bằng biên nhận)",
        "Thuê bao, mức máy: mỗi thuê bao tính một lần",
    ]


def test_a_long_subject_is_cut_in_the_properties_of_a_document(report: ConsolidatedReport) -> None:
    content = docx_file.render(consolidated_paper.compose(about(report, SUBJECT * 20), HEAD, PREVIEW))
    title = Document(io.BytesIO(content)).core_properties.title
    assert len(title) == 255
    assert title.endswith("…")


@pytest.mark.parametrize("times", [1, 2, 3, 8])
def test_with_its_code_it_is_one_page_however_full(report: ConsolidatedReport, times: int) -> None:
    printed = PrintedCode(
        "7K3M9Q2DXW4T0B5H", "", "0" * 64, "https://canhbao.congan.sonla.gov.vn/verify/reports"
    )
    silent = tuple(f"{UNIT}{nth}" for nth in range(12 * times))
    many = replace(report, silent=silent, lines=runs(report, *[*range(5)] * times))
    (text,) = pages(about(many, SUBJECT * times), Version(1, printed=printed))
    assert text.rstrip().endswith(
        "7K3M-9Q2D-XW4T-0B5H, nhập tại https://canhbao.congan.sonla.gov.vn/verify/reports."
    )


@pytest.mark.prove
@pytest.mark.parametrize("cutoff_ms", [five_carriers.FIRST, five_carriers.SECOND])
def test_the_page_alone_is_built_without_what_it_does_not_show(
    sqlite_template: Path, tmp_path: Path, cutoff_ms: int
) -> None:
    """Of a million messages it takes a third of the time; not a word of it differs."""
    shutil.copy(sqlite_template, tmp_path / "loa.sqlite3")
    with closing(Database(f"sqlite:///{tmp_path / 'loa.sqlite3'}")) as db:
        five_carriers.directive(db, tmp_path)
        whole, brief = (
            db.read(consolidated.build, 1, cutoff_ms, terms)
            for terms in (consolidated.PRESENT, consolidated.BRIEF)
        )
    assert not any(line.report.steps for line in brief.lines)
    papers = [consolidated_paper.summary(each, HEAD, PREVIEW) for each in (whole, brief)]
    assert papers[0] == papers[1]
    assert brief.interim == whole.interim


def test_who_cannot_know_is_named_and_lowers_no_share(report: ConsolidatedReport) -> None:
    """A carrier without receipts, and one that has not reported, have neither reached nor missed anybody."""
    stated, by_hand = report.lines[3], report.lines[4]
    silent = replace(stated, kind=None, statement=None)
    (text,) = pages(replace(report, lines=(*report.lines[:3], silent, by_hand)))
    assert "Mọi nguồn số liệu: 193/264 thuê bao có xác nhận (73,1 %)" in text
    assert "Chưa gồm: VNPT VinaPhone (chưa báo cáo), Gmobile (18.000 thuê bao, không có biên nhận)." in text
    (text,) = pages(report)
    assert "1.167.660/1.234.831 thuê bao có xác nhận" in text
    (text,) = pages(replace(report, lines=report.lines[:3]))
    assert "Chưa gồm" not in text


def test_figures_that_may_change_are_named_as_people_say_it(report: ConsolidatedReport) -> None:
    (text,) = pages(report)
    assert "SỐ LIỆU TẠM THỜI: số liệu của Viettel, Vietnamobile có thể còn thay đổi." in text
    assert "13/15 đơn vị đã báo cáo: " in text  # none of them late
    late = tuple(replace(each, late=each.report is not None) for each in report.others)
    (text,) = pages(replace(report, others=late))
    assert "13/15 đơn vị đã báo cáo (13 trễ hạn): " in text
    paper = consolidated_paper.compose(report, HEAD, PREVIEW)
    said = " ".join(block.text for block in paper.blocks if isinstance(block, Paragraph))
    assert "mạng không có đợt gửi: Đông Dương Telecom, iTel, Wintel." in said
