"""A simulated carrier in a thread of its own, for commands that run in the test's."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from typing import TypeVar

C = TypeVar("C", bound=AbstractAsyncContextManager)  # type: ignore[type-arg]


@contextmanager
def served(carrier: C) -> Iterator[C]:
    """The carrier, up until the end of the block."""
    up, over = threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []

    async def serve() -> None:
        loops.append(asyncio.get_running_loop())
        async with carrier:
            up.set()
            await over.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    assert up.wait(10)
    try:
        yield carrier
    finally:
        loops[0].call_soon_threadsafe(over.set)
        thread.join(10)
