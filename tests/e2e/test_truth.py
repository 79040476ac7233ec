"""A1 to A12 in one evening, each looked at on the page where the screen once misled.

tests/long/app/web/test_truth.py has every case of each.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import Connection, delete, insert, select, update

from app.accounts.service import NewPerson, add_person
from app.core import clock
from app.database.connection import Database
from app.database.models import campaigns, deliveries, link_health, receipts, runs, sessions
from tests.app.campaigns.rows import new_batch, new_campaign
from tests.e2e import scene
from tests.e2e.conftest import opened
from tests.e2e.look import People
from tests.long.app.web.test_truth import shown

MISLED_S = 15_000  # so long may a page say that a dead link is well
OWN = "Cảnh giác với cuộc gọi giả danh công an."
LINK_1 = link_health.c.link_id == 1


@pytest.fixture
def evening(chromium: Browser, sqlite_template: Path, tmp_path: Path) -> Iterator[tuple[People, Database]]:
    with opened(sqlite_template, tmp_path, scene.build) as (address, db):
        whole_day = {"day_starts": "00:00", "day_ends": "24:00"}
        db.write(lambda c: c.execute(update(campaigns).values(whole_day)))
        people = People(chromium, address)
        yield people, db
        people.close()


def enter(people: People, who: str, script: bool = True) -> Page:
    return people.enter(scene.PEOPLE[who].name, scene.PASSWORD, script=script)


def bad(page: Page, words: str) -> None:
    expect(page.locator(".badge.bad", has_text=words).first).to_be_visible(timeout=MISLED_S)


def receipts_of_the_minute(c: Connection) -> None:
    """Run 2's receipts came 11 s after their messages; the carrier dates them by the minute."""
    own = deliveries.c.batch_id == 2
    c.execute(delete(receipts))
    c.execute(update(deliveries).where(own).values(done_at=deliveries.c.submitted_at / 60_000 * 60_000))
    said = {"campaign_id": 1, "batch_id": 2, "part": 0, "changed": True, "level": 2, "reason": 0}
    said |= {"link_id": 2, "group_id": 2, "status": "delivered"}
    sent = c.execute(select(deliveries.c.seq, deliveries.c.submitted_at).where(own)).all()
    c.execute(insert(receipts), [said | {"seq": seq, "received_at": at + 11_000} for seq, at in sent])


def red_with_its_link(page: Page, bare: Page, db: Database) -> None:
    # A1 green-over-a-dead-process: red within 15 s, without loading the page again, and wherever it matters
    lost = {"link_id": 1, "holder": "worker", "seen_at": clock.now_ms() + scene.DAY}
    db.write(lambda c: c.execute(delete(link_health).where(LINK_1)))
    db.write(lambda c: c.execute(insert(link_health).values(lost | {"lost_since": clock.now_ms()})))
    bad(page, "mất kết nối")
    for path in ("/", "/runs/1", "/campaigns/1"):
        bare.goto(path)
        bad(bare, "mất kết nối")
        expect(bare.locator(".badge.good", has_text="kịp hạn")).to_have_count(0)
    bare.goto("/")
    expect(bare.locator("#todo, [aria-labelledby=todo]").first).to_contain_text("mất kết nối")
    bare.goto("/links")
    expect(bare.locator(".badge.bad").first).to_be_visible()
    died = {"seen_at": clock.now_ms() - 40_000, "lost_since": None, "connected_since": 1}
    db.write(lambda c: c.execute(update(link_health).where(LINK_1).values(died)))
    bare.goto("/runs/1")
    bad(bare, "không có tiến trình gửi nào mở kết nối")


def test_no_page_is_green_while_the_truth_is_red(evening: tuple[People, Database]) -> None:
    people, db = evening
    page = enter(people, "viettel")
    # A2 forecast-without-the-limit: one moment, by the run's own limit
    db.write(lambda c: c.execute(update(runs).where(runs.c.id == 1).values(segments_per_second=50)))
    moments = set()
    for path in ("/", "/runs/1", "/campaigns/1"):
        page.goto(path)
        moments |= shown(page.content())
    later = [clock.local(clock.now() + timedelta(minutes=m)) for m in (98, 99, 100)]
    assert moments <= {f"{each:%H:%M}" for each in later} | {f"{each:%H:%M %d/%m}" for each in later}, (
        "at 50 a second, not at the contract's 400"
    )
    assert 1 <= len(moments) <= 2, "one forecast, in one minute or the next"
    # A3: what moves says when it last moved, and the figures do move
    page.goto("/runs/1")
    stamp = page.locator("[data-stamp]")
    expect(stamp).not_to_have_text(stamp.text_content() or "", timeout=8_000)
    bare = enter(people, "viettel", script=False)
    red_with_its_link(page, bare, db)
    # A8 lost-order-unsaid: the order after the session has ended is said to be not carried out
    bare.goto("/runs/1")
    db.write(lambda c: c.execute(delete(sessions)))
    form = bare.locator('form[action="/runs/1/pause"]').first
    if not form.locator("button").last.is_visible():
        bare.locator("details", has=form).last.locator("summary").first.click()
    form.locator("button").last.click()
    expect(bare.locator("main")).to_contain_text("CHƯA được thực hiện")
    # A12: a page that was open shows nothing once its session has ended
    page.wait_for_url("**/sign-in?next=*", timeout=60_000)


def test_the_office_s_pages_say_what_is_so(evening: tuple[People, Database]) -> None:
    people, db = evening
    # A6: the operator is told what to press
    db.write(add_person, NewPerson("Trực MobiFone", "operator", "mobifone"), scene.PASSWORD, "test")
    operator = people.enter("Trực MobiFone", scene.PASSWORD)
    expect(operator.locator(".todo")).to_contain_text("Bắt đầu gửi cho 88.204 thuê bao")
    expect(operator.locator('.todo a.button[href="/runs/3#orders"]')).to_be_visible()
    # A4 overview-full-of-drafts, A11: chosen by state, and what is planned shows no time of its end
    for _ in range(30):
        db.write(new_campaign)
    page = enter(people, "admin")
    names = page.locator('th[id^="c"] a').all_text_contents()
    assert [name.strip() for name in names] == [scene.FIRST.name, scene.SECOND.name]
    expect(page.locator("tr.run", has=page.locator('a[href^="/runs/3"]'))).to_contain_text("–")
    # A10 latency-by-the-carrier-s-clock: its dates are cut at the minute, ours say eleven seconds
    db.write(receipts_of_the_minute)
    page.goto("/campaigns/1")
    waits = page.locator("tr", has_text="VNPT").filter(has_text="giây").first
    expect(waits).to_contain_text("11,0 giây")
    # A5 unapproved-counted: what nobody approved has nothing to report
    db.write(lambda c: c.execute(update(campaigns).where(campaigns.c.id == 2).values(state="draft")))
    page.goto("/directives/2")
    expect(page.locator("main")).not_to_contain_text("chưa bắt đầu gửi")


def test_what_an_author_and_a_carrier_gave_is_kept_and_judged(evening: tuple[People, Database]) -> None:
    people, db = evening
    page = enter(people, "admin")
    db.write(lambda c: c.execute(update(campaigns).where(campaigns.c.id == 2).values(state="draft")))
    # A7: the author's marks outlive a form without them
    page.goto("/campaigns/2/edit")
    page.fill("#f-text", OWN)
    page.select_option("[name=form]", "unaccented")
    page.locator("button[value=keep]").click()
    page.goto("/campaigns/2/edit")
    expect(page.locator("#f-text")).to_have_value(OWN)
    # A9 wrong-file-green: another carrier's file is red, in the list and on its page
    wrong = db.write(new_batch, "vnpt", lines=5001, accepted=5001, other_range=5000, sha256="9" * 64)
    page.goto("/batches")
    bad(page, "nhà mạng khác")
    page.goto(f"/batches/{wrong}")
    expect(page.locator(".refusal")).to_contain_text("nhà mạng khác")
