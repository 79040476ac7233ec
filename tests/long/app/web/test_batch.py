"""A batch's page and a delivery's: counts, bad lines, deliveries by state, a history with numbers masked."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from html import unescape

import pytest
from sqlalchemy import insert, update

from app.core.states import DeliveryState
from app.database.connection import Database
from app.database.models import bad_lines, batches, deliveries
from app.dispatch import deliveries as stage
from app.ledger.contract import SubmitOutcome
from carriers.contract import Accepted, Reason, ReceiptStatus, Rejected
from tests.app import world
from tests.app.world import World, receipt
from tests.long.app.web.conftest import Paper, text

In = Callable[..., Paper]


@pytest.fixture
def sent(pages_db: Database) -> World:
    """A run of 120, of which the first is received, the second refused, the third failed; then all taken."""
    found = world.build(pages_db, 120, chunk=200)
    pages_db.write(lambda c: c.execute(update(batches).values(sha256="ab" * 32)))
    found.fan_out()
    lease = found.claim()
    assert lease is not None
    first, second, *others = lease.items
    outcomes = [
        SubmitOutcome(first, Accepted(("a1",))),
        SubmitOutcome(second, Rejected("x9", Reason.BARRED, "barred")),
    ]
    outcomes += [SubmitOutcome(item, Accepted((f"a{item.seq}",))) for item in others]
    pages_db.write(found.ledger.record, found.link, lease, outcomes, None, 30.0)
    said = [
        receipt(found.link, "a1"),
        receipt(found.link, f"a{others[0].seq}", ReceiptStatus.UNDELIVERED, reason=Reason.NO_SUCH_NUMBER),
    ]
    pages_db.write(found.ledger.apply, said)
    return found


def test_deliveries_are_looked_for_by_state_a_page_at_a_time(sent: World, signed_in: In) -> None:
    paper = signed_in("auditor")
    page = paper.get("/batches/1").text
    assert "120" in page
    assert len(re.findall(r'href="/deliveries/1/1/\d+"', page)) == 50
    (further,) = re.findall(r'rel="next" href="([^"]+)"', page)
    second = paper.get(further.replace("&amp;", "&")).text
    assert re.findall(r'href="/deliveries/1/1/(\d+)"', second)[0] == "52"
    failed = paper.get("/batches/1?state=failed").text
    assert re.findall(r'href="/deliveries/1/1/(\d+)"', failed) == ["3", "4"]
    assert "tạm khóa chiều đến" in text(failed)
    assert paper.get("/batches/1?state=no&after=x&campaign=-1").status_code == 200
    assert not re.search(r"84912\d{6}", page + second + failed)


def test_those_not_reached_are_a_file_of_lines_and_masked_numbers(sent: World, signed_in: In) -> None:
    paper = signed_in("auditor")
    assert "/batches/1?campaign=1&amp;state=failed" in paper.get("/runs/1").text
    page = paper.get("/batches/1?campaign=1&state=failed").text
    (there,) = re.findall(r'href="([^"]*format=csv)"', page)
    answer = paper.get(unescape(there))
    heads, *rows = csv.reader(answer.text.removeprefix("\ufeff").splitlines())
    assert heads == ["Dòng", "Số điện thoại", "Trạng thái", "Lý do", "Gửi lúc", "Kết quả cuối lúc"]
    assert [(row[0], row[2]) for row in rows] == [("3", "nhà mạng từ chối"), ("4", "không nhận được")]
    assert "tạm khóa chiều đến" in rows[0][3]
    assert not re.search(r"84912\d{6}", answer.text)
    assert len(paper.get("/batches/1?format=csv").text.splitlines()) == 121
    assert signed_in("operator", "vnpt").get("/batches/1?format=csv").status_code == 404


def test_a_rare_state_is_looked_for_in_stretches(sent: World) -> None:
    part = sent.db.read(stage.listed, (1, 1), 0, 50, (DeliveryState.DELIVERED,))
    assert ([each.line for each in part.items], part.next) == ([2], None)
    far = 3 * stage.STRETCH
    moved = update(deliveries).where(deliveries.c.seq == 2).values(seq=far)
    sent.db.write(lambda c: c.execute(moved))
    after, looks = 0, 0
    while True:
        part = sent.db.read(stage.listed, (1, 1), after, 50, (DeliveryState.DELIVERED,))
        if part.items or part.next is None:
            break
        after, looks = part.next, looks + 1
    assert ([each.line for each in part.items], looks) == ([far], 2)


def test_bad_lines_are_shown_and_downloaded_and_an_unused_batch_says_so(sent: World, signed_in: In) -> None:
    rows = [{"batch_id": 1, "line": n, "reason": "too_short", "value": "09*****"} for n in range(200, 230)]
    sent.db.write(lambda c: c.execute(insert(bad_lines), rows))
    other = {"carrier": "viettel", "name": "<b>x</b>", "sha256": "e" * 64, "state": "importing"}
    made = {"created_at": 0, "created_by": "x", "bytes": 100, "bytes_read": 40}
    sent.db.write(lambda c: c.execute(insert(batches).values(other | made)))
    sent.db.write(lambda c: c.execute(update(batches).where(batches.c.id == 1).values(rejected=30)))
    paper = signed_in("operator", "viettel")
    page = paper.get("/batches/1").text
    assert page.count("09*****") == 20
    assert 'href="/v1/batches/1/bad-lines.csv"' in page
    assert paper.get("/v1/batches/1/bad-lines.csv").status_code == 200
    unused = paper.get("/batches/2").text
    assert "&lt;b&gt;x" in unused
    assert 'value="40"' in unused
    assert "Lô chưa thuộc chiến dịch nào." in text(unused)


def test_a_batch_is_renamed_and_a_refused_name_comes_back(sent: World, signed_in: In) -> None:
    paper = signed_in("operator", "viettel")
    refused = paper.send("/batches/1", "/batches/1/name", name="0912 345 678")
    assert refused.status_code == 422
    assert 'value="0912 345 678"' in refused.text
    assert paper.send("/batches/1", "/batches/1/name", name="Đợt 1").headers["location"] == "/batches/1"
    page = text(paper.get("/batches/1").text)
    assert "Lô 1 nay có tên Đợt 1." in page
    assert signed_in("operator", "vnpt").send("/", "/batches/1/name", name="x").status_code == 404
    assert "đổi tên" in text(signed_in("auditor").get("/audit").text)


def test_a_delivery_tells_its_whole_history(sent: World, signed_in: In) -> None:
    paper = signed_in("operator", "viettel")
    page = paper.get("/deliveries/1/1/4").text
    said = text(page)
    assert "Tin gửi đến 8491*****02" in said
    assert said.index("đã gửi: nhà mạng tiếp nhận") < said.index("biên nhận: không đến được")
    assert "số không tồn tại hoặc đã thu hồi" in said
    assert "mức máy thuê bao" in said
    assert "a4" in said
    assert "viettel-1" in said
    assert not re.search(r"84912\d{6}", page)
    assert "đã gửi: nhà mạng từ chối hẳn" in text(paper.get("/deliveries/1/1/3").text)
    missing = paper.get("/deliveries/1/1/999")
    assert missing.status_code == 404
    assert "Chiến dịch 1 không có tin cho dòng 999 của lô 1" in text(missing.text)
