"""Follow-ups: a campaign to those whom earlier ones did not reach, made in one step."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from app.campaigns import lifecycle, optimistic_lock
from app.campaigns.drafts import amended, of_row
from app.campaigns.quiet_hours import DayHours
from app.core import clock
from app.core.areas import normalise_area
from app.core.errors import Conflict, Invalid
from app.core.states import BatchState, CampaignState
from app.database import jobs
from app.database.connection import Database
from app.database.models import (
    audiences,
    batches,
    campaigns,
    follow_up_sources,
    follow_ups,
    run_batches,
    runs,
)
from app.file_import.leased_import import FOLLOW_UP
from app.ledger import approval_digest, erasure, money, restore_acknowledgement, unreached
from app.ledger.unreached import (
    MAY_BE_COPIES,
    USUAL,
    Cause,
    FollowUpDefinition,
    Outcome,
    usual_causes,
)
from app.security import audit, row_stamps

MOST_SOURCES = 100


@dataclass(frozen=True, slots=True)
class FollowUpRequest:
    """changes: fields of the draft that differ from the newest source; without a text it says the same.

    causes: of the outcomes; one without any has its usual ones. carriers: none for all. second_copies: how
    many people may get the text twice, as whoever asks has confirmed.
    """

    sources: tuple[int, ...]
    outcomes: tuple[Outcome, ...] = USUAL
    areas: tuple[str, ...] = ()
    changes: Mapping[str, Any] = field(default_factory=dict)
    causes: tuple[Cause, ...] = ()
    carriers: tuple[str, ...] = ()
    second_copies: int | None = None

    def definition(self, campaign_id: int, areas: tuple[str, ...]) -> FollowUpDefinition:
        """Return whom it means, for the follow-up of this number."""
        outcomes = {*self.outcomes, *(cause.outcome for cause in self.causes)}
        causes = [
            cause
            for outcome in Outcome
            if outcome in outcomes
            for cause in [one for one in self.causes if one.outcome is outcome] or usual_causes([outcome])
        ]
        ordered = tuple(sorted(outcomes, key=list(Outcome).index))
        sources = tuple(sorted(set(self.sources)))
        return FollowUpDefinition(campaign_id, sources, ordered, areas, tuple(dict.fromkeys(causes)))


@dataclass(frozen=True, slots=True)
class FollowUpBatch:
    """A carrier's share. digest: keyed, over its subscribers; null until it is ready, or without a key."""

    batch_id: int
    carrier: str
    state: BatchState
    subscribers: int
    digest: str | None
    error: str | None


@dataclass(frozen=True, slots=True)
class FollowUp:
    """Whom a campaign follows up. ready: its audience is made, and no longer changes, except that people who
    are reached meanwhile are left out when it is queued and sent.

    causes: `outcome:reason:code`, without a code for all of them; empty for all causes of the outcomes.
    same_as: an approved campaign among the sources with the same text, sender and purpose, or None.
    """

    sources: list[int]
    outcomes: list[Outcome]
    causes: list[str]
    areas: list[str]
    ready: bool
    subscribers: int
    batches: list[FollowUpBatch]
    same_as: int | None = None


def create(connection: Connection, request: FollowUpRequest, default: DayHours, who: str) -> int:
    """Make the draft with its runs, whose batches a worker makes then; return its ID.

    Raises Conflict while nobody has confirmed how many people may get a second copy.
    """
    sources = [optimistic_lock.campaign(connection, source) for source in sorted(set(request.sources))]
    if not 1 <= len(sources) <= MOST_SOURCES:
        raise Invalid(
            "Choose between 1 and {most} campaigns to follow up.", most=MOST_SOURCES, field="campaign_ids"
        )
    if not request.outcomes and not request.causes:
        raise Invalid("Choose at least one outcome, for example undelivered.", field="outcomes")
    areas = _areas(request.areas)
    ids = tuple(row.id for row in sources)
    unreached.require_rounds(connection, ids, field="campaign_ids")
    for row in sources:
        approval_digest.refuse_answers(row, field="campaign_ids")
        _require_lists(connection, row)
    chosen = request.definition(unreached.NOT_YET, areas)
    carriers = _carriers(connection, chosen, request)
    copies = _require_confirmed(connection, chosen, request, carriers)
    campaign_id = _draft(connection, sources, request.changes, default, who)
    chosen = replace(chosen, campaign_id=campaign_id)
    suppliers = _suppliers(connection, ids, who)
    _share_budget(connection, campaign_id, sources, request.changes)
    made = [_add_run(connection, chosen, carrier, suppliers, who) for carrier in carriers]
    detail: dict[str, Any] = {"sources": list(ids), "outcomes": list(chosen.outcomes), "batches": made}
    detail |= {"areas": list(areas), "causes": [cause.spelt() for cause in chosen.causes]}
    detail |= {"second_copies": copies} if copies else {}
    audit.note(connection, who, "campaign.follow_up", f"campaign/{campaign_id}", **detail)
    return campaign_id


def create_waking(
    connection: Connection, db: Database, request: FollowUpRequest, default: DayHours, who: str
) -> int:
    """Do `create`, and wake the workers when it is committed."""
    made = create(connection, request, default, who)
    db.wake(connection)
    return made


def _areas(area_codes: Sequence[str]) -> tuple[str, ...]:
    codes = {raw: normalise_area(raw) for raw in area_codes}
    for raw, code in codes.items():
        if code is None:
            raise Invalid(
                "Area “{area}” does not exist. Enter district or commune codes, for example 116 or 03646.",
                area=raw[:40],
                field="areas",
            )
    return tuple(sorted({code for code in codes.values() if code is not None}))


def _require_lists(connection: Connection, source: Row[Any]) -> None:
    """Raise Invalid unless the campaign has a run with a list of numbers, and its totals."""
    erasure.require_totals(connection, source.id)
    held = select(audiences.c.run_id)
    own = select(runs.c.id).where(runs.c.campaign_id == source.id, runs.c.id.not_in(held)).limit(1)
    if connection.execute(own).first() is None:
        raise Invalid(
            "Campaign {id} has no run with a list of numbers, so Loa does not know who was not reached.",
            id=source.id,
            field="campaign_ids",
        )


def _carriers(connection: Connection, chosen: FollowUpDefinition, request: FollowUpRequest) -> list[str]:
    """Return the carriers at which there is somebody to follow up. Raises Invalid if there is none."""
    found = [
        carrier
        for carrier in unreached.carriers_with_anybody(connection, chosen)
        if carrier in (request.carriers or [carrier])
    ]
    if not found:
        raise Invalid(
            "There is no one to follow up with the chosen outcomes in the chosen areas: they have been "
            "reached, another follow-up is writing to them, receipts for them may still arrive, or they "
            "are on the do-not-send list.",
            field="areas" if chosen.areas else "causes" if request.causes else "outcomes",
        )
    return found


def _require_confirmed(
    connection: Connection, chosen: FollowUpDefinition, request: FollowUpRequest, carriers: Sequence[str]
) -> int:
    """Return how many people may get the text twice. Raises Conflict unless exactly that was confirmed."""
    if not set(chosen.outcomes) & set(MAY_BE_COPIES):
        return 0
    if Outcome.UNKNOWN in chosen.outcomes:
        restore_acknowledgement.require_entered(connection)
    copies = sum(
        count.subscribers
        for count in unreached.counts(connection, chosen.sources, chosen.areas, chosen.outcomes)
        if count.cause.outcome in chosen.outcomes
        and count.cause.outcome in MAY_BE_COPIES
        and count.carrier in carriers
    )
    if request.second_copies != copies:
        raise Conflict(
            "Nobody knows whether the carrier has the messages to {n} of these people, so they may get the "
            "text twice. To confirm, enter the number {again}.",
            n=copies,
            again=copies,
            field="second_copies",
        )
    return copies


def _draft(
    connection: Connection,
    sources: Sequence[Row[Any]],
    changes: Mapping[str, Any],
    default: DayHours,
    who: str,
) -> int:
    newest = sources[-1]
    same = of_row(newest)
    name = f"{newest.name[:170]} – gửi tiếp lần {_next_round(connection, newest.id)}"
    fresh: dict[str, Any] = {"name": name, "window_start": None, "window_end": None}
    fresh |= {"budget_segments": None}
    return lifecycle.create(connection, amended(same, fresh | dict(changes)), default, who)


def _share_budget(
    connection: Connection, campaign_id: int, sources: Sequence[Row[Any]], changes: Mapping[str, Any]
) -> None:
    """Let it share the budget of the newest source that has one: what is sent again is paid from the same."""
    shared = [account for row in sources if (account := money.account_of(row)) is not None]
    if not shared:
        return
    if changes.get("budget_segments") is not None:
        raise Invalid(
            "The follow-up shares the budget of campaign {n}. Request a higher budget there.",
            n=shared[-1],
            field="budget_segments",
        )
    own = campaigns.c.id == campaign_id
    connection.execute(update(campaigns).where(own).values(budget_of=shared[-1]))


def _next_round(connection: Connection, campaign_id: int) -> int:
    s, f = follow_up_sources.c, follow_ups.c
    query = select(func.count(f.campaign_id.distinct())).join(follow_up_sources, s.batch_id == f.batch_id)
    return 1 + int(connection.execute(query.where(s.campaign_id == campaign_id)).scalar_one())


def _suppliers(connection: Connection, ids: Sequence[int], who: str) -> list[str]:
    """Return who uploaded the lists that the numbers are from: like of any list, they may not approve it."""
    b = batches.c
    query = select(b.created_by, b.again_by).join(run_batches, run_batches.c.batch_id == b.id)
    rows = connection.execute(query.where(run_batches.c.campaign_id.in_(ids)))
    return sorted({name for row in rows for name in (row.created_by, *row.again_by)} - {who})


def _add_run(
    connection: Connection, chosen: FollowUpDefinition, carrier: str, suppliers: Sequence[str], who: str
) -> int:
    """Add a carrier's run over a batch that waits to be made; return the batch's ID."""
    sources = ", ".join(map(str, chosen.sources))
    row = {
        "carrier": carrier,
        "name": f"Người chưa nhận được của chiến dịch {sources}"[:200],
        "sha256": chosen.sha256(carrier),
        "state": BatchState.IMPORTING,
        "created_at": clock.now_ms(),
        "created_by": who,
        "again_by": list(suppliers),
    }
    batch_id = int(connection.execute(insert(batches).values(row).returning(batches.c.id)).scalar_one())
    outcomes = [str(outcome) for outcome in chosen.outcomes]
    values = {"batch_id": batch_id, "campaign_id": chosen.campaign_id, "outcomes": outcomes}
    values |= {"areas": list(chosen.areas), "causes": [cause.spelt() for cause in chosen.causes]}
    connection.execute(insert(follow_ups).values(values))
    followed = [{"batch_id": batch_id, "campaign_id": source} for source in chosen.sources]
    connection.execute(insert(follow_up_sources), followed)
    jobs.add(connection, FOLLOW_UP, f"batch {batch_id}")
    lifecycle.insert_run(connection, chosen.campaign_id, carrier, [batch_id], who)
    return batch_id


# ---- Reading


def of_campaign(connection: Connection, campaign_id: int, operator: str | None = None) -> FollowUp | None:
    """Return whom a campaign follows up; None if nobody. An operator sees only its own carrier's share."""
    b, r = batches.c, runs.c
    query = (
        select(batches)
        .join(run_batches, run_batches.c.batch_id == b.id)
        .join(runs, r.id == run_batches.c.run_id)
        .join(follow_ups, follow_ups.c.batch_id == b.id)
        .where(r.campaign_id == campaign_id)
        .order_by(b.carrier, b.id)
    )
    rows = connection.execute(query if operator is None else query.where(r.carrier == operator)).all()
    found = [each for row in rows if (each := unreached.definition(connection, row.id)) is not None]
    if not found:
        return None
    shares = [_share(connection, row) for row in rows]
    return FollowUp(
        sources=_seen(connection, {each for one in found for each in one.sources}, operator),
        outcomes=[each for each in Outcome if any(each in one.outcomes for one in found)],
        causes=sorted({cause.spelt() for one in found for cause in one.causes}),
        areas=sorted({each for one in found for each in one.areas}),
        ready=all(each.state == BatchState.READY for each in shares),
        subscribers=sum(each.subscribers for each in shares),
        batches=shares,
        same_as=_same_as(connection, campaign_id, {source for one in found for source in one.sources}),
    )


def _same_as(connection: Connection, campaign_id: int, sources: Collection[int]) -> int | None:
    """Return the newest approved source with the same text, sender and purpose: nothing new to read."""
    c = campaigns.c
    query = select(c.id, c.state, c.texts, c.sender, c.purpose)
    rows = {row.id: row for row in connection.execute(query.where(c.id.in_([campaign_id, *sources])))}
    same = [
        source
        for source in sources
        if rows[source][2:] == rows[campaign_id][2:] and rows[source].state == CampaignState.APPROVED
    ]
    return max(same, default=None)


def _seen(connection: Connection, sources: set[int], operator: str | None) -> list[int]:
    """Return the sources that the reader may know: an operator those with a run of its own carrier."""
    own = select(runs.c.campaign_id).where(runs.c.campaign_id.in_(sources), runs.c.carrier == operator)
    return sorted(sources if operator is None else set(connection.execute(own).scalars()))


def _share(connection: Connection, row: Row[Any]) -> FollowUpBatch:
    # Keyed: whoever knows one number of a small audience could find it by the bare hash.
    bound = f"audience {row.id} {row.rows_sha256}".encode() if row.rows_sha256 else None
    digest = row_stamps.make(connection, bound) if bound else None
    return FollowUpBatch(row.id, row.carrier, BatchState(row.state), row.accepted, digest, row.error)
