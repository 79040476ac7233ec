"""Money on pages: the budget that is written, approved, spent and raised, and what was sent has cost."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import update

from app.campaigns import approval, budget_orders, lifecycle
from app.campaigns.budgets import orders
from app.database.connection import Database, shared_ms
from app.database.models import budgets, runs
from app.dispatch import suspend_sweep
from app.ledger.contract import Reservation
from app.security import Caller
from tests.app.campaigns.rows import DRAFT, HOURS, whole_run
from tests.app.campaigns.test_budgets import OFF
from tests.app.inbound.test_inbound_writer import message, write
from tests.app.ledger.test_money import budgeted, held, priced, record
from tests.app.world import accepted, build
from tests.long.app.web.conftest import Paper, text

In = Callable[..., Paper]


def seen(page: Any, name: str) -> str:
    """What is read of a page; kept in LOA_TEST_PAGES, to be looked at."""
    if folder := os.environ.get("LOA_TEST_PAGES"):
        Path(folder, f"{name}.html").write_text(page.text, encoding="utf-8")
    assert page.status_code == 200
    return text(page.text)


def spent(db: Database) -> int:
    """A run that has paused itself because its budget is spent; each message costs 250.50 đồng."""
    world = budgeted(db, 50, 20)
    priced(db, viettel="250.50")
    db.write(lambda c: c.execute(update(runs).values(started_at=shared_ms(c))))
    lease = held(world)
    record(world, lease, [], 21, 20)
    record(world, lease, accepted(lease.items[:20]))
    db.write(world.ledger.record, world.link, lease, [], Reservation(50, 5), 30.0)
    db.write(world.ledger.release, lease, 0.0)
    assert db.write(suspend_sweep.look, OFF, db) == [world.run]
    return world.campaign


def test_a_spent_budget_is_raised_on_the_campaigns_page(pages_db: Database, signed_in: In) -> None:
    campaign = spent(pages_db)
    asker = signed_in("approver")
    said = seen(asker.get("/runs/1"), "run")
    assert "Hạn mức của chiến dịch là 20 bản tin, đã gửi hoặc có thể đã gửi 20 bản tin." in said
    assert "Chi phí đến nay: 5.010 đồng chưa gồm VAT, cho 20 bản tin." in said
    page = f"/campaigns/{campaign}"
    fields = {"budget_segments": "20", "reason": "Thêm hai huyện"}
    refused = asker.send(page, f"{page}/budget", **fields)
    assert refused.status_code == 422
    assert "Chiến dịch đã có hạn mức này." in text(refused.text)
    assert asker.send(page, f"{page}/budget", **fields | {"budget_segments": "40"}).status_code == 303
    assert "chờ phê duyệt" in seen(asker.get(page), "campaign")
    own = asker.send(page, f"{page}/budget/{order(pages_db)}/approve")
    assert own.status_code == 403
    assert "Cần người khác quyết định." in text(own.text)
    pages_db.write(budget_orders.approve, campaign, order(pages_db), Caller("boss", "approver"))
    assert "boss đã duyệt" in seen(asker.get(page), "campaign-raised")
    assert "tự tạm dừng" not in seen(asker.get("/runs/1"), "run-raised")


def test_a_run_without_room_offers_to_raise_its_budget(pages_db: Database, signed_in: In) -> None:
    campaign = spent(pages_db)
    for role, carrier, said in (("approver", None, "Nâng hạn mức"), ("operator", "viettel", "Xem hạn mức")):
        page = signed_in(role, carrier).get("/runs/1").text
        assert f'href="/campaigns/{campaign}#budget">{said}' in page
        assert "Hạn mức đã dùng hết nên chưa thể gửi tiếp." in text(page)
        assert "/runs/1/resume" not in page
    pages_db.write(lambda c: c.execute(update(budgets).values(segments=10)))
    assert "/runs/1/resume" in signed_in("admin").get("/runs/1").text


def order(db: Database) -> int:
    return db.read(orders, 1)[-1].number


def test_the_form_takes_a_budget_and_the_approver_sees_it(pages_db: Database, signed_in: In) -> None:
    campaign, _ = pages_db.write(whole_run)
    draft = replace(DRAFT, budget_segments=1000)
    pages_db.write(lambda c: lifecycle.edit(c, campaign, 2, draft, HOURS, "author"))
    paper = signed_in("approver")
    edit = seen(paper.get(f"/campaigns/{campaign}/edit"), "edit")
    assert "Không gửi quá hạn mức này" in edit
    pages_db.write(lifecycle.submit, campaign, "author")
    shown = seen(paper.get(f"/approvals?campaign={campaign}"), "approvals")
    assert "Không gửi quá hạn mức: 1.000 bản tin." in shown
    pages_db.write(approval.approve, campaign, Caller("chief", "admin"))
    pages_db.write(budget_orders.ask, campaign, 2000, "more", "author")


def test_replies_are_told_apart_on_the_page(pages_db: Database, signed_in: In) -> None:
    world = build(pages_db, 1)
    write(
        world, message("Từ chối"), message("LD 0987654321 xưng là công an", "84912345602"), message("cảm ơn")
    )
    paper = signed_in("admin")
    every = seen(paper.get("/inbound"), "inbound")
    assert "không muốn nhận tin nữa" in every
    assert "0987654321" not in every
    only = seen(paper.get("/inbound?kind=report"), "inbound-reports")
    assert "xưng là công an" in only
    assert "cảm ơn" not in only
