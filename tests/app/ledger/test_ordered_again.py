"""What a person has ordered again, of which a part is said to have failed: it ends with its run."""

from __future__ import annotations

from sqlalchemy import update

from app.core.states import DeliveryState, NotSent
from app.database.connection import Database
from app.database.models import state_events
from app.ledger.contract import DeliveryKey
from app.reports.verification.verify import verify
from carriers.contract import Reason, Unknown
from tests.app.ledger.test_receipt_matching import sent
from tests.app.ledger.times import BAD, apply, said


def test_what_has_failed_in_part_while_it_waits_is_ended_with_its_run(db: Database) -> None:
    """The clock was set back after the order, so that the failure seems to be of the sending to come."""
    world = sent(db, Unknown("no answer", ("a", "b")), count=1)
    assert db.write(world.ledger.resend, [DeliveryKey(world.campaign, world.batch, 2)]) == 1
    db.write(lambda c: c.execute(update(state_events).values(at=state_events.c.at + 3_600_000)))
    failed = said(world, "a", BAD)
    failed = failed._replace(receipt=failed.receipt._replace(reason=Reason.NO_SUCH_NUMBER))
    assert apply(world, failed) == (1, 1, 0)
    assert world.states() == {int(DeliveryState.QUEUED): 1}
    assert world.delivery(2)["reason"] == Reason.NO_SUCH_NUMBER
    db.write(world.ledger.close_unsent, world.run, NotSent.CANCELLED, 10)
    assert world.states() == {int(DeliveryState.NOT_SENT): 1} == world.tallied()
    world.check()
    assert verify(db, world.ledger) == []
