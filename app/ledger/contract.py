"""The ledger's types and operations: the contract that both database engines implement.

The rules are written once: queue.py (fan-out, claims, leases), submit_results.py (reserve, record),
receipts.py (apply), unknown_outcomes.py (decisions), tallies.py and erase.py. Their SQL is in engines/.

Every operation runs in a transaction that app/database/connection.py has begun, and may safely be repeated
when the outcome of its commit is unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple, Protocol

from sqlalchemy import ColumnElement, Connection

from carriers.contract import Receipt, SubmitResult

# The send loop goes no slower than a tenth of its link's rate; this bounds what a link's row can reserve.
SLOWEST = 0.1
# For so long after its sending a failure counts where a run is judged (app/dispatch/suspend_sweep.py).
JUDGED_MS = 900_000
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


class Ledger(Protocol):
    """The hot operations, implemented by engines/sqlite.py and engines/postgresql.py."""

    def now_ms(self, connection: Connection) -> int:
        """Return the time of the clock that all processes share; every lease uses it."""

    def home(self, connection: Connection) -> str:
        """Identify this database, so that one restored from a backup is recognized as another.

        A replica promoted to primary is another one as well. Copies of SQLite are marked when they are made
        (app/ledger/transfer.py); a file copied by other means can't be told from its original.
        """

    def open_campaign(self, connection: Connection, campaign_id: int) -> None:
        """Make room for a campaign's deliveries: a partition, if the engine has them."""

    def fan_out(
        self, connection: Connection, run_id: int, batch_id: int, segments: int, limit: int
    ) -> FanOutResult:
        """Turn the next `limit` subscribers of a run's batch into deliveries, chunks and tallies.

        segments: SMS parts of the text. A phone that the campaign already has, or that is on the do-not-send
        list of the run's carrier, is left out and counted; of a follow-up's batch also one that another round
        has reached, or may have (app/ledger/unreached.py).
        """

    def claim(
        self, connection: Connection, link: Link, runs: Sequence[int], owner: str, lease_s: float
    ) -> ChunkLease | None:
        """Lease one chunk of these runs, trying them in order; None when nothing is due.

        If the previous holder is gone, what it reserved and did not record becomes unknown. Phones put on the
        do-not-send list since they were queued are not sent, nor those of a follow-up that another round has
        reached since.
        """

    def record(
        self,
        connection: Connection,
        link: Link,
        lease: ChunkLease,
        outcomes: Sequence[SubmitOutcome],
        then: Reservation | None,
        lease_s: float,
    ) -> ReservationResult:
        """Write results, submissions and tallies, and reserve the next sub-batch, in one commit.

        Reserve nothing if the run or the link has stopped, if the campaign's budget is too small for it, or
        if the database was restored or failed over and no person has confirmed it yet. Results of a lost
        lease are written if they settle an unknown.
        """

    def next_pass(self, connection: Connection, lease: ChunkLease, carrier: str) -> Sequence[DeliveryToSend]:
        """Begin another pass of a chunk whose messages are all answered, under the same lease.

        Return what is due in it, without whom the carrier's do-not-send list has by now: nothing if nothing
        is left or the lease is lost.
        """
        ...

    def release(self, connection: Connection, lease: ChunkLease, retry_after_s: float) -> None:
        """Give the chunk back: done, to go on from its watermark, or for another pass over the deferred."""

    def renew(self, connection: Connection, lease: ChunkLease, lease_s: float) -> bool:
        """Extend the lease; False if it is lost."""

    def reclaim(self, connection: Connection) -> int:
        """End every lease at once. Only if no other process can hold one (SQLite at start-up)."""

    def expire_leases(self, connection: Connection, run_id: int, limit: int) -> int:
        """Take back the run's chunks whose dead holders nobody follows; return how many are unknown now."""

    def apply(self, connection: Connection, arrivals: Sequence[Arrival]) -> Applied:
        """Write receipts: matched ones to the journal and their deliveries, others to quarantine.

        Match by reference (and phone, if both are given). Without a reference, match by phone if exactly one
        delivery is possible; such a receipt covers the whole message.
        """

    def set_aside(self, connection: Connection, arrivals: Sequence[Arrival], pause_ms: int) -> None:
        """Quarantine receipts that can't be applied; they are tried again after `pause_ms`."""

    def rematch(self, connection: Connection, limit: int, only: Sequence[int] = ()) -> Applied:
        """Retry quarantined receipts, due ones or `only` these ids: by reference or an unknown's phone."""

    def close_unsent(self, connection: Connection, run_id: int, reason: int, limit: int) -> Closed:
        """Close the queued deliveries of up to `limit` idle chunks as not sent."""

    def mark_waiting_unknown(
        self, connection: Connection, run_id: int, link_id: int | None, limit: int
    ) -> MarkedUnknown:
        """Mark the queued deliveries of up to `limit` idle chunks as unknown, since they may have been sent.

        link_id: the link to blame when the chunk names none.
        """

    def resend(self, connection: Connection, keys: Sequence[DeliveryKey]) -> int:
        """Queue unknown deliveries again: a person's recorded decision, never called by a sweep.

        What another round has reached since, or may have, or has in hand stays as it is (unreached.py).
        """

    def resend_rejected(
        self,
        connection: Connection,
        keys: Sequence[DeliveryKey],
        reason: int,
        by_ms: int,
        *only: ColumnElement[bool],
    ) -> int:
        """Queue again what was rejected for this reason by then: an order that two persons have given.

        Not counted in `resends`: nothing of it was perhaps taken. Other rounds bar it as in `resend`. only:
        SQL conditions on `deliveries` that must hold once they are locked; a subquery in them must correlate
        by itself.
        """

    def write_off(self, connection: Connection, keys: Sequence[DeliveryKey], who: str) -> int:
        """Leave deliveries unknown: a person's recorded decision. A later receipt still settles them."""

    def detach(self, connection: Connection, campaign_id: int) -> None:
        """Begin a campaign's erasure by detaching its partitions, if the engine has them.

        Raises DatabaseUnavailable while the tables are in use: try again soon.
        """

    def erase(self, connection: Connection, campaign_id: int, limit: int) -> dict[str, int]:
        """Erase what belongs to up to `limit` chunks of a campaign; return the rows erased by table.

        Repeat until the result is empty. Tallies stay. Receipts no longer match what was erased.
        """

    def forget_for_good(self, connection: Connection) -> None:
        """Make sure that data deleted in this transaction can't be recovered from the database file."""

    def to_fold(self, connection: Connection) -> bool:
        """Return whether tally changes have been appended since the last fold."""

    def fold_tallies(self, connection: Connection) -> None:
        """Add appended tally changes to the single row of each key."""

    def to_note(self, connection: Connection) -> bool:
        """Return whether a campaign has ended of which the last message is not noted."""

    def note_last(self, connection: Connection) -> None:
        """Note of one ended campaign when its last message was recorded, so that receipts pass it by."""

    def recount(
        self, connection: Connection, campaign_id: int, batch_id: int | None = None
    ) -> list[TallyCount]:
        """Count the tallies afresh from the rows, for one batch or all."""

    def correct(self, connection: Connection, campaign_id: int, counts: Sequence[TallyCount]) -> None:
        """Add the corrections found by a recount: a person's recorded decision."""
