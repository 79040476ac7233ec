"""Result files: sent by the form, applied, reconciled on their page, their lines masked and by verdict."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import update

from app.core.config import Settings
from app.database.connection import Database
from app.database.models import campaigns
from app.receipts.result_files import queries
from app.runtime.api_app import create_app
from tests.app.receipts.result_files.scene import HEADER, TAKEN, at, phone, sent
from tests.app.world import FIRST_PHONE, World
from tests.long.app.web.conftest import Paper, text, token

In = Callable[..., Paper]


@pytest.fixture
def pages_app(pages_db: Database, tmp_path: Path) -> FastAPI:
    """Takes files up to 1 MB."""
    return create_app(Settings(data=tmp_path, environment="development", upload_limit_mb=1), pages_db)


@pytest.fixture
def world(pages_db: Database) -> World:
    """Four messages that viettel has taken."""
    return sent(pages_db, [TAKEN] * 4)


def content(*words: str) -> bytes:
    rows = [(phone(n), word, at(), "000") for n, word in enumerate(words)]
    return "\n".join(";".join(row) for row in (HEADER, *rows, ("x", "SENT", at(), ""))).encode()


def hand_in(paper: Paper, body: bytes, **fields: str) -> httpx.Response:
    """What a browser sends by the form."""
    csrf = token(paper.get("/receipt-files/new").text)
    answer = paper.client.post(
        "/receipt-files/new",
        data={"csrf": csrf, **fields},
        files={"file": ("results.csv", body, "text/csv")},
        headers=paper._headers({}),
    )
    return paper._keep(answer)


def applied(db: Database) -> queries.ReceiptFile:
    """File 1, when its import is over."""
    end = time.monotonic() + 60
    while (file := db.read(queries.get, 1)).state == "importing" and time.monotonic() < end:
        time.sleep(0.02)
    return file


def test_without_files_the_list_says_what_to_ask_for(signed_in: In) -> None:
    said = text(signed_in("operator", "viettel").get("/receipt-files").text)
    assert "Chưa có tệp kết quả." in said
    assert "Nộp tệp kết quả" in said
    assert "Nộp tệp kết quả" not in text(signed_in("auditor").get("/receipt-files").text)


def test_an_operator_is_offered_the_campaigns_of_its_own_carrier_alone(
    world: World, pages_db: Database, signed_in: In
) -> None:
    named = update(campaigns).where(campaigns.c.id == world.campaign).values(name="Canh giac dip Tet")
    pages_db.write(lambda c: c.execute(named))
    offered = f"Canh giac dip Tet ({world.campaign})"
    for of in (("admin",), ("operator", "viettel")):
        assert offered in text(signed_in(*of).get("/receipt-files/new").text)
    assert "Canh giac dip Tet" not in text(signed_in("operator", "vnpt").get("/receipt-files/new").text)


def test_a_file_is_applied_and_reconciled(world: World, pages_db: Database, signed_in: In) -> None:
    paper, body = signed_in("admin"), content("DELIVRD", "Thất bại")
    answer = hand_in(paper, body, carrier="viettel", name="Tháng 1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/receipt-files/1")
    assert applied(pages_db).state == "ready"
    page = paper.get("/receipt-files/1").text
    said = text(page)
    assert "Đã nhận tệp; đang áp dụng." in said
    assert "có kết quả mới 2" in said
    assert "tổng số dòng 3" in said
    assert "Đợt gửi 1 tại Viettel 4 0 2 2 0" in said  # sent, refused, named, missing, later
    for n in range(4):
        assert str(FIRST_PHONE + n)[-9:] not in page
    assert "8491*****01" in page
    assert "Tháng 1" in text(paper.get("/receipt-files").text)
    again = hand_in(paper, body, carrier="viettel")
    assert again.headers["location"] == "/receipt-files/1"
    assert "Tệp này đã có từ trước." in text(paper.get("/receipt-files/1").text)


def test_lines_are_shown_by_verdict_and_downloaded(world: World, pages_db: Database, signed_in: In) -> None:
    paper = signed_in("operator", "viettel")
    hand_in(paper, content("DELIVRD", "Thất bại"))
    applied(pages_db)
    bad = text(paper.get("/receipt-files/1?verdict=bad").text)
    assert "Thiếu chữ số." in bad or "Có ký tự" in bad
    assert "8491" not in bad
    assert "Không có dòng nào như vậy." in text(paper.get("/receipt-files/1?verdict=ambiguous").text)
    assert paper.get("/receipt-files/1?verdict=nonsense&after=x").status_code == 200
    assert "says_delivered" in paper.get("/v1/receipt-files/1/reconciliation.csv").text
    lines = paper.get("/v1/receipt-files/1/lines.csv?verdict=bad")
    assert lines.status_code == 200


@pytest.mark.parametrize(
    ("fields", "body", "wanted"),
    [
        ({"carrier": "viettel"}, b"", "Tệp rỗng. Hãy chọn tệp khác."),
        ({"carrier": "viettel", "campaign": "9"}, b"a;b", "Chiến dịch 9 không có đợt gửi tại viettel."),
        ({"carrier": "mobifone"}, b"a;b", "Chưa chiến dịch nào có đợt gửi tại “mobifone”"),
        ({"carrier": "viettel", "level": "sure"}, b"a;b", "Mức “sure” không hợp lệ."),
    ],
)
def test_a_refusal_stands_on_the_form(
    world: World, pages_db: Database, signed_in: In, fields: dict[str, str], body: bytes, wanted: str
) -> None:
    answer = hand_in(signed_in(), body, name="Tháng 1", **fields)
    assert answer.status_code == 422
    assert wanted in answer.text
    assert 'value="Tháng 1"' in answer.text
    assert pages_db.read(queries.listed, 0, 10).items == []


@pytest.mark.prove
def test_a_file_is_taken_as_large_as_the_settings_say_and_no_larger(world: World, signed_in: In) -> None:
    paper = signed_in()
    large = content("DELIVRD") + b"\n" * 1_048_000
    assert hand_in(paper, large, carrier="viettel").status_code == 303
    assert hand_in(paper, large + b"\n" * 5000, carrier="viettel").status_code == 413


def test_another_carrier_s_file_is_not_there(world: World, pages_db: Database, signed_in: In) -> None:
    hand_in(signed_in(), content("DELIVRD"), carrier="viettel")
    applied(pages_db)
    other = signed_in("operator", "vnpt")
    assert other.get("/receipt-files/1").status_code == 404
    assert "results.csv" not in other.get("/receipt-files").text
    assert hand_in(other, content("DELIVRD"), carrier="viettel").status_code == 403
