"""Reminders of registrations that end: on each day once, to the office and the carrier's own operators."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert

from app.api.bodies import filled
from app.core import clock
from app.core.config import Settings
from app.database.connection import Database
from app.database.models import people
from app.notifications import outbox
from app.sender_names import reminders
from app.sender_names.register import NameBody
from tests.operations import carry_out

LAST = clock.local(datetime(2099, 6, 30, 12, tzinfo=clock.now().tzinfo))
SETTINGS = Settings.model_validate(
    {
        "mail": {
            "host": "127.0.0.1",
            "security": "none",
            "sender": "loa@x.example",
            "to": ["pa05@x.example"],
            "people": {"vt": "vt@x.example", "vn": "vn@x.example", "boss": "boss@x.example"},
        }
    }
)


def enter(db: Database, **fields: Any) -> int:
    said = {"carrier": "vnpt", "name": "CA SON LA", "state": "registered", "valid_to": "2099-06-30"}
    return int(carry_out(db, "add_sender_name", body=filled(NameBody, said | fields)).id)


def due(db: Database, days: int) -> list[tuple[str, str]]:
    found = db.read(reminders.due, SETTINGS, LAST - timedelta(days=days))
    return [(each.target, each.key.split("/")[3]) for each in found]


@pytest.mark.parametrize(
    ("days", "step"), [(91, None), (90, "90"), (31, "90"), (30, "30"), (7, "7"), (0, "7"), (-1, None)]
)
def test_each_step_is_one_mail_from_its_day_on(db: Database, days: int, step: str | None) -> None:
    enter(db)
    assert due(db, days) == ([("pa05@x.example", step)] if step else [])


def test_the_outbox_takes_each_reminder_once_and_again_for_another_last_day(db: Database) -> None:
    number = enter(db)
    now = LAST - timedelta(days=20)
    assert [db.write(outbox.put, db.read(reminders.due, SETTINGS, now)) for _ in range(2)] == [1, 0]
    body = filled(
        NameBody, {"carrier": "vnpt", "name": "CA SON LA", "state": "registered", "valid_to": "2099-07-01"}
    )
    carry_out(db, "change_sender_name", sender_name_id=number, body=body)
    assert db.write(outbox.put, db.read(reminders.due, SETTINGS, now)) == 1


def test_the_office_and_the_carrier_s_operators_are_told_and_no_other_carrier_s(db: Database) -> None:
    enter(db, template="CA SON LA: {D,100}", template_code="7")
    for name, role, carrier in (
        ("vt", "operator", "viettel"),
        ("vn", "operator", "vnpt"),
        ("boss", "admin", None),
    ):
        row = {"name": name, "role": role, "carrier": carrier, "password_hash": "x", "created_at": 0}
        db.write(lambda c, row=row: c.execute(insert(people).values(row)))
    found = db.read(reminders.due, SETTINGS, LAST - timedelta(days=7))
    assert {each.target for each in found} == {"pa05@x.example", "vn@x.example", "boss@x.example"}
    assert "mẫu tin 7 của tên CA SON LA tại VNPT VinaPhone" in found[0].payload["subject"]
    assert "còn 7 ngày" in found[0].payload["text"]


def test_what_is_renewed_by_another_entry_ends_for_nobody(db: Database) -> None:
    enter(db)
    enter(db, valid_to="2102-06-30")
    assert due(db, 7) == []
    assert db.read(reminders.ending, LAST) == []


def test_what_has_ended_stays_on_the_overview_until_it_is_renewed(db: Database) -> None:
    number = enter(db)
    found = db.read(reminders.ending, LAST + timedelta(days=3))
    assert [(each.entry.id, each.days) for each in found] == [(number, -3)]
    assert db.read(reminders.ending, LAST + timedelta(days=3), "viettel") == []


@pytest.mark.parametrize(
    ("other", "reminded"),
    [
        ({"valid_to": "2100-06-30"}, False),
        ({"valid_to": None}, False),
        ({"valid_to": "2099-06-29"}, True),
        ({"valid_to": "2100-06-30", "state": "asked"}, True),
        ({"valid_to": "2100-06-30", "state": "refused"}, True),
        ({"valid_to": "2100-06-30", "carrier": "viettel"}, True),
        ({"valid_to": "2100-06-30", "name": "CA TINH SL"}, True),
        ({"valid_to": "2100-06-30", "purpose": "canh_bao_khan"}, True),
        ({"valid_to": "2100-06-30", "template": "Canh bao."}, True),
    ],
)
def test_only_the_same_name_registered_for_longer_ends_a_reminder(
    db: Database, other: dict[str, Any], reminded: bool
) -> None:
    enter(db)
    number = enter(db, **other)
    keys = [each.key.split("/")[1] for each in db.read(reminders.due, SETTINGS, LAST - timedelta(days=5))]
    assert (str(number - 1) in keys) is reminded
