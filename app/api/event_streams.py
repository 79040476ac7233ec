"""Server-sent events: one look at the database for all who watch, whoever and however many they are."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy import Connection

from app.core import clock
from app.core.errors import AppError, DatabaseUnavailable
from app.database.connection import Database
from app.security.authorization import still_admitted

MEDIA_TYPE = "text/event-stream"
# Proxies that gather answers before they pass them on are asked not to (nginx reads X-Accel-Buffering).
HEADERS = {"X-Accel-Buffering": "no", "Cache-Control": "no-store"}

_OLD_S = 5.0  # a look before that is no sign of life
_LOOK_S = 1.0  # between two looks whether those who watch may still

Target = TypeVar("Target")


@dataclass(frozen=True, slots=True)
class StateSnapshot:
    """How a watched thing stands: its state, its JSON, a hash of that as `tag`, and whether it is over."""

    state: str
    body: bytes
    tag: str
    over: bool


@dataclass(frozen=True, slots=True)
class StreamTiming:
    """In seconds: between two looks, between two signs of life, and how long one stream goes on.

    A stream ends after `longest`, and the client comes again: then its rights are looked at anew.
    stamped: its signs of life are events that say when the last look was; none while no look succeeds.
    """

    every: float = 1.0
    at_least: float = 0.2
    heartbeat: float = 15.0
    longest: float = 300.0
    most: int = 250  # streams of one caller, in one process
    stamped: bool = False


# What people look at: a page that hears nothing for ten seconds says so.
FOR_PAGES = StreamTiming(heartbeat=3.0, stamped=True)


class TooManyStreams(AppError):
    """One key or person has as many streams open as it may have; close some, or wait for Retry-After."""

    status, slug, title = 429, "too-many-streams", "Too many streams"


Look = Callable[[Connection, Collection[Target]], Mapping[Target, StateSnapshot]]


class Hub(Generic[Target]):
    """Looks at all that is watched, in one read for all, and tells every watcher of what has changed.

    It looks only while somebody watches; at once when some process says that there is something to do.
    """

    def __init__(self, db: Database, look: Look[Target], pace: StreamTiming = StreamTiming()) -> None:
        self._db, self._look, self.pace = db, look, pace
        self._watchers: Counter[Target] = Counter()
        self._pictures: Mapping[Target, StateSnapshot] = {}
        self._task: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._due = asyncio.Event()
        self._closed = False
        self._listening = False
        self._open: Counter[str] = Counter()  # by the name of who has opened them
        self._looked_at: datetime | None = None
        self._good: dict[tuple[str, str], float] = {}  # credentials -> when they were last looked at

    def close(self) -> None:
        """End every stream: the server is about to stop."""
        self._closed = True
        self._tell()

    async def now(self, target: Target) -> StateSnapshot | None:
        """How it stands, by a look of its own."""
        return (await self._db.aread(self._look, [target])).get(target)

    def opened(self, request: Request, target: Target, known: str) -> Response:
        """The stream, as long as the key or session that has opened it is good; TooManyStreams."""
        name = str(request.scope.get("caller", ""))
        if self._open[name] >= self.pace.most:
            raise TooManyStreams(f"You have {self.pace.most} streams open; close some.", retry_after_s=60)
        pieces = self._guarded(request, name, self.stream(target, known))
        return StreamingResponse(pieces, headers=HEADERS, media_type=MEDIA_TYPE)

    async def _guarded(
        self, request: Request, name: str, pieces: AsyncIterator[bytes]
    ) -> AsyncIterator[bytes]:
        self._open[name] += 1
        try:
            async for piece in pieces:
                if not await self._is_good(request):
                    return
                yield piece
        finally:
            self._open[name] -= 1
            self._open += Counter()  # forgets who has none
            if not self._open:
                self._good.clear()

    async def _is_good(self, request: Request) -> bool:
        """Whether its credentials are; asked once a second for all streams of the same ones."""
        said = (request.headers.get("authorization", ""), request.headers.get("cookie", ""))
        now = asyncio.get_running_loop().time()
        if now - self._good.get(said, 0.0) < _LOOK_S:
            return True
        self._good[said] = now  # before the look, so that one asks for all
        good = await still_admitted(request)
        if not good:
            self._good.pop(said, None)
        return good

    async def stream(self, target: Target, known: str) -> AsyncIterator[bytes]:
        """The events of one watcher, ready to be sent; known: the tag of what it has already, or ""."""
        time, before = asyncio.get_running_loop().time, ""
        ends = time() + self.pace.longest
        yield b": here it comes\n\n"
        with self._watching(target):
            spoken = time()
            while not self._closed and time() < ends:
                news, picture = self._news, self._pictures.get(target)
                if picture is not None and picture.tag != known:
                    pieces = b"".join(_events(picture, before))
                    yield (b"" if before else b"retry: 2000\n") + pieces + self._stamp()
                    known, before, spoken = picture.tag, picture.state, time()
                if picture is not None and picture.over:
                    return
                if time() - spoken >= self.pace.heartbeat:
                    yield self._stamp() or b": still here\n\n"
                    spoken = time()
                await _wait(news, min(spoken + self.pace.heartbeat, ends) - time())

    def _stamp(self) -> bytes:
        """When the last look was, unless that is too long ago to be called a sign of life."""
        at = self._looked_at
        if not self.pace.stamped or at is None or clock.now() - at > timedelta(seconds=_OLD_S):
            return b""
        said = clock.local(at).isoformat(timespec="seconds")
        return b'event: alive\ndata: {"at":"%s"}\n\n' % said.encode()

    @contextmanager
    def _watching(self, target: Target) -> Iterator[None]:
        self._watchers[target] += 1
        if target not in self._pictures:
            self._due.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._looking())
        try:
            yield
        finally:
            self._watchers[target] -= 1
            if not self._watchers[target]:
                del self._watchers[target]

    async def _looking(self) -> None:
        self._listen(asyncio.get_running_loop())
        while self._watchers and not self._closed:
            self._due.clear()
            with suppress(
                DatabaseUnavailable
            ):  # watchers go on hearing signs of life; the next look tells them the rest
                pictures = await self._db.aread(self._look, list(self._watchers))
                self._looked_at = clock.now()
                if pictures != self._pictures:
                    self._pictures = pictures
                    self._tell()
            await asyncio.sleep(self.pace.at_least)
            await _wait(self._due, self.pace.every - self.pace.at_least)
        self._pictures = {}

    def _tell(self) -> None:
        told, self._news = self._news, asyncio.Event()
        told.set()

    def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        """Look at once when a process says that something has happened."""
        if self._listening:
            return
        self._listening = True

        def wake() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._due.set)

        self._db.on_wake(wake)


def _events(picture: StateSnapshot, before: str) -> Iterator[bytes]:
    if before not in ("", picture.state):
        yield _event("state", picture.tag, b'{"state":"%s"}' % picture.state.encode())
    yield _event("progress", picture.tag, picture.body)
    if picture.over:
        yield _event("end", picture.tag, b'{"state":"%s"}' % picture.state.encode())


def _event(name: str, tag: str, data: bytes) -> bytes:
    return b"event: %s\nid: %s\ndata: %s\n\n" % (name.encode(), tag.encode(), data)


async def _wait(event: asyncio.Event, seconds: float) -> bool:
    """Whether it was set in that time."""
    try:
        async with asyncio.timeout(max(0.0, seconds)):
            return await event.wait()
    except TimeoutError:
        return False
