"""The ledger's words and its hot operations: the second seam of Loa, as carriers/contract.py is the first.

Every operation takes the connection of a transaction that app/database/connection.py has begun, and is safe
to run again when the answer of its commit was lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple, Protocol

from sqlalchemy import Connection

from carriers.contract import Receipt, SubmitResult

# A lane sends at a tenth of its link's rate at the slowest: what is reserved on its row is bounded by that.
SLOWEST = 0.1


class ChunkState(IntEnum):
    """Numbers are stored: never renumber."""

    READY = 0
    LEASED = 1
    DONE = 2


class ResultKind(IntEnum):
    """What a submission row records; numbers are stored."""

    ACCEPTED = 1
    REJECTED = 2
    DEFERRED = 3
    HALTED = 4
    UNKNOWN = 5
    SETTLED = 6  # the reference was learnt later, from a receipt for an unknown delivery


class StateEvent(IntEnum):
    """What moves a delivery and stands in no submission and no receipt; numbers are stored."""

    LOST = 1  # its fate is not known: no answer came, or the process that was sending it stopped
    REQUEUED = 2  # unknown before; a person, or a late answer that it was not taken, has it sent again
    WRITTEN_OFF = 3  # unknown, and a person leaves it so
    PARTLY = 4  # some parts were refused; the only one with a reason


@dataclass(frozen=True, slots=True)
class Lane:
    """One link as the ledger knows it: `group_id` is shared by links whose receipts may cross.

    one_receipt: it gives one reference and one receipt for a message, however many parts that has. says: what
    it makes of a text by its settings, hashed; nothing where nobody has said so.
    """

    id: int
    name: str
    carrier: str
    group_id: int
    one_receipt: bool = False
    says: str = ""


@dataclass(frozen=True, slots=True)
class FanOutResult:
    """What one fan_out did: deliveries made, subscribers left out, and whether more is to do.

    repeated: left out since the campaign has the number already, or since it is on the do-not-send list.
    """

    queued: int
    repeated: int
    more: bool


class DeliveryToSend(NamedTuple):
    """One delivery to send.

    faults: the carrier's own troubles with it so far; resends: how often a person had it sent again while it
    was unknown.
    """

    seq: int
    phone: int
    lang: str | None
    area: str | None
    segments: int
    faults: int
    resends: int = 0


@dataclass(frozen=True, slots=True)
class ChunkLease:
    """A chunk in the hands of one lane: `items` are still to be sent.

    attempt is the fencing number; with its owner, since a failover that lost a claim gives the number again.
    """

    campaign_id: int
    batch_id: int
    run_id: int
    first_seq: int
    last_seq: int
    pass_no: int
    attempt: int
    items: Sequence[DeliveryToSend]
    lost: int = 0  # deliveries that a dead holder had declared and never recorded: now unknown
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Reservation:
    """The next sub-batch: all up to `upto` is declared; `segments` are reserved from the link's rate.

    stretch: how much more time than the contract's rate each segment takes (2, 4 ... while throttled).
    """

    upto: int
    segments: int
    stretch: float = 1.0


@dataclass(frozen=True, slots=True)
class ReservationResult:
    """The answer to an intention. Only with `go` was it declared, and may the sub-batch be sent.

    held: the lease still stands; start: when the first reserved segment may go (monotonic seconds), which no
    slow commit puts off.
    """

    held: bool
    go: bool
    start: float = 0.0


class MarkedUnknown(NamedTuple):
    """How many deliveries have become unknown, and how many chunks of the run are still open."""

    unknown: int
    left: int


class Closed(NamedTuple):
    """How many chunks were closed, and how many of the run are still open: in others' hands, or to come."""

    chunks: int
    left: int


class SubmitOutcome(NamedTuple):
    """One delivery and what the carrier answered."""

    item: DeliveryToSend
    result: SubmitResult


class Arrival(NamedTuple):
    """One receipt, and the lane that it came by.

    about: the delivery that it is known to speak of, as a whole; else it is matched by its reference or,
    where it has none, by its phone.
    """

    lane: Lane
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
    """The name of a delivery."""

    campaign_id: int
    batch_id: int
    seq: int


class TallyCount(NamedTuple):
    """One line of the tallies: `n` deliveries of `segments` SMS parts in all."""

    run_id: int
    batch_id: int
    area: str | None
    state: int
    reason: int
    n: int
    segments: int


class Ledger(Protocol):
    """The hot operations. Implemented by engines/sqlite.py and engines/postgresql.py."""

    def now_ms(self, connection: Connection) -> int:
        """The clock that all processes share, for whatever they lease."""
        ...

    def home(self, connection: Connection) -> str:
        """Which life of which database this is: another one once it was put back from a backup.

        A replica that became the primary is another one as well. SQLite's copies are marked when they are
        made (ledger/backup.py); a file that was copied by other means can't be told from the one before.
        """
        ...

    def open_campaign(self, connection: Connection, campaign_id: int) -> None:
        """Make room for a campaign's deliveries (a partition, where the engine has them)."""
        ...

    def fan_out(
        self, connection: Connection, run_id: int, batch_id: int, segments: dict[str, int], limit: int
    ) -> FanOutResult:
        """Turn the next `limit` subscribers of a run's batch into deliveries, chunks and tallies.

        segments: SMS parts by language, "" for the default. A phone that the campaign already has, or that is
        on the do-not-send list of the run's carrier, is left out and counted.
        """
        ...

    def claim(
        self, connection: Connection, lane: Lane, runs: Sequence[int], owner: str, lease_s: float
    ) -> ChunkLease | None:
        """Take one chunk of these runs, in their order; None when nothing is due.

        Of a chunk whose holder is gone, what was declared and not recorded becomes unknown. A phone that has
        come on the do-not-send list since it was queued is not sent.
        """
        ...

    def record(
        self,
        connection: Connection,
        lane: Lane,
        lease: ChunkLease,
        outcomes: Sequence[SubmitOutcome],
        then: Reservation | None,
        lease_s: float,
    ) -> ReservationResult:
        """Write results, with submissions and tallies, and declare the next sub-batch, in one commit.

        Nothing is declared where the run or the lane no longer runs, nor after the database was put back or a
        replica took over, until a person has spoken. Results of a lost lease are still
        written where they settle an unknown.
        """
        ...

    def release(self, connection: Connection, lease: ChunkLease, retry_after_s: float) -> None:
        """Hand the chunk back: done, or onward from the watermark, or another pass over what was deferred."""
        ...

    def renew(self, connection: Connection, lease: ChunkLease, lease_s: float) -> bool:
        """Prolong the lease; False when it is lost."""
        ...

    def reclaim(self, connection: Connection) -> int:
        """End every lease at once. Only where no other process can hold one (SQLite at the start)."""
        ...

    def apply(self, connection: Connection, arrivals: Sequence[Arrival]) -> Applied:
        """Write receipts: matched ones to the journal and their deliveries, others to quarantine.

        Matched by reference (and phone, where both are there); without a reference, by the phone, where
        exactly one delivery can be meant: such a receipt speaks of the whole message.
        """
        ...

    def set_aside(self, connection: Connection, arrivals: Sequence[Arrival], pause_ms: int) -> None:
        """Keep receipts that can't be applied in quarantine; they are looked at again after so long."""
        ...

    def rematch(self, connection: Connection, limit: int, only: Sequence[int] = ()) -> Applied:
        """Look again at quarantined receipts that are due: by reference, then by phone of an unknown.

        only: those of these ids, due or not.
        """
        ...

    def close_unsent(self, connection: Connection, run_id: int, reason: int, limit: int) -> Closed:
        """Close what is queued in up to `limit` idle chunks as not sent."""
        ...

    def doubt(self, connection: Connection, run_id: int, lane_id: int | None, limit: int) -> MarkedUnknown:
        """All that is queued in up to `limit` idle chunks of the run may have been sent: unknown.

        lane_id: by which lane, where the chunk itself does not say.
        """
        ...

    def resend(self, connection: Connection, keys: Sequence[DeliveryKey]) -> int:
        """Queue unknown deliveries again: a person's recorded decision, never called by a sweep."""
        ...

    def write_off(self, connection: Connection, keys: Sequence[DeliveryKey], who: str) -> int:
        """Leave unknown deliveries so: a person's recorded decision."""
        ...

    def detach(self, connection: Connection, campaign_id: int) -> None:
        """Begin the erasure of a campaign: take its partitions away from those who send and receive.

        Nothing where the engine has none. Away where the tables are in use: try again soon.
        """
        ...

    def erase(self, connection: Connection, campaign_id: int, limit: int) -> dict[str, int]:
        """Erase for good what belongs to up to `limit` chunks of a campaign; rows by table.

        Repeat it until it returns nothing. Tallies stay. What was erased matches no receipt any more.
        """
        ...

    def forget_for_good(self, connection: Connection) -> None:
        """See to it that what this transaction deletes can't be read in the database's file any more."""
        ...

    def to_fold(self, connection: Connection) -> bool:
        """Whether tally changes have come since the last fold."""
        ...

    def fold_tallies(self, connection: Connection) -> None:
        """Add the tally changes that have come to the one row of each key; all other rows are left alone."""
        ...

    def recount(
        self, connection: Connection, campaign_id: int, batch_id: int | None = None
    ) -> list[TallyCount]:
        """Tallies counted anew from the rows, of one batch or of all."""
        ...

    def correct(self, connection: Connection, campaign_id: int, counts: Sequence[TallyCount]) -> None:
        """Add to the tallies what a recount has found them off by: a person's recorded decision."""
        ...
