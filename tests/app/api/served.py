"""The application behind a real server, in a thread with a loop of its own."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import FastAPI

from app.runtime.http_server import listen, server_of


@contextmanager
def served(app: FastAPI, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Its address, until the end of the block; then it is told to stop. tls: what is spoken, else plain."""
    stop, door = threading.Event(), listen("127.0.0.1", 0)

    async def serve() -> None:
        server = server_of(app, tls)
        task = asyncio.create_task(server.serve([door]))
        await asyncio.to_thread(stop.wait)
        server.should_exit = True
        await task

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{door.getsockname()[1]}"
    finally:
        stop.set()
        thread.join()
