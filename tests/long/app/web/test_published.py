"""Where the text was published, on its directive's page: reported, shown as it was found, taken back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import httpx

from app.campaigns import approval, lifecycle
from app.core.publication_settings import PublicationSettings
from app.database.connection import Database
from app.directives.publication import published
from app.reports.figures import publications
from app.reports.figures.publications import PublicationState, PublishedDifference
from app.security import Caller
from tests.app.campaigns.rows import DRAFT, new_campaign
from tests.app.campaigns.test_held_runs import AUDIENCE
from tests.long.app.web.conftest import Paper, text, token
from tests.long.app.web.test_directives import LETTER

In = Callable[..., Paper]
CLAIM = {"addressee": "Sở Tư pháp", "campaign_id": "1", "url": "https://stp.example.vn/a"}


def begun(db: Database, paper: Paper) -> None:
    paper.send("/directives/new", "/directives/new", **LETTER)
    db.write(new_campaign, replace(DRAFT, text="Cảnh giác lừa đảo.", directive_id=1))
    db.write(lifecycle.add_held_run, 1, "vnpt", AUDIENCE, "author")
    db.write(lifecycle.submit, 1, "author")
    db.write(approval.approve, 1, Caller("approver", "admin"))


def sent(paper: Paper, act: str, fields: dict[str, str]) -> httpx.Response:
    csrf = {"csrf": token(paper.get("/directives/1").text)}
    return paper.post(f"/directives/1/publications{act}", csrf | fields)


def test_an_address_is_reported_shown_and_taken_back(pages_db: Database, signed_in: In) -> None:
    paper = signed_in()
    begun(pages_db, paper)
    answer = sent(paper, "", CLAIM)
    assert (answer.status_code, answer.headers["location"]) == (303, "/directives/1#published")
    assert "chưa đọc" in text(paper.get("/directives/1").text)
    own = PublicationSettings()
    (due,) = pages_db.write(published.claim_due, own, 8)
    found = (PublicationState.CHANGED, (PublishedDifference("lừa", "lưa"),))
    pages_db.write(published.keep_found, due, "0" * 64, found, own)
    pages_db.write(published.keep_failure, due, "The server answers 500.", own)
    page = paper.get("/directives/1").text
    assert "<del>lừa</del> <ins>lưa</ins>" in page
    for words in ("có chữ khác", "không đọc được từ", "Máy chủ trả lời 500."):
        assert words in text(page), words
    sent(paper, "/withdraw", CLAIM)
    assert pages_db.read(publications.of_directive, 1) == []
    assert "Đã rút lại địa chỉ." in text(paper.get("/directives/1").text)


def test_what_is_wrong_with_an_address_stands_on_the_page(pages_db: Database, signed_in: In) -> None:
    paper = signed_in("approver")
    begun(pages_db, paper)
    answer = sent(paper, "", CLAIM | {"url": "http://a.vn:22/"})
    assert answer.status_code == 422
    assert "Địa chỉ trang web chỉ được đọc ở cổng 80 hoặc 443." in text(answer.text)
    assert 'value="http://a.vn:22/"' in answer.text
    assert pages_db.read(publications.of_directive, 1) == []


def test_the_kit_is_offered_where_the_campaign_is_approved(pages_db: Database, signed_in: In) -> None:
    paper = signed_in()
    begun(pages_db, paper)
    assert 'href="/v1/campaigns/1/kit"' in paper.get("/campaigns/1").text
    pages_db.write(new_campaign, DRAFT)
    assert "/kit" not in paper.get("/campaigns/2").text
