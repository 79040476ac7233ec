"""Tet plans on pages: made by a form, filled round by round, and followed up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import pytest
from sqlalchemy import Connection, insert

from app.database.connection import Database
from app.database.models import directives, plans
from tests.app.campaigns import past
from tests.app.campaigns.past import D, sent
from tests.app.campaigns.rows import DRAFT
from tests.long.app.web.conftest import Paper, text

In = Callable[..., Paper]
TIMES = {
    "before_start": "2031-01-13T07:00",
    "before_end": "2031-01-16T18:00",
    "after_start": "2031-01-30T07:00",
    "after_end": "2031-02-02T18:00",
}


@pytest.fixture
def letter(pages_db: Database) -> int:
    row = {"number": "303/CAT-PA05", "issued_on": "2030-12-29", "issuer": "Công an tỉnh", "subject": "Tết"}
    row |= {"addressees": [], "created_at": 1, "created_by": "lan"}
    made = insert(directives).values(row).returning(directives.c.id)
    return int(pages_db.write(lambda c: c.execute(made).scalar_one()))


def test_a_plan_is_made_filled_and_followed_up(pages_db: Database, signed_in: In, letter: int) -> None:
    author = signed_in("admin")
    assert "Chưa có kế hoạch nào." in text(author.get("/plans").text)
    answer = author.send("/plans", "/plans", name="Tết Tân Hợi", directive_id=letter, **TIMES)
    assert (answer.status_code, answer.headers["location"]) == (303, "/plans/1")
    page = text(author.get("/plans/1").text)
    assert "Đợt 1, trước Tết" in page
    assert "Đợt 2, sau Tết" in page
    window = {name: datetime.fromisoformat(f"{TIMES[f'before_{name[7:]}']}:00+07:00") for name in _WINDOW}
    good = {n: D.DELIVERED if n < 6 else D.UNDELIVERED for n in range(10)}
    one = sent(pages_db, good, draft=replace(DRAFT, directive_id=letter, **window))
    assert author.send("/plans/1", "/plans/1/rounds/1", campaign_id=one).status_code == 303
    told = author.send(
        "/plans/1",
        "/plans/1/rounds/2/follow-up",
        outcomes=["undelivered"],
        area=["116", "119"],
        text="Nho nhe.",
    )
    assert told.status_code == 303
    assert "Thành phố Sơn La (116)" in text(author.get(told.headers["location"]).text)
    past.fill(pages_db)
    page = author.get("/plans/1").text
    assert "Số người đã nhận ít nhất một lần 6" in text(page)
    assert "Gửi tiếp cho người chưa nhận được ở chiến dịch 1" in text(page)
    assert [n for n in good if str(past.number(n))[-9:] in page] == []
    assert "1 / 2" not in text(author.get("/plans").text)
    assert "2 / 2" in text(author.get("/plans").text)
    assert author.send("/plans/1", "/plans/1/rounds/1", campaign_id="").status_code == 303


_WINDOW = ("window_start", "window_end")


def test_what_is_refused_is_said_on_the_page(pages_db: Database, signed_in: In, letter: int) -> None:
    author = signed_in("admin")
    late = TIMES | {"before_end": "2031-03-01T07:00"}
    answer = author.send("/plans", "/plans", name="Tết", directive_id=letter, **late)
    assert (answer.status_code, "Đợt 2 không sau đợt 1" in text(answer.text)) == (422, True)
    author.send("/plans", "/plans", name="Tết", directive_id=letter, **TIMES)
    answer = author.send("/plans/1", "/plans/1/rounds/1", campaign_id="77")
    assert answer.status_code == 404
    one = sent(pages_db, {1: D.DELIVERED})
    answer = author.send("/plans/1", "/plans/1/rounds/1", campaign_id=one)
    assert "không thuộc công văn của kế hoạch" in text(answer.text)
    answer = author.send("/plans/1", "/plans/1/rounds/2/follow-up", outcomes=["undelivered"])
    assert "không có ai để gửi tiếp" in text(answer.text)


def test_after_years_the_newest_letters_and_plans_are_there(
    pages_db: Database, signed_in: In, letter: int
) -> None:
    def years(c: Connection) -> None:
        row = {"issued_on": "2030-12-29", "issuer": "Công an tỉnh", "subject": "Tết", "addressees": []}
        row |= {"created_at": 1, "created_by": "lan"}
        c.execute(insert(directives), [row | {"number": f"{n}/CAT"} for n in range(1000, 1250)])
        plan = {"directive_id": letter, "created_at": 1, "created_by": "lan"}
        c.execute(insert(plans), [plan | {"name": f"Kế hoạch {n}"} for n in range(1000, 1120)])

    pages_db.write(years)
    page = text(signed_in("admin").get("/plans").text)
    assert "1249/CAT" in page
    assert "Kế hoạch 1119" in page


def test_an_auditor_reads_a_plan_and_an_operator_does_not(
    pages_db: Database, signed_in: In, letter: int
) -> None:
    signed_in("admin").send("/plans", "/plans", name="Tết", directive_id=letter, **TIMES)
    page = signed_in("auditor").get("/plans/1").text
    assert "Chưa có chiến dịch." in text(page)
    assert "<textarea" not in page
    assert signed_in("operator", "vnpt").get("/plans/1").status_code == 403
