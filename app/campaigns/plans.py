"""Plans: rounds before, during and after Tet under one directive, each a campaign with its own approval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from app.campaigns import follow_ups, optimistic_lock
from app.campaigns.follow_ups import FollowUpRequest
from app.campaigns.quiet_hours import DayHours
from app.core import clock
from app.core.errors import Conflict, Invalid, no_such
from app.core.states import CampaignState
from app.core.words import has_letters
from app.database.connection import Database
from app.database.models import directives, plan_rounds, plans
from app.security import audit

MOST_ROUNDS = 30


class Phase(StrEnum):
    """When a round is, by Tet. In this order."""

    BEFORE = "before"
    DURING = "during"
    AFTER = "after"


@dataclass(frozen=True, slots=True)
class RoundWindow:
    """A round as planned: its campaign sends from `start` to `end` (aware)."""

    phase: Phase
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class PlanFields:
    name: str
    directive_id: int
    rounds: tuple[RoundWindow, ...]


def create(connection: Connection, wanted: PlanFields, who: str) -> int:
    """Store a plan whose rounds have no campaigns yet; return its ID."""
    if not has_letters(wanted.name):
        raise Invalid("The plan needs a name.", field="name")
    known = select(directives.c.id).where(directives.c.id == wanted.directive_id)
    if connection.execute(known).first() is None:
        raise Invalid(f"There is no directive {wanted.directive_id}.", field="directive_id")
    _check_rounds(wanted.rounds)
    row = {"name": wanted.name.strip(), "directive_id": wanted.directive_id}
    row |= {"created_at": clock.now_ms(), "created_by": who}
    plan_id = int(connection.execute(insert(plans).values(row).returning(plans.c.id)).scalar_one())
    rows = [
        {"plan_id": plan_id, "nth": nth, "phase": each.phase.value}
        | {"window_start": clock.to_ms(each.start), "window_end": clock.to_ms(each.end)}
        for nth, each in enumerate(wanted.rounds, 1)
    ]
    connection.execute(insert(plan_rounds), rows)
    said = {"name": wanted.name.strip(), "rounds": len(rows), "directive": wanted.directive_id}
    audit.note(connection, who, "plan.create", f"plan/{plan_id}", **said)
    return plan_id


def _check_rounds(rounds: Sequence[RoundWindow]) -> None:
    if not 1 <= len(rounds) <= MOST_ROUNDS:
        raise Invalid(f"A plan has between 1 and {MOST_ROUNDS} rounds.", field="rounds")
    order = list(Phase)
    for nth, each in enumerate(rounds, 1):
        if each.end <= each.start:
            raise Invalid(f"Round {nth} ends before it starts; give a later end.", field="rounds")
        last = rounds[nth - 2] if nth > 1 else None
        if last and (each.start < last.end or order.index(each.phase) < order.index(last.phase)):
            raise Invalid(
                f"Round {nth} is not after round {nth - 1}: give them in order of time, before, during and "
                "after Tet, without overlaps.",
                field="rounds",
            )


def get(connection: Connection, plan_id: int) -> Row[Any]:
    row = connection.execute(select(plans).where(plans.c.id == plan_id)).first()
    if row is None:
        raise no_such("plan", plan_id)
    return row


def rounds_of(connection: Connection, plan_id: int) -> Sequence[Row[Any]]:
    r = plan_rounds.c
    return connection.execute(select(plan_rounds).where(r.plan_id == plan_id).order_by(r.nth)).all()


def set_round(connection: Connection, plan_id: int, nth: int, campaign_id: int | None, who: str) -> None:
    """Make this campaign the plan's nth round, or (None) take the round's campaign out of the plan.

    Raises Conflict if the round has another, which nobody has withdrawn or rejected.
    """
    plan, found = get(connection, plan_id), _round(connection, plan_id, nth)
    if campaign_id == found.campaign_id:
        return
    if campaign_id is not None:
        _check_fits(connection, plan, found, campaign_id)
        _check_free(connection, found)
    r = plan_rounds.c
    same = (r.plan_id == plan_id, r.nth == nth, r.campaign_id.is_not_distinct_from(found.campaign_id))
    if connection.execute(update(plan_rounds).where(*same).values(campaign_id=campaign_id)).rowcount == 0:
        raise Conflict(f"Round {nth} has just been changed; look at the plan again.")
    audit.note(connection, who, "plan.round", f"plan/{plan_id}", round=nth, campaign=campaign_id)


def _round(connection: Connection, plan_id: int, nth: int) -> Row[Any]:
    r = plan_rounds.c
    row = connection.execute(select(plan_rounds).where(r.plan_id == plan_id, r.nth == nth)).first()
    if row is None:
        raise Invalid(f"Plan {plan_id} has no round {nth}; its page and `loa plan show {plan_id}` list them.")
    return row


def _check_fits(connection: Connection, plan: Row[Any], found: Row[Any], campaign_id: int) -> None:
    campaign = optimistic_lock.campaign(connection, campaign_id)
    if campaign.directive_id != plan.directive_id:
        raise Invalid(
            f"Campaign {campaign_id} is not under the plan's directive; edit it, or choose another.",
            field="campaign_id",
        )
    if not is_within(campaign, found):
        raise Invalid(
            f"Campaign {campaign_id} does not keep to the window of round {found.nth}, from "
            f"{_shown(found.window_start)} to {_shown(found.window_end)}: edit its sending window.",
            field="campaign_id",
        )
    r = plan_rounds.c
    other = connection.execute(select(plan_rounds).where(r.campaign_id == campaign_id)).first()
    if other is not None:
        raise Conflict(
            f"Campaign {campaign_id} is round {other.nth} of plan {other.plan_id} already.",
            field="campaign_id",
        )


def _check_free(connection: Connection, found: Row[Any]) -> None:
    if found.campaign_id is None:
        return
    state = optimistic_lock.campaign(connection, found.campaign_id).state
    if state not in (CampaignState.WITHDRAWN, CampaignState.REJECTED):
        raise Conflict(
            f"Round {found.nth} is campaign {found.campaign_id}; withdraw it, or take it out of the plan.",
            field="campaign_id",
        )


def is_within(campaign: Row[Any], planned: Row[Any]) -> bool:
    """Return whether a campaign's window, which it must have, lies in the round's."""
    start, end = campaign.window_start, campaign.window_end
    if start is None or end is None:
        return False
    return bool(planned.window_start <= start and end <= planned.window_end)


def _shown(ms: int) -> str:
    return clock.local(clock.from_ms(ms)).isoformat(timespec="minutes")


def follow_up(
    connection: Connection,
    db: Database,
    of: tuple[int, int],
    wanted: FollowUpRequest,
    by: tuple[DayHours, str],
) -> int:
    """Make the round `of` (plan, nth) a follow-up of all rounds before it; return the campaign's ID.

    Its window is the round's. by: the usual hours of the day, and who asks.
    """
    (plan_id, nth), (default, who) = of, by
    plan, found = get(connection, plan_id), _round(connection, plan_id, nth)
    _check_free(connection, found)
    earlier = [each.campaign_id for each in rounds_of(connection, plan_id) if each.nth < nth]
    sources = tuple(each for each in earlier if each is not None)
    if not sources:
        raise Conflict(f"No round before round {nth} has a campaign, so there is nobody to follow up.")
    window = {
        "window_start": clock.from_ms(found.window_start),
        "window_end": clock.from_ms(found.window_end),
    }
    changes = {"directive_id": plan.directive_id} | dict(wanted.changes) | window
    asked = replace(wanted, sources=sources, changes=changes)
    campaign_id = follow_ups.create_waking(connection, db, asked, default, who)
    set_round(connection, plan_id, nth, campaign_id, who)
    return campaign_id
