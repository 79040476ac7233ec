"""Whoever asked a carrier for nothing gets nothing, before the queueing or after it; figures close."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fastapi import FastAPI
from sqlalchemy import select, update

from app.core import clock
from app.core.states import DeliveryState, NotSent
from app.database import models as m
from app.database.connection import Database
from app.ledger.contract import Reservation, SubmitOutcome
from app.privacy import do_not_send
from app.reports.counting import carrier_report
from app.reports.verification.verify import verify
from app.security import audit, create_key
from carriers.contract import Deferred
from tests.app.client import Client
from tests.app.world import FIRST_PHONE, World, accepted, add_batch, build

S = DeliveryState


def refuse(world: World, *numbers: int, carrier: str = "viettel") -> None:
    world.db.write(do_not_send.add, carrier, [str(number) for number in numbers], "an")


def differences(world: World) -> list[str]:
    return [each.sentence for each in verify(world.db, world.ledger)]


def excluded(world: World) -> dict[str, int]:
    report = world.db.read(carrier_report.build, world.run, clock.now_ms())
    return {cause.key: cause.n for cause in report.excluded}


def test_a_number_on_the_list_is_not_queued_and_is_counted_by_itself(db: Database) -> None:
    world = build(db, 20)
    refuse(world, FIRST_PHONE, FIRST_PHONE + 7)
    refuse(world, FIRST_PHONE + 1, carrier="vnpt")  # another carrier's list is not asked
    assert world.fan_out() == 18
    assert world.states() == {S.QUEUED: 18}
    assert world.tallied() == {S.QUEUED: 18, S.EXCLUDED: 2}
    assert excluded(world) == {"do_not_send": 2}
    assert differences(world) == []


def test_repeated_and_refused_numbers_are_told_apart(db: Database) -> None:
    world = build(db, 5)
    again = [FIRST_PHONE, FIRST_PHONE + 9, FIRST_PHONE + 1]
    other = db.write(add_batch, world.campaign, world.run, again)
    refuse(world, FIRST_PHONE + 1, FIRST_PHONE + 9)
    world.fan_out()
    db.write(world.ledger.fan_out, world.run, other, 1, 100)
    assert excluded(world) == {"do_not_send": 3, "repeated_in_campaign": 1}
    world.check()


def test_a_list_that_changes_later_changes_no_figure(db: Database) -> None:
    world = build(db, 5)
    refuse(world, FIRST_PHONE)
    world.fan_out()
    db.write(do_not_send.remove, "viettel", [str(FIRST_PHONE)], "an")
    world.check()
    assert excluded(world) == {"do_not_send": 1}
    assert differences(world) == []


def test_who_asks_after_the_queueing_is_left_out_when_its_turn_comes(db: Database) -> None:
    world = build(db, 250, chunk=100)
    world.fan_out()
    first = world.claim()
    assert first
    refuse(world, FIRST_PHONE, FIRST_PHONE + 150)
    second = world.claim("link-2")
    assert second
    assert FIRST_PHONE in [item.phone for item in first.items]  # a link had it in its hands already
    assert FIRST_PHONE + 150 not in [item.phone for item in second.items]
    assert len(second.items) == 99
    world.check()
    refused = world.delivery(152)
    assert (refused["state"], refused["reason"]) == (S.NOT_SENT, NotSent.DO_NOT_SEND)
    assert excluded(world) == {"do_not_send": 1}


def test_a_message_put_off_is_left_out_in_the_next_pass(db: Database) -> None:
    world = build(db, 3)
    world.fan_out()
    lease = world.claim()
    assert lease
    db.write(world.ledger.record, world.link, lease, [], Reservation(3, 2), 30.0)
    db.write(world.ledger.record, world.link, lease, accepted(list(lease.items[:2])), None, 30.0)
    db.write(world.ledger.release, lease, 0.0)
    refuse(world, FIRST_PHONE + 2)
    again = world.claim()
    assert again
    assert again.items == []
    db.write(world.ledger.release, again, 0.0)
    assert world.states() == {S.SUBMITTED: 2, S.NOT_SENT: 1}
    world.check()
    assert differences(world) == []


def test_a_message_that_waits_under_its_lease_is_left_out_of_the_next_pass(db: Database) -> None:
    world = build(db, 4)
    world.fan_out()
    lease = world.claim()
    assert lease
    put_off = [SubmitOutcome(item, Deferred("0x58")) for item in lease.items]
    db.write(world.ledger.record, world.link, lease, put_off, None, 30.0)
    refuse(world, FIRST_PHONE + 2)
    refuse(world, FIRST_PHONE + 3, carrier="vnpt")
    items = db.write(world.ledger.next_pass, lease, world.link.carrier)
    assert [item.phone for item in items] == [FIRST_PHONE, FIRST_PHONE + 1, FIRST_PHONE + 3]
    assert world.states() == {S.QUEUED: 3, S.NOT_SENT: 1}
    second = replace(lease, pass_no=2, items=items)
    db.write(world.ledger.record, world.link, second, accepted(list(items)), None, 30.0)
    refuse(world, FIRST_PHONE)
    assert not db.write(world.ledger.next_pass, second, world.link.carrier)
    db.write(world.ledger.release, second, 0.0)
    assert world.states() == {S.SUBMITTED: 3, S.NOT_SENT: 1}
    assert excluded(world) == {"do_not_send": 1}
    world.check()
    assert differences(world) == []


def test_an_order_again_changes_nothing_and_what_is_no_number_is_not_repeated(db: Database) -> None:
    first = db.write(do_not_send.add, "vnpt", ["0912 345 678", "84912345678", "0912 345", "x"], "an")
    assert (first.changed, first.unchanged) == (1, 0)
    assert [each.place for each in first.refused] == [3, 4]
    assert "345" not in str(first.refused)
    again = db.write(do_not_send.add, "vnpt", ["+84912345678"], "an")
    assert (again.changed, again.unchanged) == (0, 1)
    gone = db.write(do_not_send.remove, "vnpt", ["0912345678", "0912345679"], "an")
    assert (gone.changed, gone.unchanged) == (1, 1)
    acts = db.read(audit.listed, 0, 10).items
    assert [each.action for each in acts] == ["do-not-send.add", "do-not-send.add", "do-not-send.remove"]
    assert "345" not in str([each.detail for each in acts])


def test_ten_thousand_numbers_go_in_one_order(db: Database) -> None:
    numbers = [str(FIRST_PHONE + n) for n in range(10_000)]
    assert db.write(do_not_send.add, "vnpt", numbers, "an").changed == 10_000
    assert db.write(do_not_send.remove, "vnpt", numbers, "an").changed == 10_000


@pytest.fixture
def operator(application: FastAPI, db: Database) -> Client:
    return Client(application, db.write(create_key, "lan", "operator", "vnpt"))


def test_an_operator_keeps_the_list_of_its_own_carrier(client: Client, operator: Client) -> None:
    with operator:
        numbers = {"numbers": ["0912345678", "0912345679"]}
        assert operator.post("/v1/do-not-send", json=numbers).json()["changed"] == 2
        assert operator.post("/v1/do-not-send", json=numbers | {"carrier": "viettel"}).status_code == 403
        assert operator.get("/v1/do-not-send?carrier=viettel").status_code == 403
        client.post("/v1/do-not-send", json=numbers | {"carrier": "viettel"})
        listed = operator.get("/v1/do-not-send").json()["items"]
        assert [(each["carrier"], each["phone"]) for each in listed] == [
            ("vnpt", "8491*****78"),
            ("vnpt", "8491*****79"),
        ]
        gone = operator.post("/v1/do-not-send/remove", json={"numbers": ["0912345678"]})
        assert gone.json() == {"changed": 1, "unchanged": 0, "refused": []}
    assert len(client.get("/v1/do-not-send").json()["items"]) == 3


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"numbers": ["0912345678"]}, "Choose a carrier"),
        ({"numbers": [], "carrier": "vnpt"}, "numbers"),
        (
            {"numbers": ["0912345678"], "carrier": "nobody"},
            "Carrier “nobody” does not exist",
        ),
        ({"numbers": ["0" * 41], "carrier": "vnpt"}, "numbers"),
    ],
)
def test_a_wrong_order_is_refused_in_words(client: Client, body: dict[str, object], said: str) -> None:
    answer = client.post("/v1/do-not-send", json=body)
    assert answer.status_code == 422
    assert said in answer.text
    assert "0912345678" not in answer.text


def test_the_list_stays_when_campaigns_are_erased(db: Database) -> None:
    from tests.long.app.privacy.past import erase, over

    over(db)
    db.write(do_not_send.add, "vnpt", ["0912345678"], "an")
    db.write(lambda c: c.execute(update(m.do_not_send).values(added_at=0)))
    erase(db)
    assert len(db.read(lambda c: c.execute(select(m.do_not_send)).all())) == 1
