"""What was not received, with whole numbers, for the operator of the carrier whose subscribers they are."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable

import pytest
from sqlalchemy import insert

from app.database.connection import Database
from app.database.models import audiences
from app.dispatch import failed_export, unknown_decisions
from app.security import audit as acts
from tests.long.app.privacy.past import erase, over
from tests.long.app.web.conftest import Paper, text

In = Callable[..., Paper]
WAY = "/v1/runs/1/failed.csv"


@pytest.fixture
def past(pages_db: Database) -> Database:
    """Run 1 of VNPT is finished: one message was rejected, one not delivered, one expired."""
    return over(pages_db)


def shown(db: Database) -> list[tuple[str, str, dict[str, object]]]:
    found = db.read(acts.listed, 0, 100).items
    return [(act.who, act.subject, act.detail) for act in found if act.action == "numbers.shown"]


def test_its_own_operator_gets_whole_numbers_and_the_audit_says_how_many(
    past: Database, signed_in: In
) -> None:
    paper = signed_in("operator", "vnpt")
    page = paper.get("/runs/1").text
    assert "Nhật ký ghi lại việc bạn tải danh sách này" in text(page)
    (way,) = re.findall(r'href="([^"]*failed.csv)"', page)
    answer = paper.get(way)
    assert answer.headers["cache-control"] == "no-store"
    head, *rows = csv.reader(answer.text.lstrip("\ufeff").splitlines())
    assert tuple(head) == failed_export.HEADER
    assert all(re.fullmatch(r"84\d{9}", row[0]) for row in rows)
    results = ["nhà mạng từ chối", "không nhận được", "hết hạn trước khi nhận"]
    assert [row[5] for row in rows] == results
    assert shown(past) == [("vnpt person", "run/1", {"place": "failed-list", "numbers": 3})]


def test_a_run_is_read_slice_by_slice(past: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failed_export, "SLICE", 2)
    run = past.read(unknown_decisions.find_run, 1)
    assert len(list("".join(failed_export.carrier_list(past, run)).splitlines())) == 4


def test_of_subscribers_that_the_carrier_holds_there_is_no_list(past: Database, signed_in: In) -> None:
    held = {"run_id": 1, "areas": [], "area_basis": "tram_phuc_vu", "estimated": 9}
    past.write(lambda c: c.execute(insert(audiences).values(held)))
    paper = signed_in("operator", "vnpt")
    assert "failed.csv" not in paper.get("/runs/1").text
    answer = paper.get(WAY)
    assert (answer.status_code, answer.json()["detail"]) == (
        409,
        "The carrier of run 1 sends to its own subscribers, so Loa has none of their numbers. "
        "Take them from the carrier's own system.",
    )
    assert shown(past) == []


@pytest.mark.parametrize("role", ["admin", "approver", "auditor"])
def test_nobody_else_is_offered_or_given_it(past: Database, signed_in: In, role: str) -> None:
    paper = signed_in(role)
    assert "failed.csv" not in paper.get("/runs/1").text
    answer = paper.get(WAY)
    assert answer.status_code == 403
    assert answer.json()["detail"]
    assert shown(past) == []


def test_another_carrier_s_operator_does_not_learn_that_the_run_exists(past: Database, signed_in: In) -> None:
    assert signed_in("operator", "viettel").get(WAY).status_code == 404
    assert shown(past) == []


def test_it_is_gone_once_the_numbers_are_erased(past: Database, signed_in: In) -> None:
    paper = signed_in("operator", "vnpt")
    assert erase(past)
    answer = paper.get(WAY)
    assert answer.status_code == 409
    assert "have been erased" in answer.json()["detail"]
    assert shown(past) == []
    assert "failed.csv" not in paper.get("/runs/1").text
