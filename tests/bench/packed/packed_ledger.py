"""The ledger's operations over packed journals: chunks and the references under way are kept in memory.

A place is where a message stands: its chunk, and its offset in it, as one number.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from sqlalchemy import Connection, delete, insert, select, update

from app.core import clock
from app.core.states import DeliveryState
from app.database.connection import Database
from app.ledger.contract import Arrival, DeliveryToSend, ResultKind, SubmitOutcome
from carriers.contract import Accepted, ReceiptStatus
from tests.bench.packed.layout import (
    CLOSED,
    OPEN,
    PLANES,
    RECEIPTS,
    RESULTS,
    SENT,
    PackedReceipt,
    PackedResult,
    blocks,
    chunks,
    journal,
    lines,
    pack_receipts,
    pack_results,
    receipts_of,
    results_of,
    state_at,
)
from tests.bench.packed.sorted_runs import PHONES, REFERENCES, SortedRuns, key_of

_BITS = 16  # of an offset in a place
_AREA = 5
_LEASE_MS = 60_000
_ANSWERED, _REPORTED = ("taken", "unknown"), ("delivered", "failed")  # planes, by who writes them
_AT_ONCE = 100  # chunks in one statement
_FINAL = {ReceiptStatus.DELIVERED: "delivered", ReceiptStatus.UNDELIVERED: "failed"}


@dataclass(slots=True)
class Chunk:
    """A chunk as memory has it; `planes` have a bit for each message, the first one's is 1."""

    id: int
    first_seq: int
    count: int
    state: int = OPEN
    reserved: int = 0
    attempt: int = 0
    planes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(PLANES, 0))

    @property
    def all(self) -> int:
        return (1 << self.count) - 1

    def stored(self, *names: str) -> dict[str, bytes]:
        """Values of these planes as they are stored."""
        size = (self.count + 7) // 8
        return {name: self.planes[name].to_bytes(size, "little") for name in names}


class PackedLease(NamedTuple):
    """What a sender holds; `items` are to be sent."""

    chunk: int
    attempt: int
    items: Sequence[DeliveryToSend]


class LostLease(Exception):
    """Another holds the chunk by now, so nothing was recorded."""


@dataclass(slots=True)
class Found:
    """A message of a person: its state, and what was said of it, the oldest first."""

    seq: int
    state: DeliveryState
    said: list[PackedResult | PackedReceipt]


class PackedLedger:
    """Chunks of one campaign, by this process alone: what it has in memory, no other one knows of.

    A commit that fails ends the process, which reads all anew: memory is not set back.
    """

    def __init__(self, db: Database) -> None:
        """Read the chunks, and from the journals of those that are not closed their references."""
        self._db = db
        self.chunks: dict[int, Chunk] = db.read(self._read)
        self.under_way: dict[str, int] = {}
        self._free = iter([each.id for each in self.chunks.values() if each.state == OPEN])
        self.references: SortedRuns = db.read(SortedRuns, REFERENCES)
        self.phones: SortedRuns = db.read(SortedRuns, PHONES)
        db.read(self._rebuild)

    # ---- sending -----------------------------------------------------------------------------------------

    def claim(self, owner: str) -> PackedLease | None:
        """Lease the next chunk that nobody has had yet."""
        chunk = next((self.chunks[each] for each in self._free), None)
        return None if chunk is None else self._db.write(self._claim, chunk, owner)

    def _claim(self, c: Connection, chunk: Chunk, owner: str) -> PackedLease:
        values = {"owner": owner, "lease_until": clock.now_ms() + _LEASE_MS, "attempt": chunk.attempt + 1}
        mine = (chunks.c.id == chunk.id, chunks.c.attempt == chunk.attempt)
        if c.execute(update(chunks).where(*mine).values(values)).rowcount != 1:
            raise LostLease
        row = c.execute(select(lines.c.phones, lines.c.areas).where(lines.c.chunk == chunk.id)).one()
        chunk.attempt += 1
        items = [
            DeliveryToSend(chunk.first_seq + n, phone, _area(row.areas, n), 1, 0)
            for n, phone in enumerate(array("q", row.phones))
        ]
        return PackedLease(chunk.id, chunk.attempt, items)

    def record(
        self, lease: PackedLease, link: int, outcomes: Sequence[SubmitOutcome], upto: int | None
    ) -> None:
        """Record answers, and reserve what goes out next, up to this line; None: the chunk is sent wholly."""
        chunk = self.chunks[lease.chunk]
        after = replace(chunk, planes=dict(chunk.planes), state=SENT if upto is None else OPEN)
        after.reserved = chunk.count if upto is None else upto + 1 - chunk.first_seq
        for outcome in outcomes:
            plane = "taken" if isinstance(outcome.result, Accepted) else "unknown"
            after.planes[plane] |= 1 << (outcome.item.seq - chunk.first_seq)
        body = pack_results(chunk.first_seq, outcomes) if outcomes else None
        self._db.write(self._record, lease, link, after, body)
        chunk.state, chunk.reserved = after.state, after.reserved
        chunk.planes |= {name: after.planes[name] for name in _ANSWERED}
        if body:
            self._learn(chunk, body)

    def _record(self, c: Connection, lease: PackedLease, link: int, after: Chunk, body: bytes | None) -> None:
        until = clock.now_ms() + _LEASE_MS if after.state == OPEN else 0
        values: dict[str, object] = {"state": after.state, "reserved": after.reserved, "lease_until": until}
        if body:
            values |= after.stored(*_ANSWERED)
        mine = (chunks.c.id == after.id, chunks.c.attempt == lease.attempt)
        if c.execute(update(chunks).where(*mine).values(values)).rowcount != 1:
            raise LostLease
        if body:
            c.execute(insert(journal), [_row(after.id, RESULTS, link, body)])

    def _learn(self, chunk: Chunk, body: bytes) -> None:
        """Keep the references of answers until the chunk is closed."""
        for one in results_of(body):
            if one.reference:
                self.under_way[one.reference] = place(chunk.id, one.offset)

    # ---- receipts ----------------------------------------------------------------------------------------

    def apply(self, arrivals: Sequence[Arrival]) -> int:
        """Record receipts; returns how many messages they changed. Those that fit none are left out."""
        return self._db.write(self._apply, arrivals)

    def _apply(self, c: Connection, arrivals: Sequence[Arrival]) -> int:
        groups: defaultdict[int, list[tuple[int, Arrival]]] = defaultdict(list)
        for arrival in arrivals:
            stands = self._stands(c, arrival.receipt.reference or "")
            if stands is not None:
                chunk, offset = _apart(stands)
                groups[chunk].append((offset, arrival))
        return sum(self._to_chunk(c, self.chunks[chunk], some) for chunk, some in sorted(groups.items()))

    def _stands(self, c: Connection, reference: str) -> int | None:
        """The place of the message that bears it."""
        if (stands := self.under_way.get(reference)) is not None:
            return stands
        for stands in self.references.find(c, key_of(reference)):
            chunk, offset = _apart(stands)
            if (offset, reference) in [(one.offset, one.reference) for one in self._said(c, chunk, RESULTS)]:
                return stands
        return None

    def _to_chunk(self, c: Connection, chunk: Chunk, some: Sequence[tuple[int, Arrival]]) -> int:
        changed = 0
        for offset, arrival in some:
            plane, bit = _FINAL.get(arrival.receipt.status), 1 << offset
            if plane and not chunk.planes["delivered"] & bit and not chunk.planes[plane] & bit:
                chunk.planes[plane] |= bit
                changed += 1
        values: dict[str, object] = dict(chunk.stored(*_REPORTED))
        if chunk.state == SENT and _final(chunk) == chunk.all:
            values["state"] = CLOSED
        c.execute(update(chunks).where(chunks.c.id == chunk.id).values(values))
        offsets, arrivals = zip(*some, strict=True)
        body = pack_receipts(offsets, arrivals)
        c.execute(insert(journal), [_row(chunk.id, RECEIPTS, arrivals[0].link.id, body)])
        if values.get("state") == CLOSED:
            self._close(c, chunk)
        return changed

    def _close(self, c: Connection, chunk: Chunk) -> None:
        """Nothing is awaited any more: its references go from memory to the index."""
        chunk.state = CLOSED
        named = [one for one in self._said(c, chunk.id, RESULTS) if one.reference]
        self.references.add(c, [(key_of(one.reference), place(chunk.id, one.offset)) for one in named])
        for one in named:
            self.under_way.pop(one.reference, None)

    # ---- questions ---------------------------------------------------------------------------------------

    def tally(self) -> Counter[DeliveryState]:
        """Messages by state, by the bits of memory."""
        counts: Counter[DeliveryState] = Counter()
        for chunk in self.chunks.values():
            counts.update(_counts(chunk.planes, chunk.all))
        return counts

    def report(self, c: Connection) -> Counter[tuple[str, DeliveryState]]:
        """Messages by area and state, as the result report has them."""
        counts: Counter[tuple[str, DeliveryState]] = Counter()
        for row in c.execute(select(lines.c.chunk, lines.c.areas).order_by(lines.c.chunk)):
            masks: defaultdict[str, int] = defaultdict(int)
            for n in range(len(row.areas) // _AREA):
                masks[_area(row.areas, n) or ""] |= 1 << n
            for area, mask in masks.items():
                for state, n in _counts(self.chunks[row.chunk].planes, mask).items():
                    counts[area, state] += n
        return counts

    def find(self, c: Connection, phone: int) -> list[Found]:
        """A person's messages, with all that carriers said of them."""
        found = []
        for stands in self.phones.find(c, phone):
            number, offset = _apart(stands)
            chunk = self.chunks[number]
            said = [one for one in self._said(c, chunk.id) if one.offset == offset]
            found.append(Found(chunk.first_seq + offset, state_at(chunk.planes, 1 << offset), said))
        return found

    def verify(self, c: Connection) -> list[int]:
        """Chunks whose planes are not what their journals make."""
        return [each for each in self.chunks if self._replayed(c, each) != self.chunks[each].planes]

    def _replayed(self, c: Connection, chunk: int) -> dict[str, int]:
        planes = dict.fromkeys(PLANES, 0)
        for one in self._said(c, chunk):
            bit = 1 << one.offset
            if isinstance(one, PackedResult):
                planes["taken" if one.kind == ResultKind.ACCEPTED else "unknown"] |= bit
            elif (plane := _FINAL.get(one.status)) and not planes["delivered"] & bit:
                planes[plane] |= bit
        return planes

    def erase(self, c: Connection, count: int) -> int:
        """Delete so many chunks with all that is known of them; how many there were. The index goes last."""
        some = [chunk for chunk, _ in zip(self.chunks, range(count), strict=False)]
        for table, column in ((journal, journal.c.chunk), (lines, lines.c.chunk), (chunks, chunks.c.id)):
            c.execute(delete(table).where(column.in_(some)))
        for each in some:
            del self.chunks[each]
        if not self.chunks:
            c.execute(delete(blocks))
        return len(some)

    # ---- reading -----------------------------------------------------------------------------------------

    def _read(self, c: Connection) -> dict[int, Chunk]:
        rows = c.execute(select(chunks).order_by(chunks.c.id))
        return {row.id: _chunk(row._mapping) for row in rows}

    def _rebuild(self, c: Connection) -> None:
        waiting = [each for each in self.chunks if self.chunks[each].state != CLOSED]
        j = journal.c
        for start in range(0, len(waiting), _AT_ONCE):
            some = j.chunk.in_(waiting[start : start + _AT_ONCE])
            query = select(j.chunk, j.body).where(some, j.kind == RESULTS)
            for chunk, body in c.execute(query):
                self._learn(self.chunks[chunk], body)

    def _said(
        self, c: Connection, chunk: int, kind: int | None = None
    ) -> Iterator[PackedResult | PackedReceipt]:
        j = journal.c
        query = select(j.kind, j.body).where(j.chunk == chunk).order_by(j.id)
        for of, body in c.execute(query if kind is None else query.where(j.kind == kind)):
            yield from results_of(body) if of == RESULTS else receipts_of(body)


def place(chunk: int, offset: int) -> int:
    return chunk << _BITS | offset


def _apart(stands: int) -> tuple[int, int]:
    """The chunk and the offset of a place."""
    return stands >> _BITS, stands & ((1 << _BITS) - 1)


def _chunk(row: object) -> Chunk:
    values = dict(row)  # type: ignore[call-overload]
    planes = {name: int.from_bytes(values[name] or b"", "little") for name in PLANES}
    names = ("id", "first_seq", "count", "state", "reserved", "attempt")
    return Chunk(*(values[name] for name in names), planes=planes)


def _row(chunk: int, kind: int, link: int, body: bytes) -> dict[str, object]:
    return {"chunk": chunk, "at": clock.now_ms(), "kind": kind, "link_id": link, "body": body}


def _final(chunk: Chunk) -> int:
    return chunk.planes["refused"] | chunk.planes["delivered"] | chunk.planes["failed"]


def _counts(planes: dict[str, int], mask: int) -> dict[DeliveryState, int]:
    """Messages of the mask by state, as `state_at` says it of each."""
    counts, left = {}, mask
    for name, state in (
        ("delivered", DeliveryState.DELIVERED),
        ("failed", DeliveryState.UNDELIVERED),
        ("refused", DeliveryState.REJECTED),
        ("taken", DeliveryState.SUBMITTED),
        ("unknown", DeliveryState.UNKNOWN),
    ):
        if here := (planes[name] & left).bit_count():
            counts[state] = here
        left &= ~planes[name]
    if left:
        counts[DeliveryState.QUEUED] = left.bit_count()
    return counts


def _area(areas: bytes, n: int) -> str | None:
    return areas[n * _AREA : (n + 1) * _AREA].decode().strip() or None
