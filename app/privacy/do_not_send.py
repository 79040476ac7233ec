"""Do-not-send lists by carrier: numbers that its runs leave out, at queueing and again at sending."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, select, text

from app.core.phone import HOLDERS, REASONS, mask, normalise
from app.database.connection import shared_ms
from app.database.listing import ListColumns, ListPart, ListRequest, part
from app.database.models import batches, do_not_send, links
from app.database.records import from_row
from app.ledger import opt_out_seal
from app.security import audit

MOST = 10_000  # numbers of one request
LONGEST = 40  # characters of one, in any spelling
_AT_ONCE = 500
_ADD = text(
    """
    INSERT INTO do_not_send (carrier, phone, added_at, added_by) VALUES (:carrier, :phone, :at, :by)
    ON CONFLICT (carrier, phone) DO NOTHING
    """
)


@dataclass(frozen=True, slots=True)
class RefusedEntry:
    """An entry that is no number: its place in the request, counted from 1, and why."""

    place: int
    why: str


@dataclass(frozen=True, slots=True)
class Changed:
    """Entries that changed the list, and those that were there (or not there) already."""

    changed: int
    unchanged: int
    refused: list[RefusedEntry]


@dataclass(frozen=True, slots=True)
class DoNotSendEntry:
    """One number of the list, masked."""

    id: int
    carrier: str
    phone: str
    added_at: datetime
    added_by: str


def add(connection: Connection, carrier: str, numbers: Iterable[str], who: str) -> Changed:
    """Add numbers, in any usual spelling, to the carrier's list; runs leave them out from now on."""
    phones, refused = _read(numbers)
    return _add(connection, carrier, phones, who, refused)


def _add(
    connection: Connection, carrier: str, phones: Sequence[int], who: str, refused: list[RefusedEntry]
) -> Changed:
    held = opt_out_seal.hold(connection, carrier)
    known = _known(connection, carrier, phones)
    fresh = [phone for phone in phones if phone not in known]
    now = shared_ms(connection)
    rows = [{"carrier": carrier, "phone": phone, "at": now, "by": who[:80]} for phone in fresh]
    if rows:
        connection.execute(_ADD, rows)
    sealed = opt_out_seal.move(connection, held, added=fresh)
    done = Changed(len(fresh), len(known), refused)
    return _noted(connection, (who, "do-not-send.add", carrier), done, sealed)


def add_everywhere(connection: Connection, phone: int, who: str) -> int:
    """Put a number on the list of every carrier that there is or may be; return on how many it is new.

    Its holder may have gone to another carrier with it. Each list's act of the audit says so.
    """
    known = {row.carrier for row in connection.execute(select(batches.c.carrier).distinct())}
    known |= {row.carrier for row in connection.execute(select(links.c.carrier).distinct())}
    listed = select(do_not_send.c.carrier).where(do_not_send.c.phone == phone)
    there = set(connection.execute(listed).scalars())
    fresh = sorted((HOLDERS | known) - there)
    for carrier in fresh:  # all lists before the audit's chain, as whoever changes one list locks them
        opt_out_seal.hold(connection, carrier)
    return sum(_add(connection, carrier, [phone], who, []).changed for carrier in fresh)


def remove(connection: Connection, carrier: str, numbers: Iterable[str], who: str) -> Changed:
    """Remove numbers from the list. Campaigns that have left them out still do not send to them."""
    phones, refused = _read(numbers)
    held = opt_out_seal.hold(connection, carrier)
    c, known = do_not_send.c, _known(connection, carrier, phones)
    for some in _slices(sorted(known)):
        connection.execute(delete(do_not_send).where(c.carrier == carrier, c.phone.in_(some)))
    done = Changed(len(known), len(phones) - len(known), refused)
    sealed = opt_out_seal.move(connection, held, removed=known)
    return _noted(connection, (who, "do-not-send.remove", carrier), done, sealed)


def listed(
    connection: Connection, request: ListRequest | int, limit: int, carrier: str | None = None
) -> ListPart[DoNotSendEntry]:
    c = do_not_send.c
    query = select(do_not_send) if carrier is None else select(do_not_send).where(c.carrier == carrier)
    columns = ListColumns(c.id, c.added_at, orders={"since": c.id})
    return part(connection, query, columns, request, limit).of(
        lambda row: from_row(DoNotSendEntry, row, phone=mask(row.phone))
    )


def _read(numbers: Iterable[str]) -> tuple[list[int], list[RefusedEntry]]:
    """Return each number once; do not echo invalid ones, which may be misspelt numbers."""
    phones: dict[int, None] = {}
    refused = []
    for place, raw in enumerate(numbers, 1):
        found = normalise(raw)
        if isinstance(found, str):
            refused.append(RefusedEntry(place, REASONS[found].en))
        else:
            phones[found] = None
    return list(phones), refused


def _known(connection: Connection, carrier: str, phones: Sequence[int]) -> set[int]:
    c, found = do_not_send.c, set[int]()
    for some in _slices(phones):
        query = select(c.phone).where(c.carrier == carrier, c.phone.in_(some))
        found.update(connection.execute(query).scalars())
    return found


def _slices(phones: Sequence[int]) -> Iterator[Sequence[int]]:
    return (phones[start : start + _AT_ONCE] for start in range(0, len(phones), _AT_ONCE))


def _noted(
    connection: Connection, act: tuple[str, str, str], done: Changed, sealed: dict[str, int]
) -> Changed:
    who, action, carrier = act
    details = {"changed": done.changed, "unchanged": done.unchanged, "refused": len(done.refused)}
    audit.note(connection, who, action, f"carrier/{carrier}", **details, **sealed)
    return done
