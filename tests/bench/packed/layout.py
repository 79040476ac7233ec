"""Tables of the packed journal, and how lists of answers and receipts become one value of bytes."""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    text,
)

from app.core.states import DeliveryState
from app.ledger.contract import Arrival, ResultKind, SubmitOutcome
from carriers.contract import Accepted, Receipt, ReceiptLevel, ReceiptStatus

OPEN, SENT, CLOSED = 0, 1, 2  # of a chunk: to be sent; waits for receipts; all is known
RESULTS, RECEIPTS = 1, 2  # kinds of a journal's row
PLANES = ("taken", "refused", "unknown", "delivered", "failed")  # a bit for each message of a chunk

metadata = MetaData()
chunks = Table(
    "packed_chunks",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("state", SmallInteger, nullable=False, server_default="0"),
    Column("first_seq", Integer, nullable=False),
    Column("count", Integer, nullable=False),
    Column("reserved", Integer, nullable=False, server_default="0"),  # messages that may have been sent
    Column("attempt", Integer, nullable=False, server_default="0"),  # fencing: counts claims
    Column("lease_until", BigInteger, nullable=False, server_default="0"),
    Column("owner", String(80)),
    *(Column(name, LargeBinary) for name in PLANES),
    Index("ix_packed_chunks_open", "id", sqlite_where=text("state = 0"), postgresql_where=text("state = 0")),
)
# Apart from what changes: a chunk's subscribers, in the order of its lines.
lines = Table(
    "packed_lines",
    metadata,
    Column("chunk", Integer, primary_key=True, autoincrement=False),
    Column("phones", LargeBinary, nullable=False),  # 8 bytes each
    Column("areas", LargeBinary, nullable=False),  # 5 characters each
)
# Append-only: a row for each half sub-batch, and one for each chunk of which a group of receipts speaks.
journal = Table(
    "packed_journal",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("chunk", Integer, nullable=False, index=True),
    Column("at", BigInteger, nullable=False),  # ms since 1970
    Column("kind", SmallInteger, nullable=False),
    Column("link_id", SmallInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
)
# Sorted runs of (key, place): of references of closed chunks, and of phones (sorted_runs.py).
blocks = Table(
    "packed_blocks",
    metadata,
    Column("kind", SmallInteger, primary_key=True, autoincrement=False),
    Column("run", Integer, primary_key=True, autoincrement=False),
    Column("first", BigInteger, primary_key=True, autoincrement=False),
    Column("level", SmallInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

_KINDS = {Accepted: ResultKind.ACCEPTED}
_STATUSES, _LEVELS = list(ReceiptStatus), list(ReceiptLevel)
_NONE = -1  # in place of a time that was not stated


class PackedResult(NamedTuple):
    """One answer: the message's place in its chunk, and what the carrier said."""

    offset: int
    kind: int
    reference: str


class PackedReceipt(NamedTuple):
    """One receipt: the message's place in its chunk, and what the carrier said."""

    offset: int
    status: ReceiptStatus
    level: ReceiptLevel
    done_at: int | None  # ms since 1970
    reference: str
    code: str
    raw: str


def pack_results(first_seq: int, outcomes: Sequence[SubmitOutcome]) -> bytes:
    """Offsets, kinds, references: one reference for each message, "" where the carrier gave none."""
    offsets = array("H", [outcome.item.seq - first_seq for outcome in outcomes])
    kinds = bytes(_KINDS.get(type(outcome.result), ResultKind.UNKNOWN) for outcome in outcomes)
    names = "\n".join(_reference(outcome) for outcome in outcomes)
    return len(outcomes).to_bytes(2, "little") + offsets.tobytes() + kinds + names.encode()


def _reference(outcome: SubmitOutcome) -> str:
    result = outcome.result
    return (result.refs[0] or "") if isinstance(result, Accepted) and result.refs else ""


def results_of(body: bytes) -> Iterator[PackedResult]:
    count = int.from_bytes(body[:2], "little")
    offsets = array("H", body[2 : 2 + 2 * count])
    kinds, names = body[2 + 2 * count : 2 + 3 * count], body[2 + 3 * count :].decode().split("\n")
    return map(PackedResult._make, zip(offsets, kinds, names, strict=True))


def pack_receipts(offsets: Sequence[int], arrivals: Sequence[Arrival]) -> bytes:
    """Offsets, statuses, levels and times; then references, codes and raw texts, compressed together."""
    given = [arrival.receipt for arrival in arrivals]
    fixed = array("H", offsets).tobytes()
    fixed += bytes(_STATUSES.index(each.status) for each in given)
    fixed += bytes(_LEVELS.index(each.level) for each in given)
    fixed += array("q", map(_done_at, given)).tobytes()
    columns = zip(*((each.reference or "", each.code or "", each.raw or "") for each in given), strict=True)
    texts = "\0".join("\n".join(column) for column in columns).encode()
    return len(given).to_bytes(2, "little") + fixed + zlib.compress(texts, 1)


def _done_at(receipt: Receipt) -> int:
    return round(receipt.done_at.timestamp() * 1000) if receipt.done_at else _NONE


def receipts_of(body: bytes) -> Iterator[PackedReceipt]:
    n = int.from_bytes(body[:2], "little")
    offsets, rest = array("H", body[2 : 2 + 2 * n]), body[2 + 2 * n :]
    times = array("q", rest[2 * n : 10 * n])
    texts = [column.split("\n") for column in zlib.decompress(rest[10 * n :]).decode().split("\0")]
    for nth, offset in enumerate(offsets):
        status, level = _STATUSES[rest[nth]], _LEVELS[rest[n + nth]]
        done_at = None if times[nth] == _NONE else times[nth]
        yield PackedReceipt(offset, status, level, done_at, *(column[nth] for column in texts))


def state_at(planes: dict[str, int], bit: int) -> DeliveryState:
    """What the planes say of one message. A receipt weighs more than an answer."""
    for name, state in (
        ("delivered", DeliveryState.DELIVERED),
        ("failed", DeliveryState.UNDELIVERED),
        ("refused", DeliveryState.REJECTED),
        ("taken", DeliveryState.SUBMITTED),
        ("unknown", DeliveryState.UNKNOWN),
    ):
        if planes[name] & bit:
            return state
    return DeliveryState.QUEUED
