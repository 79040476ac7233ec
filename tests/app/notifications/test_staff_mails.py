"""Who works here is told by mail what waits for them: each act once, and only who is in the settings."""

from __future__ import annotations

import asyncio
import email
import email.policy
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, insert, update

from app.accounts.service import NewPerson, add_person, disable_person
from app.campaigns import approval, lifecycle
from app.core import clock
from app.core.config import Settings
from app.core.errors import SetupError
from app.core.states import HALTED_BY_HAND
from app.database.connection import Database
from app.database.models import audit, links, notices
from app.directives import reminders
from app.directives.notification_loop import NotificationLoop
from app.dispatch import link_store
from app.notifications import outbox, staff_mails
from app.notifications.outbox import Notice
from app.privacy import terms_in_force
from app.privacy.erasable import RetentionTerms
from app.security.principal import Caller, at_keyboard
from carriers.contract import Halted
from tests.app.campaigns.rows import HOURS, amend, new_link, whole_run
from tests.app.directives.scene import DEADLINE, letter
from tests.app.dispatch.paper import until
from tests.app.notifications.servers import smtp_server
from tests.engines import by_default, on_sqlite

database_url = by_default

WHO = {
    "minh": ("approver", None),
    "lan": ("admin", None),
    "truc vnpt": ("operator", "vnpt"),
    "truc viettel": ("operator", "viettel"),
    "thu": ("auditor", None),
}


def settings(*names: str, port: int = 1) -> Settings:
    mail: dict[str, Any] = {"host": "127.0.0.1", "port": port, "security": "none", "sender": "loa@x.example"}
    mail["people"] = {name: f"{name.replace(' ', '.')}@x.example" for name in names or WHO}
    return Settings.model_validate({"mail": mail, "environment": "development"})


def staffed(db: Database) -> None:
    for name, (role, carrier) in WHO.items():
        db.write(add_person, NewPerson(name, role, carrier), "bon tu chang lien quan", "host")


def found(db: Database, of: Settings | None = None, later: timedelta = timedelta()) -> list[Notice]:
    return db.read(staff_mails.happened, of or settings(), clock.now() + later)


def told(db: Database, of: Settings | None = None) -> dict[str, list[str]]:
    """Kinds by name."""
    by_name: dict[str, list[str]] = {}
    for each in found(db, of):
        by_name.setdefault(each.target.partition("@")[0], []).append(each.kind)
    return by_name


def submitted(c: Connection) -> None:
    campaign_id, _ = whole_run(c)
    c.execute(update(lifecycle.campaigns).values(name="Trước Tết\nBcc: a@b.example"))
    lifecycle.submit(c, campaign_id, at_keyboard("lan"))


@pytest.mark.longer
def test_a_submission_is_told_to_who_may_decide_and_had_no_hand_in_it(db: Database) -> None:
    staffed(db)
    db.write(submitted)
    assert told(db) == {"minh": ["campaign.submitted"]}  # lan has submitted it
    (mail,) = found(db)
    assert mail.payload["subject"] == "Loa: Chờ phê duyệt: Trước Tết Bcc: a@b.example"
    assert "mục Phê duyệt" in mail.payload["text"]
    assert db.write(outbox.put, found(db)) == 1
    assert db.write(outbox.put, found(db)) == 0  # however often somebody looks
    assert found(db, later=timedelta(hours=2)) == []


@pytest.mark.longer
@pytest.mark.parametrize("hand", ["created", "edited", "submitted"])
def test_whoever_may_decide_is_told_but_who_had_any_hand_in_it(db: Database, hand: str) -> None:
    staffed(db)
    creator, editor, sender = (
        "minh" if hand == each else "lan" for each in ("created", "edited", "submitted")
    )
    campaign_id, _ = db.write(whole_run)
    db.write(lambda c: c.execute(update(lifecycle.campaigns).values(created_by=creator)))
    db.write(amend, campaign_id, {"name": "Sau Tết"}, HOURS, editor)
    db.write(lifecycle.submit, campaign_id, at_keyboard(sender))
    assert told(db) == {}  # lan and minh alone may decide, and each has had a hand in it


@pytest.mark.longer
def test_what_is_decided_meanwhile_sends_nobody_to_look_in_vain(db: Database) -> None:
    staffed(db)
    db.write(submitted)
    db.write(approval.send_back, 1, Caller("minh", "approver"), "Sửa lời.")
    assert found(db) == []
    db.write(lifecycle.submit, 1, "lan")
    assert told(db) == {"minh": ["campaign.submitted"]}


@pytest.mark.longer
def test_an_approval_is_told_to_the_operator_whose_run_may_begin(db: Database) -> None:
    staffed(db)
    db.write(submitted)
    db.write(approval.approve, 1, Caller("minh", "approver"))
    assert told(db) == {"truc.vnpt": ["campaign.approved"]}
    assert "Đợt gửi tại VNPT VinaPhone chưa bắt đầu" in found(db)[0].payload["text"]


def test_a_shorter_term_of_retention_is_told_to_the_administrators(db: Database) -> None:
    staffed(db)
    db.write(terms_in_force.note, RetentionTerms(365, 24))
    assert told(db) == {}
    db.write(terms_in_force.confirm, RetentionTerms(36, 24), "root")
    assert told(db) == {"lan": ["retention.shorten"]}
    assert "retention_days: 365 → 36" in found(db)[0].payload["text"]


@pytest.mark.longer
def test_a_halted_link_is_told_to_its_operator_and_the_administrator(db: Database) -> None:
    staffed(db)
    db.write(new_link)
    db.write(link_store.halt, 1, Halted("0x0E", "wrong password"))
    assert told(db) == {"lan": ["link.halted"], "truc.vnpt": ["link.halted"]}
    assert "(mã 0x0E)" in found(db)[0].payload["text"]
    db.write(link_store.halt, 1, Halted(HALTED_BY_HAND, "works on its centre"))
    assert "(mã" not in found(db)[0].payload["text"]
    db.write(lambda c: c.execute(update(links).values(state="running")))
    assert found(db) == []


@pytest.mark.longer
def test_who_is_left_out_or_shut_out_gets_none(db: Database) -> None:
    staffed(db)
    db.write(submitted)
    assert told(db, settings("thu", "somebody else")) == {}
    assert db.read(staff_mails.staff, Settings(environment="development")) == []
    db.write(disable_person, "minh", "host")
    assert told(db) == {}


@pytest.mark.longer
def test_a_deadline_is_told_to_who_decides_and_to_the_operator_that_is_missing(db: Database) -> None:
    staffed(db)
    letter(db)
    mails = db.read(reminders.due, settings(), DEADLINE - timedelta(days=3) + timedelta(hours=1))
    by_name = {each.target: each.payload["text"] for each in mails}
    assert by_name.keys() >= {"minh@x.example", "lan@x.example", "thu@x.example", "truc.viettel@x.example"}
    assert "truc.vnpt@x.example" not in by_name  # its run is over
    assert "Còn thiếu ở nhà mạng của bạn" in by_name["truc.viettel@x.example"]
    assert "Sở Tư pháp" not in by_name["truc.viettel@x.example"]


def test_an_address_that_is_none_is_refused_at_the_start() -> None:
    mail = {"host": "h", "sender": "loa@x.example", "people": {"minh": "no address"}}
    with pytest.raises((SetupError, ValueError)):
        Settings.model_validate({"mail": mail})


@pytest.mark.longer
@on_sqlite
def test_a_look_costs_the_same_after_years_of_acts(db: Database) -> None:
    staffed(db)
    assert looked_at(db) < 20
    old = {"at": 1, "who": "lan", "action": "batch.import", "detail": {}, "hash": "0" * 64}
    rows = [old | {"id": -n, "subject": f"batch/{n}"} for n in range(1, 20_001)]
    db.write(lambda c: c.execute(insert(audit), rows))
    assert looked_at(db) < 20


def looked_at(db: Database) -> int:
    """How many thousands of steps SQLite takes for a look."""
    steps: list[None] = []

    def look(c: Connection) -> None:
        raw: Any = c.connection.driver_connection
        raw.set_progress_handler(lambda: steps.append(None), 1000)
        try:
            staff_mails.happened(c, settings(), clock.now())
        finally:
            raw.set_progress_handler(None, 0)

    db.read(look)
    return len(steps)


@pytest.mark.longer
async def test_the_mail_arrives_at_a_real_server(db: Database) -> None:
    staffed(db)
    db.write(submitted)
    with smtp_server() as (post, port):
        stopping = asyncio.Event()
        loop = asyncio.create_task(NotificationLoop(db, settings(port=port)).run(stopping))
        await until(lambda: post.messages)
        stopping.set()
        await loop
    (envelope,) = post.messages
    assert envelope.rcpt_tos == ["minh@x.example"]
    content = envelope.content
    assert isinstance(content, bytes)
    message = email.message_from_bytes(content, policy=email.policy.default)
    assert message["Subject"] == "Loa: Chờ phê duyệt: Trước Tết Bcc: a@b.example"
    assert message["Bcc"] is None
    states = db.read(lambda c: [row.state for row in c.execute(notices.select())])
    assert states == ["sent"]
