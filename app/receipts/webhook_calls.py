"""Take one call of a carrier: authenticate, parse, commit, and only then acknowledge as the carrier wants.

Free of the framework, so that an answer differs in nothing whether app/receipts/routes.py gave it or
app/receipts/plain_route.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

from starlette.datastructures import State
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope

from app.api.client_address import peer_of
from app.core import clock
from app.core.errors import DatabaseUnavailable, Encoded, Forbidden, Invalid, TooLarge, TooOften
from app.observability.metrics import Metrics
from app.receipts.webhook_handler import WebhookHandler, sound
from carriers.contract import Misread, WebhookAnswer, WebhookReceipts, WebhookRequest
from carriers.phrases import Phrase, join

_FAULTS_SHOWN = 20  # the rest is counted
_PLAIN = ("", "identity")


class WebhookRefused(Forbidden):
    """The webhook's credentials are missing or wrong, or the link does not exist.

    The answer is the same in all cases, so that no one learns which links exist. docs/webhooks.md lists the
    causes.
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

    slug, title = "receipts-busy", "Receipts cannot be stored now"


class WebhookPath(NamedTuple):
    """What a webhook's path names; token: "" if it has none."""

    carrier: str
    link: str
    token: str = ""


async def answer(state: State, scope: Scope, receive: Receive, path: WebhookPath) -> WebhookAnswer:
    """Take a carrier's receipts; whatever gets an answer has been committed. state: the application's."""
    webhook_handler: WebhookHandler = state.webhook_handler
    metrics: Metrics = state.metrics
    hook, asked = await known(state, scope, receive, path)
    if asked.headers.get("content-encoding", "").lower() not in _PLAIN:
        raise Encoded("Send the body without Content-Encoding.")
    take = partial(_take, webhook_handler, metrics, (path.link, hook, asked))
    if await webhook_handler.once(path.link, hook, asked, take) is None:
        metrics.webhook("repeated")
    return hook.acknowledgement


async def _take(
    webhook_handler: WebhookHandler, metrics: Metrics, call: tuple[str, WebhookReceipts, WebhookRequest]
) -> bool:
    link, hook, asked = call
    parsed = sound(hook.parse_receipts(asked))
    if parsed.receipts and not await webhook_handler.take(link, asked, parsed.receipts):
        metrics.webhook("busy")
        raise Busy("These receipts cannot be stored now. Send them again.")
    if parsed.misread:
        metrics.webhook("unreadable")
        raise _unreadable(parsed.misread, len(parsed.receipts))
    metrics.webhook("taken")
    return True


async def known(
    state: State, scope: Scope, receive: Receive, path: WebhookPath
) -> tuple[WebhookReceipts, WebhookRequest]:
    """Return the link's webhook and the call. Raises WebhookRefused unless its carrier calls.

    Everything else is checked before a byte of the body is read.
    """
    webhook_handler: WebhookHandler = state.webhook_handler
    carrier, link, token = path
    head = _head(scope, webhook_handler, token)
    caller = webhook_handler.caller(carrier, link, head.peer)
    if seconds := webhook_handler.refused.wait(caller):
        raise _slow_down(state.metrics, seconds)
    if webhook_handler.may_call(carrier, link, head):
        asked = head._replace(body=await _body(receive, head.headers, webhook_handler.limit))
        hook = webhook_handler.admit(carrier, link, asked)
        if hook is not None:
            await webhook_handler.note_clock(link, None)
            return hook, asked
        ahead_s = webhook_handler.clock_ahead_s(carrier, link, asked)
        if ahead_s is not None:
            await webhook_handler.note_clock(link, ahead_s)
            state.metrics.webhook("clock")
            raise _wrong_clock(ahead_s)
    webhook_handler.refused.take(caller)
    state.metrics.webhook("refused")
    raise WebhookRefused("The credentials of this webhook are wrong, or the link does not exist.")


def _wrong_clock(ahead_s: int) -> WrongClock:
    """Tell by how much the clocks differ; safe, since the caller has signed the call."""
    way = "after" if ahead_s > 0 else "before"
    return WrongClock(
        "The timestamp of this call is {ahead_s} seconds {way} Loa's clock. Synchronize the clocks "
        "by NTP, then send it again with a new timestamp and signature.",
        ahead_s=abs(ahead_s),
        way=way,
        retry_after_s=60,
    )


def _slow_down(metrics: Metrics, seconds: int) -> TooOften:
    metrics.webhook("slowed")
    why = f"Too many calls with wrong credentials; wait {seconds} seconds."
    return TooOften(why, retry_after_s=seconds)


def _unreadable(misread: Sequence[Misread], committed: int) -> Unreadable:
    """Name what can't be read, by place and field. The rest is committed; repeating it changes nothing."""
    faults = [(one.field, f"{one.field} {one.what}".strip()) for one in misread[:_FAULTS_SHOWN]]
    words = [sentence for _, sentence in faults]
    if len(misread) > _FAULTS_SHOWN:
        words.append(f"{len(misread) - _FAULTS_SHOWN} more cannot be read.")
    if committed:
        words.append(f"The other {committed} are taken.")
    return Unreadable(join(words), faults=[fault for fault in faults if fault[0]])


def _head(scope: Scope, webhook_handler: WebhookHandler, token: str) -> WebhookRequest:
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    connected = scope["client"][0] if scope.get("client") else ""
    return WebhookRequest(
        scope["method"],
        scope["query_string"].decode("latin-1"),
        headers,
        b"",
        peer_of(connected, headers.get("x-forwarded-for", ""), webhook_handler.trusted),
        clock.now().timestamp(),
        token,
    )


async def _body(receive: Receive, headers: Mapping[str, str], limit: int) -> bytes:
    too_large = Phrase("The request body is larger than {limit} bytes.", limit=limit)
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length) > limit:
        raise TooLarge(too_large)
    chunks, seen, more = list[bytes](), 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk = message.get("body", b"")
        seen += len(chunk)
        if seen > limit:
            raise TooLarge(too_large)
        chunks.append(chunk)
        more = message.get("more_body", False)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)
