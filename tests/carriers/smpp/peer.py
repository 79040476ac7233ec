"""A message centre that does what a test tells it, and keeps what it was sent; owes the simulator nothing."""

from __future__ import annotations

import asyncio
import ssl
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from carriers.contract import Acknowledge, LinkOptions, OutboundSms, Receipt
from carriers.smpp import pdu
from carriers.smpp.carrier import SmppCarrier

Handle = Callable[["Wire", int, bytes], None]
PHONE = "84912345601"


class Wire(asyncio.Protocol):
    """One connection of the peer."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.buffer = bytearray()
        self.transport: Any = None
        self.command = 0  # of the first PDU: the kind of bind

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.peer.wires.append(self)

    def data_received(self, data: bytes) -> None:
        self.peer.bytes_read += len(data)
        self.buffer += data
        for command, status, sequence, body in pdu.frames(self.buffer):
            self.command = self.command or command
            self.peer.seen.append((command, status, sequence, body))
            self.peer.handle.get(command, ignore)(self, sequence, body)

    def connection_lost(self, exc: Exception | None) -> None:
        self.peer.wires.remove(self)

    def send(self, command: int, sequence: int, body: bytes = b"", status: int = 0) -> None:
        self.transport.write(pdu.frame(command, sequence, body, status))


def ignore(wire: Wire, sequence: int, body: bytes) -> None:
    """No answer at all."""


def answer(command: int, body: bytes = b"", status: int = 0) -> Handle:
    """The same response to each request of this command."""

    def handle(wire: Wire, sequence: int, _: bytes) -> None:
        wire.send(command | pdu.RESPONSE, sequence, body, status)

    return handle


def take(wire: Wire, sequence: int, body: bytes) -> None:
    """Accept a submit_sm; the id is "m" and its sequence number."""
    wire.send(pdu.SUBMIT_SM_RESP, sequence, b"m%d\0" % sequence)


def drop(wire: Wire, sequence: int, body: bytes) -> None:
    """Break the connection instead of an answer."""
    wire.transport.abort()


class Peer:
    """The server; `handle` may be changed at any time: command -> what to do."""

    def __init__(self, handle: dict[int, Handle] | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.handle: dict[int, Handle] = {
            pdu.BIND_TRANSCEIVER: answer(pdu.BIND_TRANSCEIVER, b"peer\0"),
            pdu.BIND_TRANSMITTER: answer(pdu.BIND_TRANSMITTER, b"peer\0"),
            pdu.BIND_RECEIVER: answer(pdu.BIND_RECEIVER, b"peer\0"),
            pdu.ENQUIRE_LINK: answer(pdu.ENQUIRE_LINK),
            pdu.UNBIND: answer(pdu.UNBIND),
            pdu.SUBMIT_SM: take,
            **(handle or {}),
        }
        self.seen: list[tuple[int, int, int, bytes]] = []
        self.wires: list[Wire] = []
        self.bytes_read = 0
        self._tls = tls

    async def __aenter__(self) -> Peer:
        loop = asyncio.get_running_loop()
        self.server = await loop.create_server(lambda: Wire(self), "127.0.0.1", 0, ssl=self._tls)
        self.port: int = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()
        for wire in list(self.wires):
            wire.transport.abort()
        await asyncio.sleep(0)

    def of(self, command: int) -> list[tuple[int, int, int, bytes]]:
        """What came of one command: (command, status, sequence, body)."""
        return [one for one in self.seen if one[0] == command]

    def submits(self) -> list[pdu.ShortMessage]:
        """Every submit_sm, read."""
        return [pdu.read_short_message(body) for _, _, _, body in self.of(pdu.SUBMIT_SM)]


class Link:
    """An open link to a peer, with deadlines short enough for tests."""

    def __init__(self, port: int, **options: object) -> None:
        quick: dict[str, object] = {
            "host": "127.0.0.1",
            "port": port,
            "system_id": "loa",
            "password": "s3cr3t-w0rd",
            "receipt_level": "handset",
            "response_timeout_s": 0.3,
            "enquire_link_s": 5,
            "reconnect_min_s": 0.02,
            "reconnect_max_s": 0.05,
            "part_retry_s": 0.01,
        }
        self.carrier = SmppCarrier(LinkOptions("vnpt-1", "vnpt", 100.0, {**quick, **options}))

    async def __aenter__(self) -> SmppCarrier:
        await self.carrier.open()
        return self.carrier

    async def __aexit__(self, *_: object) -> None:
        await self.carrier.close()


def sms(phone: str = PHONE, text: str = "Canh giac lua dao", sender: str = "CONGAN") -> OutboundSms:
    return OutboundSms(phone, text, sender)


def many(count: int, text: str = "Canh giac lua dao") -> list[OutboundSms]:
    return [sms(f"849{number:08d}", text) for number in range(count)]


async def until(true: Callable[[], object]) -> None:
    """Wait for something that happens in a while."""
    for _ in range(2000):
        if true():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it did not happen within ten seconds")


RECEIPT = (
    b"id:m7 sub:001 dlvrd:001 submit date:2401291005 done date:2401291006 stat:DELIVRD err:000 text:Canh"
)


def deliver_body(text: bytes = RECEIPT, esm_class: int = pdu.ESM_RECEIPT, tlvs: bytes = b"") -> bytes:
    envelope = pdu.Envelope((1, 1, b"84912345601"))
    return pdu.short_message_body(envelope, b"CONGAN", pdu.Content(text, 0, esm_class, tlvs))


class Inbox:
    """A sink that keeps receipts, and acknowledges when the test says so."""

    def __init__(self, taken: bool | None = True) -> None:
        self.receipts: list[Receipt] = []
        self.waiting: list[Acknowledge] = []
        self._taken = taken

    def __call__(self, receipt: Receipt, acknowledge: Acknowledge) -> None:
        self.receipts.append(receipt)
        self.waiting.append(acknowledge)
        if self._taken is not None:
            acknowledge(self._taken)


LONG = "Canh bao lua dao. " * 20  # 360 septets: three parts


def by_part(*handles: Handle) -> Handle:
    """A different manner for each part of a long message; the last one for all that follow."""
    seen: dict[int, int] = defaultdict(int)

    def handle(wire: Wire, sequence: int, body: bytes) -> None:
        part = pdu.read_short_message(body).message[5] - 1
        turn = seen[part]
        seen[part] += 1
        handles[min(part, len(handles) - 1) if turn == 0 else -1](wire, sequence, body)

    return handle


def refuse(status: int) -> Handle:
    return answer(pdu.SUBMIT_SM, status=status)


async def submit(carrier: SmppCarrier, parcel: list[OutboundSms]) -> list[object]:
    """As a coroutine, for a task of its own."""
    return list(await carrier.submit(parcel))
