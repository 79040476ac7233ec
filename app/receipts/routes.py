"""The webhook routes: authenticate, parse, commit, and only then acknowledge as the carrier wants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from fastapi import Request, Response

from app.api.client_address import peer_of
from app.api.dependencies import Routes
from app.api.token_buckets import TooOften
from app.core import clock
from app.core.errors import DatabaseUnavailable, Encoded, Forbidden, Invalid, TooLarge
from app.observability.metrics import Metrics
from app.receipts.webhook_handler import WebhookHandler, sound
from carriers.contract import Misread, WebhookReceipts, WebhookRequest

# ---- OpenAPI of the generic webhook

_WORDS = (
    "DELIVRD, UNDELIV, REJECTD, DELETED, EXPIRED, SENT, ACCEPTD, ENROUTE or UNKNOWN; others count as UNKNOWN"
)
_EVENT: dict[str, Any] = {
    "request_id": "SLA-20240129-000017",
    "message_id": "5f1c0a77",
    "msisdn": "84910000001",
    "status": "DELIVRD",
    "error": "000",
    "mt_count": 1,
    "done_at": "2024-01-29T10:05:00+07:00",
}
_FAILED = _EVENT | {"request_id": "SLA-20240129-000018", "status": "UNDELIV", "error": "006"}
_NAME = {"type": "string", "minLength": 1, "maxLength": 128}
_FIELDS: dict[str, dict[str, Any]] = {
    "request_id": _NAME | {"description": "our own id of the message; it counts before message_id"},
    "message_id": _NAME | {"description": "the carrier's id of the message"},
    "msisdn": {"type": "string", "pattern": "^84[1-9][0-9]{8}$", "description": "84 and nine digits"},
    "status": {"type": "string", "minLength": 1, "maxLength": 40, "description": _WORDS},
    "error": {"type": "string", "description": "the carrier's own code, kept as it came"},
    "mt_count": {"type": "integer", "description": "SMS parts; not read"},
    "done_at": {"type": "string", "description": "ISO 8601; +07:00 where it names no zone"},
}
_RECEIPT: dict[str, Any] = {
    "type": "object",
    "description": "The generic shape. A link may have another: see docs/webhooks.md.",
    "required": ["status"],
    "anyOf": [{"required": ["request_id"]}, {"required": ["message_id"]}, {"required": ["msisdn"]}],
    "properties": _FIELDS,
    "example": _EVENT,
}

POST: dict[str, Any] = {
    "requestBody": {
        "content": {
            "application/json": {
                "schema": {"anyOf": [_RECEIPT, {"type": "array", "maxItems": 5000, "items": _RECEIPT}]},
                "examples": {
                    "one": {"summary": "One receipt", "value": _EVENT},
                    "many": {"summary": "Several at once", "value": [_EVENT, _FAILED]},
                },
            },
            "application/x-www-form-urlencoded": {"schema": _RECEIPT},
        }
    }
}
GET: dict[str, Any] = {
    "parameters": [
        {"name": name, "in": "query", "required": name == "status", "schema": schema, "example": _EVENT[name]}
        for name, schema in _FIELDS.items()
    ]
}
ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Committed. The body is what the link's carrier wants to hear.",
        "content": {"application/json": {"schema": {"type": "object"}, "example": {"status": 1}}},
    }
}


router = Routes(tags=["webhooks"])

_FAULTS_SHOWN = 20  # the rest is counted
_PLAIN = ("", "identity")


class Stranger(Forbidden):
    """A webhook without the credentials of its link, with wrong ones, or for a link that is not there: the
    answer is the same, so that nobody learns which links exist. docs/webhooks.md says what can be wrong.
    """

    slug, title = "webhook-refused", "These are not the credentials of this webhook"


class WrongClock(DatabaseUnavailable):
    """A webhook that its carrier has signed, with a time further from ours than `replay_window_s`: one of the
    two clocks is wrong. Nothing of it was taken; a carrier that repeats with a new time and signature
    loses nothing. The link's row on the page of links is red with the difference, since when, and how many
    calls.
    """

    slug, title = "webhook-clock", "The clocks differ too much"


class Unreadable(Invalid):
    """Some of a webhook's events can't be read; `errors` names the place in the array and the field of the
    first twenty, such as `[17].status`. Those that can be read are committed, so the whole may be sent
    again once it is mended: what has been taken changes nothing when it comes twice.
    """

    slug, title = "webhook-unreadable", "Not everything can be read"


class Busy(DatabaseUnavailable):
    """Receipts can't be committed now: the database is away, too many are waiting, or the link has never been
    opened by a worker. None counts as taken; send them again after `Retry-After` seconds.
    """

    slug, title = "receipts-busy", "Receipts can't be taken now"


async def receive(request: Request, carrier: str, link: str, token: str = "") -> Response:
    """Take a carrier's receipts; whatever is answered with 200 has been committed."""
    reception: WebhookHandler = request.app.state.reception
    metrics: Metrics = request.app.state.metrics
    hook, asked = await known(request, carrier, link, token)
    if asked.headers.get("content-encoding", "").lower() not in _PLAIN:
        raise Encoded("Send the body as it is, without Content-Encoding.")
    if await reception.once(link, hook, asked, partial(_take, request, link, hook, asked)) is None:
        metrics.webhook("repeated")
    answer = hook.acknowledgement
    return Response(answer.body, headers={"Content-Type": answer.content_type})


async def _take(request: Request, link: str, hook: WebhookReceipts, asked: WebhookRequest) -> bool:
    reception: WebhookHandler = request.app.state.reception
    metrics: Metrics = request.app.state.metrics
    told = sound(hook.parse_receipts(asked))
    if told.receipts and not await reception.take(link, asked, told.receipts):
        metrics.webhook("busy")
        raise Busy("These receipts can't be committed now; send them again.")
    if told.misread:
        metrics.webhook("unreadable")
        raise _unreadable(told.misread, len(told.receipts))
    metrics.webhook("taken")
    return True


async def known(
    request: Request, carrier: str, link: str, token: str
) -> tuple[WebhookReceipts, WebhookRequest]:
    """Return the link's webhook and the call. Raises Stranger unless its carrier calls.

    Everything else is checked before a byte of the body is read.
    """
    reception: WebhookHandler = request.app.state.reception
    head = _head(request, reception, token)
    caller = reception.caller(carrier, link, head.peer)
    _slow_down(request, reception.refused.wait(caller))
    if reception.may_call(carrier, link, head):
        asked = replace(head, body=await _body(request, head.headers, reception.limit))
        hook = reception.admit(carrier, link, asked)
        if hook is not None:
            await reception.note_clock(link, None)
            return hook, asked
        ahead_s = reception.clock_ahead_s(carrier, link, asked)
        if ahead_s is not None:
            await reception.note_clock(link, ahead_s)
            request.app.state.metrics.webhook("clock")
            raise _wrong_clock(ahead_s)
    reception.refused.take(caller)
    request.app.state.metrics.webhook("refused")
    raise Stranger("These are not the credentials of this webhook, or there is no such link.")


def _wrong_clock(ahead_s: int) -> WrongClock:
    """Tell by how much the clocks differ; safe, since the caller has signed the call."""
    way = "after" if ahead_s > 0 else "before"
    return WrongClock(
        f"This call's time is {abs(ahead_s)} seconds {way} ours: set the clocks right by NTP, and send it "
        "again with a new time and signature.",
        retry_after_s=60,
    )


def _slow_down(request: Request, seconds: int) -> None:
    if seconds:
        request.app.state.metrics.webhook("slowed")
        told = f"Too many calls with wrong credentials; wait {seconds} seconds."
        raise TooOften(told, retry_after_s=seconds)


def _unreadable(misread: Sequence[Misread], taken: int) -> Unreadable:
    """Name what can't be read, by place and field. The rest is committed; repeating it changes nothing."""
    faults = [(one.field, f"{one.field} {one.what}".strip()) for one in misread[:_FAULTS_SHOWN]]
    words = [sentence for _, sentence in faults]
    if len(misread) > _FAULTS_SHOWN:
        words.append(f"{len(misread) - _FAULTS_SHOWN} more can't be read.")
    if taken:
        words.append(f"The other {taken} are taken.")
    return Unreadable(" ".join(words), faults=[fault for fault in faults if fault[0]])


def _head(request: Request, reception: WebhookHandler, token: str) -> WebhookRequest:
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    connected = request.client.host if request.client else ""
    return WebhookRequest(
        request.method,
        request.scope["query_string"].decode("latin-1"),
        headers,
        b"",
        peer_of(connected, headers.get("x-forwarded-for", ""), reception.trusted),
        clock.now().timestamp(),
        token,
    )


async def _body(request: Request, headers: Mapping[str, str], limit: int) -> bytes:
    too_large = TooLarge(f"The body is larger than {limit} bytes.")
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length) > limit:
        raise too_large
    chunks, seen = [], 0
    async for chunk in request.stream():
        seen += len(chunk)
        if seen > limit:
            raise too_large
        chunks.append(chunk)
    return b"".join(chunks)


for _method, _extra in (("POST", POST), ("GET", GET)):
    for _path, _with in (
        ("/webhooks/{carrier}/{link}", ""),
        ("/webhooks/{carrier}/{link}/{token}", "_token"),
    ):
        router.add_api_route(
            _path,
            receive,
            methods=[_method],
            name=f"{_method.lower()}_webhook{_with}",
            summary="Receipts from a carrier",
            response_class=Response,
            openapi_extra=_extra,
            responses=ANSWERS,
        )
