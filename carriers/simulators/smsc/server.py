"""One message centre on one TCP port: started, told how to behave, and asked what it saw."""

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
    """One message centre on one TCP port. Without accounts (system_id -> password) anybody may bind."""

    def __init__(
        self,
        manners: SmscBehaviour | None = None,
        port: int = 0,
        *,
        host: str = "127.0.0.1",
        accounts: Mapping[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.port = port
        self.host = host
        self._first_manners = manners or SmscBehaviour()
        self._accounts, self._tls = accounts, tls
        self._server: asyncio.Server | None = None
        self._centre: Centre

    async def __aenter__(self) -> Self:
        self._centre = Centre(asyncio.get_running_loop(), self._first_manners, self._accounts)
        await self.start_accepting()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop_accepting()
        self._centre.close()
        await asyncio.sleep(0)  # lets the broken connections be reported lost before the loop may end

    async def start_accepting(self) -> None:
        """Listen; again on the same port after stop_accepting()."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: SmscSession(self._centre), self.host, self.port, ssl=self._tls, backlog=1024
        )
        self.port = self._server.sockets[0].getsockname()[1]

    def arrivals(self) -> list[float]:
        """A list to which, from now on, the moment of each submit is added."""
        found: list[float] = []
        self._centre.arrivals = found
        return found

    def texts(self) -> list[tuple[int, bytes]]:
        """A list to which, from now on, number and beginning of the text of each part taken is added."""
        found: list[tuple[int, bytes]] = []
        self._centre.texts = found
        return found

    def keep_back(self) -> list[SmscMessage]:
        """A list to which each message answered from now on is added, whose receipt waits for `conclude`."""
        found: list[SmscMessage] = []
        self._centre.kept_back = found
        return found

    def keep_back_no_more(self) -> None:
        """Report what is answered from now on by the manners again; what was kept back stays so."""
        self._centre.kept_back = None

    def conclude(self, messages: Iterable[SmscMessage]) -> None:
        """Bring the receipts of messages that were kept back."""
        for message in messages:
            self._centre.reporter.conclude(message)

    def stop_accepting(self) -> None:
        """Refuse new connections; binds that are there stay."""
        if self._server is not None:
            self._server.close()
            self._server = None

    @property
    def manners(self) -> SmscBehaviour:
        """How the centre behaves; may be replaced at any time."""
        return self._centre.manners

    @manners.setter
    def manners(self, manners: SmscBehaviour) -> None:
        self._centre.behave(manners)

    def change(self, **manners: Any) -> None:
        """Replace some manners, by the names of Manners' fields."""
        self.manners = dataclasses.replace(self.manners, **manners)

    def drop_all(self) -> None:
        """Break every connection at once, without a word."""
        for session in tuple(self._centre.sessions):
            self._centre.tally.connections_dropped += 1
            session.drop()

    def drop_from(self, address: str) -> None:
        """Break every connection from this address, as when its host no longer answers enquire_link."""
        for session in tuple(self._centre.sessions):
            if session.transport.get_extra_info("peername")[0] == address:
                self._centre.tally.connections_dropped += 1
                session.drop()

    def unbind_all(self) -> None:
        """Ask every bind to leave, in order (unbind)."""
        for session in tuple(self._centre.sessions):
            session.ask(pdu.UNBIND)

    def report(self) -> dict[str, Any]:
        """What the centre saw and did until now; names say the unit."""
        return self._centre.report()

    def copies(self, phone: str | int) -> int:
        """How many whole messages were taken for a number."""
        return self._centre.seen.copies(int(phone))

    def numbers(self) -> Iterator[int]:
        """Every number that anything was taken for."""
        return self._centre.seen.numbers()

    def taken(self) -> int:
        """How many parts were taken until now; quick, however many there are."""
        return self._centre.seen.parts

    def outstanding(self) -> int:
        """How many messages and receipts are still under way."""
        return self._centre.reporter.outstanding() + self._centre.reporter.en_route()

    def in_order(self) -> Sequence[int]:
        """The number of every message or part taken, in the order in which they came."""
        return self._centre.reporter.phones

    def acknowledged(self) -> Iterator[tuple[int, int]]:
        """(number, how many different ids) of every message that an acknowledged receipt spoke of."""
        return self._centre.reporter.acknowledged()

    def write(self, source: str, destination: str, text: str, system_id: str = "") -> None:
        """A subscriber sends a text to us: to this account, or to the first that has bound."""
        self._centre.bring(self._centre.account(system_id), (source, destination), text)

    def write_raw(self, body: bytes, system_id: str = "") -> None:
        """The same with a deliver_sm of any content (smsc.inbound.body makes one)."""
        self._centre.reporter.bring(Inbound(self._centre.account(system_id), body))

    def binds(self) -> int:
        """How many binds there are now."""
        return sum(session.bound_as > 0 for session in self._centre.sessions)

    def idle_s(self) -> float:
        """Seconds since an ESME last wrote anything; 0 before the first submit and while receipts are due."""
        reporter = self._centre.reporter
        if not self._centre.tally.submits or reporter.outstanding() or reporter.en_route():
            return 0.0
        return self._centre.loop.time() - self._centre.last_heard_s
