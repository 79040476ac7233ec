"""Who corrects figures has read the newest ones, and is told of what the correction leaves out."""

from __future__ import annotations

import io
from typing import Any

import openpyxl
import pytest
from httpx import Response

from app.database.connection import Database
from app.reports.intake import statement_workbook
from tests.app.client import Client
from tests.long.app.reports.intake.forms import FILLED, filled
from tests.long.app.reports.intake.scene import PDF, body, held

URL = "/v1/runs/2/statements"
FORM = "/v1/runs/2/statement-form"
AGAIN = {("Chung", "B13"): "đếm lại"}


def state(client: Client, **changes: Any) -> Response:
    return client.post(URL, json=body(**changes))


def test_a_correction_of_figures_that_are_no_longer_the_newest_is_refused(
    client: Client, db: Database
) -> None:
    held(db)
    assert state(client, version=0).status_code == 201
    assert state(client, version=1, reason="đếm lại").status_code == 201
    late = state(client, version=1, reason="đếm lại")
    assert late.status_code == 409
    assert late.json()["detail"] == "The figures are now at version 2, not 1. Reload and try again."
    assert state(client, version=0, reason="đếm lại").status_code == 409
    assert state(client, reason="đếm lại").json()["paper"]["version"] == 3  # who names none is not asked


LOST = [
    "Version 1 had numbers by area, but version 2 has none.",
    "Version 1 had numbers by day, but version 2 has none.",
    "Version 1 had numbers by cause of failure, but version 2 has none.",
    "Version 1 had numbers by cause of exclusion, but version 2 has none.",
]


def test_what_a_correction_leaves_out_is_said_with_it(client: Client, db: Database) -> None:
    held(db)
    assert state(client).json()["warnings"] == []
    general = {name: n for name, n in body()["general"].items() if name != "causes"}
    fewer: dict[str, Any] = {"general": general, "areas": [], "days": [], "reasons": []}
    assert state(client, reason="đếm lại", **fewer).json()["warnings"] == LOST
    assert state(client, reason="đếm lại").json()["warnings"] == []
    assert [len(each["warnings"]) for each in client.get(URL).json()] == [0, 4, 0]


def test_what_vanishes_of_the_sums_the_times_and_the_letter_is_said(client: Client, db: Database) -> None:
    held(db)
    assert state(client).status_code == 201
    sums = {"eligible": 1000, "sent": 970, "causes": body()["general"]["causes"]}
    without: dict[str, Any] = {"level": "none", "general": sums, "reasons": []}
    without |= {"areas": [{"code": "116", **sums}], "days": [{"day": "2024-01-29", "sent": 970}]}
    without["areas"][0].pop("causes")
    gone = dict.fromkeys(("began_at", "ended_at", "number", "dated_on"))
    answer = state(client, reason="đếm lại: không có biên nhận", **without, **gone)
    assert answer.status_code == 201, answer.text
    assert [each.removeprefix("Version 1 had ").split(",")[0] for each in answer.json()["warnings"]] == [
        "numbers by cause of failure",
        "the number received",
        "the number not received",
        "the number without a receipt",
        "the number of SMS parts",
        "the time when it began",
        "the time when it ended",
        "the number of the letter",
        "the date of the letter",
    ]
    assert state(client, reason="đếm lại", **without, **gone).json()["warnings"] == []


def returned(client: Client, content: bytes) -> Response:
    return client.post(FORM, files={"file": ("f.xlsx", content)})


def issued(db: Database, changes: dict[tuple[str, str], Any], base: Any = FILLED) -> bytes:
    return filled(changes, base=base, head=db.read(statement_workbook.head, 2))


def test_a_form_carries_the_version_that_it_corrects(client: Client, db: Database) -> None:
    held(db)
    first = issued(db, AGAIN)
    assert returned(client, first).status_code == 201
    of_first = issued(db, AGAIN)
    assert openpyxl.load_workbook(io.BytesIO(of_first))["Chung"]["B6"].value == 1
    assert returned(client, of_first).json()["paper"]["version"] == 2
    late = returned(client, of_first)
    assert late.status_code == 422
    assert "Trang “Chung”, ô B6: số liệu nay là bản 2, không còn là bản 1" in late.json()["detail"]
    seen = issued(db, AGAIN | {("Chung", "B6"): 2})
    assert returned(client, seen).status_code == 201


@pytest.mark.parametrize("cells", [{("Chung", "A6"): None, ("Chung", "B6"): None}, {("Chung", "B6"): None}])
def test_a_form_of_before_names_no_version(
    client: Client, db: Database, cells: dict[tuple[str, str], Any]
) -> None:
    held(db)
    assert state(client).status_code == 201
    assert returned(client, issued(db, AGAIN | cells)).status_code == 201


def test_a_workbook_with_fewer_forms_says_so(client: Client, db: Database) -> None:
    held(db)
    assert state(client).status_code == 201
    base = {(sheet, cell): value for (sheet, cell), value in FILLED.items() if sheet in ("Chung", "Biểu 1")}
    answer = returned(client, issued(db, AGAIN, base))
    assert answer.status_code == 201, answer.text
    assert answer.json()["warnings"] == LOST[:3]


def test_an_office_corrects_figures_of_a_paper_by_a_paper_and_the_carrier_states_its_own(
    client: Client, operator: Client, db: Database
) -> None:
    held(db)
    scan = client.post("/v1/attachments", files={"file": ("a.pdf", PDF)}).json()["sha256"]
    manual = {"kind": "manual", "attachment": scan}
    assert state(client, **manual).status_code == 201
    for called_stated in (state(client, reason="đếm lại"), returned(client, issued(db, AGAIN))):
        assert called_stated.status_code == 422
        assert [each["field"] for each in called_stated.json()["errors"]] == ["kind"]
        assert "`loa statement add 2 FILE --manual --scan PAPER`" in called_stated.json()["detail"]
    assert state(client, reason="đếm lại", **manual).json()["kind"] == "manual"
    assert state(operator, reason="đếm lại").json()["kind"] == "stated"
    assert state(client, reason="đếm lại").json()["paper"]["version"] == 4
