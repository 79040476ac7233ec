"""The log of receipts as a page: by link, in parts, what is in quarantine and why, the raw text masked."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, insert

from app.core import clock
from app.database.connection import Database
from app.database.models import quarantine, receipts
from app.web.pages.receipts_pages import ON_A_PAGE
from tests.app.campaigns.rows import new_campaign, new_link
from tests.long.app.web.conftest import Paper, text

In = Callable[..., Paper]
RAW = '{"msisdn": "84912345678", "note": "<b>0912 345 678</b>", "status": "DELIVRD"}'
SAID: dict[str, Any] = {"group_id": 1, "level": 2, "reason": 0, "code": "000", "raw": RAW}


@pytest.fixture
def told(pages_db: Database) -> Database:
    """Receipts at two carriers, and one in quarantine."""

    def work(c: Connection) -> None:
        new_campaign(c)
        new_link(c, "vnpt-1")
        new_link(c, "viettel-1", carrier="viettel")
        now = clock.now_ms()
        of = {"campaign_id": 1, "batch_id": 1, "part": 0, "changed": True, "phone": 84_912_345_678} | SAID
        rows = [
            of | {"seq": n, "link_id": 1, "received_at": now + n, "status": "delivered", "reference": f"v{n}"}
            for n in range(1, ON_A_PAGE + 3)
        ]
        c.execute(insert(receipts), rows)
        other = {"seq": 900, "link_id": 2, "received_at": now, "status": "expired", "reference": "viettel-9"}
        c.execute(insert(receipts).values(of | other | {"changed": False}))
        lost = {"link_id": 1, "received_at": now, "try_at": now, "status": "unknown", "reference": "nobody-1"}
        c.execute(insert(quarantine).values(lost | SAID))

    pages_db.write(work)
    return pages_db


def test_without_receipts_the_page_says_what_to_look_at(signed_in: In) -> None:
    paper = signed_in("auditor")
    assert "Chưa có biên nhận." in text(paper.get("/receipts").text)
    assert "đã khớp với tin" in text(paper.get("/receipts?kind=quarantine").text)


def test_the_raw_text_is_shown_escaped_and_without_the_number(told: Database, signed_in: In) -> None:
    paper = signed_in("admin")
    for address in ("/receipts", "/receipts?kind=quarantine"):
        page = paper.get(address).text
        assert "DELIVRD" in page
        assert "<b>0" not in page
        assert "912345678" not in re.sub(r"\D", "", re.sub(r"<[^>]*>", "", page))
        assert "8491*****78" in page


def test_a_link_is_chosen_and_an_operator_sees_only_the_own_ones(told: Database, signed_in: In) -> None:
    paper = signed_in("admin")
    assert "viettel-9" in paper.get("/receipts?link=2").text
    assert "<code>v1</code>" not in paper.get("/receipts?link=2").text
    assert paper.get("/receipts?link=nonsense&before=-&kind=x").status_code == 200
    own = signed_in("operator", "viettel")
    for address in ("/receipts", "/receipts?link=1", "/receipts?link=1&kind=quarantine"):
        page = own.get(address).text
        assert "vnpt-1" not in page
        assert "nobody-1" not in page
    assert "viettel-9" in own.get("/receipts").text
    assert "Chưa khớp tin nào: 0" in text(own.get("/receipts").text)


def test_quarantine_says_why_and_is_led_to_from_the_overview(told: Database, signed_in: In) -> None:
    paper = signed_in("admin")
    assert 'href="/receipts?kind=quarantine"' in paper.get("/").text
    said = text(paper.get("/receipts?kind=quarantine").text)
    assert "Không lần gửi nào có mã tham chiếu này" in said
    assert "đã đối chiếu lại 0 lần" in said
    assert "nobody-1" in said
    assert "xóa sau 90 ngày" in said
