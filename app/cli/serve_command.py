"""Long-running commands: up (all in one process), serve (API), worker (links and receipts)."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from typing import Annotated, Any

import structlog
import typer
from prometheus_client import start_http_server
from sqlalchemy import make_url

from app.cli.common import adopt
from app.cli.output import done
from app.core import config, gc_tuning
from app.core.config import Settings
from app.core.errors import Invalid, SetupError, meant
from app.database import audit_heads, schema
from app.database.connection import Database, connect_patiently
from app.ledger.ledger import ledger_for
from app.observability import logs
from app.observability.faults import Faults, Supervisor
from app.observability.metrics import Metrics
from app.receipts.receipt_writer import Inbox
from app.reports.forms import letterhead
from app.runtime import transport_security, webhooks
from app.runtime.worker import Worker
from app.runtime.worker import faults as worker_faults
from app.security import audit
from app.security.secret_encryption import signing_keys

log = structlog.get_logger(__name__)

_PATIENCE_S = 30.0
_SEPARATE = (
    "SQLite supports only one process, so `loa {apart}` cannot run separately. Run `loa up`, "
    "which does everything in one "
    "process, or set LOA_DATABASE_URL to a PostgreSQL server."
)


def up() -> None:
    """Run everything in one process: API, links and receipts. Use it with SQLite or on a single host."""
    run(_all)


def serve() -> None:
    """Run only the API; workers run separately and share the PostgreSQL database."""
    run(_api, apart="serve")


def worker(
    carrier: Annotated[str | None, typer.Option(help="Only this carrier's links.")] = None,
) -> None:
    """Run only links, receipts and sweeps; several hosts can do so on one PostgreSQL database."""
    if carrier is not None:
        _require_links(config.load(), carrier)
    run(lambda settings, db: _links(settings, db, carrier), apart="worker")


def _require_links(settings: Settings, carrier: str) -> None:
    """Raise Invalid for a carrier without a link: the worker would send nothing."""
    linked = sorted({link.carrier for link in settings.links.values()})
    if carrier not in linked:
        near = meant(carrier, linked)
        others = f"Links exist for {', '.join(linked)}." if linked else "Add one under [links] in loa.toml."
        remedy = f"Did you mean {near}?" if near else others
        raise Invalid(
            "No link belongs to carrier “{carrier}”. {remedy}",
            carrier=carrier[:40],
            remedy=remedy,
            field="carrier",
        )


def migrate() -> None:
    """Upgrade the database schema."""
    settings = config.load()
    account = _working_account(settings)
    db = Database(settings.migration_url, keys=signing_keys(settings))
    try:
        connect_patiently(db, _PATIENCE_S)
        schema.upgrade(db, adopt)
        words = f"The schema is at revision {schema.newest()}."
        if account:
            db.write(schema.hand_over, account, settings.records_months)
            words += f"\nThe account {account} has the rights to use it."
        done(words, schema=schema.newest(), account=account)
    finally:
        db.close()


def _working_account(settings: Settings) -> str | None:
    """Return the account that works, if another one migrates."""
    if settings.migration_database_url is None:
        return None
    working, migrating = (make_url(each).username for each in (settings.url, settings.migration_url))
    if working is None or working == migrating:
        raise SetupError(
            "LOA_MIGRATION_DATABASE_URL names the account that owns the tables in PostgreSQL. Name "
            "a different account, the one for daily work, in LOA_DATABASE_URL."
        )
    return working


Main = Callable[[Settings, Database], Coroutine[Any, Any, None]]


def run(main: Main, apart: str | None = None, make: Callable[..., Database] = Database) -> None:
    """Run one of MAINS until stopped, with settings and database loaded."""
    settings = _settings()
    logs.configure(settings)
    gc_tuning.raise_descriptors()
    if apart and not settings.database_url:
        raise SetupError(_SEPARATE, apart=apart)
    said = partial(audit_heads.say, settings.audit_heads, database=settings.ledger_name)
    db = make(settings.url, keys=signing_keys(settings), price=settings.money.price, on_head=said)
    try:
        connect_patiently(db, _PATIENCE_S)
        db.soundness.look(db.read)
        if db.sqlite:
            schema.upgrade(db, adopt)
        schema.require(db)
        # Detects from the start if the end of the audit was cut off while nothing ran.
        known = audit_heads.newest(settings.audit_heads, settings.ledger_name)
        db.chain_memory.start_at(known or db.read(audit.head))
        asyncio.run(main(settings, db))
    finally:
        db.close()


def _settings() -> Settings:
    """Load the settings; raises an error that names everything wrong, before anything is served or sent."""
    try:
        settings = config.load()
    except config.WrongSettings as error:
        rest = error.rest
        raise config.WrongSettings([*error.lines, *(_faults(rest) if rest else ())]) from None
    found = list(dict.fromkeys(map(config.shown, _faults(settings))))
    if len(found) == 1:
        raise SetupError(found[0])
    if found:
        raise config.WrongSettings(found)
    return settings


def _faults(settings: Settings) -> Iterator[str]:
    yield from worker_faults(settings)
    yield from webhooks.faults(settings)
    yield from transport_security.faults(settings)
    try:
        letterhead.load(settings.letterheads)
    except SetupError as error:
        yield error.detail


def _on_signals(stop: Callable[[], None]) -> None:
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop)


def _stop_signal() -> asyncio.Task[bool]:
    """Return a task done at SIGTERM or SIGINT. Create it first: a stop during startup must count."""
    stop = asyncio.Event()
    _on_signals(stop.set)
    return asyncio.create_task(stop.wait())


async def _api(settings: Settings, db: Database) -> None:
    stop = _stop_signal()
    from app.cli import web

    listener = web.listen(settings.host, settings.port)
    metrics = Metrics(db)
    wait_s = settings.receipts_wait_ms / 1000
    inbox = Inbox(db, ledger_for(db, settings.chunk_size), metrics, settings.receipts_group, wait_s)
    server = web.server(settings, db, metrics, inbox)
    gc_tuning.exempt_loaded()
    resuming = web.resume(settings, db)
    serving = asyncio.create_task(server.serve([listener]))
    stopping = asyncio.Event()
    supervisor = Supervisor(Faults(db, metrics), stopping)
    receiving = asyncio.create_task(supervisor.keep("receipts", inbox.run))
    await asyncio.wait({serving, receiving, stop}, return_when=asyncio.FIRST_COMPLETED)
    db.end_within(settings.stop_patience_s)
    stopping.set()
    server.should_exit = True
    await serving
    inbox.stop()
    await receiving
    await resuming


async def _links(settings: Settings, db: Database, only: str | None) -> None:
    metrics = Metrics(db)
    sender = _worker(settings, db, metrics, only)
    if settings.metrics_port:
        certificate, key = (
            str(each) if each else None for each in (settings.tls_certificate, settings.tls_key)
        )
        try:
            start_http_server(settings.metrics_port, settings.host, metrics.registry, certificate, key)
        except OSError as error:
            raise SetupError(
                "Cannot serve metrics at {host}:{metrics_port} ({strerror}). Give each worker on a "
                "host its own metrics_port, or set it to 0.",
                host=settings.host,
                metrics_port=settings.metrics_port,
                strerror=error.strerror,
            ) from None
    _on_signals(sender.stop)
    gc_tuning.exempt_loaded()
    log.info("worker started", links=sorted(settings.links), pid=os.getpid())
    await sender.run()
    log.info("worker stopped")


async def _all(settings: Settings, db: Database) -> None:
    """Run the API until it is stopped, then the links: nothing new comes in while they drain."""
    stop = _stop_signal()
    from app.cli import web

    listener = web.listen(settings.host, settings.port)
    metrics = Metrics(db)
    sender = _worker(settings, db, metrics)
    server = web.server(settings, db, metrics, sender.inbox)
    gc_tuning.exempt_loaded()
    resuming = web.resume(settings, db)
    sending = asyncio.create_task(sender.run())
    serving = asyncio.create_task(server.serve([listener]))
    await asyncio.wait({sending, serving, stop}, return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    sender.stop()
    await serving
    await sending
    await resuming


def _worker(settings: Settings, db: Database, metrics: Metrics, only: str | None = None) -> Worker:
    return Worker(db, ledger_for(db, settings.chunk_size), settings, metrics, only)


MAINS: dict[str, Main] = {
    "up": _all,
    "serve": _api,
    "worker": lambda settings, db: _links(settings, db, None),
}
