"""One letter's figures, cumulative over all that was approved under it: each subscriber counts once.

Whatever ends, none of them falls: a campaign that is over stays counted, and a follow-up adds nobody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import ColumnElement, Connection, Engine, Row, exists, func, select

from app.core import clock
from app.core.states import DeliveryState, NotSent, RunState
from app.database.models import (
    audiences,
    batches,
    campaigns,
    deliveries,
    run_batches,
    runs,
    subscribers,
    tallies,
)
from app.ledger import erasure
from app.observability import send_rate
from app.reports.counting import unique_reach
from app.reports.counting.scope import ReceiptLevels
from app.reports.figures import carrier_statement
from app.reports.figures.figures import Figures
from app.web import stages
from app.web.view_models import run_status, svg_charts
from app.web.view_models.deadlines import DirectiveDeadline
from app.web.view_models.run_status import Ends, RunView
from app.web.view_models.svg_charts import Span
from app.web.view_models.traffic_light import UNDER_WAY
from carriers.contract import ReceiptLevel

HOUR_MS = 3_600_000
# Counting subscribers of several campaigns reads every message. It takes at most this share of the time.
_SHARE = 0.05
_FRESH_S = 2.0


@dataclass(frozen=True, slots=True)
class StatedShare:
    """What a carrier that sends or calls by itself has stated; received: as `level` proves, None without
    receipts.
    """

    run_id: int
    carrier: str
    sent: int
    received: int | None
    level: str | None


@dataclass(frozen=True, slots=True)
class CarrierShare:
    """One carrier's part. level: the most that its receipts prove; stage: of what is not over."""

    carrier: str
    addressed: int
    sent: int
    received: int | None
    share: float | None
    level: str | None
    stage: str | None
    ends: Ends | None


@dataclass(frozen=True, slots=True)
class LetterPanel:
    """A letter's figures at one moment. id: 0 for what was approved under none.

    once: whether subscribers are counted, each once; else messages are, since numbers are erased. reached:
    proved by the telephone, of those `provable`; relayed: proved by the carrier's centre alone; stopped:
    cancelled, or too late. stated: what carriers that send by themselves say, never added. messages: that are
    waiting to be sent now. rate: SMS parts per second now, None if nothing is measured; last_hour: SMS parts.
    ends: of all that has begun and is not over, None if any of it can't be forecast; paused: how many runs
    are taken in it to go on at once; planned: runs not begun; endless: carriers that have stated no end.
    """

    id: int
    letter: DirectiveDeadline | None
    going: bool
    once: bool
    at: datetime
    addressed: int
    sent: int
    share: float | None
    reached: int
    provable: int
    reached_share: float | None
    relayed: int
    failed: int
    open: int
    waiting: int
    stopped: int
    messages: int
    rate: float | None
    last_hour: int
    ends: Ends | None
    paused: int
    planned: int
    endless: tuple[str, ...]
    carriers: tuple[CarrierShare, ...]
    stated: tuple[StatedShare, ...]
    bar: Mapping[str, Span]


def panel(
    connection: Connection,
    letter: DirectiveDeadline | None,
    ids: Sequence[int],
    views: Sequence[RunView],
    operator: str | None,
    receipt_levels: ReceiptLevels,
) -> LetterPanel | None:
    """Return the figures of these approved campaigns; None without a run.

    views: of their runs that are not over, at least; operator: whose runs alone are seen; receipt_levels:
    what the links of all carriers prove.
    """
    rows = connection.execute(_runs(ids, operator)).all()
    if not rows:
        return None
    now_ms, measured = clock.now_ms(), [row for row in rows if row.held is None]
    proved = receipt_levels.proved(measured)
    levels: dict[str, int] = {}
    for row in measured:
        levels[row.carrier] = max(levels.get(row.carrier, 0), proved[row.id] or 0)
    counted = _counted(connection, ids, measured, operator)
    by_carrier = {
        name: figures if levels.get(name) == ReceiptLevel.HANDSET else _as_relayed(figures)
        for name, figures in counted.by_carrier.items()
    }
    total = sum(by_carrier.values(), Figures())
    handset = sum(
        (figures for name, figures in by_carrier.items() if levels.get(name) == ReceiptLevel.HANDSET),
        Figures(),
    )
    under_way = [run for run in views if run.state in UNDER_WAY]
    lately = [row.id for row in rows if row.ended_at is None or row.ended_at >= now_ms - HOUR_MS]
    rates = [run.rate for run in under_way if run.rate is not None]
    ends = last_end(under_way)
    return LetterPanel(
        id=letter.id if letter else 0,
        letter=letter,
        going=bool(under_way),
        once=counted.once,
        at=counted.at,
        addressed=total.eligible,
        sent=total.sent,
        share=total.sent / total.eligible if total.eligible else None,
        reached=handset.delivered,
        provable=handset.eligible,
        reached_share=handset.delivered / handset.eligible if handset.eligible else None,
        relayed=total.relayed,
        failed=total.failed,
        open=total.no_receipt + total.unknown,
        waiting=total.waiting,
        stopped=total.excluded,
        messages=sum(
            run.figures.waiting for run in views if not run.held and run.state is not RunState.CANCELLED
        ),
        rate=sum(rates) if rates else None,
        last_hour=send_rate.last_hour(connection, lately),
        ends=ends,
        paused=0 if ends is None else sum(run.state is RunState.PAUSED for run in under_way),
        planned=sum(row.state == RunState.PLANNED for row in rows),
        endless=tuple(dict.fromkeys(run.carrier for run in under_way if run.held and run.ends is None)),
        carriers=tuple(_carriers(by_carrier, levels, views)),
        stated=tuple(_stated(connection, [row.id for row in rows if row.held is not None])),
        bar=svg_charts.stacked(run_status.bar_of(total)),
    )


def _as_relayed(figures: Figures) -> Figures:
    """Return the figures of a carrier whose receipts no longer count as proof of the handset."""
    return replace(figures, delivered=0, relayed=figures.relayed + figures.delivered)


def _runs(ids: Sequence[int], operator: str | None) -> Any:
    r = runs.c
    query = select(
        r.id, r.campaign_id, r.carrier, r.state, r.started_at, r.ended_at, audiences.c.run_id.label("held")
    )
    query = (
        query.outerjoin(audiences, audiences.c.run_id == r.id).where(r.campaign_id.in_(ids)).order_by(r.id)
    )
    return query if operator is None else query.where(r.carrier == operator)


def last_end(under_way: Iterable[RunView]) -> Ends | None:
    """Return the earliest and the latest moment at which all are done; None as long as nobody can say."""
    counted = [run for run in under_way if not run.held or run.ends]
    known = [run.ends for run in counted if run.ends is not None]
    if not known or len(known) < len(counted):
        return None
    return max(first for first, _ in known), max(last for _, last in known)


def _carriers(
    counted: Mapping[str, Figures], levels: Mapping[str, int], views: Sequence[RunView]
) -> Iterable[CarrierShare]:
    for carrier, figures in sorted(counted.items()):
        own = [run for run in views if run.carrier == carrier and not run.held]
        going = [run for run in own if run.state in UNDER_WAY]
        level = ReceiptLevel(levels.get(carrier, 0)) if figures.sent else None
        of = {
            ReceiptLevel.HANDSET: figures.delivered,
            ReceiptLevel.OPERATOR: figures.relayed + figures.delivered,
        }
        received = None if level is None else of.get(level)
        share = received / figures.eligible if received is not None and figures.eligible else None
        stage = stages.of_runs([run.stage for run in own])
        named = None if level is None else level.name.lower()
        yield CarrierShare(
            carrier, figures.eligible, figures.sent, received, share, named, stage, last_end(going)
        )


def _stated(connection: Connection, held: Sequence[int]) -> Iterable[StatedShare]:
    for run_id, said in sorted(carrier_statement.of_runs(connection, held).items()) if held else ():
        g = said.figures.general
        level = ReceiptLevel(said.level).name.lower()
        yield StatedShare(run_id, said.carrier, g.sent or 0, g.received, level)


# ---- Counting


@dataclass(frozen=True, slots=True)
class _Counted:
    """Figures by carrier: eligible are all to be written to, excluded those left without a message."""

    by_carrier: Mapping[str, Figures]
    once: bool
    at: datetime


_Known = dict[tuple[Any, ...], tuple[float, float, _Counted]]
_known: WeakKeyDictionary[Engine, _Known] = WeakKeyDictionary()


def _counted(
    connection: Connection, ids: Sequence[int], measured: Sequence[Row[Any]], operator: str | None
) -> _Counted:
    """Count the subscribers of these campaigns; within one campaign each has one message at most."""
    began = [each for each in ids if any(row.campaign_id == each for row in measured)]
    if len(began) < 2:
        return _Counted(_by_tallies(connection, began, operator), True, clock.now())
    if any(erasure.of_campaign(connection, each) is not None for each in began):
        return _Counted(_by_tallies(connection, began, operator), False, clock.now())
    known, key, now = _known.setdefault(connection.engine, {}), (operator, *began), clock.monotonic()
    if key in known and now - known[key][0] < max(_FRESH_S, known[key][1] / _SHARE):
        return known[key][2]
    found = _Counted(_by_rows(connection, began, operator), True, clock.now())
    known[key] = (clock.monotonic(), clock.monotonic() - now, found)
    return found


_NOT_ADDRESSED = (NotSent.DO_NOT_SEND, NotSent.OTHER_ROUND)
_FIGURES = {
    DeliveryState.QUEUED: "waiting",
    DeliveryState.SUBMITTED: "no_receipt",
    DeliveryState.UNKNOWN: "unknown",
    DeliveryState.REJECTED: "failed",
    DeliveryState.UNDELIVERED: "failed",
    DeliveryState.EXPIRED: "failed",
    DeliveryState.RELAYED: "relayed",
    DeliveryState.DELIVERED: "delivered",
    DeliveryState.NOT_SENT: "excluded",
}


def _by_tallies(connection: Connection, ids: Sequence[int], operator: str | None) -> dict[str, Figures]:
    t, r, b = tallies.c, runs.c, batches.c
    own: ColumnElement[bool] = r.campaign_id.in_(ids)
    own = own if operator is None else own & (r.carrier == operator)
    counts: dict[str, Counter[str]] = {}
    there: Counter[str] = Counter()  # in the ledger, of runs of which others may be still to come
    keys = (r.carrier, r.state, t.state, t.reason)
    query = select(*keys, func.sum(t.n)).join(runs, r.id == t.run_id).where(own).group_by(*keys)
    for carrier, run_state, state, reason, n in connection.execute(query):
        there[carrier] += int(n) if run_state in _TO_COME else 0
        if state != DeliveryState.EXCLUDED and not (
            state == DeliveryState.NOT_SENT and reason in _NOT_ADDRESSED
        ):
            counts.setdefault(carrier, Counter())[_FIGURES[DeliveryState(state)]] += int(n)
    whole = select(r.carrier, func.sum(b.accepted)).join(run_batches, run_batches.c.run_id == r.id)
    whole = whole.join(batches, b.id == run_batches.c.batch_id).where(own, _to_come())
    for carrier, n in connection.execute(whole.group_by(r.carrier)):
        counts.setdefault(carrier, Counter())["waiting"] += max(int(n) - there[carrier], 0)
    return {carrier: _figures(found) for carrier, found in counts.items()}


# Runs of which subscribers may not be in the ledger yet; a cancelled one is queued to its end.
_TO_COME = (RunState.PLANNED, RunState.RUNNING, RunState.PAUSED, RunState.CANCELLING)


def _to_come() -> ColumnElement[bool]:
    return runs.c.state.in_(_TO_COME)


def _figures(counts: Counter[str]) -> Figures:
    eligible = counts.total()
    return Figures(eligible=eligible, sent=eligible - counts["waiting"] - counts["excluded"], **counts)


def _by_rows(connection: Connection, ids: Sequence[int], operator: str | None) -> dict[str, Figures]:
    found: dict[str, Figures] = {}
    for row in unique_reach.subscribers(connection, ids):
        if operator in (None, row.carrier):
            found[row.carrier] = found.get(row.carrier, Figures()) + row.figures
    r, s, d = runs.c, subscribers.c, deliveries.c
    there = exists().where(d.campaign_id.in_(ids), d.phone == s.phone)
    each = select(func.min(r.carrier).label("carrier")).join(run_batches, run_batches.c.run_id == r.id)
    each = each.join(subscribers, s.batch_id == run_batches.c.batch_id).group_by(s.phone)
    each = each.where(r.campaign_id.in_(ids), _to_come(), ~there)
    one = (each if operator is None else each.where(r.carrier == operator)).subquery().c.carrier
    for carrier, n in connection.execute(select(one, func.count()).group_by(one)):
        found[carrier] = found.get(carrier, Figures()) + Figures(eligible=n, waiting=n)
    return found


def under(connection: Connection, directive_id: int, operator: str | None) -> list[int]:
    """Return the approved campaigns under this letter in which the operator has a run."""
    c = campaigns.c
    query = select(c.id).where(c.directive_id == directive_id, c.state == "approved").order_by(c.id)
    if operator is not None:
        query = query.where(exists().where(runs.c.campaign_id == c.id, runs.c.carrier == operator))
    return list(connection.execute(query).scalars())
