"""The list of deliveries to query carriers about: what is due, postponed or settled."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import Connection, Row, Table, select, text

from app.core import clock
from app.core.clock import DAY_MS
from app.core.states import DeliveryState, LinkState, NotSent
from app.database.models import campaigns, deliveries, links, submissions
from app.ledger.contract import DeliveryKey, Link
from app.ledger.ledger import Ledger
from carriers.contract import Question

LONGEST_MS = 3 * DAY_MS
_LONGEST_PAUSE_S = 3600.0
_LOOK_AT_ONCE = 500

# Unknown ones come first: the others may still get a receipt.
_DUE_UNKNOWN = text(
    """
    SELECT q.campaign_id, q.batch_id, q.seq, q.since, q.tries
      FROM unknowns u CROSS JOIN status_queries q -- SQLite keeps this order: the short list first
     WHERE q.campaign_id = u.campaign_id AND q.batch_id = u.batch_id AND q.seq = u.seq
       AND u.link_id = :link AND q.link_id = :link AND q.due_at <= :now ORDER BY q.due_at LIMIT :most
    """
)
_DUE = text(
    """
    SELECT campaign_id, batch_id, seq, since, tries FROM status_queries
     WHERE link_id = :link AND due_at <= :now ORDER BY due_at LIMIT :most
    """
)
_LATER = text(
    """
    UPDATE status_queries SET tries = :tries, due_at = :due
     WHERE campaign_id = :campaign AND batch_id = :batch AND seq = :seq AND since = :at
    """
)
_GONE = text(
    """
    DELETE FROM status_queries
     WHERE campaign_id = :campaign AND batch_id = :batch AND seq = :seq AND since = :at
    """
)
_ASKED = text(
    """
    UPDATE unknowns SET asked_at = :at WHERE campaign_id = :campaign AND batch_id = :batch AND seq = :seq
    """
)


@dataclass(frozen=True, slots=True)
class QueryPlan:
    """What to query a link about: `sample` deliveries of each run, or all; first after `after_s` seconds."""

    which: Literal["unknown", "sample", "all"]
    sample: int
    after_s: float

    def pause_ms(self, tries: int) -> int:
        """Return the pause before the first query, and before each further one: doubled, up to an hour."""
        return round(1000 * min(self.after_s * 2.0 ** min(tries, 30), _LONGEST_PAUSE_S))


@dataclass(frozen=True, slots=True)
class Pending:
    """A delivery that is due, with one query for each part without a final receipt."""

    key: DeliveryKey
    since: int
    tries: int
    questions: tuple[Question, ...]
    taken_if_known: bool  # if the carrier knows the message at all, it has accepted it


@dataclass(frozen=True, slots=True)
class DueQueries:
    """What to ask now, and how many were removed because they are settled."""

    pending: Sequence[Pending]
    gone: int


def due(
    connection: Connection, ledger: Ledger, link: Link, most: int, out: Collection[DeliveryKey]
) -> DueQueries:
    """Return up to `most` deliveries to ask about, not in `out`, none if halted; remove those settled."""
    state = connection.execute(select(links.c.state).where(links.c.id == link.id)).scalar()
    if state != LinkState.RUNNING:
        return DueQueries((), 0)
    found = _found(connection, ledger.now_ms(connection), link, _LOOK_AT_ONCE + len(out))
    statuses = {_key(row): row for row in _rows_of(connection, deliveries, found)}
    gone = [key for key in found if not _open(statuses.get(key), link)]
    if gone:
        connection.execute(_GONE, [_name(key, found[key].since) for key in gone])
    chosen = [key for key in found if key not in out and _open(statuses.get(key), link)][:most]
    return DueQueries(_pending(connection, [found[key] for key in chosen], statuses), len(gone))


def put_off(
    connection: Connection,
    ledger: Ledger,
    plan: QueryPlan,
    asked: Sequence[Pending],
    settled: Sequence[Pending],
) -> None:
    """Postpone what got no final answer, for up to three days; remove what did."""
    now = ledger.now_ms(connection)
    given_up = [each for each in asked if now - each.since >= LONGEST_MS]
    later = [each for each in asked if now - each.since < LONGEST_MS]
    for statement, rows in (
        (_LATER, [_name(each.key, each.since) | _next(each, plan, now) for each in later]),
        (_GONE, [_name(each.key, each.since) for each in (*settled, *given_up)]),
        (_ASKED, [_name(each.key, now) for each in asked if each.questions]),
    ):
        if rows:
            connection.execute(statement, rows)


def _next(one: Pending, plan: QueryPlan, now: int) -> dict[str, int]:
    tries = min(one.tries + 1, 30_000)
    return {"tries": tries, "due": now + plan.pause_ms(tries)}


def _name(key: DeliveryKey, at: int) -> dict[str, int]:
    return {"campaign": key.campaign_id, "batch": key.batch_id, "seq": key.seq, "at": at}


def _key(row: Row[Any]) -> DeliveryKey:
    return DeliveryKey(row.campaign_id, row.batch_id, row.seq)


def _found(connection: Connection, now: int, link: Link, most: int) -> dict[DeliveryKey, Row[Any]]:
    values = {"link": link.id, "now": now, "most": most}
    found: dict[DeliveryKey, Row[Any]] = {}
    for row in itertools.chain(connection.execute(_DUE_UNKNOWN, values), connection.execute(_DUE, values)):
        found.setdefault(_key(row), row)
    return found


def _open(row: Row[Any] | None, link: Link) -> bool:
    """Return whether to go on asking this link's carrier: nothing final came, and nobody has decided."""
    if row is None or row.link_id != link.id or row.reason == NotSent.WRITTEN_OFF:
        return False
    return row.state in (DeliveryState.SUBMITTED, DeliveryState.UNKNOWN)


def _rows_of(connection: Connection, table: Table, keys: Iterable[DeliveryKey]) -> Iterator[Row[Any]]:
    seqs: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    for key in keys:
        seqs[key.campaign_id, key.batch_id].append(key.seq)
    for (campaign_id, batch_id), some in seqs.items():
        own = (table.c.campaign_id == campaign_id, table.c.batch_id == batch_id, table.c.seq.in_(some))
        yield from connection.execute(select(table).where(*own))


def _pending(
    connection: Connection, rows: Sequence[Row[Any]], statuses: dict[DeliveryKey, Row[Any]]
) -> list[Pending]:
    named: defaultdict[DeliveryKey, dict[int, Row[Any]]] = defaultdict(dict)
    keys = [_key(row) for row in rows]
    for part in sorted(_rows_of(connection, submissions, keys), key=lambda row: int(row.attempt)):
        if part.reference is not None:
            named[_key(part)][part.part] = part  # of the newest attempt
    campaign_ids = {key.campaign_id for key in keys}
    query = select(campaigns.c.id, campaigns.c.sender).where(campaigns.c.id.in_(campaign_ids))
    senders = {row.id: row.sender for row in connection.execute(query)}
    return [
        _one(row, statuses[key], named[key], senders[key.campaign_id])
        for key, row in zip(keys, rows, strict=True)
    ]


def _one(row: Row[Any], delivery: Row[Any], named: dict[int, Row[Any]], sender: str) -> Pending:
    settled = delivery.delivered | delivery.relayed | delivery.failed
    questions = tuple(
        Question(part.reference, str(delivery.phone), sender, clock.from_ms(part.at))
        for number, part in sorted(named.items())
        if not settled >> number & 1
    )
    unknown = delivery.state == DeliveryState.UNKNOWN
    return Pending(_key(row), row.since, row.tries, questions, unknown and len(named) == delivery.parts)
