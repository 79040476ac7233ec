"""A figure stands in the forms that its row of the table names, and in every file by its name."""

from __future__ import annotations

import json
from dataclasses import fields

import pytest

from app.reports.export.formats import Format, render
from app.reports.figures.figures import FIGURES, CarrierReport, Extra, Figures, Header, standing_in
from app.reports.figures.table_model import ReportTable
from app.reports.forms import carrier_tables

HEAD = Header(1, "Before Tet", 1, "vnpt", "finished", (1,), "CA SON LA", None, {}, 2, 0, 1, 2)
REPORT = CarrierReport(HEAD, Figures(), (), Extra(), (), (), 0, (), ())


def figures_in(form: ReportTable) -> set[str]:
    """Form 1 has its figures as rows, the others as columns."""
    names = [row.key for row in form.rows] if form.name == "Biểu 1" else [each.key for each in form.columns]
    return FIGURES.keys() & set(names)


@pytest.mark.parametrize("number", "123")
def test_a_figure_stands_where_its_row_says(number: str) -> None:
    form = next(each for each in carrier_tables.of_run(REPORT) if each.name == f"Biểu {number}")
    assert figures_in(form) == set(standing_in(number))


def test_every_count_is_a_figure_with_a_row_in_form_1_and_a_name_in_json() -> None:
    assert {each.name for each in fields(Figures)} <= FIGURES.keys()
    assert all(each.line for each in FIGURES.values() if "1" in each.forms)
    general = json.loads(render(REPORT, Format.JSON).content)["general"]
    assert list(general) == [each.name for each in FIGURES.values()]


def test_a_part_of_a_figure_names_one() -> None:
    assert {name for each in FIGURES.values() for name in (each.part, each.of) if name} <= FIGURES.keys()
