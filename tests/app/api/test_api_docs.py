"""The pages of the API's description: whole, without a script, and without another host."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from fastapi import FastAPI

from app.api.openapi import operations
from tests.app.client import Client
from tests.app.described import described


class Seen(HTMLParser):
    """Which tags and addresses a page has, and whether all that is opened is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: set[str] = set()
        self.ids: set[str] = set()
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag not in ("meta", "link"):
            self.open.append(tag)
        for name, value in attrs:
            assert not name.startswith("on")
            assert name != "style"
            self.links |= {value or ""} if name in ("href", "src") else set()
            self.ids |= {value or ""} if name == "id" else set()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.longer
def test_the_page_has_every_operation_and_loads_nothing_from_elsewhere(
    application: FastAPI, stranger: Client
) -> None:
    answer = stranger.get("/docs")
    page = Seen(answer.text)
    assert {operation["operationId"] for _, _, operation in operations(described(application))} <= page.ids
    assert "script" not in page.tags
    assert page.open == []
    assert all(link.startswith("/") and not link.startswith("//") for link in page.links)
    for link in {link.partition("#")[0] for link in page.links}:
        assert stranger.get(link).status_code == 200, link


@pytest.mark.longer
def test_its_policy_allows_its_style_and_nothing_else(stranger: Client) -> None:
    for url in ("/docs", "/docs/errors"):
        policy = stranger.get(url).headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'self';")
        assert "unsafe" not in policy
    assert stranger.get("/docs/style.css").headers["Content-Type"].startswith("text/css")


def test_the_style_needs_no_other_file(stranger: Client) -> None:
    assert not re.search(r"url\(|@import", stranger.get("/docs/style.css").text)
