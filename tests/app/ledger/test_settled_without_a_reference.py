"""A receipt without a reference proves the sending that was lost, whatever was answered before it."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from app.core.states import DeliveryState
from app.database.connection import Database
from app.database.models import links, runs, submissions
from app.ledger.contract import Arrival, DeliveryKey, Reservation, ResultKind, SubmitOutcome
from app.reports.verification.verify import verify
from carriers.contract import Deferred, Halted, Reason, ReceiptStatus, SubmitResult
from tests.app.world import FIRST_PHONE, World, build, receipt

ANSWERS: dict[str, SubmitResult] = {
    "put off": Deferred("58"),
    "put off, and it counts": Deferred("58", counts=True),
    "halted": Halted("1", "no balance"),
}


def answered(world: World, answer: SubmitResult) -> None:
    lease = world.claim()
    assert lease is not None
    world.db.write(
        world.ledger.record, world.link, lease, [SubmitOutcome(lease.items[0], answer)], None, 30.0
    )
    world.db.write(world.ledger.release, lease, 0.0)


def goes_on(world: World) -> None:
    for table in (runs, links):
        world.db.write(lambda c, table=table: c.execute(update(table).values(state="running")))


def lost(world: World) -> None:
    """Reserved and sent by a process that stops; the next claim makes it unknown."""
    dead = world.claim(lease_s=0.0)
    assert dead is not None
    assert len(dead.items) == 1
    world.db.write(world.ledger.record, world.link, dead, [], Reservation(2, 1), -1.0)
    world.claim("heir")
    assert world.delivery(2)["state"] == DeliveryState.UNKNOWN


@pytest.mark.longer
@pytest.mark.parametrize("status", [ReceiptStatus.DELIVERED, ReceiptStatus.UNDELIVERED])
@pytest.mark.parametrize("known", [False, True], ids=["by its phone", "by its line"])
@pytest.mark.parametrize("before", ANSWERS)
def test_a_message_that_was_lost_is_settled_and_recorded_as_taken(
    db: Database, before: str, known: bool, status: ReceiptStatus
) -> None:
    world = build(db, 1)
    world.fan_out()
    answered(world, ANSWERS[before])
    goes_on(world)
    lost(world)
    reason = Reason.NONE if status is ReceiptStatus.DELIVERED else Reason.BARRED
    one = receipt(world.link, None, status, phone=FIRST_PHONE, reason=reason)
    if known:
        one = Arrival(one.link, one.receipt, DeliveryKey(world.campaign, world.batch, 2))
    for _ in range(2):
        assert db.write(world.ledger.apply, [one]).matched == 1
    assert world.delivery(2)["state"] not in (DeliveryState.UNKNOWN, DeliveryState.QUEUED)
    kinds = db.read(lambda c: c.execute(select(submissions.c.result)).scalars().all())
    assert kinds.count(ResultKind.SETTLED) == 1
    assert verify(db, world.ledger) == []
    world.check()
