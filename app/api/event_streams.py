"""Server-sent events: one database query per interval serves all subscribers."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy import Connection

from app.core import clock
from app.core.errors import AppError, DatabaseUnavailable
from app.core.logger import get_logger
from app.database.connection import Database
from app.observability.faults import outcome
from app.security.authorization import still_admitted

MEDIA_TYPE = "text/event-stream"
# Ask proxies not to buffer (nginx reads X-Accel-Buffering).
HEADERS = {"X-Accel-Buffering": "no", "Cache-Control": "no-store"}

_OLD_S = 5.0  # a query older than this is no sign of life
_CHECK_S = 1.0  # between two checks of a subscriber's credentials

log = get_logger(__name__)
Target = TypeVar("Target")


@dataclass(frozen=True, slots=True)
class StateSnapshot:
    """State of a watched object: its state, its JSON, a hash of that as `tag`, and whether it is final."""

    state: str
    body: bytes
    tag: str
    over: bool


@dataclass(frozen=True, slots=True)
class StreamTiming:
    """Intervals in seconds: between queries, between heartbeats, and the longest life of a stream.

    A stream ends after `longest`; the client reconnects, and its rights are checked again. stamped: send
    heartbeats as events with the time of the last query, and none while queries fail.
    """

    every: float = 1.0
    at_least: float = 0.2
    heartbeat: float = 15.0
    longest: float = 300.0
    most: int = 250  # streams per caller and process
    stamped: bool = False


# Pages warn their reader when nothing has arrived for ten seconds.
FOR_PAGES = StreamTiming(heartbeat=3.0, stamped=True)


class TooManyStreams(AppError):
    """One key or user has 250 event streams open in one process.

    Close some. A page closes its own streams when you leave it.
    """

    status, slug, title = 429, "too-many-streams", "Too many streams"


Look = Callable[[Connection, Collection[Target]], Mapping[Target, StateSnapshot]]


class Hub(Generic[Target]):
    """Poll everything watched, while somebody watches, and send changes to all watchers."""

    def __init__(self, db: Database, look: Look[Target], pace: StreamTiming = StreamTiming()) -> None:
        self._db, self._look, self.pace = db, look, pace
        self._watchers: Counter[Target] = Counter()
        self._snapshots: Mapping[Target, StateSnapshot] = {}
        self._task: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self._due = asyncio.Event()
        self._closed = False
        self._listening = False
        self._open: Counter[str] = Counter()  # by name of the caller
        self._polled_at: datetime | None = None
        self._asked_at = 0.0  # when the query for the snapshots began
        self._joined = False  # whether somebody has begun to watch since the last query began
        self._valid_at: dict[tuple[str, str], float] = {}  # credentials -> time of their last check

    def close(self) -> None:
        self._closed = True
        self._notify()

    async def now(self, target: Target) -> StateSnapshot | None:
        return (await self._db.aread(self._look, [target])).get(target)

    def opened(self, request: Request, target: Target, last_id: str) -> Response:
        """Open a stream that lasts while its key or session is valid; TooManyStreams at the limit."""
        name = str(request.scope.get("caller", ""))
        if self._open[name] >= self.pace.most:
            raise TooManyStreams(
                "You already have {most} event streams open. Close one and try again.",
                most=self.pace.most,
                retry_after_s=60,
            )
        pieces = self._while_valid(request, name, self.stream(target, last_id))
        return StreamingResponse(pieces, headers=HEADERS, media_type=MEDIA_TYPE)

    async def _while_valid(
        self, request: Request, name: str, pieces: AsyncIterator[bytes]
    ) -> AsyncIterator[bytes]:
        self._open[name] += 1
        try:
            async for piece in pieces:
                if not await self._is_valid(request):
                    return
                yield piece
        finally:
            self._open[name] -= 1
            self._open += Counter()  # drops callers without streams
            if not self._open:
                self._valid_at.clear()

    async def _is_valid(self, request: Request) -> bool:
        """Check the request's credentials, once a second for all streams that share them."""
        said = (request.headers.get("authorization", ""), request.headers.get("cookie", ""))
        now = asyncio.get_running_loop().time()
        if now - self._valid_at.get(said, 0.0) < _CHECK_S:
            return True
        self._valid_at[said] = now  # set before the check, so that one check serves all
        valid = await still_admitted(request)
        if not valid:
            self._valid_at.pop(said, None)
        return valid

    async def stream(self, target: Target, last_id: str) -> AsyncIterator[bytes]:
        """Yield encoded events for one watcher. last_id: the tag of what it already has, or "".

        A page has figures from when it was loaded: it gets none that were asked for before that.
        """
        time, before = asyncio.get_running_loop().time, ""
        since = time() if self.pace.stamped else 0.0
        ends = time() + self.pace.longest
        yield b": here it comes\n\n"
        with self._watching(target):
            sent_at = time()
            while not self._closed and time() < ends:
                changed = self._changed
                snapshot = self._snapshots.get(target) if self._asked_at >= since else None
                if snapshot is not None and snapshot.tag != last_id:
                    pieces = b"".join(_events(snapshot, before))
                    yield (b"" if before else b"retry: 2000\n") + pieces + self._stamp()
                    last_id, before, sent_at = snapshot.tag, snapshot.state, time()
                if snapshot is not None and snapshot.over:
                    return
                if time() - sent_at >= self.pace.heartbeat:
                    yield self._stamp() or b": still here\n\n"
                    sent_at = time()
                await _wait(changed, min(sent_at + self.pace.heartbeat, ends) - time())

    def _stamp(self) -> bytes:
        """Return a heartbeat event with the time of the last query, or nothing if that is too old."""
        at = self._polled_at
        if not self.pace.stamped or at is None or clock.now() - at > timedelta(seconds=_OLD_S):
            return b""
        said = clock.local(at).isoformat(timespec="seconds")
        return b'event: alive\ndata: {"at":"%s"}\n\n' % said.encode()

    @contextmanager
    def _watching(self, target: Target) -> Iterator[None]:
        self._watchers[target] += 1
        self._joined = True
        if target not in self._snapshots:
            self._due.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._poll())
        try:
            yield
        finally:
            self._watchers[target] -= 1
            if not self._watchers[target]:
                del self._watchers[target]

    async def _poll(self) -> None:
        """Query until nobody watches; while that fails, watchers get heartbeats without a time."""
        self._listen(asyncio.get_running_loop())
        while self._watchers and not self._closed:
            self._due.clear()
            asked, joined, self._joined = asyncio.get_running_loop().time(), self._joined, False
            found = await outcome(self._db.aread(self._look, list(self._watchers)))
            if isinstance(found, Mapping):
                self._polled_at, self._asked_at = clock.now(), asked
                if joined or found != self._snapshots:
                    self._snapshots = found
                    self._notify()
            elif not isinstance(found, Exception):
                raise found
            elif not isinstance(found, DatabaseUnavailable):
                log.error("progress figures cannot be read", exc_info=found)
            await asyncio.sleep(self.pace.at_least)
            await _wait(self._due, self.pace.every - self.pace.at_least)
        self._snapshots = {}

    def _notify(self) -> None:
        waiting, self._changed = self._changed, asyncio.Event()
        waiting.set()

    def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        """Subscribe once to wake-ups, which trigger a query at once."""
        if self._listening:
            return
        self._listening = True

        def wake() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._due.set)

        self._db.on_wake(wake)


def _events(snapshot: StateSnapshot, before: str) -> Iterator[bytes]:
    if before not in ("", snapshot.state):
        yield _event("state", snapshot.tag, b'{"state":"%s"}' % snapshot.state.encode())
    yield _event("progress", snapshot.tag, snapshot.body)
    if snapshot.over:
        yield _event("end", snapshot.tag, b'{"state":"%s"}' % snapshot.state.encode())


def _event(name: str, tag: str, data: bytes) -> bytes:
    return b"event: %s\nid: %s\ndata: %s\n\n" % (name.encode(), tag.encode(), data)


async def _wait(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(max(0.0, seconds)):
            return await event.wait()
    except TimeoutError:
        return False
