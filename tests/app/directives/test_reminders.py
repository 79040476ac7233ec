"""Reminders: on the days of the settings, to whom something is missing, once, by mail and webhook."""

from __future__ import annotations

import asyncio
import base64
import email
import email.policy
import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from app.campaigns import directives
from app.core import clock
from app.core.config import Settings
from app.database.connection import Database
from app.database.models import directives as table
from app.database.models import notices as notices_table
from app.directives import notices, reminders
from app.directives.notification_loop import NotificationLoop
from app.notifications import outbox
from app.notifications.outbox import NotificationChannel
from app.reports.counting import consolidated
from tests.app.directives.scene import DEADLINE, letter
from tests.app.notifications.servers import endpoint, smtp_server
from tests.engines import by_default

database_url = by_default

SECRET = "whsec_" + base64.b64encode(b"an invented secret of 32 bytes!!").decode()


def settings(port: int = 1, url: str = "http://127.0.0.1:1/", **more: Any) -> Settings:
    mail = {"host": "127.0.0.1", "port": port, "security": "none", "sender": "loa@x.example"}
    mail |= {"to": ["pa05@x.example"]}
    hooks = {
        "desk": {"url": url, "secret": SECRET},
        "deaf": {"url": url, "secret": SECRET, "events": ["report.frozen"]},
    }
    base = {"mail": mail, "endpoints": hooks, "private_endpoints": True}
    return Settings.model_validate(base | more)


def due(db: Database, now: datetime, of: Settings | None = None) -> list[str]:
    return [each.key for each in db.read(reminders.due, of or settings(), now)]


@pytest.mark.longer
def test_everybody_who_lacks_something_is_told_and_the_desk_and_the_endpoint(db: Database) -> None:
    letter(db)
    found = db.read(reminders.due, settings(), DEADLINE - timedelta(days=3) + timedelta(hours=1))
    assert [(each.channel, each.target) for each in found] == [
        (NotificationChannel.EMAIL, "carrier@x.example"),
        (NotificationChannel.EMAIL, "department@x.example"),
        (NotificationChannel.EMAIL, "pa05@x.example"),
        (NotificationChannel.WEBHOOK, "desk"),
    ]
    text = found[1].payload["text"]
    assert text.startswith("Kính gửi: Sở Tư pháp\n")
    assert "Văn bản số 303/CAT-PA05 ngày 29/01/2024" in text
    assert "17:00 ngày 24/02/2024 (còn 3 ngày)" in text
    assert "- chưa báo cáo" in text
    assert found[3].payload["data"]["days"] == 3
    assert "Căn cứ" not in text
    assert "liên hệ" not in text


@pytest.mark.longer
def test_a_reminder_says_what_the_letter_rests_on_and_whom_to_ask(db: Database) -> None:
    letter(db)
    said = {"legal_basis": "Kế hoạch 12/KH-UBND", "contact": "đ/c An, Phòng PA05"}
    db.write(lambda c: c.execute(update(table).values(said)))
    found = db.read(reminders.due, settings(), DEADLINE - timedelta(days=3) + timedelta(hours=1))
    for mail in found[:2]:
        assert "Căn cứ: Kế hoạch 12/KH-UBND." in mail.payload["text"]
        assert "Cần trao đổi, xin liên hệ: đ/c An, Phòng PA05." in mail.payload["text"]
    assert said.items() <= found[3].payload["data"].items()


@pytest.mark.longer
def test_a_field_writes_no_lines_of_the_mail_and_no_second_full_stop(db: Database) -> None:
    letter(db)
    said = {"legal_basis": "Kế hoạch 12/KH-UBND.", "contact": "An\n\nĐã gia hạn.\x1b[0m", "subject": "a\r\nb"}
    db.write(lambda c: c.execute(update(table).values(said)))
    for mail in db.read(reminders.due, settings(), DEADLINE - timedelta(days=3) + timedelta(hours=1)):
        if mail.channel is NotificationChannel.EMAIL and "Kính gửi" in mail.payload["text"]:
            lines = mail.payload["text"].splitlines()
            assert "Căn cứ: Kế hoạch 12/KH-UBND." in lines
            assert "Cần trao đổi, xin liên hệ: An Đã gia hạn.\\u001b[0m." in lines
            assert any("về việc “a b”" in line for line in lines)


@pytest.mark.longer
@pytest.mark.parametrize(
    ("before", "days"),
    [
        (timedelta(days=8), None),
        (timedelta(days=7), 7),
        (timedelta(days=6, hours=1), 7),
        (timedelta(days=6), None),
        (timedelta(days=3), 3),
        (timedelta(hours=1), 1),
        (timedelta(0), 0),
        (-timedelta(hours=23), 0),
        (-timedelta(days=1), -1),
        (-timedelta(days=3, hours=1), -3),
        (-timedelta(days=5), None),
    ],
)
def test_a_reminder_has_its_day(db: Database, before: timedelta, days: int | None) -> None:
    letter(db)
    keys = due(db, DEADLINE - before)
    assert {key.split("/")[3] for key in keys} == ({str(days)} if days is not None else set())


@pytest.mark.longer
@pytest.mark.parametrize("late", [timedelta(0), timedelta(minutes=1), timedelta(hours=8)])
@pytest.mark.parametrize("day", [7, 3, -3])
def test_mail_and_event_say_the_same_number_of_days(db: Database, day: int, late: timedelta) -> None:
    letter(db)
    found = db.read(reminders.due, settings(), DEADLINE - timedelta(days=day) + late)
    days = {each.payload["data"]["days"] for each in found if "data" in each.payload}
    said = {
        each.payload["text"].count(f"{abs(n)} ngày") for each in found if "text" in each.payload for n in days
    }
    assert (len(days), said) == (1, {1})


@pytest.mark.longer
def test_another_deadline_is_reminded_of_anew_and_past_reports_go_by_the_one_before(db: Database) -> None:
    letter(db)
    at = clock.to_ms(DEADLINE + timedelta(hours=1))
    before = db.read(consolidated.build, 1, at)
    keys = set(due(db, DEADLINE - timedelta(days=3)))
    db.write(directives.put_off, 1, DEADLINE + timedelta(days=4), "By letter 311", "lan")
    assert db.read(consolidated.build, 1, at) == before
    now = db.read(consolidated.build, 1, clock.now_ms()).letter
    assert now.deadline_ms == clock.to_ms(DEADLINE + timedelta(days=4))
    again = set(due(db, DEADLINE + timedelta(days=1)))
    assert len(again) == len(keys)
    assert not again & keys


@pytest.mark.longer
def test_the_settings_choose_the_days(db: Database) -> None:
    letter(db)
    only = settings(reminder_days=(5,))
    assert due(db, DEADLINE - timedelta(days=3), only) == []
    assert len(due(db, DEADLINE - timedelta(days=5), only)) == 4
    assert due(db, DEADLINE - timedelta(days=5), settings(reminder_days=())) == []


@pytest.mark.longer
def test_an_addressee_has_one_mail_for_all_that_it_lacks(db: Database) -> None:
    letter(db)
    again = "UPDATE addressees SET email = 'same@x.example'"
    db.write(lambda c: c.exec_driver_sql(again))
    found = db.read(reminders.due, settings(), DEADLINE)
    mails = [each for each in found if each.target == "same@x.example"]
    assert len(mails) == 1
    assert mails[0].payload["text"].startswith("Kính gửi: Viettel, Sở Tư pháp\n")


@pytest.mark.longer
def test_nothing_is_said_without_a_deadline_or_twice(db: Database) -> None:
    letter(db)
    found = db.read(reminders.due, settings(), DEADLINE)
    assert db.write(outbox.put, found) == len(found)
    assert db.write(outbox.put, db.read(reminders.due, settings(), DEADLINE + timedelta(minutes=1))) == 0
    db.write(lambda c: c.exec_driver_sql("UPDATE directives SET report_deadline = NULL"))
    assert due(db, DEADLINE) == []


@pytest.mark.longer
async def test_the_worker_tells_by_mail_and_webhook(db: Database) -> None:
    letter(db, deadline=clock.now() + timedelta(days=1) - timedelta(minutes=5))
    with smtp_server() as (post, port), endpoint() as told:
        stopping = asyncio.Event()
        herald = NotificationLoop(db, settings(port, told.url))
        await herald.plan()
        running = asyncio.create_task(herald.run(stopping))
        async with asyncio.timeout(10):
            while len(post.messages) < 3 or not told.requests:  # noqa: ASYNC110 - other threads fill both
                await asyncio.sleep(0.02)
        stopping.set()
        await running
    subjects = set()
    for envelope in post.messages:
        assert isinstance(envelope.content, bytes)
        subjects.add(email.message_from_bytes(envelope.content, policy=email.policy.default)["Subject"])
    assert len(subjects) == 1
    assert subjects.pop().startswith("Nhắc báo cáo theo văn bản 303/CAT-PA05, hạn ")
    [(headers, body)] = told.requests
    assert headers["webhook-id"].startswith("msg_")
    assert {each["who"] for each in json.loads(body)["data"]["missing"]} == {
        "Viettel",
        "MobiFone",
        "Sở Tư pháp",
    }


@pytest.mark.longer
async def test_planning_twice_says_it_once(db: Database) -> None:
    letter(db, deadline=clock.now() + timedelta(days=1) - timedelta(minutes=5))
    herald = NotificationLoop(db, settings())
    await herald.plan()
    await NotificationLoop(db, settings()).plan()
    assert len(db.read(notices.listed, 0, 100).items) == 4


async def test_a_worker_with_nobody_to_tell_waits_for_its_end(db: Database) -> None:
    stopping = asyncio.Event()
    running = asyncio.create_task(NotificationLoop(db, Settings()).run(stopping))
    await asyncio.sleep(0)
    stopping.set()
    await asyncio.wait_for(running, 30)


@pytest.mark.longer
async def test_what_one_host_cannot_send_another_tries(db: Database) -> None:
    letter(db, deadline=clock.now() + timedelta(days=1) - timedelta(minutes=5))
    with smtp_server() as (post, port), endpoint() as told:
        stopping = asyncio.Event()
        cut_off = NotificationLoop(db, settings(1, told.url))
        await cut_off.plan()
        running = [asyncio.create_task(cut_off.run(stopping))]
        await until_tried(db)
        running.append(asyncio.create_task(NotificationLoop(db, settings(port, told.url)).run(stopping)))
        async with asyncio.timeout(20):
            while len(post.messages) < 3:
                db.write(lambda c: c.execute(update(notices_table).values(due_at=0)))
                await asyncio.sleep(0.2)
        stopping.set()
        await asyncio.gather(*running)


async def until_tried(db: Database) -> None:
    async with asyncio.timeout(10):
        while not any(each.tries for each in db.read(notices.listed, 0, 100).items):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
