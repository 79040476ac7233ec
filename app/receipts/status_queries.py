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
from app.core.states import ChunkState, DeliveryState, LinkState, NotSent
from app.database.models import batches, campaigns, deliveries, links, run_batches, submissions
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
    pending: Sequence[Pending],
    settled: Sequence[Pending],
) -> None:
    """Postpone what got no final answer, for up to three days; remove what did."""
    now = ledger.now_ms(connection)
    given_up = [each for each in pending if now - each.since >= LONGEST_MS]
    later = [each for each in pending if now - each.since < LONGEST_MS]
    for statement, rows in (
        (_LATER, [_name(each.key, each.since) | _next(each, plan, now) for each in later]),
        (_GONE, [_name(each.key, each.since) for each in (*settled, *given_up)]),
        (_ASKED, [_name(each.key, now) for each in pending if each.questions]),
    ):
        if rows:
            connection.execute(statement, rows)


def _next(query: Pending, plan: QueryPlan, now: int) -> dict[str, int]:
    tries = min(query.tries + 1, 30_000)
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


# ---- Enqueue: unknown deliveries, and a sample or all of what was sent

_UNKNOWN_AT_ONCE = 1000
_CHUNKS_AT_ONCE = 4

_AGAIN = """
    ON CONFLICT (campaign_id, batch_id, seq) DO UPDATE
       SET link_id = excluded.link_id, since = excluded.since, due_at = excluded.due_at, tries = 0
     WHERE status_queries.since < excluded.since
"""
_UNKNOWN = text(
    f"""
    INSERT INTO status_queries (campaign_id, batch_id, seq, link_id, since, due_at)
    SELECT u.campaign_id, u.batch_id, u.seq, u.link_id, u.since, u.since + :after
      FROM unknowns u
     WHERE u.link_id = :link AND u.written_off_by IS NULL AND u.since > :oldest
       AND EXISTS (SELECT 1 FROM submissions s
                    WHERE s.campaign_id = u.campaign_id AND s.batch_id = u.batch_id AND s.seq = u.seq
                      AND s.reference IS NOT NULL)
       AND NOT EXISTS (SELECT 1 FROM status_queries q
                        WHERE q.campaign_id = u.campaign_id AND q.batch_id = u.batch_id AND q.seq = u.seq
                          AND q.since >= u.since)
     LIMIT :most {_AGAIN}
    """  # noqa: S608 - put together from constants of this file; values are bound
)
_ONE = text(
    f"""
    INSERT INTO status_queries (campaign_id, batch_id, seq, link_id, since, due_at)
    VALUES (:campaign, :batch, :seq, :link, :since, :due) {_AGAIN}
    """  # noqa: S608 - the same
)
_HANDED_OVER = text(
    """
    SELECT c.campaign_id, c.batch_id, c.run_id, c.first_seq, c.last_seq, c.pass_no
      FROM runs r JOIN chunks c ON c.campaign_id = r.campaign_id AND c.run_id = r.id
     WHERE r.carrier = :carrier AND (r.ended_at IS NULL OR r.ended_at > :oldest) AND c.state = :done
       AND NOT EXISTS (SELECT 1 FROM polled_chunks p
                        WHERE p.campaign_id = c.campaign_id AND p.batch_id = c.batch_id
                          AND p.first_seq = c.first_seq AND p.link_id = :link AND p.pass_no >= c.pass_no)
     ORDER BY c.campaign_id, c.batch_id, c.first_seq LIMIT :most
    """
)
_POLLED = text(
    """
    INSERT INTO polled_chunks (campaign_id, batch_id, first_seq, link_id, pass_no)
    VALUES (:campaign, :batch, :first, :link, :pass)
    ON CONFLICT (campaign_id, batch_id, first_seq, link_id) DO UPDATE SET pass_no = excluded.pass_no
    """
)


def enqueue_unknown(connection: Connection, ledger: Ledger, link: Link, plan: QueryPlan) -> int:
    """Enqueue the link's unknown deliveries that have a reference; return how many."""
    now = ledger.now_ms(connection)
    values = {"link": link.id, "oldest": now - LONGEST_MS, "after": plan.pause_ms(0)}
    return connection.execute(_UNKNOWN, values | {"most": _UNKNOWN_AT_ONCE}).rowcount


def handed_over(connection: Connection, link: Link) -> Sequence[Row[Any]]:
    """Return some sent chunks of the carrier's runs that were not yet looked through for this link."""
    values = {"carrier": link.carrier, "link": link.id, "done": int(ChunkState.DONE), "most": _CHUNKS_AT_ONCE}
    return connection.execute(_HANDED_OVER, values | {"oldest": clock.now_ms() - LONGEST_MS}).all()


def enqueue_chunks(connection: Connection, link: Link, plan: QueryPlan, sent: Sequence[Row[Any]]) -> int:
    """Enqueue deliveries of these chunks, all or an even sample of each run; return how many."""
    rows: list[dict[str, int]] = []
    places: dict[int, tuple[dict[int, int], int]] = {}
    for chunk in sent:
        waiting = _waiting(connection, link, chunk)
        if plan.which == "sample":
            place = places.setdefault(chunk.run_id, _places(connection, chunk.run_id))
            waiting = list(_sample(waiting, chunk, place, plan.sample))
        head = {"campaign": chunk.campaign_id, "batch": chunk.batch_id, "link": link.id}
        rows += [head | {"seq": seq, "since": at, "due": at + plan.pause_ms(0)} for seq, at in waiting]
        connection.execute(_POLLED, head | {"first": chunk.first_seq, "pass": chunk.pass_no})
    if rows:
        connection.execute(_ONE, rows)
    return len(rows)


def _waiting(connection: Connection, link: Link, chunk: Row[Any]) -> list[tuple[int, int]]:
    """Return (seq, ms) of the chunk's deliveries that this link sent and that wait for a receipt."""
    d, s = deliveries.c, submissions.c
    own = select(s.seq).where(s.campaign_id == d.campaign_id, s.batch_id == d.batch_id, s.seq == d.seq)
    query = (
        select(d.seq, d.submitted_at)
        .where(d.campaign_id == chunk.campaign_id, d.batch_id == chunk.batch_id)
        .where(d.seq >= chunk.first_seq, d.seq <= chunk.last_seq)
        .where(d.state == DeliveryState.SUBMITTED, d.link_id == link.id)
        .where(own.where(s.reference.is_not(None)).exists())
        .order_by(d.seq)
    )
    return [(seq, at) for seq, at in connection.execute(query)]


def _places(connection: Connection, run_id: int) -> tuple[dict[int, int], int]:
    """Return each batch's offset when all lines of the run are numbered through, and their total."""
    query = (
        select(batches.c.id, batches.c.lines)
        .join(run_batches, run_batches.c.batch_id == batches.c.id)
        .where(run_batches.c.run_id == run_id)
        .order_by(batches.c.id)
    )
    begins, total = {}, 0
    for batch_id, lines in connection.execute(query):
        begins[batch_id] = total
        total += lines + 1
    return begins, max(total, 1)


def _sample(
    waiting: Sequence[tuple[int, int]], chunk: Row[Any], place: tuple[dict[int, int], int], size: int
) -> Iterator[tuple[int, int]]:
    """Divide the run's lines into `size` equal stretches; yield the first waiting delivery of each."""
    begins, total = place
    begin = begins.get(chunk.batch_id, 0)
    before = (begin + chunk.first_seq - 1) * size // total
    for seq, at in waiting:
        stretch = (begin + seq) * size // total
        if stretch > before:
            yield seq, at
        before = stretch
