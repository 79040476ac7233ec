"""What can be thrown away, put off or ordered once more on a page; each has its like in the API."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape

from sqlalchemy import select, update

from app.accounts.service import NewPerson, add_person
from app.core.states import DeliveryState
from app.database.connection import Database
from app.database.models import batches, campaigns, deliveries, directives, links, runs
from app.dispatch import rejected_orders
from app.receipts import delivery_history
from app.security.principal import at_keyboard
from carriers.contract import Reason, Rejected
from tests.app.campaigns.rows import new_batch, new_run
from tests.app.dispatch.test_rejected_orders import WHY, answered, asked, refused
from tests.app.world import build
from tests.long.app.reports.scene import T0, Scene
from tests.long.app.web.conftest import PASSWORD, Paper, text

In = Callable[..., Paper]


def test_a_batch_whose_file_is_of_no_use_is_thrown_away(pages_db: Database, signed_in: In) -> None:
    good = pages_db.write(new_batch)
    bad = pages_db.write(new_batch, "vnpt", state="failed", error="No line.", sha256="1" * 64)
    paper = signed_in("operator", "vnpt")
    assert "Bỏ lô này…" not in text(paper.get(f"/batches/{good}").text)
    assert paper.send(f"/batches/{bad}", f"/batches/{bad}/discard").headers["location"] == "/batches"
    assert f"Đã bỏ lô {bad}." in text(paper.get("/batches").text)
    state = pages_db.read(lambda c: c.execute(select(batches.c.state).where(batches.c.id == bad)).scalar())
    assert state == "erased"


def test_a_campaign_is_withdrawn_until_something_of_it_is_sent(pages_db: Database, signed_in: In) -> None:
    campaign, run = pages_db.write(new_run)
    here, paper = f"/campaigns/{campaign}", signed_in("approver")
    pages_db.write(lambda c: c.execute(update(runs).values(state="running")))
    assert "Rút chiến dịch…" not in text(paper.get(here).text)
    pages_db.write(lambda c: c.execute(update(runs).where(runs.c.id == run).values(state="planned")))
    assert "Rút chiến dịch…" in text(paper.get(here).text)
    assert paper.send(here, f"{here}/withdraw").headers["location"] == "/campaigns"
    assert pages_db.read(lambda c: c.execute(select(campaigns.c.state)).scalar()) == "withdrawn"
    assert "Rút chiến dịch…" not in text(paper.get(here).text)


def test_a_deadline_is_put_off_with_a_reason_and_its_history_is_shown(
    pages_db: Database, signed_in: In
) -> None:
    Scene().save(pages_db)
    pages_db.write(lambda c: c.execute(update(directives).values(report_deadline=T0)))
    paper, new = signed_in(), "2031-02-24T17:00"
    answer = paper.send("/directives/1", "/directives/1/deadline", report_deadline=new, reason="")
    assert answer.status_code == 422
    assert 'value="17:00 24/02/2031"' in answer.text  # as it is printed
    sent = paper.send("/directives/1", "/directives/1/deadline", report_deadline=new, reason="CV 311")
    assert sent.status_code == 303
    assert "đổi hạn báo cáo từ 09:00 29/01/2024 sang 17:00 24/02/2031. CV 311" in text(
        paper.get("/directives/1").text
    )


def test_an_order_about_refused_messages_needs_two_persons(pages_db: Database, signed_in: In) -> None:
    world = refused(pages_db)
    here = f"/runs/{world.run}/rejected"
    carrier = str(pages_db.read(lambda c: c.execute(select(links.c.carrier)).scalar()))
    paper = signed_in("operator", carrier)
    assert "Xem mã của nhà mạng cho 15 tin bị từ chối" in text(paper.get(f"/runs/{world.run}").text)
    for fields in ({"reason": "filtered", "because": ""}, {"reason": "no such", "because": WHY}):
        assert paper.send(here, here, **fields, code="10").status_code == 422
    assert paper.send(here, here, reason="filtered", code="10", because=WHY).status_code == 303
    page = text(paper.get(here).text)
    assert WHY in page
    assert "Phê duyệt lệnh" not in page
    number = pages_db.read(rejected_orders.orders, world.run)[0].number
    paper = signed_in("approver")
    assert paper.send(here, f"{here}/{number}/approve").status_code == 403  # the same hand made both accounts
    pages_db.write(add_person, NewPerson("chief", "approver"), PASSWORD, at_keyboard("host"))
    paper.sign_in("chief")
    assert paper.send(here, f"{here}/{number}/approve").status_code == 303
    assert "Đã đưa lại vào hàng đợi 10 tin từng bị từ chối." in text(paper.get(here).text)
    d = deliveries.c
    again = select(d.campaign_id, d.batch_id, d.seq).where(d.state == int(DeliveryState.QUEUED)).limit(1)
    place = pages_db.read(lambda c: c.execute(again).one())
    events = pages_db.read(delivery_history.read_history, *place).events
    assert [(each.kind, each.what, each.reason) for each in events] == [
        ("submission", "rejected", 0),
        ("state_change", "requeued", Reason.FILTERED),  # which the row itself has no more
    ]
    history = text(paper.get(f"/deliveries/{'/'.join(map(str, place))}").text)
    assert "bị từ chối do bộ lọc hoặc khai báo tên định danh" in history
    assert paper.send(f"/runs/{world.run}", f"{here}/999/approve").status_code == 422


def test_many_causes_and_many_orders_go_on_below(pages_db: Database, signed_in: In) -> None:
    """Each message of another code, and an order about the first of them many times: 30 are on a page."""
    world = build(pages_db, 40)
    world.fan_out()
    answered(world, lambda nth, _: Rejected(f"c{nth:03}", Reason.FILTERED))
    pages_db.write(lambda c: c.execute(update(runs).values(state="sent")))
    orders = [asked(world, code="c000") for _ in range(33)]
    paper, here = signed_in("auditor"), f"/runs/{world.run}/rejected"
    first = paper.get(here).text
    assert re.findall(r"<td [^>]*><code>[^<]*(c\d{3})", first) == [f"c{n:03}" for n in range(30)]
    assert "Dòng 1–30 trong 40 dòng." in text(first)
    assert "Dòng 1–30 trong 33 dòng." in text(first)
    causes, later = (unescape(each) for each in re.findall(r'rel="next" href="([^"]+)"', first))
    page = paper.get(causes).text
    assert re.findall(r"<td [^>]*><code>[^<]*(c\d{3})", page) == [f"c{n:03}" for n in range(30, 40)]
    assert "Dòng 31–40 trong 40 dòng." in text(page)
    assert "Dòng 31–33 trong 33 dòng." in text(paper.get(later).text)
    assert 'rel="next"' not in paper.get(f"{here}?after=10&orders_after=3").text, "a page ends with the last"
    chief = signed_in("approver")
    seen = [
        int(n) for each in (here, later) for n in re.findall(r"rejected/(\d+)/approve", chief.get(each).text)
    ]
    assert seen == orders[::-1], "the newest first, none left out"
    for hostile in ("after=-1", "after=x", "after=" + "9" * 40, "orders_after=5000", "after=%00"):
        assert paper.get(f"{here}?{hostile}").status_code == 200, hostile
