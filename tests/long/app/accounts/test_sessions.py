"""Sessions: what the cookie is, when it is over, and that no foreign page can use it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pyotp
import pytest
from fastapi import FastAPI
from sqlalchemy import select, update

from app.accounts.service import disable_person, remove_factor
from app.core.config import Settings
from app.core.errors import Unauthorised
from app.database.connection import Database
from app.database.models import people, sessions
from app.runtime.api_app import create_app
from app.security import sessions as stage
from app.security.sessions import Lifetime
from tests.app.client import Client
from tests.engines import by_default, on_sqlite
from tests.long.app.accounts.conftest import COOKIE, PASSWORD, Browser

database_url = by_default

Add = Callable[..., str]
DAY = Lifetime(timedelta(minutes=30), timedelta(hours=12))


def test_a_person_signs_in_is_known_and_signs_out(browser: Browser, add: Add) -> None:
    answer = browser.sign_in(add("lan", "auditor"))
    assert answer.status_code == 201
    me = browser.ask("GET", "/v1/me").json()
    assert (me["name"], me["role"], me["csrf_token"]) == ("lan", "auditor", browser.csrf)
    assert browser.ask("DELETE", "/v1/session").status_code == 204
    assert browser.ask("GET", "/v1/me").status_code == 401


@on_sqlite
def test_the_cookie_is_for_this_host_over_tls_only_and_no_script_reads_it(db: Database, add: Add) -> None:
    with Client(create_app(Settings(), db)) as client:
        answer = client.post("/v1/session", json={"name": add("lan"), "password": PASSWORD})
    said = answer.headers["set-cookie"]
    assert said.startswith("__Host-loa_session=loas_")
    for word in ("HttpOnly", "Secure", "SameSite=lax", "Path=/"):
        assert word in said
    assert "Max-Age" not in said
    assert "Domain" not in said


@on_sqlite
def test_the_token_is_stored_as_a_hash(browser: Browser, add: Add, db: Database) -> None:
    browser.sign_in(add("lan"))
    row = db.read(lambda c: c.execute(select(sessions)).one())
    assert browser.cookie.encode() not in row.token_hash
    assert len(row.token_hash) == 32


@on_sqlite
@pytest.mark.parametrize("headers", [{"X-CSRF-Token": ""}, {"X-CSRF-Token": "loac_" + "0" * 64}])
def test_a_change_by_cookie_needs_the_csrf_token(browser: Browser, add: Add, headers: dict[str, str]) -> None:
    browser.sign_in(add("lan", "admin"))
    refused = browser.ask("POST", "/v1/texts/preview", json={"text": "x"}, headers=headers)
    assert (refused.status_code, refused.json()["type"]) == (403, "/docs/errors#csrf")
    assert browser.ask("GET", "/v1/runs", headers=headers).status_code == 200
    assert browser.ask("POST", "/v1/texts/preview", json={"text": "x"}).status_code == 200


@on_sqlite
def test_another_session_s_csrf_token_is_none(browser: Browser, add: Add) -> None:
    browser.sign_in(add("lan", "admin"))
    old = browser.csrf
    browser.sign_in("lan")
    wrong = browser.ask("POST", "/v1/texts/preview", json={"text": "x"}, headers={"X-CSRF-Token": old})
    assert wrong.status_code == 403


@on_sqlite
def test_a_key_needs_no_csrf_token(client: Client) -> None:
    assert client.post("/v1/texts/preview", json={"text": "x"}).status_code == 200


@pytest.mark.parametrize(
    ("column", "minutes", "status"),
    [("seen_at", 29, 200), ("seen_at", 31, 401), ("created_at", 11 * 60, 200), ("created_at", 13 * 60, 401)],
)
def test_a_session_ends_by_idling_and_by_age_and_is_not_listed_any_more(
    browser: Browser, elsewhere: Browser, add: Add, db: Database, column: str, minutes: int, status: int
) -> None:
    browser.sign_in(add("lan"))
    elsewhere.sign_in("lan")
    other, own = (each["id"] for each in elsewhere.ask("GET", "/v1/me/sessions").json())
    earlier = sessions.c[column] - minutes * 60_000
    db.write(lambda c: c.execute(update(sessions).where(sessions.c.id == own).values({column: earlier})))
    listed = [each["id"] for each in elsewhere.ask("GET", "/v1/me/sessions").json()]
    assert listed == ([other, own] if status == 200 else [other])
    assert browser.ask("GET", "/v1/me").status_code == status


@on_sqlite
def test_a_request_keeps_a_session_alive(browser: Browser, add: Add, db: Database) -> None:
    browser.sign_in(add("lan"))
    for _ in range(3):
        db.write(lambda c: c.execute(update(sessions).values(seen_at=sessions.c.seen_at - 20 * 60_000)))
        assert browser.ask("GET", "/v1/me").status_code == 200


def test_sessions_that_are_over_are_dropped_at_the_next_sign_in(
    browser: Browser, add: Add, db: Database
) -> None:
    browser.sign_in(add("lan"))
    db.write(lambda c: c.execute(update(sessions).values(created_at=0)))
    browser.sign_in("lan")
    assert len(db.read(lambda c: c.execute(select(sessions)).all())) == 1


def test_another_password_ends_every_session_but_the_new_one(
    browser: Browser, add: Add, application: FastAPI
) -> None:
    browser.sign_in(add("lan"))
    with Client(application) as client:
        elsewhere = Browser(client)
        elsewhere.sign_in("lan")
        new = "nam tu khac chang lien quan"
        wrong = browser.ask("PUT", "/v1/me/password", json={"present": "wrong" * 4, "new": new})
        assert wrong.status_code == 401
        changed = browser.ask("PUT", "/v1/me/password", json={"present": PASSWORD, "new": new})
        assert changed.status_code == 200
        assert browser.ask("GET", "/v1/me").status_code == 401
        browser.take(changed)
        assert browser.ask("GET", "/v1/me").status_code == 200
        assert elsewhere.ask("GET", "/v1/me").status_code == 401
        assert elsewhere.sign_in("lan").status_code == 401
        assert elsewhere.sign_in("lan", new).status_code == 201


def test_another_sign_in_ends_the_session_that_it_replaces(browser: Browser, add: Add) -> None:
    browser.sign_in(add("lan"))
    old = browser.cookie
    again = browser.ask("POST", "/v1/session", json={"name": "lan", "password": PASSWORD})
    browser.take(again)
    assert browser.ask("GET", "/v1/me").status_code == 200
    browser.cookie = old
    assert browser.ask("GET", "/v1/me").status_code == 401


def enrol(browser: Browser) -> tuple[str, str]:
    """Set up a second factor by this browser; its secret, and the code that confirmed it."""
    secret = browser.ask("POST", "/v1/me/totp", json={"password": PASSWORD}).json()["secret"]
    code = pyotp.TOTP(secret).now()
    assert browser.ask("POST", "/v1/me/totp/confirm", json={"code": code}).status_code == 200
    return str(secret), code


@pytest.fixture
def elsewhere(application: FastAPI) -> Iterator[Browser]:
    """Another browser of the same person."""
    with Client(application) as client:
        yield Browser(client)


@pytest.fixture
def stranger(application: FastAPI) -> Iterator[Browser]:
    """The browser of somebody else."""
    with Client(application) as client:
        yield Browser(client)


def test_a_second_factor_that_is_added_ends_the_other_sessions(
    browser: Browser, elsewhere: Browser, add: Add
) -> None:
    browser.sign_in(add("lan"))
    elsewhere.sign_in("lan")
    enrol(browser)
    assert browser.ask("GET", "/v1/me").status_code == 200
    assert elsewhere.ask("GET", "/v1/me").status_code == 401


@on_sqlite
def test_another_password_wants_the_second_factor_as_well(browser: Browser, add: Add, db: Database) -> None:
    browser.sign_in(add("lan"))
    secret, used = enrol(browser)
    change = {"present": PASSWORD, "new": "nam tu khac chang lien quan"}
    for code in (None, "000", used):
        assert browser.ask("PUT", "/v1/me/password", json=change | {"code": code}).status_code == 401
    db.write(lambda c: c.execute(update(people).values(totp_step=0)))
    right = change | {"code": pyotp.TOTP(secret).now()}
    assert browser.ask("PUT", "/v1/me/password", json=right).status_code == 200


def test_people_see_their_sessions_and_end_them(
    browser: Browser, elsewhere: Browser, stranger: Browser, add: Add
) -> None:
    browser.sign_in(add("lan"))
    elsewhere.sign_in("lan")
    stranger.sign_in(add("mai"))
    new, own = browser.ask("GET", "/v1/me/sessions").json()
    assert (new["current"], own["current"], own["address"]) == (False, True, "127.0.0.1")
    theirs = [each["id"] for each in stranger.ask("GET", "/v1/me/sessions").json()]
    wrong = {"password": "wrong password", "sessions": [new["id"]]}
    assert browser.ask("POST", "/v1/me/sessions/end", json=wrong).status_code == 401
    for _ in range(2):
        ending = {"password": PASSWORD, "sessions": [new["id"], *theirs]}
        assert browser.ask("POST", "/v1/me/sessions/end", json=ending).status_code == 204
    assert [each["id"] for each in browser.ask("GET", "/v1/me/sessions").json()] == [own["id"]]
    assert elsewhere.ask("GET", "/v1/me").status_code == 401
    assert stranger.ask("GET", "/v1/me").status_code == 200
    elsewhere.sign_in("lan")
    assert browser.ask("POST", "/v1/me/sessions/end", json={"password": PASSWORD}).status_code == 204
    assert [each["id"] for each in browser.ask("GET", "/v1/me/sessions").json()] == [own["id"]]


def test_an_admin_signs_somebody_out_everywhere(browser: Browser, add: Add, client: Client) -> None:
    browser.sign_in(add("lan"))
    for _ in range(2):
        assert client.post("/v1/users/lan/sign-out").status_code == 204
    assert browser.ask("GET", "/v1/me").status_code == 401
    assert client.post("/v1/users/nobody/sign-out").status_code == 404


def test_a_second_factor_that_is_taken_away_takes_the_sessions_with_it(
    browser: Browser, add: Add, db: Database
) -> None:
    browser.sign_in(add("lan"))
    db.write(remove_factor, "lan", "test", "came in person, service card shown")
    assert browser.ask("GET", "/v1/me").status_code == 401


def test_a_disabled_person_is_out_at_once(browser: Browser, add: Add, db: Database) -> None:
    browser.sign_in(add("lan"))
    db.write(disable_person, "lan", "test")
    assert browser.ask("GET", "/v1/me").status_code == 401
    assert browser.sign_in("lan").status_code == 401


@on_sqlite
def test_disabled_is_disabled_though_a_session_were_left(add: Add, db: Database) -> None:
    add("lan")
    token = db.write(stage.open_for, "lan", DAY)
    db.write(lambda c: c.execute(update(people).values(disabled_at=1)))
    with pytest.raises(Unauthorised):
        db.read(stage.find_session, token, DAY)


@on_sqlite
@pytest.mark.parametrize("cookie", ["", "loas_", "loas_" + "a" * 43, "\udcff", "x" * 5000])
def test_other_cookies_are_no_session(db: Database, cookie: str) -> None:
    with pytest.raises(Unauthorised):
        db.read(stage.find_session, cookie, DAY)


@on_sqlite
def test_a_key_has_no_password_and_no_second_factor(client: Client) -> None:
    me = client.get("/v1/me").json()
    assert (me["name"], me["role"], me["csrf_token"]) == ("tester", "admin", None)
    assert client.post("/v1/me/totp", json={"password": PASSWORD}).status_code == 403
    assert client.put("/v1/me/password", json={"present": PASSWORD, "new": PASSWORD}).status_code == 403
    assert client.get("/v1/me", headers=client.headers | {"Cookie": f"{COOKIE}=x"}).status_code == 200
