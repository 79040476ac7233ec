"""Whose request it was: log and record say who called, and from where as far as that can be believed."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from app.accounts import service
from app.accounts.service import NewPerson
from app.core.config import Settings
from app.database.connection import Database
from app.observability import logs
from app.runtime.api_app import create_app
from app.security import audit, create_key
from tests.app.client import Client

LETTER = {"number": "1/CV", "issued_on": "2031-01-29", "issuer": "Công an tỉnh", "subject": "Tuyên truyền"}
FORGED = {"X-Forwarded-For": "198.51.100.7, 203.0.113.9"}


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    """The lines about requests."""
    found = map(json.loads, stream.getvalue().splitlines())
    return [line for line in found if line["event"] == "request"]


@pytest.mark.parametrize(
    ("trusted", "origin"), [((), "127.0.0.1"), (("127.0.0.1",), "203.0.113.9"), (("10.0.0.1",), "127.0.0.1")]
)
def test_the_record_says_the_address_that_a_trusted_proxy_says_and_no_other(
    db: Database, trusted: tuple[str, ...], origin: str
) -> None:
    settings = Settings.model_validate({"trusted_proxies": trusted})
    stream = io.StringIO()
    logs.configure(settings, stream)
    with Client(create_app(settings, db), db.write(create_key, "lan")) as client:
        assert client.post("/v1/directives", json=LETTER, headers=FORGED).status_code == 201
    assert db.read(audit.listed, 0, 10).items[-1].origin == origin
    assert [(line["who"], line["origin"]) for line in lines(stream)] == [("lan", origin)]


def test_refusals_are_logged_with_who_asked(db: Database) -> None:
    stream = io.StringIO()
    logs.configure(Settings(), stream)
    with Client(create_app(Settings(), db), db.write(create_key, "anh", "auditor")) as client:
        assert client.post("/v1/directives", json=LETTER).status_code == 403
        assert client.get("/v1/runs/9").status_code == 404
        client.headers.clear()
    with Client(create_app(Settings(), db)) as stranger:
        assert stranger.get("/v1/runs").status_code == 401
    found = [(line["status"], line["who"], line["origin"]) for line in lines(stream)]
    assert found == [(403, "anh", "127.0.0.1"), (404, "anh", "127.0.0.1"), (401, "", "127.0.0.1")]


@pytest.mark.longer
def test_signing_in_is_logged_and_what_was_typed_in_vain_is_not(db: Database) -> None:
    db.write(service.add_person, NewPerson("binh", "approver"), "bốn từ chẳng liên quan", "tester")
    stream = io.StringIO()
    logs.configure(Settings(), stream)
    with Client(create_app(Settings(), db)) as client:
        for name, password in (("binh", "bốn từ chẳng liên quan"), ("my-password-1", "x"), ("binh", "wrong")):
            client.post("/v1/session", json={"name": name, "password": password})
    assert [(line["status"], line["who"]) for line in lines(stream)] == [(201, "binh"), (401, ""), (401, "")]
    assert "my-password-1" not in stream.getvalue()


def test_a_method_that_is_none_stands_in_no_log(db: Database) -> None:
    stream = io.StringIO()
    logs.configure(Settings(), stream)
    with Client(create_app(Settings(), db)) as client:
        for method in ("GET0912345678", "GET"):
            client.request(method, "/healthz")
    assert [line["method"] for line in lines(stream)] == ["other", "GET"]
    assert "0912345678" not in stream.getvalue()
