"""A crowd of callers who hold on: what they cost, and whether receipts and sending go on beside them.

`python -m tests.attack.crowd`: prints a table, ends with 1 where a bar is not met. About three minutes.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
from sqlalchemy import NullPool, create_engine, update

from app.core.states import RunState
from app.database.connection import Database
from app.database.models import runs
from carriers.signature import sign
from tests.attack.bodies import endless
from tests.attack.outcome import Outcome, bar, table
from tests.bench.machinery import fresh_home, simulator
from tests.bench.path_bench import queued
from tests.drill.ledger_probe import LedgerProbe
from tests.faults.processes import Home, smpp_link

STRANGERS, IDLE, DESCRIPTORS = 1000, 1100, 1024
SECRET = "hmac-secret-0123456"
DOOR = "/webhooks/viettel/viettel-1"
RATE, COUNT, MEASURE_S = 500.0, 30_000, 12.0
_JUDGED_S = 15.0
ATTACK = "callers who hold on"


def headers(body: bytes) -> dict[str, str]:
    stamp = str(int(time.time()))
    return {"X-Loa-Timestamp": stamp, "X-Loa-Signature": sign(SECRET, stamp, body)}


def forged() -> bytes:
    fields = "".join(f"{name}: {value}\r\n" for name, value in headers(b"another body").items())
    return (
        f"POST {DOOR} HTTP/1.1\r\nHost: loa\r\nContent-Length: 4194304\r\n{fields}\r\n".encode()
        + b"{" * 60_000
    )


def kinds() -> list[bytes]:
    """What a stranger says before it says no more."""
    return [
        b"POST /webhooks/viettel/nosuch HTTP/1.1\r\nHost: loa\r\nContent-Length: 4194304\r\n\r\n"
        + b"x" * 1000,
        b"GET /healthz HTTP/1.1\r\nHost: loa\r\nX-Long: " + b"x" * 8000,
        forged(),
        b'POST /v1/session HTTP/1.1\r\nHost: loa\r\nContent-Length: 1000000\r\n\r\n{"name": "'
        + b"x" * 60_000,
        b"",
    ]


def memory_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


@contextlib.contextmanager
def crowd(port: int, count: int, said: list[bytes]) -> Iterator[list[socket.socket]]:
    """So many connections, each of which says one of these and then holds on."""
    lines: list[socket.socket] = []
    try:
        for nth in range(count):
            with contextlib.suppress(OSError):
                line = socket.create_connection(("127.0.0.1", port), timeout=5)
                lines.append(line)
                line.setblocking(False)
                line.send(said[nth % len(said)])
        yield lines
    finally:
        for line in lines:
            line.close()


def still_held(lines: list[socket.socket]) -> int:
    held = 0
    for line in lines:
        try:
            while line.recv(65_536):
                pass
        except BlockingIOError:
            held += 1
        except OSError:
            continue
    return held


async def strangers(home: Home, count: int, pause_s: float) -> list[Outcome]:
    """So many strangers with half requests; signed receipts beside them."""
    pid, body, took = home.programs[0].process.pid, b'{"message_id": "m2", "status": "DELIVRD"}', []
    async with httpx.AsyncClient(base_url=home.base, timeout=30) as http:
        for _ in range(20):
            await http.post(DOOR, content=body, headers=headers(body))
        before, peak = memory_mb(pid), 0.0
        with crowd(home.port, count, kinds()) as lines:
            end = time.monotonic() + _JUDGED_S
            while time.monotonic() < end:
                begun = time.monotonic()
                answer = await http.post(DOOR, content=body, headers=headers(body))
                assert answer.status_code == 200, answer.text
                took.append(time.monotonic() - begun)
                peak = max(peak, memory_mb(pid))
                await asyncio.sleep(pause_s)
            left = still_held(lines)
    who = f"{count} strangers with half requests"
    return [
        bar(ATTACK, f"{who}: MB that the process grows by", peak - before, 40, count),
        bar(ATTACK, f"{who}: still held after 15 s", left, 0, count),
        bar(ATTACK, f"{who}: ms of a signed receipt, median", statistics.median(took) * 1000, 100, len(took)),
    ]


async def rate(book: Callable[[], int]) -> float:
    """Messages a second that the centre takes."""
    before, begun = book(), time.monotonic()
    await asyncio.sleep(MEASURE_S)
    return (book() - before) / (time.monotonic() - begun)


async def sending(home: Home, book: Callable[[], int]) -> list[Outcome]:
    """1,100 connections that say nothing, half a head or half a body, beside a run."""
    alone, log = await rate(book), home.programs[0].log
    who = f"{IDLE} held at {DESCRIPTORS} descriptors"
    size = log.stat().st_size
    with crowd(home.port, IDLE, kinds()):
        beside = await rate(book)
    grown = (log.stat().st_size - size) / 1e6
    share = beside / alone
    return [
        Outcome(
            ATTACK, f"{who}: sending, of its rate alone", IDLE, f"{share:.2f} (at least 0.9)", share >= 0.9
        ),
        bar(ATTACK, f"{who}: MB of log", grown, 1, IDLE),
    ]


def submitted(home: Home) -> Callable[[], int]:
    """How many are neither queued nor still to be queued, by the ledger."""
    look = LedgerProbe(home.url)
    return lambda: COUNT - look.open()


async def attack(short: bool) -> list[Outcome]:
    """Those who hold on and those who send without end; short: fewer, and no look at how fast Loa sends."""
    with fresh_home("sqlite") as home, simulator() as smsc:
        db = Database(home.url)
        queued(db, COUNT)
        db.write(lambda c: c.execute(update(runs).values(state=RunState.PLANNED.value)))
        db.close()
        link = smpp_link("viettel", smsc.port, segments_per_second=RATE, window=100)
        hook = f'[links.viettel-1.webhook]\nhmac_secret = "{SECRET}"'
        home.configure({"viettel-1": link}, more=hook)
        if short:
            program = home.sender()
            await home.until(lambda: "bind is up" in program.words(), "the link is bound")
            return [*await strangers(home, 200, 0.2), *await endless(home.port)]
        resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS * 4))
        program = home.sender()
        resource.prlimit(program.process.pid, resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
        resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS * 4, DESCRIPTORS * 4))
        await home.until(lambda: "bind is up" in program.words(), "the link is bound")
        engine = create_engine(home.url, poolclass=NullPool)
        with engine.begin() as connection:
            connection.execute(update(runs).values(state=RunState.RUNNING.value))
        await asyncio.sleep(3)
        held = await strangers(home, STRANGERS, 0.02)
        return [*held, *await endless(home.port), *await sending(home, submitted(home))]


def main() -> int:
    found = asyncio.run(attack(short=False))
    print(table(found))
    return 0 if all(each.held for each in found) else 1


if __name__ == "__main__":
    sys.exit(main())
