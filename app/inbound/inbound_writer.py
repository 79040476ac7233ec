"""The one door for inbound messages: a group is committed together, and acknowledged only then."""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog
from sqlalchemy.exc import DBAPIError

from app.core.errors import DatabaseUnavailable
from app.database.connection import Database
from app.inbound.store import IncomingMessage, keep
from app.ledger.contract import Lane, Ledger
from app.observability.metrics import Metrics
from carriers.contract import Acknowledge
from carriers.inbound import InboundMessage, InboundSink

log = structlog.get_logger(__name__)

_WEIGHT = 1000  # bytes of memory that a message takes beside its content, and some more
_Waiting = tuple[IncomingMessage, Acknowledge]


@dataclass(slots=True)
class InboundWriter:
    """Waits for `group` messages, or what comes within `wait_s`, and keeps up to `most` in one commit.

    While the database is away they wait unacknowledged; beyond `room` bytes the carrier is told to repeat
    later, so memory is bounded, whatever is poured in, and nothing is taken that could be lost.
    """

    db: Database
    ledger: Ledger
    metrics: Metrics
    group: int = 200
    most: int = 2000
    wait_s: float = 0.02
    room: int = 32_000_000
    refused: int = 0  # messages that a process which ended without its database gave back
    _waiting: deque[_Waiting] = field(default_factory=deque)
    _weight: int = 0
    _some: asyncio.Event = field(default_factory=asyncio.Event)
    _full: asyncio.Event = field(default_factory=asyncio.Event)
    _stopping: bool = False
    _names: itertools.count[int] = field(default_factory=itertools.count)
    _own: str = field(default_factory=lambda: secrets.token_hex(10))

    def sink(self, lane: Lane) -> InboundSink:
        """Where a link of this lane drops what is sent to us."""

        def drop(message: InboundMessage, acknowledge: Acknowledge) -> None:
            weight = _weight(message)
            if self._stopping or self._weight + weight > self.room:
                self.metrics.inbound(lane.name, "refused", 1)
                acknowledge(False)
                return
            came = IncomingMessage(lane, message, f"{self._own}-{next(self._names):x}")
            self._waiting.append((came, acknowledge))
            self._weight += weight
            self._some.set()
            if len(self._waiting) >= self.group:
                self._full.set()

        return drop

    def stop(self) -> None:
        """Take nothing more; run() returns when what was taken is committed."""
        self._stopping = True
        self._some.set()
        self._full.set()

    async def run(self) -> None:
        """Commit group after group. Ends after stop(); with Away where the database is waited for in vain."""
        while not self._stopping or self._waiting:
            await self._some.wait()
            await self._gather()
            taken = [self._waiting.popleft() for _ in range(min(self.most, len(self._waiting)))]
            if not self._stopping:
                self._look()
            if taken:
                await self._commit(taken)
                self._weight -= sum(_weight(came.message) for came, _ in taken)

    async def _gather(self) -> None:
        try:
            await asyncio.wait_for(self._full.wait(), self.wait_s)
        except TimeoutError:
            return

    def _look(self) -> None:
        """Whether anything waits, and a whole group."""
        if not self._waiting:
            self._some.clear()
        if len(self._waiting) < self.group:
            self._full.clear()

    async def _commit(self, taken: Sequence[_Waiting]) -> None:
        try:
            await self._keep(taken)
        except DatabaseUnavailable:
            self._give_back(taken)
            raise
        except DBAPIError as error:
            await self._one_by_one(taken, error)

    async def _one_by_one(self, taken: Sequence[_Waiting], error: DBAPIError) -> None:
        """A row that the database does not take must not keep the others of its group from being kept."""
        if len(taken) > 1:
            for one in taken:
                await self._commit([one])
            return
        ((came, acknowledge),) = taken
        log.error("an inbound message can't be kept", link=came.lane.name, why=type(error.orig).__name__)
        self.metrics.inbound(came.lane.name, "refused", 1)
        acknowledge(False)

    async def _keep(self, taken: Sequence[_Waiting]) -> None:
        repeated = await self.db.insist(keep, self.ledger, [came for came, _ in taken])
        for came, acknowledge in taken:
            acknowledge(True)
            self.metrics.inbound(came.lane.name, "kept", 1)
        for lane, n in repeated.items():
            self.metrics.inbound(lane, "repeated", n)

    def _give_back(self, taken: Sequence[_Waiting]) -> None:
        """What can't be committed any more is not lost: its carrier brings it again."""
        self._stopping = True
        for _, acknowledge in (*taken, *self._waiting):
            self.refused += 1
            acknowledge(False)
        self._waiting.clear()


def _weight(message: InboundMessage) -> int:
    return _WEIGHT + 5 * len(message.octets)  # its octets, and its text with four bytes to a letter
