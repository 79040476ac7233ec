"""Recounts what was kept of a moment from the rows that have not changed since.

Of messages that have moved only the number is known: each outcome then had at least those that still stand,
and all of them together, with the moved ones, are as many as before, in every area.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, case, func, select

from app.core import clock
from app.core.states import DeliveryState, RunState
from app.database.connection import shared_ms
from app.database.models import deliveries, receipts, runs, submissions, tallies
from app.ledger.contract import TallyCount
from app.reports.counting import carrier_report, scope, snapshots
from app.reports.counting.scope import Scope
from app.reports.figures import by_area, tally
from app.reports.figures.figures import FIGURES, OUTCOMES, AreaRow, Figures
from app.reports.frozen.archive import Spoilt
from carriers.phrases import Phrase

_MOST = 400  # snapshots of a run that one look recounts, the newest
_AHEAD_MS = 2000  # by so much a clock is put right while it runs


class Contradiction(NamedTuple):
    """What is wrong with a snapshot.

    ahead: the clock was ahead when it was taken, or was set back since; to_come: only its time says so.
    """

    run_id: int
    taken_ms: int
    sentence: str
    ahead: bool = False
    to_come: bool = False


class _Kept(NamedTuple):
    """Figures by area code as they were kept.

    settled_ms: their moment, in ms since 1970; seen_ms: the last change that they have certainly seen.
    """

    name: str
    settled_ms: int
    seen_ms: int
    areas: Mapping[str | None, Figures]


def of_campaign(connection: Connection, campaign_id: int) -> Iterator[Contradiction]:
    """Yield what differs in the snapshots of the campaign's runs, in the order of their times."""
    query = select(runs.c.id).where(runs.c.campaign_id == campaign_id).order_by(runs.c.id)
    for run_id in connection.execute(query).scalars().all():
        try:
            found = snapshots.all_of_run(connection, run_id)[-_MOST:]
        except Spoilt as error:
            said = Phrase("Run {run}: {what}", run=run_id, what=error.detail)
            yield Contradiction(run_id, 0, said)
            continue
        sent = [kept for kept in found if kept.report.header.run_state != RunState.PLANNED]
        if sent:
            yield from _of_run(connection, scope.of_run(connection, run_id), sent)


def _of_run(
    connection: Connection, run_scope: Scope, found: Sequence[snapshots.KeptReport]
) -> Iterator[Contradiction]:
    late = snapshots.overtaken(connection, run_scope, [kept.seen for kept in found])
    until = [max(kept.seen.until_ms, kept.taken_ms - _AHEAD_MS) for kept in found]
    by_its_time = [kept.seen._replace(until_ms=at) for kept, at in zip(found, until, strict=True)]
    missing = snapshots.overtaken(connection, run_scope, by_its_time)
    now, run_id = shared_ms(connection), run_scope.run.id
    kept = [
        _Kept(
            snapshots.said(each.taken_ms),
            each.seen.until_ms,
            snapshots.NOTHING if n else each.seen.until_ms,
            {row.code: row.figures for row in each.report.areas},
        )
        for each, n in zip(found, late, strict=True)
    ]
    differing = _compared(run_scope, connection, kept, raw=True)
    for each, figures, n, lacks, sentences in zip(found, kept, late, missing, differing, strict=True):
        then = each.seen.until_ms if lacks and not (n or sentences) else None
        if each.seen.changes is None and sentences:
            then = _moment_ahead(connection, run_scope, figures)
        if then is not None:
            said = Phrase(
                "Run {run}, snapshot of {at}: the clock was ahead when it was taken, and its figures are "
                "those of {then}. `loa verify --repair` sets it aside.",
                run=run_id,
                at=figures.name,
                then=snapshots.said(then),
            )
            yield Contradiction(run_id, each.taken_ms, said, ahead=True)
            continue
        for sentence in sentences:
            said = Phrase("Run {run}, snapshot of {what}", run=run_id, what=sentence)
            yield Contradiction(run_id, each.taken_ms, said)
        if n:
            said = Phrase(
                "Run {run}, snapshot of {at}: {n} changes recorded after it have earlier times because the "
                "clock was set back, so only totals were compared. `loa verify --repair` sets it aside.",
                run=run_id,
                at=figures.name,
                n=n,
            )
            yield Contradiction(run_id, each.taken_ms, said, ahead=True)
        elif each.taken_ms > now + _AHEAD_MS:
            said = Phrase(
                "Run {run}, snapshot of {at}: this time has not come yet, so the clock was ahead when it "
                "was taken. `loa verify --repair` sets it aside.",
                run=run_id,
                at=figures.name,
            )
            yield Contradiction(run_id, each.taken_ms, said, ahead=True, to_come=True)


def of_document(
    connection: Connection, run: Mapping[str, Any], settled_ms: int, seen_ms: int
) -> Iterator[str]:
    """Yield what differs in a frozen run's document.

    settled_ms: its moment; seen_ms: the last change that it has certainly seen (`snapshots.last_seen`).
    """
    areas = {row["code"]: _figures(row) for row in run["areas"]}
    kept = [_Kept(f"Biểu 2 (mã đợt {run['run_id']})", settled_ms, seen_ms, areas)]
    (sentences,) = _compared(scope.of_run(connection, run["run_id"]), connection, kept, raw=False)
    yield from sentences


def _moment_ahead(connection: Connection, run_scope: Scope, kept: _Kept) -> int | None:
    """Return the earlier moment of which a snapshot has the figures, as its clock was ahead; None without.

    It is the last one that nothing contradicts, if by then as many messages had been sent and received as the
    snapshot has: of a row that was altered there is no such moment.
    """
    low, high = run_scope.run.started_at or 0, kept.settled_ms
    while high - low > 1:
        step = max((high - low) // _MOST, 1)
        moments = range(low, high, step)[:_MOST]
        tried = [kept._replace(settled_ms=at, seen_ms=at) for at in moments]
        compared = list(_compared(run_scope, connection, tried, raw=True))
        if compared[0]:
            return None
        last = max(place for place, sentences in enumerate(compared) if not sentences)
        low, high = moments[last], min(moments[last] + step, high)
    whole = sum(kept.areas.values(), Figures())
    sent, received = _by_then(connection, run_scope, low)
    enough = sent >= whole.sent and received >= whole.delivered + whole.relayed
    return low if enough else None


def _by_then(connection: Connection, run_scope: Scope, until_ms: int) -> tuple[int, int]:
    """Return how many messages had been submitted by then, and how many had a receipt."""
    s, r = submissions.c, receipts.c
    times = ((submissions, s.at), (receipts, func.coalesce(r.matched_at, r.received_at)))
    sent, received = (
        connection.execute(
            select(func.count()).select_from(
                select(table.c.batch_id, table.c.seq)
                .where(*run_scope.within(table), at <= until_ms)
                .distinct()
                .subquery()
            )
        ).scalar_one()
        for table, at in times
    )
    return sent, received


def _figures(row: Mapping[str, Any]) -> Figures:
    return Figures(**{key: row.get(each.name) or 0 for key, each in FIGURES.items() if not each.part})


def _compared(
    scope: Scope, connection: Connection, snapshots: Sequence[_Kept], *, raw: bool
) -> Iterator[list[str]]:
    """Yield, for each, a sentence for each figure that can't be; raw: the areas are those of the rows."""
    for kept, (rows, moved) in zip(snapshots, _standing(connection, scope, snapshots), strict=True):
        on = clock.moment(scope.run.started_at or kept.settled_ms).date()
        placed = [_placed(part, on, raw) for part in (rows, moved)]
        names = {row.code: row.name for part in placed for row in part}
        both = [{row.code: row.figures for row in part} for part in placed]
        yield list(_differing(kept, both, names))


def _differing(
    kept: _Kept, both: Sequence[Mapping[str | None, Figures]], names: Mapping[str | None, str]
) -> Iterator[str]:
    for code in sorted({*kept.areas, *names}, key=lambda code: code or ""):
        then, now, gone = (found.get(code, Figures()) for found in (kept.areas, *both))
        pairs = [("eligible", then.eligible, now.eligible + gone.eligible)]
        pairs += [(key, getattr(then, key), getattr(now, key)) for key in (*OUTCOMES, "segments")]
        for key, before, after in pairs:
            if after > before or (key == "eligible" and after != before):
                where = f"{kept.name}, {names.get(code, code)}, {FIGURES[key].label.lower()}"
                yield Phrase(
                    "{where} was {before} and is now {after}.", where=where, before=before, after=after
                )


def _placed(counts: Sequence[TallyCount], on: Any, raw: bool) -> Sequence[AreaRow]:
    rows = carrier_report.areas_of(counts, on)
    return rows if raw else by_area.measured(rows, on)


def _standing(
    connection: Connection, scope: Scope, kept: Sequence[_Kept]
) -> Iterator[tuple[list[TallyCount], list[TallyCount]]]:
    """Yield, for each, what has not changed since the last change that it has seen, and what has."""
    d, changes = deliveries.c, snapshots.last_changes(scope)
    latest = select(changes.c.batch_id, changes.c.seq, func.max(changes.c.at).label("at"))
    last = latest.group_by(changes.c.batch_id, changes.c.seq).subquery("last")
    ascending = sorted({each.seen_ms for each in kept})
    later = [(last.c.at > at, place + 1) for place, at in reversed(list(enumerate(ascending)))]
    place = case(*later, else_=0).label("place")  # how many of the times lie before its last change
    own = (last.c.batch_id == d.batch_id) & (last.c.seq == d.seq)
    query = select(d.batch_id, d.area, d.state, place, func.count(), func.sum(d.segments))
    query = query.select_from(deliveries.outerjoin(last, own)).where(*scope.within(deliveries))
    rows = connection.execute(query.group_by(d.batch_id, d.area, d.state, place)).all()
    left_out = (
        tallies.c.run_id == scope.run.id,
        tallies.c.state == DeliveryState.EXCLUDED,
    )  # these have no row
    out = tally.sums(connection, *scope.within(tallies), *left_out)
    for each in kept:
        seen = ascending.index(each.seen_ms)
        parts: tuple[list[TallyCount], list[TallyCount]] = ([], [])
        for batch_id, area, state, after, n, segments in rows:
            count = TallyCount(scope.run.id, batch_id, area, state, 0, n, int(segments))
            parts[int(after) > seen].append(count)
        parts[0].extend(out)
        parts[0].extend(carrier_report.not_queued(connection, scope, each.settled_ms))
        yield parts
