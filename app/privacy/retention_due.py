"""What is to be erased, when and by which rule; and what can't be due yet, and why."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, Select, and_, exists, func, or_, select

from app.core import clock
from app.core.clock import DAY_MS
from app.core.states import ENDED, BatchState, RunState
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
    replacements,
    run_batches,
    runs,
)
from app.file_import.leased_import import came_at, is_waiting, leased
from app.ledger import unreached
from app.privacy import erasable, totals_retention
from app.privacy.erasable import Erasable, ErasureKind, RetentionTerms, erased, in_pieces
from carriers.phrases import Phrase

_HOLDING = (BatchState.READY.value, BatchState.IMPORTING.value)
_NO_RUN = "It has no run with numbers yet."
_MOST_TERMS = 2  # for so many terms more, at the most, a campaign waits for others of its directive

Subjects = Collection[tuple[ErasureKind, int | None]]


def subjects(
    connection: Connection, terms: RetentionTerms, by_ms: int | None = None, but: Subjects = ()
) -> Iterator[Erasable]:
    """Yield all that is not erased yet: campaigns; batches and files, which stay as long; records.

    by_ms: leave out, by one query per kind, most of what can't be due by then. A worker asks this for years:
    its cost must not grow with all that ever was. but: subjects that can't be erased though they are due.
    """
    days = terms.days
    for some in in_pieces(connection.execute(_campaigns(days, by_ms)).all()):
        yield from _under_directives(connection, some, days, but)
    yield from _batches(connection, days, by_ms)
    yield from _files(connection, days, by_ms)
    yield from _came(connection, days)
    yield from totals_retention.subjects(connection, terms.months, by_ms)


def due(
    connection: Connection,
    terms: RetentionTerms,
    now_ms: int,
    but: Subjects = (),
) -> Erasable | None:
    """Return the first subject that is due, skipping those in `but`."""
    found = (each for each in subjects(connection, terms, now_ms, but) if (each.kind, each.id) not in but)
    return next((each for each in found if each.due_at is not None and each.due_at <= now_ms), None)


def together(
    connection: Connection, terms: RetentionTerms, now_ms: int, subject: Erasable, but: Subjects = ()
) -> list[Erasable]:
    """Return the subject, and for a campaign also those of its directive whose own terms are past.

    Their erasures begin at one moment, so that whom they reached is counted once for all of them. Each has
    its own term, which its certificate names.
    """
    if subject.kind is not ErasureKind.CAMPAIGN:
        return [subject]
    c = campaigns.c
    letter = connection.execute(select(c.directive_id).where(c.id == subject.id)).scalar()
    own = c.id == subject.id if letter is None else c.directive_id == letter
    rows = connection.execute(_campaigns(terms.days, None).where(own)).all()
    past = _past(connection, rows)
    found = [_campaign(row, past, terms.days) for row in rows]
    return [
        each
        for each in found
        if each.due_at is not None and each.due_at <= now_ms and (each.kind, each.id) not in but
    ]


# ---- Campaigns: due so many days after the report, or after the end if there is none


def _gone() -> Select[Any]:
    e = erasures.c
    return select(e.subject_id).where(e.kind == ErasureKind.CAMPAIGN.value, e.ended_at.is_not(None))


def _campaigns(days: int, by_ms: int | None) -> Select[Any]:
    """Select those with numbers; by_ms: without those of which a run ended within `days` before."""
    c, r = campaigns.c, runs.c
    text = and_(c.answers_to.is_not(None), c.answers_of.is_(None))  # an answer text has no numbers itself
    query = select(campaigns).where(c.id.not_in(_gone()), ~text).order_by(c.id)
    if by_ms is None:
        return query
    end = func.coalesce(r.ended_at, c.window_end, r.created_at)
    held = exists().where(audiences.c.run_id == r.id)
    return query.where(~exists().where(r.campaign_id == c.id, end > by_ms - days * DAY_MS, ~held))


def _under_directives(
    connection: Connection, campaign_rows: Sequence[Row[Any]], days: int, but: Subjects
) -> Iterator[Erasable]:
    """Yield these campaigns, each due with the last one under its directive, or some time after its own term.

    Whom a campaign reached for the first time can be told only while the numbers of all of them are there.
    """
    letters = {row.directive_id for row in campaign_rows} - {None}
    under = campaigns.c.directive_id.in_(letters)
    others = connection.execute(_campaigns(days, None).where(under)).all() if letters else []
    rows = list({row.id: row for row in (*campaign_rows, *others)}.values())
    past, last = _past(connection, rows), dict[int, int | None]()
    found = {row.id: _campaign(row, past, days) for row in rows}
    for row in rows:
        each = found[row.id]
        if row.directive_id is not None and each.held != _NO_RUN:
            at = None if (each.kind, each.id) in but else each.due_at
            before = last.get(row.directive_id, at)
            last[row.directive_id] = None if at is None or before is None else max(at, before)
    for row in campaign_rows:
        each = found[row.id]
        yield each if row.directive_id is None else _with_last(each, last.get(row.directive_id), days)


def _with_last(entry: Erasable, last_at: int | None, days: int) -> Erasable:
    """Put it off until the last campaign of its directive is due; None: nobody knows when that will be."""
    if entry.due_at is None or entry.due_at == last_at:
        return entry
    longest = _MOST_TERMS * days
    latest = entry.due_at + longest * DAY_MS
    at = latest if last_at is None else min(last_at, latest)
    return _with(entry, due_at=at, rule=Phrase(erasable.TOGETHER.en, days=longest))


@dataclass(frozen=True, slots=True)
class _Past:
    """Of several campaigns: runs with numbers, other rounds at work, reports and deadlines.

    reports: (kind, subject) -> rows in the order in which they were frozen.
    """

    runs: dict[int, list[Row[Any]]]
    rounds: dict[int, Row[Any]]
    reports: dict[tuple[str, int], list[Row[Any]]]
    deadlines: dict[int, int | None]


def _past(connection: Connection, campaign_rows: Sequence[Row[Any]]) -> _Past:
    """Read it by as many queries for a hundred campaigns as for one."""
    ids, letters = [each.id for each in campaign_rows], {each.directive_id for each in campaign_rows} - {None}
    held = exists().where(audiences.c.run_id == runs.c.id)
    query = select(runs).where(runs.c.campaign_id.in_(ids), ~held).order_by(runs.c.id)
    own: dict[int, list[Row[Any]]] = {}
    for run in connection.execute(query):
        own.setdefault(run.campaign_id, []).append(run)
    f, run_ids = frozen_reports.c, [run.id for each in own.values() for run in each]
    of = or_(
        and_(f.kind == "run", f.subject_id.in_(run_ids)),
        and_(f.kind == "directive", f.subject_id.in_(letters)),
    )
    frozen: Select[Any] = (
        select(f.id, f.kind, f.subject_id, f.created_at).where(of).order_by(f.created_at, f.id)
    )
    reports: dict[tuple[str, int], list[Row[Any]]] = {}
    for report in connection.execute(frozen):
        reports.setdefault((report.kind, report.subject_id), []).append(report)
    due = select(directives.c.id, directives.c.report_deadline).where(directives.c.id.in_(letters))
    return _Past(
        own,
        _rounds_at_work(connection),
        reports,
        {row.id: row.report_deadline for row in connection.execute(due)},
    )


def _campaign(campaign: Row[Any], past: _Past, days: int) -> Erasable:
    found = Erasable(ErasureKind.CAMPAIGN, campaign.id, campaign.name, "")
    own = past.runs.get(campaign.id, [])
    ends = [_end(run, campaign) for run in own]
    for run, end in zip(own, ends, strict=True):
        if end is None:
            return _with(
                found,
                held=Phrase(
                    "Run {run} ({carrier}) is {state}.", run=run.id, carrier=run.carrier, state=run.state
                ),
            )
    if not own:
        return _with(found, held=_NO_RUN)
    sending = past.rounds.get(campaign.id)
    if sending is not None:
        reason = Phrase(
            "Run {run} of campaign {campaign} in the same follow-up chain has not ended.",
            run=sending.id,
            campaign=sending.campaign_id,
        )
        return _with(found, held=reason)
    end = max(each for each in ends if each is not None)
    at, rule = _reported(campaign, past, end, days)
    starts = [run.started_at for run in own if run.started_at is not None]
    return _with(found, rule=rule, due_at=at + days * DAY_MS, first_at=min(starts, default=None), last_at=end)


def _rounds_at_work(connection: Connection) -> dict[int, Row[Any]]:
    """Return, by campaign, the first run at work among its rounds, which looks up whom they have reached."""
    s, b, r, p = follow_up_sources.c, run_batches.c, runs.c, replacements.c
    at_work = r.state.in_([RunState.RUNNING.value, RunState.PAUSED.value, RunState.CANCELLING.value])
    follows = exists().where(b.run_id == r.id, s.batch_id == b.batch_id)
    followed = exists().where(s.campaign_id == r.campaign_id)
    replaces = exists().where(or_(p.campaign_id == r.campaign_id, p.replaced_id == r.campaign_id))
    query = select(runs).where(at_work, follows | followed | replaces).order_by(r.id.desc())
    found = connection.execute(query).all()
    return {campaign: run for run in found for campaign in unreached.rounds(connection, [run.campaign_id])}


def _with(subject: Erasable, **values: Any) -> Erasable:
    known = {name: getattr(subject, name) for name in Erasable.__slots__}
    return Erasable(**known | values)


def _end(run: Row[Any], campaign: Row[Any]) -> int | None:
    """Return when nothing more could be sent, in ms since 1970; None: it still could."""
    if run.state in ENDED:
        return int(run.ended_at or campaign.window_end or run.created_at)
    if run.state == RunState.PLANNED and campaign.window_end is not None:
        over: int = campaign.window_end
        return over if over <= clock.now_ms() else None
    return None


def _reported(campaign: Row[Any], past: _Past, end: int, days: int) -> tuple[int, str]:
    """Return from when the days are counted, and the rule in words."""
    of_runs = [each for run in past.runs[campaign.id] for each in past.reports.get(("run", run.id), ())]
    report = max(of_runs, key=lambda item: item.created_at, default=None)
    if report is None or report.created_at < end:  # the first consolidated one that could cover all of it
        over_all = past.reports.get(("directive", campaign.directive_id), ())
        report = next((each for each in over_all if each.created_at >= end), None)
    if report is not None:
        return report.created_at, Phrase(erasable.FROZEN.en, days=days, report=report.id)
    asked = past.deadlines.get(campaign.directive_id)
    if asked is not None and asked > end:
        return asked, Phrase(erasable.DEADLINE.en, days=days)
    return end, Phrase(erasable.END.en, days=days)


# ---- Batches, files and records that campaigns share


def _batches(connection: Connection, days: int, by_ms: int | None) -> Iterator[Erasable]:
    b, u = batches.c, run_batches.c
    query = leased(batches).where(b.state.in_(_HOLDING)).order_by(b.id)
    if by_ms is not None:
        query = query.where(~exists().where(u.batch_id == b.id, u.campaign_id.not_in(_gone())))
    idle = list(filter(_idle, connection.execute(query).all()))
    imports = _imports(connection) if idle else {}
    for some in in_pieces(idle):
        yield from _idle_batches(connection, some, imports, days)


def _idle_batches(
    connection: Connection, campaign_rows: Sequence[Row[Any]], imports: dict[str, int], days: int
) -> Iterator[Erasable]:
    u, ids, users = run_batches.c, [batch.id for batch in campaign_rows], dict[int, list[int]]()
    own = select(u.batch_id, u.campaign_id).where(u.batch_id.in_(ids)).order_by(u.campaign_id)
    for batch_id, campaign_id in connection.execute(own):
        users.setdefault(batch_id, []).append(campaign_id)
    over = erased(
        connection, ErasureKind.CAMPAIGN, sorted({each for using in users.values() for each in using})
    )
    gone = erased(connection, ErasureKind.BATCH, ids)
    for batch in campaign_rows:
        using = users.get(batch.id, [])
        imported = max(came_at(batch), imports.get(f"batch/{batch.id}", 0))
        found = Erasable(
            ErasureKind.BATCH, batch.id, batch.name, "", first_at=batch.created_at, last_at=imported
        )
        open_ = [each for each in using if each not in over]
        if open_:
            yield _with(found, held=Phrase("Campaign {campaign} uses it.", campaign=open_[0]))
        elif using and batch.id not in gone:
            yield _with(found, rule=erasable.LAST_USE.en, due_at=imported)
        else:
            rule = Phrase(erasable.UNUSED.en, days=days)
            yield _with(found, rule=rule, due_at=imported + days * DAY_MS)


def _idle(row: Row[Any]) -> bool:
    """Return whether no import works on it; an abandoned one holds numbers as well."""
    return row.state == BatchState.READY or is_waiting(row)


def _imports(connection: Connection) -> dict[str, int]:
    """Return when batches were last imported: perhaps again, after an erasure."""
    query = select(audit.c.subject, func.max(audit.c.at)).where(audit.c.action == "batch.import")
    return dict(connection.execute(query.group_by(audit.c.subject)).all())


def _files(connection: Connection, days: int, by_ms: int | None) -> Iterator[Erasable]:
    query = leased(receipt_files).where(receipt_files.c.state.in_(_HOLDING))
    if by_ms is not None:
        query = query.where(receipt_files.c.created_at <= by_ms - days * DAY_MS)
    files = list(filter(_idle, connection.execute(query.order_by(receipt_files.c.id)).all()))
    for some in in_pieces(files):
        spoken_of = {file.id: _spoken_of(file) for file in some}
        over = erased(connection, ErasureKind.CAMPAIGN, sorted(set[int]().union(*spoken_of.values())))
        yield from (_file(file, sorted(spoken_of[file.id] - over), days) for file in some)


def _spoken_of(file: Row[Any]) -> set[int]:
    return {run["campaign_id"] for run in file.runs or ()} | {file.campaign_id} - {None}


def _file(file: Row[Any], open_: Sequence[int], days: int) -> Erasable:
    ended = max(file.ended_at or 0, came_at(file))
    found = Erasable(
        ErasureKind.RECEIPT_FILE, file.id, file.name, "", first_at=file.first_at, last_at=file.last_at
    )
    if open_:
        return _with(found, held=Phrase("It refers to campaign {campaign}.", campaign=open_[0]))
    return _with(found, rule=Phrase(erasable.APPLIED.en, days=days), due_at=ended + days * DAY_MS)


def _came(connection: Connection, days: int) -> Iterator[Erasable]:
    by_age = (
        (ErasureKind.QUARANTINE, quarantine, erasable.RECEIPTS, erasable.QUARANTINE),
        (ErasureKind.INBOUND, inbound_messages, erasable.MESSAGES, erasable.INBOUND),
    )
    for kind, table, name, rule in by_age:
        oldest = connection.execute(select(table.c.received_at).order_by(table.c.id).limit(1)).scalar()
        if oldest is not None:
            due_at = _daily(connection, kind, oldest + days * DAY_MS)
            said = Phrase(rule.en, days=days)
            yield Erasable(kind, None, name.en, said, due_at=due_at, first_at=oldest)


def _daily(connection: Connection, kind: ErasureKind, due_at: int) -> int:
    """Return when the oldest is due, at most once a day; all that are due go with it."""
    last = select(func.max(erasures.c.ended_at)).where(erasures.c.kind == kind.value)
    return max(due_at, (connection.execute(last).scalar() or 0) + DAY_MS)
