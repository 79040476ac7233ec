"""Answers to citizens at the claim: too late, to a number on the list, under a text that says otherwise."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import insert, select, update

from app.core import clock
from app.core.answer_kinds import AnswerKind
from app.core.states import DeliveryState, NotSent
from app.database.connection import Database
from app.database.models import answers as decided
from app.database.models import campaigns, do_not_send, inbound_messages
from app.ledger import answer_rules
from tests.app.world import FIRST_PHONE, World, build
from tests.engines import by_default

database_url = by_default
OPT_OUT, REPORT = AnswerKind.OPT_OUT, AnswerKind.REPORT


def answering(db: Database, count: int = 1, kind: AnswerKind = OPT_OUT) -> World:
    """A run of answers of this kind that is queued, to messages of just now, which are all first opt-outs."""
    world = build(db, count)
    own = dict(db.read(lambda c: c.execute(select(campaigns)).one())._mapping)
    text = own | {"id": 500, "answers_to": kind.value, "name": "the text"}
    db.write(lambda c: c.execute(insert(campaigns).values(text)))
    week = {"answers_to": kind.value, "answers_of": 500}
    only = update(campaigns).where(campaigns.c.id == world.campaign).values(week)
    db.write(lambda c: c.execute(only))
    for n in range(count):
        db.write(_asked, world, n)
    world.fan_out()
    return world


def _asked(c: Any, world: World, n: int) -> None:
    now = clock.now_ms()
    message = {
        "received_at": now - 1000,
        "link_id": world.link.id,
        "phone": FIRST_PHONE + n,
        "kind": "opt_out",
    }
    message |= {"destination": "1414", "coding": 0, "text": "STOP", "digest": n, "arrival": f"a{n}"}
    inbound = c.execute(insert(inbound_messages).values(message)).inserted_primary_key[0]
    answer = {"inbound_id": inbound, "at": now, "kind": "opt_out", "expires_at": now + 3_600_000}
    answer |= {"campaign_id": world.campaign, "batch_id": world.batch, "seq": n + 2}
    c.execute(insert(decided).values(answer))


def listed(db: Database, phone: int, **more: Any) -> None:
    """The number is on the list by the message of `_asked`, but for what is said."""
    found = db.read(
        lambda c: c.execute(select(inbound_messages).where(inbound_messages.c.phone == phone)).one()
    )
    row = {
        "carrier": "viettel",
        "phone": phone,
        "added_at": found.received_at,
        "added_by": answer_rules.BY_REPLY,
    }
    db.write(lambda c: c.execute(insert(do_not_send).values(row | more)))


def sent(world: World) -> list[int]:
    lease = world.claim()
    return [item.seq for item in lease.items] if lease else []


@pytest.mark.longer
def test_an_answer_in_time_is_sent_and_one_too_late_is_not(db: Database) -> None:
    world = answering(db, 4)
    d, m = decided.c, inbound_messages.c
    late = update(decided).where(d.seq == 3).values(expires_at=clock.now_ms())
    other = update(inbound_messages).where(m.phone == FIRST_PHONE + 2).values(phone=FIRST_PHONE + 50)
    gone = inbound_messages.delete().where(m.phone == FIRST_PHONE + 3)
    for change in (late, other, gone):
        db.write(lambda c, change=change: c.execute(change))
    assert sent(world) == [2]
    for seq in (3, 4, 5):
        row = world.delivery(seq)
        assert (row["state"], row["reason"]) == (DeliveryState.NOT_SENT, NotSent.WINDOW_CLOSED)
    world.check()


@pytest.mark.parametrize(
    ("more", "goes"),
    [
        ({}, True),  # the answer confirms what has put the number on the list
        ({"added_by": "an officer"}, False),
        ({"added_at": 5}, False),  # an earlier message has
        ({"carrier": "vnpt"}, True),  # another carrier's list
    ],
)
def test_a_number_on_the_list_gets_the_confirmation_of_its_opt_out_alone(
    db: Database, more: dict[str, Any], goes: bool
) -> None:
    world = answering(db, 2)
    listed(db, FIRST_PHONE, **more)
    assert db.read(answer_rules.is_listed, FIRST_PHONE, "viettel") == (more.get("carrier") is None)
    assert not db.read(answer_rules.is_listed, FIRST_PHONE + 1, "viettel")
    assert sent(world) == ([2, 3] if goes else [3])
    reason = 0 if goes else NotSent.DO_NOT_SEND
    assert world.delivery(2)["reason"] == reason


def test_answers_of_another_kind_confirm_nothing(db: Database) -> None:
    world = answering(db, 2, REPORT)
    assert not db.read(answer_rules.confirms, world.campaign)
    listed(db, FIRST_PHONE)
    assert sent(world) == [3]


@pytest.mark.parametrize(
    ("of_text", "stands"),
    [
        ({}, True),
        ({"name": "another", "state": "withdrawn"}, True),  # no part of what is said
        ({"texts": {"": "Xin chao"}}, False),
        ({"sender": "CA HA NOI"}, False),
        ({"day_ends": "20:00"}, False),
        ({"answers_to": REPORT.value}, False),
        ({"answers_to": None}, False),  # a campaign, and no answer text
        ({"answers_of": 500}, False),  # answers, and no answer text
        ({"id": 501}, False),
    ],
)
def test_answers_say_what_their_text_says(db: Database, of_text: dict[str, Any], stands: bool) -> None:
    world = answering(db)
    if of_text:
        db.write(lambda c: c.execute(update(campaigns).where(campaigns.c.id == 500).values(of_text)))
    week = db.read(lambda c: c.execute(select(campaigns).where(campaigns.c.id == world.campaign)).one())
    found = db.read(answer_rules.source, week)
    assert (found.id if found is not None else None) == (500 if stands else None)


def test_a_number_s_answers_are_counted_since_a_time_but_for_those_not_given(db: Database) -> None:
    answering(db, 3)
    phones, now = {FIRST_PHONE, FIRST_PHONE + 1, FIRST_PHONE + 7}, clock.now_ms()
    db.write(lambda c: c.execute(update(decided).where(decided.c.seq == 3).values(why="too_many")))
    db.write(lambda c: c.execute(update(decided).where(decided.c.seq == 2).values(at=now)))
    assert db.read(answer_rules.answered_since, phones, now) == {FIRST_PHONE: 1}
    assert db.read(answer_rules.answered_since, phones, now + 1) == {}


def test_of_two_opt_outs_of_one_moment_the_first_is_confirmed(db: Database) -> None:
    answering(db, 2)
    listed(db, FIRST_PHONE)
    rows = db.read(lambda c: c.execute(select(inbound_messages).order_by(inbound_messages.c.id)).all())
    assert db.read(answer_rules.is_first_opt_out, rows[0], "viettel")
    assert not db.read(answer_rules.is_first_opt_out, rows[0], "vnpt")
    assert not db.read(answer_rules.is_first_opt_out, rows[1], "viettel")  # its number is not on the list
    twin = dict(rows[0]._mapping) | {"id": 900, "arrival": "twin", "text": "HUY"}
    db.write(lambda c: c.execute(insert(inbound_messages).values(twin)))
    later = db.read(lambda c: c.execute(select(inbound_messages).where(inbound_messages.c.id == 900)).one())
    assert not db.read(answer_rules.is_first_opt_out, later, "viettel")
    assert db.read(answer_rules.is_first_opt_out, rows[0], "viettel")
    db.write(lambda c: c.execute(update(do_not_send).values(added_by="an officer")))
    assert not db.read(answer_rules.is_first_opt_out, rows[0], "viettel")
