"""Every long list as a file: rows, order and access as on its page, masked, safe to open, bounded."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from html import unescape

import pytest
from sqlalchemy import Connection, insert

from app.core import clock
from app.database.connection import Database
from app.database.models import batches, do_not_send
from tests.long.app.web import test_lists
from tests.long.app.web.conftest import Paper
from tests.long.app.web.test_lists import BY_PATH, OPERATORS, ROWS, name, query

In = Callable[..., Paper]
many = test_lists.many


def download(paper: Paper, url: str) -> tuple[list[str], list[list[str]]]:
    """The heads and the rows of a list's file."""
    answer = paper.get(url)
    assert answer.status_code == 200, url
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.content.startswith(b"\xef\xbb\xbf")
    heads, *found = csv.reader(io.StringIO(answer.text.removeprefix("\ufeff")))
    assert all(len(row) == len(heads) for row in found)
    return heads, found


def file_of(page: str) -> str:
    (there,) = re.findall(r'href="([^"]*format=csv[^"]*)"', page)
    return unescape(there)


EVERY_DAY = {"until": "01/06/2025"}


@pytest.mark.parametrize(("path", "pattern", "on_a_page", "words"), BY_PATH)
def test_a_list_s_file_has_every_row_that_is_listed_in_the_same_order_and_no_whole_number(
    many: Database, signed_in: In, path: str, pattern: str, on_a_page: int, words: bool
) -> None:
    paper = signed_in()
    there = file_of(paper.get(query(path, **EVERY_DAY)).text)
    heads, found = download(paper, there)
    assert len(found) == ROWS, "all parts, not the page's alone"
    assert not set(heads) & {"No.", "Carrier", "State", "Campaign", "Came at"}, "said in Vietnamese"
    assert not re.search(r"84912\d{6}|0912\d{6}", str(found))
    shorter = file_of(paper.get(query(path, since="10/02/2024", until="12/02/2024")).text)
    _, some = download(paper, shorter)
    assert len(some) == 3
    assert all(row in found for row in some)
    paper.cookies["loa_lang"] = "en"
    in_english, _ = download(paper, there)
    assert not set(in_english) & set(heads)


def test_a_list_s_file_keeps_words_filters_and_order(many: Database, signed_in: In) -> None:
    paper = signed_in()
    page = paper.get("/batches?q=canh+BAO+02&carrier=vnpt&sort=name").text
    heads, found = download(paper, file_of(page))
    assert [row[heads.index("Lô")] for row in found] == [name(n) for n in (2, 20, 22, 24, 26, 28, 102)]
    assert {row[heads.index("Nhà mạng")] for row in found} == {"VNPT VinaPhone"}
    assert {row[heads.index("Trạng thái")] for row in found} == {"sẵn sàng"}
    assert found[0][heads.index("Tải lên lúc")] == "03/02/2024 00:00:00"


@pytest.mark.parametrize("path", OPERATORS)
def test_an_operator_s_file_has_its_own_rows(many: Database, signed_in: In, path: str) -> None:
    _, every = download(signed_in(), query(path, format="csv"))
    paper = signed_in("operator", "vnpt")
    assert paper.get(query(path, format="csv", carrier="viettel")).status_code == 403
    for asked in ({}, {"carrier": "vnpt"}, {"link": "2"}, {"directive": "1"}):
        _, own = download(paper, query(path, format="csv", **asked))
        assert len(own) in (0, ROWS // 2, ROWS // 2 + ROWS % 2), asked
        assert "Viettel" not in str(own)
        assert len(own) < len(every)


def test_a_name_in_a_file_is_no_formula(many: Database, signed_in: In) -> None:
    hostile = '=HYPERLINK("http://x");@SUM(A1)\u0000'
    made = {"carrier": "vnpt", "sha256": "f" * 64, "created_at": clock.now_ms(), "created_by": "+x"}
    many.write(lambda c: c.execute(insert(batches).values(name=hostile[:-1], state="ready", **made)))
    _, found = download(signed_in(), "/batches?format=csv&sort=-made")
    (row,) = [each for each in found if "HYPERLINK" in str(each)]
    assert row[1] == "'=HYPERLINK(\"http://x\");'@SUM(A1)"
    assert row[-1] == "'+x"


@pytest.mark.prove
def test_a_file_that_is_too_long_says_that_it_is_cut(many: Database, signed_in: In) -> None:
    def work(c: Connection, first: int, n: int) -> None:
        more = {"carrier": "vnpt", "added_at": clock.now_ms(), "added_by": "x"}
        c.execute(insert(do_not_send), [more | {"phone": 84_913_000_000 + first + k} for k in range(n)])

    paper = signed_in()
    many.write(work, 0, 50_000 - ROWS)
    answer = paper.get("/do-not-send?format=csv").text
    assert answer.count("\r\n") == 50_001, "a head, and every row"
    assert "dừng" not in answer
    many.write(work, 50_000, 1)
    lines = paper.get("/do-not-send?format=csv").text.split("\r\n")
    assert len(lines) == 50_003
    assert (
        lines[-2].strip('"')
        == "Tệp dừng ở đây, sau 50000 dòng; danh sách còn dài hơn. Hãy lọc bớt rồi tải lại."
    )


def test_a_file_is_for_whoever_may_see_the_list(many: Database, paper: Paper, signed_in: In) -> None:
    assert paper.get("/batches?format=csv").status_code == 303
    assert signed_in("operator", "vnpt").get("/audit?format=csv").status_code == 403
    assert "<main" in signed_in().get("/batches?format=xml").text
