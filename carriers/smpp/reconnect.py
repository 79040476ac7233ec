"""Keep one bind up: connect, bind, and reconnect after each end with growing, jittered pauses."""

from __future__ import annotations

import asyncio
import contextlib
import random
import ssl
from collections.abc import Callable, Collection
from typing import Protocol

import structlog

from carriers.causes import cause_of
from carriers.contract import CheckFinding, Halted, LinkError, LinkOptions
from carriers.phrases import Phrase
from carriers.smpp import pdu
from carriers.smpp.codes import BIND_HALTS
from carriers.smpp.session import BindOwner, End, SmppSession
from carriers.smpp.settings import SmppSettings

QUICK_S = 0.15  # the first pause after a connection that worked
_random = random.SystemRandom()
log = structlog.get_logger("loa.smpp")


BINDS = {
    pdu.BIND_TRANSCEIVER: "transceiver",
    pdu.BIND_TRANSMITTER: "transmitter",
    pdu.BIND_RECEIVER: "receiver",
}


class ReconnectOwner(BindOwner, Protocol):
    """What a Reconnector needs from its link."""

    def down(self, command: int, end: End, *, is_news: bool) -> None:
        """Report that the bind is down; `is_news` only the first time since it was up."""
        ...

    def halt(self, why: Halted) -> bool:
        """Report a refusal that lasts until a person acts; returns whether to stop trying."""
        ...


class Reconnector:
    """One bind of a link, from open to close; `session` is the current connection."""

    def __init__(
        self, settings: SmppSettings, command: int, link_owner: ReconnectOwner, tls: ssl.SSLContext | None
    ) -> None:
        self.session: SmppSession | None = None
        self.command = command
        self._settings, self._link, self._tls = settings, link_owner, tls
        self._pauses = Pauses(settings)
        self._leaving = self._was_reported = False
        self._task = asyncio.create_task(self._run())

    def is_untried(self, down: Collection[int]) -> bool:
        """Whether its bind is neither up nor among those that have failed."""
        return self.command not in down and not (self.session and self.session.bound_at)

    async def leave(self) -> None:
        self._leaving = True
        if self.session is not None:
            await self.session.leave()
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _run(self) -> None:
        """Connect again and again; an unforeseen fault is said, and costs one round."""
        while True:
            (pause_s,) = await asyncio.gather(self._connect_once(), return_exceptions=True)
            if isinstance(pause_s, BaseException):
                fault, pause_s = pause_s, self._settings.reconnect_max_s
                log.error("fault of a bind", bind=BINDS[self.command], exc_info=fault)
                end = End(Phrase("an unexpected error in Loa: {kind}", kind=type(fault).__name__))
                await asyncio.gather(self._give_up(end), return_exceptions=True)
            if pause_s is None:
                return
            await asyncio.sleep(pause_s)

    async def _connect_once(self) -> float | None:
        """Connect, and wait for the end; return the seconds to the next try, None for none."""
        session = self.session = SmppSession(self._settings, self.command, self._link)
        end = await self._run_session(session)
        if self._leaving:
            return None
        halt = BIND_HALTS.get(end.refused or 0)
        if halt is not None and self._link.halt(halt):
            return None
        self._report(end)
        return self._pauses.after(session, end)

    async def _give_up(self, end: End) -> None:
        """End what a fault has left, and say why the bind is down."""
        if self.session is not None:
            self.session.finish(end)
        self._report(end)

    def _report(self, end: End) -> None:
        """Log an outage once, not at every retry."""
        was_up = self.session is not None and self.session.bound_at is not None
        is_news, self._was_reported = was_up or not self._was_reported, True
        self._link.down(self.command, end, is_news=is_news)

    async def _run_session(self, session: SmppSession) -> End:
        own, loop = self._settings, asyncio.get_running_loop()
        end = End("no connection")
        try:
            async with asyncio.timeout(own.response_timeout_s):
                await loop.create_connection(lambda: session, own.host, own.port, ssl=self._tls)
            end = await session.end
        except TimeoutError:
            end = End(Phrase("no connection within {seconds} s", seconds=f"{own.response_timeout_s:g}"))
        except (OSError, UnicodeError) as error:
            end = End(Phrase("no connection: {why}", why=cause_of(error)))
        finally:
            session.finish(end)
        return end


class Pauses:
    """How long to wait before reconnecting.

    Hardly at all after a connection that worked; otherwise from reconnect_min_s on, doubling each time, up to
    reconnect_max_s. After a refusal, or if what was sent got no answer, up to probe_max_s: each further try
    may annoy the carrier or make a message unknown.
    """

    def __init__(self, settings: SmppSettings) -> None:
        self._own = settings
        self._next = self._first = min(settings.reconnect_min_s, QUICK_S)

    def after(self, session: SmppSession, end: End) -> float:
        """Return the seconds from this end to the next try."""
        own = self._own
        unanswered = session.submits > 0 and not session.window.answers
        if session.window.answers >= own.window or (session.lasted(own.reconnect_max_s) and not unanswered):
            self._next = self._first
        longest = own.reconnect_max_s
        if end.refused is not None or unanswered:
            longest = max(longest, own.probe_max_s)
        pause = min(self._next, longest)
        self._next = max(own.reconnect_min_s, 2 * pause)
        return pause * _random.uniform(0.5, 1.0)


async def wait_while(condition: Callable[[], bool], event: asyncio.Event, most_s: float) -> None:
    """Wait until the condition is false, checking it at each event, at most `most_s` seconds."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(most_s):
            while condition():
                event.clear()
                await event.wait()


async def check_bind(settings: SmppSettings, reconnector: Reconnector, why: str | None) -> CheckFinding:
    """Check a bind by enquire_link; why: the reason it was last down."""
    where = f"The bind as {BINDS[reconnector.command]} at {settings.host}:{settings.port}"
    session = reconnector.session
    if session is not None and await session.enquire():
        return CheckFinding(True, f"{where} is up, and enquire_link is answered.")
    if session is not None and session.end.done():
        why = session.end.result().why
    why = why or "no data was received from it"
    return CheckFinding(False, f"{where} is not up: {why}.")


def tls_context(link: LinkOptions, settings: SmppSettings) -> ssl.SSLContext | None:
    """Build the TLS context; None without TLS. LinkError for an unusable CA file."""
    if settings.tls is False:
        return None
    try:
        return ssl.create_default_context(cafile=None if settings.tls is True else str(settings.tls))
    except OSError as error:
        raise LinkError(
            f"Link {link.name}: tls names a CA file that cannot be used ({cause_of(error)}); "
            "It must be a readable file with certificates in PEM."
        ) from None
