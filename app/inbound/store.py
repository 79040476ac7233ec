"""One group of inbound messages as rows, in one transaction that may run twice."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, func, select, text

from app.core.clock import DAY_MS
from app.core.phone import normalise
from app.database.connection import one_at_a_time
from app.database.models import inbound_messages
from app.ledger.contract import Lane, Ledger
from carriers.inbound import InboundMessage

# Ids in the order of commits: a list that is read on by its ids would pass by one that is committed late.
_ORDER = 4922
# How long after the first one a carrier may bring again what was not acknowledged.
AGAIN_MS = 3 * DAY_MS
Row = dict[str, Any]
_INSERT = text(
    """
    INSERT INTO inbound_messages
      (received_at, lane_id, phone, source, destination, coding, text, octets,
       part_reference, part_number, part_total, repeat_of, digest, arrival)
    VALUES
      (:received_at, :lane_id, :phone, :source, :destination, :coding, :text, :octets,
       :part_reference, :part_number, :part_total, :repeat_of, :digest, :arrival)
    ON CONFLICT (arrival) DO NOTHING
    """
)


@dataclass(frozen=True, slots=True)
class IncomingMessage:
    """One message as a process took it: over which lane, and the process's own name for it."""

    lane: Lane
    message: InboundMessage
    arrival: str


def keep(connection: Connection, ledger: Ledger, group: Sequence[IncomingMessage]) -> Counter[str]:
    """Write them; lane name -> how many have the content of one that came shortly before.

    Whether that is the carrier's repetition of what was not acknowledged, or a person who wrote the same
    twice, nobody can tell: both are kept, and the later one names the first.
    """
    one_at_a_time(connection, _ORDER)
    now = ledger.now_ms(connection)
    firsts: dict[int, Row] = {}
    repeats: list[Row] = []
    for each in group:
        row = _row(each, now)
        if firsts.setdefault(row["digest"], row) is not row:
            repeats.append(row)
    _write(connection, list(firsts.values()), now)
    _write(connection, repeats, now)
    lanes = {each.arrival: each.lane.name for each in group}
    return Counter(lanes[row["arrival"]] for row in (*firsts.values(), *repeats) if row["repeat_of"])


def _write(connection: Connection, rows: Sequence[Row], now: int) -> None:
    """Insert them, each with the first of its content that is there already."""
    if not rows:
        return
    c = inbound_messages.c
    digests = {row["digest"] for row in rows}
    earlier = select(c.digest, func.min(c.id)).where(c.digest.in_(digests), c.received_at >= now - AGAIN_MS)
    first = {digest: number for digest, number in connection.execute(earlier.group_by(c.digest))}  # noqa: C416
    for row in rows:
        row["repeat_of"] = first.get(row["digest"])
    connection.execute(_INSERT, rows)


def _row(came: IncomingMessage, now: int) -> Row:
    message, phone = came.message, normalise(came.message.source)
    known = isinstance(phone, int)
    part = message.part
    return {
        "received_at": now,
        "lane_id": came.lane.id,
        "phone": phone if known else None,
        "source": None if known else message.source,
        "destination": message.destination,
        "coding": message.data_coding,
        "text": message.text,
        "octets": None if message.is_exact else message.octets.hex(),
        "part_reference": part.reference if part else None,
        "part_number": part.number if part else None,
        "part_total": part.total if part else None,
        "repeat_of": None,
        "digest": _digest(came),
        "arrival": came.arrival,
    }


def _digest(came: IncomingMessage) -> int:
    """The same for the same words of the same person to the same address, over whichever link of a group."""
    m = came.message
    said = (came.lane.group_id, m.source, m.destination, m.data_coding, m.octets, m.part)
    return int.from_bytes(hashlib.blake2b(repr(said).encode(), digest_size=8).digest(), signed=True)
