"""ASGI middleware for every request: id, log line, allowed hosts, size limit, response headers and ETag."""

from __future__ import annotations

import hashlib
import logging
import re
import secrets
from collections.abc import Callable, Collection, Mapping
from functools import lru_cache, partial
from typing import Any

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, merge_contextvars, reset_contextvars

from app.api.rate_limit import Address, Refuse, peer
from app.api.uploads import BODY_LIMIT, LIMIT
from app.core import clock
from app.core.errors import AppError
from app.observability.logs import READY, REDACTED, Lines, clean, lines
from app.security import audit
from carriers.phrases import Phrase

_NAME = "app.api.middleware"  # the lines' logger, as it has always been
_log = logging.getLogger(_NAME)
_usual = structlog.get_logger(_NAME)


def write(fields: dict[str, Any]) -> None:
    """Log "request" with these fields."""
    configured = lines()
    if configured is None:  # not by us: a test, or a command
        _usual.info("request", **fields)
        return
    if not _log.isEnabledFor(logging.INFO):
        return
    event = merge_contextvars(_log, "info", {**fields, "event": "request"})
    time = clock.now().isoformat().replace("+00:00", "Z")
    text = _templates(configured).line(dict(event), time)
    _log.handle(_log.makeRecord(_NAME, logging.INFO, "", 0, text, (), None, None, {READY: True}))


@lru_cache(maxsize=1)
def _templates(lines: Lines) -> LineTemplates:
    return LineTemplates(partial(_render, lines))


def _render(lines: Lines, event: Event, time: str) -> str:
    return lines.render({**clean(_log, "info", event), "level": "info", "logger": _NAME, "timestamp": time})


Event = dict[str, Any]

# Stand-ins of the same kind: an id as each request has one, which is never masked, a number, and a time.
_PATH_ID, _MS, _TIME = "f00dfeed" * 4, 987.654321, "2999-01-02T03:04:05.678901Z"
_NAMES = {_PATH_ID: "%(id)s", repr(_MS): "%(ms)s", _TIME: "%(time)s"}
_STAND_IN = re.compile("|".join(map(re.escape, _NAMES)))
_USUAL_ID = re.compile("[0-9a-f]{32}")
_MOST = 512  # kept; of the others the one that was used last goes first


class LineTemplates:
    """Render lines that differ only in their id, length and time once, and fill them in from then on.

    They are events with the fields `ms` and `request_id`; `render` is given a time and a whole event.
    """

    def __init__(self, render: Callable[[Event, str], str]) -> None:
        self._render = render
        self._template = lru_cache(_MOST)(self._made)

    def line(self, event: Event, time: str) -> str:
        """Return what `render` returns, to a byte."""
        request_id, ms = event.get("request_id"), event.get("ms")
        if type(ms) is float and isinstance(request_id, str) and _USUAL_ID.fullmatch(request_id):
            values = {**event, "request_id": _PATH_ID, "ms": _MS}
            # By type as well: 200 and 200.0 are equal, and written otherwise.
            template = self._template(tuple(values.items()), tuple(map(type, values.values())))
            if template is not None:
                return template % {"id": request_id, "ms": repr(ms), "time": time}
        return self._render(event, time)

    def _made(self, items: tuple[tuple[str, Any], ...], _types: tuple[type, ...]) -> str | None:
        """Return the line with places to fill in; None if a field has the text of a stand-in itself."""
        line = self._render(dict(items), _TIME).replace("%", "%%")
        if sorted(_STAND_IN.findall(line)) != sorted(_NAMES):
            return None
        return _STAND_IN.sub(lambda match: _NAMES[match[0]], line)


WEBHOOKS = "/webhooks/"
_PANEL = "/panel/"  # with a personal link's stamp behind run and telephone
_LINK = 3  # position of the link's name in a webhook's path
_TOKEN = 16  # minimum length of a path token
_OURS = b"x-request-id"
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestContext:
    """Give each request an id (the client's X-Request-Id if valid) and log its result.

    names: words that may appear in logged webhook paths, which may also hold a secret. headers: defaults for
    all responses. address: returns the client's address for (peer, X-Forwarded-For).
    """

    def __init__(
        self, app: ASGIApp, names: Collection[str], headers: Mapping[str, str], address: Address
    ) -> None:
        self.app = app
        self.names = names
        self.headers = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        self.names_of_headers = {_OURS, *(name for name, _ in self.headers)}
        self.address = address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; pure ASGI, so that streams are not buffered."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        said = next((value for name, value in scope["headers"] if name == _OURS), b"")
        asked = said.decode("latin-1")
        scope["request_id"] = asked if _ID.fullmatch(asked) else secrets.token_hex(16)
        audit.origin.set(peer(scope, self.address))
        bound = bind_contextvars(request_id=scope["request_id"])
        try:
            await self._serve(scope, receive, send)
        finally:
            reset_contextvars(**bound)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        started, status = clock.monotonic(), 0

        async def reply(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._add_headers(message, scope["request_id"])
            await send(message)

        try:
            await self.app(scope, receive, reply)
        finally:
            taken = round((clock.monotonic() - started) * 1000, 1)
            path = _shown(scope["path"], status, self.names)
            whose = {"who": scope.get("caller", ""), "origin": audit.origin.get()}
            method = scope["method"] if scope["method"].isalpha() else "other"  # a number could stand in it
            write({"method": method, "path": path, "status": status, "ms": taken, **whose})

    def _add_headers(self, message: Message, request_id: str) -> None:
        given, ours = message["headers"], [(_OURS, request_id.encode("latin-1")), *self.headers]
        names = {name for name, _ in given}
        if not names.isdisjoint(self.names_of_headers):
            given = [each for each in given if each[0] != _OURS]
            ours = [each for each in ours if each[0] == _OURS or each[0] not in names]
        message["headers"] = [*given, *ours]


def _shown(path: str, status: int, names: Collection[str]) -> str:
    """Return the path without a secret, even if that is misplaced or the path misspelt."""
    secret = path.startswith((WEBHOOKS, _PANEL))
    if not secret and status != 404:
        return path
    steps = path.split("/")
    for place, step in enumerate(steps):
        if (secret and place > _LINK) or (len(step) >= _TOKEN and step not in names):
            steps[place] = REDACTED
    return "/".join(steps)


class BodyLimit:
    """Refuse bodies over BODY_LIMIT while they arrive, so that none fills memory or disk."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count received bytes. Webhooks have their own limit; uploads set a higher one in the scope."""
        if scope["type"] != "http" or scope["path"].startswith(WEBHOOKS):
            await self.app(scope, receive, send)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            limit = scope.get(LIMIT, BODY_LIMIT)
            if seen > limit:
                raise HTTPException(
                    413, Phrase("The request body is larger than {limit} bytes.", limit=limit)
                )
            return message

        await self.app(scope, counted, send)


# Only callers on the machine itself can use these names: health checks and a local proxy.
_HERE = ("localhost", "127.0.0.1", "[::1]")


class WrongHost(AppError):
    """The host name in the address is not one of Loa's (`public_hosts`).

    Use the address that you were given.
    """

    status, slug, title = 421, "wrong-host", "This is not the name of this service"


class Hosts:
    """Refuse foreign hosts, so that no other name shares our pages and cookies. names: without ports."""

    def __init__(self, app: ASGIApp, names: Collection[str], refuse: Refuse) -> None:
        self.app = app
        self.names = {*_HERE, *(_bracketed(name.lower()) for name in names)}
        self.refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._is_ours(Headers(scope=scope).getlist("host")):
            await self.app(scope, receive, send)
            return
        error = WrongHost(
            "This host name is not one of Loa's names. Loa's names are in the setting public_hosts."
        )
        await self.refuse(Request(scope), error)(scope, receive, send)

    def _is_ours(self, hosts: Collection[str]) -> bool:
        return len(hosts) == 1 and {_without_port(each) for each in hosts} <= self.names


def _without_port(host: str) -> str:
    name, colon, port = host.lower().rpartition(":")
    return (name if colon and port.isdigit() else host.lower()).removesuffix(".")


def _bracketed(name: str) -> str:
    """Write an IPv6 address as in a Host header."""
    return f"[{name}]" if ":" in name else name


_PLACE = "/v1/"
_JSON = "application/json"
_HASH = 16  # hexadecimal digits: enough to tell two states of one resource apart
# An ETag that a route has set is a version, unless it is as long as a file's hash.
_VERSION = re.compile(r'"[A-Za-z0-9._]{1,60}"')
_STRIPPED = ("content-length", "content-type")


class Tags:
    """Give every complete JSON response an ETag of version and content hash, and answer If-None-Match."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hold the response head back until the body is known; pure ASGI."""
        if scope["type"] != "http" or scope["method"] != "GET" or not scope["path"].startswith(_PLACE):
            await self.app(scope, receive, send)
            return
        known = Headers(scope=scope).get("if-none-match", "")
        head: Message | None = None

        async def tagged(message: Message) -> None:
            nonlocal head
            if message["type"] == "http.response.start" and message["status"] == 200:
                head = message
                return
            if head is not None and not message.get("more_body") and _tag(head, message["body"]):
                message = _unless_known(head, message, known)
            if head is not None:
                begun, head = head, None
                await send(begun)
            await send(message)

        await self.app(scope, receive, tagged)


def _tag(head: Message, body: bytes) -> bool:
    """Add an ETag to JSON; return whether the response has one."""
    headers = MutableHeaders(scope=head)
    own = headers.get("etag", "")
    if headers.get("content-type", "").startswith(_JSON) and (not own or _VERSION.fullmatch(own)):
        digest = hashlib.sha256(body).hexdigest()[:_HASH]
        headers["ETag"] = f'{own[:-1]}-{digest}"' if own else f'"{digest}"'
    return "etag" in headers


def _unless_known(head: Message, message: Message, if_none_match: str) -> Message:
    """Return the body, or turn the response into an empty 304 if If-None-Match names its ETag."""
    headers = MutableHeaders(scope=head)
    tags = [each.strip().removeprefix("W/") for each in if_none_match.split(",")]
    if headers["etag"] not in tags:
        return message
    head["status"] = 304
    for name in _STRIPPED:
        del headers[name]
    return {**message, "body": b""}
