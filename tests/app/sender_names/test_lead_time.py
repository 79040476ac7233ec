"""What must still be had before a directive's campaigns begin, and whether that can be had in time."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from app.api.bodies import filled
from app.campaigns import directives, lifecycle
from app.core import clock
from app.database.connection import Database
from app.directives.status import status
from app.sender_names.lead_time import Need, Ready
from app.sender_names.register import NameBody, RulesBody
from tests.app.campaigns.rows import DRAFT, HOURS, new_batch
from tests.operations import carry_out


def on(days: int) -> date:
    return clock.local(clock.now()).date() + timedelta(days)


@pytest.fixture
def letter(db: Database) -> int:
    """A letter with a campaign at VNPT that begins in twelve days."""
    fields = directives.DirectiveFields("303/CAT-PA05", on(0), "CAT", "Phối hợp tuyên truyền")
    number = db.write(directives.create, fields, "author")
    begins: datetime = clock.midnight(on(12)) + timedelta(hours=8)
    draft = replace(DRAFT, directive_id=number, window_start=begins, window_end=begins + timedelta(days=3))
    campaign_id = db.write(lifecycle.create, draft, HOURS, "author")
    db.write(lambda c: lifecycle.add_run(c, campaign_id, "vnpt", [new_batch(c)], "author"))
    return int(number)


def enter(db: Database, **fields: Any) -> None:
    body = filled(NameBody, {"carrier": "vnpt", "name": "CA SON LA", "state": "registered"} | fields)
    carry_out(db, "add_sender_name", body=body)


def takes(db: Database, days: int, **fields: Any) -> None:
    body = filled(RulesBody, {"lead_days": days} | fields)
    carry_out(db, "set_registration_rules", carrier="vnpt", body=body)


def needed(db: Database, letter: int) -> tuple[Ready | None, list[Need]]:
    found = db.read(status, letter, clock.now())
    return found.ready, found.registrations


def test_a_registered_name_leaves_nothing_to_be_had(db: Database, letter: int) -> None:
    enter(db)
    assert needed(db, letter) == (Ready.YES, [])


@pytest.mark.parametrize(("lead", "late"), [(35, True), (13, True), (12, False), (5, False)])
def test_a_name_to_be_asked_for_has_its_last_day_by_the_carrier_s_lead(
    db: Database, letter: int, lead: int, late: bool
) -> None:
    takes(db, lead)
    enter(db, name="CA KHAC")
    answer, (need,) = needed(db, letter)
    assert answer == (Ready.NO if late else Ready.MISSING)
    assert (need.what, need.begins_on, need.ask_by, need.late) == (
        *("đăng ký tên CA SON LA", on(12), on(12 - lead), late),
    )


@pytest.mark.parametrize(("asked", "late"), [(-30, False), (-8, False), (-7, True), (0, True)])
def test_what_was_asked_for_is_expected_after_the_carrier_s_lead(
    db: Database, letter: int, asked: int, late: bool
) -> None:
    takes(db, 20)
    enter(db, state="asked", asked_on=on(asked).isoformat())
    answer, (need,) = needed(db, letter)
    assert (answer, need.late, need.ask_by) == (Ready.NO if late else Ready.MISSING, late, None)
    assert need.expected_on == max(on(asked + 20), on(0))


def test_a_renewal_or_template_that_was_asked_for_in_an_entry_of_its_own_is_waited_for(
    db: Database, letter: int
) -> None:
    takes(db, 5, needs_template=True)
    enter(db, valid_to=on(13).isoformat())
    enter(db, state="asked", asked_on=on(-1).isoformat())
    enter(db, template="Canh giac {D,100}", state="asked", asked_on=on(-2).isoformat())
    enter(db, template="Chuc mung {D,100}", state="asked", asked_on=on(0).isoformat())
    _, found = needed(db, letter)
    assert {each.what: (each.asked_on, each.expected_on, each.ask_by) for each in found} == {
        "gia hạn tên CA SON LA": (on(-1), on(4), None),
        "đăng ký mẫu tin của CA SON LA": (on(-2), on(3), None),
    }


def test_a_renewal_and_a_template_are_each_named(db: Database, letter: int) -> None:
    takes(db, 5, needs_template=True)
    enter(db, valid_to=on(13).isoformat())
    _, found = needed(db, letter)
    assert [each.what for each in found] == ["gia hạn tên CA SON LA", "đăng ký mẫu tin của CA SON LA"]


def test_a_text_that_is_refused_is_the_author_s_to_mend_and_takes_no_time(db: Database, letter: int) -> None:
    takes(db, 35, forbidden_words=["lua dao"])
    enter(db)
    answer, (need,) = needed(db, letter)
    assert (answer, need.lead_days, need.ask_by) == (Ready.MISSING, 0, on(12))


def test_a_letter_without_a_run_to_start_has_no_answer(db: Database) -> None:
    fields = directives.DirectiveFields("304/CAT-PA05", on(0), "CAT", "Phối hợp tuyên truyền")
    assert needed(db, int(db.write(directives.create, fields, "author"))) == (None, [])


def test_with_an_empty_register_nobody_knows_and_it_is_said(db: Database, letter: int) -> None:
    answer, (need,) = needed(db, letter)
    assert (answer, need.lead_days, need.late) == (Ready.UNKNOWN, 35, False)
    assert need.what == "hỏi nhà mạng về tên CA SON LA và nhập vào sổ"


def test_an_empty_register_can_still_be_filled_while_a_registration_would_be_in_time(
    db: Database, letter: int
) -> None:
    takes(db, 12)
    assert needed(db, letter)[0] is Ready.MISSING
    takes(db, 13)
    assert needed(db, letter)[0] is Ready.UNKNOWN
