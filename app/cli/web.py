"""The API part of a process, apart so that `loa worker` need not import the web framework."""

from __future__ import annotations

import asyncio

from app.batches.importer import folder_of, resume_imports
from app.core.config import Settings
from app.database.connection import Database
from app.ledger.ledger import ledger_for
from app.observability.metrics import Metrics
from app.receipts.receipt_writer import Inbox
from app.receipts.result_files import result_importer
from app.runtime import transport_security, webhooks
from app.runtime.api_app import create_app
from app.runtime.http_server import Server, listen, server_of

__all__ = ["listen", "resume", "server"]


def server(settings: Settings, db: Database, metrics: Metrics, inbox: Inbox) -> Server:
    application = create_app(settings, db, metrics, webhooks.webhook_handler(settings, db, inbox))
    return server_of(application, transport_security.server_tls(settings))


def resume(settings: Settings, db: Database) -> asyncio.Future[int]:
    """Resume in the background the imports that the last stop interrupted."""

    def go_on() -> int:
        batches = resume_imports(db, folder_of(settings.data))
        return batches + result_importer.resume_imports(db, ledger_for(db, settings.chunk_size), settings)

    return asyncio.get_running_loop().run_in_executor(None, go_on)
