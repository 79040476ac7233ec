"""One simulated message centre on one TCP port."""

from __future__ import annotations

import asyncio
import dataclasses
import ssl
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Self

from carriers.simulators.smsc.behaviour import SmscBehaviour
from carriers.simulators.smsc.centre import Centre
from carriers.simulators.smsc.deliveries import Inbound, SmscMessage
from carriers.simulators.smsc.session import SmscSession
from carriers.smpp import pdu


class Smsc:
    """One simulated message centre; without accounts (system_id -> password) anybody may bind."""

    def __init__(
        self,
        behaviour: SmscBehaviour | None = None,
        port: int = 0,
        *,
        host: str = "127.0.0.1",
        accounts: Mapping[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.port = port
        self.host = host
        self._first_behaviour = behaviour or SmscBehaviour()
        self._accounts, self._tls = accounts, tls
        self._server: asyncio.Server | None = None
        self._centre: Centre

    async def __aenter__(self) -> Self:
        self._centre = Centre(asyncio.get_running_loop(), self._first_behaviour, self._accounts)
        await self.start_accepting()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop_accepting()
        self._centre.close()
        await asyncio.sleep(0)  # let connection_lost run before the loop may end

    async def start_accepting(self) -> None:
        """Listen, on the same port again after stop_accepting()."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: SmscSession(self._centre), self.host, self.port, ssl=self._tls, backlog=1024
        )
        self.port = self._server.sockets[0].getsockname()[1]

    def arrivals(self) -> list[float]:
        """Return a list that collects the time of each submit from now on."""
        collected: list[float] = []
        self._centre.arrivals = collected
        return collected

    def texts(self) -> list[tuple[int, bytes]]:
        """Return a list that collects number and start of the text of each part taken from now on."""
        collected: list[tuple[int, bytes]] = []
        self._centre.texts = collected
        return collected

    def keep_back(self) -> list[SmscMessage]:
        """Return a list that collects answered messages, whose receipts wait for `conclude`."""
        collected: list[SmscMessage] = []
        self._centre.kept_back = collected
        return collected

    def keep_back_no_more(self) -> None:
        """Report messages normally again; those kept back stay so."""
        self._centre.kept_back = None

    def conclude(self, messages: Iterable[SmscMessage]) -> None:
        for message in messages:
            self._centre.reporter.conclude(message)

    def stop_accepting(self) -> None:
        """Refuse new connections; existing binds stay."""
        if self._server is not None:
            self._server.close()
            self._server = None

    @property
    def behaviour(self) -> SmscBehaviour:
        return self._centre.behaviour

    @behaviour.setter
    def behaviour(self, behaviour: SmscBehaviour) -> None:
        self._centre.behave(behaviour)

    def change(self, **behaviour: Any) -> None:
        self.behaviour = dataclasses.replace(self.behaviour, **behaviour)

    def drop_all(self) -> None:
        for session in tuple(self._centre.sessions):
            self._centre.tally.connections_dropped += 1
            session.drop()

    def drop_from(self, address: str) -> None:
        """Break every connection from this address, as if its host had stopped answering enquire_link."""
        for session in tuple(self._centre.sessions):
            if session.transport.get_extra_info("peername")[0] == address:
                self._centre.tally.connections_dropped += 1
                session.drop()

    def unbind_all(self) -> None:
        for session in tuple(self._centre.sessions):
            session.ask(pdu.UNBIND)

    def report(self) -> dict[str, Any]:
        return self._centre.report()

    def copies(self, phone: str | int) -> int:
        """Return how many whole messages were taken for a number."""
        return self._centre.seen.copies(int(phone))

    def numbers(self) -> Iterator[int]:
        return self._centre.seen.numbers()

    def taken(self) -> int:
        """Return how many parts were taken so far; cheap, however many there are."""
        return self._centre.seen.parts

    def outstanding(self) -> int:
        return self._centre.reporter.outstanding() + self._centre.reporter.en_route()

    def in_order(self) -> Sequence[int]:
        """Return the number of every message or part taken, in order of arrival."""
        return self._centre.reporter.phones

    def acknowledged(self) -> Iterator[tuple[int, int]]:
        """Yield (number, count of different ids) of every message with an acknowledged receipt."""
        return self._centre.reporter.acknowledged()

    def write(self, source: str, destination: str, text: str, system_id: str = "") -> None:
        """Send a subscriber's text to this account, or to the first that has bound."""
        self._centre.bring(self._centre.account(system_id), (source, destination), text)

    def write_raw(self, body: bytes, system_id: str = "") -> None:
        """Send a deliver_sm with any content (deliveries.body builds one)."""
        self._centre.reporter.bring(Inbound(self._centre.account(system_id), body))

    def binds(self) -> int:
        return sum(session.bound_as > 0 for session in self._centre.sessions)

    def idle_s(self) -> float:
        """Return seconds since an ESME last wrote; 0 before the first submit and while receipts are due."""
        reporter = self._centre.reporter
        if not self._centre.tally.submits or reporter.outstanding() or reporter.en_route():
            return 0.0
        return self._centre.loop.time() - self._centre.last_heard_s
