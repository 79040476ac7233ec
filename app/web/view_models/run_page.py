"""A run's page: status, available orders, and what they would cause."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, Row, func, select

from app.campaigns import optimistic_lock, queries, text_cost
from app.campaigns.forecast import forecast
from app.campaigns.queries import Campaign, RunSummary
from app.campaigns.runs import Verb, open_to
from app.campaigns.text_cost import Preview
from app.core import clock
from app.core.config import Settings
from app.core.states import FAILED, OVER, CampaignState, DeliveryState, LinkState, RunState
from app.database.models import batches, directives, unknowns
from app.dispatch import link_store
from app.ledger import erasure, money
from app.ledger.contract import TallyCount
from app.reports.figures import carrier_statement, tally
from app.reports.figures.carrier_statement import Statement
from app.security.principal import Caller
from app.security.roles import may
from app.sender_names.checks import Finding, of_campaign
from app.web.translations import Said
from app.web.view_models import delivery_labels, follow_up_offer, run_status
from app.web.view_models.follow_up_offer import Offer
from app.web.view_models.run_status import RunView

MOST_BATCHES = 50


@dataclass(frozen=True, slots=True)
class Outlook:
    """Consequences of an order. people: who still get the text; parts: SMS parts of one message.

    begins_at: None for at once; ends_at: None if nothing can be sent now. unopened: no worker has opened the
    links of the settings yet, so the rate is theirs. cost: of what is left, in đồng; None without a price.
    """

    people: int
    parts: int
    segments: int
    segments_per_second: float
    begins_at: datetime | None
    ends_at: datetime | None
    after_window: bool
    after_deadline: bool
    deadline: datetime | None
    links: int
    unopened: bool
    halted: int
    cost: int | None = None


@dataclass(frozen=True, slots=True)
class BatchRow:
    id: int
    name: str
    accepted: int


@dataclass(frozen=True, slots=True)
class ReasonCount:
    """Deliveries with one reason; share: of all failed ones, 0 to 1; remedy: what can be done about them."""

    said: Said
    n: int
    share: float
    remedy: Said | None = None


@dataclass(frozen=True, slots=True)
class RunPageView:
    """The page. verbs: orders open to this caller now; open_unknown: outcomes to be decided.

    texts: language -> the text as it is sent. without_room: the campaign
    whose budget is spent, so that the paused run can't be resumed; None if there is room.
    """

    run: RunSummary
    campaign: Campaign
    texts: dict[str, Preview]
    view: RunView
    outlook: Outlook
    verbs: list[Verb]
    without_room: int | None
    batches: list[BatchRow]
    more_batches: int
    failed: list[ReasonCount]
    numbers_erased: bool
    left_out: list[ReasonCount]
    open_unknown: int
    statement: Statement | None
    stated_at: datetime | None
    stated: StatedForm
    left_off: list[str]  # what the version before had, by its fields
    handset: list[
        tuple[str, str | None, date | None]
    ]  # links whose receipts prove the telephone, who says so
    register: list[Finding]  # what the register says against a start
    offer: Offer | None  # whom a follow-up can write to; None while nobody is known to have been missed


@dataclass(frozen=True, slots=True)
class StatedForm:
    """What the form of stated figures begins with: the version before, as one types it."""

    eligible: str = ""
    sent: str = ""
    level: str = ""
    received: str = ""
    failed: str = ""
    segments: str = ""
    began: str = ""
    ended: str = ""
    note: str = ""
    version: int = 0
    details: bool = False  # has numbers that the form has no fields for

    @classmethod
    def of(cls, statement: Statement) -> StatedForm:
        g = statement.figures.general
        return cls(
            eligible=str(g.eligible),
            sent=str(g.sent),
            level=statement.level.name.lower(),
            received=_typed(g.received),
            failed=_typed(g.failed),
            segments=_typed(statement.figures.segments),
            began=_moment(statement.began_ms),
            ended=_moment(statement.ended_ms),
            note=statement.paper.note or "",
            version=statement.paper.version,
            details=statement.figures.has_details,
        )


def _typed(n: int | None) -> str:
    return "" if n is None else str(n)


def _moment(ms: int | None) -> str:
    return "" if ms is None else f"{clock.moment(ms):%Y-%m-%dT%H:%M}"


def read_run(connection: Connection, run_id: int, who: Caller, settings: Settings) -> RunPageView:
    run = queries.run(connection, run_id, who.carrier)
    row = optimistic_lock.campaign(connection, run.campaign_id)
    counts = tally.of_run(connection, run_id)
    ids = run.batch_ids[:MOST_BATCHES]
    versions = carrier_statement.versions(connection, run_id) if run.audience else []
    said = versions[-1] if versions else None
    account = money.account_of(row) if run.state == RunState.PAUSED else None
    without_room = account if account is not None and money.spent(connection, [account]) else None
    verbs = _verbs(run, row.state, who)
    return RunPageView(
        run=run,
        campaign=queries.campaign(connection, run.campaign_id),
        texts=_texts(run, row),
        view=run_status.views(connection, [row], [run])[0],
        outlook=outlook(connection, run, row, settings),
        verbs=[verb for verb in verbs if without_room is None or verb is not Verb.RESUME],
        without_room=without_room,
        batches=_batches(connection, ids),
        more_batches=len(run.batch_ids) - len(ids),
        failed=whys((c.reason, c.n) for c in counts if c.state in FAILED),
        numbers_erased=erasure.of_campaign(connection, run.campaign_id) is not None,
        left_out=whys(
            (c.reason, c.n) for c in counts if c.state in (DeliveryState.NOT_SENT, DeliveryState.EXCLUDED)
        ),
        open_unknown=open_unknown(connection, run_id),
        statement=said,
        stated_at=None if said is None else clock.from_ms(said.cutoff_ms),
        stated=StatedForm() if said is None else StatedForm.of(said),
        left_off=versions[-1].lacks(versions[-2]) if len(versions) > 1 else [],
        handset=[] if run.audience else link_store.handset_sources(connection, run.carrier),
        register=of_campaign(connection, row, {run.carrier}) if run.state is RunState.PLANNED else [],
        offer=_offer(connection, run, counts),
    )


def _offer(connection: Connection, run: RunSummary, counts: Sequence[TallyCount]) -> Offer | None:
    """Return whom a follow-up of the run's campaign can write to at its carrier.

    While it sends and nothing has failed nobody can have been missed, so no message is looked at.
    """
    over = run.state in OVER
    missed = over or any(count.n and count.state in FAILED for count in counts)
    if run.audience is not None or not missed or erasure.of_campaign(connection, run.campaign_id) is not None:
        return None
    return follow_up_offer.offer(connection, run.campaign_id, [run.carrier])


def _texts(run: RunSummary, campaign: Row[Any]) -> dict[str, Preview]:
    """Return what is sent by language."""
    return {language: text_cost.preview(text) for language, text in sorted(campaign.texts.items())}


def _verbs(run: RunSummary, campaign_state: str, who: Caller) -> list[Verb]:
    asked = [verb for verb in open_to(run.state, run.audience is not None) if may(who.role, f"{verb}_run")]
    approved = campaign_state == CampaignState.APPROVED
    return [verb for verb in asked if approved or verb not in (Verb.START, Verb.RESUME)]


def outlook(connection: Connection, run: RunSummary, campaign: Row[Any], settings: Settings) -> Outlook:
    """Say what an order would cause, from the price list, and rates of the settings without a link."""
    now, asked = clock.now(), settings.money.price(run.carrier, campaign.purpose)
    found = forecast(connection, run.id, now, settings.rates)
    links = link_store.all_links(connection, run.carrier)
    letter = select(directives.c.report_deadline).where(directives.c.id == campaign.directive_id)
    due, end = connection.scalar(letter), campaign.window_end
    done = None if found.finishes_at is None else clock.to_ms(found.finishes_at)
    begins = found.begins_at if found.begins_at and found.begins_at > now else None
    return Outlook(
        people=found.subscribers_left,
        parts=_parts(found.segments_left, found.subscribers_left),
        segments=found.segments_left,
        segments_per_second=found.segments_per_second,
        begins_at=begins,
        ends_at=found.finishes_at,
        after_window=done is not None and end is not None and done > end,
        after_deadline=done is not None and due is not None and done > due,
        deadline=None if due is None else clock.from_ms(due),
        links=len(links),
        unopened=not links and run.carrier in settings.rates,
        halted=sum(link.state == LinkState.HALTED for link in links),
        cost=None if asked is None else round(found.segments_left * asked),
    )


def _parts(segments: int, people: int) -> int:
    return round(segments / people) if people else 0


def _batches(connection: Connection, ids: Sequence[int]) -> list[BatchRow]:
    b = batches.c
    query = select(b.id, b.name, b.accepted).where(b.id.in_(ids)).order_by(b.id)
    return [BatchRow(*row) for row in connection.execute(query)]


def whys(pairs: Any) -> list[ReasonCount]:
    sums: dict[int, int] = {}
    for number, n in pairs:
        sums[number] = sums.get(number, 0) + n
    total = sum(sums.values())
    found = [(number, n) for number, n in sums.items() if n > 0]
    found.sort(key=lambda item: (-item[1], item[0]))
    return [
        ReasonCount(
            delivery_labels.REASONS.get(number, delivery_labels.REASONS[1]),
            n,
            n / total,
            delivery_labels.REMEDIES.get(number),
        )
        for number, n in found
    ]


def open_unknown(connection: Connection, run_id: int) -> int:
    """Count unknown outcomes to be decided; the table is a short work list."""
    u = unknowns.c
    query = select(func.count()).where(u.run_id == run_id, u.written_off_by.is_(None))
    return int(connection.scalar(query) or 0)
