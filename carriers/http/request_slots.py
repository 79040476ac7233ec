"""Places for requests that are under way at once; who waits for one leaves when its permit ends."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import nullcontext
from dataclasses import replace
from itertools import count

from carriers.contract import Permit
from carriers.health import LinkHealth
from carriers.permit import since_boot

# ---- Since when a carrier over HTTP has said nothing: said long before the last moment for its answers

# After so long a silence is said; of a short patience two thirds.
SAID_AFTER_S = 20.0


class Waiting:
    """The messages that wait for their answers; a silence lasts until the carrier says anything."""

    def __init__(self, answer_timeout_s: float) -> None:
        self._said_after_s = min(SAID_AFTER_S, answer_timeout_s * 2 / 3)
        self._begun: dict[int, float] = {}
        self._numbers = count()
        self._silent_since: float | None = None  # since what was given up without any answer

    def begin(self) -> int:
        """A message goes out; the number is to be given to `end`."""
        number = next(self._numbers)
        self._begun[number] = since_boot()
        return number

    def end(self, number: int) -> None:
        """It waits no more; where it had waited long, the silence goes on."""
        begun = self._begun.pop(number)
        if self._silent_since is None and since_boot() - begun >= self._said_after_s:
            self._silent_since = begun

    def heard(self) -> None:
        """The carrier has answered something: what waits for it waits from now on."""
        self._silent_since, self._begun = None, dict.fromkeys(self._begun, since_boot())

    def beside(self, facts: LinkHealth) -> LinkHealth:
        """The facts, and the silence beside them: without an answer nobody knows whether anything goes."""
        since = self._silent_since
        if since is None:
            since = min(self._begun.values(), default=None)
        if since is None or facts.held or since_boot() - since < self._said_after_s:
            return facts
        held = f"no answer for {self._said_after_s:g} s"
        return replace(facts, held=held, connected_since=facts.connected_since or since, lost_since=None)


class RequestSlots:
    """So many places, given in the order in which they were asked for."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._waiting: deque[asyncio.Future[bool]] = deque()

    async def enter(self, permit: Permit | None) -> bool:
        """Wait for a place; False, and none is taken, where the permit has ended by then."""
        if self._free > 0 and not self._waiting:
            self._free -= 1
            has_place = True
        else:
            has_place = await self._turn(permit)
        if has_place and permit is not None and not permit.stands:
            self.leave()
            return False
        return has_place

    async def _turn(self, permit: Permit | None) -> bool:
        turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            with nullcontext() if permit is None else permit.told(lambda: _settle(turn, has_place=False)):
                return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.result():
                self.leave()
            raise

    def leave(self) -> None:
        """Give the place to who has waited longest."""
        while self._waiting:
            if _settle(self._waiting.popleft(), has_place=True):
                return
        self._free += 1


def _settle(turn: asyncio.Future[bool], *, has_place: bool) -> bool:
    """Whether somebody still waited for it."""
    if turn.done():
        return False
    turn.set_result(has_place)
    return True
