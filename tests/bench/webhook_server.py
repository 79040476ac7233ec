"""Loa's API and inbox in a process of their own, beside an endpoint that only authenticates."""

from __future__ import annotations

import asyncio
import signal
import sys

from fastapi import Request, Response

from app.core import gc_tuning
from app.core.config import LinkSettings, Settings, WebhookSettings
from app.database.connection import Database
from app.ledger.factory import ledger_for
from app.observability import logs
from app.observability.metrics import Metrics
from app.receipts.receipt_writer import Inbox
from app.receipts.routes import known, router
from app.runtime.api_app import create_app
from app.runtime.http_server import listen, server_of
from app.runtime.webhooks import reception

LINK = "viettel-1"
SECRET = "bench-0123456789abcdef"  # of this bench alone


def main() -> None:
    """Serve the database that the first argument names until SIGTERM; prints the port."""
    webhook = WebhookSettings(hmac_secret=SECRET)
    link = LinkSettings(carrier="viettel", segments_per_second=100, webhook=webhook)
    settings = Settings(links={LINK: link})
    logs.configure(settings)
    db = Database(sys.argv[1])
    try:
        gc_tuning.settle()
        asyncio.run(_serve(settings, db))
    finally:
        db.close()


async def _serve(settings: Settings, db: Database) -> None:
    """As `loa serve` does."""
    metrics, stop = Metrics(db), asyncio.Event()
    inbox = Inbox(db, ledger_for(db), metrics, settings.receipts_group, settings.receipts_wait_ms / 1000)
    server = server_of(create_app(settings, db, metrics, reception(settings, db, inbox)))
    door = listen("127.0.0.1", 0)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    working = [asyncio.create_task(inbox.run()), asyncio.create_task(server.serve([door]))]
    print(door.getsockname()[1], flush=True)
    await stop.wait()
    server.should_exit = True
    inbox.stop()
    await asyncio.gather(*working)


# The name says that it has credentials of its own, as webhooks have; under /webhooks/ no rate is counted.
@router.post("/webhooks/{carrier}/{link}/empty/post", name="post_webhook", include_in_schema=False)
async def _empty(request: Request, carrier: str, link: str) -> Response:
    """The same framework, the same authentication, the same answer; nothing read, nothing written."""
    hook, _ = await known(request, carrier, link, "")
    return Response(hook.acknowledgement.body, headers={"Content-Type": hook.acknowledgement.content_type})


if __name__ == "__main__":
    main()
