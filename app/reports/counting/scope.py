"""Scope of a report: a run of a campaign, with all its batches or one of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, Table, and_, bindparam, or_, select

from app.core.errors import NotFound, no_such
from app.core.states import ENDED, BatchState, RunState
from app.database.models import (
    approvals,
    batches,
    campaigns,
    directives,
    link_levels,
    links,
    receipt_files,
    run_batches,
    runs,
)
from app.reports.figures.figures import Header
from app.reports.figures.numbers import day_of
from carriers.contract import ReceiptLevel
from carriers.phrases import Phrase

# Receipt level of a run


class SentRun(NamedTuple):
    """A run as `proved` reads it. started_at, ended_at: ms since 1970, as in its row."""

    id: int
    campaign_id: int
    carrier: str
    started_at: int | None
    ended_at: int | None


def proved(connection: Connection, run: Row[Any] | SentRun, cutoff_ms: int) -> int | None:
    """Return the highest level of the run's receipts by then; None while its carrier has no link.

    By what its carrier's links proved while it was sent: whoever changes a link later changes no report.
    """
    return levels_proved(connection, [run], cutoff_ms)[run.id]


def levels_proved(
    connection: Connection, runs_shown: Sequence[Row[Any] | SentRun], cutoff_ms: int
) -> dict[int, int | None]:
    """Return `proved` of each run by its id, in two queries."""
    if not runs_shown:
        return {}
    return read_levels(connection, {run.carrier for run in runs_shown}, cutoff_ms).proved(runs_shown)


# The levels of one carrier's links, each with when it began: (ms since 1970, level), the oldest first.
_Steps = Sequence[Sequence[tuple[int, int]]]


@dataclass(frozen=True, slots=True)
class ReceiptLevels:
    """What links and result files of some carriers prove, read once for all runs of a page."""

    cutoff_ms: int
    steps: Mapping[str, _Steps]
    files: Sequence[Row[Any]]

    def proved(self, runs_shown: Iterable[Row[Any] | SentRun]) -> dict[int, int | None]:
        """Return the module's `proved` of each of these runs by its id."""
        return {
            run.id: _with_files(
                _of_links(self.steps.get(run.carrier, ()), run, self.cutoff_ms),
                [file.level for file in self.files if file.carrier == run.carrier and _concerns(file, run)],
            )
            for run in runs_shown
        }


def read_levels(connection: Connection, carriers: Collection[str], cutoff_ms: int) -> ReceiptLevels:
    """Read what the links of these carriers, and their result files, prove by then."""
    given = {"carriers": list(carriers), "cutoff": cutoff_ms}
    files = connection.execute(_FILES, given).all()
    return ReceiptLevels(cutoff_ms, _levels_of_links(connection, carriers), files)


# Built once: every poll of every open page asks them.
_LEVELS = (
    select(links.c.id, links.c.carrier, links.c.receipt_level, link_levels.c.since, link_levels.c.level)
    .select_from(links.outerjoin(link_levels, link_levels.c.link_id == links.c.id))
    .where(links.c.carrier.in_(bindparam("carriers", expanding=True)))
    .order_by(links.c.id, link_levels.c.since)
)
_FILES = (
    select(*(receipt_files.c[name] for name in ("carrier", "level", "campaign_id", "runs")))
    .where(receipt_files.c.carrier.in_(bindparam("carriers", expanding=True)))
    .where(receipt_files.c.state != BatchState.FAILED, receipt_files.c.created_at <= bindparam("cutoff"))
)


def _with_files(of_links: int | None, levels: Sequence[int | None]) -> int | None:
    """A file without a level proves as much as the link, at least acceptance by the operator."""
    if of_links is None:
        return None
    return max([of_links, *(level or of_links or ReceiptLevel.OPERATOR for level in levels)])


def _levels_of_links(connection: Connection, carriers: Collection[str]) -> Mapping[str, _Steps]:
    """Return the levels of the links by carrier; a link without a history as it is now."""
    found = defaultdict[str, dict[int, list[tuple[int, int]]]](dict)
    for row in connection.execute(_LEVELS, {"carriers": list(carriers)}).all():
        level = row.receipt_level if row.level is None else row.level
        found[row.carrier].setdefault(row.id, []).append((row.since or 0, level))
    return {carrier: list(found[carrier].values()) for carrier in carriers}


def _of_links(link_steps: _Steps, run: Row[Any] | SentRun, cutoff_ms: int) -> int | None:
    """Return the most that one of the links proved all the time."""
    begun = run.started_at or cutoff_ms
    ended = min(run.ended_at or cutoff_ms, cutoff_ms)
    sent = [
        [
            level
            for (since, level), (end, _) in zip(steps, [*steps[1:], (None, 0)], strict=True)
            if since <= ended and (end is None or end > begun)
        ]
        for steps in link_steps
    ]
    now = [steps[-1][1] for steps in link_steps]  # no link was there: it may be about to be
    return max([min(each) for each in sent if each] or now, default=None)


def _concerns(file: Row[Any], run: Row[Any] | SentRun) -> bool:
    """Return whether a file names messages of the run; while it is being applied, whether it may."""
    if file.runs is None:
        return file.campaign_id in (None, run.campaign_id)
    return any(each["run_id"] == run.id and each["named"] for each in file.runs)


def _handset_by(connection: Connection, run: Row[Any], cutoff_ms: int) -> str:
    """Return who said that the carrier's receipts prove the telephone, and when; "" for nobody."""
    c = links.c
    own = (c.carrier == run.carrier, c.receipt_level == ReceiptLevel.HANDSET, c.level_source.is_not(None))
    rows = connection.execute(select(c.level_source, c.level_source_on).where(*own).order_by(c.id)).all()
    names = [f"{source} ({day_of(on)})" if on else source for source, on in rows]
    given = {"carriers": [run.carrier], "cutoff": cutoff_ms}
    files = (file for file in connection.execute(_FILES, given) if _concerns(file, run))
    if not names and any(file.level == ReceiptLevel.HANDSET for file in files):
        names = ["tệp kết quả của doanh nghiệp"]
    return "; ".join(dict.fromkeys(names))


# Runs that a report counts

# Older runs were started before started_at was recorded.
_GONE_OUT = (RunState.RUNNING, RunState.PAUSED, RunState.CANCELLING, RunState.SENT, RunState.FINISHED)


def begun(until_ms: int) -> ColumnElement[bool]:
    """Build the condition that a run had been started by then (ms since 1970)."""
    r = runs.c
    return or_(r.started_at <= until_ms, and_(r.started_at.is_(None), r.state.in_(_GONE_OUT)))


def counted(until_ms: int) -> ColumnElement[bool]:
    """Build the condition that a run had been started, or its campaign approved, by then (ms since 1970).

    Drafts, campaigns awaiting a decision, and rejected ones have nothing to report.
    """
    a = approvals.c
    decided = select(a.decision).where(a.campaign_id == runs.c.campaign_id, a.at <= until_ms)
    last = decided.order_by(a.id.desc()).limit(1).correlate(runs).scalar_subquery()
    return or_(begun(until_ms), last == "approved")


@dataclass(frozen=True, slots=True)
class Scope:
    """The run's row and its batches' rows, with how far each has been turned into deliveries."""

    run: Row[Any]
    batches: Sequence[Row[Any]]
    whole: bool = True  # whether these are all of the run's batches

    @property
    def name(self) -> str:
        which = ", ".join(str(batch.id) for batch in self.batches) or Phrase("none")
        return Phrase(
            "Run {run} ({carrier}), batches {batches}",
            run=self.run.id,
            carrier=self.run.carrier,
            batches=which,
        )

    def begun(self, cutoff_ms: int) -> bool:
        """Return whether its subscribers were being queued by then (ms since 1970)."""
        started: int | None = self.run.started_at
        return self.run.state != RunState.PLANNED if started is None else started <= cutoff_ms

    def closed(self, cutoff_ms: int) -> bool:
        """Return whether the run was over by then, so that unqueued subscribers stay unsent."""
        ended: int | None = self.run.ended_at
        over = self.run.state in ENDED and self.run.closing is not None
        return over and (ended is None or ended <= cutoff_ms)

    def within(self, table: Table) -> list[ColumnElement[bool]]:
        ids = [batch.id for batch in self.batches]
        return [table.c.campaign_id == self.run.campaign_id, table.c.batch_id.in_(ids)]


def of_run(connection: Connection, run_id: int) -> Scope:
    """Return a run with all its batches; raises NotFound."""
    run = connection.execute(select(runs).where(runs.c.id == run_id)).first()
    if run is None:
        raise no_such("run", run_id, field="run_id")
    return Scope(run, _batches(connection, run_batches.c.run_id == run_id))


def not_part(campaign_id: int, batch_id: int) -> NotFound:
    return NotFound(
        "Batch {batch} is not part of campaign {campaign}. GET /v1/campaigns/{campaign} and `loa "
        "campaign show` list its batches.",
        batch=batch_id,
        campaign=campaign_id,
        field="campaign",
    )


def of_batch(connection: Connection, campaign_id: int, batch_id: int) -> Scope:
    """Return one batch in one campaign; raises NotFound."""
    b = run_batches.c
    own = (b.campaign_id == campaign_id, b.batch_id == batch_id)
    run = connection.execute(select(runs).join(run_batches, runs.c.id == b.run_id).where(*own)).first()
    if run is None:
        raise not_part(campaign_id, batch_id)
    return Scope(run, _batches(connection, *own), whole=False)


def _batches(connection: Connection, *where: ColumnElement[bool]) -> list[Row[Any]]:
    b = batches.c
    columns = (b.id, b.name, b.lines, b.accepted, b.rejected, b.repeated, run_batches.c.fanned_upto)
    query = select(*columns).join(run_batches, run_batches.c.batch_id == b.id).where(*where).order_by(b.id)
    return list(connection.execute(query))


def header(connection: Connection, scope: Scope, cutoff_ms: int) -> Header:
    c, d, run = campaigns.c, directives.c, scope.run
    joined = campaigns.outerjoin(directives, d.id == c.directive_id)
    columns = (c.name, c.sender, c.texts, d.number, d.issued_on, d.subject, d.legal_basis)
    query = select(*columns).select_from(joined).where(c.id == run.campaign_id)
    campaign = connection.execute(query).one()
    level = proved(connection, run, cutoff_ms)
    return Header(
        campaign_id=run.campaign_id,
        campaign=campaign.name,
        run_id=run.id,
        carrier=run.carrier,
        run_state=run.state,
        batches=tuple(batch.id for batch in scope.batches),
        sender=campaign.sender,
        directive=f"{campaign.number} ({campaign.issued_on})" if campaign.number else None,
        texts=dict(campaign.texts),
        receipt_level=level,
        started_ms=run.started_at,
        ended_ms=run.ended_at,
        cutoff_ms=cutoff_ms,
        legal_basis=campaign.legal_basis or "",
        handset_by=_handset_by(connection, run, cutoff_ms) if level == ReceiptLevel.HANDSET else None,
    )
