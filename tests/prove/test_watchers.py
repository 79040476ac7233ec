"""Two hundred people with live pages open cost the server's process little, and the database nothing more.

What is measured is another process, so that those who watch are not in it. Its share of a core is
processor time in a stretch of time, and the statements are counted by itself.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.database.connection import Database
from app.security import create_key
from tests.e2e import scene

MANY, STRETCH_S, MOST_SHARE = 200, 4.0, 0.2
_PATIENCE_S = 30.0
STREAMS = ("/overview/events", "/campaigns/1/events", "/runs/1/events")


@dataclass(frozen=True, slots=True)
class Told:
    """What the server said of itself: statements that read, seconds of processor time; when."""

    reads: int
    cpu_s: float
    at: float


@dataclass(frozen=True, slots=True)
class Server:
    """The process, and where it listens."""

    process: subprocess.Popen[str]
    port: int

    def ask(self, n: int) -> Told:
        """Move so many messages; how much it has done."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{n}\n")
        self.process.stdin.flush()
        found = json.loads(self.process.stdout.readline())
        return Told(found["reads"], found["cpu_s"], time.monotonic())


@contextmanager
def server(url: str) -> Iterator[Server]:
    """Until the end of the block."""
    command = [sys.executable, "-m", "tests.e2e.counting_server", url]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin
        assert process.stdout
        try:
            yield Server(process, int(process.stdout.readline()))
        finally:
            process.stdin.close()
            process.wait(_PATIENCE_S)


class Watcher:
    """One stream, read for as long as it goes on."""

    def __init__(self) -> None:
        self.events = 0
        self.reading: asyncio.Task[None] | None = None

    async def open(self, port: int, path: str, key: str) -> None:
        """Begin to read; back once the first figures are there."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        head = f"GET {path} HTTP/1.1\r\nHost: loa\r\nAuthorization: Bearer {key}\r\n\r\n"
        writer.write(head.encode())
        first = await asyncio.wait_for(reader.readline(), _PATIENCE_S)
        assert first.split()[1] == b"200", first
        begun = asyncio.Event()
        self.reading = asyncio.create_task(self._read(reader, writer, begun))
        await asyncio.wait_for(begun.wait(), _PATIENCE_S)

    async def _read(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, begun: asyncio.Event
    ) -> None:
        try:
            while line := await reader.readline():
                if line.startswith(b"event: progress"):
                    self.events += 1
                    begun.set()
        finally:
            writer.close()


@asynccontextmanager
async def watching(n: int, port: int, key: str) -> AsyncIterator[list[Watcher]]:
    """So many, in equal parts on each page that is live."""
    found = [Watcher() for _ in range(n)]
    await asyncio.gather(*(each.open(port, STREAMS[i % len(STREAMS)], key) for i, each in enumerate(found)))
    try:
        yield found
    finally:
        for each in found:
            if each.reading:
                each.reading.cancel()


async def measured(of: Server, watchers: list[Watcher]) -> tuple[float, float, float]:
    """While figures move: statements per second, share of a core, events that each watcher got per second."""
    begun, seen = of.ask(0), sum(each.events for each in watchers)
    while time.monotonic() - begun.at < STRETCH_S:
        of.ask(10)
        await asyncio.sleep(0.5)
    ended = of.ask(0)
    took = ended.at - begun.at
    got = sum(each.events for each in watchers) - seen
    return (ended.reads - begun.reads) / took, (ended.cpu_s - begun.cpu_s) / took, got / len(watchers) / took


def test_two_hundred_who_watch_cost_no_query_and_little_time(sqlite_template: Path, tmp_path: Path) -> None:
    shutil.copy(sqlite_template, tmp_path / "loa.sqlite3")
    url = f"sqlite:///{tmp_path / 'loa.sqlite3'}"
    db = Database(url)
    scene.build(db)
    key = db.write(create_key, "watcher", "auditor")
    db.close()
    with ThreadPoolExecutor(1) as thread:  # in this one a browser's loop may stand still
        thread.submit(asyncio.run, _compared(url, key)).result()


async def _compared(url: str, key: str) -> None:
    with server(url) as found:
        async with watching(len(STREAMS), found.port, key) as few:
            few_reads, few_share, few_events = await measured(found, few)
        async with watching(MANY, found.port, key) as many:
            reads, share, events = await measured(found, many)
    for n, *of in ((len(STREAMS), few_reads, few_share, few_events), (MANY, reads, share, events)):
        print("{} watchers: {:.1f} statements/s, {:.1%} of a core, {:.2f} events/s each".format(n, *of))
    assert few_reads > 0
    assert min(each.events for each in many) > 1  # everybody saw the figures move
    assert reads < 1.3 * few_reads
    assert share < MOST_SHARE
