"""The ledger's types, and what its two database engines must do.

The rules are written once: ledger.py (fan-out, claims, leases), submit_results.py (reserve, record),
receipts.py (apply), unknown_outcomes.py (decisions), tallies.py and erasure.py. Their SQL is in engines/.

Every operation runs in a transaction that app/database/connection.py has begun, and may safely be repeated
when the outcome of its commit is unknown.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from app.core.clock import DAY_MS
from app.core.errors import require
from app.core.states import DeliveryState, DeliveryStatus
from carriers.contract import Receipt, SubmitResult

if TYPE_CHECKING:
    from app.ledger.engines.postgresql import PostgresqlEngine
    from app.ledger.engines.sqlite import SqliteEngine

# The send loop goes no slower than a tenth of its link's rate; this bounds what a link's row can reserve.
SLOWEST = 0.1
# For so long after its sending a failure counts where a run is judged (app/dispatch/suspend_sweep.py).
JUDGED_MS = 900_000
EVER = 1 << 60  # later than any time in ms
# How long before its message's row an early receipt may have come.
EARLY_MS = 600_000
# Carriers try for two days at most, and an id stays with a phone's number for no longer.
VALIDITY_MS = 5 * DAY_MS
# Why a message is unknown (unknowns.why) where Loa itself lost the answer: it says nothing of the carrier.
DIED = "the process that was sending it stopped"
LOST = "the database lost the answer after it was recorded"
WENT_BACK = "the database was put back to a time before it may have been sent"


class ResultKind(IntEnum):
    """What a submission row records. Values are stored: never renumber."""

    ACCEPTED = 1
    REJECTED = 2
    DEFERRED = 3
    HALTED = 4
    UNKNOWN = 5
    SETTLED = 6  # the reference came later, in a receipt for a delivery that was unknown


# With one of these the carrier has a message, or may.
TAKEN = (ResultKind.ACCEPTED, ResultKind.UNKNOWN, ResultKind.SETTLED)


class StateEvent(IntEnum):
    """Changes of a delivery that no submission or receipt records. Values are stored: never renumber."""

    LOST = 1  # became unknown: no answer came, or the sending process stopped
    # Was unknown, and the carrier said late that it had not taken it. In ledgers from before rounds also:
    # sent again by a person's order, with the reason of the refusal if it had been rejected.
    REQUEUED = 2
    WRITTEN_OFF = 3  # unknown, and a person decided to leave it so
    PARTLY = 4  # some parts were refused, for the event's reason
    REFUSED = 5  # in ledgers from before rounds alone: sent again by an order and refused, for this reason


@dataclass(frozen=True, slots=True)
class Link:
    """A link as the ledger knows it. Links whose receipts may arrive on each other share a `group_id`.

    one_receipt: the carrier gives one reference and one receipt per message, whatever its number of parts.
    content_hash: hash of what the link's settings make of a text; empty if unknown. pace_id: the link by
    whose row the pace is kept, the first one of its account; None: itself.
    """

    id: int
    name: str
    carrier: str
    group_id: int
    one_receipt: bool = False
    content_hash: str = ""
    pace_id: int | None = None


@dataclass(frozen=True, slots=True)
class FanOutResult:
    """Result of one fan_out: deliveries made, subscribers left out, and whether more remain.

    repeated: left out because the campaign already has the number or the do-not-send list contains it.
    """

    queued: int
    repeated: int
    more: bool


class DeliveryToSend(NamedTuple):
    """One delivery to send; faults: failures on the carrier's side so far."""

    seq: int
    phone: int
    area: str | None
    segments: int
    faults: int


@dataclass(frozen=True, slots=True)
class ChunkLease:
    """A chunk leased to one send loop; `items` are still to be sent.

    `attempt` is the fencing number. It is compared together with `owner`, because a failover that loses a
    claim gives the same number out again.
    """

    campaign_id: int
    batch_id: int
    run_id: int
    first_seq: int
    last_seq: int
    pass_no: int
    attempt: int
    items: Sequence[DeliveryToSend]
    lost: int = 0  # deliveries that a dead holder had reserved and never recorded: now unknown
    owner: str = ""
    budget: int | None = None  # the campaign whose budget it is counted against; None: without one
    waiting: int = 0  # deliveries that wait until it is known whether another round has reached their numbers


@dataclass(frozen=True, slots=True)
class Reservation:
    """The next sub-batch: deliveries up to `upto`, and `segments` of the link's rate.

    stretch: factor on the time that each segment takes at the contract's rate (2, 4 ... while throttled).
    least: segments of the first of these deliveries.
    """

    upto: int
    segments: int
    stretch: float = 1.0
    least: int = 1


@dataclass(frozen=True, slots=True)
class ReservationResult:
    """Answer to a reservation. The sub-batch may be sent only if `go` is true.

    held: the lease still stands; start: monotonic seconds at which the first reserved segment may go, fixed
    before the commit so that a slow one does not delay it. left: segments that the campaign's budget has
    left, if it is too small for the sub-batch: the next may have as many.
    """

    held: bool
    go: bool
    start: float = 0.0
    left: int | None = None


class MarkedUnknown(NamedTuple):
    """How many deliveries became unknown, and how many chunks of the run are still open."""

    unknown: int
    left: int


class Closed(NamedTuple):
    """How many chunks were closed, and how many of the run are still open, leased or not."""

    chunks: int
    left: int


class SubmitOutcome(NamedTuple):
    """One delivery and the carrier's answer."""

    item: DeliveryToSend
    result: SubmitResult


class Arrival(NamedTuple):
    """One receipt and the link it arrived on.

    about: the delivery it refers to as a whole, if known; otherwise it is matched by its reference or,
    without one, by its phone.
    """

    link: Link
    receipt: Receipt
    about: DeliveryKey | None = None


@dataclass(slots=True)
class Applied:
    """What became of a group of receipts."""

    matched: int = 0
    changed: int = 0
    repeated: int = 0
    quarantined: int = 0
    # Seconds from submission to receipt, for the latency metric.
    latencies: list[float] = field(default_factory=list)


class DeliveryKey(NamedTuple):
    """Primary key of a delivery."""

    campaign_id: int
    batch_id: int
    seq: int


class TallyCount(NamedTuple):
    """One row of the tallies: `n` deliveries with `segments` SMS parts in total."""

    run_id: int
    batch_id: int
    area: str | None
    state: int
    reason: int
    n: int
    segments: int


# ---- What an engine does, and the records that pass between it and the rules

Row = tuple[Any, ...]
TALLY = ("campaign_id", "run_id", "batch_id", "area", "state", "reason", "n", "segments")
RECEIPT_COLUMNS = (
    *("received_at", "done_at", "phone", "link_id", "group_id", "level"),
    *("reason", "status", "reference", "code", "raw"),
)
JOURNAL = ("campaign_id", "batch_id", "seq", "part", "changed", *RECEIPT_COLUMNS, "matched_at")
SUBMISSION = (
    *("campaign_id", "batch_id", "seq", "attempt", "part", "at", "link_id"),
    *("group_id", "result", "reference", "code", "network"),
)
# Twice the most that one process can have reserved: two halves of a sub-batch, each half a second or one
# message of 15 parts, ten times slower while throttled. A reservation beyond this was made by a clock that
# was set back since; the link then goes on after half of it, when everything on the wire has surely left.
FURTHEST_US = "(4000000 + 600000000 / segments_per_second)"


class OpenChunk(NamedTuple):
    """A chunk just claimed; `dead`: the previous holder's lease ran out."""

    campaign_id: int
    batch_id: int
    run_id: int
    first_seq: int
    last_seq: int
    watermark: int
    pass_no: int
    attempt: int
    link_id: int | None
    dead: bool


def due_of(chunk: OpenChunk) -> tuple[int, int, int, int, int]:
    """Return the values of TO_SEND for this chunk."""
    after = max(chunk.first_seq - 1, chunk.watermark)
    return chunk.campaign_id, chunk.batch_id, after, chunk.last_seq, chunk.pass_no


class ChunkClaim(NamedTuple):
    """Who claims a chunk, and for how long; `early` includes chunks whose back-off still runs."""

    owner: str
    link_id: int | None
    lease_ms: int
    early: bool = False


class LeaseCheck(NamedTuple):
    """Whether the lease stands, whether run and link still run, and the time on the shared clock."""

    held: bool
    goes_on: bool
    now: int


class Snapshot(NamedTuple):
    """What receipts need to know at the start: the shared clock's time, and state of campaigns and links.

    closed: campaigns being erased, which no receipt changes; groups: the current receipt group of each link;
    open: recently sent campaigns, which nearly all receipts concern; None if one table holds all campaigns.
    lasts: when the last message of each of these was recorded, or EVER; past: the same for all older ones.
    all_named: those of `open` that have ended and whose messages all bear an id.
    """

    now: int
    closed: frozenset[int]
    groups: Mapping[int, int]
    open: tuple[int, ...] | None = None
    lasts: tuple[int, ...] = ()
    past: int = EVER
    all_named: frozenset[int] = frozenset()

    def rounds(self) -> list[tuple[tuple[int, ...] | None, int]]:
        """Return which campaigns to search, None for all, and how late a message can be that is elsewhere.

        First those that have sent within a day, since the receipts of these come in great number.
        """
        if self.open is None:
            return [(None, 0)]
        last = dict(zip(self.open, self.lasts, strict=True))
        some = tuple(campaign for campaign in self.open if last[campaign] > self.now - DAY_MS)
        rest = [last[campaign] for campaign in self.open if campaign not in some]
        first = [(some, max(rest))] if some and rest else []
        return [*first, (self.open, 0), (None, 0)] if self.open else [(None, 0)]


class SubmissionQuery(NamedTuple):
    """Search for submissions of a link of the group, recorded between the two times."""

    group_id: int
    reference: str
    phone: int | None
    earliest: int
    latest: int


class Named(NamedTuple):
    """The numbers and the references of receipts that bear one.

    ruled_out: campaigns whose messages all bear ids, and none of these.
    """

    phones: Collection[int] = ()
    references: Collection[str] = ()
    ruled_out: Collection[int] = ()


class Recorded(NamedTuple):
    """New values of one delivery after a submit."""

    seq: int
    state: int
    reason: int
    parts: int
    failed: int
    attempts: int
    faults: int


SENT_BEFORE = (
    "A message was queued again although its answer is already recorded, so the database was "
    "altered. No answer "
    "was recorded. Cancel the run, then run loa verify."
)


class Written(NamedTuple):
    """Which deliveries were updated; early: a receipt with one of their references waits in quarantine."""

    seqs: set[int]
    early: bool


class SideWrites(NamedTuple):
    """Rows written together with deliveries if all of these were in their old state."""

    submissions: Sequence[Row]
    tallies: Sequence[Row]
    references: Sequence[str]


WHOLE = -1  # instead of a part: the receipt is about the whole message
# Submissions read per reference: more than a message has parts. At this number the reference proves nothing,
# and the phone decides instead.
CROWD = 16


TAKEN_BACK = (
    "A receipt contradicts an earlier one about the same part and was not applied. Please report this bug."
)


class MatchedDelivery(NamedTuple):
    """The submission and the delivery that a receipt refers to; the delivery is locked."""

    nth: int  # index of the receipt
    at: int
    part: int  # or WHOLE
    campaign_id: int
    batch_id: int
    seq: int
    run_id: int
    phone: int
    area: str | None
    segments: int
    submitted_at: int | None
    done_at: int | None
    state: int
    reason: int
    parts: int
    delivered: int
    relayed: int
    failed: int
    attempt: int = 0  # of the submission
    result: int = 0  # of the submission, see ResultKind
    crowd: int = 1  # submissions found with this reference, at most CROWD
    submitted: bool = True  # a submission by which the carrier has it, or may, is recorded

    @property
    def key(self) -> DeliveryKey:
        return DeliveryKey(self.campaign_id, self.batch_id, self.seq)

    def standing(self, on_way: int = 0) -> DeliveryStatus:
        """Return the fields that core/states.py computes with."""
        masks = (self.delivered, self.relayed, self.failed, on_way)
        return DeliveryStatus(self.state, self.reason, self.parts, *masks)

    def require_only_added(self, new: DeliveryStatus) -> None:
        """Raise Impossible where a receipt would take back what another has said of a part."""
        before = (self.delivered, self.relayed, self.failed)
        after = (new.delivered, new.relayed, new.failed)
        require(all(old & ~now == 0 for old, now in zip(before, after, strict=True)), TAKEN_BACK)


# What is due in this pass of (campaign, batch, after, last, pass); {0} is the driver's placeholder.
TO_SEND = f"""
    SELECT seq, phone, area, segments, faults FROM deliveries
     WHERE campaign_id = {{0}} AND batch_id = {{0}} AND seq > {{0}} AND seq <= {{0}} AND attempts < {{0}}
       AND state = {int(DeliveryState.QUEUED)} ORDER BY seq
"""  # noqa: S608 - constants of ours; values are bound


# Either engine: SqliteEngine says what each method does, and every call is checked against both. `connection`
# always belongs to a write transaction. Lock order of all operations: chunk, run, deliveries in key order,
# unknowns, link. Quarantined receipts are locked before their deliveries, always with SKIP LOCKED.
Engine: TypeAlias = "SqliteEngine | PostgresqlEngine"
