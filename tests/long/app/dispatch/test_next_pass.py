"""What a carrier puts off waits under its lease, and is sent in another pass once it is due."""

from __future__ import annotations

from collections import Counter

import pytest

from app.core.states import RunState
from app.database.connection import Database
from carriers.contract import Accepted, Deferred, OutboundSms, SubmitResult
from tests.app.dispatch.paper import PaperCarrier, loop_for, until
from tests.long.app.dispatch.test_send_loop import Q, S, leased, order, ready, running


async def test_a_throttled_message_is_sent_when_due(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.dispatch.claims._LOOK_EVERY_S", 600.0)
    world, carrier = ready(db, 60), PaperCarrier()
    asked: Counter[str] = Counter()

    def put_off(sms: OutboundSms) -> SubmitResult:
        asked[sms.phone] += 1
        taken = asked[sms.phone] > 1 + (sms.phone == min(asked))
        return Accepted((sms.phone,)) if taken else Deferred("0x58", 0.05, throttled=True)

    carrier.answer = put_off
    await carrier.open()
    async with running(loop_for(world, carrier)):
        await until(lambda: world.states() == {S: 60})
    assert sorted(asked.values()) == [2] * 59 + [3]


@pytest.mark.parametrize("paused", [True, False])
async def test_what_waits_for_its_next_pass_is_handed_back_at_a_stop_and_not_sent_in_a_pause(
    db: Database, monkeypatch: pytest.MonkeyPatch, paused: bool
) -> None:
    monkeypatch.setattr("app.dispatch.claims._LOOK_EVERY_S", 600.0)
    world, carrier = ready(db, 30), PaperCarrier()
    carrier.answer = lambda _: Deferred("0x58", 3.0, throttled=True)
    await carrier.open()
    async with running(loop := loop_for(world, carrier)):
        await until(lambda: bool(loop._claims.waiting))
        if paused:
            order(db, RunState.PAUSED)
            await until(lambda: leased(db) == 0)
    assert leased(db) == 0
    assert world.states() == {Q: 30}
    assert not any(carrier.copies.values())
