"""Read campaigns and runs, with the progress of each run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache, lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, bindparam, func, select

from app.campaigns import budgets, carrier_audience, follow_ups, optimistic_lock
from app.campaigns.budgets import BudgetStatus
from app.campaigns.carrier_audience import Audience
from app.campaigns.follow_ups import FollowUp
from app.campaigns.optimistic_lock import Record
from app.campaigns.text_cost import Advice, advice
from app.core import clock
from app.core.errors import no_such
from app.core.states import (
    OF_BUDGET,
    CampaignState,
    DeliveryState,
    NotSent,
    RunState,
    SuspendCause,
    suspended_because,
)
from app.database.listing import ListColumns, ListPart, ListRequest, part, without_marks
from app.database.models import approvals, audiences, batches, campaigns, run_batches, runs, tallies
from app.database.records import from_row
from app.ledger import approval_digest, erasure, money
from app.ledger.money import SentCost
from app.security.tenant_scope import own_campaigns
from carriers import text as sms


@dataclass(frozen=True, slots=True)
class Suspension:
    """Why a run has paused itself: `bad` of the last `of` messages; daily: `bad` today, and `of` is the most;
    budget, budget_dong: `bad` SMS parts, or đồng, are spent, and `of` is the campaign's budget.

    reasons: the most frequent reasons of the run's failures, and how many of each. sentence: all of it.
    """

    cause: SuspendCause
    bad: int
    of: int
    reasons: dict[str, int]
    at: datetime
    sentence: str

    def why(self, language: str) -> str:
        """Say it as a sentence of a page."""
        said = suspended_because(self.cause, self.bad, self.of, language)
        return f"{said[0].upper()}{said[1:]}."


_LOOK = "Look for the cause, then resume or cancel it."
_RAISE = "Request a higher budget, which another person must approve, or cancel the run."


def suspension(value: Mapping[str, Any] | None) -> Suspension | None:
    if value is None:
        return None
    cause, bad, of = SuspendCause(value["cause"]), int(value["bad"]), int(value["of"])
    reasons = {str(name): int(n) for name, n in value["reasons"].items()}
    at = clock.moment(value["at"])
    return Suspension(cause, bad, of, reasons, at, _sentence(cause, bad, of, reasons))


def _sentence(cause: SuspendCause, bad: int, total: int, reasons: Mapping[str, int]) -> str:
    why = suspended_because(cause, bad, total)
    by = ", ".join(f"{name} {n:,}" for name, n in reasons.items())
    shown = f" (reasons of the run's failures: {by})" if by else ""
    return f"The run has paused itself: {why}{shown}. {_RAISE if cause in OF_BUDGET else _LOOK}"


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision on a campaign: approved, rejected, returned or voided."""

    decision: str
    by: str
    at: datetime
    digest: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Campaign:
    """texts: the exact text under ""; older campaigns may have others by language; segments: SMS parts of
    each. budget_segments: the most that may be sent;
    budget_of: the campaign whose budget it shares.
    wording: the text with its diacritics, whichever form is sent; null if it is not kept.
    """

    id: int
    directive_id: int | None
    name: str
    purpose: str
    sender: str
    text_key: str | None
    wording: str | None
    texts: dict[str, str]
    segments: dict[str, int]
    window_start: datetime | None
    window_end: datetime | None
    day_starts: str
    day_ends: str
    state: CampaignState
    version: int
    created_at: datetime
    created_by: str
    submitted_by: str | None
    budget_segments: int | None = None
    budget_of: int | None = None


@dataclass(frozen=True, slots=True)
class Dossier:
    """A campaign with what its approver must see: the digest of the content, decisions, runs, and advice on
    each text by its language; an error there must be acknowledged with the approval. follow_up: the audience,
    if it is of those whom earlier campaigns did not reach. budget: the one that counts for it, with what is
    spent of it, also by others that share it; null without one, and to operators."""

    campaign: Campaign
    digest: str
    decisions: list[Decision]
    runs: list[RunSummary]
    advice: dict[str, list[Advice]]
    follow_up: FollowUp | None = None
    budget: BudgetStatus | None = None


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs to return."""

    state: RunState | None = None
    carrier: str | None = None
    campaign_id: int | None = None
    since: datetime | None = None

    def of(self, query: Select[Any]) -> Select[Any]:
        values = (
            ("state", self.state),
            ("carrier", self.carrier),
            ("campaign_id", self.campaign_id),
        )
        query = query.where(*(runs.c[column] == value for column, value in values if value is not None))
        return query if self.since is None else query.where(runs.c.created_at >= clock.to_ms(self.since))


@dataclass(frozen=True, slots=True)
class MessageCount:
    """How many messages, and their SMS parts in all."""

    messages: int
    segments: int


@dataclass(frozen=True, slots=True)
class RunSummary:
    """subscribers: valid numbers of the run's batches; not_queued: of these, not yet in the ledger.
    other_range: of these, in ranges of another carrier: ported, or not this carrier's to name. progress:
    delivery state -> count; `excluded` are numbers that the campaign has in another batch.
    segments_per_second: its own rate, if slower than the carrier's links. audience: whom the carrier sends
    to by itself; such a run has no batches and no progress. totals_erased: the counts were erased by the
    rules of retention, so there is no progress. suspended: why the run has paused itself. cost: of what was
    handed over so far; null where no price is known, or the carrier sends by itself.
    """

    id: int
    campaign_id: int
    carrier: str
    state: RunState
    priority: int
    closing: str | None
    batch_ids: list[int]
    subscribers: int
    not_queued: int
    progress: dict[str, MessageCount]
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    audience: Audience | None = None
    totals_erased: bool = False
    segments_per_second: int | None = None
    other_range: int = 0
    suspended: Suspension | None = None
    cost: SentCost | None = None


def campaign(connection: Connection, campaign_id: int) -> Campaign:
    return _campaign(optimistic_lock.campaign(connection, campaign_id))


def dossier(connection: Connection, campaign_id: int, operator: str | None = None) -> Dossier:
    """Return a campaign with all that its approval needs; an operator sees only its own runs."""
    row, given = optimistic_lock.campaign(connection, campaign_id), {"campaign": campaign_id}
    own = runs_of(connection, _members(operator), given)
    return Dossier(
        campaign=_campaign(row),
        digest=_digest(connection, row),
        decisions=[from_row(Decision, row) for row in connection.execute(_DECISIONS, given)],
        runs=_with_costs(connection, own),
        advice={language: found for language, text in row.texts.items() if (found := advice(text))},
        follow_up=follow_ups.of_campaign(connection, campaign_id, operator),
        budget=None if operator else budgets.status(connection, row),
    )


# Built once: every page of a campaign asks them.
_DECISIONS = (
    select(approvals).where(approvals.c.campaign_id == bindparam("campaign")).order_by(approvals.c.id)
)


@cache
def _members(operator: str | None) -> Select[Any]:
    members = select(runs).where(runs.c.campaign_id == bindparam("campaign")).order_by(runs.c.id)
    return RunFilter(carrier=operator).of(members)


def _digest(connection: Connection, row: Record) -> str:
    """Return the digest that an approval would sign now, or the signed one if it is approved."""
    signed = approval_digest.approved(connection, row)
    return signed.digest if signed else approval_digest.digest(connection, row)


@dataclass(frozen=True, slots=True)
class WantedCampaigns:
    """Which campaigns to return; carrier: with a run there; since: created then or later.

    operator: the only carrier whose campaigns the caller may see.
    """

    state: CampaignState | None = None
    carrier: str | None = None
    operator: str | None = None
    directive_id: int | None = None
    since: datetime | None = None
    also: ColumnElement[bool] | None = None

    def of(self, query: Select[Any]) -> Select[Any]:
        c = campaigns.c
        query = query if self.also is None else query.where(self.also)
        for column, value in ((c.state, self.state), (c.directive_id, self.directive_id)):
            query = query if value is None else query.where(column == value)
        if wanted := self.operator or self.carrier:
            query = query.where(own_campaigns(wanted))
        return query if self.since is None else query.where(c.created_at >= clock.to_ms(self.since))


COLUMNS = ListColumns(
    campaigns.c.id,
    campaigns.c.created_at,
    names=[campaigns.c.name, campaigns.c.sender],
    orders={
        "name": without_marks(campaigns.c.name),
        "sender": without_marks(campaigns.c.sender),
        "made": campaigns.c.id,
    },
)


def campaigns_listed(
    connection: Connection,
    request: ListRequest | int,
    limit: int,
    criteria: WantedCampaigns = WantedCampaigns(),
    columns: ListColumns = COLUMNS,
) -> ListPart[Campaign]:
    return part(connection, criteria.of(select(campaigns)), columns, request, limit).of(_campaign)


def run(connection: Connection, run_id: int, operator: str | None = None) -> RunSummary:
    """Return one run with its progress. Raises NotFound, also for a run that is not of `operator`."""
    query = RunFilter(carrier=operator).of(select(runs).where(runs.c.id == run_id))
    found = _with_costs(connection, runs_of(connection, query))
    if not found:
        raise no_such("run", run_id)
    return found[0]


def runs_page(
    connection: Connection, request: ListRequest | int, limit: int, criteria: RunFilter = RunFilter()
) -> ListPart[RunSummary]:
    found = part(connection, criteria.of(select(runs.c.id)), ListColumns(runs.c.id), request, limit)
    members = select(runs).where(runs.c.id.in_([row.id for row in found.items]))
    known = {each.id: each for each in _with_costs(connection, runs_of(connection, members))}
    return found.of(lambda row: known[row.id])


def _with_costs(connection: Connection, runs: Sequence[RunSummary]) -> list[RunSummary]:
    """Add what was spent so far: apart, since it may read every delivery of a run whose price has changed."""
    spent = money.costs(connection, [each.id for each in runs if each.audience is None])
    return [replace(each, cost=spent.get(each.id)) for each in runs]


def runs_of(
    connection: Connection, query: Select[Any], values: Mapping[str, Any] | None = None
) -> list[RunSummary]:
    """Return these runs with their progress, without costs; values: values of the query's parameters."""
    rows = connection.execute(_with_audiences(query), values).all()
    if not rows:
        return []
    ids = [row.id for row in rows]
    members, counts = _batches(connection, ids), _progress(connection, ids)
    return [_run(row, members.get(row.id, {}), counts.get(row.id, {})) for row in rows]


@lru_cache(maxsize=32)  # by the query itself: what asks often gives the same one
def _with_audiences(query: Select[Any]) -> Select[Any]:
    a = audiences.c
    gone = erasure.totals_are_gone(runs.c.campaign_id).label("gone")
    query = query.add_columns(a.areas, a.area_basis, a.estimated, gone)
    return query.outerjoin(audiences, a.run_id == runs.c.id)


# Built once: every poll of every open page asks them.
_BATCHES = (
    select(run_batches.c.run_id, batches.c.id, batches.c.accepted, batches.c.other_range)
    .join(batches, batches.c.id == run_batches.c.batch_id)
    .where(run_batches.c.run_id.in_(bindparam("runs", expanding=True)))
    .order_by(batches.c.id)
)
_PROGRESS = (
    select(tallies.c.run_id, tallies.c.state, func.sum(tallies.c.n), func.sum(tallies.c.segments))
    .where(tallies.c.run_id.in_(bindparam("runs", expanding=True)))
    .group_by(tallies.c.run_id, tallies.c.state)
    .order_by(tallies.c.run_id, tallies.c.state)
)


def _batches(connection: Connection, run_ids: Iterable[int]) -> dict[int, dict[int, tuple[int, int]]]:
    """Return run -> batch -> (valid numbers, those in another carrier's range)."""
    found: dict[int, dict[int, tuple[int, int]]] = {}
    for run_id, batch_id, *counts in connection.execute(_BATCHES, {"runs": list(run_ids)}).all():
        found.setdefault(run_id, {})[batch_id] = (counts[0], counts[1])
    return found


def _progress(connection: Connection, run_ids: Iterable[int]) -> dict[int, dict[str, MessageCount]]:
    """Return run -> delivery state -> count. Tallies are changes, so their sum is the present state."""
    found: dict[int, dict[str, MessageCount]] = {}
    for run_id, state, n, segments in connection.execute(_PROGRESS, {"runs": list(run_ids)}).all():
        if n:
            found.setdefault(run_id, {})[DeliveryState(state).name.lower()] = MessageCount(
                int(n), int(segments)
            )
    return found


def _run(row: Record, members: dict[int, tuple[int, int]], progress: dict[str, MessageCount]) -> RunSummary:
    subscribers = sum(accepted for accepted, _ in members.values())
    queued = sum(count.messages for count in progress.values())
    return from_row(
        RunSummary,
        row,
        suspended=suspension(row.suspended),
        closing=None if row.closing is None else NotSent(row.closing).name.lower(),
        batch_ids=list(members),
        subscribers=subscribers,
        other_range=sum(elsewhere for _, elsewhere in members.values()),
        not_queued=0 if row.gone else subscribers - queued,
        progress=progress,
        audience=carrier_audience.of_row(row),
        totals_erased=bool(row.gone),
        cost=None,
    )


def _campaign(row: Record) -> Campaign:
    return from_row(
        Campaign,
        row,
        wording=row.wording or (None if row.text_key else row.texts[""]),
        segments={language: sms.segments(wording) for language, wording in row.texts.items()},
    )
