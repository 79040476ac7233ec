"""The worker: opens the links, runs a lane for each, brings receipts to the inbox, and sweeps."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from app.config import LinkSettings, Settings
from app.db import Database
from app.dispatch import lanes, runs
from app.dispatch.lane import Desk, LaneLoop
from app.errors import SetupError
from app.ledger.contract import Ledger
from app.metrics import Metrics
from app.receipts.inbox import Inbox
from app.receipts.settle import settle
from carriers import registry
from carriers.contract import Carrier, LinkError, StreamReceipts

log = structlog.get_logger(__name__)

_FOLD_EVERY_S = 5.0


@dataclass(slots=True)
class Worker:
    """All that sends and receives in one process; `only` limits it to one carrier's links."""

    db: Database
    ledger: Ledger
    settings: Settings
    metrics: Metrics
    only: str | None = None
    loops: list[LaneLoop] = field(default_factory=list)
    inbox: Inbox = field(init=False)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        s = self.settings
        self.inbox = Inbox(self.db, self.ledger, self.metrics, s.receipts_group, s.receipts_wait_ms / 1000)

    def stop(self) -> None:
        """Send nothing more; run() returns when all that is under way is written down."""
        self._stopping.set()
        self._wake.set()
        for loop in self.loops:
            loop.stop()

    async def run(self) -> None:
        """Send and receive until stop(); then leave no claim behind and nothing in flight dropped."""
        await self._open()
        background = [asyncio.create_task(self._sweeps()), asyncio.create_task(self.inbox.run())]
        sending = [asyncio.create_task(loop.run()) for loop in self.loops]
        if self._stopping.is_set():
            self.stop()
        try:
            await _all_or_first_failure([*sending, *background], self._stopping)
        finally:
            self.stop()
            await asyncio.gather(*sending, return_exceptions=True)
            await asyncio.gather(*(loop.carrier.close() for loop in self.loops), return_exceptions=True)
            self.inbox.stop()
            await asyncio.gather(*background, return_exceptions=True)

    async def _open(self) -> None:
        """Build the links from the settings, register their lanes and open them."""
        if self.db.sqlite:
            # The folder's lock says that no other process lives: every lease is a dead one's.
            await self.db.insist(self.ledger.reclaim)
        desk = Desk(self.db, self.ledger, self.metrics, self.settings.sub_batch, self.settings.lease_seconds)
        for name, link in self.settings.links.items():
            if self.only in (None, link.carrier):
                carrier = build(name, link)
                lane = await self.db.insist(lanes.register, facts(name, link, carrier))
                self.loops.append(LaneLoop(lane, carrier, desk))
                if isinstance(carrier, StreamReceipts):
                    carrier.deliver_to(self.inbox.sink(lane))
                await carrier.open()
        loop = asyncio.get_running_loop()
        self.db.on_wake(lambda: _call_soon(loop, self._wake_all))

    def _wake_all(self) -> None:
        self._wake.set()
        for loop in self.loops:
            loop.wake.set()

    async def _sweeps(self) -> None:
        """The small recurring works, each safe to run twice and in several processes at once."""
        folded = asyncio.get_running_loop().time()
        while not self._stopping.is_set():
            self._wake.clear()
            busy = await self.db.insist(runs.fan_out_next, self.ledger)
            if busy:
                self._wake_lanes()
                continue
            busy = await self.db.insist(runs.close_over, self.ledger)
            await self.db.insist(runs.advance)
            await settle(self.db, self.ledger)
            if asyncio.get_running_loop().time() - folded > _FOLD_EVERY_S:
                folded = asyncio.get_running_loop().time()
                await self.db.insist(self.ledger.fold_tallies)
            if not busy:
                await _wait(self._wake.wait, 1.0)

    def _wake_lanes(self) -> None:
        for loop in self.loops:
            loop.wake.set()


def build(name: str, link: LinkSettings) -> Carrier:
    """The link's adapter, or SetupError in its own words."""
    try:
        return registry.build(link.kind, link.options(name))
    except LinkError as error:
        raise SetupError(str(error)) from None


def facts(name: str, link: LinkSettings, carrier: Carrier) -> lanes.LinkFacts:
    """What the ledger keeps of the link."""
    group = link.receipt_group or name
    return lanes.LinkFacts(name, link.carrier, group, link.segments_per_second, carrier.receipt_level)


async def _all_or_first_failure(tasks: list[asyncio.Task[None]], stopping: asyncio.Event) -> None:
    """Return at stop(); raise what ended a task before that: no lane dies in silence."""
    stopped = asyncio.create_task(stopping.wait())
    done, _ = await asyncio.wait([*tasks, stopped], return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    for task in done - {stopped}:
        task.result()


async def _wait(ready: Callable[[], Awaitable[bool]], seconds: float) -> None:
    try:
        await asyncio.wait_for(ready(), seconds)
    except TimeoutError:
        return


def _call_soon(loop: asyncio.AbstractEventLoop, work: Callable[[], None]) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(work)
