"""What a carrier is told beside number and text: a name for each sending, and whether it is sent again."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from app.core.states import DeliveryState
from app.database.connection import Database
from app.database.models import submissions
from carriers.contract import Accepted, Deferred, OutboundSms, Reason, Rejected, SubmitResult
from tests.app.dispatch.paper import PaperCarrier, loop_for, until
from tests.engines import other_by_hand
from tests.long.app.dispatch.test_send_loop import ready, running

S, U, R = int(DeliveryState.SUBMITTED), int(DeliveryState.UNKNOWN), int(DeliveryState.REJECTED)


class Heard:
    """Every message that the carrier was handed; the first `lost` answers get lost."""

    def __init__(self, first: SubmitResult, times: int = 1) -> None:
        self.first, self.times = first, times
        self.messages: list[OutboundSms] = []

    def __call__(self, sms: OutboundSms) -> SubmitResult:
        self.messages.append(sms)
        seen = sum(each.phone == sms.phone for each in self.messages)
        return self.first if seen <= self.times else Accepted((sms.key,))


@other_by_hand
@pytest.mark.longer
async def test_each_sending_has_a_name_of_its_own_that_the_ledger_keeps(db: Database) -> None:
    world, carrier = ready(db, 30), PaperCarrier()
    heard = carrier.answer = Heard(Deferred("busy", 0.0), times=2)
    await carrier.open()
    async with running(loop_for(world, carrier)):
        await until(lambda: world.states() == {S: 30})
    keys = [sms.key for sms in heard.messages]
    assert len(keys) == len(set(keys)) == 90
    assert all(key.replace("-", "").isalnum() and key.isascii() and len(key) <= 40 for key in keys)
    named = select(submissions.c.reference).where(submissions.c.reference.is_not(None))
    assert set(db.read(lambda c: c.execute(named).scalars().all())) == set(keys[-30:])


@pytest.mark.longer
async def test_the_network_that_a_refusal_names_is_kept(db: Database) -> None:
    world, carrier = ready(db, 2), PaperCarrier()
    carrier.answer = lambda _: Rejected("25", Reason.OTHER_NETWORK, "viettel")
    await carrier.open()
    async with running(loop_for(world, carrier)):
        await until(lambda: world.states() == {R: 2})
    rows = db.read(lambda c: c.execute(select(submissions.c.code, submissions.c.network)).all())
    assert [tuple(row) for row in rows] == [("25", "viettel")] * 2
    assert world.delivery(2)["reason"] == Reason.OTHER_NETWORK
