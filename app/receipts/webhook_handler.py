"""Webhook handling behind the routes: find the link, authenticate its carrier, pass receipts to the inbox."""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple, TypeVar, cast

import structlog
from sqlalchemy import Connection, func, insert, select, update

from app.api.client_address import Networks
from app.api.rate_limit import Buckets, subscriber
from app.core import clock
from app.core.errors import DatabaseUnavailable
from app.database.connection import Database, shared_ms
from app.database.models import links, webhook_clocks
from app.ledger.contract import Arrival, Link
from app.receipts.receipt_writer import Inbox
from carriers.contract import (
    Misread,
    Receipt,
    ReceiptLevel,
    ReceiptsRead,
    ReceiptStatus,
    WebhookAnswer,
    WebhookReceipts,
    WebhookRequest,
)
from carriers.webhook.head import TellsClock, WebhookHead

log = structlog.get_logger(__name__)

T = TypeVar("T")

_PHONE = re.compile(r"84[0-9]{9}")
_HALF = re.compile("[\ud800-\udfff]")
_ID_LIMIT = 128
_YEARS = range(2000, 2100)  # times far outside can't be shown
_UNSTORABLE = "has a reference, a phone, a time or a text that cannot be stored."
_SIGNATURES = 100_000  # remembered in this process; the oldest is forgotten first
_LINK_FRESH_S = 30.0  # a worker that starts may update its row
_LOOK_EVERY_S = 30.0  # how often to look for a fault that another process recorded
_WRITE_EVERY_S = 1.0
_ANEW_MS = 600_000  # after this long without a refusal the next one is a new fault


class Nobody:
    """Stand-in for a link that does not exist: answers as to wrong credentials."""

    acknowledgement = WebhookAnswer()

    def may_call(self, _request: WebhookRequest) -> bool:
        return False

    def once(self, _request: WebhookRequest) -> tuple[str, float]:
        return "", 0.0

    def authenticate(self, _request: WebhookRequest) -> bool:
        return False

    def parse_receipts(self, _request: WebhookRequest) -> ReceiptsRead:
        return ReceiptsRead(())


class WebhookTarget(NamedTuple):
    """A link's row, and the highest level its receipts may claim."""

    link: Link
    level: ReceiptLevel


@dataclass(slots=True)
class Signed:
    """One signature: until when a repeated call counts as the same, and whether it was taken."""

    until: float
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    taken: bool = False


class Clocks:
    """What this process has seen of the clocks of carriers that call."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._looked: dict[str, float] = {}
        self._refused: dict[int, tuple[int, int]] = {}  # link -> unwritten calls, latest difference in s
        self._writing: dict[int, asyncio.Task[None]] = {}

    def is_due(self, link: str) -> bool:
        """Return whether to check again that no fault is recorded for a link whose call was right."""
        return clock.monotonic() - self._looked.get(link, -_LOOK_EVERY_S) >= _LOOK_EVERY_S

    async def note(self, link_id: int, link: str, ahead_s: int | None) -> None:
        """Record a call refused for its time, or a right one (None). A burst is written once a second."""
        if ahead_s is None:
            self._looked[link] = clock.monotonic()
            if await self._db.aread(_is_wrong, link_id):
                await self._db.awrite(_right, link_id)
            return
        self._looked.pop(link, None)
        if link_id not in self._refused and link_id not in self._writing:
            log.error("calls are refused: their clock differs", link=link, ahead_s=ahead_s)
        count, _ = self._refused.get(link_id, (0, 0))
        self._refused[link_id] = count + 1, ahead_s
        if link_id not in self._writing:
            self._writing[link_id] = asyncio.create_task(self._write(link_id))

    async def _write(self, link_id: int) -> None:
        try:
            while link_id in self._refused:
                try:
                    await self._db.awrite(_wrong, link_id, self._refused.pop(link_id))
                except DatabaseUnavailable:
                    return  # the caller was told, and its next call is recorded
                await asyncio.sleep(_WRITE_EVERY_S)
        finally:
            del self._writing[link_id]


def _wrong(connection: Connection, link_id: int, refused: tuple[int, int]) -> None:
    c, now = webhook_clocks.c, shared_ms(connection)
    count, ahead_s = refused
    known = connection.execute(select(webhook_clocks).where(c.link_id == link_id)).first()
    values = {"last_at": now, "over_at": None, "ahead_s": max(-(2**31), min(ahead_s, 2**31 - 1))}
    if known is None:
        row = {"link_id": link_id, "first_at": now, "times": count}
        connection.execute(insert(webhook_clocks).values(row | values))
        return
    if known.over_at is not None and known.last_at < now - _ANEW_MS:
        values["first_at"] = now
    own = update(webhook_clocks).where(c.link_id == link_id)
    connection.execute(own.values(times=c.times + count, **values))


def _is_wrong(connection: Connection, link_id: int) -> bool:
    c = webhook_clocks.c
    query = select(func.count()).where(c.link_id == link_id, c.over_at.is_(None))
    return bool(connection.scalar(query))


def _right(connection: Connection, link_id: int) -> None:
    own = update(webhook_clocks).where(webhook_clocks.c.link_id == link_id)
    connection.execute(own.values(over_at=shared_ms(connection)))


@dataclass(slots=True)
class WebhookHandler:
    """What the webhook routes need from their process.

    hooks: by (carrier, link); nobody: stands in for links that do not exist, and is as slow to refuse; inbox:
    None if this process takes no receipts; limit: bytes of a body; refused: how many wrong calls a minute one
    address may make at one link before its calls are not looked at.
    """

    db: Database
    hooks: Mapping[tuple[str, str], WebhookReceipts] = field(default_factory=dict)
    inbox: Inbox | None = None
    nobody: WebhookReceipts = field(default_factory=Nobody)
    trusted: Networks = ()
    limit: int = 4_194_304
    patience_s: float = 10.0
    refused: Buckets = field(default_factory=lambda: Buckets(600))
    clocks: Clocks = field(init=False)
    _signed: OrderedDict[tuple[str, str], Signed] = field(default_factory=OrderedDict, repr=False)
    _targets: dict[str, tuple[float, WebhookTarget]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.clocks = Clocks(self.db)

    def may_call(self, carrier: str, link: str, head: WebhookRequest) -> bool:
        """Return whether the link's carrier may be calling, by all that comes before the body."""
        hook = self.hooks.get((carrier, link), self.nobody)
        return not _has_head(type(hook)) or cast(WebhookHead, hook).may_call(head)

    def caller(self, carrier: str, link: str, peer: str) -> str:
        """Return the key by which wrong calls are counted: one address at one link."""
        return f"{subscriber(peer)} {link if (carrier, link) in self.hooks else ''}"

    def admit(self, carrier: str, link: str, request: WebhookRequest) -> WebhookReceipts | None:
        """Return the link's webhook if its carrier calls; None for a stranger or an unknown link."""
        hook = self.hooks.get((carrier, link))
        admitted = (hook or self.nobody).authenticate(request)
        return hook if admitted else None

    def clock_ahead_s(self, carrier: str, link: str, request: WebhookRequest) -> int | None:
        """Return how far the carrier's clock is ahead if only that keeps the call from being admitted."""
        hook = self.hooks.get((carrier, link))
        asked = hook or self.nobody
        ahead = asked.clock_ahead_s(request) if isinstance(asked, TellsClock) else None
        return ahead if hook else None

    async def note_clock(self, link: str, ahead_s: int | None) -> None:
        """Record that calls of the link are refused for their time; None: that one was right."""
        if ahead_s is None and not self.clocks.is_due(link):
            return
        target = await self._target(link)
        if target is not None:
            await self.clocks.note(target.link.id, link, ahead_s)

    async def take(self, link: str, request: WebhookRequest, receipts: Sequence[Receipt]) -> bool:
        """Pass receipts of a call to the inbox and wait for their commit; False: the carrier is to repeat."""
        if self.inbox is None:
            return False
        target = await self._target(link)
        if target is None:
            return False
        arrivals = [Arrival(target.link, capped(receipt, target.level)) for receipt in receipts]
        call = (link, request.query, request.headers.get("content-type"), request.body)
        return await self.inbox.accept(arrivals, call, self.patience_s)

    async def once(
        self, link: str, hook: WebhookReceipts, request: WebhookRequest, take: Callable[[], Awaitable[T]]
    ) -> T | None:
        """Return what `take` returns; None, without calling it, for a signed call already taken.

        Waits for the same call under way. What was not taken may come again with its signature.
        """
        key, seconds = cast(WebhookHead, hook).once(request) if _has_head(type(hook)) else ("", 0.0)
        if not key:
            return await take()
        known = self._known(link, key)
        if known is None:
            known = self._signed[link, key] = Signed(clock.monotonic() + seconds)
        async with known.turn:
            if known.taken:
                return None
            done = await take()
            known.taken = True
            return done

    def _known(self, link: str, key: str) -> Signed | None:
        """Return the call of this signature while its window is open; forget closed ones."""
        now = clock.monotonic()
        while self._signed and (
            len(self._signed) > _SIGNATURES or next(iter(self._signed.values())).until < now
        ):
            self._signed.popitem(last=False)
        return self._signed.get((link, key))

    async def _target(self, link: str) -> WebhookTarget | None:
        """Return the link as its worker registered it; None before the first worker did."""
        known = self._targets.get(link)
        if known and clock.monotonic() - known[0] < _LINK_FRESH_S:
            return known[1]
        target = await self.db.aread(_find, link)
        if target is not None:
            self._targets[link] = clock.monotonic(), target
            if known is None and target.level is ReceiptLevel.NONE:
                log.warning("receipts of this link are ignored: its receipt_level is none", link=link)
        return target


@cache
def _has_head(kind: type[WebhookReceipts]) -> bool:
    """Whether this kind of webhook judges a head; a protocol's own look takes longer than a signature's."""
    return issubclass(kind, WebhookHead)


def sound(parsed: ReceiptsRead) -> ReceiptsRead:
    """Return what an adapter parsed, without the receipts that no database would store."""
    if all(map(_storable, parsed.receipts)):
        return parsed
    good = [receipt for receipt in parsed.receipts if _storable(receipt)]
    bad = [place for place, receipt in enumerate(parsed.receipts) if not _storable(receipt)]
    return ReceiptsRead(good, [*parsed.misread, *(Misread(f"[{place}]", _UNSTORABLE) for place in bad)])


def _storable(receipt: Receipt) -> bool:
    """A receipt that can't be stored would fail all the others of its commit."""
    texts = (receipt.reference or "", receipt.code, receipt.raw)
    return (
        (receipt.phone is None or _PHONE.fullmatch(receipt.phone) is not None)
        and len(texts[0]) <= _ID_LIMIT
        and all(text.isascii() or not _HALF.search(text) for text in texts)
        and not any("\0" in text for text in texts)
        and (
            receipt.done_at is None or (receipt.done_at.tzinfo is not None and receipt.done_at.year in _YEARS)
        )
    )


def _find(connection: Connection, link: str) -> WebhookTarget | None:
    row = connection.execute(select(links).where(links.c.name == link)).first()
    if row is None:
        return None
    return WebhookTarget(Link(row.id, row.name, row.carrier, row.group_id), ReceiptLevel(row.receipt_level))


def capped(receipt: Receipt, level: ReceiptLevel) -> Receipt:
    """Limit the receipt to the level that receipts of its link can prove."""
    if receipt.level <= level:
        return receipt
    if level is ReceiptLevel.NONE and receipt.status is ReceiptStatus.DELIVERED:
        return receipt._replace(level=level, status=ReceiptStatus.UNKNOWN)
    return receipt._replace(level=level)
