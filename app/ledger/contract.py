"""The ledger's types, and what its two database engines must do.

The rules are written once: ledger.py (fan-out, claims, leases), submit_results.py (reserve, record),
receipts.py (apply), unknown_outcomes.py (decisions), tallies.py and erasure.py. Their SQL is in engines/.

Every operation runs in a transaction that app/database/connection.py has begun, and may safely be repeated
when the outcome of its commit is unknown.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, ClassVar, NamedTuple

from sqlalchemy import ColumnElement, Connection, Table

from app.core.clock import DAY_MS
from app.core.invariants import require
from app.core.states import DeliveryState, DeliveryStatus
from app.database.models import deliveries, receipts, submissions
from carriers.contract import Receipt, SubmitResult

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


# With one of these the carrier has a message, or may; others say nothing of a later sending.
TAKEN = (ResultKind.ACCEPTED, ResultKind.UNKNOWN, ResultKind.SETTLED)


class StateEvent(IntEnum):
    """Changes of a delivery that no submission or receipt records. Values are stored: never renumber."""

    LOST = 1  # became unknown: no answer came, or the sending process stopped
    # Was unknown, and is sent again by a person's decision or a late "not accepted"; or was rejected, and is
    # sent again by an order: then with the reason of the refusal.
    REQUEUED = 2
    WRITTEN_OFF = 3  # unknown, and a person decided to leave it so
    PARTLY = 4  # some parts were refused, for the event's reason
    REFUSED = (
        5  # sent again and refused, for the event's reason, which a receipt of before may take from the row
    )


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
    """One delivery to send.

    faults: failures on the carrier's side so far; resends: times a person had it sent again while unknown.
    """

    seq: int
    phone: int
    area: str | None
    segments: int
    faults: int
    resends: int = 0


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
    "received_at",
    "done_at",
    "phone",
    "link_id",
    "group_id",
    "level",
    "reason",
    "status",
    "reference",
    "code",
    "raw",
)
JOURNAL = ("campaign_id", "batch_id", "seq", "part", "changed", *RECEIPT_COLUMNS, "matched_at")
SUBMISSION = (
    "campaign_id",
    "batch_id",
    "seq",
    "attempt",
    "part",
    "at",
    "link_id",
    "group_id",
    "result",
    "reference",
    "code",
    "network",
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
    "A receipt would take back what another has said of a part; it was not applied. Tell the makers of Loa."
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
    resends: int = 0
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
    SELECT seq, phone, area, segments, faults, resends FROM deliveries
     WHERE campaign_id = {{0}} AND batch_id = {{0}} AND seq > {{0}} AND seq <= {{0}} AND attempts < {{0}}
       AND state = {int(DeliveryState.QUEUED)} ORDER BY seq
"""  # noqa: S608 - constants of ours; values are bound


class Engine(ABC):
    """What differs between the two database engines; `connection` always belongs to a write transaction.

    Lock order of all operations: chunk, run, deliveries in key order, unknowns, link. Quarantined receipts
    are locked before their deliveries, always with SKIP LOCKED.
    """

    ranges_at_once: ClassVar[int]  # ranges of seq for which one statement still uses the primary key

    sliced: ClassVar[Sequence[Table]] = (submissions, deliveries, receipts)  # erased chunk by chunk

    @abstractmethod
    def open_campaign(self, connection: Connection, campaign_id: int) -> None:
        """Make room for a campaign's deliveries: a partition, if the engine has them."""

    @abstractmethod
    def now_ms(self, connection: Connection) -> int:
        """Return the time of the clock that all processes share."""

    @abstractmethod
    def home(self, connection: Connection) -> str:
        """Identify this database, so that one restored from a backup is recognized as another.

        A replica promoted to primary is another one as well. Copies of SQLite are marked when they are made
        (app/ledger/transfer.py); a file copied by other means can't be told from its original.
        """

    @abstractmethod
    def append(
        self, connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[Row]
    ) -> None:
        """Insert many rows the fastest way."""

    @abstractmethod
    def add_missing(
        self, connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[Row]
    ) -> None:
        """Insert many rows, skipping those whose primary key exists."""

    @abstractmethod
    def lock_fan_out(self, connection: Connection, run_id: int, batch_id: int) -> Row | None:
        """Lock and return (campaign_id, fanned_upto, fanned_all) of the run's batch, or None."""

    @abstractmethod
    def take_chunks(
        self, connection: Connection, run_id: int, claim: ChunkClaim, limit: int
    ) -> list[OpenChunk]:
        """Lease the first due chunks of the run, in their order, skipping chunks that others hold."""

    @abstractmethod
    def to_send(self, connection: Connection, chunk: OpenChunk) -> list[DeliveryToSend]:
        """Return what is due of a chunk just claimed, by the driver alone: it is a thousand rows."""

    @abstractmethod
    def hold(self, connection: Connection, lease: ChunkLease, lease_ms: int, watermark: int | None) -> bool:
        """Extend a lease and raise its watermark; False if the lease is lost."""

    @abstractmethod
    def check_lease(
        self, connection: Connection, link: Link, lease: ChunkLease, lease_ms: int, upto: int | None
    ) -> LeaseCheck:
        """Extend the lease and, if run and link still run, raise its watermark to `upto`."""

    @abstractmethod
    def reserve(self, connection: Connection, link: Link, segments: float) -> float:
        """Reserve the link for `segments`; return the seconds from now until the first may go."""

    @abstractmethod
    def write_outcomes(
        self,
        connection: Connection,
        where: tuple[ChunkLease, int],
        old: DeliveryState,
        rows: Sequence[Recorded],
        side_writes: SideWrites,
    ) -> Written:
        """Update deliveries of (lease, link_id) that are in state `old`; write `side_writes` if all were.

        Queued deliveries count only if this pass has still to answer them, not if they were requeued since.
        """

    @abstractmethod
    def find(
        self, connection: Connection, asked: Sequence[SubmissionQuery], within: Sequence[int] | None = None
    ) -> list[MatchedDelivery]:
        """Lock and return the deliveries of these submissions in key order, filtered by phone if given.

        within: campaigns to search; None for all.
        """

    def bearing(
        self, connection: Connection, campaigns: Sequence[int], references: Collection[str]
    ) -> Sequence[int]:
        """Return those campaigns in which one of these references is; all where asking costs as much."""
        return campaigns

    @abstractmethod
    def find_of_phone(
        self, connection: Connection, asked: Sequence[SubmissionQuery], within: Sequence[int]
    ) -> list[MatchedDelivery]:
        """Do `find` by phone, which every query must state, for references that many messages share."""

    @abstractmethod
    def that_have(
        self, connection: Connection, campaigns: Sequence[int], phones: Collection[int], named: Named
    ) -> Sequence[int]:
        """Return those campaigns with a message to one of `phones`, or to one of `named` that may be meant.

        The receipts of `named` bear references: they mean a message that has none, or one of these.
        """

    @abstractmethod
    def snapshot(self, connection: Connection) -> Snapshot:
        """Read the snapshot that a group of receipts starts from."""

    @abstractmethod
    def write_applied(
        self, connection: Connection, statuses: Sequence[Row], changes: Sequence[Row], journal: Sequence[Row]
    ) -> None:
        """Write what a group of receipts changed: deliveries, tallies, and the receipts themselves.

        A standing is (campaign_id, batch_id, seq, state, reason, delivered, relayed, failed, done_at).
        """

    @abstractmethod
    def set_alike(
        self, connection: Connection, which: Sequence[ColumnElement[bool]], values: Mapping[str, object]
    ) -> list[Row]:
        """Update these deliveries under one lock; return (area, segments, n) for each area and segments."""

    @abstractmethod
    def take_quarantined(
        self, connection: Connection, column: str, values: Sequence[Any], limit: int
    ) -> list[Row]:
        """Lock and return quarantined receipts: due ones (column try_at), or those with these values."""

    @abstractmethod
    def after_fan_out(
        self, connection: Connection, run_id: int, batch_id: int, limit: int, more: bool
    ) -> None:
        """Do what the engine needs after a slice of `limit` subscribers was queued."""

    @abstractmethod
    def detach(self, connection: Connection, campaign_id: int) -> None:
        """Begin a campaign's erasure by detaching its partitions, if the engine has them.

        Raises DatabaseUnavailable while the tables are in use: try again soon.
        """

    @abstractmethod
    def drop_detached(self, connection: Connection, campaign_id: int) -> dict[str, int]:
        """Count the rows of the detached tables and drop them; rows by table, empty if there are none."""

    @abstractmethod
    def forget_for_good(self, connection: Connection) -> None:
        """Make sure that data deleted in this transaction can't be recovered from the database file."""

    @abstractmethod
    def to_note(self, connection: Connection) -> bool:
        """Return whether a campaign has ended of which the last message is not noted."""

    @abstractmethod
    def note_last(self, connection: Connection) -> None:
        """Note of one ended campaign when its last message was recorded, so that receipts pass it by."""

    @abstractmethod
    def alone(self, connection: Connection) -> bool:
        """Return whether no other process is folding; if so, keep others out until the transaction ends."""

    @abstractmethod
    def fold_new(self, connection: Connection) -> None:
        """Add appended tally changes to the single row of each key, and delete them."""
