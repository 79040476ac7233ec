"""Money: what is spent of a campaign's budget, changed with each reservation, and what was sent cost.

A sub-batch is counted against the budget in the commit that reserves it, and only if it raises the chunk's
watermark: an operation that is repeated because its commit's answer was lost counts once. What the carrier
has not taken is given back in the commit that records so. What became unknown stays counted, for it may have
been sent; what a person sends again is counted again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Row,
    Select,
    Update,
    and_,
    bindparam,
    func,
    or_,
    select,
    text,
    update,
)

from app.core import clock
from app.core.clock import DAY_MS, VIETNAM_OFFSET_MS
from app.core.states import SENT, ChunkState, DeliveryState
from app.database.models import budgets, campaigns, chunks, deliveries, runs, segment_prices, tallies
from app.ledger.contract import BudgetCharge, ChunkLease, Reservation

_EPOCH = date(1970, 1, 1).toordinal()
# What the carrier charges, or may: all that was handed over, but for what it refused at once.
BILLED = tuple(state for state in SENT if state != DeliveryState.REJECTED)
_NONE = text(
    "INSERT INTO budgets (campaign_id, segments, cost) VALUES (:campaign, 0, 0) ON CONFLICT DO NOTHING"
)
_LESS = (
    "The budget of campaign {campaign} counts {counted} SMS parts as spent, and {sent} were handed over. "
    "Somebody has altered the database: compare it with a backup."
)
_PRICED = text(
    """
    INSERT INTO segment_prices (carrier, purpose, day, price, vat)
    VALUES (:carrier, :purpose, :day, :price, :vat) ON CONFLICT DO NOTHING
    """
)


# ---- What is spent of a budget


class Taken(NamedTuple):
    """How many SMS parts were counted against the budget; left: what it has, if they did not fit."""

    segments: int = 0
    left: int | None = None


@dataclass(frozen=True, slots=True)
class Budget:
    """The most that may be spent, and what is spent, by a campaign and the follow-ups that share its budget.

    campaign_id: whose budget it is. dong: whole đồng without VAT; spent: sent, perhaps sent, or about to be.
    """

    campaign_id: int
    segments: int | None
    dong: int | None
    spent_segments: int
    spent_dong: int


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
        wanted = {"wanted": then.least, "wanted_cost": then.least * lease.budget.price}
        connection.execute(update(budgets).where(budgets.c.campaign_id == lease.budget.campaign_id), wanted)
    return Taken(left=left)


def give_back(connection: Connection, lease: ChunkLease, segments: int) -> None:
    """Take back from the spent what was certainly not sent."""
    if lease.budget is not None and segments:
        _count(connection, lease.budget, -segments)


def charge(connection: Connection, run_id: int, segments: int, now_ms: int) -> None:
    """Count what has become unknown without a reservation here: an earlier life may have sent it."""
    campaign_of = select(runs.c.campaign_id).where(runs.c.id == run_id).scalar_subquery()
    campaign = connection.execute(select(campaigns).where(campaigns.c.id == campaign_of)).one()
    carrier = connection.execute(select(runs.c.carrier).where(runs.c.id == run_id)).scalar_one()
    of = charge_of(connection, campaign, carrier, day_of(now_ms))
    if of is not None and segments:
        _count(connection, of, segments)


def _count(connection: Connection, of: BudgetCharge, segments: int, *, within: bool = False) -> bool:
    """Count so many parts, or none of them where they are to stay within the budget and do not fit."""
    more = {"account": of.campaign_id, "parts": segments, "hundredths": segments * of.price}
    return connection.execute(_counted(within), more).rowcount == 1


@cache
def _counted(within: bool) -> Update:
    b, parts = budgets.c, bindparam("parts", type_=BigInteger)
    cost = bindparam("hundredths", type_=BigInteger)
    counted = update(budgets).where(b.campaign_id == bindparam("account"))
    if within:
        counted = counted.where(_fits(parts, cost))
    return counted.values(segments=b.segments + parts, cost=b.cost + cost)


def _fits(segments: Any, cost: Any) -> ColumnElement[bool]:
    """Whether so much more is within the budget that the campaign's row states."""
    b, c = budgets.c, campaigns.c
    most, dong = (
        select(limit).where(c.id == b.campaign_id).correlate(budgets).scalar_subquery()
        for limit in (c.budget_segments, c.budget_dong)
    )
    return and_(
        or_(most.is_(None), b.segments + segments <= most),
        or_(dong.is_(None), b.cost + cost <= dong * 100),
    )


def _left(connection: Connection, of: BudgetCharge) -> int:
    """Return how many SMS parts at this price still fit."""
    row = _row(connection, of.campaign_id)
    if row is None:
        return 0
    by_segments = [] if row.budget_segments is None else [row.budget_segments - row.segments]
    by_dong = [] if row.budget_dong is None else [(row.budget_dong * 100 - row.cost) // max(of.price, 1)]
    return max(0, min([*by_segments, *by_dong], default=0))


def _row(connection: Connection, campaign_id: int) -> Row[Any] | None:
    c = campaigns.c
    query = select(budgets, c.budget_segments, c.budget_dong).join(campaigns, c.id == budgets.c.campaign_id)
    return connection.execute(query.where(c.id == campaign_id)).first()


def account_of(campaign: Any) -> int | None:
    """Return the campaign whose budget counts for this row of a campaign; None without a budget."""
    if campaign.budget_of is not None:
        return int(campaign.budget_of)
    own = campaign.budget_segments is not None or campaign.budget_dong is not None
    return int(campaign.id) if own else None


def spent(connection: Connection, campaign_ids: Iterable[int]) -> set[int]:
    """Return those of these campaigns whose own budget has no room for the next message."""
    return set(connection.execute(_full(), {"among": list(campaign_ids)}).scalars())


@cache
def _full() -> Select[Any]:
    """Select spent budgets; every claim asks, and to build this costs more than to ask it."""
    b = budgets.c
    among = b.campaign_id.in_(bindparam("among", expanding=True))
    return select(b.campaign_id).where(among, b.wanted.is_not(None), ~_fits(b.wanted, b.wanted_cost))


def budget_of(connection: Connection, campaign: Any) -> Budget | None:
    """Return the budget that counts for this row of a campaign, with what is spent of it."""
    account = account_of(campaign)
    if account is None:
        return None
    c, b = campaigns.c, budgets.c
    query = select(c.budget_segments, c.budget_dong, b.segments, b.cost)
    joined = query.select_from(campaigns.outerjoin(budgets, b.campaign_id == c.id))
    row = connection.execute(joined.where(c.id == account)).one()
    return Budget(account, row.budget_segments, row.budget_dong, row.segments or 0, _dong(row.cost or 0))


def recount(connection: Connection, campaign: Any) -> str:
    """Count a budget again from the deliveries; return a sentence if less was counted than was handed over.

    Then what was handed over counts. More may be counted: what a person sends again is counted again.
    """
    account = account_of(campaign)
    if account is None:
        return ""
    c, r, b = campaigns.c, runs.c, budgets.c
    query = select(r.id, r.campaign_id, r.carrier, c.purpose).join(campaigns, c.id == r.campaign_id)
    parts = hundredths = 0
    for run in connection.execute(query.where(or_(c.id == account, c.budget_of == account))).all():
        whose = (run.carrier, run.purpose)
        known = prices(connection, [whose])[whose]
        d = deliveries.c
        own = d.campaign_id == run.campaign_id, d.run_id == run.id
        for day, n in segments_by_day(connection, *own).items():
            one = price_on(known, day)
            parts, hundredths = parts + n, hundredths + n * (one.price if one else 0)
    spent_so_far = select(b.segments, b.cost).where(b.campaign_id == account).with_for_update()
    row = connection.execute(spent_so_far).first()
    if row is None or (row.segments >= parts and row.cost >= hundredths):
        return ""
    counted = {"segments": max(row.segments, parts), "cost": max(row.cost, hundredths)}
    connection.execute(update(budgets).where(b.campaign_id == account).values(counted))
    return _LESS.format(campaign=account, counted=row.segments, sent=parts)


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
        _LESS.format(campaign=row.campaign_id, counted=row.segments, sent=int(row.n))
        for row in connection.execute(
            query.where(sums.n > budgets.c.segments).order_by(budgets.c.campaign_id)
        )
    ]


# ---- Prices


class Price(NamedTuple):
    """What an SMS part costs from a day (date.toordinal()) on: hundredths of a đồng, and of a percent VAT."""

    day: int
    price: int
    vat: int


def note_price(connection: Connection, whose: tuple[str, str], on: date, price: int, vat: int) -> None:
    """Keep what a carrier asks for a purpose from this day on, if it is new.

    A day's price stays what it was first; another one counts from the next day on.
    """
    today = on.toordinal()
    last = price_on(prices(connection, [whose])[whose], today)
    if last is None or (last.day < today and last[1:] != (price, vat)):
        carrier, purpose = whose
        values = {"carrier": carrier, "purpose": purpose, "day": today, "price": price, "vat": vat}
        connection.execute(_PRICED, values)


def price_on(known: Sequence[Price], day: int) -> Price | None:
    """Return the price of a day, the newest of then; None before the first."""
    return max((each for each in known if each.day <= day), default=None)


def prices(connection: Connection, whose: Iterable[tuple[str, str]]) -> dict[tuple[str, str], list[Price]]:
    """Return the kept prices by carrier and purpose, in order of their days."""
    found: dict[tuple[str, str], list[Price]] = {each: [] for each in whose}
    p = segment_prices.c
    query = select(segment_prices).where(p.carrier.in_({carrier for carrier, _ in found})).order_by(p.day)
    for row in connection.execute(query):
        if (row.carrier, row.purpose) in found:
            found[row.carrier, row.purpose].append(Price(row.day, row.price, row.vat))
    return found


# ---- What was sent cost


@dataclass(frozen=True, slots=True)
class SentCost:
    """What the messages handed over cost at the price of their day, in whole đồng.

    segments: their SMS parts, without those that the carrier refused; unknown_segments: of these, the perhaps
    sent ones.
    """

    segments: int
    unknown_segments: int
    dong: int
    dong_with_vat: int


def day_of(ms: int) -> int:
    """Return the day in Viet Nam as date.toordinal()."""
    return clock.local(clock.from_ms(ms)).date().toordinal()


def priced(by_day: Mapping[int, int], unknown: int, known: Sequence[Price]) -> SentCost | None:
    """Return what so many SMS parts of each day cost; None if a day has no price."""
    net, gross = 0, 0
    for day, segments in by_day.items():
        one = price_on(known, day)
        if segments and one is None:
            return None
        if one is not None:
            net += segments * one.price
            gross += segments * one.price * (10_000 + one.vat)
    return SentCost(sum(by_day.values()), unknown, _dong(net), _dong(gross, 1_000_000))


def _dong(hundredths: int, whole: int = 100) -> int:
    return int((Decimal(hundredths) / whole).quantize(Decimal(1), ROUND_HALF_UP))


# Built once: every page of a campaign or run asks them.
_SAME_PRICE = and_(
    segment_prices.c.carrier == runs.c.carrier, segment_prices.c.purpose == campaigns.c.purpose
)
_PRICES_OF = (
    select(*(runs.c[name] for name in ("id", "campaign_id", "started_at")))
    .add_columns(*(segment_prices.c[name] for name in ("day", "price", "vat")))
    .join(campaigns, campaigns.c.id == runs.c.campaign_id)
    .join(segment_prices, _SAME_PRICE)
    .where(runs.c.id.in_(bindparam("runs", expanding=True)), runs.c.started_at.is_not(None))
    .order_by(runs.c.id, segment_prices.c.day)
)
_BILLED_OF = (
    select(tallies.c.run_id, tallies.c.state, func.sum(tallies.c.segments))
    .where(tallies.c.run_id.in_(bindparam("runs", expanding=True)), tallies.c.state.in_(BILLED))
    .group_by(tallies.c.run_id, tallies.c.state)
)


def costs(connection: Connection, run_ids: Sequence[int]) -> dict[int, SentCost]:
    """Return what these runs have cost so far, without those of which no price is known."""
    of: dict[int, Any] = {}
    known: dict[int, list[Price]] = {}
    for row in connection.execute(_PRICES_OF, {"runs": list(run_ids)}) if run_ids else ():
        of[row.id] = row
        known.setdefault(row.id, []).append(Price(row.day, row.price, row.vat))
    sums = _sums(connection, list(of)) if of else {}
    found = {run_id: _cost(connection, of[run_id], each, known[run_id]) for run_id, each in sums.items()}
    return {run_id: cost for run_id, cost in found.items() if cost is not None}


def _sums(connection: Connection, run_ids: Sequence[int]) -> dict[int, tuple[int, int]]:
    """Return run -> SMS parts that are charged, and of these the unknown ones."""
    found = dict[int, tuple[int, int]]()
    for run_id, state, segments in connection.execute(_BILLED_OF, {"runs": list(run_ids)}):
        whole, unknown = found.get(run_id, (0, 0))
        more = int(segments) if state == DeliveryState.UNKNOWN else 0
        found[run_id] = whole + int(segments), unknown + more
    return found


def _cost(connection: Connection, run: Any, sums: tuple[int, int], known: Sequence[Price]) -> SentCost | None:
    first = day_of(run.started_at)
    begun = max((each.day for each in known if each.day <= first), default=known[0].day)
    if sum(each.day >= begun for each in known) == 1:
        return priced({max(first, begun): sums[0]}, sums[1], known)
    by_day = segments_by_day(
        connection, deliveries.c.campaign_id == run.campaign_id, deliveries.c.run_id == run.id
    )
    return priced(by_day, sums[1], known) if sum(by_day.values()) == sums[0] else None  # else: rows erased


def charge_of(connection: Connection, campaign: Any, carrier: str, day: int) -> BudgetCharge | None:
    """Return how a run of this row of a campaign is counted; None without a budget.

    Without a price a budget in SMS parts alone is kept; one in đồng has no room (app/campaigns/runs.py).
    """
    account = account_of(campaign)
    if account is None:
        return None
    whose = (carrier, str(campaign.purpose))
    one = price_on(prices(connection, [whose])[whose], day)
    return BudgetCharge(account, one.price if one else 0)


def segments_by_day(connection: Connection, *where: ColumnElement[bool]) -> dict[int, int]:
    """Count the SMS parts that are charged, by the day on which they were handed over."""
    d = deliveries.c
    day = (d.submitted_at + VIETNAM_OFFSET_MS) // DAY_MS
    query = select(day, func.sum(d.segments)).where(*where, d.state.in_(BILLED)).group_by(day)
    return {_EPOCH + int(number): int(n) for number, n in connection.execute(query) if number is not None}
