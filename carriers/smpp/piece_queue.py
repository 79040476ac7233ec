"""The queue of pieces that wait for a place in the windows of a link's binds."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Protocol

from carriers.contract import Deferred, Halted


class Owner(Protocol):
    """Owns pieces in the queue; exactly one callback is called for each piece.

    Those that own some: PendingSubmit, MultipartMessage and PendingQuery in pending.py.
    """

    @property
    def submit_call(self) -> object:
        """The submit() call that the piece belongs to; None for a query."""
        ...

    def may_go(self, index: int) -> bool:
        """Whether piece `index` may still be written."""
        ...

    def pdu(self, index: int, sequence: int) -> bytes:
        """Return the whole PDU of piece `index`."""
        ...

    def answered(self, index: int, status: int, body: bytes) -> None:
        """The carrier sent its response."""
        ...

    def nacked(self, index: int, status: int) -> None:
        """The carrier sent a generic_nack in place of a response."""
        ...

    def lost(self, index: int, why: str) -> None:
        """It was written, and no response will come."""
        ...

    def unsent(self, index: int, why: Deferred | Halted) -> None:
        """It was never written."""
        ...


class PieceQueue(deque[tuple[Owner, int]]):
    """Pieces of work as (owner, index); call `notify_if_empty` after taking pieces out."""

    def __init__(self) -> None:
        super().__init__()
        self._is_empty = asyncio.Event()

    async def emptied(self) -> None:
        while self:
            self._is_empty.clear()
            await self._is_empty.wait()

    def notify_if_empty(self) -> None:
        if not self:
            self._is_empty.set()

    def remove_unless(self, stays: Callable[[Owner, int], bool]) -> list[tuple[Owner, int]]:
        """Remove and return the pieces for which `stays` is false; the rest keeps its order."""
        pieces = list(self)
        self.clear()
        removed: list[tuple[Owner, int]] = []
        for piece in pieces:
            (self if stays(*piece) else removed).append(piece)
        self.notify_if_empty()
        return removed
