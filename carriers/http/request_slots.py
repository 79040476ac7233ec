"""Places for requests that are under way at once; who waits for one leaves when its permit ends."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import nullcontext

from carriers.contract import Permit


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
