"""Behind the webhooks: which link is meant, whether its carrier calls, and how receipts reach the inbox."""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

import structlog
from sqlalchemy import Connection, select

from app.api.client_address import Networks
from app.api.token_buckets import Buckets, subscriber
from app.core import clock
from app.database.connection import Database
from app.database.models import lanes
from app.ledger.contract import Arrival, Lane
from app.receipts.carrier_clocks import Clocks
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
_YEARS = range(2000, 2100)  # beyond some years a time can't be shown
_UNSTORABLE = "has a reference, a phone, a time or a text that can't be stored."
# Remembered in this process; the oldest is forgotten first.
_SIGNATURES = 100_000
# A worker that starts may bring a lane's row up to date.
_LANE_FRESH_S = 30.0


class Nobody:
    """The webhook of a link that is not there: the same answer as to wrong credentials."""

    acknowledgement = WebhookAnswer()

    def may_call(self, _request: WebhookRequest) -> bool:
        """Never."""
        return False

    def once(self, _request: WebhookRequest) -> tuple[str, float]:
        """Nothing is signed."""
        return "", 0.0

    def authenticate(self, _request: WebhookRequest) -> bool:
        """Never."""
        return False

    def parse_receipts(self, _request: WebhookRequest) -> ReceiptsRead:
        """Nothing."""
        return ReceiptsRead(())


class WebhookTarget(NamedTuple):
    """Where a link's receipts go, and the most that they may claim."""

    lane: Lane
    level: ReceiptLevel


@dataclass(slots=True)
class Signed:
    """One signature: until when a call with it is the same call, and whether it has been taken."""

    until: float
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    taken: bool = False


@dataclass(slots=True)
class WebhookHandler:
    """What the routes need of the process around them.

    hooks: by (carrier, link); nobody: stands in for links that are not there, and takes as long to say no;
    inbox: None where this process takes no receipts; limit: bytes of a body; refused: how many wrong calls
    one address may make in a minute at one link, before no call of its is looked at.
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
    _desks: dict[str, tuple[float, WebhookTarget]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.clocks = Clocks(self.db)

    def may_call(self, carrier: str, link: str, head: WebhookRequest) -> bool:
        """Whether the link's carrier may be calling, by all that comes before the body."""
        hook = self.hooks.get((carrier, link), self.nobody)
        return not isinstance(hook, WebhookHead) or hook.may_call(head)

    def caller(self, carrier: str, link: str, peer: str) -> str:
        """Whose wrong calls are counted together: those of one address at one link."""
        return f"{subscriber(peer)} {link if (carrier, link) in self.hooks else ''}"

    def admit(self, carrier: str, link: str, request: WebhookRequest) -> WebhookReceipts | None:
        """The link's webhook, where its carrier calls; None for a stranger and for an unknown link."""
        hook = self.hooks.get((carrier, link))
        admitted = (hook or self.nobody).authenticate(request)
        return hook if admitted else None

    def clock_ahead_s(self, carrier: str, link: str, request: WebhookRequest) -> int | None:
        """How far the clock of the link's carrier is ahead, where that alone is why it is not admitted."""
        hook = self.hooks.get((carrier, link))
        asked = hook or self.nobody
        ahead = asked.clock_ahead_s(request) if isinstance(asked, TellsClock) else None
        return ahead if hook else None

    async def note_clock(self, link: str, ahead_s: int | None) -> None:
        """Write down that calls of the link are refused for their time; None: that one was right."""
        if ahead_s is None and not self.clocks.is_due(link):
            return
        desk = await self._desk(link)
        if desk is not None:
            await self.clocks.note(desk.lane.id, link, ahead_s)

    async def take(self, link: str, asked: WebhookRequest, receipts: Sequence[Receipt]) -> bool:
        """Bring these to the inbox and wait for their commit; False: not now, let the carrier repeat.

        asked: the call that told of them.
        """
        if self.inbox is None:
            return False
        desk = await self._desk(link)
        if desk is None:
            return False
        arrivals = [Arrival(desk.lane, capped(receipt, desk.level)) for receipt in receipts]
        return await self.inbox.accept(arrivals, (link, asked.query, asked.body), self.patience_s)

    async def once(
        self, link: str, hook: WebhookReceipts, asked: WebhookRequest, take: Callable[[], Awaitable[T]]
    ) -> T | None:
        """What `take` returns; None, without it, for a signed call that has been taken already.

        One that is under way is waited for. What was not taken may come again with its signature.
        """
        key, seconds = hook.once(asked) if isinstance(hook, WebhookHead) else ("", 0.0)
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
        """The call of this signature, where its window is still open; closed ones are forgotten."""
        now = clock.monotonic()
        while self._signed and (
            len(self._signed) > _SIGNATURES or next(iter(self._signed.values())).until < now
        ):
            self._signed.popitem(last=False)
        return self._signed.get((link, key))

    async def _desk(self, link: str) -> WebhookTarget | None:
        """The link's lane as its worker has registered it; None before the first worker has."""
        known = self._desks.get(link)
        if known and clock.monotonic() - known[0] < _LANE_FRESH_S:
            return known[1]
        desk = await self.db.aread(_find, link)
        if desk is not None:
            self._desks[link] = clock.monotonic(), desk
            if known is None and desk.level is ReceiptLevel.NONE:
                log.warning("receipts of this link claim nothing: its receipt_level is none", link=link)
        return desk


def sound(told: ReceiptsRead) -> ReceiptsRead:
    """What an adapter has understood, without the receipts that no database would store."""
    if all(map(_storable, told.receipts)):
        return told
    good = [receipt for receipt in told.receipts if _storable(receipt)]
    bad = [place for place, receipt in enumerate(told.receipts) if not _storable(receipt)]
    return ReceiptsRead(good, [*told.misread, *(Misread(f"[{place}]", _UNSTORABLE) for place in bad)])


def _storable(receipt: Receipt) -> bool:
    """One that could not be written would keep all the others of its commit from being written."""
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
    row = connection.execute(select(lanes).where(lanes.c.name == link)).first()
    if row is None:
        return None
    return WebhookTarget(Lane(row.id, row.name, row.carrier, row.group_id), ReceiptLevel(row.receipt_level))


def capped(receipt: Receipt, level: ReceiptLevel) -> Receipt:
    """The receipt, claiming no more than receipts of its link can prove."""
    if receipt.level <= level:
        return receipt
    if level is ReceiptLevel.NONE and receipt.status is ReceiptStatus.DELIVERED:
        return receipt._replace(level=level, status=ReceiptStatus.UNKNOWN)
    return receipt._replace(level=level)
