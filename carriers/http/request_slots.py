"""Limit the requests in flight; a waiting request gives up when its permit ends."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import nullcontext
from dataclasses import replace
from itertools import count

from carriers.contract import Permit
from carriers.health import LinkHealth, said_after
from carriers.permit import since_boot

# Report silence after this long, or after two thirds of a shorter answer timeout.
SAID_AFTER_S = 20.0


class Waiting:
    """Tracks messages that wait for answers; a silence lasts until the carrier sends anything."""

    def __init__(self, answer_timeout_s: float) -> None:
        self._said_after_s = min(SAID_AFTER_S, answer_timeout_s * 2 / 3)
        self._waiting_said_after_s = said_after(answer_timeout_s)
        self._begun: dict[int, float] = {}
        self._numbers = count()
        self._silent_since: float | None = None  # when a message given up without an answer was sent

    def begin(self) -> int:
        """Note that a message goes out; return the number to pass to `end`."""
        number = next(self._numbers)
        self._begun[number] = since_boot()
        return number

    def end(self, number: int) -> None:
        """Note that the message waits no more; if it had waited long, the silence goes on."""
        begun = self._begun.pop(number)
        if self._silent_since is None and since_boot() - begun >= self._said_after_s:
            self._silent_since = begun

    def heard(self) -> None:
        """Note any answer: requests still waiting count from now on."""
        self._silent_since, self._begun = None, dict.fromkeys(self._begun, since_boot())

    def beside(self, facts: LinkHealth) -> LinkHealth:
        """Add a long silence to the facts, as `probing`: without an answer nobody knows whether they go."""
        since = self._silent_since
        if since is None:
            since = min(self._begun.values(), default=None)
        if since is None or facts.probing or since_boot() - since < self._waiting_said_after_s:
            return facts
        facts = replace(facts, waiting_since=since)
        if since_boot() - since < self._said_after_s:
            return facts
        probing = f"no answer for {self._said_after_s:g} s"
        return replace(
            facts, probing=probing, connected_since=facts.connected_since or since, lost_since=None
        )


class RequestSlots:
    """Hands out slots in the order of asking."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: deque[asyncio.Future[bool]] = deque()

    async def enter(self, permit: Permit | None) -> bool:
        """Wait for a slot; return False, holding none, if the permit has ended by then."""
        if self._free > 0 and not self._waiting:
            self._free -= 1
            has_slot = True
        else:
            has_slot = await self._wait_for_slot(permit)
        if has_slot and permit is not None and not permit.stands:
            self.leave()
            return False
        return has_slot

    async def _wait_for_slot(self, permit: Permit | None) -> bool:
        slot: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(slot)
        try:
            with (
                nullcontext()
                if permit is None
                else permit.when_withdrawn(lambda: _settle(slot, has_slot=False))
            ):
                return await slot
        except asyncio.CancelledError:
            if slot.done() and not slot.cancelled() and slot.result():
                self.leave()
            raise

    def leave(self) -> None:
        """Pass the slot to whoever has waited longest."""
        while self._waiting:
            if _settle(self._waiting.popleft(), has_slot=True):
                return
        self._free += 1


def _settle(slot: asyncio.Future[bool], *, has_slot: bool) -> bool:
    if slot.done():
        return False
    slot.set_result(has_slot)
    return True
