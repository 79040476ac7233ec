"""Requests as carriers make them, without a server."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

from carriers.contract import Receipt, ReceiptsRead, WebhookRequest
from carriers.webhook import MappedWebhook, WebhookCredentials, shape_of

NOW = 1_706_500_000.0
FORM = "application/x-www-form-urlencoded"


def asked(method: str = "POST", body: bytes = b"", query: str = "", **more: Any) -> WebhookRequest:
    """A request; headers by keyword with _ for -."""
    peer, token = more.pop("peer", "203.0.113.7"), more.pop("token", "")
    headers = {name.replace("_", "-"): value for name, value in more.items()}
    return WebhookRequest(method, query, headers, body, peer, NOW, token)


def posted(document: object, **headers: str) -> WebhookRequest:
    """A JSON body."""
    return asked(body=json.dumps(document).encode(), content_type="application/json", **headers)


def queried(fields: dict[str, object], method: str = "GET") -> WebhookRequest:
    return asked(method, query=urlencode(fields))


def filled_in(fields: dict[str, object]) -> WebhookRequest:
    """A form."""
    return asked(body=urlencode(fields).encode(), content_type=FORM)


def told(format_: str, request: WebhookRequest, **own: Any) -> ReceiptsRead:
    """What a link with this format makes of it."""
    return MappedWebhook(WebhookCredentials(), shape_of("x", format_, own)).parse_receipts(request)


def read(format_: str, request: WebhookRequest, **own: Any) -> Receipt:
    """The one receipt in it."""
    found = told(format_, request, **own)
    assert not found.misread, found.misread
    (receipt,) = found.receipts
    return receipt
