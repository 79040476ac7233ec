"""Form 6: communes over all carriers, with what was measured, stated and entered by hand apart."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from app.core import areas
from app.reports.counting.consolidated import ConsolidatedReport
from app.reports.export.formats import tables_of
from app.reports.figures.carrier_statement import AreaCounts, FigureSource
from app.reports.figures.table_model import ReportTable, value
from app.reports.figures.version import PREVIEW
from app.reports.forms import directive_areas, letterhead
from app.reports.papers import consolidated_paper
from app.reports.papers.model import Paragraph, Title
from tests.long.app.reports import five_carriers

HEAD = letterhead.load(None).of("", date(2025, 11, 14))


@pytest.fixture(scope="module")
def report(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> ConsolidatedReport:
    return five_carriers.first_report(sqlite_template, tmp_path_factory.mktemp("five"))


def numbers(form: ReportTable, column: str) -> list[int]:
    """The numbers of a column but its total's."""
    place = form.place(column)
    cells = [value(row.cells[place]) for row in form.rows if not row.strong]
    return [n for n in cells if isinstance(n, int)]


def total(form: ReportTable, column: str) -> object:
    return value(form.rows[-1].cells[form.place(column)])


@pytest.mark.prove
def test_each_source_has_its_columns_and_adds_up_to_its_runs(report: ConsolidatedReport) -> None:
    form = directive_areas.of_directive(report)
    assert [column.key for column in form.columns[3:]] == [
        *("measured_addressed", "measured_reached", "measured_ratio"),
        *("measured_addressed_else", "measured_taken"),
        *("stated_sent", "stated_delivered"),
    ]
    measured = report.of(FigureSource.MEASURED)
    sent = sum(row.figures.sent for line in measured for row in line.report.areas)
    columns = ("measured_addressed", "measured_addressed_else")
    assert sum(sum(numbers(form, key)) for key in columns) == sum(total(form, key) for key in columns) == sent
    stated = report.lines[3].statement
    assert stated is not None
    assert sum(numbers(form, "stated_sent")) == total(form, "stated_sent") == stated.figures.general.sent
    assert "số đo (Viettel, MobiFone, Vietnamobile); doanh nghiệp báo (VNPT VinaPhone)" in form.source
    assert "Chưa có số theo địa bàn: Gmobile." in form.source
    communes = {area.code for area in areas.reported(date(2025, 11, 14))}
    shown = {row.cells[1] for row in form.rows if row.cells[1]}
    assert shown <= communes
    assert f"{len(communes - shown)} địa bàn không có thuê bao nào" in form.source or shown == communes


def test_figures_entered_by_hand_have_columns_of_their_own(report: ConsolidatedReport) -> None:
    stated, by_hand = report.lines[3].statement, report.lines[4].statement
    assert stated is not None
    assert by_hand is not None
    rows = tuple(AreaCounts(each.code, each.name, each.counts) for each in stated.figures.areas)
    entered = replace(by_hand, figures=replace(by_hand.figures, areas=rows))
    lines = (*report.lines[:4], replace(report.lines[4], statement=entered))
    form = directive_areas.of_directive(replace(report, lines=lines))
    assert total(form, "manual_sent") == total(form, "stated_sent")
    assert "nhập tay (Gmobile)" in form.source
    assert "Chưa có số" not in form.source


def test_the_form_is_an_annex_and_a_sheet_and_is_left_out_without_areas(report: ConsolidatedReport) -> None:
    for lines, there in ((report.lines, True), (report.lines[4:], False), ((), False)):
        made = replace(report, lines=lines, reach=report.reach if there else None)
        paper = consolidated_paper.compose(made, HEAD, PREVIEW)
        titles = [block.subject for block in paper.blocks if isinstance(block, Title)]
        assert ("KẾT QUẢ THEO ĐỊA BÀN CỦA CÁC DOANH NGHIỆP" in titles) is there
        words = " ".join(block.text for block in paper.blocks if isinstance(block, Paragraph))
        assert ("theo địa bàn: Biểu 6, Phụ lục IV" in words) is there
        assert ("Biểu 6" in [table.name for table in tables_of(made)]) is there
