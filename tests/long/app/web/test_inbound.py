"""Messages to us as a page: for the carrier's operator and the admin, escaped, numbers masked."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlencode

import pytest
from sqlalchemy import Connection, update

from app.core import clock
from app.database.connection import Database
from app.database.models import inbound_messages
from app.inbound.inbound_writer import IncomingMessage, keep
from app.ledger.contract import Link
from app.ledger.ledger import ledger_for
from app.web.pages.inbound_pages import ON_A_PAGE
from carriers.inbound import InboundMessage, MessagePart
from tests.app.campaigns.rows import new_link
from tests.long.app.web.conftest import Paper, text

In = Callable[..., Paper]
VNPT, VIETTEL = Link(1, "vnpt-1", "vnpt", 1), Link(2, "viettel-1", "viettel", 2)


def said(words: str, **more: object) -> InboundMessage:
    return InboundMessage("84912345601", "8088", words, 0, words.encode(), **more)  # type: ignore[arg-type]


@pytest.fixture
def kept(pages_db: Database) -> Database:
    ledger = ledger_for(pages_db)

    def work(c: Connection) -> None:
        new_link(c, "vnpt-1")
        new_link(c, "viettel-1", carrier="viettel")
        many = [said(f"tin {n}") for n in range(ON_A_PAGE)]
        odd = [said("<b>TU CHOI</b>", part=MessagePart(9, 2, 3)), said("TU CHOI"), said("TU CHOI")]
        odd.append(InboundMessage("VIETTEL", "8088", "", 4, b"\0\xff", is_exact=False))
        keep(c, ledger, [IncomingMessage(VNPT, each, f"v{n}") for n, each in enumerate([*many, *odd])])
        keep(c, ledger, [IncomingMessage(VIETTEL, said("goi 0912345602"), "w")])

    pages_db.write(work)
    return pages_db


def test_without_a_message_the_page_says_where_they_come_from(signed_in: In) -> None:
    assert "Chưa có tin nhắn đến" in text(signed_in("admin").get("/inbound").text)


def test_the_newest_come_first_with_what_is_to_be_known_of_each(kept: Database, signed_in: In) -> None:
    paper = signed_in("admin")
    first = paper.get("/inbound").text
    words = text(first)
    assert words.index("goi 8491*****02") < words.index("TU CHOI") < words.index("tin 49")
    assert "<b>TU" not in first
    assert "phần 2/3, mã ghép 9" in words
    assert "trùng nội dung với tin số 52" in words
    assert "không đọc được hết" in words
    assert "912345" not in re.sub(r"\D", "", words)
    further = re.findall(r'rel="next" href="([^"]+)"', first)[0].replace("&amp;", "&")
    rest = text(paper.get(further).text)
    assert "tin 0" in rest
    assert "TU CHOI" not in rest


def test_a_carrier_is_chosen_and_an_operator_sees_only_the_own_one(kept: Database, signed_in: In) -> None:
    paper = signed_in("admin")
    assert "TU CHOI" not in paper.get("/inbound?carrier=viettel").text
    assert "TU CHOI" in paper.get("/inbound?carrier=nobody").text
    operator = signed_in("operator", "viettel")
    assert operator.get("/inbound?carrier=vnpt").status_code == 403
    own = operator.get("/inbound").text
    assert "8491*****02" in own
    assert "TU CHOI" not in own
    assert 'name="carrier"' not in own


@pytest.mark.parametrize("role", ["approver", "auditor"])
def test_what_citizens_wrote_is_not_for_everybody(kept: Database, signed_in: In, role: str) -> None:
    paper = signed_in(role)
    assert paper.get("/inbound").status_code == 403
    assert 'href="/inbound"' not in paper.get("/receipts").text


def test_whatever_stands_in_the_address_is_a_page(kept: Database, signed_in: In) -> None:
    paper = signed_in("admin")
    for address in ("?after=x", "?after=-1", "?after=99999999999999999999", "?carrier=%00", "?after=1"):
        assert paper.get(f"/inbound{address}").status_code == 200, address


def asked(**filters: str) -> str:
    return f"/inbound?{urlencode(filters)}"


ROWS = {"tu choi": 3, "Từ chối": 3, "goi": 1, "choi goi": 0, "": 55}


@pytest.mark.parametrize(("words", "rows"), ROWS.items())
def test_words_are_looked_for_in_messages_of_few_days(
    kept: Database, signed_in: In, words: str, rows: int
) -> None:
    paper = signed_in("admin")
    page, file = (paper.get(asked(q=words, format=form)) for form in ("", "csv"))
    assert len(file.text.splitlines()) - 1 == rows
    shown = text(page.text)
    assert f"trong số {rows}" in shown or f"{rows} dòng" in shown or rows == 0
    assert ("Chưa có tin" in shown) is False


@pytest.mark.parametrize("words", ["0912345602", "0912", "goi 09", "９１２", "tin 9"])
def test_a_masked_number_can_not_be_found_out_by_searching(kept: Database, signed_in: In, words: str) -> None:
    paper = signed_in("admin")
    letters = " ".join(word for word in words.split() if word.isalpha())
    found = paper.get(asked(q=words, format="csv")).text
    assert found == paper.get(asked(q=letters, format="csv")).text
    assert "không tìm chữ số" in text(paper.get(asked(q=words)).text)


def test_an_old_message_is_found_in_the_days_that_are_named(kept: Database, signed_in: In) -> None:
    old = clock.now_ms() - 60 * clock.DAY_MS
    kept.write(lambda c: c.execute(update(inbound_messages).values(received_at=old)))
    paper = signed_in("admin")
    day = clock.local(clock.from_ms(old)).date().isoformat()

    def found(**filters: str) -> int:
        return len(paper.get(asked(format="csv", **filters)).text.splitlines()) - 1

    assert (found(q="goi"), found(q="goi", until=day), found(q="goi", since="2020-01-01")) == (0, 1, 0)
    assert found(since="2020-01-01") == 55
