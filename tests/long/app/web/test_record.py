"""The audit: filtered, in parts, verified, exported; what people wrote is shown escaped."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import update

from app.database.connection import Database
from app.database.listing import ListRequest
from app.database.models import audit as table
from app.security import audit
from app.web.pages.audit_pages import sentence_of
from tests.e2e import scene
from tests.long.app.web.conftest import Paper, text
from tests.operations import OPERATIONS

In = Callable[..., Paper]


@pytest.fixture
def written(pages_db: Database) -> Database:
    """Sixty acts of two people."""
    for n in range(60):
        who = "lan" if n % 2 else "mai (command line)"
        pages_db.write(audit.note, who, "run.start" if n % 3 else "batch.import", f"run {n}", n=n)
    pages_db.write(audit.note, "lan", "text.note", "x", said="<b>" + "d" * 200)
    return pages_db


def numbers(page: str) -> list[int]:
    return [int(each) for each in re.findall(r'<th scope="row" class="n">(\d+)</th>', page)]


def test_acts_are_found_by_who_what_and_on_what(written: Database, signed_in: In) -> None:
    paper = signed_in("auditor")
    found = paper.get("/audit?who=lan&action=run.&subject=run+5").text
    assert {int(n) for n in re.findall(r"<code>run (\d+)</code>", found)} == {5, 53, 55, 59}
    assert 'value="run 5"' in found
    assert "Không có dòng nào phù hợp." in text(paper.get("/audit?who=nobody").text)
    assert paper.get("/audit?subject=100%25_").status_code == 200
    assert numbers(paper.get("/audit?subject=%25").text) == []
    page = paper.get("/audit?who=%22%3E%3Cscript%3E").text
    assert "><script>" not in page


def test_the_history_of_one_thing_is_that_of_no_other(pages_db: Database, signed_in: In) -> None:
    scene.build(pages_db)
    for n in (1, 10, 11, 111):
        pages_db.write(audit.note, "lan", "campaign.create", f"campaign/{n}", name="x")
    paper = signed_in("auditor")
    page = paper.get("/campaigns/1").text
    (path,) = re.findall(r'class="history" href="([^"]*)"', page)
    found = paper.get(path.replace("&amp;", "&")).text
    assert set(re.findall(r"<code>(campaign/\d+)</code>", found)) == {"campaign/1"}
    for path in ("/runs/1", "/batches/2", "/directives/1", "/links"):
        assert 'class="history" href="/audit?subject=' in paper.get(path).text, path
    assert 'class="history"' not in signed_in("operator", "viettel").get("/runs/1").text  # who sees no audit


def test_an_act_is_a_sentence_with_the_way_to_what_it_was_done_to(written: Database, signed_in: In) -> None:
    written.write(audit.note, "lan", "run.start", "run/7", version=1)
    written.write(audit.note, "lan", "nothing.known", "moon/1")
    page = signed_in("auditor").get("/audit?who=lan").text
    assert '<strong>lan</strong> bắt đầu <a href="/runs/7">đợt gửi 7</a>' in page
    assert "<strong>lan</strong> <code>nothing.known</code> moon/1" in page


def test_every_act_of_the_code_has_its_sentence() -> None:
    source = "".join(file.read_text("utf-8") for file in Path("app").rglob("*.py") if "web" not in file.parts)
    noted = {each for each in re.findall(r'\bnote\([^"()]*"([a-z_.-]+)"', source) if "." in each}
    assert len(noted) > 20
    assert {each for each in noted if sentence_of(each) is None} == set()
    changing = {each.name: each.action for each in OPERATIONS.values() if not each.reads}
    assert len(changing) > 50
    unsaid = {name for name, action in changing.items() if sentence_of(action) is None}
    assert unsaid == {"preview_text", "find_person"}  # changes nothing; notes person.find itself


def test_a_filter_stays_on_the_further_pages(written: Database, signed_in: In) -> None:
    paper = signed_in("auditor")
    for _ in range(25):
        written.write(audit.note, "lan", "run.start", "run 1")
    page = paper.get("/audit?who=lan").text
    further = re.findall(r'rel="next" href="([^"]+)"', page)[0].replace("&amp;", "&")
    assert "who=lan" in further
    rest = paper.get(further).text
    assert numbers(rest)
    assert "command line" not in rest


def test_what_people_wrote_is_shown_escaped_and_folded_where_it_is_long(
    written: Database, signed_in: In
) -> None:
    page = signed_in("auditor").get("/audit?action=text").text
    assert "<b>d" not in page
    assert "&lt;b&gt;d" in page
    assert "<details><summary>xem</summary>" in page


def test_the_chain_is_verified_and_a_changed_act_is_named(written: Database, signed_in: In) -> None:
    paper = signed_in("auditor")
    assert "nguyên vẹn" in text(paper.get("/audit/verification").text)
    written.write(lambda c: c.execute(update(table).where(table.c.id == 7).values(who="somebody else")))
    said = text(paper.get("/audit/verification").text)
    assert "Nhật ký không còn như khi được ghi." in said
    assert "7" in said


def test_every_act_is_exported_as_a_line(written: Database, signed_in: In) -> None:
    answer = signed_in("auditor").get("/audit/acts.jsonl")
    assert answer.headers["content-disposition"] == 'attachment; filename="loa-audit.jsonl"'
    lines = [json.loads(line) for line in answer.text.splitlines()]
    last = written.read(audit.listed, ListRequest(), 1).items[0].id
    assert [line["id"] for line in lines] == list(range(1, last + 1))
    assert lines[1]["who"] == "lan"
    assert len(lines[0]["hash"]) == 64
