"""The plainest carrier over HTTP on the shared base, and a client for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from carriers.simulators.web import SimulatedReply, SimulatedRequest, WebBehaviour, WebSimulator
from carriers.simulators.web.webhook import Webhook

PHONE = "84901230001"


class Plain(WebSimulator):
    """A carrier of a single page."""

    name = "plain"
    port_by_default = 0

    def is_submit(self, path: str) -> bool:
        return path == "/send"

    def handle(self, asked: SimulatedRequest) -> SimulatedReply:
        if asked.path != "/send":
            return SimulatedReply(b"hello", "hello")
        fields = asked.fields
        if self.is_refused(fields["to"]):
            self.refuse()
            return SimulatedReply(b"refused", "refused")
        if self.is_too_fast():
            return SimulatedReply(b"too fast", "too fast")
        self.take(asked, fields["to"], fields["text"], "LOA", fields.get("id", ""))
        return SimulatedReply(b"taken", "taken")


@asynccontextmanager
async def plain(
    webhook: Webhook | None = None, **behaviour: object
) -> AsyncIterator[tuple[Plain, httpx.AsyncClient]]:
    """A running carrier, and a client of it."""
    carrier = Plain(WebBehaviour(**behaviour), webhook=webhook)  # type: ignore[arg-type]
    async with carrier:
        client = httpx.AsyncClient(base_url=carrier.url, timeout=10, trust_env=False, verify=False)
        async with client:
            yield carrier, client


async def send(client: httpx.AsyncClient, phone: str = PHONE, text: str = "Canh bao", **more: str) -> str:
    """What the carrier says to one message."""
    return (await client.post("/send", data={"to": phone, "text": text, **more})).text


def phones(count: int) -> list[str]:
    return [f"8490123{number:04d}" for number in range(count)]
