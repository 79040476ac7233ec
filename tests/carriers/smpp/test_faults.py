"""A fault that nobody foresaw costs a bind one round: it is said, and the bind comes up again."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from carriers.contract import Acknowledge, Halted, LinkOptions
from carriers.smpp import pdu
from carriers.smpp.reconnect import Reconnector
from carriers.smpp.session import Counters, End, PieceQueue
from carriers.smpp.settings import read_settings
from tests.carriers.smpp.peer import Peer, Wire, answer, ignore, until


class FaultyOwner:
    """A link whose `faulty` method fails so many times."""

    def __init__(self, faulty: str, times: int) -> None:
        self.queue, self.counters = PieceQueue(), Counters()
        self.calls: list[str] = []
        self.whys: list[str] = []
        self._faulty, self._times = faulty, times

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if name == self._faulty and self._times:
            self._times -= 1
            raise ZeroDivisionError("a fault of the owner")

    def bound(self, command: int) -> None:
        self._called("bound")

    def ended(self) -> None:
        self._called("ended")

    def probing(self, command: int, why: str, unanswered: int) -> None:
        self._called("probing")

    def answers_again(self, command: int) -> None:
        self._called("answers_again")

    def answered(self) -> None:
        self._called("answered")

    def update(self) -> None:
        self._called("update")

    def deliver(self, message: pdu.ShortMessage, acknowledge: Acknowledge) -> None:
        self._called("deliver")

    def odd(self, kind: str, detail: str) -> None:
        self._called("odd")

    def down(self, command: int, end: End, *, is_news: bool) -> None:
        self.whys.append(end.why)
        self._called("down")

    def halt(self, why: Halted) -> bool:
        self._called("halt")
        return False


def bind_to(peer: Peer, owner: FaultyOwner) -> Reconnector:
    own: dict[str, object] = {"host": "127.0.0.1", "port": peer.port, "system_id": "loa", "password": "x"}
    own |= {
        "response_timeout_s": 0.3,
        "enquire_link_s": 0.1,
        "reconnect_min_s": 0.02,
        "reconnect_max_s": 0.05,
    }
    settings = read_settings(LinkOptions("vnpt-1", "vnpt", 100.0, own))
    return Reconnector(settings, pdu.BIND_TRANSCEIVER, owner, None)


def drop(wire: Wire) -> None:
    wire.transport.abort()


async def test_a_fault_after_the_end_of_a_connection_is_said_and_the_bind_comes_up_again() -> None:
    owner = FaultyOwner("down", 2)
    async with Peer() as peer:
        with capture_logs() as logs:
            bind = bind_to(peer, owner)
            await until(lambda: owner.calls.count("bound") == 1)
            drop(peer.wires[0])
            await until(lambda: owner.calls.count("bound") == 2)
        await bind.leave()
    (said, *_) = [entry for entry in logs if entry["event"] == "fault of a bind"]
    assert isinstance(said["exc_info"], ZeroDivisionError)
    assert "an unexpected error in Loa: ZeroDivisionError" in owner.whys


async def test_a_fault_while_a_bind_ends_does_not_hide_the_end(unhandled: list[object]) -> None:
    owner = FaultyOwner("ended", 1)
    async with Peer() as peer:
        bind = bind_to(peer, owner)
        await until(lambda: owner.calls.count("bound") == 1)
        drop(peer.wires[0])
        await until(lambda: owner.calls.count("bound") == 2)
        await bind.leave()
    assert len(unhandled) == 1


async def test_a_fault_at_a_refused_bind_does_not_end_the_tries() -> None:
    refused = answer(pdu.BIND_TRANSCEIVER, status=0x0E)
    owner = FaultyOwner("halt", 3)
    async with Peer({pdu.BIND_TRANSCEIVER: refused}) as peer:
        bind = bind_to(peer, owner)
        await until(lambda: owner.calls.count("halt") >= 3)
        peer.handle[pdu.BIND_TRANSCEIVER] = answer(pdu.BIND_TRANSCEIVER, b"peer\0")
        await until(lambda: "bound" in owner.calls)
        await bind.leave()


async def test_a_fault_in_a_timed_look_is_not_the_last_look(unhandled: list[object]) -> None:
    owner = FaultyOwner("probing", 1)
    async with Peer({pdu.ENQUIRE_LINK: ignore}) as peer:
        bind = bind_to(peer, owner)
        await until(lambda: owner.calls.count("bound") == 2)
        assert owner.whys[0] == "no answer to enquire_link within 0.3 s"
        await bind.leave()
    assert len(unhandled) == 1


async def test_an_end_that_nobody_waits_for_any_more_is_told_to_the_link(unhandled: list[object]) -> None:
    """A reconnector that is cancelled, as when a worker is stopped hard, takes what it waits for with it."""
    owner = FaultyOwner("", 0)
    async with Peer() as peer:
        bind = bind_to(peer, owner)
        await until(lambda: "bound" in owner.calls)
        bind.session.end.cancel()
        drop(peer.wires[0])
        await until(lambda: "ended" in owner.calls)
        await bind.leave()
    assert unhandled == []


@pytest.fixture
async def unhandled() -> list[object]:
    """What the loop itself was told of, in place of its log."""
    found: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, what: found.append(what))
    return found
