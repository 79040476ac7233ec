"""Long lists: searched, of some days, in an order; how long they are; each part by a link that keeps that."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from html import unescape
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select, update

from app.core import clock
from app.core.sending_window import Window, open_at
from app.database.connection import Database
from app.database.models import (
    audit,
    batches,
    campaigns,
    directives,
    do_not_send,
    erasures,
    frozen_reports,
    inbound_messages,
    notices,
    receipt_files,
    receipts,
    runs,
    unknowns,
)
from app.ledger.ledger import ledger_for
from app.web.stages import StageColumns
from tests.app.campaigns.rows import new_campaign, new_link
from tests.long.app.web.conftest import Paper, text

In = Callable[..., Paper]
ROWS, DAY = 130, 86_400_000
FIRST = 1_706_720_400_000  # midnight of 01/02/2024 in Vietnam; row n came n days later


def name(n: int) -> str:
    return f"Cảnh báo {n:03}"


def rows(**of: Any) -> list[dict[str, Any]]:
    """Rows of a table, a day after each other, every other one of vnpt."""
    return [{key: value(n) if callable(value) else value for key, value in of.items()} for n in range(ROWS)]


def at(n: int) -> int:
    return FIRST + n * DAY


def carrier(n: int) -> str:
    return ("vnpt", "viettel")[n % 2]


# fmt: off
def fill(c: Connection) -> None:
    made = {"created_at": at, "created_by": "x"}
    file = {"carrier": carrier, "name": name, "sha256": lambda n: f"{n:064}", "state": "ready"} | made
    phone = {"phone": lambda n: 84_912_000_000 + n}
    nth = {"subject_id": lambda n: n + 1}
    for table, of in (
        (directives, {"number": lambda n: f"{n:03}/CV", "issued_on": "2024-01-01", "issuer": "CAT",
                      "subject": name, "addressees": lambda _: []} | made),
        (campaigns, {"name": name, "purpose": "tuyen_truyen", "sender": "CA", "texts": lambda _: {"": "x"},
                     "directive_id": 1, "day_starts": "07:00", "day_ends": "21:00", "state": "draft"} | made),
        (runs, {"campaign_id": lambda n: n + 1, "carrier": carrier, "state": "planned", "created_at": at}),
        (batches, file | {"accepted": lambda n: 1000 - n}),
        (receipt_files, file),
        (notices, {"key": str, "kind": "directive.due", "channel": "email", "payload": lambda _: {},
                   "target": lambda n: f"canh-bao-{n:03}@x.vn", "state": "sent", "due_at": at,
                   "created_at": at}),
        (inbound_messages, {"received_at": at, "link_id": lambda n: n % 2 + 1, "destination": "9000",
                            "coding": 0, "text": name, "digest": lambda n: n, "arrival": str}),
        (do_not_send, phone | {"carrier": carrier, "added_at": at, "added_by": name}),
        (audit, {"id": lambda n: n + 1, "at": at, "who": name, "action": "batch.add", "subject": "batch/1",
                 "detail": lambda _: {}, "hash": "0" * 64}),
        (erasures, nth | {"kind": "batch", "name": name, "rule": "x", "days": 1, "due_at": at, "by": "x",
                          "counts": lambda _: {}, "totals": lambda _: [], "started_at": at, "ended_at": at}),
        (frozen_reports, nth | {"kind": "run", "carrier": carrier, "version": 1, "cutoff_at": at,
                                "interim": 1, "figures": "{}", "sha256": "0" * 64,
                                "changes": lambda _: []} | made),
        (unknowns, phone | {"campaign_id": 1, "batch_id": 1, "seq": lambda n: n + 2, "run_id": 1, "since": at,
                            "why": "x"}),
    ):
        c.execute(insert(table), rows(**of))
    new_link(c, "vnpt-1")
    new_link(c, "viettel-1", carrier="viettel")


def journal(c: Connection) -> None:
    of: dict[str, Any] = {"campaign_id": 1, "batch_id": 1, "seq": lambda n: n + 2, "part": 0, "changed": True}
    of |= {"phone": 84_912_345_678, "link_id": lambda n: n % 2 + 1, "received_at": at, "group_id": 1}
    c.execute(insert(receipts), rows(**of, level=2, reason=0, status="delivered"))
# fmt: on


@pytest.fixture
def many(pages_db: Database) -> Database:
    pages_db.write(fill)
    pages_db.write(ledger_for(pages_db).open_campaign, 1)
    pages_db.write(journal)
    return pages_db


# Path, what the rows are known by in the page, rows on a part, and whether words are searched.
NAMED, TIMED = r"Cảnh báo (\d{3})", r"00:00:00 (\d\d/\d\d/\d{4})"
LISTS = [
    ("/campaigns", rf'scope="row"><a href="/campaigns/\d+">{NAMED}', 30, True),
    ("/batches", rf'">{NAMED}</a> <small>số', 50, True),
    ("/directives", NAMED, 30, True),
    ("/receipt-files", NAMED, 50, True),
    ("/erasures?kind=batch", rf'data-label="Tên gọi">{NAMED}', 20, True),
    ("/reports", rf"<h3 id=\"c\d+\">{NAMED}", 30, True),
    ("/notices", r"canh-bao-(\d{3})@x.vn</td>", 50, True),
    ("/inbound", rf'says" data-label="Nội dung">{NAMED}', 50, False),
    ("/do-not-send", NAMED, 100, False),
    ("/audit", NAMED, 50, False),
    ("/receipts", TIMED, 50, False),
]
# Of each kind one: searched, of another table, masked, by times. `make prove` has all.
ALWAYS = {"/campaigns", "/batches", "/audit", "/erasures?kind=batch", "/do-not-send", "/receipts"}
BY_PATH = [
    pytest.param(*each, id=each[0].split("?")[0], marks=() if each[0] in ALWAYS else pytest.mark.prove)
    for each in LISTS
]


def shown(page: str, pattern: str) -> list[str]:
    return re.findall(pattern, unescape(page).split("<main")[1])


def further(page: str) -> str | None:
    found = re.findall(r'rel="next" href="([^"]+)"', page.split("<main")[1])
    return unescape(found[-1]) if found else None


def query(path: str, **said: str) -> str:
    return path + ("&" if "?" in path else "?") + "&".join(f"{key}={value}" for key, value in said.items())


def walk(paper: Paper, path: str, pattern: str) -> tuple[list[str], list[str]]:
    """Every part: what is shown, and what is said about which rows they are."""
    found, said, here = [], [], path
    for _ in range(20):
        answer = paper.get(here)
        assert answer.status_code == 200, here
        found += shown(answer.text, pattern)
        page = answer.text.split('id="frozen"')[0]
        said += re.findall(r"Dòng \d+–\d+ trong (?:hơn )?\d+ dòng\.", text(page))
        following = further(page)
        if following is None:
            return found, said
        here = following
    raise AssertionError("the list has no end")


@pytest.mark.parametrize(("path", "pattern", "on_a_page", "words"), BY_PATH)
def test_a_list_is_read_to_its_end_and_says_which_rows_these_are(
    many: Database, signed_in: In, path: str, pattern: str, on_a_page: int, words: bool
) -> None:
    paper = signed_in()
    found, said = walk(paper, query(path, until="01/06/2025"), pattern)
    assert len(found) == len(set(found)) == ROWS
    assert found == sorted(found, reverse=True) or pattern is TIMED
    assert said[0] == f"Dòng 1–{on_a_page} trong {ROWS} dòng."
    assert said[-1] == f"Dòng {ROWS - (ROWS - 1) % on_a_page}–{ROWS} trong {ROWS} dòng."


@pytest.mark.parametrize(("path", "pattern", "on_a_page", "words"), BY_PATH)
def test_a_list_is_searched_and_of_some_days(
    many: Database, signed_in: In, path: str, pattern: str, on_a_page: int, words: bool
) -> None:
    paper = signed_in()
    page = paper.get(query(path, since="10/02/2024", until="12/02/2024")).text
    days = ["12/02/2024", "11/02/2024", "10/02/2024"] if pattern is TIMED else ["011", "010", "009"]
    assert shown(page, pattern) == days
    assert "Dòng 1–3 trong 3 dòng." in text(page)
    assert 'name="since" value="10/02/2024"' in page
    wrong = paper.get(query(path, since="31/02/2024", until="12/02/2024")).text
    assert "Đây không phải là ngày" in wrong
    assert 'value="31/02/2024"' in wrong
    assert len(shown(wrong, pattern)) == 12  # the other day holds
    if words:
        asked = "bao-02+canh" if path == "/notices" else "canh+BAO+02"
        page = paper.get(query(path, q=asked)).text
        found = [each for each in map("{:03}".format, reversed(range(ROWS))) if "02" in each]
        assert shown(page, pattern) == (found[1:-1] if path == "/notices" else found)
        assert f"Dòng 1–{len(shown(page, pattern))} trong" in text(page)
    else:
        searched = path == "/inbound"  # by words without digits: test_inbound.py
        assert ('name="q"' in page) is searched


@pytest.mark.parametrize(("path", "pattern", "on_a_page", "words"), BY_PATH)
def test_a_list_is_put_in_every_order_that_it_offers_and_its_parts_keep_it(
    many: Database, signed_in: In, path: str, pattern: str, on_a_page: int, words: bool
) -> None:
    paper = signed_in()
    page = paper.get(path).text
    offered = re.findall(
        r'<option value="(-?\w+)"', page.partition('id="f-sort"')[2].partition("</select>")[0]
    )
    heads = [unescape(each) for each in re.findall(r'aria-sort="none"><a href="([^"]+)"', page)]
    for order in offered:
        found, _ = walk(paper, query(path, sort=order, since="01/02/2024"), pattern)
        assert sorted(found) == sorted(set(found))
        assert len(found) == ROWS, order
        assert found in (sorted(found), sorted(found, reverse=True)), order
    for head in heads:
        there = paper.get(head).text
        assert 'aria-sort="ascending"' in there
        (back,) = re.findall(r'aria-sort="ascending"><a href="([^"]+)"', there)
        assert 'aria-sort="descending"' in paper.get(unescape(back)).text
    assert pattern is TIMED or offered


HOSTILE = [
    "q=%00%1f",
    "q=" + "x" * 5000,
    "q=%25_%5C'",
    "q=%F0%9F%98%80",
    "since=99999999",
    "until=9999-12-31",
    "sort=-",
    "sort=id",
    "sort=name;drop",
    "after=1~2~3",
    "after=%00~%00",
    "after=" + "9" * 40,
    "after=5~x&sort=name",
    "after=5&sort=-name",
    "nth=99999999&after=3",
    "nth=x&after=3",
    "q=&since=&until=&sort=&after=&nth=",
]


@pytest.mark.parametrize(("path", "pattern", "on_a_page", "words"), BY_PATH)
def test_nothing_that_a_url_says_is_more_than_a_list(
    many: Database, signed_in: In, path: str, pattern: str, on_a_page: int, words: bool
) -> None:
    paper = signed_in()
    for said in HOSTILE:
        answer = paper.get(f"{path}{'&' if '?' in path else '?'}{said}")
        assert answer.status_code == 200, said
        assert "\x00" not in answer.text


OPERATORS = ["/campaigns", "/batches", "/receipt-files", "/do-not-send", "/inbound", "/receipts", "/reports"]


@pytest.mark.parametrize("path", OPERATORS)
def test_an_operator_s_counts_are_of_its_own_rows(many: Database, signed_in: In, path: str) -> None:
    paper = signed_in("operator", "vnpt")
    for asked in (
        "",
        "?carrier=viettel",
        "?directive=1",
        "?link=2",
        "?q=",
        "?sort=name&after=70~canh+bao+069",
    ):
        answer = paper.get(path + asked)
        page = text(answer.text)
        assert f"trong {ROWS} dòng" not in page, asked
        if asked in ("", "?q="):
            assert f"trong {ROWS // 2} dòng" in page, asked
    assert f"trong {ROWS // 2 + ROWS % 2} dòng" in text(paper.get("/reports").text)


def test_the_unknown_and_the_versions_say_which_rows_they_are(many: Database, signed_in: In) -> None:
    paper = signed_in()
    found, said = walk(paper, "/runs/1/unknown", r'name="line" value="1-(\d+)"')
    assert found == [str(n + 2) for n in range(ROWS)]
    assert said == [
        "Dòng 1–50 trong 130 dòng.",
        "Dòng 51–100 trong 130 dòng.",
        "Dòng 101–130 trong 130 dòng.",
    ]
    versions, here = [], "/reports"
    while here:
        page = paper.get(here).text.split('id="frozen"')[1]
        versions += re.findall(r'<a href="/reports/(\d+)">', page)
        here = further("<main" + page) or ""
    assert versions == [str(n) for n in range(ROWS, 0, -1)]


def test_a_letter_says_how_many_campaigns_are_under_it(many: Database, signed_in: In) -> None:
    paper = signed_in()
    page = paper.get("/directives/1").text
    assert "Tất cả 130 chiến dịch theo công văn này" in text(page)
    assert len(page) < 40_000
    assert "Dòng 1–30 trong 130 dòng." in text(paper.get("/campaigns?directive=1").text)


def test_the_export_of_the_audit_has_what_is_listed(many: Database, signed_in: In) -> None:
    paper = signed_in("auditor")
    page = paper.get("/audit?since=10/02/2024&until=12/02/2024&action=batch.").text
    (there,) = re.findall(r'href="(/audit/acts.jsonl[^"]*)"', page)
    lines = paper.get(unescape(there)).text.splitlines()
    assert [re.findall(r'"id":(\d+)', line) for line in lines] == [["10"], ["11"], ["12"]]
    assert "Xuất các việc đang lọc" in page
    (every,) = re.findall(r'href="(/audit/acts.jsonl[^"]*)"', paper.get("/audit").text)
    assert every == "/audit/acts.jsonl"


def test_more_rows_than_are_counted_are_said_to_be_more(many: Database, signed_in: In) -> None:
    def work(c: Connection) -> None:
        more = {"carrier": "vnpt", "added_at": clock.now_ms(), "added_by": "x"}
        c.execute(insert(do_not_send), [more | {"phone": 84_913_000_000 + n} for n in range(10_001)])

    many.write(work)
    paper = signed_in()
    first = paper.get("/do-not-send").text
    assert "Dòng 1–100 trong hơn 10.000 dòng." in text(first)
    assert "Dòng 101–200 trong hơn 10.000 dòng." in text(paper.get(further(first) or "").text)
    paper.cookies["loa_lang"] = "en"
    assert "Rows 1–100 of more than 10,000." in text(paper.get("/do-not-send").text)


def test_lists_call_a_campaign_closed_when_its_window_is(db: Database) -> None:
    """The same rule in SQL as in `open_at`, at the first and last moments of windows and of days."""
    starts = datetime(2027, 1, 4, 8, tzinfo=clock.VIETNAM)
    ends = starts + timedelta(days=2, hours=9)
    windows = [
        Window(start, end, *hours)
        for start in (None, starts)
        for end in (None, ends)
        for hours in (("08:00", "20:00"), ("00:00", "24:00"))
    ]

    def work(c: Connection) -> dict[int, Window]:
        made = {new_campaign(c): window for window in windows}
        for n, each in made.items():
            values: dict[str, Any] = {"day_starts": each.day_starts, "day_ends": each.day_ends}
            values |= {"window_start": clock.to_ms_or_none(each.start)}
            values |= {"window_end": clock.to_ms_or_none(each.end)}
            c.execute(update(campaigns).where(campaigns.c.id == n).values(values))
        return made

    made = db.write(work)
    bounds = (starts, starts.replace(hour=20), ends, starts + timedelta(days=1), starts.replace(hour=0))
    for now in (bound + timedelta(milliseconds=ms) for bound in bounds for ms in (-1, 0, 1)):
        query = select(campaigns.c.id).where(StageColumns(frozenset(), now)._closed())
        closed = set(db.read(lambda c, query=query: c.execute(query).scalars().all()))
        assert closed == {n for n, window in made.items() if not open_at(window, now)}, now
