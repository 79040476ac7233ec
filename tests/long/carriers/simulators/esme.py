"""A client on a bare socket that says exactly what a test wants, right or wrong."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from carriers.smpp import pdu

PHONE = b"84910000001"
BIND_RESP = pdu.BIND_TRANSCEIVER | pdu.RESPONSE
SUBMIT_RESP = pdu.SUBMIT_SM | pdu.RESPONSE
DELIVER_RESP = pdu.DELIVER_SM | pdu.RESPONSE


@dataclass(frozen=True)
class Pdu:
    command: int
    status: int
    sequence: int
    body: bytes

    @property
    def id(self) -> bytes:
        return self.body[:-1]

    @property
    def short(self) -> pdu.ShortMessage:
        return pdu.read_short_message(self.body)

    def field(self, name: str) -> str:
        """One field of a receipt's text."""
        found = re.search(rf"\b{name}:(\S*)", self.short.message.decode())
        assert found, self.short.message
        return found[1]


def submit_body(phone: bytes = PHONE, text: bytes = b"Canh giac", **fields: object) -> bytes:
    """A submit_sm body; `ton`, `registered`, `coding`, `esm` and `tlvs` as given."""
    given = {"ton": 5, "registered": 1, "coding": 0, "esm": 0, "tlvs": b""} | fields
    envelope = pdu.Envelope((given["ton"], 0, b"CATINH"), registered_delivery=given["registered"])
    content = pdu.Content(text, given["coding"], given["esm"], given["tlvs"])
    return pdu.short_message_body(envelope, phone, content)


class Esme:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.sequence = 0

    def send(self, command: int, body: bytes = b"", status: int = 0, sequence: int | None = None) -> int:
        if sequence is None:
            self.sequence += 1
            sequence = self.sequence
        self.writer.write(pdu.frame(command, sequence, body, status))
        return sequence

    def submit(self, phone: bytes = PHONE, **fields: object) -> int:
        return self.send(pdu.SUBMIT_SM, submit_body(phone, **fields))

    def acknowledge(self, receipt: Pdu, status: int = 0) -> None:
        self.send(DELIVER_RESP, b"\0", status, receipt.sequence)

    async def next(self) -> Pdu:
        """The next PDU; IncompleteReadError or ConnectionError when the connection is gone."""
        async with asyncio.timeout(5):
            length, command, status, sequence = pdu.HEADER.unpack(await self.reader.readexactly(16))
            return Pdu(command, status, sequence, await self.reader.readexactly(length - 16))

    async def take(self, count: int) -> list[Pdu]:
        return [await self.next() for _ in range(count)]

    async def call(self, command: int, body: bytes = b"") -> Pdu:
        """Send a request; the next PDU."""
        self.send(command, body)
        return await self.next()

    async def bind(
        self, command: int = pdu.BIND_TRANSCEIVER, system_id: str = "loa", password: str = "x"
    ) -> Pdu:
        return await self.call(command, pdu.Bind(system_id, password).body())

    async def gone(self) -> bool:
        """Whether the far end closes, with nothing before it."""
        try:
            async with asyncio.timeout(5):
                return await self.reader.read(1) == b""
        except ConnectionError:
            return True

    async def quiet(self, seconds: float = 0.06) -> bool:
        """Whether nothing comes for a moment."""
        try:
            async with asyncio.timeout(seconds):
                return not await self.reader.read(1)
        except TimeoutError:
            return True


@contextlib.asynccontextmanager
async def connect(port: int, **tls: object) -> AsyncIterator[Esme]:
    """A connection that is not bound."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, **tls)
    try:
        yield Esme(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@contextlib.asynccontextmanager
async def bound(
    port: int, command: int = pdu.BIND_TRANSCEIVER, system_id: str = "loa"
) -> AsyncIterator[Esme]:
    """A connection that is bound."""
    async with connect(port) as esme:
        assert (await esme.bind(command, system_id)).status == 0
        yield esme


async def until(condition: Callable[[], object]) -> None:
    """Wait for a condition of the other side, for want of an answer to wait for."""
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise TimeoutError("the condition never came")
