"""Campaigns waiting for a decision, and everything that their approver must see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import Connection, func, or_, select

from app.campaigns import approval, forecast, optimistic_lock, queries
from app.campaigns import text_cost as wordings
from app.campaigns.queries import Decision, Dossier, RunSummary
from app.campaigns.quiet_hours import breaks_quiet_hours
from app.campaigns.text_cost import Preview
from app.core import clock
from app.core.areas import name as area_name
from app.core.config import Settings
from app.core.errors import Forbidden
from app.core.states import CampaignState
from app.database.models import audit, batches, campaigns, directives, do_not_send
from app.ledger import approval_digest
from app.security.principal import Caller, base_name
from app.web.translations import Said, say
from app.web.view_models import area_shares, content_differences, traffic_light
from app.web.view_models.area_shares import AreaShare
from app.web.view_models.content_differences import ContentComparison
from app.web.view_models.estimate import Hint, hints, prices
from carriers.text import nfc

MANY = 100
MOST_CHANGES = 50
ACTS: dict[str, Said] = {
    "campaign.edit": say("changed the content"),
    "campaign.submit": say("submitted it"),
    "run.add": say("added a run"),
    "run.remove": say("removed a run"),
}


@dataclass(frozen=True, slots=True)
class CampaignToApprove:
    """A submitted campaign; own: the reader took part in it."""

    id: int
    name: str
    submitted_by: str
    own: bool


@dataclass(frozen=True, slots=True)
class CampaignChange:
    """A change of the campaign since its last decision."""

    at: datetime
    who: str
    said: Said
    carrier: str | None


@dataclass(frozen=True, slots=True)
class ApprovalText:
    """A text as sent with hints for the approver. areas: who gets it; none: all others."""

    language: str
    areas: Sequence[str]
    shown: Preview
    hints: Sequence[Hint]


@dataclass(frozen=True, slots=True)
class BatchView:
    id: int
    name: str
    carrier: str
    accepted: int
    sha256: str
    other_range: int
    lines: int
    rejected: int

    @property
    def wrong(self) -> Said | None:
        """What is plainly wrong with the file, which its author has said to know."""
        return traffic_light.of_file(self.lines, self.accepted, self.rejected, self.other_range)


@dataclass(frozen=True, slots=True)
class RunOutlook:
    """A run if it were started now. ends_at: None if nobody can say; excluded: numbers never sent to."""

    begins_at: datetime | None
    ends_at: datetime | None
    excluded: int


@dataclass(frozen=True, slots=True)
class Case:
    """One campaign before its decision. barred: why this reader may not decide; night: a reason is needed.

    last: the decision before; same: the content is unchanged since; changes: since then, or since it was
    first submitted. compared: with what was decided on and with what was submitted before. prices: carrier ->
    đồng for an SMS part; areas: where the subscribers are, None if they are too many to count unasked.
    original: the text with its diacritics, where another form is sent.
    """

    dossier: Dossier
    letter: str | None
    wordings: Sequence[ApprovalText]
    original: Preview | None
    files: Sequence[BatchView]
    barred: Forbidden | None
    night: bool
    last: Decision | None
    same: bool
    changes: Sequence[CampaignChange]
    compared: Sequence[ContentComparison]
    outlooks: Mapping[int, RunOutlook]
    prices: Mapping[str, Decimal]
    areas: Sequence[AreaShare] | None

    @property
    def people(self) -> int:
        return sum(run.audience.estimated if run.audience else run.subscribers for run in self.dossier.runs)

    @property
    def cost(self) -> int | None:
        """What all SMS parts cost in đồng; None unless every carrier's price is known."""
        runs = [run for run in self.dossier.runs if not run.audience]
        if not runs or any(run.carrier not in self.prices for run in runs):
            return None
        return sum(self.cost_of(run) or 0 for run in runs)

    def cost_of(self, run: RunSummary) -> int | None:
        price, parts = self.prices.get(run.carrier), self.dossier.campaign.segments[""]
        return None if price is None or run.audience else round(run.subscribers * parts * price)

    @property
    def grave(self) -> bool:
        return any(hint.grave for each in self.wordings for hint in each.hints)


def waiting(connection: Connection, who: str) -> list[CampaignToApprove]:
    c, own = campaigns.c, base_name(who)
    query = select(c.id, c.name, c.created_by, c.editors, c.submitted_by).order_by(c.id).limit(MANY)
    found = []
    for row in connection.execute(query.where(c.state == CampaignState.SUBMITTED)):
        hands = {row.created_by, *row.editors} | {row.submitted_by or row.created_by}
        mine = own in {base_name(name) for name in hands}
        found.append(CampaignToApprove(row.id, row.name, row.submitted_by or row.created_by, mine))
    return found


def case(
    connection: Connection, campaign_id: int, caller: Caller, settings: Settings, *, counts: bool = False
) -> Case:
    """Load the case. counts: count the subscribers by area, however many they are."""
    dossier = queries.dossier(connection, campaign_id)
    last = dossier.decisions[-1] if dossier.decisions else None
    letter = select(directives.c.number).where(directives.c.id == dossier.campaign.directive_id)
    since = last.at if last else _first_submitted(connection, campaign_id)
    return Case(
        dossier=dossier,
        letter=connection.scalar(letter),
        wordings=[_wording(each, dossier.campaign) for each in ("", *sorted(dossier.campaign.text_areas))],
        original=_original(dossier),
        files=_files(connection, dossier),
        barred=_barred(connection, caller, campaign_id),
        night=breaks_quiet_hours(dossier.campaign.day_starts, dossier.campaign.day_ends),
        last=last,
        same=last is not None and _same(connection, campaign_id, last),
        changes=_changes(connection, dossier, since) if since else [],
        compared=content_differences.compared(connection, campaign_id),
        outlooks=_outlooks(connection, dossier, settings.rates),
        prices=prices(settings, dossier.campaign.purpose, {run.carrier for run in dossier.runs}),
        areas=area_shares.shares(connection, dossier, counts=counts),
    )


def _first_submitted(connection: Connection, campaign_id: int) -> datetime | None:
    a = audit.c
    query = select(func.min(a.at)).where(
        a.subject == f"campaign/{campaign_id}", a.action == "campaign.submit"
    )
    first = connection.scalar(query)
    return None if first is None else clock.from_ms(first + 1)


def _outlooks(connection: Connection, of: Dossier, planned: Mapping[str, float]) -> dict[int, RunOutlook]:
    now, d = clock.now(), do_not_send.c
    query = select(d.carrier, func.count()).where(d.carrier.in_({run.carrier for run in of.runs}))
    listed: dict[str, int] = {row[0]: row[1] for row in connection.execute(query.group_by(d.carrier))}
    found = {run.id: forecast.forecast(connection, run.id, now, planned) for run in of.runs}
    return {
        run.id: RunOutlook(found[run.id].begins_at, found[run.id].finishes_at, listed.get(run.carrier, 0))
        for run in of.runs
    }


def _same(connection: Connection, campaign_id: int, last: Decision) -> bool:
    return approval_digest.holds(connection, optimistic_lock.campaign(connection, campaign_id), last.digest)


def _wording(language: str, of: queries.Campaign) -> ApprovalText:
    text, today = of.texts[language], clock.local(clock.now()).date()
    areas = [area_name(code, today) for code in of.text_areas.get(language, ())]
    return ApprovalText(language, areas, wordings.preview(nfc(text)), hints(text))


def _original(of: Dossier) -> Preview | None:
    written = of.campaign.wording
    return None if written is None or written == of.campaign.texts[""] else wordings.preview(written)


def _files(connection: Connection, of: Dossier) -> list[BatchView]:
    ids = [each for run in of.runs for each in run.batch_ids]
    c = batches.c
    query = (
        select(c.id, c.name, c.carrier, c.accepted, c.sha256, c.other_range, c.lines, c.rejected)
        .where(c.id.in_(ids))
        .order_by(c.id)
    )
    return [BatchView(*row) for row in connection.execute(query)]


def _barred(connection: Connection, caller: Caller, campaign_id: int) -> Forbidden | None:
    try:
        approval.check_approver(connection, caller, optimistic_lock.campaign(connection, campaign_id))
    except Forbidden as error:
        return error
    return None


def _changes(connection: Connection, of: Dossier, since: datetime) -> list[CampaignChange]:
    a, campaign_id = audit.c, of.campaign.id
    carriers = {f"run/{run.id}": run.carrier for run in of.runs}
    runs = a.action.in_(("run.add", "run.remove"))
    query = select(a.at, a.who, a.action, a.subject, a.detail).where(a.at >= clock.to_ms(since))
    query = query.where(or_(a.subject == f"campaign/{campaign_id}", runs)).order_by(a.id)
    found = [
        CampaignChange(
            clock.from_ms(row.at),
            row.who,
            ACTS[row.action],
            row.detail.get("carrier") or carriers.get(row.subject),
        )
        for row in connection.execute(query)
        if row.action in ACTS and row.detail.get("campaign", campaign_id) == campaign_id
    ]
    return found[-MOST_CHANGES:]
