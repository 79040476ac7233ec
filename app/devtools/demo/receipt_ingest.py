"""Receipts of the demo's simulators: by webhook to a real API, or as a result file at the end."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from app.core.config import Settings, WebhookSettings
from app.core.errors import SetupError
from app.database.connection import Database
from app.devtools.demo.scenario_smpp import DemoCarrier, Receipts
from app.file_import.upload import UploadedFile
from app.ledger.ledger import Ledger
from app.receipts.result_files.register import FileClaim, register
from app.receipts.result_files.result_importer import import_file
from app.receipts.result_files.status_words import words_of
from app.runtime.api_app import create_app
from app.runtime.http_server import listen, server_of
from app.runtime.webhooks import webhook_handler
from app.runtime.worker import Worker
from carriers.contract import ReceiptLevel


@dataclass(frozen=True, slots=True)
class ReceiptIngest:
    """Where webhooks are posted, the secret that signs them, and the folder of result files."""

    folder: Path
    listener: socket.socket = field(default_factory=lambda: listen("127.0.0.1", 0))
    secret: str = field(default_factory=secrets.token_hex, repr=False)

    def flags(self, carrier: str, role: DemoCarrier) -> list[str]:
        if role.receipts is Receipts.WEBHOOK:
            url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/webhooks/{carrier}/{link_of(carrier)}"
            return ["--webhook", url, "--webhook-secret", self.secret]
        return ["--result-file", str(self.file(carrier))] if role.receipts is Receipts.FILE else []

    def options(self, role: DemoCarrier) -> dict[str, object]:
        if role.receipts is not Receipts.WEBHOOK:
            return {}
        return {"webhook": WebhookSettings(hmac_secret=SecretStr(self.secret))}

    def file(self, carrier: str) -> Path:
        return self.folder / f"{carrier}-results.csv"

    @asynccontextmanager
    async def open(self, settings: Settings, db: Database, worker: Worker) -> AsyncIterator[None]:
        """Run the API, whose webhooks deliver receipts to the worker's inbox."""
        hooks = webhook_handler(settings, db, worker.inbox)
        server = server_of(create_app(settings, db, worker.metrics, hooks))
        serving = asyncio.create_task(server.serve([self.listener]))
        try:
            yield
        finally:
            server.should_exit = True
            await serving

    def import_results(
        self, db: Database, ledger: Ledger, settings: Settings, roles: Mapping[str, DemoCarrier], who: str
    ) -> None:
        for carrier, role in roles.items():
            if role.receipts is Receipts.FILE:
                self._import(db, ledger, settings, carrier, who)

    def _import(self, db: Database, ledger: Ledger, settings: Settings, carrier: str, who: str) -> None:
        path = self.file(carrier)
        if not path.is_file():
            raise SetupError(
                "The simulator of {carrier} wrote no result file to {path}.", carrier=carrier, path=path
            )
        with path.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        # The contract says what a file proves; this one has handset level.
        claim = FileClaim(carrier, level=ReceiptLevel.HANDSET)
        known = db.write(register, claim, UploadedFile(path.name, digest, path.stat().st_size), who)
        import_file(db, ledger, known.id, path, words_of(settings.links.values(), carrier))


def link_of(carrier: str) -> str:
    return f"{carrier}-demo"
