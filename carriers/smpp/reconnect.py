"""Keeps one bind up: connects, binds, and begins again after each end, with growing and uneven pauses."""

from __future__ import annotations

import asyncio
import contextlib
import random
import ssl
from collections.abc import Callable, Collection
from typing import Protocol

from carriers.causes import cause_of
from carriers.contract import CheckFinding, Halted, LinkError, LinkOptions
from carriers.smpp import pdu
from carriers.smpp.codes import BIND_HALTS
from carriers.smpp.interfaces import BindOwner, End
from carriers.smpp.session import SmppSession
from carriers.smpp.settings import SmppSettings

QUICK_S = 0.15  # the first pause after a connection that worked
_random = random.SystemRandom()


BINDS = {
    pdu.BIND_TRANSCEIVER: "transceiver",
    pdu.BIND_TRANSMITTER: "transmitter",
    pdu.BIND_RECEIVER: "receiver",
}


class ReconnectOwner(BindOwner, Protocol):
    """The link, as a keeper needs it."""

    def down(self, command: int, end: End, *, is_news: bool) -> None:
        """The bind is away; `is_news` once until it has been up again."""
        ...

    def halt(self, why: Halted) -> bool:
        """The carrier will refuse the bind until a person has acted; True: so the keeper stops."""
        ...


class Reconnector:
    """One bind of a link, from open to close; `session` is the present connection."""

    def __init__(
        self, settings: SmppSettings, command: int, desk: ReconnectOwner, tls: ssl.SSLContext | None
    ) -> None:
        self.session: SmppSession | None = None
        self.command = command
        self._settings, self._desk, self._tls = settings, desk, tls
        self._leaving = False
        self._task = asyncio.create_task(self._run())

    def is_untried(self, down: Collection[int]) -> bool:
        """Whether its bind is neither up nor among those that have failed."""
        return self.command not in down and not (self.session and self.session.bound_at)

    async def leave(self) -> None:
        """Unbind in order where there is a bind, and stop."""
        self._leaving = True
        if self.session is not None:
            await self.session.leave()
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _run(self) -> None:
        own, told = self._settings, False
        pauses = Pauses(own)
        while True:
            session = self.session = SmppSession(own, self.command, self._desk)
            end = await self._hold(session)
            if self._leaving:
                return
            halt = BIND_HALTS.get(end.refused or 0)
            if halt is not None and self._desk.halt(halt):
                return
            # A carrier that is away for an hour makes one line of log, not thousands.
            self._desk.down(self.command, end, is_news=session.bound_at is not None or not told)
            told = True
            await asyncio.sleep(pauses.after(session, end))

    async def _hold(self, session: SmppSession) -> End:
        """One connection from its beginning to its end."""
        own, loop = self._settings, asyncio.get_running_loop()
        end = End("no connection")
        try:
            async with asyncio.timeout(own.response_timeout_s):
                await loop.create_connection(lambda: session, own.host, own.port, ssl=self._tls)
            end = await session.end
        except TimeoutError:
            end = End(f"no connection within {own.response_timeout_s:g} s")
        except (OSError, UnicodeError) as error:
            end = End(f"no connection: {cause_of(error)}")
        finally:
            session.finish(end)
        return end


class Pauses:
    """How long a bind waits before it is tried again.

    Hardly at all after a connection that worked; then from reconnect_min_s on, twice as long each time. The
    longest is reconnect_max_s, but probe_max_s after a refusal, or where what was sent had no answer: each
    further try may cost the carrier's patience, or make a message unknown.
    """

    def __init__(self, settings: SmppSettings) -> None:
        self._own = settings
        self._next = self._first = min(settings.reconnect_min_s, QUICK_S)

    def after(self, session: SmppSession, end: End) -> float:
        """Seconds from this end to the next try."""
        own = self._own
        in_vain = session.submits > 0 and not session.window.answers
        if session.window.answers >= own.window or (session.lasted(own.reconnect_max_s) and not in_vain):
            self._next = self._first
        longest = own.reconnect_max_s
        if end.refused is not None or in_vain:
            longest = max(longest, own.probe_max_s)
        pause = min(self._next, longest)
        self._next = max(own.reconnect_min_s, 2 * pause)
        return pause * _random.uniform(0.5, 1.0)


async def wait_while(true: Callable[[], bool], news: asyncio.Event, most_s: float) -> None:
    """Look again at each news, until it is not true any more or the time is over."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(most_s):
            while true():
                news.clear()
                await news.wait()


async def look_at(own: SmppSettings, keeper: Reconnector, why: str | None) -> CheckFinding:
    """Ask the bind whether it lives; why: for what it was last away."""
    where = f"The bind as {BINDS[keeper.command]} at {own.host}:{own.port}"
    session = keeper.session
    if session is not None and await session.enquire():
        return CheckFinding(True, f"{where} is up, and enquire_link is answered.")
    if session is not None and session.end.done():
        why = session.end.result().why
    why = why or "nothing was heard of it"
    return CheckFinding(False, f"{where} is not up: {why}.")


def tls_context(link: LinkOptions, settings: SmppSettings) -> ssl.SSLContext | None:
    """How the link checks the carrier's certificate; None without TLS. LinkError for an unusable CA file."""
    if settings.tls is False:
        return None
    try:
        return ssl.create_default_context(cafile=None if settings.tls is True else str(settings.tls))
    except OSError as error:
        raise LinkError(
            f"Link {link.name}: tls names a CA file that can't be used ({cause_of(error)}); "
            "it must be a readable file with certificates in PEM."
        ) from None
