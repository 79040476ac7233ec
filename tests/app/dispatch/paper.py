"""A carrier on paper: an adapter of the contract whose answers a test writes down."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence

from app.core import clock
from app.dispatch.claims import SendContext
from app.dispatch.send_loop import SendLoop
from app.observability.metrics import Metrics
from carriers.contract import NOT_SENT, Accepted, Halted, Limits, OutboundSms, ReceiptLevel, SubmitResult
from tests.app.world import World


class PaperCarrier:
    """Takes everything, unless `answer` says otherwise; counts copies for each phone."""

    name = "paper"
    receipt_level = ReceiptLevel.HANDSET

    def __init__(self, segments_per_second: float = 50_000, delay_s: float = 0.0) -> None:
        self.limits = Limits(segments_per_second, in_flight=100)
        self.delay_s = delay_s
        self.copies: Counter[str] = Counter()
        self.texts: Counter[str] = Counter()
        self.answer: Callable[[OutboundSms], SubmitResult] = lambda sms: Accepted((f"r{sms.phone}",))
        self.broken: Exception | None = None
        self.refusal: Halted | None = None
        self.up = asyncio.Event()
        self.places = 1_000_000  # messages on the wire at once
        self.change = asyncio.Condition()
        self.arrivals: list[float] = []
        self.on_wire = self.most_on_wire = self.opened = self.waiting = 0

    async def open(self) -> None:
        self.opened += 1
        self.up.set()

    async def close(self) -> None:
        self.up.clear()

    async def ready(self) -> None:
        await self.up.wait()

    async def written(self) -> None:
        async with self.change:
            await self.change.wait_for(lambda: not self.waiting)

    async def widen(self, places: int) -> None:
        """So many messages may be on the wire at once from now on."""
        async with self.change:
            self.places = places
            self.change.notify_all()

    def halted(self) -> Halted | None:
        return self.refusal

    def segments(self, text: str) -> int:
        return 1

    async def submit(self, messages: Sequence[OutboundSms]) -> Sequence[SubmitResult]:
        async with self.change:
            self.waiting += len(messages)
            await self.change.wait_for(lambda: self.on_wire + len(messages) <= self.places)
            self.waiting -= len(messages)
            self.on_wire += len(messages)
            self.change.notify_all()
        now = clock.monotonic()  # before the look: this process may stand still after it
        going = [sms for sms in messages if sms.may_go]
        self.arrivals += [now] * len(going)
        self.most_on_wire = max(self.most_on_wire, self.on_wire)
        await asyncio.sleep(self.delay_s)
        async with self.change:
            self.on_wire -= len(messages)
            self.change.notify_all()
        if self.broken:
            raise self.broken
        answers = {sms.phone: self.answer(sms) for sms in going}
        for sms in going:
            self.copies[sms.phone] += isinstance(answers[sms.phone], Accepted)
            self.texts[sms.text] += 1
        return [answers.get(sms.phone, NOT_SENT) for sms in messages]


def loop_for(world: World, carrier: PaperCarrier, *, sub_batch: int = 20, lease_s: float = 8.0) -> SendLoop:
    desk = SendContext(world.db, world.ledger, Metrics(), sub_batch, lease_s)
    return SendLoop(world.link, carrier, desk)


async def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait for something to become true; a test that waits in vain fails here."""
    waited = 0.0
    while waited < seconds:
        if condition():
            return
        pause = 0.01 if waited < 1 else 0.05  # most conditions ask the database: those that take long, seldom
        await asyncio.sleep(pause)
        waited += pause
    raise TimeoutError(f"not so after {seconds} s")
