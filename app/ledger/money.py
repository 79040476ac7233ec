"""Money: what is spent of a campaign's budget, changed with each reservation, and what was sent cost.

A sub-batch is counted against the budget in the commit that reserves it, and only if it raises the chunk's
watermark: an operation that is repeated because its commit's answer was lost counts once. What the carrier
has not taken is given back in the commit that records so. What became unknown stays counted, for it may have
been sent; what a person sends again is counted again. A budget is in SMS parts; đồng are only shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    Update,
    bindparam,
    func,
    or_,
    select,
    text,
    update,
)

from app.core.states import SENT, ChunkState, DeliveryState
from app.database.connection import price_of
from app.database.models import budgets, campaigns, chunks, deliveries, runs, tallies
from app.ledger.contract import ChunkLease, Reservation
from carriers.phrases import Phrase

# What the carrier charges, or may: all that was handed over, but for what it refused at once.
BILLED = tuple(state for state in SENT if state != DeliveryState.REJECTED)
_NONE = text("INSERT INTO budgets (campaign_id, segments) VALUES (:campaign, 0) ON CONFLICT DO NOTHING")
_LESS = (
    "The budget of campaign {campaign} counts {counted} SMS parts as spent, and {sent} were handed over. "
    "Somebody has altered the database: compare it with a backup."
)


# ---- What is spent of a budget


class Taken(NamedTuple):
    """How many SMS parts were counted against the budget; left: what it has, if they did not fit."""

    segments: int = 0
    left: int | None = None


@dataclass(frozen=True, slots=True)
class Budget:
    """The most SMS parts of a campaign and the follow-ups that share its budget, and what is spent.

    campaign_id: whose budget it is; spent: sent, perhaps sent, or about to be.
    """

    campaign_id: int
    segments: int
    spent_segments: int


def open_budget(connection: Connection, campaign_id: int) -> None:
    """Begin to count against a campaign's budget, unless that has begun."""
    connection.execute(_NONE, {"campaign": campaign_id})


def take(connection: Connection, lease: ChunkLease, then: Reservation) -> Taken:
    """Count a sub-batch against the budget, before the chunk's watermark is raised.

    Lock order: the chunk, then the budget, before the link.
    """
    if lease.budget is None:
        return Taken()
    c = chunks.c
    own = (c.campaign_id == lease.campaign_id, c.batch_id == lease.batch_id, c.first_seq == lease.first_seq)
    held = (c.attempt == lease.attempt, c.owner == lease.owner, c.state == ChunkState.LEASED)
    reserved = connection.execute(select(c.watermark).where(*own, *held).with_for_update()).scalar()
    if reserved is None or reserved >= then.upto:  # the lease is lost, or this is a repetition
        return Taken()
    if _count(connection, lease.budget, then.segments, within=True):
        return Taken(then.segments)
    left = _left(connection, lease.budget)
    if left < then.least:
        wanted = update(budgets).where(budgets.c.campaign_id == lease.budget)
        connection.execute(wanted.values(wanted=then.least))
    return Taken(left=left)


def give_back(connection: Connection, lease: ChunkLease, segments: int) -> None:
    """Take back from the spent what was certainly not sent."""
    if lease.budget is not None and segments:
        _count(connection, lease.budget, -segments)


def charge(connection: Connection, run_id: int, segments: int) -> None:
    """Count what has become unknown without a reservation here: an earlier life may have sent it."""
    campaign_of = select(runs.c.campaign_id).where(runs.c.id == run_id).scalar_subquery()
    campaign = connection.execute(select(campaigns).where(campaigns.c.id == campaign_of)).one()
    account = account_of(campaign)
    if account is not None and segments:
        _count(connection, account, segments)


def _count(connection: Connection, account: int, segments: int, *, within: bool = False) -> bool:
    """Count so many parts, or none of them where they are to stay within the budget and do not fit."""
    return connection.execute(_counted(within), {"account": account, "parts": segments}).rowcount == 1


@cache
def _counted(within: bool) -> Update:
    b, parts = budgets.c, bindparam("parts", type_=BigInteger)
    counted = update(budgets).where(b.campaign_id == bindparam("account"))
    if within:
        counted = counted.where(_fits(parts))
    return counted.values(segments=b.segments + parts)


def _fits(segments: Any) -> ColumnElement[bool]:
    """Whether so much more is within the budget that the campaign's row states."""
    b, c = budgets.c, campaigns.c
    most = select(c.budget_segments).where(c.id == b.campaign_id).correlate(budgets).scalar_subquery()
    return func.coalesce(b.segments + segments <= most, True)


def _left(connection: Connection, account: int) -> int:
    """Return how many SMS parts still fit."""
    left = select(campaigns.c.budget_segments - budgets.c.segments)
    joined = left.join(budgets, budgets.c.campaign_id == campaigns.c.id).where(campaigns.c.id == account)
    return max(0, connection.execute(joined).scalar() or 0)


def account_of(campaign: Any) -> int | None:
    """Return the campaign whose budget counts for this row of a campaign; None without a budget."""
    if campaign.budget_of is not None:
        return int(campaign.budget_of)
    return None if campaign.budget_segments is None else int(campaign.id)


def spent(connection: Connection, campaign_ids: Iterable[int]) -> set[int]:
    """Return those of these campaigns whose own budget has no room for the next message."""
    return set(connection.execute(_full(), {"among": list(campaign_ids)}).scalars())


@cache
def _full() -> Select[Any]:
    """Select spent budgets; every claim asks, and to build this costs more than to ask it."""
    b = budgets.c
    among = b.campaign_id.in_(bindparam("among", expanding=True))
    return select(b.campaign_id).where(among, b.wanted.is_not(None), ~_fits(b.wanted))


def budget_of(connection: Connection, campaign: Any) -> Budget | None:
    """Return the budget that counts for this row of a campaign, with what is spent of it."""
    account = account_of(campaign)
    if account is None:
        return None
    c, b = campaigns.c, budgets.c
    query = select(c.budget_segments, b.segments)
    joined = query.select_from(campaigns.outerjoin(budgets, b.campaign_id == c.id))
    row = connection.execute(joined.where(c.id == account)).one()
    return Budget(account, row.budget_segments, row.segments or 0)


def recount(connection: Connection, campaign: Any) -> str:
    """Count a budget again from the deliveries; return a sentence if less was counted than was handed over.

    Then what was handed over counts. More may be counted: what a person sends again is counted again.
    """
    account = account_of(campaign)
    if account is None:
        return ""
    c, d, b = campaigns.c, deliveries.c, budgets.c
    # Named one by one, so that PostgreSQL opens their partitions alone.
    ids = connection.execute(select(c.id).where(or_(c.id == account, c.budget_of == account))).scalars().all()
    own = d.campaign_id.in_(ids), d.state.in_(BILLED)
    sent = int(connection.execute(select(func.coalesce(func.sum(d.segments), 0)).where(*own)).scalar_one())
    so_far = select(b.segments).where(b.campaign_id == account).with_for_update()
    counted = connection.execute(so_far).scalar()
    if counted is None or counted >= sent:
        return ""
    connection.execute(update(budgets).where(b.campaign_id == account).values(segments=sent))
    return Phrase(_LESS, campaign=account, counted=counted, sent=sent)


def differences(connection: Connection) -> list[str]:
    """Return a sentence for each budget of which less is counted than the tallies say was handed over."""
    c, t = campaigns.c, tallies.c
    account = func.coalesce(c.budget_of, c.id)
    billed = select(account.label("id"), func.sum(t.segments).label("n")).join(
        campaigns, c.id == t.campaign_id
    )
    sums = billed.where(t.state.in_(BILLED)).group_by(account).subquery().c
    query = select(budgets.c.campaign_id, budgets.c.segments, sums.n).join(
        budgets, budgets.c.campaign_id == sums.id
    )
    return [
        Phrase(_LESS, campaign=row.campaign_id, counted=row.segments, sent=int(row.n))
        for row in connection.execute(
            query.where(sums.n > budgets.c.segments).order_by(budgets.c.campaign_id)
        )
    ]


# ---- What was sent cost


@dataclass(frozen=True, slots=True)
class SentCost:
    """What the messages handed over cost at the price of the settings, in whole đồng without VAT.

    segments: their SMS parts, without those that the carrier refused; unknown_segments: of these, the perhaps
    sent ones.
    """

    segments: int
    unknown_segments: int
    dong: int


def dong(segments: int, price: Decimal) -> int:
    """Return what so many SMS parts cost, in whole đồng."""
    return int((segments * price).quantize(Decimal(1), ROUND_HALF_UP))


# Built once: every page of a campaign or run asks them.
_WHOSE = (
    select(runs.c.id, runs.c.carrier, campaigns.c.purpose)
    .join(campaigns, campaigns.c.id == runs.c.campaign_id)
    .where(runs.c.id.in_(bindparam("runs", expanding=True)), runs.c.started_at.is_not(None))
)
_BILLED_OF = (
    select(tallies.c.run_id, tallies.c.state, func.sum(tallies.c.segments))
    .where(tallies.c.run_id.in_(bindparam("runs", expanding=True)), tallies.c.state.in_(BILLED))
    .group_by(tallies.c.run_id, tallies.c.state)
)


def costs(connection: Connection, run_ids: Sequence[int]) -> dict[int, SentCost]:
    """Return what these runs have cost so far, without those of which no price is set."""
    found = {
        row.id: price
        for row in connection.execute(_WHOSE, {"runs": list(run_ids)})
        if (price := price_of(connection, row.carrier, row.purpose)) is not None
    }
    sums = _sums(connection, list(found)) if found else {}
    return {
        run_id: SentCost(whole, unknown, dong(whole, found[run_id]))
        for run_id, (whole, unknown) in sums.items()
    }


def _sums(connection: Connection, run_ids: Sequence[int]) -> dict[int, tuple[int, int]]:
    """Return run -> SMS parts that are charged, and of these the unknown ones."""
    found = dict[int, tuple[int, int]]()
    for run_id, state, segments in connection.execute(_BILLED_OF, {"runs": list(run_ids)}):
        whole, unknown = found.get(run_id, (0, 0))
        more = int(segments) if state == DeliveryState.UNKNOWN else 0
        found[run_id] = whole + int(segments), unknown + more
    return found
