"""Every page, read word for word: nothing on it is English but names and what came as it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from html.parser import HTMLParser
from pathlib import Path

import pytest
from fastapi import FastAPI

from app.core.config import Settings
from app.database.connection import Database
from app.runtime.api_app import create_app
from tests.app.client import Client
from tests.e2e import scene
from tests.e2e.visits import VISITS, Visit
from tests.long.app.web.conftest import Paper, token
from tests.long.app.web.test_receipt_files import applied, hand_in

# What stands in these is data, as it came or as programs write it.
DATA = {"code", "pre"}
# Words that no Vietnamese has, with or without its marks, and few English sentences can do without.
ENGLISH = re.compile(
    r"\b(of|is|are|was|were|has|have|been|with|which|from|and|its|would|can't|must|should)\b", re.IGNORECASE
)
# The switch of the language says each in its own words.
OWN = ["English"]
PLENTY = {"requests_per_minute": 1_000_000, "stranger_requests_per_minute": 1_000_000}
VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}


class Reader(HTMLParser):
    """The words of a page by what its elements say of their language."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[tuple[str, str | None]] = []
        self.english: list[str] = []
        self.plain: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.plain += [
            values[name] or "" for name in ("title", "alt", "aria-label", "placeholder") if name in values
        ]
        if tag not in VOID:
            self.open.append((tag, values.get("lang")))

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not data.strip() or DATA & {tag for tag, _ in self.open}:
            return
        said = next((lang for _, lang in reversed(self.open) if lang), None)
        (self.english if said == "en" else self.plain).append(data.strip())


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    return reader


def english(page: str) -> list[str]:
    """What a Vietnamese reader would find in English."""
    found = read(page)
    return found.english + [words for words in found.plain if ENGLISH.search(words)]


@pytest.fixture
def visitors(pages_app: FastAPI) -> Iterator[Callable[[str], Paper]]:
    """Somebody of the scene who has signed in, each once; "": nobody."""
    known: dict[str, Paper] = {}
    with ExitStack() as stack:

        def work(who: str) -> Paper:
            if who not in known:
                known[who] = Paper(stack.enter_context(Client(pages_app)))  # each keeps cookies of its own
                if who:
                    assert known[who].sign_in(scene.PEOPLE[who].name, scene.PASSWORD).status_code == 303
            return known[who]

        yield work


@pytest.fixture
def pages_app(pages_db: Database, tmp_path: Path) -> FastAPI:
    return create_app(Settings(data=tmp_path, environment="development", **PLENTY), pages_db)


def looked_at(visitors: Callable[[str], Paper], visits: list[Visit]) -> dict[str, list[str]]:
    """The English of each page that has any."""
    found = {}
    for visit in visits:
        answer = visitors(visit.who).get(visit.path)
        assert answer.status_code == 200, visit.path
        assert '<html lang="vi">' in answer.text
        found[visit.name] = english(answer.text)
    return {name: words for name, words in found.items() if words not in (OWN, [])}


def test_no_page_of_a_province_at_work_has_english(
    pages_db: Database, visitors: Callable[[str], Paper]
) -> None:
    scene.build(pages_db)
    _furnish(visitors, pages_db)
    visits = [each for each in VISITS if not each.papers]
    assert len(visits) > 30
    assert looked_at(visitors, visits) == {}


def _furnish(visitors: Callable[[str], Paper], db: Database) -> None:
    """What the scene has not: a key, and a carrier's result file with a line that can't be read."""
    made = visitors("admin").send("/keys", "/keys", name="may-tinh-so-1", role="auditor")
    assert made.status_code == 201
    lines = ["Số điện thoại;Trạng thái;Thời gian", "0911000001;DELIVRD;29/01/2024 10:05", "0912;DELIVRD;"]
    answer = hand_in(visitors("vnpt"), "\n".join(lines).encode())
    assert answer.status_code == 303
    applied(db)


@pytest.mark.prove
def test_no_page_of_reports_and_erasures_has_english(
    pages_db: Database, visitors: Callable[[str], Paper]
) -> None:
    scene.reported(pages_db)
    visits = [each for each in VISITS if each.papers]
    visits += [Visit("proved", f"/reports/{n}?prove=true&against={3 - n}", papers=True) for n in (1, 2)]
    assert looked_at(visitors, visits) == {}


@pytest.mark.parametrize(
    ("who", "method", "path"),
    [
        ("admin", "GET", "/nowhere"),
        ("admin", "GET", "/runs/99"),
        ("admin", "GET", "/runs/x"),
        ("admin", "GET", "/reports/1?against=x"),
        ("admin", "GET", "/reports/runs/99"),
        ("vnpt", "GET", "/people"),
        ("admin", "POST", "/runs/1/start"),
        ("admin", "POST", "/overview/events"),
        ("admin", "DELETE", "/runs/1"),
        ("", "POST", "/sign-in"),
    ],
)
def test_no_page_of_an_error_has_english(
    pages_db: Database, visitors: Callable[[str], Paper], who: str, method: str, path: str
) -> None:
    scene.build(pages_db)
    paper = visitors(who)
    answer = paper.client.request(method, path, headers=paper._headers({}))
    assert answer.status_code >= 400
    assert english(answer.text) == OWN


def test_a_form_with_too_much_in_it_is_refused_in_vietnamese(
    pages_db: Database, visitors: Callable[[str], Paper]
) -> None:
    scene.build(pages_db)
    paper = visitors("admin")
    fields = {"csrf": token(paper.get("/compose").text)} | {f"f{n}": "x" for n in range(1100)}
    answer = paper.post("/compose", fields)
    assert answer.status_code == 400
    assert english(answer.text) == OWN


@pytest.mark.parametrize(
    ("page", "found"),
    [
        ('<p>Lô <span lang="en">It is so.</span></p>', ["It is so."]),
        ("<p>The run is over</p>", ["The run is over"]),
        ('<b aria-label="All of it">Lô</b>', ["All of it"]),
        ("<p>CANH BAO: khong chuyen tien</p><code>the run is over</code><br><i>Đợt</i>", []),
    ],
)
def test_english_on_a_page_is_found(page: str, found: list[str]) -> None:
    assert english(page) == found
