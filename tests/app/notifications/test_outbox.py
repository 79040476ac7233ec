"""The outbox: nothing is said twice by us, nothing is forgotten, failures wait longer and longer."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from app.core import clock
from app.core.config import Settings
from app.database.connection import Database
from app.database.jobs import Hold
from app.database.models import notices
from app.directives.notices import listed
from app.notifications import outbox
from app.notifications.outbox import Later, Never, Notice, NoticeState, NotificationChannel, Sent
from app.notifications.sender import Sender
from app.observability.faults import present
from tests.app.held import expire, held_by
from tests.app.notifications.servers import endpoint, smtp_server
from tests.operations import carry_out

SECRET = "whsec_" + base64.b64encode(b"an invented secret of 32 bytes!!").decode()


def notice(key: str = "a", **changes: Any) -> Notice:
    values = {"kind": "directive.due", "channel": NotificationChannel.EMAIL, "target": "vp@x.example"}
    return Notice(key=key, **(values | {"payload": {"subject": "Nhắc", "text": "Thiếu"}} | changes))


def row(db: Database) -> Any:
    return db.read(lambda c: c.execute(select(notices)).one())


def hurry(db: Database, **values: Any) -> None:
    db.write(lambda c: c.execute(update(notices).values(**values)))


def holding(db: Database) -> Hold:
    return Hold(db, outbox.JOB, "", 60.0)


def test_the_same_key_is_put_in_once(db: Database) -> None:
    assert db.write(outbox.put, [notice(), notice("b")]) == 2
    assert db.write(outbox.put, [notice(), notice("c")]) == 1


@pytest.mark.parametrize(
    "forged",
    [
        {"payload": {"subject": "Nhắc", "text": "Gui tien ngay"}},
        {"target": "mallory@x.example"},
        {"kind": "run.finished"},
        {"stamp": None},
    ],
    ids=["text", "recipient", "kind", "no stamp"],
)
def test_what_loa_has_not_written_is_not_sent_and_is_a_fault(
    db: Database, database_url: str, forged: dict[str, Any]
) -> None:
    db.close()
    keyed = Database(database_url, keys=(b"k" * 32,))
    try:
        keyed.write(outbox.put, [notice()])
        copy = dict(row(keyed)._mapping) | {"id": 99, "key": "forged", "due_at": 0} | forged
        keyed.write(lambda c: c.execute(insert(notices).values(copy)))
        altered = update(notices).where(notices.c.id != 99).values(due_at=1)
        keyed.write(lambda c: c.execute(altered))
        taken = keyed.write(outbox.next_due)
        assert taken is not None
        assert taken.notice == notice()
        keyed.write(outbox.record_outcome, taken, Sent())
        assert keyed.write(outbox.next_due) is None
        found = keyed.read(lambda c: c.execute(select(notices).where(notices.c.id == 99)).one())
        assert (found.state, "outside Loa" in found.error) == (NoticeState.FAILED, True)
        assert [each.subject for each in keyed.read(present)] == ["notice 99"]
        carry_out(keyed, "replay_notice", "an", notice_id=99)  # which makes it no more genuine
        assert keyed.write(outbox.next_due) is None
    finally:
        keyed.close()


def test_a_notice_by_an_unknown_channel_stops_none_of_the_others(db: Database) -> None:
    db.write(outbox.put, [notice("odd"), notice("right")])
    odd = notices.c.key == "odd"
    db.write(lambda c: c.execute(update(notices).where(odd).values(channel="pigeon", due_at=0)))
    taken = db.write(outbox.next_due)
    assert taken is not None
    assert taken.notice.key == "right"
    found = db.read(lambda c: c.execute(select(notices).where(odd)).one())
    assert (found.state, "pigeon" in found.error) == (NoticeState.FAILED, True)
    assert [each.reason for each in db.read(present)] == [found.error]
    assert [each.channel for each in db.read(listed, 0, 10).items] == ["pigeon", "email"]


@pytest.mark.longer
async def test_a_notice_that_nobody_can_write_out_stops_none_of_the_others(db: Database) -> None:
    with smtp_server() as (post, port):
        mail = {"host": "127.0.0.1", "port": port, "security": "none", "sender": "loa@x.example"}
        db.write(outbox.put, [notice("odd", payload={}), notice("right")])
        sender = Sender(db, Settings.model_validate({"mail": mail}), holding(db))
        assert await sender.sweep() == 2
    assert len(post.messages) == 1
    query = select(notices.c.state, notices.c.error).order_by(notices.c.id)
    odd, right = db.read(lambda c: c.execute(query).all())
    assert (odd.state, "KeyError" in odd.error) == (NoticeState.WAITING, True)
    assert right.state == NoticeState.SENT


def test_notices_from_before_stamps_are_sent_once_the_ledger_is_migrated(
    db: Database, database_url: str
) -> None:
    db.write(outbox.put, [notice()])
    db.close()
    keyed = Database(database_url, keys=(b"k" * 32,))
    try:
        keyed.write(outbox.adopt)
        assert keyed.write(outbox.next_due) is not None
    finally:
        keyed.close()


def test_what_another_process_has_sent_meanwhile_stays_sent(db: Database) -> None:
    db.write(outbox.put, [notice()])
    frozen, heir = db.write(outbox.next_due), db.write(outbox.next_due)
    assert frozen is not None
    assert heir is not None
    db.write(outbox.record_outcome, heir, Sent())
    db.write(outbox.record_outcome, frozen, Never("too late"))
    assert row(db).state == NoticeState.SENT
    assert db.write(outbox.next_due) is None


@pytest.mark.longer
async def test_what_a_killed_process_was_sending_is_sent_by_another(db: Database) -> None:
    with smtp_server() as (post, port):
        mail = {"host": "127.0.0.1", "port": port, "security": "none", "sender": "loa@x.example"}
        db.write(outbox.put, [notice()])
        held_by(db, outbox.JOB, "", "elsewhere:1:a:b")
        sender = Sender(db, Settings.model_validate({"mail": mail}), holding(db))
        assert await sender.sweep() == 0
        expire(db)
        assert await sender.sweep() == 1
    assert len(post.messages) == 1


def test_failures_wait_longer_and_end_at_last(db: Database) -> None:
    db.write(outbox.put, [notice()])
    pauses = []
    for _ in range(3):
        due = db.write(outbox.next_due)
        assert due is not None
        before = clock.now_ms()
        db.write(outbox.record_outcome, due, Later("away"), (10.0, 60.0))
        pauses.append(round((row(db).due_at - before) / 1000))
        hurry(db, due_at=0)
    assert pauses[:2] == [10, 60]
    assert (row(db).state, row(db).tries, row(db).error) == (NoticeState.FAILED, 3, "away")


def test_the_other_side_may_ask_for_a_longer_pause(db: Database) -> None:
    db.write(outbox.put, [notice()])
    due = db.write(outbox.next_due)
    assert due is not None
    before = clock.now_ms()
    db.write(outbox.record_outcome, due, Later("busy", 500.0), (10.0,))
    assert 499 <= (row(db).due_at - before) / 1000 <= 510
    hurry(db, due_at=0)
    again = db.write(outbox.next_due)
    assert again is not None
    db.write(outbox.record_outcome, again, Sent())
    assert (row(db).state, row(db).error) == (NoticeState.SENT, None)


def test_the_usual_pauses_grow() -> None:
    assert list(outbox.WAITS) == sorted(outbox.WAITS)
    assert 3 * 86_400 < sum(outbox.WAITS) < 5 * 86_400


@pytest.mark.longer
async def test_the_sender_sends_by_both_ways(db: Database) -> None:
    with smtp_server() as (post, port), endpoint() as told:
        mail = {"host": "127.0.0.1", "port": port, "security": "none", "sender": "loa@x.example"}
        settings = Settings.model_validate(
            {
                "mail": mail,
                "endpoints": {"desk": {"url": told.url, "secret": SECRET}},
                "private_endpoints": True,
            }
        )
        hook = notice(
            "b", channel=NotificationChannel.WEBHOOK, target="desk", payload={"type": "t", "data": {}}
        )
        db.write(outbox.put, [notice(), hook])
        sender = Sender(db, settings, holding(db))
        assert await sender.sweep() == 2
        assert await sender.sweep() == 0
    assert (len(post.messages), len(told.requests)) == (1, 1)
    kept = db.read(listed, 0, 10, NoticeState.SENT).items
    assert [(each.channel, each.tries) for each in kept] == [("email", 0), ("webhook", 0)]


@pytest.mark.longer
async def test_two_senders_at_once_send_each_notice_once(db: Database) -> None:
    with smtp_server() as (post, port):
        mail = {"host": "127.0.0.1", "port": port, "security": "none", "sender": "loa@x.example"}
        settings = Settings.model_validate({"mail": mail})
        db.write(outbox.put, [notice(str(n)) for n in range(6)])
        senders = [Sender(db, settings, holding(db)).sweep() for _ in range(3)]
        assert sum(await asyncio.gather(*senders)) == 6
    assert len(post.messages) == 6


@pytest.mark.parametrize(
    ("changes", "state", "words"),
    [
        ({}, NoticeState.WAITING, "No mail server is configured"),
        (
            {"channel": NotificationChannel.WEBHOOK, "target": "gone"},
            NoticeState.FAILED,
            "Endpoint gone is no longer in the settings",
        ),
    ],
)
async def test_what_the_settings_lack_is_said(
    db: Database, changes: dict[str, Any], state: NoticeState, words: str
) -> None:
    db.write(outbox.put, [notice(**changes)])
    await Sender(db, Settings(), holding(db)).sweep()
    assert row(db).state == state
    assert words in row(db).error
