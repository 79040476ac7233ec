"""What the two engines do differently: a handful of primitives under the one set of ledger rules."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Table, select

from app.core.states import DeliveryState, DeliveryStatus
from app.database.models import erasures, lanes, receipts, tallies
from app.ledger.contract import ChunkLease, DeliveryKey, Lane

Row = tuple[Any, ...]
TALLY = ("campaign_id", "run_id", "batch_id", "area", "state", "reason", "n", "segments")
SAID = (
    "received_at",
    "done_at",
    "phone",
    "lane_id",
    "group_id",
    "level",
    "reason",
    "status",
    "reference",
    "code",
    "raw",
)
JOURNAL = ("campaign_id", "batch_id", "seq", "part", "changed", *SAID, "matched_at")
SUBMISSION = (
    "campaign_id",
    "batch_id",
    "seq",
    "attempt",
    "part",
    "at",
    "lane_id",
    "group_id",
    "result",
    "reference",
    "code",
    "network",
)
# Twice what one process has reserved at the most: two halves of a sub-batch, each half a second or one
# message of 15 parts, ten times as slow while throttled. What is reserved beyond this was so by a clock that
# has been set back since: the lane goes on after half of it, when all that is on the wire has surely gone.
FURTHEST_US = "(4000000 + 600000000 / segments_per_second)"


class OpenChunk(NamedTuple):
    """A chunk just taken: `dead` when a former holder's lease ran out."""

    campaign_id: int
    batch_id: int
    run_id: int
    first_seq: int
    last_seq: int
    watermark: int
    pass_no: int
    attempt: int
    lane_id: int | None
    dead: bool


class ChunkClaim(NamedTuple):
    """Who takes a chunk, and for how long; `early` takes those whose back-off still runs as well."""

    owner: str
    lane_id: int | None
    lease_ms: int
    early: bool = False


class LeaseCheck(NamedTuple):
    """Whether the lease stands, and whether run and lane still run; the time on the shared clock."""

    held: bool
    goes_on: bool
    now: int


class Snapshot(NamedTuple):
    """The time on the shared clock, and the campaigns that are being erased: no receipt moves them.

    groups: the receipt group of each lane, as it is now; open: campaigns of which something was sent lately,
    which nearly all receipts are about, None where all lie in one place.
    """

    now: int
    closed: frozenset[int]
    groups: Mapping[int, int]
    open: tuple[int, ...] | None = None


class SubmissionQuery(NamedTuple):
    """What a submission is looked for by: of a lane of the group, recorded between these two times."""

    group_id: int
    reference: str
    phone: int | None
    earliest: int
    latest: int


class Recorded(NamedTuple):
    """The new values of one delivery after a submit."""

    seq: int
    state: int
    reason: int
    parts: int
    failed: int
    attempts: int
    faults: int


class Written(NamedTuple):
    """Which deliveries were set; early: a receipt with one of their references waits in quarantine."""

    seqs: set[int]
    early: bool


class SideWrites(NamedTuple):
    """Rows that are written together with deliveries, where all of these were in their old state."""

    submissions: Sequence[Row]
    tallies: Sequence[Row]
    references: Sequence[str]


WHOLE = -1  # in place of a part: the receipt speaks of the whole message
# So many submissions of one reference are looked at: more than a message has parts. Where there are more, the
# reference says nothing, and the phone is asked for instead.
CROWD = 16


class MatchedDelivery(NamedTuple):
    """The submission and the delivery that a receipt belongs to, the delivery locked."""

    nth: int  # which of the receipts asked for
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
    crowd: int = 1  # how many submissions of the reference were found, of CROWD
    submitted: bool = True  # some submission of it is written down

    @property
    def key(self) -> DeliveryKey:
        """The delivery's name."""
        return DeliveryKey(self.campaign_id, self.batch_id, self.seq)

    def standing(self, on_way: int = 0) -> DeliveryStatus:
        """The part that core/states.py reasons on."""
        masks = (self.delivered, self.relayed, self.failed, on_way)
        return DeliveryStatus(self.state, self.reason, self.parts, *masks)


class EngineBase(ABC):
    """The primitives; `connection` is always that of a write transaction."""

    def __init__(self, chunk_size: int = 1000) -> None:
        self.chunk_size = chunk_size

    @abstractmethod
    def open_campaign(self, connection: Connection, campaign_id: int) -> None:
        """Make room for a campaign's rows."""

    @abstractmethod
    def now_ms(self, connection: Connection) -> int:
        """The clock that all processes share."""

    @abstractmethod
    def home(self, connection: Connection) -> str:
        """Which life of which database this is."""

    @abstractmethod
    def append(
        self, connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[Row]
    ) -> None:
        """Add many rows, the quickest way."""

    @abstractmethod
    def add_missing(
        self, connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[Row]
    ) -> None:
        """Add many rows, and pass over those whose primary key is there already."""

    @abstractmethod
    def lock_fan_out(self, connection: Connection, run_id: int, batch_id: int) -> Row | None:
        """(campaign_id, fanned_upto, fanned_all) of the run's batch, locked; None where there is none."""

    @abstractmethod
    def take_chunk(self, connection: Connection, run_id: int, claim: ChunkClaim) -> OpenChunk | None:
        """Lease the first chunk of the run that is due; on to the next where another holds it."""

    @abstractmethod
    def hold(self, connection: Connection, lease: ChunkLease, lease_ms: int, watermark: int | None) -> bool:
        """Prolong a lease that stands, and raise its watermark; False where it is lost."""

    @abstractmethod
    def grip(
        self, connection: Connection, lane: Lane, lease: ChunkLease, lease_ms: int, upto: int | None
    ) -> LeaseCheck:
        """Hold the lease and, where run and lane still run, raise its watermark to `upto`."""

    @abstractmethod
    def reserve(self, connection: Connection, lane_id: int, segments: float) -> float:
        """Reserve time on the link for so many segments; seconds from now until the first may go."""

    @abstractmethod
    def write_outcomes(
        self,
        connection: Connection,
        where: tuple[ChunkLease, int],
        old: DeliveryState,
        rows: Sequence[Recorded],
        company: SideWrites,
    ) -> Written:
        """Set the deliveries of (lease, lane_id) that are in state `old`, with their company if all were.

        Of queued ones only what this pass has still to answer: what was queued again since is not its own.
        """

    @abstractmethod
    def find(
        self, connection: Connection, asked: Sequence[SubmissionQuery], within: Sequence[int] | None = None
    ) -> list[MatchedDelivery]:
        """Lock and read the deliveries of these submissions, in key order: of the phone, where one is stated.

        within: in these campaigns; None: in all there are.
        """

    @abstractmethod
    def write_standings(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Set (campaign_id, batch_id, seq, state, reason, delivered, relayed, failed, done_at) by key."""

    def moment(self, connection: Connection) -> Snapshot:
        """What a group of receipts begins with."""
        e = erasures.c
        closed = select(e.subject_id).where(e.kind == "campaign", e.ended_at.is_(None))
        groups = {row.id: row.group_id for row in connection.execute(select(lanes.c.id, lanes.c.group_id))}
        return Snapshot(self.now_ms(connection), frozenset(connection.execute(closed).scalars()), groups)

    def write_applied(
        self, connection: Connection, standings: Sequence[Row], changes: Sequence[Row], journal: Sequence[Row]
    ) -> None:
        """What a group of receipts has moved: deliveries, tallies, and the receipts themselves."""
        if standings:
            self.write_standings(connection, standings)
        if changes:
            self.append(connection, tallies, TALLY, changes)
        if journal:
            self.append(connection, receipts, JOURNAL, journal)

    @abstractmethod
    def take_quarantined(
        self, connection: Connection, column: str, values: Sequence[Any], limit: int
    ) -> list[Row]:
        """Lock and read quarantined receipts: those due (column try_at), or with these values in a column."""
