"""The search box: a name, a number of anything, a person's telephone; and nothing of another carrier."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from urllib.parse import unquote_plus, urlencode

import pytest
from sqlalchemy import Connection, select

from app.database.connection import Database
from app.database.models import audit, batches, campaigns, directives
from tests.e2e import scene
from tests.long.app.web.conftest import Paper, text

In = Callable[..., Paper]


def paths(page: str) -> list[str]:
    return re.findall(r'scope="row"><a href="([^"]*)"', page.split("<main")[1])


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("gia danh", "/campaigns/1"),
        ("303/CAT", "/directives/1"),
        ("đợt 3", None),
        ("#4", None),
    ],
)
def test_a_single_thing_is_opened_and_several_are_listed(
    pages_db: Database, signed_in: In, words: str, wanted: str | None
) -> None:
    scene.build(pages_db)
    paper = signed_in("auditor")
    asked = paper.send("/", "/search", find=words)
    assert asked.status_code == 303
    answer = paper.get(asked.headers["location"])
    if wanted:
        assert (answer.status_code, answer.headers["location"]) == (303, wanted)
    else:
        number = re.sub(r"\D", "", words)
        assert {f"/runs/{number}", f"/batches/{number}"} <= set(paths(answer.text))


def test_what_is_found_has_its_stage_as_lists_have_it(pages_db: Database, signed_in: In) -> None:
    scene.build(pages_db)
    paper = signed_in("auditor")
    listed = dict(_badges(paper.get("/campaigns").text))
    found = dict(_badges(paper.get("/search?q=1").text))
    assert listed["/campaigns/1"] != "đã phê duyệt"
    assert found["/campaigns/1"] == listed["/campaigns/1"]
    assert found["/directives/1"] == listed["/campaigns/1"]


def _badges(page: str) -> list[tuple[str, str]]:
    """Each row's own link with its first badge."""
    return re.findall(r'scope="row"><a href="([^"]*)".*?class="badge[^>]*>([^<]*)<', page, re.DOTALL)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_what_has_the_number_and_what_has_it_in_its_name_stand_there_once(
    pages_db: Database, signed_in: In, number: int
) -> None:
    scene.build(pages_db)

    def known(c: Connection) -> Iterator[str]:
        named = {"campaigns": campaigns.c.name, "directives": directives.c.number, "batches": batches.c.name}
        for kind, name in named.items():
            for row in c.execute(select(name.table.c.id, name.label("name"))):
                if row.id == number or str(number) in row.name:
                    yield f"/{kind}/{row.id}"
        yield f"/runs/{number}"

    found = paths(signed_in("auditor").get(f"/search?q={number}").text)
    assert sorted(found) == sorted(pages_db.read(lambda c: list(known(c))))


def test_an_operator_finds_its_own_alone(pages_db: Database, signed_in: In) -> None:
    scene.build(pages_db)
    own = signed_in("operator", "vnpt")
    assert paths(own.get("/search?q=1").text) == ["/campaigns/1", "/directives/1", "/batches/2"]
    assert "Không tìm thấy." in text(own.get("/search?q=tien+ao").text)
    assert own.get("/search?q=%22%3E%3Cscript%3E").status_code == 200


def test_a_telephone_number_is_looked_up_and_comes_into_no_address(pages_db: Database, signed_in: In) -> None:
    scene.build(pages_db)
    paper = signed_in("admin")
    answer = paper.send("/", "/search", find="0912 000 001")
    assert answer.status_code == 200
    assert "Tra cứu một số" in text(answer.text)
    assert pages_db.read(lambda c: c.execute(select(audit.c.id).where(audit.c.action == "person.find")).all())
    assert paper.send("/", "/search", find="0912 000 001 x").headers["location"].startswith("/search?q=")


@pytest.mark.parametrize("role", ["admin", "approver"])  # the latter looks nobody up
@pytest.mark.parametrize(
    "words",
    [
        "0912000001",
        "0912 000 001 x",
        "84.912.000.001",
        "Lan: 912 000 001",
        "０９１２０００００１",
        "x" * 91 + "0912000001",
    ],
)
def test_a_number_among_words_is_masked_in_the_address_and_on_the_page(
    pages_db: Database, signed_in: In, role: str, words: str
) -> None:
    paper = signed_in(role)
    answer = paper.send("/", "/search", find=words)
    address = unquote_plus(answer.headers.get("location", ""))
    pages = [address, text(paper.get(address).text if address else answer.text)]
    pages.append(text(paper.get(f"/search?{urlencode({'q': words})}").text))  # typed into the address
    for page in pages:
        digits = re.sub(r"[^0-9*]", "", unicodedata.normalize("NFKC", page))
        assert "12000001" not in digits
        assert "120000" not in digits


def test_the_count_of_what_waits_stands_in_the_tab(pages_db: Database, signed_in: In) -> None:
    scene.build(pages_db)
    assert "<title>(1) " in signed_in("approver").get("/approvals").text
    assert "<title>Nhật ký" in signed_in("auditor").get("/audit").text
