"""The inbound message writer: messages are committed in groups and acknowledged only after the commit."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import re
import secrets
import unicodedata
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog
from sqlalchemy import Connection, func, select, text
from sqlalchemy.exc import DBAPIError

from app.core.clock import DAY_MS
from app.core.config import ReplySettings
from app.core.errors import DatabaseUnavailable
from app.core.phone import normalise
from app.database.advisory_locks import AdvisoryLock
from app.database.connection import Database, one_at_a_time
from app.database.models import inbound_messages
from app.inbound.reply_kinds import ReplyKind, kind_of
from app.ledger import opt_out_seal
from app.ledger.contract import Link
from app.ledger.ledger import Ledger
from app.observability.metrics import Metrics
from app.security import audit
from app.telephone_panel import answers
from carriers.contract import Acknowledge
from carriers.inbound import InboundMessage, InboundSink

# ---- Store a group

# How long after the first one a carrier may repeat what was not acknowledged.
AGAIN_MS = 3 * DAY_MS
_DIALLED = re.compile(r"[\s+]*[0-9][0-9\s.()-]*")
_NOT_DIGITS = re.compile("[^0-9]+")
Row = dict[str, Any]
_USUAL = ReplySettings()
_INSERT = text(
    """
    INSERT INTO inbound_messages
      (received_at, link_id, phone, source, destination, coding, text, octets,
       part_reference, part_number, part_total, repeat_of, digest, kind, arrival)
    VALUES
      (:received_at, :link_id, :phone, :source, :destination, :coding, :text, :octets,
       :part_reference, :part_number, :part_total, :repeat_of, :digest, :kind, :arrival)
    ON CONFLICT (arrival) DO NOTHING
    """
)


_OPT_OUT = text(
    """
    INSERT INTO do_not_send (carrier, phone, added_at, added_by) VALUES (:carrier, :phone, :at, 'reply')
    ON CONFLICT (carrier, phone) DO NOTHING
    """
)


@dataclass(frozen=True, slots=True)
class IncomingMessage:
    """One received message, the link it came over, and an ID unique to its arrival."""

    link: Link
    message: InboundMessage
    arrival: str


def keep(
    connection: Connection,
    ledger: Ledger,
    group: Sequence[IncomingMessage],
    words: ReplySettings = _USUAL,
) -> Counter[str]:
    """Store them, safe to run twice; return by link name how many repeat a recent message's content.

    Who opts out is on the do-not-send list of the link's carrier by the same commit, and what a test
    telephone answers is recorded.

    Whether the carrier repeats what was not acknowledged or a person wrote the same twice cannot be told:
    both are stored, and the later one refers to the first.
    """
    one_at_a_time(connection, AdvisoryLock.INBOUND_ORDER)
    now = ledger.now_ms(connection)
    firsts: dict[int, Row] = {}
    repeats: list[Row] = []
    for each in group:
        row = _row(each, now) | {"kind": _kind(each.message, words).value}
        if firsts.setdefault(row["digest"], row) is not row:
            repeats.append(row)
    _write(connection, list(firsts.values()), now)
    _write(connection, repeats, now)
    _list(connection, group, (*firsts.values(), *repeats), now)
    answers.replied(connection, _replies((*firsts.values(), *repeats)))
    links = {each.arrival: each.link.name for each in group}
    return Counter(links[row["arrival"]] for row in (*firsts.values(), *repeats) if row["repeat_of"])


def _replies(rows: Sequence[Row]) -> list[tuple[int, str]]:
    """Return who wrote what, of whole messages that ask for nothing else: a test telephone may answer so."""
    other = [row for row in rows if row["kind"] == ReplyKind.OTHER and row["part_total"] in (None, 1)]
    return [(row["phone"], row["text"]) for row in other if row["phone"] is not None]


def _kind(message: InboundMessage, words: ReplySettings) -> ReplyKind:
    """Tell what a message asks for; a part of a long one can't be told by itself."""
    whole = message.part is None or message.part.total == 1
    return kind_of(message.text, words.opt_out) if whole else ReplyKind.OTHER


def _list(connection: Connection, group: Sequence[IncomingMessage], rows: Sequence[Row], now: int) -> None:
    """Put who opts out on the carrier's list, once; an act of the audit says how many."""
    carriers = {each.arrival: each.link.carrier for each in group}
    asked = {
        (carriers[row["arrival"]], row["phone"])
        for row in rows
        if row["kind"] == ReplyKind.OPT_OUT and row["phone"] is not None
    }
    # All lists before the audit's chain, as whoever changes one list locks them.
    held = {
        carrier: opt_out_seal.hold(connection, carrier) for carrier in sorted({each[0] for each in asked})
    }
    for carrier in held:
        phones = sorted(phone for of, phone in asked if of == carrier)
        added = [
            phone
            for phone in phones
            if connection.execute(_OPT_OUT, {"carrier": carrier, "phone": phone, "at": now}).rowcount
        ]
        if added:
            sealed = opt_out_seal.move(connection, held[carrier], added=added)
            audit.note(
                connection, "loa", "do-not-send.reply", f"carrier/{carrier}", changed=len(added), **sealed
            )


def _write(connection: Connection, rows: Sequence[Row], now: int) -> None:
    """Insert them, each with the first stored message of the same content."""
    if not rows:
        return
    c = inbound_messages.c
    digests = {row["digest"] for row in rows}
    earlier = select(c.digest, func.min(c.id)).where(c.digest.in_(digests), c.received_at >= now - AGAIN_MS)
    first = dict(connection.execute(earlier.group_by(c.digest)).all())
    for row in rows:
        row["repeat_of"] = first.get(row["digest"])
    connection.execute(_INSERT, rows)


def _row(came: IncomingMessage, now: int) -> Row:
    message, phone = came.message, normalise(came.message.source)
    known = isinstance(phone, int)
    part = message.part
    return {
        "received_at": now,
        "link_id": came.link.id,
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
    """Hash what a person wrote to one address, the same over whichever link of the carrier.

    Links may differ in how they write numbers, encode text and end lines.
    """
    m = came.message
    words = _folded(unicodedata.normalize("NFC", m.text)) if m.is_exact else (m.data_coding, m.octets)
    said = (came.link.carrier, _address(m.source), _address(m.destination), words, m.part)
    return int.from_bytes(hashlib.blake2b(repr(said).encode(), digest_size=8).digest(), signed=True)


def _address(written: str) -> int | str:
    """Return one value for each address: a mobile number, another one by its digits, a name by its words."""
    number = normalise(written)
    if isinstance(number, int):
        return number
    return _NOT_DIGITS.sub("", written) if _DIALLED.fullmatch(written) else _folded(written)


def _folded(text: str) -> str:
    return " ".join(text.split())


log = structlog.get_logger(__name__)

_WEIGHT = 1000  # bytes of memory that a message takes beside its content, rounded up
_Waiting = tuple[IncomingMessage, Acknowledge]


@dataclass(slots=True)
class InboundWriter:
    """Wait for `group` messages or `wait_s`, and store up to `most` in one commit.

    While the database is away they wait unacknowledged. Beyond `room` bytes the carrier is told to repeat
    later, so memory is bounded and nothing is accepted that could be lost.
    """

    db: Database
    ledger: Ledger
    metrics: Metrics
    group: int = 200
    most: int = 2000
    wait_s: float = 0.02
    room: int = 32_000_000
    words: ReplySettings = _USUAL
    refused: int = 0  # messages given back when the process ended without its database
    _waiting: deque[_Waiting] = field(default_factory=deque)
    _weight: int = 0
    _some: asyncio.Event = field(default_factory=asyncio.Event)
    _full: asyncio.Event = field(default_factory=asyncio.Event)
    _stopping: bool = False
    _names: itertools.count[int] = field(default_factory=itertools.count)
    _own: str = field(default_factory=lambda: secrets.token_hex(10))

    def sink(self, link: Link) -> InboundSink:
        def drop(message: InboundMessage, acknowledge: Acknowledge) -> None:
            weight = _weight(message)
            if self._stopping or self._weight + weight > self.room:
                self.metrics.inbound(link.name, "refused", 1)
                acknowledge(False)
                return
            came = IncomingMessage(link, message, f"{self._own}-{next(self._names):x}")
            self._waiting.append((came, acknowledge))
            self._weight += weight
            self._some.set()
            if len(self._waiting) >= self.group:
                self._full.set()

        return drop

    def stop(self) -> None:
        """Accept nothing more; run() returns once all accepted messages are committed."""
        self._stopping = True
        self._some.set()
        self._full.set()

    async def run(self) -> None:
        """Commit groups until stop(). Raises DatabaseUnavailable if the database stays away too long."""
        while not self._stopping or self._waiting:
            await self._some.wait()
            await self._gather()
            taken = [self._waiting.popleft() for _ in range(min(self.most, len(self._waiting)))]
            if not self._stopping:
                self._look()
            if taken:
                await self._commit(taken)
                self._weight -= sum(_weight(came.message) for came, _ in taken)

    async def _gather(self) -> None:
        try:
            await asyncio.wait_for(self._full.wait(), self.wait_s)
        except TimeoutError:
            return

    def _look(self) -> None:
        if not self._waiting:
            self._some.clear()
        if len(self._waiting) < self.group:
            self._full.clear()

    async def _commit(self, waiting: Sequence[_Waiting]) -> None:
        try:
            await self._keep(waiting)
        except DatabaseUnavailable:
            self._give_back(waiting)
            raise
        except DBAPIError as error:
            await self._one_by_one(waiting, error)

    async def _one_by_one(self, waiting: Sequence[_Waiting], error: DBAPIError) -> None:
        """Store each alone: a row that the database refuses must not keep out the others."""
        if len(waiting) > 1:
            for one in waiting:
                await self._commit([one])
            return
        ((came, acknowledge),) = waiting
        log.error("an incoming message cannot be stored", link=came.link.name, why=type(error.orig).__name__)
        self.metrics.inbound(came.link.name, "refused", 1)
        acknowledge(False)

    async def _keep(self, waiting: Sequence[_Waiting]) -> None:
        repeated = await self.db.write_with_retry(
            keep, self.ledger, [came for came, _ in waiting], self.words
        )
        for came, acknowledge in waiting:
            acknowledge(True)
            self.metrics.inbound(came.link.name, "kept", 1)
        for link, n in repeated.items():
            self.metrics.inbound(link, "repeated", n)

    def _give_back(self, waiting: Sequence[_Waiting]) -> None:
        """Give back what can't be committed any more; its carrier will repeat it."""
        self._stopping = True
        for _, acknowledge in (*waiting, *self._waiting):
            self.refused += 1
            acknowledge(False)
        self._waiting.clear()


def _weight(message: InboundMessage) -> int:
    return _WEIGHT + 5 * len(message.octets)  # its octets, and its text at four bytes a character
