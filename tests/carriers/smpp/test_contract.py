"""The contract test set, run on the SMPP link against a hand-written message centre."""

from __future__ import annotations

import random
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from carriers.contract import Carrier
from carriers.smpp import pdu
from tests.carriers.contract_cases import Behaviour, ContractCases
from tests.carriers.smpp.peer import Handle, Link, Peer, Wire, answer, drop, ignore, take, until


def _refuse_sevens(wire: Wire, sequence: int, body: bytes) -> None:
    if pdu.read_short_message(body).destination.endswith(b"7"):
        wire.send(pdu.SUBMIT_SM_RESP, sequence, status=pdu.ESME_RINVDSTADR)
    else:
        take(wire, sequence, body)


def _cut(wire: Wire, sequence: int, _: bytes) -> None:
    wire.transport.write(pdu.frame(pdu.SUBMIT_SM_RESP, sequence, b"m1\0")[:-2])
    wire.transport.close()


def _huge(wire: Wire, sequence: int, _: bytes) -> None:
    head = struct.pack(">IIII", 16 + 10_000_000, pdu.SUBMIT_SM_RESP, 0, sequence)
    wire.transport.write(head + b"9" * 10_000_000)


def _noise(wire: Wire, sequence: int, _: bytes) -> None:
    wire.transport.write(b"\xff" + random.Random(sequence).randbytes(64 * 1024))


def _garbage(wire: Wire, sequence: int, _: bytes) -> None:
    wire.send(0x8000_0666, sequence, random.Random(sequence).randbytes(64))


SUBMIT: dict[Behaviour, Handle] = {
    Behaviour.TAKE: take,
    Behaviour.REFUSE_SEVENS: _refuse_sevens,
    Behaviour.THROTTLE: answer(pdu.SUBMIT_SM, status=pdu.ESME_RTHROTTLED),
    Behaviour.DIE: drop,
    Behaviour.SILENT: ignore,
    Behaviour.CUT: _cut,
    Behaviour.HUGE: _huge,
    Behaviour.NOISE: _noise,
    Behaviour.GARBAGE: _garbage,
    Behaviour.WRONG_TYPE: answer(pdu.ENQUIRE_LINK),
}


class SmppHarness:
    secrets = ("s3cr3t-w0rd",)

    def __init__(self) -> None:
        self._peer = Peer()

    def messages_read(self) -> int:
        return len(self._peer.of(pdu.SUBMIT_SM))

    @asynccontextmanager
    async def link(self, behaviour: Behaviour, answer_s: float | None = None) -> AsyncIterator[Carrier]:
        handle = {pdu.SUBMIT_SM: SUBMIT.get(behaviour, take)}
        if behaviour is Behaviour.WRONG_PASSWORD:
            handle[pdu.BIND_TRANSCEIVER] = answer(pdu.BIND_TRANSCEIVER, status=pdu.ESME_RINVPASWD)
        if behaviour is Behaviour.MUTE:
            handle[pdu.BIND_TRANSCEIVER] = ignore
        self._peer = Peer(handle)
        waits = {} if answer_s is None else {"response_timeout_s": answer_s}
        async with self._peer as peer, Link(peer.port, **waits) as carrier:
            if behaviour is Behaviour.AWAY:
                peer.server.close()
                for wire in list(peer.wires):
                    wire.transport.abort()
            elif behaviour is Behaviour.WRONG_PASSWORD:
                await until(carrier.halted)
            elif behaviour is Behaviour.MUTE:
                await until(lambda: peer.seen)
            else:
                await carrier.ready()
            yield carrier


@pytest.fixture
def harness() -> SmppHarness:
    return SmppHarness()


class TestSmppKeepsTheContract(ContractCases):
    """Nothing of its own."""
