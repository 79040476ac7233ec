"""To come in and to go: the form's session is that of the API, with its throttle, token and errors."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path

import pyotp
import pytest
from fastapi import FastAPI

from app.accounts import service
from app.accounts.service import NewPerson, add_person
from app.core.config import Settings
from app.database.connection import Database
from app.runtime.api_app import create_app
from app.security.secret_encryption import vault_of
from tests.app.client import Client
from tests.long.app.accounts.scene import OWN, build
from tests.long.app.accounts.test_matrix import pages
from tests.long.app.web.conftest import PASSWORD, Paper, text, token

In = Callable[..., Paper]
VAULT = vault_of(Settings(environment="development"))


def test_without_a_session_every_page_leads_to_the_sign_in_and_back(paper: Paper, signed_in: In) -> None:
    answer = paper.get("/?x=1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=%2F%3Fx%3D1")
    form = paper.get(answer.headers["location"]).text
    assert 'name="next" value="/?x=1"' in form
    signed_in("auditor")
    assert paper.sign_in("auditor person", next="/?x=1").headers["location"] == "/?x=1"
    assert paper.get("/").status_code == 200


@pytest.mark.parametrize(
    "elsewhere",
    ["https://example.net/", "//example.net", "/\\example.net", "x", "", "/a\nb", "/" + "a" * 3000],
)
def test_the_way_leads_to_own_pages_only(signed_in: In, elsewhere: str) -> None:
    paper = signed_in()
    assert paper.sign_in("admin person", next=elsewhere).headers["location"] == "/"
    assert paper.post("/language", {"language": "en", "next": elsewhere}).headers["location"] == "/"


def test_a_wrong_password_is_told_on_the_form_which_keeps_the_name_alone(signed_in: In, paper: Paper) -> None:
    signed_in()
    answer = paper.sign_in("admin person", "wrong password", code="123456")
    assert answer.status_code == 401
    assert 'value="admin person"' in answer.text
    assert "wrong password" not in answer.text
    assert "123456" not in answer.text
    assert "Sai tên, mật khẩu hoặc mã" in answer.text


def test_what_is_missing_is_told_at_its_field(paper: Paper) -> None:
    answer = paper.post("/sign-in", {"name": "lan"})
    assert answer.status_code == 422
    assert "Chưa nhập mật khẩu." in answer.text
    assert 'aria-describedby="d-password"' in answer.text


def test_the_throttle_is_that_of_the_api(paper: Paper) -> None:
    for _ in range(15):  # each pause is twice as long, so one of them is longer than an attempt takes
        answer = paper.sign_in("lan", "wrong password")
        if answer.status_code != 401:
            break
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) >= 1
    assert "Nhập sai quá nhiều lần" in text(answer.text)


def test_the_second_factor_is_asked_for(pages_db: Database, paper: Paper, signed_in: In) -> None:
    signed_in("approver")
    secret, _ = pages_db.write(service.enrol, "approver person", "test", VAULT)
    code = pyotp.TOTP(secret).now()
    recovery = pages_db.write(service.confirm, "approver person", code, "test", VAULT)[0]
    assert paper.sign_in("approver person").status_code == 401
    assert paper.sign_in("approver person", code=recovery).status_code == 303


def test_a_password_keeps_its_blanks(pages_db: Database, paper: Paper) -> None:
    odd = "  blanks around it  "
    pages_db.write(service.add_person, service.NewPerson("lan", "admin"), odd, "test")
    assert paper.sign_in("lan", odd.strip()).status_code == 401
    assert paper.sign_in("lan", odd).status_code == 303


def test_a_form_of_another_site_signs_nobody_in(signed_in: In) -> None:
    paper = signed_in()
    fields = {"name": "admin person", "password": PASSWORD}
    assert paper.post("/sign-in", fields, sec_fetch_site="cross-site").status_code == 403
    assert paper.post("/sign-in", fields, sec_fetch_site="same-origin").status_code == 303


def test_signing_out_wants_the_token_and_ends_the_session(signed_in: In) -> None:
    paper = signed_in()
    for fields in ({}, {"csrf": "loac_" + "0" * 64}):
        refused = paper.post("/sign-out", fields)
        assert refused.status_code == 403
        assert "Biểu mẫu đã cũ" in text(refused.text)
    kept = dict(paper.cookies)
    answer = paper.send("/", "/sign-out")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
    assert "Bạn đã đăng xuất." in text(paper.get("/sign-in").text)
    assert "Bạn đã đăng xuất." not in text(paper.get("/sign-in").text)
    paper.cookies = kept
    assert paper.get("/").status_code == 303


def test_the_token_of_another_session_is_refused(pages_app: FastAPI, signed_in: In) -> None:
    paper = signed_in()
    with Client(pages_app) as client:
        other = Paper(client)
        other.sign_in("admin person")
        stolen = token(other.get("/").text)
    assert paper.post("/sign-out", {"csrf": stolen}).status_code == 403


def test_the_switch_of_languages_is_kept(signed_in: In) -> None:
    paper = signed_in()
    assert '<html lang="vi">' in paper.get("/").text
    assert paper.post("/language", {"language": "en", "next": "/"}).status_code == 303
    assert '<html lang="en">' in paper.get("/").text
    paper.post("/language", {"language": "xx", "next": "/"})
    assert '<html lang="en">' in paper.get("/").text


@pytest.mark.parametrize(
    "said", ["x", "W10", "WyJub25lIG9mIG91cnMiLHt9XQ", "WyJZb3UgaGF2ZSBzaWduZWQgb3V0LiIsMV0"]
)
def test_a_cookie_that_is_none_of_ours_says_nothing(paper: Paper, said: str) -> None:
    paper.cookies["loa_said"] = said
    answer = paper.get("/sign-in")
    assert answer.status_code == 200
    assert 'role="status"' not in answer.text


def test_pages_are_counted_by_session_and_sign_ins_by_address(pages_db: Database, tmp_path: Path) -> None:
    few = Settings(
        data=tmp_path, environment="development", requests_per_minute=30, stranger_requests_per_minute=10
    )
    pages_db.write(add_person, NewPerson("lan", "admin"), PASSWORD, "test")
    application = create_app(few, pages_db)
    with Client(application) as client, Client(application) as other:
        paper, stranger = Paper(client), Paper(other)
        assert paper.sign_in("lan").status_code == 303
        answers = [paper.get("/texts") for _ in range(40)]
        assert {each.headers["RateLimit-Limit"] for each in answers[1:]} == {"30"}
        assert answers[-1].status_code == 429
        assert "text/html" in answers[-1].headers["Content-Type"]
        assert paper.post("/language", {"language": "en", "next": "/"}).status_code == 429
        assert stranger.get("/sign-in").status_code == 200
        assert 429 in [stranger.get("/sign-in").status_code for _ in range(20)]
        assert stranger.get("/healthz").status_code == 200


def test_every_cookie_is_for_this_host_alone_and_no_script_reads_it(
    pages_db: Database, tmp_path: Path
) -> None:
    """In production: the session's, the language's, and that of what is said once, left and taken back."""
    settings = Settings(data=tmp_path, second_factor_roles=())
    pages_db.write(add_person, NewPerson("lan", "admin"), PASSWORD, "test")
    with Client(create_app(settings, pages_db)) as client:
        paper = Paper(client)
        answers = [
            paper.sign_in("lan"),
            paper.post("/language", {"language": "en", "next": "/"}),
            paper.send("/account", "/sign-out"),
            paper.get("/sign-in"),
        ]
        english = paper.get("/sign-in").text
    said = [line for answer in answers for line in answer.headers.get_list("set-cookie")]
    names = [line.partition("=")[0] for line in said]
    assert sorted(set(names)) == ["__Host-loa_lang", "__Host-loa_said", "__Host-loa_session"]
    assert names.count("__Host-loa_said") == names.count("__Host-loa_session") == 2
    for line in said:
        assert {"HttpOnly", "Secure", "SameSite=lax", "Path=/"} <= set(line.split("; ")[1:])
        assert "Domain" not in line
    assert answers[2].headers["Clear-Site-Data"] == '"cache", "storage"'
    assert '<html lang="en">' in english


def test_a_cookie_of_another_name_says_nothing_in_production(pages_db: Database, tmp_path: Path) -> None:
    """A neighbour's page on another port or host can leave one without the prefix, and no other."""
    said = base64.urlsafe_b64encode(b'["You have signed out.", {}]').decode()
    with Client(create_app(Settings(data=tmp_path), pages_db)) as client:
        for name, told in (("loa_said", 0), ("__Host-loa_said", 1)):
            page = client.get("/sign-in", headers={"Cookie": f"{name}={said}; loa_lang=en"}).text
            assert page.count('role="status"') == told
            assert '<html lang="vi">' in page


@pytest.mark.prove
def test_every_page_of_who_has_signed_in_has_the_way_out(pages_db: Database, signed_in: In) -> None:
    build(pages_db)
    paper, seen = signed_in("admin"), 0
    for path in sorted({OWN.path(each.path) for each in pages() if each.method == "GET"}):
        # Nobody sits at a wall screen, and its key is revoked on the page of keys; nobody has signed in where
        # a personal link of the panel leads.
        if path.startswith(("/static/", "/sign-in", "/verify", "/wall", "/panel/")):
            continue
        if path.endswith("/events"):
            continue
        answer = paper.get(path)
        if answer.headers.get("content-type", "").startswith("text/html"):
            assert 'action="/sign-out"' in answer.text, path
            seen += 1
    assert seen > 30
