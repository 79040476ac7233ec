"""What a carrier refused for a cause that is mended is sent again by an order of two persons, once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fastapi import FastAPI
from sqlalchemy import update

from app.cli import rejected_commands
from app.core.errors import Conflict, Forbidden, Invalid
from app.core.states import DeliveryState, RunState
from app.database.connection import Database
from app.database.models import campaigns, runs
from app.dispatch import rejected_orders
from app.ledger.contract import SubmitOutcome
from app.reports.verify import verify
from app.security import Caller, create_key
from carriers.contract import Reason, Rejected
from tests.app.cli.test_campaign_commands import Shell
from tests.app.client import Client
from tests.app.world import World, accepted, build
from tests.engines import on_sqlite

Q, S, R = int(DeliveryState.QUEUED), int(DeliveryState.SUBMITTED), int(DeliveryState.REJECTED)
CHIEF = Caller("chief", "approver")
WHY = "The sender was not registered; MobiFone has registered it today."


def refused(db: Database, count: int = 20) -> World:
    """A sent run: of each four messages one was taken, one has no such number, two had a wrong sender."""
    world = build(db, count)
    world.fan_out()
    send(world, (Reason.NO_SUCH_NUMBER, Reason.FILTERED, Reason.FILTERED))
    db.write(lambda c: c.execute(update(runs).values(state=RunState.SENT.value)))
    return world


def send(world: World, reasons: tuple[Reason, ...]) -> None:
    lease = world.claim()
    assert lease is not None
    outcomes = accepted(list(lease.items))
    for nth, each in enumerate(outcomes):
        if nth % 4 and reasons:
            outcomes[nth] = SubmitOutcome(each.item, Rejected("10", reasons[nth % 4 - 1]))
    world.db.write(world.ledger.record, world.link, lease, outcomes, None, 30.0)
    world.db.write(world.ledger.release, lease, 0.0)


def asked(world: World, reason: Reason = Reason.FILTERED) -> int:
    return world.db.write(rejected_orders.ask, world.run, reason, WHY, "lan")


def test_the_messages_of_one_reason_are_queued_again_and_counted(db: Database) -> None:
    world = refused(db)
    found = db.read(rejected_orders.rejected, world.run)
    assert [(each.reason, each.messages) for each in found] == [("no_such_number", 5), ("filtered", 10)]
    number = asked(world)
    assert world.states() == {S: 5, R: 15}  # asking moves nothing
    said = list[tuple[int, int]]()
    moved = rejected_orders.approve(db, world.ledger, world.run, number, CHIEF, lambda *n: said.append(n))
    assert (moved, said) == (10, [(10, 10)])
    assert world.states() == {Q: 10, S: 5, R: 5} == world.tallied()
    assert db.read(lambda c: c.execute(runs.select()).one()).state == RunState.RUNNING
    [order] = db.read(rejected_orders.orders, world.run)
    assert (order.because, order.asked_by, order.approved_by, order.sent_again) == (WHY, "lan", "chief", 10)
    assert verify(db, world.ledger, world.campaign) == []
    send(world, ())
    assert world.states() == {S: 15, R: 5} == world.tallied()
    assert verify(db, world.ledger, world.campaign) == []


def test_an_order_is_carried_out_once_and_takes_no_later_refusal(db: Database) -> None:
    world = refused(db)
    number = asked(world)
    rejected_orders.approve(db, world.ledger, world.run, number, CHIEF)
    send(world, (Reason.FILTERED, Reason.FILTERED, Reason.FILTERED))
    with pytest.raises(Conflict, match="10 messages were queued again"):
        rejected_orders.approve(db, world.ledger, world.run, number, CHIEF)
    assert Q not in world.states()
    again = asked(world)
    assert rejected_orders.approve(db, world.ledger, world.run, again, CHIEF) == 7


@pytest.mark.parametrize(
    ("caller", "words"),
    [
        (Caller("lan", "admin"), "somebody else must approve it"),
        (Caller("lan (command line)", "admin"), "somebody else must approve it"),
        (Caller("tam", "operator", "viettel"), "approved like campaigns"),
        (Caller("vi", "auditor"), "approved like campaigns"),
    ],
)
def test_who_asked_does_not_approve_nor_does_another_role(db: Database, caller: Caller, words: str) -> None:
    world = refused(db, 4)
    number = asked(world)
    with pytest.raises(Forbidden, match=words):
        rejected_orders.approve(db, world.ledger, world.run, number, caller)
    assert world.states() == {S: 1, R: 3}


def test_an_order_that_would_move_nothing_or_says_no_cause_is_refused(db: Database) -> None:
    world = refused(db, 4)
    with pytest.raises(Conflict, match=r"no_such_number \(1\), filtered \(2\)"):
        asked(world, Reason.SYSTEM)
    with pytest.raises(Invalid, match="mended"):
        db.write(rejected_orders.ask, world.run, Reason.FILTERED, " ", "lan")
    with pytest.raises(Invalid, match="has no order 99"):
        rejected_orders.approve(db, world.ledger, world.run, 99, CHIEF)


@pytest.mark.parametrize("change", [{"state": "draft"}, {"window_end": 1}], ids=str)
def test_nothing_goes_out_again_past_the_approval(db: Database, change: dict[str, object]) -> None:
    world = refused(db, 4)
    number = asked(world)
    db.write(lambda c: c.execute(update(campaigns).values(change)))
    with pytest.raises(Conflict, match="not approved as it stands"):
        rejected_orders.approve(db, world.ledger, world.run, number, CHIEF)


def test_nothing_goes_out_again_after_the_window(db: Database) -> None:
    world = refused(db, 4)
    world.rewrite(window_end=1)
    with pytest.raises(Conflict, match="window is over"):
        asked(world)


def test_it_is_asked_for_and_approved_over_http(application: FastAPI, db: Database) -> None:
    world = refused(db)
    path = f"/v1/runs/{world.run}/rejected"
    with Client(application, db.write(create_key, "tam", "operator", "viettel")) as operator:
        assert operator.get(path).json()["rejected"][1] == {"reason": "filtered", "messages": 10}
        assert operator.post(path, json={"reason": "unlucky", "because": WHY}).status_code == 422
        order = operator.post(path, json={"reason": "filtered", "because": WHY}).json()
        assert operator.post(f"{path}/{order['number']}/approve").status_code == 403
    with Client(application, db.write(create_key, "chief", "approver")) as approver:
        assert approver.post(f"{path}/{order['number']}/approve").json() == {"deliveries": 10}
        assert approver.post(f"{path}/{order['number']}/approve").status_code == 409
    with Client(application, db.write(create_key, "other", "operator", "vnpt")) as other:
        assert other.get(path).status_code == 404


@on_sqlite
def test_it_is_asked_for_and_approved_at_the_keyboard(
    db: Database, database_url: str, tmp_path: Path
) -> None:
    world = refused(db)
    db.write(rejected_orders.ask, world.run, Reason.FILTERED, WHY, "lan")
    db.close()
    shell = Shell(database_url, tmp_path)
    assert "filtered        10" in shell(rejected_commands.app, "list", "1")
    with pytest.raises(Invalid, match="do you mean filtered"):
        shell(rejected_commands.app, "ask", "1", "--reason", "filterd", "--because", WHY)
    asked_here = shell(rejected_commands.app, "ask", "1", "--reason", "no_such_number", "--because", WHY)
    assert asked_here.startswith("Order ")
    with pytest.raises(Forbidden, match="somebody else must approve it"):
        shell(rejected_commands.app, "approve", "1", asked_here.split()[1])
    first = json.loads(shell(rejected_commands.app, "list", "1", "--json"))["orders"][0]["number"]
    said = shell(rejected_commands.app, "approve", "1", str(first))
    assert said == "10 messages of run 1 are queued again."
