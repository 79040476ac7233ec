"""Endpoints are told of runs, links, reports and deadlines: each once, whoever looks and however often."""

from __future__ import annotations

import asyncio
import base64
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from app.campaigns.runs import Verb, order
from app.core import clock
from app.core.config import EndpointSettings, Settings
from app.core.errors import Conflict, NotFound
from app.core.states import RunState
from app.database.connection import Database
from app.database.models import campaigns, directives, links, notices, runs
from app.directives.notices import listed
from app.directives.notification_loop import NotificationLoop, at_risk
from app.dispatch import link_store as link_rows
from app.notifications import events, outbox
from app.security import audit
from carriers.contract import Halted
from tests.app.notifications.servers import endpoint
from tests.app.world import World, build
from tests.exact import exactly
from tests.operations import carry_out

ENDS = ("run.sent", "run.finished")
SECRET = "whsec_" + base64.b64encode(b"an invented secret of 32 bytes!!").decode()


def settings_for(url: str, *kinds: str) -> Settings:
    desk = EndpointSettings(url=url, secret=SECRET, events=kinds or ("*",))  # type: ignore[arg-type]
    return Settings(endpoints={"desk": desk}, private_endpoints=True)


def kinds(db: Database, settings: Settings) -> list[str]:
    return [each.kind for each in db.read(events.happened, settings, clock.now())]


def run_of(db: Database, **values: Any) -> World:
    world = build(db, 3)
    db.write(lambda c: c.execute(update(runs).values(values)))
    return world


@pytest.mark.longer
def test_a_runs_life_is_told_in_its_order(db: Database) -> None:
    settings = settings_for("https://desk.example.vn/loa")
    now = clock.now_ms()
    world = run_of(db, started_at=now)
    order(db, Verb.PAUSE, world.run, "Lan")
    order(db, Verb.RESUME, world.run, "Lan")
    db.write(lambda c: c.execute(update(runs).values(state=RunState.SENT.value, ended_at=now + 5)))
    assert sorted(kinds(db, settings)) == ["run.paused", "run.resumed", "run.sent", "run.started"]
    news = db.read(events.happened, settings, clock.now())
    assert db.write(outbox.put, news) == 4
    assert db.write(outbox.put, news) == 0
    assert not db.read(outbox.unknown, news)
    told = {each.kind: each.payload["data"] for each in news}
    assert told["run.started"]["carrier"] == "viettel"
    assert told["run.paused"]["by"] == "Lan"
    finished = {"state": RunState.FINISHED.value, "finished_at": now + 9}
    db.write(lambda c: c.execute(update(runs).values(finished)))
    later = db.read(events.happened, settings, clock.now())
    assert db.write(outbox.put, later) == 1
    told = {each.kind: each.payload["data"]["state"] for each in later if each.kind in ENDS}
    assert told == {"run.sent": "sent", "run.finished": "finished"}


@pytest.mark.longer
def test_a_cancelled_run_is_finished_and_was_not_sent(db: Database) -> None:
    run_of(db, state=RunState.CANCELLED.value, ended_at=clock.now_ms())
    news = db.read(events.happened, settings_for("https://desk.example.vn", *ENDS), clock.now())
    assert [(each.kind, each.payload["data"]["state"]) for each in news] == [("run.finished", "cancelled")]


def test_a_run_that_has_paused_itself_is_told_by_webhook_and_mail(db: Database) -> None:
    mail = {"host": "127.0.0.1", "security": "none", "sender": "loa@x.example", "to": ["pa05@x.example"]}
    for_mail = Settings.model_validate({"mail": mail})
    world = run_of(db, started_at=clock.now_ms())
    said = {"cause": "failed", "bad": 1071, "of": 5340, "reasons": {"filtered": 60}}
    db.write(audit.note, "loa", "run.suspended", f"run/{world.run}", campaign=1, carrier="viettel", **said)
    news = db.read(events.happened, settings_for("https://desk.example.vn", "run.suspended"), clock.now())
    assert [(each.kind, each.payload["data"]["bad"]) for each in news] == [("run.suspended", 1071)]
    (letter,) = db.read(events.happened, for_mail, clock.now())
    assert (letter.channel, letter.target) == ("email", "pa05@x.example")
    assert letter.payload["subject"] == "Đợt gửi 1 (nhà mạng Viettel) đã tự tạm dừng"
    assert "trong 5.340 tin gần nhất có 1.071 tin bị lỗi" in letter.payload["text"]
    assert db.write(outbox.put, [letter]) == 1
    assert not db.read(outbox.unknown, db.read(events.happened, for_mail, clock.now()))
    for cause in ("refused", "unknown", "daily"):
        act = {"campaign": 1, "carrier": "vnpt", **said, "cause": cause}
        db.write(audit.note, "loa", "run.suspended", f"run/{world.run}", **act)
    assert len(db.read(events.happened, for_mail, clock.now())) == 4


@pytest.mark.longer
def test_only_what_an_endpoint_wants_is_told_and_old_news_is_none(db: Database) -> None:
    world = run_of(db, started_at=clock.now_ms())
    link_rows_halt(db, world)
    assert kinds(db, settings_for("https://desk.example.vn", "link.halted")) == ["link.halted"]
    assert kinds(db, Settings()) == []
    long_ago = clock.to_ms(clock.now() - timedelta(hours=2))
    db.write(lambda c: c.execute(update(runs).values(started_at=long_ago)))
    db.write(lambda c: c.execute(update(links).values(changed_at=long_ago)))
    assert kinds(db, settings_for("https://desk.example.vn")) == []


def link_rows_halt(db: Database, world: World) -> None:
    db.write(link_rows.halt, world.link.id, Halted("1", "Wrong password."))


@pytest.mark.longer
def test_a_run_that_will_miss_its_deadline_is_told_once(db: Database) -> None:
    settings = settings_for("https://desk.example.vn")
    world = run_of(db, started_at=clock.now_ms())
    db.write(lambda c: c.execute(update(links).values(segments_per_second=0.001)))
    letter = {"number": "1", "issued_on": "2026-01-01", "issuer": "x", "subject": "y", "addressees": []}
    letter |= {"created_at": 0, "created_by": "x", "report_deadline": clock.now_ms() + 60_000}
    key = db.write(lambda c: c.execute(insert(directives).values(letter)).inserted_primary_key)
    assert key is not None
    db.write(lambda c: c.execute(update(campaigns).values(directive_id=key[0])))
    found = db.read(at_risk, settings, clock.now())
    assert [(each.kind, each.payload["data"]["run_id"]) for each in found] == [
        ("deadline.at_risk", world.run)
    ]
    assert db.write(outbox.put, found) == 1
    assert db.write(outbox.put, db.read(at_risk, settings, clock.now())) == 0
    db.write(lambda c: c.execute(update(links).values(segments_per_second=1000.0)))
    assert db.read(at_risk, settings, clock.now()) == []


@pytest.mark.longer
async def test_the_herald_brings_them_to_a_real_endpoint_once_and_again_when_asked(db: Database) -> None:
    world = run_of(db, started_at=clock.now_ms())
    link_rows_halt(db, world)
    with endpoint() as told:
        heralds = [NotificationLoop(db, settings_for(told.url)), NotificationLoop(db, settings_for(told.url))]
        stopping = asyncio.Event()
        running = [asyncio.create_task(each.run(stopping)) for each in heralds]
        await until(lambda: len(told.requests) == 2)
        row = db.read(lambda c: c.execute(select(notices).where(notices.c.kind == "link.halted")).one())
        carry_out(db, "replay_notice", "Lan", notice_id=row.id)
        await until(lambda: len(told.requests) == 3)
        stopping.set()
        await asyncio.gather(*running)
    ids = [headers["webhook-id"] for headers, _ in told.requests]
    assert len(set(ids)) == 2
    assert b"Wrong password." in told.requests[-1][1]
    with pytest.raises(NotFound):
        carry_out(db, "replay_notice", "Lan", notice_id=999)


@pytest.mark.longer
def test_all_that_failed_to_one_receiver_is_sent_again_by_one_order(db: Database) -> None:
    of = outbox.NotificationChannel.WEBHOOK
    db.write(outbox.put, [outbox.Notice(f"{name}/{n}", "x", of, name, {}) for name in "ab" for n in range(2)])
    while due := db.write(outbox.next_due):
        db.write(outbox.record_outcome, due, outbox.Never("The endpoint answered with status 410."))
    assert carry_out(db, "replay_failed_notices", "Lan", target="a").notices == 2
    waiting = db.read(listed, 0, 10, outbox.NoticeState.WAITING).items
    assert [each.target for each in waiting] == ["a", "a"]
    with pytest.raises(
        Conflict, match=exactly("There are no failed notices to a. Notices to these have failed: b.")
    ):
        carry_out(db, "replay_failed_notices", "Lan", target="a")


def test_an_order_to_send_again_outlives_a_sending_that_is_under_way(db: Database) -> None:
    notice = outbox.Notice(
        "link/1/halted/endpoint/x", "link.halted", outbox.NotificationChannel.WEBHOOK, "x", {}
    )
    assert db.write(outbox.put, [notice]) == 1
    under_way = db.write(outbox.next_due)
    assert under_way is not None
    carry_out(db, "replay_notice", "Lan", notice_id=under_way.id)
    db.write(outbox.record_outcome, under_way, outbox.Sent())
    again = db.write(outbox.next_due)
    assert again is not None
    assert again.id == under_way.id


async def until(true: Any) -> None:
    for _ in range(400):
        if true():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("not within 20 s")
