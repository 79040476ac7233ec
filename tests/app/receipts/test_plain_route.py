"""An answer differs in nothing whether the plain route or the framework gave it: bytes, log and counts."""

from __future__ import annotations

import asyncio
import io
import json
import re
import socket
from collections.abc import Iterator
from typing import Any, cast
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DataError, IntegrityError
from starlette.exceptions import HTTPException

from app.core import clock
from app.core.config import Settings
from app.core.errors import Conflict, Unauthorised
from app.database.connection import Database
from app.observability import logs
from app.observability.metrics import Metrics
from app.receipts.plain_route import PlainRoute
from app.receipts.receipt_writer import Inbox
from app.runtime.api_app import create_app
from app.runtime.webhooks import webhook_handler
from carriers.contract import ReceiptsRead, WebhookAnswer, WebhookRequest
from tests.app.receipts.hooks import (
    DOOR,
    LINK,
    SECRET,
    TOKEN,
    event,
    sent,
    serving,
    settings_of,
    signed,
)
from tests.app.world import World
from tests.engines import sqlite_alone

database_url = sqlite_alone

BESIDE = "viettel-2"  # has a token
GOOD = json.dumps(event(2)).encode()
HOST = "Host: loa.example.vn"
# Seconds that have passed, and what has been refilled since.
_DIFFERS = re.compile(
    rb"(?<=\ndate: )[^\r]+|(?<=\nratelimit-remaining: )\d+|(?<=\nratelimit-reset: )\d+|\d+(?= seconds)"
)
_CUT = b"(cut)"  # after these the caller says no more
_ID = b"the-call-id"
_CHANGES = ("timestamp", "ms", "port", "ahead_s")
_COUNTED = re.compile(r"(?m)^loa_webhooks_total.*$")


def made(db: Database, world: World, settings: Settings, *, plain: bool) -> tuple[FastAPI, Inbox]:
    """The application, with the plain route or without."""
    box = Inbox(db, world.ledger, Metrics(), wait_s=0.002)
    app = create_app(settings, db, box.metrics, webhook_handler(settings, db, box))
    count = len(app.user_middleware)
    if not plain:
        app.user_middleware = [each for each in app.user_middleware if cast(Any, each.cls) is not PlainRoute]
        assert len(app.user_middleware) == count - 1
    return app, box


def call(address: str, data: bytes) -> bytes:
    """All that comes back on one connection, without what the clock makes of it."""
    parts = urlsplit(address)
    with socket.create_connection((str(parts.hostname), parts.port or 0), timeout=20) as line:
        line.sendall(data)
        if data.endswith(_CUT):
            line.shutdown(socket.SHUT_WR)
        got = b""
        while more := line.recv(65_536):
            got += more
    return _DIFFERS.sub(b"?", got)


def request(
    start: str = f"POST {DOOR}", body: bytes = GOOD, *fields: str, host: str = HOST, length: bool = True
) -> bytes:
    """A signed call in raw bytes; fields that are given come last, so that they may contradict."""
    stamp = {name: value for name, value in signed(body).items() if name not in " ".join(fields)}
    head = [f"{start} HTTP/1.1", host, "Connection: close", f"X-Request-Id: {_ID.decode()}"]
    head += [f"{name}: {value}" for name, value in stamp.items()]
    head += [f"Content-Length: {len(body)}"] if length else []
    return "\r\n".join([*filter(None, head), *fields, "", ""]).encode("latin-1") + body


def chunked(body: bytes, size: int) -> bytes:
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    whole = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
    head = request(f"POST {DOOR}", body, "Transfer-Encoding: chunked", length=False)
    return head.removesuffix(body) + whole


def paths() -> Iterator[bytes]:
    for path in (
        f"{DOOR}/", f"/{DOOR}", f"{DOOR}//", f"/webhooks//{LINK}", "/webhooks/viettel", "/webhooks/",
        "/webhooks", f"/WEBHOOKS/viettel/{LINK}", "/webhooks/viettel/viettel%2D1",
        "/webhooks/viettel%2Fviettel-1",
        f"{DOOR}%0A", f"{DOOR}%00", f"{DOOR}%FF", f"{DOOR}/%F0%9F%98%80", f"{DOOR}/a/b",
        f"{DOOR}/{TOKEN}/more", f"{DOOR}/{TOKEN}",
        f"{DOOR}?token={TOKEN}", f"{DOOR}?%74oken=x", f"{DOOR}?token=a&token={TOKEN}",
        f"{DOOR}?", f"{DOOR}?status=DELIVRD&message_id=m2", f"{DOOR}?%ff=%", f"{DOOR}/x?token={TOKEN}",
        f"http://loa.example.vn{DOOR}", "/webhooks/viettel/nosuch", f"/webhooks/../webhooks/viettel/{LINK}",
        "/webhooks/./viettel-1", f"{DOOR};x=1", f"/webhooks/viettel/+{LINK}", "*",
        f"/webhooks/viettel/{BESIDE}", f"/webhooks/viettel/{BESIDE}/{TOKEN}",
        f"/webhooks/viettel/{BESIDE}?token={TOKEN}", f"/webhooks/viettel/{BESIDE}?token={TOKEN}&token=",
        f"/webhooks/viettel/{BESIDE}?%74oken={TOKEN}",
        f"/webhooks/viettel/{BESIDE}/?token={TOKEN}", f"/webhooks/viettel/{BESIDE}/x?token={TOKEN}",
    ):  # fmt: skip
        yield request(f"POST {path}")
        yield request(f"GET {path}", b"")


def methods() -> Iterator[bytes]:
    for method in ("GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE", "post", "POSTED"):
        for path in (DOOR, f"{DOOR}/{TOKEN}"):
            yield request(f"{method} {path}")
            yield request(f"{method} {path}", b"")
    yield request(f"OPTIONS {DOOR}", b"", "Origin: https://a.example", "Access-Control-Request-Method: POST")


def fields() -> Iterator[bytes]:
    for some in (
        ("Origin: https://a.example",), ("Origin: https://b.example",), ("Accept: text/html",),
        ("Content-Type: application/json; charset=utf-16",), ("Content-Encoding: gzip",),
        ("Content-Type: application/x-www-form-urlencoded",), ("Content-Encoding: identity",),
        ("X-Loa-Signature: short",), ("X-Loa-Timestamp: today",), ("X-Loa-Timestamp: 1",),
        (f"X-Loa-Signature: {'0' * 64}",), ("X-Loa-Signature: \xff",),
        ("X-Loa-Signature: a", "X-Loa-Signature: b"),
        ("X-Request-Id: twice",), ("Authorization: Basic eA==",), ("Authorization: Bearer loa_0_x",),
        ("X-Forwarded-For: 198.51.100.1",), ("X-Forwarded-For: 198.51.100.1", "X-Forwarded-For: rubbish"),
        ("Expect: 100-continue",), ("If-None-Match: *",), ("Cookie: a=b",), ("Upgrade: websocket",),
        ("Content-Length: 5",), ("Transfer-Encoding: chunked",), ("Range: bytes=0-1",),
    ):  # fmt: skip
        yield request(f"POST {DOOR}", GOOD, *some)
        yield request(f"POST {DOOR}", b"", *some)
    late = signed(GOOD, clock.now().timestamp() - 4000)
    yield request(f"POST {DOOR}", GOOD, *(f"{name}: {value}" for name, value in late.items()))
    for host in (
        "",
        "Host: other.example",
        "Host: loa.example.vn:80",
        f"{HOST}\r\n{HOST}",
        "Host: 127.0.0.1",
    ):
        yield request(host=host)


def bodies() -> Iterator[bytes]:
    for body in (
        GOOD, b"", b"{", b"[]", b"null", b'"x"', b"\xff", b"{}", b"[{}]", b"[" * 5000, b" " * 1024 + b"{}",
        json.dumps([event(2), {"message_id": "m3"}, event(4)]).encode(), json.dumps([event(3)] * 3).encode(),
        json.dumps([{}] * 40).encode(), json.dumps(event(2, "x" * 99)).encode(),
        b"status=DELIVRD&message_id=m2",
        json.dumps(event(2, msisdn="0912345678901")).encode(), json.dumps(event(2, error="\0")).encode(),
    ):  # fmt: skip
        yield request(body=body)
        yield chunked(body, 100)
        if len(body) < 4000:  # else it is refused before it ends
            yield request(body=body + _CUT + b"never sent").removesuffix(b"never sent")
    yield request(body=b" " * 4097)
    yield request(body=b" " * 4097, length=False)
    yield chunked(b" " * 4097, 1000)
    yield request().replace(b"HTTP/1.1", b"HTTP/1.0")
    yield request().replace(b"Connection: close", b"Connection: keep-alive") + request()
    yield request() + request(f"GET {DOOR}", b"")


def settings() -> Settings:
    more = {"public_hosts": ["loa.example.vn"], "cors_origins": ["https://a.example"]}
    limits = {"webhook_limit_kb": 4, "stranger_requests_per_minute": 60, "request_seconds": 0.5}
    found = settings_of({"hmac_secret": SECRET}, **more, **limits, trusted_proxies=["127.0.0.1"])
    found.links[BESIDE] = settings_of().links[LINK]
    return found


def lines(log: io.StringIO) -> list[dict[str, Any]]:
    """What the log says, without what the clock and the kernel make of it."""
    found = [json.loads(line) for line in log.getvalue().splitlines()]
    return [{key: each for key, each in line.items() if key not in _CHANGES} for line in found]


def heard(db: Database, world: World, calls: list[bytes], *, plain: bool) -> tuple[list[bytes], Any, Any]:
    """All answers, all lines of the log, and the counts of calls."""
    log = io.StringIO()
    logs.configure(Settings(), log)
    app, box = made(db, world, settings(), plain=plain)
    with serving(app, box) as address:
        answers = [call(address, data.replace(_ID, b"call-%06d" % n)) for n, data in enumerate(calls)]
    # The framework writes of a call that was cut a little later than of the next one.
    return (
        answers,
        sorted(lines(log), key=lambda line: line.get("request_id", "")),
        _COUNTED.findall(box.metrics.text().decode()),
    )


@pytest.mark.longer
@pytest.mark.parametrize("many", [paths, methods, fields, bodies], ids=lambda many: many.__name__)
def test_the_plain_route_says_to_a_byte_what_the_framework_says(db: Database, many: Any) -> None:
    world, calls = sent(db, 8), list(many())
    ours = heard(db, world, calls, plain=True)
    theirs = heard(db, world, calls, plain=False)
    for data, our, their in zip(calls, ours[0], theirs[0], strict=True):
        assert our == their, data
    for our, their in zip(ours[1], theirs[1], strict=True):
        assert our == their
    assert ours[2] == theirs[2]
    assert len({answer[9:12] for answer in ours[0]}) > 2  # not one refusal for all


class Broken:
    """A webhook of a link whose adapter raises what it was told to."""

    acknowledgement = WebhookAnswer()

    def __init__(self, error: Exception) -> None:
        self.error = error

    def authenticate(self, _request: WebhookRequest) -> bool:
        return True

    def parse_receipts(self, _request: WebhookRequest) -> ReceiptsRead:
        raise self.error


ERRORS = [
    Conflict("Not now."),
    Unauthorised("Who are you?"),
    HTTPException(418, "A teapot."),
    HTTPException(405),
    RequestValidationError(
        [{"type": "missing", "loc": ("body", "x"), "msg": "Field required", "input": None}]
    ),
    IntegrityError("INSERT", {}, ValueError("x")),
    DataError("INSERT", {}, ValueError("x")),
    clock.Unreal(),
    RuntimeError("A mistake of ours."),
]


@pytest.mark.longer
@pytest.mark.parametrize("error", ERRORS, ids=repr)
async def test_a_fault_within_is_answered_and_logged_alike(db: Database, error: Exception) -> None:
    world, found = sent(db, 1), []
    for plain in (True, False):
        log = io.StringIO()
        logs.configure(Settings(), log)
        app, box = made(db, world, settings_of(), plain=plain)
        app.state.webhook_handler.hooks = {("viettel", LINK): Broken(error)}
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://loa") as http:
            answer = await http.post(DOOR, content=GOOD, headers={"X-Request-Id": "asked-1"})
        said = [{**line, "exception": "exception" in line} for line in lines(log)]
        found.append((answer.status_code, answer.headers.raw, answer.content, said))
        assert not box.metrics.text().decode().count('loa_webhooks_total{answer="taken"}')
    assert found[0] == found[1]
    assert found[0][0] >= 400


@pytest.mark.longer
async def test_other_routes_of_the_same_beginning_are_the_framework_s(db: Database) -> None:
    world = sent(db, 1)
    app, _ = made(db, world, settings_of(), plain=True)
    app.get("/webhooks/viettel/a/b/c")(lambda: {"here": True})
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://loa") as http:
        assert (await http.get("/webhooks/viettel/a/b/c")).json() == {"here": True}


@pytest.mark.longer
@pytest.mark.parametrize("plain", [True, False])
async def test_a_token_in_the_query_opens_nothing(db: Database, plain: bool) -> None:
    """Aggregators append fields to addresses, and proxies write queries down (decision 25)."""
    world = sent(db, 1)
    app, box = made(db, world, settings_of({"token": TOKEN}), plain=plain)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://loa") as http:
        assert (await http.post(f"{DOOR}?token={TOKEN}", content=GOOD)).status_code == 403
        async with asyncio.TaskGroup() as group:
            group.create_task(box.run())
            assert (await http.post(f"{DOOR}/{TOKEN}", content=GOOD)).status_code == 200
            box.stop()
