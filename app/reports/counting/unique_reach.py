"""Unique reach: persons whom the campaigns of a directive reached at least once; parts of it.

A person is a number, and reached once its telephone has proved a message. Each counts once, for the earliest
campaign that reached them and its carrier, so the parts add up to the whole; later ones are repeats.

The subscribers, of whom a share is reached, belong to the first run that was to write to them, with the best
that came of any of its messages: a follow-up adds nobody, so that no share falls because of it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    String,
    and_,
    case,
    cast,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    true,
)

from app.core import areas, clock
from app.core.errors import Conflict, no_such
from app.core.states import FAILED, DeliveryState, NotSent
from app.database.connection import shared_ms
from app.database.models import (
    campaigns,
    deliveries,
    directives,
    erasures,
    kept_reach,
    runs,
    tallies,
)
from app.database.records import from_json
from app.ledger import erasure
from app.reports.counting import clock_check, snapshots
from app.reports.figures import labels, tally
from app.reports.figures.figures import BY_REASON, Figures, agree
from app.reports.frozen.archive import ReportSubject, SubjectKind


@dataclass(frozen=True, slots=True)
class ReachCount:
    """Persons of one campaign, carrier and area code: first reached by it, and reached before as well."""

    campaign_id: int
    carrier: str
    area: str | None
    first: int
    repeated: int


@dataclass(frozen=True, slots=True)
class CampaignReach:
    """first + repeated are all whom the campaign reached. kept: counted when numbers were erased."""

    campaign_id: int
    name: str
    first: int
    repeated: int
    kept: bool = False


@dataclass(frozen=True, slots=True)
class CarrierReach:
    carrier: str
    persons: int


@dataclass(frozen=True, slots=True)
class AreaReach:
    """code: null for persons of unknown area."""

    code: str | None
    name: str
    persons: int


@dataclass(frozen=True, slots=True)
class Subscribers:
    """Subscribers of one carrier and area, each counted once.

    figures: eligible are those to be written to, excluded those whose messages were cancelled or too late;
    the others by the best that came of any message.
    """

    carrier: str
    area: str | None
    figures: Figures


@dataclass(frozen=True, slots=True)
class UniqueReach:
    """Persons reached at least once under a directive, as of cutoff_ms (ms since 1970).

    by_carrier and by_area each add up to persons; so do the `first` of by_campaign. subscribers: null where
    they can no longer be counted.
    """

    directive_id: int
    cutoff_ms: int
    persons: int
    by_campaign: tuple[CampaignReach, ...]
    by_carrier: tuple[CarrierReach, ...]
    by_area: tuple[AreaReach, ...]
    subscribers: tuple[Subscribers, ...] | None = None


def of_directive(
    connection: Connection, directive_id: int, cutoff_ms: int, whole: bool = False
) -> UniqueReach | None:
    """Return the reach of now, or of a snapshot; None where it can't be told any more.

    whole: whether every row is known to be there. Call through db.read.
    """
    if (then := snapshots.of_directive(connection, directive_id, cutoff_ms)) is not None:
        return from_json(UniqueReach, then) if "persons" in then else None  # it could not be told then
    c = campaigns.c
    every = select(c.id).where(c.directive_id == directive_id)
    if erased_apart(connection, connection.execute(every).scalars().all()) is not None:
        return None
    own = select(c.id, c.name).where(c.directive_id == directive_id, c.created_at <= cutoff_ms)
    names = {row.id: row.name for row in connection.execute(own.order_by(c.id))}
    found, kept = list(_counts(connection, list(names))), _kept(connection, list(names))
    by_campaign = [
        CampaignReach(
            number, name, *_sums(each for each in found if each.campaign_id == number), number in kept
        )
        for number, name in names.items()
    ]
    on = _day(connection, list(names), cutoff_ms)
    persons = sum(each.first for each in found)
    begun = select(erasures.c.id).where(erasures.c.kind == "campaign", erasures.c.subject_id.in_(names))
    erased = not whole and connection.execute(begun.limit(1)).first() is not None
    rows = _last_kept(connection, directive_id, persons) if erased else subscribers(connection, list(names))
    if rows is not None:
        delivered = sum(row.figures.delivered for row in rows)
        agree(f"Directive {directive_id}", "reached subscribers", delivered, persons)
    return UniqueReach(
        directive_id=directive_id,
        cutoff_ms=cutoff_ms,
        persons=persons,
        by_campaign=tuple(each for each in by_campaign if each.first or each.repeated),
        by_carrier=tuple(_by_carrier(found)),
        by_area=tuple(_by_area(found, on)),
        subscribers=rows,
    )


def _last_kept(connection: Connection, directive_id: int, persons: int) -> tuple[Subscribers, ...] | None:
    """Return the subscribers of the last snapshot, once rows are erased; None if it knew another reach."""
    kept = snapshots.last_of_directive(connection, directive_id)
    return from_json(UniqueReach, kept).subscribers if kept.get("persons") == persons else None


def _day(connection: Connection, ids: Sequence[int], cutoff_ms: int) -> date:
    """Return the day by whose areas persons are told: of the first start of a run, as in other reports."""
    first = select(func.min(runs.c.started_at)).where(runs.c.campaign_id.in_(ids))
    begun: int | None = connection.execute(first).scalar()
    return clock.moment(cutoff_ms if begun is None else min(begun, cutoff_ms)).date()


def present(connection: Connection, directive_id: int) -> UniqueReach:
    """Count the reach as of now. Raises NotFound, Conflict where part of it has a time in the future."""
    if connection.execute(select(directives.c.id).where(directives.c.id == directive_id)).first() is None:
        raise no_such("directive", directive_id)
    of = select(campaigns.c.id).where(campaigns.c.directive_id == directive_id)
    ids = connection.execute(of).scalars().all()
    clock_check.require_past(connection, ids)
    found = of_directive(connection, directive_id, shared_ms(connection))
    if found is None:
        raise Conflict(
            "The people reached under directive {directive_id} can no longer be counted, because "
            "the numbers of campaign {campaign} were erased before its other campaigns ended. "
            "See the reports frozen before that.",
            directive_id=directive_id,
            campaign=erased_apart(connection, ids),
        )
    return found


def erased_apart(connection: Connection, ids: Sequence[int]) -> int | None:
    """Return the first of these campaigns that was erased while another one's figures could still change.

    Who was reached by both can't be told then, so no sum of persons is claimed. The erasures of a directive's
    campaigns begin at one moment (app/privacy/retention_due.py); those that reached nobody do not matter.
    """
    t, e = tallies.c, erasures.c
    delivered = select(t.campaign_id).where(t.campaign_id.in_(ids), t.state == DeliveryState.DELIVERED)
    reached = connection.execute(delivered.group_by(t.campaign_id).having(func.sum(t.n) > 0)).scalars().all()
    query = select(e.subject_id, func.min(e.started_at).label("at")).group_by(e.subject_id)
    begun = connection.execute(query.where(e.kind == "campaign", e.subject_id.in_(reached))).all()
    at_once = len({row.at for row in begun}) == 1 and len(begun) == len(reached)
    return None if not begun or at_once else min(row.subject_id for row in begun)


def _sums(reach: Iterable[ReachCount]) -> tuple[int, int]:
    counts = list(reach)
    return sum(each.first for each in counts), sum(each.repeated for each in counts)


def _by_carrier(reach: Iterable[ReachCount]) -> Iterator[CarrierReach]:
    found: Counter[str] = Counter()
    for each in reach:
        found[each.carrier] += each.first
    return (CarrierReach(carrier, n) for carrier, n in sorted(found.items()) if n)


def _by_area(reach: Iterable[ReachCount], on: date) -> Iterator[AreaReach]:
    """Sum by the areas of that day, those of unknown area last."""
    found: Counter[str | None] = Counter()
    for each in reach:
        found[each.area and (areas.place(each.area, on) or each.area)] += each.first
    rows = sorted(found.items(), key=lambda row: (row[0] is None, row[0] or ""))
    return (AreaReach(code, labels.area(code, on), n) for code, n in rows if n)


# ---- Counting


def _counts(connection: Connection, ids: Sequence[int]) -> Iterator[ReachCount]:
    """Count campaign by campaign; what was kept when numbers were erased stays as it was."""
    k, kept = kept_reach.c, _kept(connection, ids)
    query = select(kept_reach).where(k.campaign_id.in_(kept)).order_by(k.campaign_id, k.carrier, k.area)
    for row in connection.execute(query).all():
        yield ReachCount(row.campaign_id, row.carrier, row.area or None, row.first, row.repeated)
    t = tallies.c
    reached = (
        select(t.campaign_id).where(t.campaign_id.in_(ids), t.state == DeliveryState.DELIVERED).distinct()
    )
    has = set(connection.execute(reached).scalars())  # drafts have nobody, and are asked nothing
    living = [each for each in ids if each in has and each not in kept]
    for nth, campaign_id in enumerate(living):
        for row in _count(connection, campaign_id, living[:nth]):
            yield ReachCount(campaign_id, row.carrier, row.area, int(row.first), int(row.repeated))


def _kept(connection: Connection, ids: Sequence[int]) -> set[int]:
    """Return those whose count is kept; an earlier version kept it also for campaigns that went on."""
    k, e = kept_reach.c.campaign_id, erasures.c
    begun = exists().where(e.kind == "campaign", e.subject_id == k)
    return set(connection.execute(select(k).where(k.in_(ids), begun).distinct()).scalars())


def _count(connection: Connection, campaign_id: int, before: Sequence[int]) -> Sequence[Any]:
    d, e, r = deliveries.c, deliveries.alias("e"), runs.c
    reached = [d.campaign_id == campaign_id, d.state == DeliveryState.DELIVERED]
    again: ColumnElement[bool] = literal(1) == 0
    if before:
        known = select(literal(1)).where(e.c.campaign_id.in_(before), e.c.phone == d.phone)
        delivered = e.c.state == DeliveryState.DELIVERED
        again = known.where(delivered).limit(1).scalar_subquery().is_not(None)
    each = select(d.run_id, d.area, case((again, 1), else_=0).label("again")).where(*reached).subquery().c
    first, repeated = func.sum(1 - each.again).label("first"), func.sum(each.again).label("repeated")
    query = select(r.carrier, each.area, first, repeated).join(runs, r.id == each.run_id)
    return connection.execute(query.group_by(r.carrier, each.area).order_by(r.carrier, each.area)).all()


# What became of a subscriber, the best first: the figure that counts it.
_OUTCOMES = (
    ("delivered", (DeliveryState.DELIVERED,)),
    ("relayed", (DeliveryState.RELAYED,)),
    ("no_receipt", (DeliveryState.SUBMITTED,)),
    ("unknown", (DeliveryState.UNKNOWN,)),
    *((key, FAILED) for key in BY_REASON),  # by the reason as well
    ("failed", FAILED),
    ("waiting", (DeliveryState.QUEUED,)),
    ("excluded", (DeliveryState.NOT_SENT,)),
)
_NOT_ADDRESSED = (NotSent.DO_NOT_SEND, NotSent.OTHER_ROUND)
_KEY = 10**12  # before the number of a run, so that the least text has the least number


def subscribers(connection: Connection, ids: Sequence[int]) -> tuple[Subscribers, ...]:
    """Count each number once: for its first run and the area there, with the best outcome of all."""
    d = deliveries.c
    left_out = and_(d.state == DeliveryState.NOT_SENT, d.reason.in_(_NOT_ADDRESSED))
    rank = case(
        *(
            (d.state.in_(states) & (d.reason == BY_REASON[key] if key in BY_REASON else true()), nth)
            for nth, (key, states) in enumerate(_OUTCOMES)
        ),
        else_=len(_OUTCOMES),
    )
    first = cast(literal(_KEY, BigInteger) + d.run_id, String) + func.coalesce(d.area, "")
    each = select(func.min(first).label("first"), func.min(rank).label("best"))
    each = each.where(d.campaign_id.in_(ids), ~left_out).group_by(d.phone)
    one = each.subquery().c
    rows = connection.execute(select(one.first, one.best, func.count()).group_by(one.first, one.best)).all()
    names = select(runs.c.id, runs.c.carrier).where(runs.c.campaign_id.in_(ids))
    carriers = {row.id: row.carrier for row in connection.execute(names)}
    digits, found = len(str(_KEY)), defaultdict[tuple[str, str], Counter[str]](Counter)
    for key, best, n in rows:
        found[carriers[int(key[:digits]) - _KEY], key[digits:]][_OUTCOMES[best][0]] += n
    return tuple(
        Subscribers(carrier, area or None, _figures(counts))
        for (carrier, area), counts in sorted(found.items())
    )


def _figures(counts: Counter[str]) -> Figures:
    eligible = counts.total()
    counts["failed"] += sum(counts[key] for key in BY_REASON)
    return Figures(eligible=eligible, sent=eligible - counts["waiting"] - counts["excluded"], **counts)


# ---- Keeping, and checking


def to_keep(connection: Connection, campaign_id: int) -> list[ReachCount]:
    """Count for this campaign and for those of its directive whose erasure has begun with it.

    For the others too, since nobody could tell any more whom they reached for the second time. All of them
    are closed to receipts by now. What is still open to them is counted at its own erasure.
    """
    c, e = campaigns.c, erasures.c
    of = connection.execute(select(c.directive_id).where(c.id == campaign_id)).scalar()
    begun = exists().where(e.kind == "campaign", e.subject_id == c.id, e.ended_at.is_(None))
    own = c.id == campaign_id if of is None else or_(c.id == campaign_id, and_(c.directive_id == of, begun))
    ids = list(connection.execute(select(c.id).where(own).order_by(c.id)).scalars())
    known = _kept(connection, ids)
    return [each for each in _counts(connection, ids) if each.campaign_id not in known]


def before_erasure(
    connection: Connection, campaign_id: int, cutoff_ms: int
) -> tuple[ReportSubject, dict[str, Any]] | None:
    """Return the campaign's directive and its reach for a snapshot; None once any of its rows may be gone."""
    c = campaigns.c
    directive_id = connection.execute(select(c.directive_id).where(c.id == campaign_id)).scalar()
    if directive_id is None:
        return None
    own = select(runs.c.id).join(campaigns, c.id == runs.c.campaign_id).where(c.directive_id == directive_id)
    if any(snapshots.is_erased(connection, run_id) for run_id in connection.execute(own).scalars().all()):
        return None
    found = of_directive(connection, directive_id, cutoff_ms, whole=True)
    return (ReportSubject(SubjectKind.DIRECTIVE, directive_id), asdict(found)) if found else None


def keep(connection: Connection, counts: Sequence[ReachCount]) -> None:
    """Keep these counts, unless they were kept meanwhile."""
    for each in counts:
        row = asdict(each) | {"area": each.area or ""}
        key = (kept_reach.c[name] == row[name] for name in ("campaign_id", "carrier", "area"))
        if connection.execute(select(kept_reach.c.first).where(*key)).first() is None:
            connection.execute(insert(kept_reach).values(row))


def differences(connection: Connection) -> list[str]:
    """Recount each directive's reach in another way, and what was kept by its tallies; return differences."""
    found: list[str] = []
    for directive_id in connection.execute(select(directives.c.id).order_by(directives.c.id)).scalars().all():
        own = select(campaigns.c.id).where(campaigns.c.directive_id == directive_id)
        ids = list(connection.execute(own.order_by(campaigns.c.id)).scalars())
        if erased_apart(connection, ids) is not None:
            continue  # nothing is claimed
        kept = _kept(connection, ids)
        found += _recounted(connection, directive_id, [each for each in ids if each not in kept])
        for number in sorted(kept):
            found += _as_kept(connection, number)
    return found


def _recounted(connection: Connection, directive_id: int, ids: Sequence[int]) -> Iterator[str]:
    d = deliveries.c
    each = select(d.phone).where(d.campaign_id.in_(ids), d.state == DeliveryState.DELIVERED)
    distinct = select(func.count()).select_from(each.distinct().subquery())
    persons = sum(of.first for of in _counts(connection, ids))
    counted = connection.execute(distinct).scalar_one()
    if persons != counted:
        yield f"Directive {directive_id}: its reach is {persons} persons, its rows have {counted} numbers."


def _as_kept(connection: Connection, campaign_id: int) -> Iterator[str]:
    """Compare what was kept with the tallies, which stand still once the rows are erased."""
    row = erasure.of_campaign(connection, campaign_id)
    if row is None or row.ended_at is None or erasure.of_totals(connection, campaign_id):
        return
    first, repeated = _sums(_counts(connection, [campaign_id]))
    counts = tally.of_campaign(connection, campaign_id)
    said = sum(count.n for count in counts if count.state == DeliveryState.DELIVERED)
    if first + repeated != said:
        yield (
            f"Campaign {campaign_id}: {first} persons were kept as reached first and {repeated} again; its "
            f"tallies have delivered {said}."
        )


def agrees(reach: UniqueReach, delivered: Mapping[int, int]) -> None:
    """Raise Unbalanced unless each campaign's persons are the messages that its reports have delivered."""
    for each in reach.by_campaign:
        if not each.kept:
            said = delivered.get(each.campaign_id, 0)
            agree(f"Campaign {each.campaign_id}", "unique reach", each.first + each.repeated, said)
