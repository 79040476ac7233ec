"""The commands that stay: up (all in one process), serve (the API) and worker (lanes and receipts)."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import structlog
import typer
import uvicorn
from prometheus_client import start_http_server

from app import config, logs, schema
from app.batches.spool import folder_of, resume_imports
from app.config import Settings
from app.db import Database, connect_patiently
from app.errors import SetupError
from app.ledger.choose import ledger_for
from app.main import create_app
from app.metrics import Metrics
from app.worker import Worker

log = structlog.get_logger(__name__)

_PATIENCE_S = 30.0
_SEPARATE = (
    "SQLite serves one process, so `loa {0}` can't run apart. Run `loa up`, which does all in one process, "
    "or set LOA_DATABASE_URL to a PostgreSQL server."
)


def up() -> None:
    """Run everything in one process: API, lanes, receipts. The way for SQLite, and good on one host."""
    _run(lambda settings, db: _all(settings, db))


def serve() -> None:
    """Run the API only; workers run apart and share the PostgreSQL database."""
    _run(_api, apart="serve")


def worker(
    carrier: Annotated[str | None, typer.Option(help="Only this carrier's links.")] = None,
) -> None:
    """Run lanes, receipts and sweeps only; any number of hosts may do so on one PostgreSQL database."""
    _run(lambda settings, db: _lanes(settings, db, carrier), apart="worker")


def migrate() -> None:
    """Bring the database's schema up to date."""
    settings = config.load()
    db = Database(settings.url)
    try:
        connect_patiently(db, _PATIENCE_S)
        schema.upgrade(db)
        typer.echo(f"The schema is at revision {schema.newest()}.")
    finally:
        db.close()


def _run(main: Callable[[Settings, Database], Coroutine[Any, Any, None]], apart: str | None = None) -> None:
    settings = config.load()
    logs.configure(settings)
    if apart and not settings.database_url:
        raise SetupError(_SEPARATE.format(apart))
    db = Database(settings.url)
    try:
        connect_patiently(db, _PATIENCE_S)
        if db.sqlite:
            schema.upgrade(db)
        schema.require(db)
        asyncio.run(main(settings, db))
    finally:
        db.close()


class Server(uvicorn.Server):
    """Leaves signals to us: uvicorn raises them again at its end, which would kill lanes that drain."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take none."""
        yield


def _on_signals(told: Callable[[], None]) -> None:
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, told)


def _told_to_stop() -> asyncio.Task[bool]:
    """Done at SIGTERM or SIGINT; asked for before anything else, so that a stop while we start is heard."""
    told = asyncio.Event()
    _on_signals(told.set)
    return asyncio.create_task(told.wait())


async def _api(settings: Settings, db: Database) -> None:
    told = _told_to_stop()
    door = _listen(settings.host, settings.port)
    resuming = _resume_imports(settings, db)
    server = _server(settings, db, Metrics(db))
    serving = asyncio.create_task(server.serve([door]))
    await asyncio.wait({serving, told}, return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    await serving
    await resuming


async def _lanes(settings: Settings, db: Database, only: str | None) -> None:
    metrics = Metrics(db)
    sender = _worker(settings, db, metrics, only)
    if settings.metrics_port:
        start_http_server(settings.metrics_port, settings.host, metrics.registry)
    _on_signals(sender.stop)
    log.info("worker started", links=sorted(settings.links), pid=os.getpid())
    await sender.run()
    log.info("worker stopped")


async def _all(settings: Settings, db: Database) -> None:
    """The API until it is told to stop, then the lanes: nothing new comes in while they drain."""
    told = _told_to_stop()
    door = _listen(settings.host, settings.port)
    resuming = _resume_imports(settings, db)
    metrics = Metrics(db)
    sender = _worker(settings, db, metrics)
    server = _server(settings, db, metrics)
    sending = asyncio.create_task(sender.run())
    serving = asyncio.create_task(server.serve([door]))
    await asyncio.wait({sending, serving, told}, return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    sender.stop()
    await serving
    await sending
    await resuming


def _resume_imports(settings: Settings, db: Database) -> asyncio.Future[int]:
    """Go on with the uploads that the last stop left, beside everything else."""
    loop = asyncio.get_running_loop()
    return loop.run_in_executor(None, resume_imports, db, folder_of(settings.data))


def _worker(settings: Settings, db: Database, metrics: Metrics, only: str | None = None) -> Worker:
    return Worker(db, ledger_for(db, settings.chunk_size), settings, metrics, only)


def _listen(host: str, port: int) -> socket.socket:
    """The API's address, taken before anything is sent or imported; SetupError where that can't be."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        door = socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise SetupError(
            f"Loa can't listen on {host} port {port} ({error.strerror}). Stop the program that uses it, "
            "or set LOA_HOST and LOA_PORT to an address that is free."
        ) from None
    log.info("listening", host=host, port=door.getsockname()[1])
    return door


def _server(settings: Settings, db: Database, metrics: Metrics) -> Server:
    app = create_app(settings, db, metrics)
    options = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=10,
    )
    return Server(options)
