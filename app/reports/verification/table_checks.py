"""Consistency checks between tables; each yields one sentence per difference."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, and_, case, exists, func, select

from app.core.states import BatchState, CampaignState, ChunkState, DeliveryState, RunState
from app.database.connection import shared_ms
from app.database.models import (
    bad_lines,
    batches,
    campaigns,
    chunks,
    deliveries,
    left_out,
    run_batches,
    runs,
    subscribers,
    unknowns,
)
from app.ledger import approval_digest, batch_rows
from app.ledger.contract import Ledger, TallyCount
from app.reports.build import carrier_report, clock_check
from app.reports.figures import tally
from app.reports.figures.figures import OVER, Unbalanced

_Key = tuple[int, int, str | None, int, int]


class OddRows(NamedTuple):
    """Messages of a run whose rows contradict each other: every figure still adds up."""

    run_id: int
    messages: int
    sentence: str


def batch_counts(connection: Connection, batch_id: int) -> Iterator[str]:
    """Compare a batch's counters with its subscribers and bad lines."""
    batch = connection.execute(select(batches).where(batches.c.id == batch_id)).one()
    if batch.state != BatchState.READY:
        return
    kept = _count(connection, select(func.count()).where(subscribers.c.batch_id == batch_id))
    repeat = bad_lines.c.reason == carrier_report.REPEATED
    bad = select(func.count(), func.coalesce(func.sum(case((repeat, 1), else_=0)), 0))
    lines, repeats = connection.execute(bad.where(bad_lines.c.batch_id == batch_id)).one()
    pairs = (
        ("accepted subscribers", batch.accepted, kept),
        ("rejected lines", batch.rejected, lines - int(repeats)),
        ("repeated lines", batch.repeated, int(repeats)),
        ("lines", batch.lines, batch.accepted + batch.rejected + batch.repeated),
    )
    for what, counter, rows in pairs:
        if counter != rows:
            yield f"Batch {batch_id}: its counter of {what} is {counter}, its rows give {rows}."
    if batch_rows.rows_altered(connection, batch_id):
        yield f"Batch {batch_id}: its subscribers are not those that were imported."


def tallies_agree(connection: Connection, campaign_id: int, ledger: Ledger) -> Iterator[str]:
    counted = _by_key(ledger.recount(connection, campaign_id))
    tallied = _by_key(tally.of_campaign(connection, campaign_id))
    for key in sorted({*counted, *tallied}, key=lambda key: (*key[:2], key[2] or "", *key[3:])):
        n, rows = tallied.get(key, (0, 0)), counted.get(key, (0, 0))
        if n != rows:
            run_id, batch_id, area, state, reason = key
            yield (
                f"Run {run_id}, batch {batch_id}, area {area or 'unknown'}, {DeliveryState(state).name}, "
                f"reason {reason}: tallies say {n[0]} messages and {n[1]} segments, "
                f"rows give {rows[0]} and {rows[1]}."
            )


def _by_key(counts: list[TallyCount]) -> dict[_Key, tuple[int, int]]:
    return {(*c[:3], c[3], c[4]): (int(c.n), int(c.segments)) for c in counts if c.n or c.segments}


def as_approved(connection: Connection, campaign_id: int) -> Iterator[str]:
    """Check that what may be sent was approved, and that people started the running runs."""
    campaign = connection.execute(select(campaigns).where(campaigns.c.id == campaign_id)).one()
    query = select(runs.c.id, runs.c.state, runs.c.started_at).where(runs.c.campaign_id == campaign_id)
    own = connection.execute(query.order_by(runs.c.id)).all()
    running = [run.id for run in own if run.state == RunState.RUNNING]
    alive = any(run.state not in OVER for run in own)
    begun = bool(running) or any(run.started_at is not None for run in own)
    approved = campaign.state == CampaignState.APPROVED
    if (approved or begun) and not approval_digest.stands(connection, campaign, alive=alive):
        yield f"Campaign {campaign_id} is not what was approved, or nobody has approved it."
    for run_id in running:
        if not approval_digest.is_ordered(connection, run_id):
            yield f"Run {run_id} is running, though its last order in the audit is not to start or to resume."
    for chunk in approval_digest.altered_chunks(connection, campaign_id):
        yield (
            f"Batch {chunk.batch_id}, lines {chunk.first_seq} to {chunk.last_seq}: what is queued is not "
            "what was handed in."
        )
    if approved or begun or campaign.state == CampaignState.SUBMITTED:
        missing = approval_digest.authors(connection, campaign_id) - {
            campaign.created_by,
            campaign.submitted_by,
        }
        for who in sorted(missing.difference(campaign.editors)):
            yield f"Campaign {campaign_id} does not name {who}, who has written it by the audit."


def unknowns_listed(connection: Connection, campaign_id: int) -> Iterator[OddRows]:
    """Check that the list of unknowns holds exactly the unknown deliveries."""
    d, u = deliveries.c, unknowns.c
    same = and_(u.campaign_id == d.campaign_id, u.batch_id == d.batch_id, u.seq == d.seq)
    off = select(d.run_id, func.count()).where(
        d.campaign_id == campaign_id, d.state == DeliveryState.UNKNOWN, ~exists().where(same)
    )
    stray = select(u.run_id, func.count()).where(
        u.campaign_id == campaign_id,
        ~exists().where(same, d.state == DeliveryState.UNKNOWN, d.phone == u.phone),
    )
    for run_id, n in connection.execute(off.group_by(d.run_id)):
        yield OddRows(run_id, n, f"Run {run_id}: {n} unknown deliveries are not on the list of unknowns.")
    for run_id, n in connection.execute(stray.group_by(u.run_id)):
        said = f"Run {run_id}: {n} entries of the list of unknowns have no unknown delivery."
        yield OddRows(run_id, n, said)


def subscribers_kept(connection: Connection, campaign_id: int) -> Iterator[OddRows]:
    """Check that every queued subscriber has a delivery and every delivery its subscriber."""
    b, d, s = run_batches.c, deliveries.c, subscribers.c
    own = and_(s.batch_id == d.batch_id, s.seq == d.seq, s.phone == d.phone)
    strange = _first(d.run_id, d.batch_id, d.seq).where(d.campaign_id == campaign_id, ~exists().where(own))
    known = exists().where(d.campaign_id == campaign_id, d.phone == s.phone)
    queued = and_(s.batch_id == b.batch_id, s.seq <= b.fanned_upto)
    lost = (
        _first(b.run_id, s.batch_id, s.seq)
        .select_from(run_batches.join(subscribers, queued))
        .where(~_left_out())
    )
    for run_id, batch_id, n, seq in connection.execute(strange.group_by(d.run_id, d.batch_id)):
        said = f"Batch {batch_id}: {n} deliveries (the first: line {seq}) match no subscriber."
        yield OddRows(run_id, n, said)
    lost = lost.where(b.campaign_id == campaign_id, ~known).group_by(b.run_id, s.batch_id)
    for run_id, batch_id, n, seq in connection.execute(lost):
        said = f"Batch {batch_id}: {n} subscribers (the first: line {seq}) were lost before queueing."
        yield OddRows(run_id, n, said)


def _left_out() -> ColumnElement[bool]:
    o, s = left_out.c, subscribers.c
    own = (o.campaign_id == run_batches.c.campaign_id, o.batch_id == s.batch_id, o.seq == s.seq)
    return exists().where(*own)


def _first(
    run_id: ColumnElement[int], batch_id: ColumnElement[int], seq: ColumnElement[int]
) -> Select[*tuple[Any, ...]]:
    return select(run_id, batch_id, func.count(), func.min(seq))


def chunks_cover(connection: Connection, campaign_id: int) -> Iterator[OddRows]:
    """Check that chunks hold every delivery once, and that done chunks hold no queued one."""
    for run_id, batch_id, first in connection.execute(_overlaps(campaign_id)):
        said = f"Batch {batch_id}: the chunk from line {first} overlaps the chunk before it."
        yield OddRows(run_id, 1, said)
    held = _held(campaign_id)
    d, batch, run = deliveries.c, held.c.batch_id, held.c.run_id
    total = select(func.count()).where(d.campaign_id == campaign_id, d.batch_id == batch).scalar_subquery()
    sums = func.sum(held.c.n), func.sum(case((held.c.state == ChunkState.DONE, held.c.queued), else_=0))
    query = select(run, batch, *sums, total).group_by(run, batch)
    for run_id, batch_id, inside, stuck, n in connection.execute(query):
        if inside != n:
            said = f"Batch {batch_id}: its chunks hold {inside} deliveries, and it has {n}."
            yield OddRows(run_id, abs(int(inside) - n), said)
        if stuck:
            said = f"Batch {batch_id}: {stuck} queued deliveries are in chunks that are done."
            yield OddRows(run_id, int(stuck), said)
    outside = and_(chunks.c.campaign_id == d.campaign_id, chunks.c.batch_id == d.batch_id)
    bare = _first(d.run_id, d.batch_id, d.seq).where(d.campaign_id == campaign_id, ~exists().where(outside))
    for run_id, batch_id, n, _ in connection.execute(bare.group_by(d.run_id, d.batch_id)):
        yield OddRows(run_id, n, f"Batch {batch_id}: {n} deliveries are in no chunk.")


def _overlaps(campaign_id: int) -> Select[*tuple[Any, ...]]:
    c = chunks.c
    before = func.max(c.last_seq).over(partition_by=c.batch_id, order_by=c.first_seq, rows=(None, -1))
    spans = (
        select(c.run_id, c.batch_id, c.first_seq, before.label("before"))
        .where(c.campaign_id == campaign_id)
        .subquery()
    )
    where = spans.c.before >= spans.c.first_seq
    return select(*spans.c[:3]).where(where).order_by(spans.c.batch_id, spans.c.first_seq)


def _held(campaign_id: int) -> Any:
    """Count deliveries per chunk by key range: a join of ranges would be quadratic."""
    c, d = chunks.c, deliveries.c
    inside = (
        d.campaign_id == c.campaign_id,
        d.batch_id == c.batch_id,
        d.seq.between(c.first_seq, c.last_seq),
    )
    n = select(func.count()).where(*inside).correlate(chunks).scalar_subquery()
    waiting = (*inside, d.state == DeliveryState.QUEUED)
    queued = select(func.count()).where(*waiting).correlate(chunks).scalar_subquery()
    columns = (c.run_id, c.batch_id, c.state, n.label("n"), queued.label("queued"))
    return select(*columns).where(c.campaign_id == campaign_id).subquery()


def runs_complete(connection: Connection, campaign_id: int) -> Iterator[OddRows]:
    """Check that a finished run has nothing left to send or to queue."""
    d, s, b = deliveries.c, subscribers.c, run_batches.c
    own = and_(d.campaign_id == campaign_id, d.run_id == runs.c.id, d.state == DeliveryState.QUEUED)
    queued = select(runs.c.id, func.count()).join(deliveries, own)
    over = (runs.c.campaign_id == campaign_id, runs.c.state.in_(OVER))
    for run_id, n in connection.execute(queued.where(*over).group_by(runs.c.id)):
        yield OddRows(run_id, n, f"Run {run_id} is over, and {n} of its deliveries are still queued.")
    beyond = and_(s.batch_id == b.batch_id, s.seq > b.fanned_upto)
    left = select(runs.c.id, func.count()).join(run_batches, b.run_id == runs.c.id).join(subscribers, beyond)
    open_end = (*over, runs.c.closing.is_(None), runs.c.state != RunState.CANCELLED)
    for run_id, n in connection.execute(left.where(*open_end).group_by(runs.c.id)):
        yield OddRows(run_id, n, f"Run {run_id} is over, and {n} of its subscribers were never queued.")


def reports_add_up(connection: Connection, campaign_id: int) -> Iterator[str]:
    """Check that every run's report adds up, even where another host's clock was ahead."""
    at = max(shared_ms(connection), clock_check.newest(connection, [campaign_id]) or 0)
    for run_id in (
        connection.execute(select(runs.c.id).where(runs.c.campaign_id == campaign_id)).scalars().all()
    ):
        try:
            carrier_report.build(connection, run_id, at)
        except Unbalanced as error:
            yield error.detail


def _count(connection: Connection, query: Select[int]) -> int:
    return connection.execute(query).scalar_one()
