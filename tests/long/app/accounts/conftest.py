"""The application as a person at a browser meets it: sign-ins, cookies, CSRF tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from app.accounts.service import NewPerson, add_person
from app.core.config import Settings
from app.database.connection import Database
from app.runtime.api_app import create_app
from tests.app.client import Client
from tests.engines import sqlite_alone

# Who may what lies above the database; the matrix, sign-ins and sessions say that they want each engine.
database_url = sqlite_alone

PASSWORD = "bon tu chang lien quan"
COOKIE = "loa_session"
# Read once, as in tests/app/conftest.py.
_DEVELOPED = Settings(environment="development")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Development: the cookie goes over plain HTTP, as between a test and its application."""
    return _DEVELOPED.model_copy(update={"data": tmp_path})


@dataclass
class Browser:
    """Keeps the cookie by hand, and repeats the CSRF token as a page would."""

    client: Client
    cookie: str = ""
    csrf: str = ""

    def sign_in(self, name: str, password: str = PASSWORD, **more: Any) -> httpx.Response:
        answer = self.client.post("/v1/session", json={"name": name, "password": password, **more})
        self.take(answer)
        return answer

    def take(self, answer: httpx.Response) -> None:
        """What a browser keeps of an answer."""
        if answer.is_success and COOKIE in answer.cookies:
            self.cookie, self.csrf = answer.cookies[COOKIE], answer.json()["csrf_token"]

    def ask(self, method: str, url: str, **options: Any) -> httpx.Response:
        headers = {"Cookie": f"{COOKIE}={self.cookie}", "X-CSRF-Token": self.csrf}
        return self.client.request(method, url, headers=headers | options.pop("headers", {}), **options)


@pytest.fixture
def add(db: Database) -> Callable[..., str]:
    """Adds a person with the password of all tests; its name."""

    def work(name: str, role: str = "approver", carrier: str | None = None) -> str:
        db.write(add_person, NewPerson(name, role, carrier), PASSWORD, "test")
        return name

    return work


@pytest.fixture
def browser(application: FastAPI) -> Iterator[Browser]:
    with Client(application) as client:
        yield Browser(client)


@pytest.fixture
def other_process(settings: Settings, database_url: str, db: Database) -> Iterator[Client]:
    """A second application over the same database: with its own connections, where the engine lets it."""
    beside = db if db.sqlite else Database(database_url)
    with Client(create_app(settings, beside)) as client:
        yield client
    if beside is not db:
        beside.close()
