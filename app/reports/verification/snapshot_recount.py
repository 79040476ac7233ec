"""Recounts what was kept of a moment from the rows that have not changed since.

Of messages that have moved only the number is known: each outcome then had at least those that still stand,
and all of them together, with the moved ones, are as many as before, in every area.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, case, func, literal, select

from app.core import clock
from app.core.states import DeliveryState, RunState
from app.database.models import deliveries, runs, tallies
from app.ledger.contract import TallyCount
from app.reports.counting import carrier_report, scope, snapshots
from app.reports.counting.scope import Scope
from app.reports.figures import by_area, tally
from app.reports.figures.figures import FIGURES, OUTCOMES, AreaRow, Figures
from app.reports.frozen.archive import Spoilt
from carriers.phrases import Phrase

_MOST = 400  # snapshots of a run that one look recounts, the newest


class _Kept(NamedTuple):
    """Figures by area code, as they were kept up to a moment (ms since 1970)."""

    name: str
    settled_ms: int
    areas: Mapping[str | None, Figures]


def of_campaign(connection: Connection, campaign_id: int) -> Iterator[str]:
    """Yield what differs in the snapshots of the campaign's runs."""
    query = select(runs.c.id).where(runs.c.campaign_id == campaign_id).order_by(runs.c.id)
    for run_id in connection.execute(query).scalars().all():
        try:
            found = snapshots.all_of_run(connection, run_id)[-_MOST:]
        except Spoilt as error:
            yield Phrase("Run {run}: {what}", run=run_id, what=error.detail)
            continue
        kept = [
            _Kept(snapshots.said(report.cutoff_ms), settled, {row.code: row.figures for row in report.areas})
            for settled, report in found
            if report.header.run_state != RunState.PLANNED
        ]
        for sentence in _compared(scope.of_run(connection, run_id), connection, kept, raw=True):
            yield Phrase("Run {run}, snapshot of {what}", run=run_id, what=sentence)


def of_document(connection: Connection, run: Mapping[str, Any], settled_ms: int) -> Iterator[str]:
    """Yield what differs in a frozen run's document; settled_ms: up to when nothing was missing in it."""
    areas = {row["code"]: _figures(row) for row in run["areas"]}
    kept = [_Kept(f"Biểu 2 (mã đợt {run['run_id']})", settled_ms, areas)]
    return _compared(scope.of_run(connection, run["run_id"]), connection, kept, raw=False)


def _figures(row: Mapping[str, Any]) -> Figures:
    return Figures(**{key: row.get(each.name) or 0 for key, each in FIGURES.items() if not each.part})


def _compared(
    scope: Scope, connection: Connection, snapshots: Sequence[_Kept], *, raw: bool
) -> Iterator[str]:
    """Yield a sentence for each figure that can't be; raw: the areas are those of the rows."""
    if not snapshots:
        return
    for each, (rows, moved) in zip(
        snapshots, _standing(connection, scope, [k.settled_ms for k in snapshots]), strict=True
    ):
        on = clock.moment(scope.run.started_at or each.settled_ms).date()
        placed = [_placed(part, on, raw) for part in (rows, moved)]
        names = {row.code: row.name for part in placed for row in part}
        both = [{row.code: row.figures for row in part} for part in placed]
        for code in sorted({*each.areas, *names}, key=lambda code: code or ""):
            then, now, gone = (found.get(code, Figures()) for found in (each.areas, *both))
            pairs = [("eligible", then.eligible, now.eligible + gone.eligible)]
            pairs += [(key, getattr(then, key), getattr(now, key)) for key in (*OUTCOMES, "segments")]
            for key, before, after in pairs:
                if after > before or (key == "eligible" and after != before):
                    where = f"{each.name}, {names.get(code, code)}, {FIGURES[key].label.lower()}"
                    yield Phrase(
                        "{where} was {before} and is now {after}.",
                        where=where,
                        before=before,
                        after=after,
                    )


def _placed(counts: Sequence[TallyCount], on: Any, raw: bool) -> Sequence[AreaRow]:
    rows = carrier_report.areas_of(counts, on)
    return rows if raw else by_area.measured(rows, on)


def _standing(
    connection: Connection, scope: Scope, moments: Sequence[int]
) -> Iterator[tuple[list[TallyCount], list[TallyCount]]]:
    """Yield, for each moment in ascending order, what has not changed since, and what has."""
    d, changes = deliveries.c, snapshots.last_changes(scope)
    latest = select(changes.c.batch_id, changes.c.seq, func.max(changes.c.at).label("at"))
    last = latest.group_by(changes.c.batch_id, changes.c.seq).subquery("last")
    before: Any = literal(0)  # how many of the moments lie before its last change
    for at in moments:
        before += case((last.c.at > at, 1), else_=0)
    own = (last.c.batch_id == d.batch_id) & (last.c.seq == d.seq)
    query = select(d.batch_id, d.area, d.state, before, func.count(), func.sum(d.segments))
    query = query.select_from(deliveries.outerjoin(last, own)).where(*scope.within(deliveries))
    rows = connection.execute(query.group_by(d.batch_id, d.area, d.state, before)).all()
    left_out = (
        tallies.c.run_id == scope.run.id,
        tallies.c.state == DeliveryState.EXCLUDED,
    )  # these have no row
    out = tally.sums(connection, *scope.within(tallies), *left_out)
    for nth, at in enumerate(moments):
        parts: tuple[list[TallyCount], list[TallyCount]] = ([], [])
        for batch_id, area, state, after, n, segments in rows:
            count = TallyCount(scope.run.id, batch_id, area, state, 0, n, int(segments))
            parts[int(after) > nth].append(count)
        parts[0].extend(out)
        parts[0].extend(carrier_report.not_queued(connection, scope, at))
        yield parts
