"""The do-not-send list: numbers are added and taken off, and come back from no page."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from app.database.connection import Database
from app.privacy import do_not_send
from tests.long.app.web.conftest import Paper, text

In = Callable[..., Paper]
NUMBERS = "0912 345 678\n+84912345679, 12\n84912345678"


def entries(db: Database) -> list[tuple[str, str]]:
    return [(each.carrier, each.phone) for each in db.read(do_not_send.listed, 0, 1000).items]


def test_numbers_are_added_and_what_is_none_is_named_by_its_place(pages_db: Database, signed_in: In) -> None:
    paper = signed_in("operator", "vnpt")
    answer = paper.send("/do-not-send", "/do-not-send/add", numbers=NUMBERS)
    assert (answer.status_code, answer.headers["location"]) == (303, "/do-not-send?carrier=vnpt")
    assert entries(pages_db) == [("vnpt", "8491*****78"), ("vnpt", "8491*****79")]
    page = paper.get("/do-not-send").text
    assert "Đã thêm 2 số; 0 số đã có từ trước. Không đọc được số ở vị trí: 3." in text(page)
    assert "8491*****79" in page
    assert "912345678" not in re.sub(r"\s", "", page)


def test_numbers_are_taken_off(pages_db: Database, signed_in: In) -> None:
    paper = signed_in("admin")
    pages_db.write(do_not_send.add, "viettel", ["0912345678", "0912345679"], "an")
    answer = paper.send(
        "/do-not-send", "/do-not-send/remove", carrier="viettel", numbers="0912345678\n0912345670"
    )
    assert answer.status_code == 303
    assert entries(pages_db) == [("viettel", "8491*****79")]
    assert "Đã bỏ 1 số; 1 số không có trong danh sách." in text(paper.get("/do-not-send").text)


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"numbers": " ,\n", "carrier": "vnpt"}, "Hãy nhập số điện thoại"),
        ({"numbers": "0912345678", "carrier": "nobody"}, "Không có nhà mạng “nobody”."),
        ({"numbers": "0912345678"}, "Hãy chọn nhà mạng."),
        ({"numbers": "0912345678 " * 6, "carrier": "vnpt"}, "mỗi số trên một dòng"),
        ({"numbers": "0912345678\n" * 10_001, "carrier": "vnpt"}, "nhiều nhất 10000 số"),
    ],
)
def test_a_refusal_repeats_no_number(
    pages_db: Database, signed_in: In, fields: dict[str, str], wanted: str
) -> None:
    answer = signed_in("admin").send("/do-not-send", "/do-not-send/add", **fields)
    assert answer.status_code == 422
    assert wanted in text(answer.text)
    assert "0912345678" not in answer.text
    assert entries(pages_db) == []


def test_an_operator_sees_and_changes_the_own_list(pages_db: Database, signed_in: In) -> None:
    pages_db.write(do_not_send.add, "viettel", ["0981234567"], "an")
    paper = signed_in("operator", "vnpt")
    assert "8498" not in paper.get("/do-not-send?carrier=viettel").text
    refused = paper.send("/do-not-send", "/do-not-send/add", carrier="viettel", numbers="0912345678")
    assert refused.status_code == 403
    assert len(entries(pages_db)) == 1
    reader = signed_in("auditor")
    assert "Đưa vào danh sách" not in text(reader.get("/do-not-send").text)
