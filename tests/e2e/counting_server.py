"""Loa's API in a process of its own that says, when it is asked, how much it has done for its watchers.

`python -m tests.e2e.counting_server URL` prints the port. Each line of its input moves so many messages of
run 1 from queued to delivered, and is answered by a line of JSON: statements that read, and processor time.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

from sqlalchemy import Connection, event

from app.core.config import Settings
from app.database.connection import Database
from app.observability import logs
from app.runtime.api_app import create_app
from app.runtime.http_server import listen, server_of
from tests.e2e.scene import move


def main() -> None:
    """Serve until the input ends."""
    settings = Settings(environment="development", log_level="warning")
    logs.configure(settings)
    db = Database(sys.argv[1])
    try:
        asyncio.run(_serve(settings, db))
    finally:
        db.close()


async def _serve(settings: Settings, db: Database) -> None:
    reads = 0

    def note(_c: object, _cursor: object, statement: str, *_rest: object) -> None:
        nonlocal reads
        reads += statement.lstrip().startswith(("SELECT", "WITH"))

    event.listen(db.engine, "before_cursor_execute", note)
    door, server = listen("127.0.0.1", 0), server_of(create_app(settings, db))
    serving = asyncio.create_task(server.serve([door]))
    print(door.getsockname()[1], flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        if n := int(line):
            await db.awrite(_moved, db, n)
        print(json.dumps({"reads": reads, "cpu_s": time.process_time()}), flush=True)
    server.should_exit = True
    await serving


def _moved(c: Connection, db: Database, n: int) -> None:
    move(c, n)
    db.wake(c)  # as whoever starts, pauses or ends a run does: those who watch are told at once


if __name__ == "__main__":
    main()
