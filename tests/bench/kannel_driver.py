"""Feeds Kannel over HTTP as fast as it takes, and counts what it reports; a process of its own."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import quote

from tests.bench.webhook_client import Client, Results

CONNECTIONS = 50
USER = "loa"
FIRST_PHONE = 84_912_000_000
_NUMBER = re.compile(rb"GET /r\?n=(\d+)&s=(\d+) ")
_PATIENCE_S = 600.0
_QUIET_S = 20.0  # no receipt for so long: no more will come
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@dataclass(slots=True)
class Receipts:
    """The numbers of the messages that were reported delivered, and when the last news came."""

    count: int
    seen: set[int] = field(default_factory=set)
    repeated: int = 0
    last: float = 0.0

    def note(self, number: int) -> None:
        self.repeated += number in self.seen
        self.seen.add(number)
        self.last = time.perf_counter()


class Endpoint(asyncio.Protocol):
    """What dlr-url names: one connection, any number of GET requests."""

    def __init__(self, receipts: Receipts) -> None:
        self._receipts, self._seen = receipts, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *whole, self._seen = (self._seen + data).split(b"\r\n\r\n")
        for request in whole:
            found = _NUMBER.match(request)
            if found and found[2] == b"1":
                self._receipts.note(int(found[1]))
        self._transport.write(_ANSWER * len(whole))  # type: ignore[attr-defined]


def request(number: int, text: str, endpoint: int) -> bytes:
    """One message by sendsms, with its receipts to `endpoint`."""
    url = quote(f"http://127.0.0.1:{endpoint}/r?n={number}&s=%d", safe="")
    query = f"username={USER}&password={USER}&from=CA+SONLA&to={FIRST_PHONE + number}&text={quote(text)}"
    path = f"/cgi-bin/sendsms?{query}&dlr-mask=3&dlr-url={url}"
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


async def drive(port: int, count: int, text: str) -> dict[str, object]:
    """Send all, wait for the receipts; seconds from the first request to the last receipt."""
    loop, receipts, results = asyncio.get_running_loop(), Receipts(count), Results()
    server = await loop.create_server(partial(Endpoint, receipts), "127.0.0.1", 0)
    endpoint = server.sockets[0].getsockname()[1]
    queue = iter([request(number, text, endpoint) for number in range(count)])
    ends = [loop.create_future() for _ in range(CONNECTIONS)]
    started = receipts.last = time.perf_counter()
    for done in ends:
        await loop.create_connection(partial(Client, queue, results, done), "127.0.0.1", port)
    await asyncio.wait_for(asyncio.gather(*ends), _PATIENCE_S)
    taken = receipts.last = max(receipts.last, time.perf_counter())
    while len(receipts.seen) < count and time.perf_counter() - receipts.last < _QUIET_S:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    server.close()
    return {
        "statuses": results.statuses,
        "taken_s": taken - started,
        "seconds": receipts.last - started,
        "reported": len(receipts.seen),
        "repeated": receipts.repeated,
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(drive(**json.loads(sys.argv[1])))))
