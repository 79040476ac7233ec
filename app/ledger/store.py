"""What the two engines do differently: a handful of primitives under the one set of ledger rules."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Table

from app.ledger.contract import Lease
from app.states import DeliveryState, Standing

Row = tuple[Any, ...]


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


class Claim(NamedTuple):
    """Who takes a chunk, and for how long; `early` takes those whose back-off still runs as well."""

    owner: str
    lane_id: int | None
    lease_ms: int
    early: bool = False


class Recorded(NamedTuple):
    """The new values of one delivery after a submit."""

    seq: int
    state: int
    reason: int
    parts: int
    failed: int
    attempts: int
    faults: int


class Hit(NamedTuple):
    """The submission and the delivery that a reference belongs to, the delivery locked."""

    nth: int  # which of the references asked for
    at: int
    part: int
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

    def standing(self) -> Standing:
        """The part that states.py reasons on."""
        return Standing(self.state, self.reason, self.parts, self.delivered, self.relayed, self.failed)


class Store(ABC):
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
    def take_chunk(self, connection: Connection, run_id: int, claim: Claim) -> OpenChunk | None:
        """Lease the first chunk of the run that is due; on to the next where another holds it."""

    @abstractmethod
    def hold(self, connection: Connection, lease: Lease, lease_ms: int, watermark: int | None) -> bool:
        """Prolong a lease that stands, and raise its watermark; False where it is lost."""

    @abstractmethod
    def reserve(self, connection: Connection, lane_id: int, segments: float) -> float:
        """Reserve time on the link for so many segments; seconds from now until the first may go."""

    @abstractmethod
    def write_outcomes(
        self, connection: Connection, lease: Lease, lane_id: int, old: DeliveryState, rows: Sequence[Recorded]
    ) -> set[int]:
        """Set the deliveries that are in state `old`; which they were."""

    @abstractmethod
    def find(self, connection: Connection, references: Sequence[tuple[int, str]]) -> list[Hit]:
        """Lock and read the deliveries of these (group_id, reference), in key order."""

    @abstractmethod
    def write_standings(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Set (campaign_id, batch_id, seq, state, reason, delivered, relayed, failed, done_at) by key."""

    @abstractmethod
    def take_quarantined(
        self, connection: Connection, column: str, values: Sequence[Any], limit: int
    ) -> list[Row]:
        """Lock and read quarantined receipts: those due (column try_at, one value) or of these references."""

    @abstractmethod
    def fold_tallies(self, connection: Connection) -> None:
        """Sum tally changes into one row for each key."""
