"""Pages as a browser without JavaScript gets them: cookies kept, forms filled in, on SQLite alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html import unescape
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import event

from app.accounts.service import NewPerson, add_person
from app.core.config import Settings
from app.database.connection import Database
from app.runtime.api_app import create_app
from tests.app.client import Client

PASSWORD = "bon tu chang lien quan"


@dataclass
class Paper:
    """Keeps cookies as a browser does, and sends a page's form with its hidden token."""

    client: Client
    cookies: dict[str, str] = field(default_factory=dict)

    def get(self, url: str, **headers: str) -> httpx.Response:
        return self._keep(self.client.get(url, headers=self._headers(headers)))

    def post(self, url: str, fields: dict[str, Any], **headers: str) -> httpx.Response:
        return self._keep(self.client.post(url, data=fields, headers=self._headers(headers)))

    def send(self, page: str, url: str, **fields: Any) -> httpx.Response:
        """What a person does: the form of this page, which goes to `url`, with these fields filled in."""
        return self.post(url, {"csrf": token(self.get(page).text)} | fields)

    def sign_in(self, name: str, password: str = PASSWORD, **fields: str) -> httpx.Response:
        return self.post("/sign-in", {"name": name, "password": password} | fields)

    def _headers(self, more: dict[str, str]) -> dict[str, str]:
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        named = {name.replace("_", "-"): value for name, value in more.items()}
        return {"Accept": "text/html"} | ({"Cookie": cookie} if cookie else {}) | named

    def _keep(self, answer: httpx.Response) -> httpx.Response:
        for line in answer.headers.get_list("set-cookie"):
            for name, morsel in SimpleCookie(line).items():
                self.cookies[name] = morsel.value
                if morsel["max-age"] == "0" or not morsel.value:
                    del self.cookies[name]
        return answer


def token(page: str) -> str:
    """The token that the page's forms repeat."""
    return re.findall(r'name="csrf" value="(\w+)"', page)[0]


def text(page: str) -> str:
    """What is read of a page: without tags, in single blanks."""
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", page)).split())


# Read once, as in tests/app/conftest.py.
_DEVELOPED = Settings(environment="development")


@pytest.fixture
def pages_db(sqlite_url: str) -> Iterator[Database]:
    database = Database(sqlite_url)
    yield database
    database.close()


@pytest.fixture
def pages_app(pages_db: Database, tmp_path: Path) -> FastAPI:
    """Development: the cookie goes over plain HTTP."""
    return create_app(_DEVELOPED.model_copy(update={"data": tmp_path}), pages_db)


@pytest.fixture
def paper(pages_app: FastAPI) -> Iterator[Paper]:
    """Somebody who has not signed in."""
    with Client(pages_app) as client:
        yield Paper(client)


@pytest.fixture
def signed_in(pages_db: Database, paper: Paper) -> Callable[..., Paper]:
    """Signs a new person of this role in."""

    def work(role: str = "admin", carrier: str | None = None) -> Paper:
        name = f"{carrier or role} person"
        pages_db.write(add_person, NewPerson(name, role, carrier), PASSWORD, "test")
        assert paper.sign_in(name).status_code == 303
        return paper

    return work


@pytest.fixture
def statements(pages_db: Database) -> Iterator[list[str]]:
    """What the database is asked from now on."""
    found: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_rest: object) -> None:
        found.append(statement)

    event.listen(pages_db.engine, "before_cursor_execute", note)
    yield found
    event.remove(pages_db.engine, "before_cursor_execute", note)
