"""What a carrier must do, and the only words for what happened. Read this file first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import Enum, IntEnum, StrEnum
from typing import NamedTuple, Protocol, runtime_checkable

from carriers.health import LinkHealth as LinkHealth
from carriers.health import ReportsHealth as ReportsHealth
from carriers.permit import Permit as Permit
from carriers.permit import since_boot as since_boot


class Encoding(StrEnum):
    """How the characters of a text travel: GSM 03.38 default alphabet, or UCS-2 (UTF-16BE units)."""

    GSM7 = "gsm7"
    UCS2 = "ucs2"


class ReceiptLevel(IntEnum):
    """The most that a receipt of a link can prove."""

    NONE = 0  # the link brings no receipts at all
    OPERATOR = 1  # the operator's message centre took the message
    HANDSET = 2  # the telephone took the message


class Reason(IntEnum):
    """Why a message did not arrive, in the groups of the result report (form 4 of the report).

    Numbers are stored: never renumber. Of parts that failed differently the higher one wins, in any order.
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

    segments_per_second: the contract's rate, counted in SMS parts; in_flight: submits that may wait for
    their answer at once; per_submit: numbers in one request (1 on SMPP); one_receipt: a message gets one
    reference and one receipt, however many parts it has.
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

    key: our own name for this message in this pass, of letters, digits and hyphens, never used twice: the
    request id where a carrier takes one; again: it was unknown, and a person has chosen to send it again;
    permit: until when it may go, None for always.
    """

    phone: str
    text: str
    sender: str
    validity_s: int | None = None
    key: str = ""
    again: bool = False
    permit: Permit | None = field(default=None, repr=False, compare=False)

    @property
    def may_go(self) -> bool:
        """Whether it may be written to the wire now."""
        return self.permit is None or self.permit.stands


# One reference for each receipt to expect: one for each part, in order, or one in all (Limits.one_receipt).
# None: taken without a reference, or not taken (see the result). An empty tuple: there are no references.
References = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Accepted:
    """The carrier took the whole message. It says nothing of delivery."""

    refs: References = ()


@dataclass(frozen=True, slots=True)
class Partial:
    """The carrier took some parts and refused the others: never sent again, since copies would follow.

    refs[i] belongs to part i; `refused` names the parts (from 0) that were not taken.
    """

    refs: References
    refused: tuple[int, ...]
    code: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class Rejected:
    """The carrier refused the message for good: never again.

    network: the carrier that serves the number by this one's word (a ported number), in the words of the
    ranges: viettel, vnpt, mobifone, vietnamobile, gmobile; "" where it says nothing.
    """

    code: str
    reason: Reason
    network: str = ""


@dataclass(frozen=True, slots=True)
class Deferred:
    """Certainly not taken; send later.

    counts: the carrier's own trouble, borne a few times only; False for throttling and for a link that is
    down, which use up no patience. throttled: we are too fast, so the whole lane slows down.
    """

    code: str
    retry_after_s: float = 0.0
    counts: bool = False
    throttled: bool = False


@dataclass(frozen=True, slots=True)
class Halted:
    """Certainly not taken, and nothing else will be until a person has acted: stop the lane."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """Perhaps taken: the answer was lost. No code ever sends it again on a guess.

    `refs` holds what is known of the parts whose answers did arrive.
    """

    reason: str
    refs: References = ()


NOT_SENT = Deferred("not sent", 0.0)  # handed over, and given back before anything was written

SubmitResult = Accepted | Partial | Rejected | Deferred | Halted | Unknown


class ReceiptStatus(Enum):
    """What a receipt says of one part."""

    IN_TRANSIT = "in_transit"  # accepted, en route, retrying: nothing final
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    EXPIRED = "expired"
    UNKNOWN = "unknown"  # the carrier itself does not know, or a code we have no word for


class Receipt(NamedTuple):
    """What the carrier said later about one part of one message.

    reference: the carrier's id in the canonical form that its submit answers also have, None where it gives
    none (it is then matched by its phone, where that leaves no doubt); phone: 84 and nine digits where the
    receipt names one; done_at: aware, as the carrier states it; code: its own code, kept as it came; raw:
    the receipt as text, for people; sender: the sender ID in it; by_id_only: it may be a subscriber's.
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


Acknowledge = Callable[[bool], None]  # True: committed. False: not taken, the carrier shall repeat it
ReceiptSink = Callable[[Receipt, Acknowledge], None]


class Carrier(Protocol):
    """One link to one carrier: a bind (or several to one message centre), or one HTTP account."""

    name: str
    limits: Limits
    receipt_level: ReceiptLevel

    async def open(self) -> None:
        """Begin to keep the link up; returns at once, and keeps trying until close()."""
        ...

    async def close(self) -> None:
        """Let what is in flight finish within the answer time, then leave in order."""
        ...

    async def ready(self) -> None:
        """Return when the link can take a message; wait, without spinning, while it can't."""
        ...

    def halted(self) -> Halted | None:
        """Why the link needs a person (a wrong password, say), or None."""
        ...

    async def submit(self, parcel: Sequence[OutboundSms]) -> Sequence[SubmitResult]:
        """Hand over the parcel; one result for each message, in order. No answer of a carrier raises."""
        ...

    async def written(self) -> None:
        """Return when nothing that was handed over waits for a place: what waits would go in one burst."""
        ...

    def segments(self, text: str) -> int:
        """How many SMS parts this link makes of the text: the unit of its rate and of its references."""
        ...


@runtime_checkable
class StreamReceipts(Protocol):
    """A link that brings receipts by itself (SMPP deliver_sm): acknowledged only after the commit."""

    def deliver_to(self, sink: ReceiptSink) -> None: ...


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """One call of a carrier at our door, before anything of it is believed.

    query: as it came, without the question mark; headers: names in lower case, repeated ones joined by ", ";
    peer: the caller's address, "" where it can't be told; at: when it came, in seconds since 1970; token:
    what follows the link's name in the path.
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
    """What of a webhook can't be read: the field, as in "[17].status", and what it must be."""

    field: str
    what: str


@dataclass(frozen=True, slots=True)
class ReceiptsRead:
    """What a webhook says: the receipts that can be read, and what can't."""

    receipts: Sequence[Receipt]
    misread: Sequence[Misread] = ()


@dataclass(frozen=True, slots=True)
class WebhookAnswer:
    """What the carrier wants to hear, with status 200, once its receipts are committed."""

    body: bytes = b'{"status":1}'
    content_type: str = "application/json"


@runtime_checkable
class WebhookReceipts(Protocol):
    """A link whose carrier calls us with receipts. Both methods are also asked of a link that is not open."""

    @property
    def acknowledgement(self) -> WebhookAnswer:
        """What this carrier wants to hear."""
        ...

    def authenticate(self, request: WebhookRequest) -> bool:
        """Whether this is the carrier, by its credentials, in constant time; asked before it is read."""
        ...

    def parse_receipts(self, request: WebhookRequest) -> ReceiptsRead:
        """What it says. Whatever was sent is an answer, never an exception."""
        ...


@dataclass(frozen=True, slots=True)
class Question:
    """Which message a carrier is asked about: its reference, its phone, its sender ID, when it was sent."""

    reference: str
    phone: str
    sender: str
    sent_at: datetime


@runtime_checkable
class QueriedReceipts(Protocol):
    """A link that can be asked what became of a message (query_sm, the carriers' status calls).

    queries_per_second: how many questions the link bears beside its sending.
    """

    queries_per_second: float

    async def query(self, question: Question) -> Receipt | None:
        """What the carrier knows; None where it does not know the message or does not answer now."""
        ...


@runtime_checkable
class ListedFailures(Protocol):
    """A link that lists the subscribers of a day whom it could not reach.

    Who is not on the list is not thereby delivered.
    """

    async def failures(self, day: date, sender: str) -> Sequence[Receipt]:
        """The failures that the carrier lists for the sender ID on that day; ReadError where it can't say."""
        ...


@dataclass(frozen=True, slots=True)
class OwnFigure:
    """One figure as the carrier itself states it, in its own name for it; never mixed with receipts."""

    period: str  # a day or an hour, as the carrier writes it
    name: str
    count: int


@runtime_checkable
class OwnFigures(Protocol):
    """A link that states its own totals."""

    async def figures(self, first: date, last: date) -> Sequence[OwnFigure]:
        """The carrier's totals of these days, both included; ReadError where it can't say."""
        ...


@dataclass(frozen=True, slots=True)
class CheckFinding:
    """One thing that a check of the link found: `good` says whether it is as it should be."""

    good: bool
    what: str


@runtime_checkable
class PlainLine(Protocol):
    """A link that knows to which hosts it speaks without TLS; who starts it wants to know why."""

    @property
    def plain_hosts(self) -> Sequence[str]:
        """Their names or addresses; none where all of it is encrypted."""
        ...


@runtime_checkable
class Checked(Protocol):
    """A link that can look at its account (contract, sender ID, balance) without sending anything."""

    async def check(self) -> Sequence[CheckFinding]:
        """What the carrier says of our account, in sentences; a failure is a finding, not an exception."""
        ...


class ReadError(Exception):
    """The carrier could not be asked, or its answer can't be read; the message says which, and no secret."""


@dataclass(frozen=True, slots=True)
class LinkOptions:
    """One link as configured: `options` are the adapter's own, checked by the adapter."""

    name: str
    carrier: str
    segments_per_second: float
    options: dict[str, object] = field(default_factory=dict)


class LinkError(ValueError):
    """A link's settings are wrong; the message names the link, the setting and the remedy."""
