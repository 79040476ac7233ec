"""What is to be erased, when and by which rule; and what can't be due yet, and why."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Row, Select, exists, func, select

from app.core import clock
from app.core.clock import DAY_MS
from app.core.states import BatchState, RunState
from app.database.models import (
    audiences,
    audit,
    batches,
    campaigns,
    directives,
    erasures,
    follow_up_sources,
    frozen_reports,
    inbound_messages,
    quarantine,
    receipt_files,
    run_batches,
    runs,
)
from app.file_import.lease import is_free
from app.privacy import rules, totals_retention
from app.privacy.erasable import Erasable, ErasureKind, RetentionTerms, erased

_HOLDING = (BatchState.READY.value, BatchState.IMPORTING.value)
_OVER = (RunState.SENT.value, RunState.FINISHED.value, RunState.CANCELLED.value)


def subjects(connection: Connection, terms: RetentionTerms, by_ms: int | None = None) -> Iterator[Erasable]:
    """Yield all that is not erased yet: campaigns; batches and files, which stay as long; records.

    by_ms: leave out, by one query per kind, most of what can't be due by then. A worker asks this for years:
    its cost must not grow with all that ever was.
    """
    days = terms.days
    for campaign in connection.execute(_campaigns(days, by_ms)).all():
        yield _campaign(connection, campaign, days)
    yield from _batches(connection, days, by_ms)
    yield from _files(connection, days, by_ms)
    yield from _came(connection, days)
    yield from totals_retention.subjects(connection, terms.months, by_ms)


def due(
    connection: Connection,
    terms: RetentionTerms,
    now_ms: int,
    but: Collection[tuple[ErasureKind, int | None]] = (),
) -> Erasable | None:
    """Return the first subject that is due, skipping those in `but`."""
    found = (each for each in subjects(connection, terms, now_ms) if (each.kind, each.id) not in but)
    return next((each for each in found if each.due_at is not None and each.due_at <= now_ms), None)


def _erased(connection: Connection, kind: ErasureKind, subject_id: int) -> bool:
    return subject_id in erased(connection, kind, [subject_id])


# ---- Campaigns: due so many days after the report, or after the end if there is none


def _gone() -> Select[Any]:
    e = erasures.c
    return select(e.subject_id).where(e.kind == ErasureKind.CAMPAIGN.value, e.ended_at.is_not(None))


def _campaigns(days: int, by_ms: int | None) -> Select[Any]:
    """Select campaigns with numbers; by_ms: without those of which a run ended within `days` before."""
    c, r = campaigns.c, runs.c
    query = select(campaigns).where(c.id.not_in(_gone())).order_by(c.id)
    if by_ms is None:
        return query
    end = func.coalesce(r.ended_at, c.window_end, r.created_at)
    held = exists().where(audiences.c.run_id == r.id)
    return query.where(~exists().where(r.campaign_id == c.id, end > by_ms - days * DAY_MS, ~held))


def _campaign(connection: Connection, campaign: Row[Any], days: int) -> Erasable:
    found = Erasable(ErasureKind.CAMPAIGN, campaign.id, campaign.name, "")
    held = exists().where(audiences.c.run_id == runs.c.id)
    query = select(runs).where(runs.c.campaign_id == campaign.id, ~held).order_by(runs.c.id)
    own = connection.execute(query).all()
    ends = [_end(run, campaign) for run in own]
    for run, end in zip(own, ends, strict=True):
        if end is None:
            return _with(found, held=f"Run {run.id} ({run.carrier}) is {run.state}.")
    if not own:
        return _with(found, held="It has no run with numbers.")
    following = connection.execute(_followed_by(campaign.id)).first()
    if following is not None:
        told = f"Run {following.id} of campaign {following.campaign_id} sends to those whom it did not reach."
        return _with(found, held=told)
    end = max(each for each in ends if each is not None)
    at, rule = _reported(connection, campaign, [run.id for run in own], end, days)
    starts = [run.started_at for run in own if run.started_at is not None]
    return _with(found, rule=rule, due_at=at + days * DAY_MS, first_at=min(starts, default=None), last_at=end)


def _followed_by(campaign_id: int) -> Select[Any]:
    """Select a follow-up's run at work, which looks up who has been reached since."""
    s, b, r = follow_up_sources.c, run_batches.c, runs.c
    at_work = r.state.in_([RunState.RUNNING.value, RunState.PAUSED.value, RunState.CANCELLING.value])
    joined = select(r.id, r.campaign_id).join(run_batches, b.run_id == r.id)
    joined = joined.join(follow_up_sources, s.batch_id == b.batch_id)
    return joined.where(s.campaign_id == campaign_id, at_work).order_by(r.id).limit(1)


def _with(subject: Erasable, **values: Any) -> Erasable:
    known = {name: getattr(subject, name) for name in Erasable.__slots__}
    return Erasable(**known | values)


def _end(run: Row[Any], campaign: Row[Any]) -> int | None:
    """Return when nothing more could be sent, in ms since 1970; None: it still could."""
    if run.state in _OVER:
        return int(run.ended_at or campaign.window_end or run.created_at)
    if run.state == RunState.PLANNED and campaign.window_end is not None:
        over: int = campaign.window_end
        return over if over <= clock.now_ms() else None
    return None


def _reported(
    connection: Connection, campaign: Row[Any], run_ids: Sequence[int], end: int, days: int
) -> tuple[int, str]:
    """Return from when the days are counted, and the rule in words."""
    f = frozen_reports.c
    query = select(f.id, f.created_at)
    of_runs = query.where(f.kind == "run", f.subject_id.in_(run_ids)).order_by(f.created_at.desc())
    report = connection.execute(of_runs.where(f.created_at >= end).limit(1)).first()
    if report is None:  # the first consolidated one that could cover the whole campaign
        over_all = query.where(f.kind == "directive", f.subject_id == campaign.directive_id)
        over_all = over_all.where(f.created_at >= end).order_by(f.created_at)
        report = connection.execute(over_all.limit(1)).first()
    if report is not None:
        return report.created_at, rules.FROZEN.en.format(days=days, report=report.id)
    deadline = select(directives.c.report_deadline).where(directives.c.id == campaign.directive_id)
    asked: int | None = connection.execute(deadline).scalar()
    if asked is not None and asked > end:
        return asked, rules.DEADLINE.en.format(days=days)
    return end, rules.END.en.format(days=days)


# ---- Batches, files and records that campaigns share


def _batches(connection: Connection, days: int, by_ms: int | None) -> Iterator[Erasable]:
    b, u = batches.c, run_batches.c
    query = select(batches).where(b.state.in_(_HOLDING)).order_by(b.id)
    if by_ms is not None:
        query = query.where(~exists().where(u.batch_id == b.id, u.campaign_id.not_in(_gone())))
    idle = list(filter(_idle, connection.execute(query).all()))
    imports = _imports(connection) if idle else {}
    for batch in idle:
        own = select(run_batches.c.campaign_id).where(run_batches.c.batch_id == batch.id)
        using = connection.execute(own.order_by(run_batches.c.campaign_id)).scalars().all()
        imported = max(batch.created_at, imports.get(f"batch/{batch.id}", 0))
        found = Erasable(
            ErasureKind.BATCH, batch.id, batch.name, "", first_at=batch.created_at, last_at=imported
        )
        open_ = [each for each in using if not _erased(connection, ErasureKind.CAMPAIGN, each)]
        if open_:
            yield _with(found, held=f"Campaign {open_[0]} uses it.")
        elif using and not _erased(connection, ErasureKind.BATCH, batch.id):
            yield _with(found, rule=rules.LAST_USE.en, due_at=imported)
        else:
            rule = rules.UNUSED.en.format(days=days)
            yield _with(found, rule=rule, due_at=imported + days * DAY_MS)


def _idle(row: Row[Any]) -> bool:
    """Return whether no import works on it; an abandoned one holds numbers as well."""
    return row.state == BatchState.READY or is_free(row.owner, row.lease_until)


def _imports(connection: Connection) -> dict[str, int]:
    """Return when batches were last imported: perhaps again, after an erasure."""
    query = select(audit.c.subject, func.max(audit.c.at)).where(audit.c.action == "batch.import")
    return {subject: at for subject, at in connection.execute(query.group_by(audit.c.subject))}  # noqa: C416


def _files(connection: Connection, days: int, by_ms: int | None) -> Iterator[Erasable]:
    query = select(receipt_files).where(receipt_files.c.state.in_(_HOLDING))
    if by_ms is not None:
        query = query.where(receipt_files.c.created_at <= by_ms - days * DAY_MS)
    for file in filter(_idle, connection.execute(query.order_by(receipt_files.c.id)).all()):
        spoken_of = {run["campaign_id"] for run in file.runs or ()} | {file.campaign_id} - {None}
        ended = file.ended_at or file.created_at
        found = Erasable(
            ErasureKind.RECEIPT_FILE, file.id, file.name, "", first_at=file.first_at, last_at=file.last_at
        )
        open_ = [each for each in sorted(spoken_of) if not _erased(connection, ErasureKind.CAMPAIGN, each)]
        if open_:
            yield _with(found, held=f"It speaks of campaign {open_[0]}.")
        else:
            yield _with(found, rule=rules.APPLIED.en.format(days=days), due_at=ended + days * DAY_MS)


def _came(connection: Connection, days: int) -> Iterator[Erasable]:
    by_age = (
        (ErasureKind.QUARANTINE, quarantine, rules.RECEIPTS, rules.QUARANTINE),
        (ErasureKind.INBOUND, inbound_messages, rules.MESSAGES, rules.INBOUND),
    )
    for kind, table, name, rule in by_age:
        oldest = connection.execute(select(table.c.received_at).order_by(table.c.id).limit(1)).scalar()
        if oldest is not None:
            due_at = _daily(connection, kind, oldest + days * DAY_MS)
            said = rule.en.format(days=days)
            yield Erasable(kind, None, name.en, said, due_at=due_at, first_at=oldest)


def _daily(connection: Connection, kind: ErasureKind, due_at: int) -> int:
    """Return when the oldest is due, at most once a day; all that are due go with it."""
    last = select(func.max(erasures.c.ended_at)).where(erasures.c.kind == kind.value)
    return max(due_at, (connection.execute(last).scalar() or 0) + DAY_MS)
