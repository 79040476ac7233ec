"""The own account: another password, the sessions that are open, each act with the password once more."""

from __future__ import annotations

import re
from collections.abc import Callable

import pyotp
import pytest
from fastapi import FastAPI

from app.accounts import service
from app.core.config import Settings
from app.database.connection import Database
from app.security import create_key
from app.security.secret_encryption import vault_of
from tests.app.client import Client
from tests.long.app.web.conftest import PASSWORD, Paper, text

In = Callable[..., Paper]
NEW = "nam tu khac han nhau"
VAULT = vault_of(Settings(environment="development"))


@pytest.fixture
def elsewhere(pages_app: FastAPI) -> Paper:
    """Another browser of the same person."""
    return Paper(Client(pages_app))


def test_another_password_ends_the_other_sessions_and_keeps_this_one(signed_in: In, elsewhere: Paper) -> None:
    paper = signed_in("operator", "vnpt")
    elsewhere.sign_in("vnpt person")
    before = dict(paper.cookies)
    answer = paper.send("/account", "/account/password", password=PASSWORD, new=NEW)
    assert (answer.status_code, answer.headers["location"]) == (303, "/account")
    assert paper.cookies["loa_session"] != before["loa_session"]
    assert "Đã đổi mật khẩu" in text(paper.get("/account").text)
    assert elsewhere.get("/").status_code == 303
    assert elsewhere.sign_in("vnpt person").status_code == 401
    assert elsewhere.sign_in("vnpt person", NEW).status_code == 303


@pytest.mark.parametrize(
    ("fields", "status", "wanted"),
    [
        ({"password": "wrong", "new": NEW}, 401, "Sai mật khẩu hiện tại"),
        ({"password": PASSWORD, "new": "short"}, 422, "Mật khẩu dài từ"),
        ({"password": PASSWORD, "new": "matkhau congan"}, 422, "Mật khẩu quá dễ đoán"),
        ({"new": NEW}, 401, "Sai mật khẩu hiện tại"),
    ],
)
def test_a_refusal_changes_nothing_and_repeats_no_password(
    signed_in: In, elsewhere: Paper, fields: dict[str, str], status: int, wanted: str
) -> None:
    paper = signed_in("operator", "vnpt")
    answer = paper.send("/account", "/account/password", **fields)
    assert answer.status_code == status
    assert wanted in answer.text
    assert not any(f'value="{each}"' in answer.text for each in fields.values())
    assert elsewhere.sign_in("vnpt person").status_code == 303


def test_a_weak_new_password_is_told_at_its_own_field(signed_in: In) -> None:
    answer = signed_in("auditor").send("/account", "/account/password", password=PASSWORD, new="short")
    assert re.search(r'name="new"[^>]*aria-invalid="true"', answer.text)
    assert not re.search(r'name="password"[^>]*aria-invalid="true"', answer.text)


def test_the_second_factor_is_asked_for_where_one_is_set(pages_db: Database, signed_in: In) -> None:
    paper = signed_in("approver")
    secret, _ = pages_db.write(service.enrol, "approver person", "test", VAULT)
    code = pyotp.TOTP(secret).now()
    recovery = pages_db.write(service.confirm, "approver person", code, "test", VAULT)[0]
    assert paper.sign_in("approver person", code=recovery).status_code == 303
    refused = paper.send("/account", "/account/password", password=PASSWORD, new=NEW)
    assert refused.status_code == 401
    assert 'href="/second-factor"' in refused.text


def test_sessions_are_listed_and_ended_one_by_one(signed_in: In, elsewhere: Paper) -> None:
    paper = signed_in("auditor")
    elsewhere.sign_in("auditor person")
    page = paper.get("/account").text
    rows = re.findall(r"<tr><th scope=.row.*?</tr>", page, re.S)
    assert len(rows) == 2
    (other,) = [row for row in rows if "phiên này" not in row]
    number = re.findall(r'name="session" value="(\d+)"', other)[0]
    wrong = paper.send("/account", "/account/sessions", session=number, own_password="wrong")
    assert wrong.status_code == 401
    assert elsewhere.get("/").status_code == 200
    answer = paper.send("/account", "/account/sessions", session=number, own_password=PASSWORD)
    assert answer.status_code == 303
    assert elsewhere.get("/").status_code == 303
    assert "Các phiên đã kết thúc." in text(paper.get("/account").text)


def test_all_other_sessions_are_ended_at_once(signed_in: In, elsewhere: Paper) -> None:
    paper = signed_in("auditor")
    elsewhere.sign_in("auditor person")
    none = paper.send("/account", "/account/sessions", own_password=PASSWORD)
    assert none.status_code == 422
    assert paper.send("/account", "/account/sessions", all="yes", own_password=PASSWORD).status_code == 303
    assert paper.get("/account").status_code == 200
    assert elsewhere.get("/").status_code == 303


def test_nobody_ends_another_s_session(signed_in: In, elsewhere: Paper) -> None:
    paper = signed_in("admin")
    signed_in("auditor")  # the same browser is now the auditor's
    elsewhere.sign_in("admin person")
    number = re.findall(r'name="session" value="(\d+)"', elsewhere.get("/account").text)[0]
    paper.send("/account", "/account/sessions", session=number, own_password=PASSWORD)
    assert elsewhere.get("/").status_code == 200


def test_a_key_has_no_account(pages_db: Database, pages_app: FastAPI) -> None:
    with Client(pages_app, pages_db.write(create_key, "program", "auditor")) as program:
        assert program.get("/account").status_code == 403
