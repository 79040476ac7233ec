"""Batches: the list, and files sent by the form; from whom may not send one, nothing is read."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from app.batches import queries
from app.core.config import Settings
from app.database.connection import Database
from app.runtime.api_app import create_app
from tests.app.campaigns.rows import new_batch
from tests.long.app.web.conftest import Paper, text, token

In = Callable[..., Paper]
CSV = "Số điện thoại\n0912000001\n0912000002\n12\n0912000001\n".encode()


@pytest.fixture
def pages_app(pages_db: Database, tmp_path: Path) -> FastAPI:
    """Takes files up to 1 MB."""
    return create_app(Settings(data=tmp_path, environment="development", upload_limit_mb=1), pages_db)


def sent(paper: Paper, body: bytes = CSV, file_name: str = "list.csv", **fields: str) -> httpx.Response:
    """What a browser sends by the form of /batches/new."""
    csrf = token(paper.get("/batches/new").text)
    headers = paper._headers({})
    kept = paper.client.post(
        "/batches/new",
        data={"csrf": csrf, **fields},
        files={"file": (file_name, body, "text/csv")},
        headers=headers,
    )
    return paper._keep(kept)


def imported(db: Database, batch_id: int) -> queries.Batch:
    """The batch, when its import is over."""
    end = time.monotonic() + 30
    while (batch := db.read(queries.get, batch_id)).state == "importing" and time.monotonic() < end:
        time.sleep(0.02)
    return batch


def test_an_empty_list_says_what_to_do_next(signed_in: In) -> None:
    said = text(signed_in().get("/batches").text)
    assert "Chưa có lô nào." in said
    assert "Tải tệp lên" in said


def test_an_operator_sees_its_own_batches(pages_db: Database, signed_in: In) -> None:
    for carrier in ("vnpt", "viettel"):
        pages_db.write(new_batch, carrier, name=f"{carrier}.csv", sha256=carrier.ljust(64, "0"))
    operator = signed_in("operator", "vnpt")
    assert operator.get("/batches?carrier=viettel").status_code == 403
    page = operator.get("/batches").text
    assert "vnpt.csv" in page
    assert "viettel.csv" not in page


def test_a_file_becomes_a_batch_and_the_same_file_is_the_same_batch(
    pages_db: Database, signed_in: In
) -> None:
    paper = signed_in()
    answer = sent(paper, carrier="vnpt", name="Đợt 1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/batches/1")
    batch = imported(pages_db, 1)
    assert (batch.name, batch.carrier, batch.created_by) == ("Đợt 1", "vnpt", "admin person")
    assert (batch.lines, batch.accepted, batch.rejected, batch.repeated) == (4, 2, 1, 1)
    assert sent(paper, carrier="vnpt").headers["location"] == "/batches/1?again=yes"
    assert "Chính tệp này đã được tải lên lúc" in text(paper.get("/batches/1?again=yes").text)


def test_a_file_that_can_t_be_used_says_why_and_leads_to_another(pages_db: Database, signed_in: In) -> None:
    paper = signed_in("operator", "vnpt")
    assert sent(paper, "Họ tên;Địa chỉ\nLan;Bản Lướt\n".encode()).status_code == 303
    assert imported(pages_db, 1).state == "failed"
    page = paper.get("/batches/1").text
    assert "Tệp không có cột số điện thoại" in text(page)
    assert 'href="/batches/new"' in page


def test_an_operator_sends_for_its_own_carrier_only(pages_db: Database, signed_in: In) -> None:
    paper = signed_in("operator", "vnpt")
    assert sent(paper, carrier="viettel").status_code == 403
    assert pages_db.read(queries.listed, 0, 10).items == []
    assert sent(paper).headers["location"] == "/batches/1"


@pytest.mark.parametrize(
    ("fields", "body", "wanted"),
    [
        ({}, CSV, "Hãy chọn nhà mạng."),
        ({"carrier": "nobody"}, CSV, "Không có nhà mạng “nobody”."),
        ({"carrier": "vnpt"}, b"", "Tệp rỗng. Hãy chọn tệp khác."),
    ],
)
def test_a_refusal_stands_on_the_form_which_keeps_what_was_entered(
    pages_db: Database, signed_in: In, fields: dict[str, str], body: bytes, wanted: str
) -> None:
    answer = sent(signed_in(), body, **fields, name="Đợt 1")
    assert answer.status_code == 422
    assert wanted in answer.text
    assert 'value="Đợt 1"' in answer.text
    assert pages_db.read(queries.listed, 0, 10).items == []


def test_without_the_token_or_the_role_no_byte_of_the_file_is_kept(signed_in: In, tmp_path: Path) -> None:
    paper = signed_in("auditor")
    files = {"file": ("a.csv", CSV, "text/csv")}
    headers = paper._headers({})
    refused = paper.client.post("/batches/new", data={"carrier": "vnpt"}, files=files, headers=headers)
    assert refused.status_code == 403
    office = signed_in("admin")
    right = token(office.get("/batches/new").text)
    late = {"file": ("a.csv", CSV, "text/csv"), "csrf": (None, right)}  # behind the file
    for address, fields, parts in (
        ("/batches/new", {}, files),
        ("/batches/new", {"csrf": "loac_" + "0" * 64}, files),
        (f"/batches/new?csrf={right}", {}, files),  # an address is written down on the way
        ("/batches/new", {}, late),
    ):
        refused = office.client.post(address, data=fields, files=parts, headers=office._headers({}))
        assert refused.status_code == 403
        assert "Biểu mẫu đã cũ" in text(refused.text)
    assert not list((tmp_path / "uploads").glob("*"))


def test_a_file_that_is_too_large_is_refused_in_words(signed_in: In, tmp_path: Path) -> None:
    answer = sent(signed_in(), b"x" * (1_048_576 + 1), carrier="vnpt")
    assert answer.status_code == 413
    assert "Tệp quá lớn" in text(answer.text)
    assert not list((tmp_path / "uploads").glob("*"))
