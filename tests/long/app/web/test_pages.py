"""What holds for every page: errors in the reader's language, content policy, files kept for good."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable

import pytest
from fastapi import FastAPI

from app.web.assets import address, assets
from tests.app.client import Client
from tests.long.app.web.conftest import Paper, text

In = Callable[..., Paper]


def test_an_address_where_nothing_is_answers_a_page_to_browsers_and_a_problem_to_programs(
    paper: Paper, pages_app: FastAPI
) -> None:
    page = paper.get("/nowhere")
    assert page.status_code == 404
    assert "Không tìm thấy trang" in text(page.text)
    with Client(pages_app) as program:
        assert program.get("/nowhere").headers["content-type"] == "application/problem+json"
    for path in ("/v1/nowhere", "/v1/runs"):
        assert paper.get(path).headers["content-type"] != "text/html; charset=utf-8"


def test_errors_of_pages_are_in_the_reader_s_language(signed_in: In) -> None:
    paper = signed_in()
    paper.cookies["loa_lang"] = "en"
    refused = paper.post("/sign-out", {})
    assert "The form is too old" in text(refused.text)
    assert refused.headers["x-request-id"] in refused.text


def test_pages_are_bound_to_files_of_ours_and_hold_no_script_or_style(signed_in: In) -> None:
    paper = signed_in()
    for answer in (paper.get("/"), paper.get("/sign-in"), paper.get("/nowhere")):
        policy = answer.headers["content-security-policy"]
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert answer.headers["cache-control"] == "no-store"
        assert not re.search(r"<style|<script(?! src)|\sstyle=|\son\w+=|https?://", answer.text)


@pytest.mark.parametrize("name", sorted(assets()))
def test_files_are_kept_for_good_and_come_compressed(paper: Paper, name: str) -> None:
    plain = paper.get(address(name), Accept_Encoding="identity")
    assert plain.status_code == 200
    assert "immutable" in plain.headers["cache-control"]
    packed = assets()[name].packed
    assert gzip.decompress(packed) == plain.content
    answer = paper.get(address(name), Accept_Encoding="gzip")
    assert (answer.headers["content-encoding"], answer.content) == ("gzip", plain.content)
    assert paper.get(f"/static/000000000000/{name}").status_code == 404


def test_the_script_is_small() -> None:
    assert len(assets()["live.js"].body) < 5120


@pytest.mark.prove
def test_the_menu_has_what_the_role_may_look_at_and_marks_where_one_is(signed_in: In) -> None:
    for role, carrier, never in (
        ("operator", "vnpt", {"/compose", "/approvals", "/audit", "/people", "/erasures"}),
        ("auditor", None, {"/compose", "/people"}),
        ("admin", None, set()),
    ):
        paper = signed_in(role, carrier)
        page = paper.get("/batches").text
        menu = re.findall(r"<nav class=\"main\" aria-label=\"Trình đơn chính\">.*?</nav>", page, re.S)[0]
        led = re.findall(r'href="([^"]+)"', menu)
        assert not never & set(led)
        assert {path: paper.get(path).status_code for path in led} == dict.fromkeys(led, 200)
        assert re.findall(r'href="([^"]+)" aria-current="page"', menu) == ["/batches"]


def test_a_page_begins_with_the_way_to_its_content(signed_in: In) -> None:
    page = signed_in().get("/").text
    assert page.index('<a class="skip" href="#main">') < page.index("<header")
    assert '<main id="main" tabindex="-1">' in page


def test_empty_pages_lead_on_who_may_go_on(signed_in: In) -> None:
    for role, carrier, may in (
        ("approver", None, True),
        ("operator", "vnpt", False),
        ("auditor", None, False),
    ):
        paper = signed_in(role, carrier)
        for path in ("/", "/campaigns"):
            assert ('href="/compose">Soạn chiến dịch</a></p>' in paper.get(path).text) == may
        assert ('href="/directives/new"' in paper.get("/").text) == may
