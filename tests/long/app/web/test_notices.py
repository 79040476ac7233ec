"""Notices that went outside: listed by state, and sent once more by the administrator."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import update

from app.database.connection import Database
from app.database.listing import ListRequest
from app.database.models import notices
from app.notifications import outbox
from app.notifications.outbox import Notice, NotificationChannel
from app.security import audit
from tests.long.app.web.conftest import Paper, text

In = Callable[..., Paper]


@pytest.fixture
def written(pages_db: Database) -> Database:
    """One that was taken, and one that failed."""
    told = [
        Notice(
            "a",
            "directive.due",
            NotificationChannel.EMAIL,
            "so.tu.phap@example.vn",
            {"subject": "x", "text": "SECRET"},
        ),
        Notice("b", "run.finished", NotificationChannel.WEBHOOK, "dashboard", {}),
    ]
    pages_db.write(outbox.put, told)
    sent, failed = (
        {"state": "sent", "sent_at": 1_706_493_600_000},
        {"state": "failed", "error": "refused <1>"},
    )
    for number, values in ((1, sent), (2, failed)):
        pages_db.write(
            lambda c, n=number, v=values: c.execute(update(notices).where(notices.c.id == n).values(v))
        )
    return pages_db


def test_without_notices_the_page_says_when_there_will_be_some(signed_in: In) -> None:
    assert "Chưa có thông báo." in text(signed_in("auditor").get("/notices").text)


def test_notices_are_listed_by_state_without_their_content(written: Database, signed_in: In) -> None:
    paper = signed_in("approver")
    page = paper.get("/notices").text
    assert page.index("run.finished") < page.index("directive.due")
    assert "refused &lt;1&gt;" in page
    assert "SECRET" not in page
    assert "directive.due" not in paper.get("/notices?state=failed").text
    assert "Không có thông báo nào như vậy." in text(paper.get("/notices?state=waiting").text)
    assert "directive.due" in paper.get("/notices?state=nonsense").text
    assert "Gửi lại" not in text(page)


def test_the_administrator_sends_one_once_more(written: Database, signed_in: In) -> None:
    paper = signed_in("admin")
    assert paper.send("/notices", "/notices/2/replay").status_code == 303
    page = paper.get("/notices").text
    assert "Đang gửi lại thông báo số 2." in text(page)
    assert "refused" not in page
    assert written.read(audit.listed, ListRequest(), 1).items[0].action == "notice.replay"
    assert paper.send("/notices", "/notices/99/replay").status_code == 404


def test_all_that_failed_to_one_receiver_is_sent_once_more(written: Database, signed_in: In) -> None:
    paper = signed_in("admin")
    assert "Gửi lại mọi thông báo chưa tới dashboard" in text(paper.get("/notices").text)
    assert paper.send("/notices", "/notices/replay", target="dashboard").status_code == 303
    assert "Số thông báo được gửi lại: 1." in text(paper.get("/notices").text)
    assert paper.send("/account", "/notices/replay", target="dashboard").status_code == 409
