"""Context shared by all faults of the drill, and measurement of recovery."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from app.core import clock
from carriers.simulators.smsc import Smsc, SmscBehaviour
from tests.drill.cluster import Cluster
from tests.drill.drill_client import DrillClient
from tests.drill.ledger_probe import LedgerProbe
from tests.drill.plan import PlannedFault
from tests.drill.processes import PATIENCE_S, ProcessGroup, Stuck

SUB_BATCH = 200
CARRIER = "viettel"
RESPONSE_TIMEOUT_S = 1.0
LEASE_S = 2.0
_LOOK_S = 0.02


@dataclass(frozen=True, slots=True)
class FaultOutcome:
    """Result of one fault: seconds until Loa worked again, and numbers that may be unknown.

    skipped: why it could not be done here; words: a remark for the report.
    """

    recovery_s: float = 0.0
    declared: frozenset[int] = frozenset()
    skipped: str = ""
    words: str = ""


@dataclass(slots=True)
class DrillContext:
    """Processes, carrier, ledger probe, and the numbers that may be unknown so far."""

    processes: ProcessGroup
    smsc: Smsc
    look: LedgerProbe
    client: DrillClient
    cluster: Cluster | None
    behaviour: SmscBehaviour
    declared: set[int] = field(default_factory=set)
    mistimed: set[int] = field(default_factory=set)  # numbers whose receipts came with a date of another day
    allowed: int = 0

    async def recovered(self, since: float) -> float:
        """Wait until messages are sent again, or none is left and the API serves; return the seconds."""
        before = self.smsc.taken()
        await self._until(lambda: self._at_work(before), since, "messages go out again")
        return clock.monotonic() - since

    async def serving(self, since: float) -> float:
        await self._until(self.client.ready, since, "the API serves again")
        return clock.monotonic() - since

    async def _until(self, true: Callable[[], Awaitable[bool]], since: float, what: str) -> None:
        while not await true():
            if clock.monotonic() - since > PATIENCE_S:
                raise Stuck(f"Not within {PATIENCE_S:g} s: {what}. {self.processes.sender.last_words()}")
            await asyncio.sleep(_LOOK_S)

    async def _at_work(self, before: int) -> bool:
        if self.smsc.taken() > before:
            return True
        return await asyncio.to_thread(self.look.open) == 0 and await self.client.ready()

    async def newly_in_flight(self) -> frozenset[int]:
        """Return numbers newly reserved by a sender that has just died: they may be unknown."""
        found = frozenset(await asyncio.to_thread(self.look.declared)) - self.declared
        self.declared |= found
        return found

    def acknowledged(self) -> set[int]:
        """Return the numbers with a receipt that Loa has acknowledged."""
        return {number for number, _ in self.smsc.acknowledged()}

    def restore_behaviour(self) -> None:
        self.smsc.behaviour = self.behaviour


Act = Callable[[DrillContext, PlannedFault], Awaitable[FaultOutcome]]
