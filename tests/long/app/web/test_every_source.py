"""Every page and every form over every source of figures, for each role: an answer, never a fault of ours."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from jinja2 import nodes

from app.core.config import Settings
from app.database.connection import Database
from app.runtime.api_app import create_app
from app.security.roles import OPEN, PAGE_DOES, may
from app.web import rendering, routers
from tests.app.client import Client
from tests.every_source import PASSWORD, PEOPLE, SOURCES, addresses
from tests.long.app.web.conftest import Paper, token

PLENTY = {"requests_per_minute": 1_000_000, "stranger_requests_per_minute": 1_000_000}
ROUTES = {
    route.name: route for router in routers.ROUTERS for route in router.routes if isinstance(route, APIRoute)
}
# Streams, files of programs, and what leads elsewhere.
PAGES = [
    name
    for name, route in ROUTES.items()
    if "GET" in route.methods and not name.endswith(("_events", "_static", "_export"))
]
FORMS = [name for name in ROUTES if name.startswith(PAGE_DOES)]
QUERIES = {"page_outreach": "?addressee=Sở Tư pháp"}  # what an address needs beside its path
ROLES = ("", *PEOPLE)  # "": who has not signed in
CARRIERS = ("vnpt", "viettel")
_TEMPLATES = " ".join(file.read_text("utf-8") for file in sorted(rendering.FOLDER.rglob("*.html")))
_NAMED = re.findall(r'name="(\w+)"', _TEMPLATES) + re.findall(
    r'(?:field|area|choice)\(\w+, "(\w+)"', _TEMPLATES
)
FIELDS = sorted({*_NAMED, "digest", "line", "batch", "at", "kind", "id"} - {"csrf"})  # of all forms
Copied = Callable[[str], AbstractContextManager[Database]]


class Visitors:
    """The people of the scene at one application, each signed in once."""

    def __init__(self, db: Database, folder: Path, stack: ExitStack) -> None:
        self.db, self._stack = db, stack
        self._app: FastAPI = create_app(Settings(environment="development", data=folder, **PLENTY), db)
        self._known: dict[str, Paper] = {}
        self._tokens: dict[str, str] = {}

    def __getitem__(self, role: str) -> Paper:
        if role not in self._known:
            self._known[role] = Paper(self._stack.enter_context(Client(self._app)))
            if role:
                assert self._known[role].sign_in(PEOPLE[role].name, PASSWORD).status_code == 303
        return self._known[role]

    def token(self, role: str) -> dict[str, str]:
        """The token that this person's forms repeat, also after one of them has signed the person out."""
        if role and role not in self._tokens:
            self._tokens[role] = token(self[role].get("/account").text)
        return {"csrf": self._tokens[role]} if role else {}


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.prove)])
def readers(
    request: pytest.FixtureRequest, copied_scene: Copied, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Visitors]:
    """Who only looks: one copy of the scene for all of them."""
    with ExitStack() as stack:
        db = stack.enter_context(copied_scene(request.param))
        yield Visitors(db, tmp_path_factory.mktemp("readers"), stack)


@pytest.fixture
def writers(every_source: Database, tmp_path: Path) -> Iterator[Visitors]:
    with ExitStack() as stack:
        yield Visitors(every_source, tmp_path, stack)


@pytest.mark.parametrize("name", PAGES)
def test_every_page_is_shown_over_every_source_to_each_role(readers: Visitors, name: str) -> None:
    statuses: Counter[int] = Counter()
    for path in addresses(readers.db, ROUTES[name].path):
        for role in ROLES:
            answer = readers[role].get(path + QUERIES.get(name, ""))
            assert answer.status_code < 500, (path, role)
            statuses[answer.status_code] += 1
    assert statuses[200] or name == "page_panel_link", statuses  # a link that nobody has signed


@pytest.mark.parametrize("number", range(1, len(SOURCES) + 1), ids=SOURCES)
def test_the_pages_of_each_source_are_shown_to_those_who_may_see_them(readers: Visitors, number: int) -> None:
    for path in ("/campaigns/{}", "/directives/{}", "/reports/campaigns/{}", "/reports/directives/{}"):
        for role in ("admin", "approver", "auditor"):
            assert readers[role].get(path.format(number)).status_code == 200, (path, role)


# What a form may be sent with in every field: nothing, what nobody means, a number.
QUICKLY, THOROUGHLY = ("", "1"), ("", "?", "1")


@pytest.mark.parametrize("filled", [QUICKLY, pytest.param(THOROUGHLY, marks=pytest.mark.prove)])
@pytest.mark.parametrize("name", FORMS)
def test_every_form_is_answered_over_every_source_to_each_role(
    writers: Visitors, name: str, filled: tuple[str, ...]
) -> None:
    roles = [""] if name in OPEN else [role for role in PEOPLE if may(PEOPLE[role].role, name)]
    if filled is QUICKLY:  # one of the office and one of a carrier
        roles = [
            *[role for role in roles if role not in CARRIERS][:1],
            *[r for r in roles if r in CARRIERS][:1],
        ]
    for role in roles:
        for path in addresses(writers.db, ROUTES[name].path):
            for value in filled:
                fields = dict.fromkeys(FIELDS, value) if value else {}
                answer = writers[role].post(path, fields | writers.token(role))
                assert answer.status_code < 500, (path, role, value)


def test_every_inline_if_of_a_template_says_what_else() -> None:
    """What it leaves out would be the one undefined value that templates pass on in silence."""
    reading = rendering._templates("vi")
    for file in sorted(rendering.FOLDER.rglob("*.html")):
        for found in reading.parse(file.read_text("utf-8")).find_all(nodes.CondExpr):
            assert found.expr2 is not None, f"{file.name}:{found.lineno}"
