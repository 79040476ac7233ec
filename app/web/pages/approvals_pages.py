"""Approvals: read what was submitted in full, then approve, return or reject it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from fastapi import Response
from sqlalchemy import Connection, func, or_, select

from app.api.dependencies import Routes
from app.campaigns import approval, forecast, operations, optimistic_lock, queries
from app.campaigns import text_cost as wordings
from app.campaigns.queries import Decision, Dossier, RunSummary
from app.campaigns.quiet_hours import breaks_quiet_hours
from app.campaigns.text_cost import Preview
from app.core import areas, clock
from app.core.config import Settings
from app.core.errors import Forbidden
from app.core.states import CampaignState
from app.database.models import approvals, audit, batches, campaigns, directives, do_not_send, subscribers
from app.ledger import approval_digest
from app.security.principal import Caller, base_name
from app.sender_names.checks import Finding, of_campaign
from app.text_verification.compare import TextPart, word_by_word
from app.web import query_params
from app.web.forms import purposes
from app.web.operation_forms import add_forms
from app.web.rendering import (
    FormState,
    PageRequest,
    Visit,
    render,
)
from app.web.translations import Said, say
from app.web.view_models import follow_up_offer, traffic_light
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
    """A text as sent with hints for the approver."""

    language: str
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
    original: the text with its diacritics, where another form is sent. register: what the register says.
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
    register: Sequence[Finding]

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
        wordings=[
            ApprovalText(language, wordings.preview(nfc(text)), hints(text))
            for language, text in sorted(dossier.campaign.texts.items())
        ],
        original=_original(dossier),
        files=_files(connection, dossier),
        barred=_barred(connection, caller, campaign_id),
        night=breaks_quiet_hours(dossier.campaign.day_starts, dossier.campaign.day_ends),
        last=last,
        same=last is not None and _same(connection, campaign_id, last),
        changes=_changes(connection, dossier, since) if since else [],
        compared=compared(connection, campaign_id),
        outlooks=_outlooks(connection, dossier, settings.rates),
        prices=prices(settings, dossier.campaign.purpose, {run.carrier for run in dossier.runs}),
        areas=shares(connection, dossier, counts=counts),
        register=of_campaign(connection, optimistic_lock.campaign(connection, campaign_id)),
    )


def _first_submitted(connection: Connection, campaign_id: int) -> datetime | None:
    a = audit.c
    query = select(func.min(a.at)).where(
        a.subject == f"campaign/{campaign_id}", a.action == "campaign.submit"
    )
    first = connection.scalar(query)
    return None if first is None else clock.from_ms(first + 1)


def _outlooks(
    connection: Connection, dossier: Dossier, planned: Mapping[str, float]
) -> dict[int, RunOutlook]:
    now, d = clock.now(), do_not_send.c
    query = select(d.carrier, func.count()).where(d.carrier.in_({run.carrier for run in dossier.runs}))
    listed: dict[str, int] = {row[0]: row[1] for row in connection.execute(query.group_by(d.carrier))}
    found = {run.id: forecast.forecast(connection, run.id, now, planned) for run in dossier.runs}
    return {
        run.id: RunOutlook(found[run.id].begins_at, found[run.id].finishes_at, listed.get(run.carrier, 0))
        for run in dossier.runs
    }


def _same(connection: Connection, campaign_id: int, last: Decision) -> bool:
    return approval_digest.holds(connection, optimistic_lock.campaign(connection, campaign_id), last.digest)


def _original(dossier: Dossier) -> Preview | None:
    written = dossier.campaign.wording
    return None if written is None or written == dossier.campaign.texts[""] else wordings.preview(written)


def _files(connection: Connection, dossier: Dossier) -> list[BatchView]:
    ids = [each for run in dossier.runs for each in run.batch_ids]
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


def _changes(connection: Connection, dossier: Dossier, since: datetime) -> list[CampaignChange]:
    a, campaign_id = audit.c, dossier.campaign.id
    carriers = {f"run/{run.id}": run.carrier for run in dossier.runs}
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


MOST_UNASKED = 300_000  # counting a million subscribers takes half a second


@dataclass(frozen=True, slots=True)
class AreaShare:
    """Subscribers of one commune; name: None where no area is known."""

    name: str | None
    people: int
    share: float


def shares(connection: Connection, dossier: Dossier, *, counts: bool) -> list[AreaShare] | None:
    """Return the areas, those with most subscribers first; None if they are too many to count unasked."""
    own = [run for run in dossier.runs if not run.audience]
    if sum(run.subscribers for run in own) > MOST_UNASKED and not counts:
        return None
    found = _counted(connection, [each for run in own for each in run.batch_ids])
    total = found.total()
    ordered = sorted(found.items(), key=lambda item: (item[0] is None, -item[1], item[0] or ""))
    return [AreaShare(name, n, n / total) for name, n in ordered]


def _counted(connection: Connection, batch_ids: Sequence[int]) -> Counter[str | None]:
    s, today = subscribers.c, clock.local(clock.now()).date()
    found: Counter[str | None] = Counter()
    query = select(s.area, func.count()).where(s.batch_id.in_(batch_ids)).group_by(s.area)
    for code, n in connection.execute(query):
        placed = areas.place(code, today) if code else None
        found[areas.name(placed or code, today) if code else None] += n
    return found


CONTENT: dict[str, Said] = {
    "sender": say("Sender ID"),
    "purpose": say("Purpose"),
    "window": say("Sending window"),
    "day": say("Daily hours"),
    "budget": say("Budget"),
}
# What acts of older versions, which have none, mean.
_LACKING: Mapping[str, Any] = {"budget": [None, None, None]}
PEOPLE: Said = say("Subscribers")


@dataclass(frozen=True, slots=True)
class ContentDifference:
    """One thing that was otherwise at the last decision; carrier: whose number of people it is."""

    said: Said
    carrier: str | None
    before: str
    now: str


@dataclass(frozen=True, slots=True)
class ContentComparison:
    """The content now against an earlier one. texts: language -> its words, if they differ."""

    said: Said
    texts: Mapping[str, Sequence[TextPart]]
    differences: Sequence[ContentDifference]


def compared(connection: Connection, campaign_id: int) -> list[ContentComparison]:
    """Compare with the last decision, and with the last submission before this one where that came later."""
    now, decided = approval.content(connection, campaign_id), _decided_on(connection, campaign_id)
    before = [(say("Changes since the last decision"), decided.content)] if decided else []
    submitted = _submitted_before(connection, campaign_id)
    if submitted is not None and (decided is None or submitted.at > decided.at):
        content = submitted.detail.get("content")  # acts of older versions have none
        before += [(say("Changes since the last submission"), content)] if content else []
    found = [
        ContentComparison(said, _text_differences(of["texts"], now["texts"]), _differences(of, now))
        for said, of in before
    ]
    return [each for each in found if each.texts or each.differences]


def _decided_on(connection: Connection, campaign_id: int) -> Any:
    """Return the last decision that kept the content; None if there is none."""
    a = approvals.c
    query = select(a.at, a.content).where(a.campaign_id == campaign_id, a.decision != "voided")
    return connection.execute(query.where(a.content.is_not(None)).order_by(a.id.desc()).limit(1)).first()


def _submitted_before(connection: Connection, campaign_id: int) -> Any:
    """Return the act of the submission before the newest one; None if there was no other."""
    a = audit.c
    query = select(a.at, a.detail).where(
        a.subject == f"campaign/{campaign_id}", a.action == "campaign.submit"
    )
    return connection.execute(query.order_by(a.id.desc()).offset(1).limit(1)).first()


def _text_differences(before: Mapping[str, str], now: Mapping[str, str]) -> dict[str, list[TextPart]]:
    pairs = {code: (before.get(code, ""), now.get(code, "")) for code in sorted({*before, *now})}
    return {code: list(word_by_word(*pair)) for code, pair in pairs.items() if pair[0] != pair[1]}


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[ContentDifference]:
    """Compare all but the texts; moments become ISO strings of Vietnam, numbers stay digits."""
    found = [
        ContentDifference(said, None, _shown(key, before.get(key, _LACKING.get(key))), _shown(key, now[key]))
        for key, said in CONTENT.items()
        if before.get(key, _LACKING.get(key)) != now[key]
    ]
    carriers = sorted({*before["people"], *now["people"]})
    pairs = {each: (before["people"].get(each, 0), now["people"].get(each, 0)) for each in carriers}
    return found + [
        ContentDifference(PEOPLE, carrier, str(pair[0]), str(pair[1]))
        for carrier, pair in pairs.items()
        if pair[0] != pair[1]
    ]


def _shown(key: str, value: Any) -> str:
    if key == "window":
        ends = [f"{clock.moment(ms):%H:%M %d/%m/%Y}" if ms else "…" for ms in value]
        return " – ".join(ends)
    if key == "budget":
        return " – ".join(str(each) for each in value[:2] if each is not None) or "…"
    return "–".join(value) if isinstance(value, list) else str(value)


router = Routes(include_in_schema=False)


@router.get("/approvals")
async def page_approvals(visit: Visit, campaign: str = "", areas: str = "") -> Response:
    """Show what waits, and one campaign in full; areas: count its subscribers by area."""
    return await _page(visit, query_params.number(campaign), FormState(), counts=bool(areas))


async def _page(
    visit: PageRequest, campaign_id: int, entered: FormState, *, counts: bool = False
) -> Response:
    waiting, found = await visit.db.aread(_read, campaign_id, visit, counts)
    follow_up = found.dossier.follow_up if found else None
    values: dict[str, Any] = {"waiting": waiting, "found": found, "purposes": purposes}
    values |= {"chosen": follow_up_offer.chosen_outcomes(follow_up) if follow_up else []}
    return render(visit, "approvals.html", entered.status, entered=entered, **values)


def _read(
    connection: Connection, campaign_id: int, visit: PageRequest, counts: bool
) -> tuple[list[CampaignToApprove], Case | None]:
    """Load the list and the requested campaign, by default the first that is not the reader's own."""
    listed = waiting(connection, visit.who.name)
    others = [each.id for each in listed if not each.own] or [each.id for each in listed]
    chosen = campaign_id or (others[0] if others else 0)
    if not chosen:
        return listed, None
    return listed, case(connection, chosen, visit.who, visit.settings, counts=counts)


add_forms(
    router, operations, only=dict.fromkeys(("approve_campaign", "return_campaign", "reject_campaign"), _page)
)
