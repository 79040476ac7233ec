"""The ledger's words and its hot operations: the second seam of Loa, as carriers/contract.py is the first.

Every operation takes the connection of a transaction that app/db.py has begun, and is safe to run again when
the answer of its commit was lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple, Protocol

from sqlalchemy import Connection

from carriers.contract import Receipt, SubmitResult


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


@dataclass(frozen=True, slots=True)
class Lane:
    """One link as the ledger knows it: `group_id` is shared by links whose receipts may cross."""

    id: int
    name: str
    carrier: str
    group_id: int


@dataclass(frozen=True, slots=True)
class Slice:
    """What one fan_out did: deliveries made, subscribers left out as repeated, and whether more is to do."""

    queued: int
    repeated: int
    more: bool


class Item(NamedTuple):
    """One delivery to send; `faults` counts the carrier's own troubles with it so far."""

    seq: int
    phone: int
    lang: str | None
    area: str | None
    segments: int
    faults: int


@dataclass(frozen=True, slots=True)
class Lease:
    """A chunk in the hands of one lane: `attempt` is the fencing token, `items` are still to be sent."""

    campaign_id: int
    batch_id: int
    run_id: int
    first_seq: int
    last_seq: int
    pass_no: int
    attempt: int
    items: Sequence[Item]
    lost: int = 0  # deliveries that a dead holder had declared and never recorded: now unknown


@dataclass(frozen=True, slots=True)
class Intention:
    """The next sub-batch: all up to `upto` is declared; `segments` are reserved from the link's rate.

    stretch: how much more time than the contract's rate each segment takes (2, 4 ... while throttled).
    """

    upto: int
    segments: int
    stretch: float = 1.0


@dataclass(frozen=True, slots=True)
class Grant:
    """The answer to an intention. Only with `go` was it declared, and may the sub-batch be sent.

    held: the lease still stands; wait_s: seconds until the first reserved segment may go.
    """

    held: bool
    go: bool
    wait_s: float = 0.0


class Outcome(NamedTuple):
    """One delivery and what the carrier answered."""

    item: Item
    result: SubmitResult


class Arrival(NamedTuple):
    """One receipt, and the lane that it came by."""

    lane: Lane
    receipt: Receipt


@dataclass(slots=True)
class Applied:
    """What became of a group of receipts."""

    matched: int = 0
    changed: int = 0
    repeated: int = 0
    quarantined: int = 0
    # Seconds from submission to receipt, for the latency metric.
    latencies: list[float] = field(default_factory=list)


class Key(NamedTuple):
    """The name of a delivery."""

    campaign_id: int
    batch_id: int
    seq: int


class Count(NamedTuple):
    """One line of the tallies: `n` deliveries of `segments` SMS parts in all."""

    run_id: int
    batch_id: int
    area: str | None
    state: int
    reason: int
    n: int
    segments: int


class Ledger(Protocol):
    """The hot operations. Implemented by app/ledger/sqlite.py and app/ledger/postgresql.py."""

    def open_campaign(self, connection: Connection, campaign_id: int) -> None:
        """Make room for a campaign's deliveries (a partition, where the engine has them)."""
        ...

    def fan_out(
        self, connection: Connection, run_id: int, batch_id: int, segments: dict[str, int], limit: int
    ) -> Slice:
        """Turn the next `limit` subscribers of a run's batch into deliveries, chunks and tallies.

        segments: SMS parts by language, "" for the default. A phone that the campaign already has is left out
        and counted.
        """
        ...

    def claim(
        self, connection: Connection, lane: Lane, runs: Sequence[int], owner: str, lease_s: float
    ) -> Lease | None:
        """Take one chunk of these runs, in their order; None when nothing is due.

        Of a chunk whose holder is gone, what was declared and not recorded becomes unknown.
        """
        ...

    def record(
        self,
        connection: Connection,
        lane: Lane,
        lease: Lease,
        outcomes: Sequence[Outcome],
        then: Intention | None,
        lease_s: float,
    ) -> Grant:
        """Write results, with submissions and tallies, and declare the next sub-batch, in one commit.

        Nothing is declared where the run or the lane no longer runs. Results of a lost lease are still
        written where they settle an unknown.
        """
        ...

    def release(self, connection: Connection, lease: Lease, retry_after_s: float) -> None:
        """Hand the chunk back: done, or onward from the watermark, or another pass over what was deferred."""
        ...

    def renew(self, connection: Connection, lease: Lease, lease_s: float) -> bool:
        """Prolong the lease; False when it is lost."""
        ...

    def reclaim(self, connection: Connection) -> int:
        """End every lease at once. Only where no other process can hold one (SQLite at the start)."""
        ...

    def apply(self, connection: Connection, arrivals: Sequence[Arrival]) -> Applied:
        """Write receipts: matched ones to the journal and their deliveries, others to quarantine."""
        ...

    def rematch(self, connection: Connection, limit: int) -> Applied:
        """Look again at quarantined receipts that are due: by reference, then by phone of an unknown."""
        ...

    def close_unsent(self, connection: Connection, run_id: int, reason: int, limit: int) -> int:
        """Close what is queued in up to `limit` idle chunks as not sent; how many chunks are still open."""
        ...

    def resend(self, connection: Connection, keys: Sequence[Key]) -> int:
        """Queue unknown deliveries again: a person's recorded decision, never called by a sweep."""
        ...

    def write_off(self, connection: Connection, keys: Sequence[Key], who: str) -> int:
        """Leave unknown deliveries so: a person's recorded decision."""
        ...

    def fold_tallies(self, connection: Connection) -> None:
        """Sum tally changes into one row for each key."""
        ...

    def recount(self, connection: Connection, campaign_id: int) -> list[Count]:
        """Tallies counted anew from the rows."""
        ...
