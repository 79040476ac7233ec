"""Loa's API and inbox in a process of their own, beside two endpoints that only authenticate, one bare."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from dataclasses import dataclass
from typing import cast

from fastapi import FastAPI, Request, Response
from starlette.datastructures import State
from starlette.types import Receive, Scope, Send

from app.core import gc_tuning
from app.core.config import LinkSettings, Settings, WebhookSettings
from app.database.connection import Database
from app.ledger.ledger import ledger_for
from app.observability import logs
from app.observability.metrics import Metrics
from app.receipts.receipt_writer import Inbox
from app.receipts.routes import router
from app.receipts.webhook_calls import WebhookPath, known
from app.runtime.api_app import create_app
from app.runtime.http_server import listen, server_of
from app.runtime.webhooks import webhook_handler
from carriers.signature import fresh, signed

LINK = "viettel-1"
SECRET = "bench-0123456789abcdef"  # of this bench alone


def main() -> None:
    """Serve the database that the first argument names until SIGTERM; prints the ports of Loa and bare."""
    webhook = WebhookSettings(hmac_secret=SECRET)
    link = LinkSettings(carrier="viettel", segments_per_second=100, webhook=webhook)
    settings = Settings(links={LINK: link})
    logs.configure(settings)
    db = Database(sys.argv[1])
    try:
        gc_tuning.exempt_loaded()
        asyncio.run(_serve(settings, db))
    finally:
        db.close()


async def _serve(settings: Settings, db: Database) -> None:
    """As `loa serve` does."""
    metrics, stop = Metrics(db), asyncio.Event()
    inbox = Inbox(db, ledger_for(db), metrics, settings.receipts_group, settings.receipts_wait_ms / 1000)
    app = create_app(settings, db, metrics, webhook_handler(settings, db, inbox))
    doors = [listen("127.0.0.1", 0) for _ in range(2)]
    servers = [server_of(app), server_of(cast(FastAPI, Bare(app.state)))]
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    serving = [server.serve([door]) for server, door in zip(servers, doors, strict=True)]
    working = [asyncio.create_task(each) for each in (inbox.run(), *serving)]
    print(*(door.getsockname()[1] for door in doors), flush=True)
    await stop.wait()
    for server in servers:
        server.should_exit = True
    inbox.stop()
    await asyncio.gather(*working)


@dataclass(slots=True)
class Bare:
    """The least application on Loa's server: the same signature is checked, and nothing is read or kept."""

    state: State  # Loa's, for the server's bounds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the carrier wants if the call is signed."""
        head = dict(scope["headers"])
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        stamp, signature = (head[name].decode() for name in (b"x-loa-timestamp", b"x-loa-signature"))
        right = fresh(stamp, time.time(), 300.0) and signed(SECRET, stamp, body, signature)
        answer = b'{"status":1}' if right else b"{}"
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(answer))]
        await send({"type": "http.response.start", "status": 200 if right else 403, "headers": headers})
        await send({"type": "http.response.body", "body": answer})


# The name says that it has credentials of its own, as webhooks have; under /webhooks/ no rate is counted.
@router.post("/webhooks/{carrier}/{link}/empty/post", name="post_webhook", include_in_schema=False)
async def _empty(request: Request, carrier: str, link: str) -> Response:
    """The same framework, the same authentication, the same answer; nothing read, nothing written."""
    hook, _ = await known(request.app.state, request.scope, request.receive, WebhookPath(carrier, link))
    return Response(hook.acknowledgement.body, headers={"Content-Type": hook.acknowledgement.content_type})


if __name__ == "__main__":
    main()
