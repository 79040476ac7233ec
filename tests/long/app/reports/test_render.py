"""Every rendering, read back, says what the report says."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from typing import Any

import pytest
from defusedxml import ElementTree
from openpyxl import load_workbook
from openpyxl.worksheet.worksheet import Worksheet
from sqlalchemy import Connection, update

from app.database.connection import Database
from app.database.models import batches, campaigns, directives
from app.reports.counting import consolidated
from app.reports.counting.carrier_report import build, build_batch, build_campaign
from app.reports.counting.differences import differences
from app.reports.export.formats import MEDIA_TYPES, Format, Report, document, render, tables_of
from app.reports.figures import numbers
from app.reports.figures.figures import FIGURES, CampaignReport, CarrierReport, standing_in
from app.reports.figures.table_model import CellKind, value
from app.reports.forms import carrier_tables
from app.reports.release.freeze import FORMATS
from tests.engines import sqlite_alone
from tests.long.app.reports.conftest import sound_on_sqlite
from tests.long.app.reports.scene import DAY, T0, S, Scene
from tests.sampled import each_third

database_url = sqlite_alone
sound = sound_on_sqlite

CUTOFF = T0 + 3 * DAY
COUNTS = [key for key in standing_in("2") if not FIGURES[key].part]


def run_report(db: Database) -> CarrierReport:
    return db.read(build, 1, CUTOFF)


def campaign_report(db: Database) -> CampaignReport:
    return db.read(build_campaign, 1, CUTOFF)


# ---- JSON -----------------------------------------------------------------------------------------------


def test_json_has_every_figure_under_a_name_with_its_unit(sound: Database) -> None:
    report = run_report(sound)
    document = json.loads(render(report, Format.JSON).content)
    g = report.general
    assert document["general"] == {each.name: getattr(g, key) for key, each in FIGURES.items()}
    units = ("_subscribers", "_messages", "_segments", "_ratio")
    assert all(name.endswith(units) for name in document["general"])
    assert document["interim"] is True
    assert document["cut_off_at"] == "2024-02-01T09:00:00+07:00"
    assert document["unknown_written_off_messages"] == 1
    assert sum(document["excluded_subscribers"].values()) == g.excluded
    assert sum(document["failed_messages_by_reason"].values()) == g.failed
    assert sum(day["sent_messages"] for day in document["days"]) == g.sent
    areas = sum(area["eligible_subscribers"] for area in document["areas"])
    assert areas + document["outside_areas_subscribers"] == g.eligible


def test_json_of_a_campaign_holds_every_run_and_the_total(sound: Database) -> None:
    report = campaign_report(sound)
    document = json.loads(render(report, Format.JSON).content)
    assert [run["carrier"] for run in document["runs"]] == ["vnpt", "viettel"]
    assert document["total"]["sent_messages"] == report.total.sent
    assert document["runs"][1]["receipt_level"] == "operator"


@pytest.mark.parametrize("form", [Format.JSON, Format.CSV, Format.TEXT])
def test_the_same_report_gives_the_same_bytes(sound: Database, form: Format) -> None:
    first, second = (render(sound.read(build, 1, CUTOFF), form) for _ in range(2))
    assert first == second
    assert first.media_type == MEDIA_TYPES[form]


# ---- CSV ------------------------------------------------------------------------------------------------


def read_csv(content: bytes) -> list[list[str]]:
    assert content.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def test_csv_holds_the_forms_one_after_another_with_plain_numbers(sound: Database) -> None:
    report = run_report(sound)
    lines = read_csv(render(report, Format.CSV).content)
    titles = [line[0] for line in lines if line and line[0].startswith("Biểu")]
    assert titles == [form.title for form in carrier_tables.of_run(report)[1:-1]]
    sent = next(line for line in lines if line[:1] == ["(3)"])
    assert sent == ["(3)", "Đã gửi = (1) − (2) − (2')", "tin", "10", ""]
    received = next(line for line in lines if line[:1] == ["(4a)"])
    assert received[3:] == ["3", "30.00"]


def test_csv_has_the_cells_of_every_form(sound: Database) -> None:
    report = campaign_report(sound)
    found = carrier_tables.of_campaign(report)
    lines = [line for line in read_csv(render(report, Format.CSV).content) if line]
    assert len(lines) == sum(2 + bool(form.source) + len(form.rows) for form in found)
    assert found[0].name == "Biểu 7"
    total = next(line for line in lines if line[1:2] == ["Tổng cộng"])
    assert total[4 : 4 + len(COUNTS)] == [str(getattr(report.total, name)) for name in COUNTS]


def test_text_that_looks_like_a_formula_is_made_harmless(db: Database) -> None:
    scene = Scene(name="=HYPERLINK(1)")
    scene.campaign(2, name="@SUM(1)")
    scene.run(2, "+vnpt", campaign=2)
    scene.save(db)
    lines = read_csv(render(db.read(build_campaign, 2, CUTOFF), Format.CSV).content)
    assert lines[3][:3] == ["1", "'+vnpt", "cuối cùng"]
    book = load_workbook(io.BytesIO(render(db.read(build_campaign, 2, CUTOFF), Format.XLSX).content))
    cell = book["Biểu 7"]["B4"]
    assert (cell.value, cell.data_type) == ("+vnpt", "s")


# ---- XLSX -----------------------------------------------------------------------------------------------


class Sheet:
    """Computes the few formulas that the reports use: sums, differences, quotients, IF for an empty whole."""

    def __init__(self, sheet: Worksheet) -> None:
        self.sheet = sheet

    def __getitem__(self, place: str) -> Any:
        content = self.sheet[place].value
        if not isinstance(content, str) or not content.startswith("=") or self.sheet[place].data_type == "s":
            return content
        return self._compute(content[1:])

    def _compute(self, text: str) -> Any:
        if match := re.fullmatch(r"SUM\((\w+):(\w+)\)", text):
            cells = [self[c.coordinate] for row in self.sheet[match[1] : match[2]] for c in row]
            return sum(cell for cell in cells if isinstance(cell, int | float))
        if match := re.fullmatch(r"SUM\(([\w,]+)\)", text):
            return sum(n for each in match[1].split(",") if isinstance(n := self[each], int | float))
        if match := re.fullmatch(r'IF\((\w+)=0,"",(\w+)/(\w+)\)', text):
            return self[match[2]] / self[match[3]] if self[match[1]] else ""
        if match := re.fullmatch(r'IF\(OR\((\w+)=0,ISTEXT\((\w+)\)\),"",(\w+)/(\w+)\)', text):
            known = self[match[1]] and not isinstance(self[match[2]], str)
            return self[match[3]] / self[match[4]] if known else ""
        first, *rest = text.split("-")
        return self[first] - sum(self._compute(part) for part in rest) if rest else self[first]


def letter(number: int) -> str:
    return "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[number]


@pytest.mark.parametrize("which", ["run", "campaign", "batch", "empty", "directive"])
def test_every_cell_of_the_workbook_computes_to_what_the_report_says(sound: Database, which: str) -> None:
    builders = {"run": (build, 1), "campaign": (build_campaign, 1), "directive": (consolidated.build, 1)}
    builders |= {"batch": (build_batch, 1, 2), "empty": (build_batch, 1, 4)}
    report: Report = sound.read(*builders[which], CUTOFF)
    found = tables_of(report)
    book = load_workbook(io.BytesIO(render(report, Format.XLSX).content))
    assert book.sheetnames == [*(form.name for form in found), "Kiểm tra", "Dữ liệu"]
    for form in found:
        sheet = Sheet(book[form.name])
        assert sheet["A1"] == form.title
        for number, row in enumerate(form.rows, 4):
            for column, cell in enumerate(row.cells):
                place = f"{letter(column)}{number}"
                said = sheet[place] if sheet[place] != "" else None
                expected = value(cell) if value(cell) != "" else None
                assert said == pytest.approx(expected), (form.name, place)


def test_every_figure_has_one_name_in_forms_json_and_changes(sound: Database) -> None:
    labels = [FIGURES[key].label for key in standing_in("2")]
    report = run_report(sound)
    form = next(form for form in tables_of(report) if form.name == "Biểu 2")
    assert [column.title for column in form.columns[-len(labels) :]] == labels
    form_5 = tables_of(sound.read(build_campaign, 1, CUTOFF))[0]
    assert [column.title for column in form_5.columns[-len(labels) :]] == labels
    names = [each.name for each in FIGURES.values()]
    assert list(document(report)["general"]) == names
    before = {"general": dict.fromkeys(names, 0)}
    told = [each.where for each in differences(before, {"general": dict.fromkeys(names, 1)})]
    assert told == [f"Biểu 1, {each.words}" for each in FIGURES.values()]


def test_sums_and_ratios_stay_alive_in_the_workbook(sound: Database) -> None:
    book = load_workbook(io.BytesIO(render(run_report(sound), Format.XLSX).content))
    sheet = book["Biểu 2"]
    total = next(row for row in sheet.iter_rows() if row[2].value == "Tổng cộng")
    assert total[3].value == f"=SUM(D4:D{total[3].row - 1})"
    row = total[3].row
    assert total[13].value == f'=IF(OR(G{row}=0,ISTEXT(H{row})),"",H{row}/G{row})'
    assert sheet["G4"].value == "=D4-E4-F4"
    assert (sheet["D4"].value, sheet["D4"].data_type, sheet["D4"].number_format) == (11, "n", "#,##0")
    assert sheet["N4"].number_format == "0.0%"
    whole = load_workbook(io.BytesIO(render(sound.read(consolidated.build, 1, CUTOFF), Format.XLSX).content))
    total = next(row for row in whole["Biểu 5"].iter_rows() if row[1].value == "Cộng tin (đo bằng biên nhận)")
    assert [total[n].value for n in (4, 7)] == ["=SUM(E4,E5)", "=SUM(H4,H5)"]
    assert sheet.freeze_panes == "A4"
    assert sheet.column_dimensions["C"].width == pytest.approx(40, abs=1)


# ---- for people -----------------------------------------------------------------------------------------


def test_text_shows_numbers_as_people_read_them(db: Database) -> None:
    scene = Scene()
    scene.message(S.DELIVERED, segments=12_345)
    scene.message(S.RELAYED)
    scene.save(db)
    text = render(db.read(build, 1, CUTOFF), Format.TEXT).content.decode()
    assert re.search(r"\(8\) +Tổng số bản tin quy đổi của tin đã gửi +bản tin +12\.346 ", text)
    assert re.search(r"\(7a\) .* 50,0\s%", text)
    assert "Số liệu" not in text.splitlines()[0]


def test_the_text_of_a_campaign_is_form_5_alone(sound: Database) -> None:
    text = render(campaign_report(sound), Format.TEXT).content.decode()
    assert text.startswith("Biểu 7 – Tổng hợp theo doanh nghiệp: Phòng, chống lừa đảo")
    assert "Biểu 1" not in text
    assert "01/02/2024 09:00:00" in text


def test_a_batch_says_that_resends_are_counted_by_run(sound: Database) -> None:
    text = render(sound.read(build_batch, 1, 1, CUTOFF), Format.TEXT).content.decode()
    assert re.search(r"\(9a\) .*theo đợt", text)


@pytest.mark.parametrize(
    ("kind", "given", "shown"),
    [
        (CellKind.COUNT, 0, "0"),
        (CellKind.COUNT, 1_234_567, "1.234.567"),
        (CellKind.COUNT, None, ""),
        (CellKind.RATIO, 0.925, "92,5\u00a0%"),
        (CellKind.RATIO, 1.0, "100,0\u00a0%"),
        (CellKind.RATIO, 0.99999, "99,9\u00a0%"),
        (CellKind.RATIO, 0.9196, "91,9\u00a0%"),  # below 92 %, and shown so
        (CellKind.RATIO, 0.92, "92,0\u00a0%"),
        (CellKind.RATIO, 0.9204, "92,0\u00a0%"),
        (CellKind.RATIO, 0.9188, "91,9\u00a0%"),
        (CellKind.RATIO, 0.00001, "0,1\u00a0%"),
        (CellKind.RATIO, 0.0, "0,0\u00a0%"),
        (CellKind.RATIO, None, "–"),
        (CellKind.RATE, 1234.56, "1.234,6"),
        (CellKind.RATE, None, "–"),
        (CellKind.TEXT, "a", "a"),
        (CellKind.RATIO, "", ""),
    ],
)
def test_numbers_are_written_the_vietnamese_way(
    kind: CellKind, given: float | str | None, shown: str
) -> None:
    assert numbers.shown(kind, given) == shown


def test_no_time_is_a_dash_for_people_and_null_for_programs() -> None:
    assert (numbers.moment(None), numbers.iso(None)) == ("–", None)


@pytest.mark.parametrize("odd", each_third(["\ufffe", "\uffff", "\x1b\x0b", "\x85\u2028\U0001fffe"]))
def test_what_xml_can_not_hold_keeps_no_report_from_being_built_and_opened(db: Database, odd: str) -> None:
    """An author's text, a letter and a file's name stand in them, whatever somebody has pasted there."""
    said = f"a{odd}b"
    scene = Scene(name=said)
    scene.message(S.DELIVERED)
    scene.save(db)

    def spoil(c: Connection) -> None:
        c.execute(update(campaigns).values(texts={"": said}))
        c.execute(update(directives).values(number=said, issuer=said, subject=said))
        c.execute(update(batches).values(name=said))

    db.write(spoil)
    report = db.read(build, 1, CUTOFF)
    for form in (*FORMATS, Format.TEXT):
        content = render(report, form).content
        if form in (Format.XLSX, Format.DOCX):
            with zipfile.ZipFile(io.BytesIO(content)) as parts:
                for name in parts.namelist():
                    if name.endswith((".xml", ".rels")):
                        ElementTree.fromstring(parts.read(name))
