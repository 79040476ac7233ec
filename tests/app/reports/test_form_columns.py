"""A new figure stands in every form, or is left out of it for a reason that stands here."""

from __future__ import annotations

import pytest

from app.reports.figures.figures import FIGURES, CarrierReport, Extra, Figures, Header
from app.reports.figures.table_model import ReportTable
from app.reports.forms import carrier_tables

HEAD = Header(1, "Before Tet", 1, "vnpt", "finished", (1,), "CA SON LA", None, {}, 2, 0, 1, 2)
REPORT = CarrierReport(HEAD, Figures(), (), Extra(), (), (), 0, (), ())

# Form -> figure -> why it does not stand there.
_BY_TIME = "is counted when the run is looked at, not at a time of its own"
LEFT_OUT: dict[str, dict[str, str]] = {
    "Biểu 1": {},
    "Biểu 2": {},
    "Biểu 3": {
        "eligible": "is a count of the lists, which have no day",
        "excluded": "was never sent, so has no day",
        "waiting": "was not sent yet, so has no day",
        "failed": "form 4 has it by reason",
        "no_receipt": _BY_TIME,
        "unknown": _BY_TIME,
        "segments": "is billed by run, in form 1",
        "delivered_ratio": "compares receipts of a day with messages of another",
        "relayed_ratio": "compares receipts of a day with messages of another",
    },
}


def figures_in(form: ReportTable) -> set[str]:
    """Form 1 has its figures as rows, the others as columns."""
    names = [row.key for row in form.rows] if form.name == "Biểu 1" else [each.key for each in form.columns]
    return FIGURES.keys() & set(names)


@pytest.mark.parametrize("name", LEFT_OUT)
def test_every_figure_stands_in_the_form_or_is_left_out_for_a_reason(name: str) -> None:
    form = next(each for each in carrier_tables.of_run(REPORT) if each.name == name)
    assert figures_in(form) == FIGURES.keys() - LEFT_OUT[name].keys()


def test_every_count_is_a_figure() -> None:
    assert set(Figures.__dataclass_fields__) <= FIGURES.keys()
