"""What waits for a place in the windows of a link's binds, in order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

from carriers.contract import Deferred, Halted


class Owner(Protocol):
    """Whoever has a piece of work in the queue: told exactly once what became of each piece."""

    @property
    def parcel(self) -> object:
        """The parcel that the work belongs to, None for none."""
        ...

    def may_go(self, index: int) -> bool:
        """Whether piece `index` may still be written."""
        ...

    def pdu(self, index: int, sequence: int) -> bytes:
        """The whole PDU of piece `index`."""
        ...

    def answered(self, index: int, status: int, body: bytes) -> None:
        """The carrier's response."""
        ...

    def nacked(self, index: int, status: int) -> None:
        """A generic_nack in place of a response."""
        ...

    def lost(self, index: int, why: str) -> None:
        """Written, and no answer will come."""
        ...

    def unsent(self, index: int, why: Deferred | Halted) -> None:
        """Never written."""
        ...


class PieceQueue(deque[tuple[Owner, int]]):
    """Pieces of work as (owner, index); whoever takes the last one out says so by `look`."""

    def __init__(self) -> None:
        super().__init__()
        self._is_empty = asyncio.Event()

    async def emptied(self) -> None:
        """Return when nothing waits."""
        while self:
            self._is_empty.clear()
            await self._is_empty.wait()

    def look(self) -> None:
        """Tell who waits for it that the queue is empty, where it is."""
        if not self:
            self._is_empty.set()

    def sift(self, stays: Callable[[Owner, int], bool]) -> list[tuple[Owner, int]]:
        """Take out what does not stay, and return it; the rest keeps its order."""
        pieces = list(self)
        self.clear()
        out: list[tuple[Owner, int]] = []
        for piece in pieces:
            (self if stays(*piece) else out).append(piece)
        self.look()
        return out
