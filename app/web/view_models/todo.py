"""Work that waits for a person: campaigns to approve, runs to start, requests to answer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, func, select

from app.core.states import CampaignState, RunState
from app.database.models import audiences, batches, campaigns, run_batches, runs
from app.privacy.person_requests import PersonRequest, open_ones
from app.security.tenant_scope import own_campaigns
from app.web.nav import planned

MOST = 20


@dataclass(frozen=True, slots=True)
class ToStart:
    """An approved run that nobody has started. people: who will get the text; of: the number of such runs."""

    run_id: int
    carrier: str
    campaign: str
    people: int
    of: int


@dataclass(frozen=True, slots=True)
class SuspendedRun:
    """A run that has paused itself, and that a person must look at; of: how many such runs there are."""

    run_id: int
    carrier: str
    campaign: str
    of: int


@dataclass(frozen=True, slots=True)
class Awaiting:
    """A campaign that waits for approval."""

    id: int
    name: str
    submitted_by: str


def awaiting(connection: Connection, carrier: str | None) -> tuple[int, list[Awaiting]]:
    """Return how many campaigns wait for approval, and the oldest of them."""
    rows = connection.execute(_awaiting(carrier)).all()
    return (rows[0][3] if rows else 0), [Awaiting(*row[:3]) for row in rows]


# Each poll of an open page asks these, and to build one costs as much as to ask it: they are built once.


@cache
def _awaiting(carrier: str | None) -> Select[Any]:
    c = campaigns.c
    by, all_of_them = func.coalesce(c.submitted_by, c.created_by), func.count().over()
    query = select(c.id, c.name, by, all_of_them).where(c.state == CampaignState.SUBMITTED)
    query = query if carrier is None else query.where(own_campaigns(carrier))
    return query.order_by(c.id).limit(3)


def suspended(connection: Connection, carrier: str | None) -> list[SuspendedRun]:
    return [SuspendedRun(*row) for row in connection.execute(_suspended(carrier))]


@cache
def _suspended(carrier: str | None) -> Select[Any]:
    r = runs.c
    query = select(r.id, r.carrier, campaigns.c.name, func.count().over())
    query = query.join(campaigns, campaigns.c.id == r.campaign_id)
    query = query.where(r.state == RunState.PAUSED.value, r.suspended.is_not(None))
    query = query if carrier is None else query.where(r.carrier == carrier)
    return query.order_by(r.id).limit(MOST)


def person_requests(connection: Connection, carrier: str | None) -> list[PersonRequest]:
    """Return the first open requests; an operator answers none."""
    return [] if carrier is not None else list(open_ones(connection, MOST))


def to_start(connection: Connection, carrier: str | None) -> list[ToStart]:
    return [ToStart(*row) for row in connection.execute(_to_start(carrier))]


@cache
def _to_start(carrier: str | None) -> Select[Any]:
    r = runs.c
    accepted = (
        select(func.coalesce(func.sum(batches.c.accepted), 0))
        .join(run_batches, run_batches.c.batch_id == batches.c.id)
        .where(run_batches.c.run_id == r.id)
        .scalar_subquery()
    )
    query = (
        select(
            *(r.id, r.carrier, campaigns.c.name),
            func.coalesce(audiences.c.estimated, accepted),
            func.count().over(),
        )
        .join(campaigns, campaigns.c.id == r.campaign_id)
        .outerjoin(audiences, audiences.c.run_id == r.id)
        .where(planned(carrier))
    )
    return query.order_by(r.id).limit(MOST)
