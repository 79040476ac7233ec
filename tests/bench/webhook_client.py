"""Keep-alive clients over bare sockets: each posts, waits for the whole answer, and posts the next."""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

from carriers.signature import sign

# Asked to repeat, it does so, as a carrier would; the time of the post goes on.
_BUSY, _PAUSE_S = "503", 0.2
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Round:
    """What is posted where: receipts `first` .. `first + count`, `per_post` in one body."""

    port: int
    path: str
    secret: str
    clients: int
    first: int
    count: int
    per_post: int
    phone: int


@dataclass(slots=True)
class Results:
    """Milliseconds and statuses of all answers."""

    ms: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)


def requests(work: Round) -> list[bytes]:
    """Every request, made and signed before the clock starts."""
    return [
        _request(work, range(start, min(start + work.per_post, work.first + work.count)))
        for start in range(work.first, work.first + work.count, work.per_post)
    ]


def _request(work: Round, numbers: range) -> bytes:
    events = [
        {
            "message_id": f"m{number}",
            "msisdn": str(work.phone + number),
            "status": "DELIVRD",
            "error": "000",
            "mt_count": 1,
            "done_at": "2024-01-29T10:05:00+07:00",
        }
        for number in numbers
    ]
    body = json.dumps(events if work.per_post > 1 else events[0]).encode()
    now = str(int(time.time()))
    head = (
        f"POST {work.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nX-Loa-Timestamp: {now}\r\n"
        f"X-Loa-Signature: {sign(work.secret, now, body)}\r\n\r\n"
    )
    return head.encode() + body


class Client(asyncio.Protocol):
    """One connection."""

    def __init__(self, work: Iterator[bytes], results: Results, done: asyncio.Future[None]) -> None:
        self._work, self._results, self._done = work, results, done
        self._seen, self._request, self._sent_at = b"", b"", 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        self._seen += data
        head, found, body = self._seen.partition(b"\r\n\r\n")
        length = _LENGTH.search(head) if found else None
        if length is None or len(body) < int(length[1]):
            return
        status = head[9:12].decode()
        self._results.statuses[status] += 1
        self._seen = b""
        if status == _BUSY:
            asyncio.get_running_loop().call_later(_PAUSE_S, self._send)
        else:
            self._results.ms.append((time.perf_counter() - self._sent_at) * 1000)
            self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(ConnectionError(f"The server has closed a connection: {exc}"))

    def _next(self) -> None:
        self._request = next(self._work, b"")
        if self._request:
            self._sent_at = time.perf_counter()
            self._send()
        elif not self._done.done():
            self._done.set_result(None)
            self._transport.close()

    def _send(self) -> None:
        self._transport.write(self._request)  # type: ignore[attr-defined]


async def _run(work: Round) -> dict[str, object]:
    made, results, loop = requests(work), Results(), asyncio.get_running_loop()
    queue = iter(made)
    ends = [loop.create_future() for _ in range(min(work.clients, len(made)))]
    cpu, started = time.process_time(), time.perf_counter()
    for done in ends:
        await loop.create_connection(partial(Client, queue, results, done), "127.0.0.1", work.port)
    await asyncio.gather(*ends)
    seconds = time.perf_counter() - started
    cpu_s = time.process_time() - cpu
    return {"seconds": seconds, "cpu_s": cpu_s, "ms": results.ms, "statuses": results.statuses}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_run(Round(**json.loads(sys.argv[1]))))))
