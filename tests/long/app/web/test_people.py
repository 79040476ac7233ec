"""People: let in, given another password, signed out, disabled; what is refused stands on the form."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import quote

import pytest
from fastapi import FastAPI

from app.database.connection import Database
from app.database.listing import ListRequest
from app.security import audit, users
from tests.app.client import Client
from tests.long.app.web.conftest import PASSWORD, Paper, text

In = Callable[..., Paper]
NEW = {"name": "Lò Thị Mai", "role": "operator", "carrier": "vnpt", "password": PASSWORD}
PATH = f"/people/{quote(NEW['name'])}"


@pytest.fixture
def other(pages_app: FastAPI) -> Paper:
    """Another browser."""
    return Paper(Client(pages_app))


def test_a_person_is_let_in_and_stands_in_the_list(pages_db: Database, signed_in: In, other: Paper) -> None:
    paper = signed_in("admin")
    answer = paper.send("/people", "/people", **NEW)
    assert (answer.status_code, answer.headers["location"]) == (303, "/people")
    page = paper.get("/people").text
    assert f'href="{PATH}"' in page
    assert PASSWORD not in page
    said = text(page)
    assert "Lò Thị Mai đã có thể đăng nhập." in said
    assert re.search("Lò Thị Mai người vận hành .* chưa cài đặt", said)
    assert other.sign_in(NEW["name"]).status_code == 303
    assert pages_db.read(audit.listed, ListRequest(), 1).items[0].action == "person.add"


@pytest.mark.parametrize(
    ("wrong", "where", "wanted"),
    [
        ({"name": "admin person"}, "name", "Đã có người dùng tên admin person"),
        ({"name": " "}, "name", "phải là tên: bắt đầu bằng chữ"),
        ({"role": "king"}, "role", "không có lựa chọn này"),
        ({"role": "operator", "carrier": ""}, "carrier", "Người vận hành phải thuộc một nhà mạng"),
        ({"role": "admin", "carrier": "vnpt"}, "carrier", "Người vận hành phải thuộc một nhà mạng"),
        ({"password": "short"}, "password", "Mật khẩu dài từ"),
        ({"password": "congan123456"}, "password", "Mật khẩu quá dễ đoán"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(
    pages_db: Database, signed_in: In, wrong: dict[str, str], where: str, wanted: str
) -> None:
    answer = signed_in("admin").send("/people", "/people", **(NEW | wrong))
    assert answer.status_code in (409, 422)
    assert wanted in answer.text
    assert f'aria-describedby="d-{where}"' in answer.text
    assert (NEW | wrong)["password"] not in answer.text
    assert [each.name for each in pages_db.read(users.everybody)] == ["admin person"]


def test_another_password_ends_the_sessions_and_the_old_one(signed_in: In, other: Paper) -> None:
    paper = signed_in("admin")
    paper.send("/people", "/people", **NEW)
    other.sign_in(NEW["name"])
    weak = paper.send(PATH, f"{PATH}/password", password="12345678")
    assert weak.status_code == 422
    assert other.get("/").status_code == 200
    assert paper.send(PATH, f"{PATH}/password", password="nam tu khac han nhau").status_code == 303
    assert "đã có mật khẩu mới" in text(paper.get("/people").text)
    assert other.get("/").status_code == 303
    assert other.sign_in(NEW["name"]).status_code == 401
    assert other.sign_in(NEW["name"], "nam tu khac han nhau").status_code == 303


def test_a_person_is_signed_out_everywhere_and_may_come_back(signed_in: In, other: Paper) -> None:
    paper = signed_in("admin")
    paper.send("/people", "/people", **NEW)
    other.sign_in(NEW["name"])
    assert paper.send(PATH, f"{PATH}/sign-out").status_code == 303
    assert other.get("/").status_code == 303
    assert other.sign_in(NEW["name"]).status_code == 303


def test_a_person_who_is_disabled_is_let_in_no_more(signed_in: In, other: Paper) -> None:
    paper = signed_in("admin")
    paper.send("/people", "/people", **NEW)
    assert "Khóa hẳn" in text(paper.get(PATH).text)
    assert paper.send(PATH, f"{PATH}/disable").status_code == 303
    assert "đã khóa lúc" in text(paper.get("/people").text)
    assert "Khóa hẳn" not in text(paper.get(PATH).text)
    assert other.sign_in(NEW["name"]).status_code == 401


def test_the_only_administrator_stays(signed_in: In) -> None:
    paper = signed_in("admin")
    answer = paper.send("/people/admin%20person", "/people/admin%20person/disable")
    assert answer.status_code == 409
    assert "là quản trị viên duy nhất" in answer.text
    assert paper.get("/people").status_code == 200


def test_who_is_not_there_is_not_found(signed_in: In) -> None:
    assert signed_in("admin").get("/people/nobody").status_code == 404
