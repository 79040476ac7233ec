"""Answer texts on pages: entered and submitted, approved by another person, in use, withdrawn."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import select

from app.campaigns import approval
from app.database.connection import Database
from app.database.models import campaigns
from app.security import Caller
from tests.long.app.web.conftest import Paper, text

In = Callable[..., Paper]
SAID = "So cua Ong/Ba da duoc dua vao danh sach tu choi nhan tin."


def test_an_answer_text_is_entered_approved_and_withdrawn(pages_db: Database, signed_in: In) -> None:
    author = signed_in("admin")
    assert "Chưa có nội dung trả lời nào" in text(author.get("/answers").text)
    answer = author.send("/answers", "/answers", answers_to="opt_out", sender="CA SON LA", text=SAID)
    assert (answer.status_code, answer.headers["location"]) == (303, "/answers")
    made = pages_db.read(lambda c: c.execute(select(campaigns.c.id)).scalar_one())
    chief = signed_in("approver")
    page = chief.get(f"/approvals?campaign={made}").text
    assert "từ chối nhận tin: xác nhận đã ghi" in text(page)
    pages_db.write(approval.approve, made, Caller("chief", "approver"))
    page = text(chief.get("/answers").text)
    assert "đang dùng" in page
    assert SAID in page
    assert "Dùng để trả lời tin của người dân" in text(chief.get(f"/campaigns/{made}").text)
    assert chief.send(f"/campaigns/{made}", f"/campaigns/{made}/withdraw").status_code == 303
    assert "đang dùng" not in text(chief.get("/answers").text)


def test_what_is_wrong_with_an_answer_text_stands_at_its_field(signed_in: In) -> None:
    author = signed_in("admin")
    answer = author.send("/answers", "/answers", answers_to="other", sender="123", text="")
    assert answer.status_code == 422
    assert SAID not in answer.text
