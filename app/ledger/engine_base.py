"""Primitives that differ between the two database engines; the ledger's rules are built on them once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

from sqlalchemy import ColumnElement, Connection, Table, select

from app.core.clock import DAY_MS
from app.core.invariants import require
from app.core.states import DeliveryState, DeliveryStatus
from app.database.models import erasures, links
from app.ledger.contract import ChunkLease, DeliveryKey, DeliveryToSend, Link
from app.ledger.receipt_times import EVER

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


SENT_BEFORE = (
    "A message was queued again whose answer is recorded already, so the database was altered; no answer was "
    "recorded. Cancel the run, and look at loa verify."
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


class EngineBase(ABC):
    """Primitives; `connection` always belongs to a write transaction.

    Lock order of all operations: chunk, run, deliveries in key order, unknowns, link. Quarantined receipts
    are locked before their deliveries, always with SKIP LOCKED.
    """

    ranges_at_once: ClassVar[int]  # ranges of seq for which one statement still uses the primary key

    def __init__(self, chunk_size: int = 1000) -> None:
        self.chunk_size = chunk_size

    @abstractmethod
    def open_campaign(self, connection: Connection, campaign_id: int) -> None:
        """Make room for a campaign's rows."""

    @abstractmethod
    def now_ms(self, connection: Connection) -> int:
        """Return the time of the clock that all processes share."""

    @abstractmethod
    def home(self, connection: Connection) -> str:
        """Identify this database; see Ledger.home."""

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

    def snapshot(self, connection: Connection) -> Snapshot:
        """Read the snapshot that a group of receipts starts from."""
        e = erasures.c
        closed = select(e.subject_id).where(e.kind == "campaign", e.ended_at.is_(None))
        groups = {row.id: row.group_id for row in connection.execute(select(links.c.id, links.c.group_id))}
        return Snapshot(self.now_ms(connection), frozenset(connection.execute(closed).scalars()), groups)

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
