"""Keys: a secret stands on one answer and on no page after it; a key is rotated and ended."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from fastapi import FastAPI

from app.database.connection import Database
from app.security import keys
from tests.app.client import Client
from tests.long.app.web.conftest import Paper, text, token

In = Callable[..., Paper]
SECRET = re.compile(r"loa_[0-9a-f]{8}_[A-Za-z0-9_-]{20,}")
NEW = {"name": "kho dữ liệu", "role": "auditor", "carrier": "", "expires_at": ""}


def works(app: FastAPI, key: str) -> bool:
    with Client(app, key) as client:
        return client.get("/v1/runs").status_code == 200


def made(paper: Paper, **fields: str) -> str:
    answer = paper.send("/keys", "/keys", **(NEW | fields))
    assert answer.status_code == 201, answer.text
    (secret,) = SECRET.findall(answer.text)
    return str(secret)


def test_without_keys_the_page_says_what_they_are_for(signed_in: In) -> None:
    assert "Chưa có khóa nào. Hãy tạo một khóa cho mỗi phần mềm dùng API." in text(
        signed_in("admin").get("/keys").text
    )


def test_a_secret_is_shown_once_and_never_again(signed_in: In, pages_app: FastAPI) -> None:
    paper = signed_in("admin")
    secret = made(paper)
    assert works(pages_app, secret)
    for address in ("/keys", "/keys/kho%20d%E1%BB%AF%20li%E1%BB%87u"):
        page = paper.get(address).text
        assert secret not in page
        assert secret[13:] not in page
        assert secret[:13] in page  # by what it begins with its owner finds it
    assert paper.get("/audit").text.count(secret) == 0


def test_the_form_sent_again_shows_no_secret(signed_in: In, pages_db: Database) -> None:
    paper = signed_in("admin")
    csrf = token(paper.get("/keys").text)
    assert paper.post("/keys", NEW | {"csrf": csrf}).status_code == 201
    again = paper.post("/keys", NEW | {"csrf": csrf})  # what loading the page anew does
    assert again.status_code == 409
    assert SECRET.findall(again.text) == []
    assert "Đã có khóa API tên kho dữ liệu" in again.text
    assert len(pages_db.read(keys.list_keys)) == 1


def test_the_answer_with_the_secret_is_kept_nowhere(signed_in: In) -> None:
    answer = signed_in("admin").send("/keys", "/keys", **NEW)
    assert answer.headers["cache-control"] == "no-store"
    assert "Mã này chỉ hiện một lần." in text(answer.text)


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ({"name": ""}, "name"),
        ({"role": "king"}, "role"),
        ({"role": "operator"}, "carrier"),
        ({"expires_at": "tomorrow"}, "expires_at"),
        ({"expires_at": "2020-01-01T00:00"}, "expires_at"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(
    signed_in: In, pages_db: Database, wrong: dict[str, str], where: str
) -> None:
    answer = signed_in("admin").send("/keys", "/keys", **(NEW | wrong))
    assert answer.status_code == 422
    assert re.search(rf'name="{where}"[^>]*aria-invalid="true"', answer.text)
    assert pages_db.read(keys.list_keys) == []


def test_another_secret_leaves_the_old_one_for_some_hours(signed_in: In, pages_app: FastAPI) -> None:
    paper = signed_in("admin")
    old, path = made(paper, name="a"), "/keys/a"
    answer = paper.send(path, f"{path}/rotate", overlap_hours="2")
    (new,) = SECRET.findall(answer.text)
    assert new != old
    assert works(pages_app, old)
    assert works(pages_app, new)
    assert "Mã bí mật cũ dùng được đến" in text(paper.get(path).text)
    assert paper.send(path, f"{path}/rotate", overlap_hours="x").status_code == 422
    (last,) = SECRET.findall(paper.send(path, f"{path}/rotate", overlap_hours="0").text)
    assert not works(pages_app, old)
    assert not works(pages_app, new)
    assert works(pages_app, last)


def test_a_key_is_ended_at_once(signed_in: In, pages_app: FastAPI) -> None:
    paper = signed_in("admin")
    secret = made(paper, name="a")
    assert "Không thể hoàn tác." in text(paper.get("/keys/a").text)
    assert paper.send("/keys/a", "/keys/a/revoke").status_code == 303
    assert not works(pages_app, secret)
    assert "đã thu hồi lúc" in text(paper.get("/keys").text)
    assert "Thu hồi hẳn" not in text(paper.get("/keys/a").text)
    assert paper.get("/keys/nobody").status_code == 404
