"""What a carrier adapter must implement, and the result types it may use. Read this file first."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import Enum, IntEnum, StrEnum
from typing import NamedTuple, Protocol, runtime_checkable


def since_boot() -> float:
    """Return seconds on a clock that never jumps and keeps running during suspend; used for deadlines."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if clock is None else time.clock_gettime(clock)


class Permit:
    """Until when (`since_boot`) messages may be written; checked again right before each write.

    The send loop prolongs it together with its lease. No message is started at `closes`, the end of the
    sending hours, or later. When it is withdrawn, unwritten messages are returned at once; the remaining
    parts of a long message whose first part was written still go while the time lasts.
    """

    __slots__ = ("_listeners", "closes", "until", "withdrawn")

    def __init__(self, until: float = math.inf, closes: float = math.inf) -> None:
        self.until = until
        self.closes = closes
        self.withdrawn = False
        self._listeners: list[Callable[[], object]] = []

    @property
    def lasts(self) -> bool:
        return since_boot() < self.until

    @property
    def stands(self) -> bool:
        """Return whether a message may be started now."""
        if self.withdrawn:
            return False
        now = since_boot()
        return now < self.until and now < self.closes

    def withdraw(self) -> None:
        """Allow nothing more to be started, and have queued messages returned now."""
        self.withdrawn = True
        for listener in tuple(self._listeners):
            listener()

    @contextmanager
    def when_withdrawn(self, listener: Callable[[], object]) -> Iterator[None]:
        self._listeners.append(listener)
        try:
            yield
        finally:
            self._listeners.remove(listener)


class Encoding(StrEnum):
    """How the characters of a text are encoded: GSM 03.38 default alphabet, or UCS-2 (UTF-16BE units)."""

    GSM7 = "gsm7"
    UCS2 = "ucs2"


class ReceiptLevel(IntEnum):
    """The most that a receipt of a link can prove."""

    NONE = 0  # the link brings no receipts at all
    OPERATOR = 1  # the operator's message centre took the message
    HANDSET = 2  # the telephone took the message


class Reason(IntEnum):
    """Why a message did not arrive, in the groups of the result report (form 4).

    The numbers are stored: never renumber. If parts of a message failed for different reasons, the highest
    number wins.
    """

    NONE = 0
    OTHER = 1
    SYSTEM = 2  # the carrier's own trouble
    EXPIRED = 3  # telephone off or out of coverage until the validity ran out
    HANDSET = 4  # memory full, or the telephone can't show it
    BARRED = 5  # subscriber barred or suspended
    OTHER_NETWORK = 6  # ported to another carrier
    NO_SUCH_NUMBER = 7  # never given out, or taken back
    FILTERED = 8  # text, template or sender ID refused by a filter
    WRONG_REQUEST = 9  # we asked in a way the carrier does not take


@dataclass(frozen=True, slots=True)
class Limits:
    """What one link may carry.

    segments_per_second: the contract's rate, counted in SMS parts; in_flight: submits that may wait for an
    answer at once; per_submit: numbers in one request (1 on SMPP); one_receipt: a message gets one reference
    and one receipt, however many parts it has.
    """

    segments_per_second: float
    in_flight: int
    per_submit: int = 1
    encodings: frozenset[Encoding] = frozenset(Encoding)
    max_segments: int = 10
    one_receipt: bool = False


@dataclass(frozen=True, slots=True)
class OutboundSms:
    """One text to one subscriber: `phone` is 84 and nine digits, `sender` the registered sender ID.

    key: a unique name for this message in this attempt (letters, digits, hyphens), used as the request id
    where a carrier takes one; permit: until when it may be written, None for always; template_code: the
    carrier's id of the registered template that the text fits, as approved, for links that send it along.
    """

    phone: str
    text: str
    sender: str
    validity_s: int | None = None
    key: str = ""
    permit: Permit | None = field(default=None, repr=False, compare=False)
    template_code: str = ""

    @property
    def may_go(self) -> bool:
        return self.permit is None or self.permit.stands


# One reference for each expected receipt: one per part, in order, or a single one (Limits.one_receipt).
# None: taken without a reference, or not taken (see the result). An empty tuple: no references at all.
References = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Accepted:
    """The carrier took the whole message. This says nothing about delivery."""

    refs: References = ()


@dataclass(frozen=True, slots=True)
class Partial:
    """The carrier took some parts and refused others. Never sent again, because that would send copies.

    refs[i] belongs to part i; `refused` holds the indexes (from 0) of the parts that were not taken.
    """

    refs: References
    refused: tuple[int, ...]
    code: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class Rejected:
    """The carrier refused the message for good; it is never sent again.

    network: the network that serves a ported number according to this carrier: viettel, vnpt, mobifone,
    vietnamobile, gmobile, or "" if it does not say.
    """

    code: str
    reason: Reason
    network: str = ""


@dataclass(frozen=True, slots=True)
class Deferred:
    """Certainly not taken; send later.

    counts: a fault of the carrier's, tolerated only a few times per message; False for throttling and for a
    link that is down. throttled: we send too fast, so the whole link slows down.
    """

    code: str
    retry_after_s: float = 0.0
    counts: bool = False
    throttled: bool = False


@dataclass(frozen=True, slots=True)
class Halted:
    """Certainly not taken, and nothing else will be until a person acts: stop the link."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """Perhaps taken: the answer was lost. Code never sends it again.

    `refs` holds the references of the parts that were answered. throttled: the answer also says that we send
    too fast, so the whole link slows down.
    """

    reason: str
    refs: References = ()
    throttled: bool = False


NOT_SENT = Deferred("not sent", 0.0)  # returned before anything was written

SubmitResult = Accepted | Partial | Rejected | Deferred | Halted | Unknown


class ReceiptStatus(Enum):
    """What a receipt says about one part."""

    IN_TRANSIT = "in_transit"  # accepted, en route, retrying: nothing final
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    EXPIRED = "expired"
    UNKNOWN = "unknown"  # the carrier itself does not know, or its code is not in our tables


class Receipt(NamedTuple):
    """What the carrier reported later about one part of one message.

    reference: the carrier's id in the canonical form that its submit answers use, None if it gives none (the
    receipt is then matched by phone if that is unambiguous); phone: 84 and nine digits if the receipt names
    one; done_at: aware, as the carrier states it; code: the carrier's own code, unchanged; raw: the receipt
    as text, for people; sender: the sender ID in it; by_id_only: a subscriber could have written this
    receipt, so only its id may match it.
    """

    reference: str | None
    phone: str | None
    status: ReceiptStatus
    level: ReceiptLevel
    reason: Reason = Reason.NONE
    code: str = ""
    done_at: datetime | None = None
    raw: str = ""
    sender: str = ""
    by_id_only: bool = False


Acknowledge = Callable[[bool], None]  # True: committed. False: not taken, the carrier must repeat it
ReceiptSink = Callable[[Receipt, Acknowledge], None]


class Carrier(Protocol):
    """One link to one carrier: a bind (or several to one message centre), or one HTTP account."""

    name: str
    limits: Limits
    receipt_level: ReceiptLevel

    async def open(self) -> None:
        """Start to keep the link up. Return at once and keep trying until close()."""
        ...

    async def close(self) -> None:
        """Wait for requests in flight, at most the answer timeout, then disconnect cleanly."""
        ...

    async def ready(self) -> None:
        """Wait, without spinning, until the link can take a message."""
        ...

    def halted(self) -> Halted | None:
        """Return why the link needs a person (a wrong password, say), or None."""
        ...

    async def submit(self, messages: Sequence[OutboundSms]) -> Sequence[SubmitResult]:
        """Send the messages and return one result for each, in order. No answer of a carrier raises."""
        ...

    async def written(self) -> None:
        """Wait until no submitted message is still queued; queued messages would go out in one burst."""
        ...

    def segments(self, text: str) -> int:
        """Return how many SMS parts this link makes of the text: the unit of its rate and its references."""
        ...


@runtime_checkable
class StreamReceipts(Protocol):
    """A link that pushes receipts (SMPP deliver_sm); they are acknowledged only after the commit."""

    def deliver_to(self, sink: ReceiptSink) -> None: ...


class WebhookRequest(NamedTuple):
    """One incoming webhook call, not authenticated yet.

    query: as received, without the question mark; headers: names in lower case, repeated ones joined by ", ";
    peer: the caller's address, "" if unknown; at: when it arrived, in seconds since 1970; token: the path
    segment after the link's name.
    """

    method: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    peer: str
    at: float
    token: str = ""


@dataclass(frozen=True, slots=True)
class Misread:
    """A webhook field that can't be read, as in "[17].status", and what it must be."""

    field: str
    what: str


@dataclass(frozen=True, slots=True)
class ReceiptsRead:
    """The receipts of a webhook call, and the fields that could not be read."""

    receipts: Sequence[Receipt]
    misread: Sequence[Misread] = ()


@dataclass(frozen=True, slots=True)
class WebhookAnswer:
    """The body that the carrier expects, with status 200, once its receipts are committed."""

    body: bytes = b'{"status":1}'
    content_type: str = "application/json"


@runtime_checkable
class WebhookReceipts(Protocol):
    """A link whose carrier calls us with receipts. Its methods are also called while the link is not open."""

    @property
    def acknowledgement(self) -> WebhookAnswer: ...

    def authenticate(self, request: WebhookRequest) -> bool:
        """Check the carrier's credentials in constant time, before the body is parsed."""
        ...

    def parse_receipts(self, request: WebhookRequest) -> ReceiptsRead:
        """Parse the call. Malformed input is reported in the result and never raises."""
        ...


@dataclass(frozen=True, slots=True)
class Question:
    """A status query: the message's reference, phone, sender ID and sending time."""

    reference: str
    phone: str
    sender: str
    sent_at: datetime


@runtime_checkable
class QueriedReceipts(Protocol):
    """A link that can be asked for a message's status (query_sm, a carrier's status call).

    queries_per_second: how many queries the link bears beside its sending.
    """

    queries_per_second: float

    async def query(self, question: Question) -> Receipt | None:
        """Ask for the status; None if the carrier does not know the message or does not answer now."""
        ...


@runtime_checkable
class ListedFailures(Protocol):
    """A link that lists the subscribers it could not reach on a day.

    A subscriber who is not listed is not thereby delivered.
    """

    async def failures(self, day: date, sender: str) -> Sequence[Receipt]:
        """Return the failures listed for the sender ID on that day; ReadError if the carrier can't say."""
        ...


@dataclass(frozen=True, slots=True)
class OwnFigure:
    """One figure stated by the carrier, under the carrier's name for it; never mixed with receipts."""

    period: str  # a day or an hour, as the carrier writes it
    name: str
    count: int


@runtime_checkable
class OwnFigures(Protocol):
    """A link that states its own totals."""

    async def figures(self, first: date, last: date) -> Sequence[OwnFigure]:
        """Return the carrier's totals for these days, both included; ReadError if it can't say."""
        ...


@dataclass(frozen=True, slots=True)
class CheckFinding:
    """One finding of a link check; `good` says whether it is as it should be."""

    good: bool
    what: str


@runtime_checkable
class PlainLine(Protocol):
    """A link that knows which hosts it talks to without TLS; whoever starts it must justify that."""

    @property
    def plain_hosts(self) -> Sequence[str]:
        """Return the names or addresses of these hosts; none if all traffic is encrypted."""
        ...


@runtime_checkable
class Checked(Protocol):
    """A link that can check its account (contract, sender ID, balance) without sending anything."""

    async def check(self) -> Sequence[CheckFinding]:
        """Return findings as sentences. A failure is a finding, not an exception."""
        ...


class ReadError(Exception):
    """The carrier could not be asked, or its answer can't be read. The message holds no secret."""


@dataclass(frozen=True, slots=True)
class LinkOptions:
    """One link as configured; `options` are the adapter's own and checked by the adapter."""

    name: str
    carrier: str
    segments_per_second: float
    options: dict[str, object] = field(default_factory=dict)


class LinkError(ValueError):
    """A link's settings are wrong; the message names the link, the setting and the remedy."""


# ---- How a link is doing: an adapter keeps a HealthRecord, and reports LinkHealth

LONGEST_WORDS = 200
STILL_SAYS_S = 900.0  # how long a refusal stays valid when nothing more is sent
# A message has waited this long, or two thirds of a shorter patience: then it is said, long before it is
# given up. Nothing else follows from it: what is sent, and what counts as unknown, stays as it is.
WAITING_SAID_AFTER_S = 10.0


@dataclass(frozen=True, slots=True)
class LinkHealth:
    """The state of a link in this process; times are those of `since_boot`, None if it never happened.

    connected_since, lost_since: since when messages can go, or can't; both None before the first try and
    after close(); answered_at: the latest answer to a message; refusal: why the link was last refused or
    lost; probing: why only single messages go, as probes; refusing_since: since when every answer was "not
    now", the last of them `refusal`; remark: what a person should look at although messages go;
    waiting_since: since when messages have waited without any answer, once that is long.
    """

    connected_since: float | None = None
    lost_since: float | None = None
    answered_at: float | None = None
    refused_at: float | None = None
    refusal: str = ""
    probing: str = ""
    remark: str = ""
    refusing_since: float | None = None
    waiting_since: float | None = None


@runtime_checkable
class ReportsHealth(Protocol):
    def health(self) -> LinkHealth: ...


@dataclass(slots=True)
class HealthRecord:
    """The mutable record behind LinkHealth; each method notes a change at the time of the call."""

    connected_since: float | None = None
    lost_since: float | None = None
    answered_at: float | None = None
    refused_at: float | None = None
    refusal: str = ""
    probing: str = ""
    remark: str = ""
    refusing_since: float | None = None
    _refuses_until: float = 0.0

    def connected(self) -> None:
        """Note that messages can go; keep the earlier time if they already could."""
        if self.connected_since is None:
            self.connected_since, self.lost_since = since_boot(), None

    def lost(self) -> None:
        """Note that no message can go; keep the earlier time if none could before."""
        if self.lost_since is None:
            self.connected_since, self.lost_since, self.probing = None, since_boot(), ""
            self.refusing_since = None

    def closed(self) -> None:
        self.connected_since, self.lost_since, self.probing = None, None, ""
        self.refusing_since = None

    def answered(self) -> None:
        """Note an answer to a message, whatever it said."""
        self.answered_at = since_boot()

    def refused(self, why: str) -> None:
        """Note that the carrier refused the bind or the request, or could not be reached."""
        self.refused_at, self.refusal = since_boot(), why

    def took(self) -> None:
        """Note that the carrier took a message or refused it for good: it does process messages."""
        self.refusing_since = None

    def put_off(self, why: str, for_s: float) -> None:
        """Note that the carrier took nothing and wants the messages later, after `for_s` seconds."""
        self.refused(why)
        now = since_boot()
        if self.refusing_since is None or now > self._refuses_until:
            self.refusing_since = now
        self._refuses_until = now + max(for_s, STILL_SAYS_S)

    def waiting_since(self, waited_s: float, patience_s: float) -> float | None:
        """Return since when nothing was answered, None if that is not long.

        waited_s: how long the oldest message waits; patience_s: after how long it is given up.
        """
        since = max(since_boot() - waited_s, self.answered_at or 0.0)
        return since if since_boot() - since >= said_after(patience_s) else None

    def facts(self, *, is_probing: bool = True) -> LinkHealth:
        """Return a snapshot; is_probing: whether a part that probes counts for the whole link."""
        return LinkHealth(
            self.connected_since,
            self.lost_since,
            self.answered_at,
            self.refused_at,
            self.refusal,
            self.probing if is_probing else "",
            self.remark,
            self.refusing_since if since_boot() <= self._refuses_until else None,
        )


def said_after(patience_s: float) -> float:
    """Return how long messages may wait before pages and alarms say so."""
    return min(WAITING_SAID_AFTER_S, patience_s * 2 / 3)
