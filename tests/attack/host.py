"""Loa as a process with its defaults, in a folder of its own, and who calls it from outside."""

from __future__ import annotations

import contextlib
import itertools
import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import NullPool, create_engine, make_url, select

from app.core.config import Settings
from app.database import audit_heads
from app.database.connection import Database
from app.database.models import metadata
from app.security.secret_encryption import signing_keys
from tests.bench.machinery import fresh_url
from tests.faults.processes import Home, Program
from tests.long.app.accounts.scene import Answer

COOKIE = "__Host-loa_session"

KEY = "K" * 43 + "="
SETTINGS = Settings.model_validate({"secret_key": KEY})
_MOST = 1024 * 1024  # bytes of an answer that are looked at: the description of the API is the longest
# What each use of a key or of a process changes by itself.
_MOVING = {"last_used_at", "seen_at", "changed_at"}
_SIZE = {
    "sqlite": """
        SELECT (page_count - freelist_count) * page_size
          FROM pragma_page_count(), pragma_freelist_count(), pragma_page_size()
    """,
    "postgresql": "SELECT pg_database_size(current_database())",
}
_PROCESS = {"link_health", "database_identity"}


class Attacked(Home):
    """A home whose secrets stand in the environment, as they should."""

    __slots__ = ("secrets",)

    def __init__(self, folder: Path, url: str, **secrets: str) -> None:
        super().__init__(folder, url, measured=False)
        self.secrets = {"LOA_SECRET_KEY": KEY} | secrets

    def _environment(self) -> dict[str, str]:
        return super()._environment() | self.secrets

    def keyed(self) -> Database:
        """Its database as a process of Loa opens it."""
        kept = partial(audit_heads.keep, self.folder / "audit-heads")
        return Database(self.url, keys=signing_keys(SETTINGS), on_head=kept)

    async def up(self) -> Program:
        """Start `loa up` and wait until it listens."""
        program = self.start("up")
        await self.until(lambda: "listening" in program.log.read_text("utf-8"), "the API listens")
        return program

    async def said(self, *arguments: str) -> str:
        """What a command says, however it ends."""
        program = self.start(*arguments)
        await program.ended()
        return program.log.read_text("utf-8", "replace")

    def size_mb(self) -> float:
        """How much of the database is in use; on SQLite without pages that wait to be used again."""
        engine = create_engine(self.url, poolclass=NullPool)
        with engine.connect() as connection:
            asked = _SIZE[connection.dialect.name]
            return float(connection.exec_driver_sql(asked).scalar_one()) / 1e6

    def rows(self) -> dict[str, list[Any]]:
        """Everything that stands in the database, but what each use changes by itself."""
        engine, found = create_engine(self.url, poolclass=NullPool), {}
        with engine.connect() as connection:
            for name, each in metadata.tables.items():
                columns = [column for column in each.c if column.name not in _MOVING]
                if name not in _PROCESS:
                    rows = connection.execute(select(*columns))
                    found[name] = sorted(map(repr, rows))
        return found


@contextlib.contextmanager
def host(engine: str, **secrets: str) -> Iterator[Attacked]:
    """A folder with a migrated, empty database; what was started in it is ended."""
    with fresh_url(engine) as url, tempfile.TemporaryDirectory(prefix="loa-attack-") as folder:
        place = Path(str(make_url(url).database)).parent if engine == "sqlite" else Path(folder)
        home = Attacked(place, url, **secrets)
        home.configure({})
        try:
            yield home
        finally:
            home.end()


def engines() -> list[str]:
    """SQLite, and PostgreSQL where the environment names a server."""
    return ["sqlite", *(["postgresql"] if os.environ.get("LOA_TEST_DATABASE_URL") else [])]


class Stranger:
    """Calls over HTTP from several addresses of this machine: what one address may do is no bound."""

    def __init__(self, base: str) -> None:
        self._base = base
        self._clients: list[httpx.AsyncClient] = []
        self._turn = itertools.count()
        self.cookies = httpx.Cookies()  # that the last answer has set

    async def ask(
        self, method: str, path: str, key: str | None, body: bytes = b"{}", kind: str = "application/json"
    ) -> Answer:
        """One request and its answer; of one that goes on for ever its first words."""
        headers = {"Content-Type": kind} | ({"Authorization": f"Bearer {key}"} if key else {})
        return await self.send(method, path, content=body, headers=headers)

    async def send(self, method: str, path: str, **options: Any) -> Answer:
        """The same with whatever head."""
        client = self._clients[next(self._turn) % len(self._clients)]
        async with client.stream(method, path, **options) as answer:
            body, endless = b"", answer.headers.get("content-type", "").startswith("text/event-stream")
            async for piece in answer.aiter_bytes():
                body += piece
                if endless or len(body) > _MOST:
                    break
            self.cookies = answer.cookies
            return Answer(answer.status_code, body, answer.headers.get("location", ""))


@contextlib.asynccontextmanager
async def stranger(base: str, addresses: int = 8) -> AsyncIterator[Stranger]:
    """Somebody who comes from so many addresses."""
    found = Stranger(base)
    async with contextlib.AsyncExitStack() as stack:
        for number in range(addresses):
            way = httpx.AsyncHTTPTransport(local_address=f"127.0.0.{number + 2}")
            client = httpx.AsyncClient(base_url=base, transport=way, timeout=60)
            found._clients.append(await stack.enter_async_context(client))
        yield found
