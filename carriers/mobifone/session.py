"""MobiFone's login session: one login at a time, however many messages wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from carriers.contract import Deferred, Halted

Outcome = str | Deferred | Halted


class Login:
    """The session's id, had by `login` when it is first wanted, when it is too old or when it has ended.

    Whether a second login ends the first session is not known; it is taken to, so there is never one beside
    a session that still holds.
    """

    def __init__(self, login: Callable[[], Awaitable[Outcome]], longest_s: float) -> None:
        self._login, self._longest_s = login, longest_s
        self._sid, self._until_s = "", 0.0
        self._under_way: asyncio.Task[Outcome] | None = None

    async def sid(self) -> Outcome:
        """The id of a session; or why there is none."""
        if self._sid and asyncio.get_running_loop().time() < self._until_s:
            return self._sid
        if self._under_way is None:
            self._under_way = asyncio.create_task(self._renew())
        # Whoever is cancelled takes the login from nobody else.
        return await asyncio.shield(self._under_way)

    def has_ended(self, sid: str) -> None:
        """The carrier says so; a session made since then stays."""
        if self._sid == sid:
            self._sid = ""

    def forget(self) -> None:
        """The next message logs in."""
        self._sid = ""

    async def leave(self) -> None:
        """End a login for which nobody waits."""
        if self._under_way is not None:
            self._under_way.cancel()
            await asyncio.gather(self._under_way, return_exceptions=True)

    async def _renew(self) -> Outcome:
        began_s = asyncio.get_running_loop().time()
        try:
            outcome = await self._login()
            if isinstance(outcome, str):
                self._sid, self._until_s = outcome, began_s + self._longest_s
            return outcome
        finally:
            self._under_way = None
