"""Heads and bodies without end, or a byte at a time: how much Loa takes of them, and for how long."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from typing import NamedTuple

from tests.attack.outcome import Outcome

ATTACK = "heads and bodies without end"
CUT_S, TAKEN_MB = 15.0, 32.0
_PATIENCE_S = 40.0
_PIECE = 256 * 1024
_GB = 10 * 1024**3
DOORS = (
    *("/webhooks/viettel/nosuch", "/webhooks/viettel/viettel-1", "/v1/session", "/v1/verify", "/v1/batches"),
    *("/sign-in", "/verify", "/batches/new", "/v1/receipt-files", "/nosuch"),
)


class Try(NamedTuple):
    """What is said first, and then again and again, with a pause after each."""

    what: str
    first: bytes
    then: bytes
    pause_s: float = 0.0


def tries() -> Iterator[Try]:
    """Every door of a stranger, by a length that is declared and by chunks; and heads."""
    for door in DOORS:
        head = f"POST {door} HTTP/1.1\r\nHost: loa\r\nContent-Type: application/json\r\n".encode()
        yield Try(f"10 GB to {door}", head + b"Content-Length: %d\r\n\r\n" % _GB, b" " * _PIECE)
        chunk = b"%x\r\n" % _PIECE + b" " * _PIECE + b"\r\n"
        yield Try(f"chunks to {door}", head + b"Transfer-Encoding: chunked\r\n\r\n", chunk)
        yield Try(f"a byte a second to {door}", head + b"Content-Length: 1000\r\n\r\n", b" ", 1.0)
    yield Try("an address without end", b"GET /", b"x" * _PIECE)
    yield Try("a header without end", b"GET / HTTP/1.1\r\nHost: loa\r\nX: ", b"x" * _PIECE)
    yield Try("headers without end", b"GET / HTTP/1.1\r\nHost: loa\r\n", b"X-A: b\r\n" * 30_000)
    yield Try("a byte a second of a head", b"GET / HTTP/1.1\r\nHost: loa\r\nX: ", b"x", 1.0)
    yield Try("what is no HTTP", b"\x16\x03\x01\x02\x00\x01", b"\0" * _PIECE)
    yield Try("line ends without end", b"\r\n", b"\r\n" * 1000)
    deep = b'{"name":' + b"[" * 60_000
    head = b"POST /v1/session HTTP/1.1\r\nHost: loa\r\nContent-Type: application/json\r\n"
    yield Try("60,000 lists in each other", head + b"Content-Length: %d\r\n\r\n" % len(deep) + deep, b"", 1.0)


async def endless(port: int) -> list[Outcome]:
    """All of them at once, each on a connection of its own."""
    found = await asyncio.gather(*(_tried(port, each) for each in tries()))
    slow = [what for what, seconds, *_ in found if seconds > CUT_S]
    much = [what for what, _, sent, _ in found if sent > TAKEN_MB]
    odd = [f"{what}: {status}" for what, _, _, status in found if not _refuses(status)]
    worst = max(seconds for _, seconds, *_ in found)
    most = max(sent for _, _, sent, _ in found)
    return [
        _outcome("cut or answered within 15 s", len(found), f"the last after {worst:.1f} s", slow),
        _outcome("MB taken of each", len(found), f"{most:.1f} at the most", much),
        _outcome("refused", len(found), "none was let in, none found a mistake", odd),
    ]


def _outcome(what: str, count: int, happened: str, wrong: list[str]) -> Outcome:
    return Outcome(ATTACK, what, count, f"not {', '.join(wrong[:5])}" if wrong else happened, not wrong)


def _refuses(status: str) -> bool:
    """Cut without a word, or an answer that lets nobody in."""
    return status in ("", "303") or status.startswith("4")


async def _tried(port: int, each: Try) -> tuple[str, float, float, str]:
    """(what, seconds until it was over, MB that were taken, status of the answer or "")."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    began, sent = time.monotonic(), 0
    answer = asyncio.create_task(_heard(reader))
    with contextlib.suppress(OSError):
        writer.write(each.first)
        while not reader.at_eof() and time.monotonic() - began < _PATIENCE_S:
            writer.write(each.then)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(writer.drain(), 1)
                sent += len(each.then)
            await asyncio.wait({answer}, timeout=each.pause_s)
            if answer.done():
                break
            await asyncio.sleep(0)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.shield(answer), max(0.0, _PATIENCE_S - (time.monotonic() - began)))
    seconds = time.monotonic() - began
    status = answer.result() if answer.done() else "nothing"
    answer.cancel()
    with contextlib.suppress(OSError):
        writer.transport.abort()
    return each.what, seconds, sent / 1e6, status


async def _heard(reader: asyncio.StreamReader) -> str:
    """The status of the answer; "" where the connection ends without one."""
    try:
        line = await reader.readline()
    except (OSError, ValueError):
        return ""
    return line.split()[1].decode() if line.startswith(b"HTTP/") else ""
