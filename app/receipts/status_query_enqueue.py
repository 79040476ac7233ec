"""Enqueue deliveries to query carriers about: unknown ones, and a sample or all of what was sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Row, select, text

from app.core import clock
from app.core.states import ChunkState, DeliveryState
from app.database.models import batches, deliveries, run_batches, submissions
from app.ledger.contract import Link
from app.ledger.ledger import Ledger
from app.receipts.status_queries import LONGEST_MS, QueryPlan

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


def unknown(connection: Connection, ledger: Ledger, link: Link, plan: QueryPlan) -> int:
    """Enqueue the link's unknown deliveries that have a reference; return how many."""
    now = ledger.now_ms(connection)
    values = {"link": link.id, "oldest": now - LONGEST_MS, "after": plan.pause_ms(0)}
    return connection.execute(_UNKNOWN, values | {"most": _UNKNOWN_AT_ONCE}).rowcount


def handed_over(connection: Connection, link: Link) -> Sequence[Row[Any]]:
    """Return some sent chunks of the carrier's runs that were not yet looked through for this link."""
    values = {"carrier": link.carrier, "link": link.id, "done": int(ChunkState.DONE), "most": _CHUNKS_AT_ONCE}
    return connection.execute(_HANDED_OVER, values | {"oldest": clock.now_ms() - LONGEST_MS}).all()


def chunks(connection: Connection, link: Link, plan: QueryPlan, sent: Sequence[Row[Any]]) -> int:
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
