"""Runs pause themselves: too many messages fail, the carrier was handed too many today, the budget is spent.

Every second each running run's totals are noted. Failures that receipts tell later are counted under the
time at which the message was sent (app/ledger/receipts.py), so they are compared with what was sent then,
never with what happens to be known by now: fast failures before slow deliveries are no rise, and neither are
those that come when nothing is sent any more. app/core/cusum.py judges. Nothing reads deliveries.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import structlog
from sqlalchemy import Connection, Row, delete, func, insert, or_, select, update

from app.core import clock
from app.core.config import SuspendSettings
from app.core.cusum import first_rise
from app.core.states import FAILED, OF_BUDGET, OVER, SENT, ChunkState, DeliveryState, RunState, SuspendCause
from app.database.connection import Database, shared_ms
from app.database.engines import insert_new
from app.database.models import (
    campaigns,
    chunks,
    daily_counts,
    late_failures,
    outcome_counts,
    runs,
    tallies,
    unknowns,
)
from app.dispatch.run_sweeps import held, move
from app.ledger import approval_digest, money
from app.ledger.contract import DIED, JUDGED_MS, LOST, WENT_BACK
from app.security import audit
from carriers.contract import Reason

EVERY_MS = 1000
KEPT_MS = JUDGED_MS  # how far back messages are judged
_JUST_STARTED_MS = 60_000
# A connection that breaks leaves its messages on the wire unknown, in a second or two: that alone is no rise.
_UNKNOWN_AT_ONCE, _AROUND = 5, 2
_BY_US = -1  # beside the states of deliveries
_REASONS = 3

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Finding:
    """Why a run is to pause: `bad` of `of` messages, SMS parts or đồng, by app/campaigns/queries.py."""

    cause: SuspendCause
    bad: int
    of: int


def is_due(connection: Connection) -> bool:
    """Return whether a look is due: runs are running, and nobody has looked just now."""
    if connection.execute(_running().limit(1)).first() is None:
        return False
    c = outcome_counts.c
    newest = connection.scalar(select(c.at).order_by(c.id.desc()).limit(1))
    return newest is None or not 0 <= shared_ms(connection) - newest < EVERY_MS


def look(connection: Connection, settings: SuspendSettings, db: Database) -> list[int]:
    """Note what running runs have sent, and pause those that do harm; return these runs."""
    now, found = shared_ms(connection), connection.execute(_running()).all()
    if not found:
        return []
    totals = _totals(connection, [run.id for run in found])
    _note(connection, found, totals, now)
    findings = _over_day(connection, found, totals, settings.daily_messages, now)
    findings |= _over_budget(connection, found, now)
    for run in found:
        if run.id not in findings and (one := _judged(connection, run, settings, now)):
            findings[run.id] = one
    paused = [
        run.id for run in found if run.id in findings and _suspend(connection, run, findings[run.id], now)
    ]
    if paused:
        db.wake(connection)
    return paused


def _running() -> Any:
    return select(runs).where(runs.c.state == RunState.RUNNING.value, ~held()).order_by(runs.c.id)


# ---- What was sent


def _totals(connection: Connection, run_ids: Sequence[int]) -> dict[int, tuple[int, int, int]]:
    """Return run -> messages with an answer, and of them the refused and the unknown ones.

    Without the unknown ones whose answer Loa itself lost: however many processes die, the run does no harm.
    """
    t = tallies.c
    query = select(t.run_id, t.state, func.sum(t.n)).where(t.run_id.in_(run_ids), t.state.in_(SENT))
    counts: defaultdict[int, dict[int, int]] = defaultdict(dict)
    for run_id, state, n in connection.execute(query.group_by(t.run_id, t.state)):
        counts[run_id][state] = int(n)
    unknown = DeliveryState.UNKNOWN
    for run_id, n in _lost_by_us(connection, [each for each in run_ids if counts[each].get(unknown)]):
        counts[run_id][unknown] -= n
        counts[run_id][_BY_US] = n
    return {run_id: _total(counts[run_id]) for run_id in run_ids}


def _lost_by_us(connection: Connection, run_ids: Sequence[int]) -> Sequence[tuple[int, int]]:
    """Return runs with how many of their messages are unknown because Loa lost the answer."""
    u = unknowns.c
    query = select(u.run_id, func.count()).where(u.run_id.in_(run_ids), u.why.in_((DIED, LOST, WENT_BACK)))
    rows = connection.execute(query.group_by(u.run_id)).all() if run_ids else []
    return [(int(run_id), int(n)) for run_id, n in rows]


def _total(counts: Mapping[int, int]) -> tuple[int, int, int]:
    return sum(counts.values()), counts.get(DeliveryState.REJECTED, 0), counts.get(DeliveryState.UNKNOWN, 0)


def _note(
    connection: Connection,
    suspended: Sequence[Row[Any]],
    totals: Mapping[int, tuple[int, int, int]],
    now: int,
) -> None:
    """Add the totals that have changed, and forget those of long ago."""
    c, names = outcome_counts.c, ("sent", "refused", "unknown")
    newest = select(func.max(c.id)).where(c.run_id.in_(totals), c.at <= now).group_by(c.run_id)
    last = {row.run_id: row for row in connection.execute(select(outcome_counts).where(c.id.in_(newest)))}
    rows = []
    for run in suspended:
        before = last.get(run.id)
        if before is None and now - (run.started_at or 0) < _JUST_STARTED_MS:
            rows.append({"run_id": run.id, "at": run.started_at, "sent": 0, "refused": 0, "unknown": 0})
        if before is None or (before.sent, before.refused, before.unknown) != totals[run.id]:
            rows.append({"run_id": run.id, "at": now, **dict(zip(names, totals[run.id], strict=True))})
    if rows:
        connection.execute(insert(outcome_counts), rows)
    if now // 1000 % 60 == 0:
        forget(connection, now)


def forget(connection: Connection, now: int) -> None:
    """Delete what is too old to be judged by, and former days of runs that are over."""
    for at in (outcome_counts.c.at, late_failures.c.sent_at):
        connection.execute(delete(at.table).where(at < now - 2 * KEPT_MS))
    d, over = daily_counts.c, select(runs.c.id).where(runs.c.state.in_(OVER))
    connection.execute(delete(daily_counts).where(d.day < _day(now), d.run_id.in_(over)))


# ---- whether a share has risen


def _judged(connection: Connection, run: Row[Any], settings: SuspendSettings, now: int) -> Finding | None:
    """Judge what was sent since the run last went on, and within KEPT_MS."""
    first = settings.first_messages if run.judged_from is None else 0
    c, since = outcome_counts.c, max(now - KEPT_MS, run.judged_from or 0)
    query = select(c.at, c.sent, c.refused, c.unknown).where(c.run_id == run.id, c.at >= since, c.at <= now)
    looks = connection.execute(query.order_by(c.at, c.id)).all()
    if len(looks) < 2:
        return None
    ends, sent, refused, unknown = zip(*looks, strict=True)
    late = _late(connection, run.id, ends)
    refusals, messages = _steps(refused), _steps(sent)
    shares = (
        (SuspendCause.REFUSED, settings.refused_percent, refusals),
        (
            SuspendCause.FAILED,
            settings.failed_percent,
            [max(n + more, 0) for n, more in zip(refusals, late, strict=True)],
        ),
        (SuspendCause.UNKNOWN, settings.unknown_percent, _lasting(_steps(unknown))),
    )
    for cause, percent, bad in shares:
        reported = percent and any(bad)
        if reported and (rise := first_rise(zip(messages, bad, strict=True), percent / 100, first)):
            return Finding(cause, rise.bad, rise.of)
    return None


def _steps(totals: Sequence[int]) -> list[int]:
    """Return by how much each total is above the one before; what was sent again makes a step of nothing."""
    return [max(after - before, 0) for before, after in pairwise(totals)]


def _late(connection: Connection, run_id: int, ends: Sequence[int]) -> list[int]:
    """Return how many of the messages sent in each step have failed by receipts."""
    f, late = late_failures.c, [0] * len(ends)
    reported = select(f.sent_at, func.sum(f.n)).where(f.run_id == run_id).group_by(f.sent_at)
    for sent_at, n in connection.execute(reported.where(f.sent_at > ends[0], f.sent_at <= ends[-1])):
        late[bisect_left(ends, sent_at)] += int(n)
    return late[1:]


def _lasting(counts: Sequence[int]) -> list[int]:
    """Reduce a step that stands out from its neighbours, so that a single spike counts little."""
    if not any(counts):
        return list(counts)
    nothing = [0] * _AROUND
    padded = [*nothing, *counts, *nothing]
    usual = [sorted(padded[n : n + 2 * _AROUND + 1])[_AROUND] for n in range(len(counts))]
    return [min(n, middle + _UNKNOWN_AT_ONCE) for n, middle in zip(counts, usual, strict=True)]


# ---- How many a carrier has been handed today


def _over_day(
    connection: Connection,
    rows: Sequence[Row[Any]],
    totals: Mapping[int, tuple[int, int, int]],
    most: int,
    now: int,
) -> dict[int, Finding]:
    """Note what was sent today; return the runs of carriers with more than `most` of it."""
    d, day = daily_counts.c, _day(now)
    known = {row.run_id: row for row in connection.execute(select(daily_counts).where(d.run_id.in_(totals)))}
    for run in rows:
        sent, row = totals[run.id][0], known.get(run.id)
        if row is None:
            before = 0 if _day(run.started_at or 0) == day else sent
            values = {"run_id": run.id, "day": day, "before": before, "sent": sent}
            connection.execute(insert_new(connection, daily_counts).values(values))  # of several workers one
        elif row.day != day or row.sent != sent:
            values = {"sent": sent} if row.day == day else {"day": day, "before": row.sent, "sent": sent}
            connection.execute(update(daily_counts).where(d.run_id == run.id).values(values))
    today = select(runs.c.carrier, func.sum(d.sent - d.before)).join(daily_counts, d.run_id == runs.c.id)
    counted = today.where(d.day == day).group_by(runs.c.carrier)
    over = {carrier: int(n) for carrier, n in connection.execute(counted) if most and n >= most}
    return {
        run.id: Finding(SuspendCause.DAILY, over[run.carrier], most) for run in rows if run.carrier in over
    }


def _day(ms: int) -> int:
    return clock.local(clock.from_ms(ms)).date().toordinal()


# ---- What a campaign may cost


def _over_budget(connection: Connection, running: Sequence[Row[Any]], now: int) -> dict[int, Finding]:
    """Return the runs whose budget has no room for the next message, once nothing is under way any more.

    What is under way may come back unsent, and then there is room again.
    """
    c = campaigns.c
    query = select(c.id, c.budget_segments, c.budget_of)
    rows = connection.execute(query.where(c.id.in_({run.campaign_id for run in running}))).all()
    of = {row.id: row for row in rows if money.account_of(row) is not None}
    spent = money.spent(connection, {account for row in of.values() if (account := money.account_of(row))})
    full = {account for account in spent if not _is_under_way(connection, account, now)}
    why = {}
    for row in of.values():
        if money.account_of(row) in full and (budget := money.budget_of(connection, row)):
            why[row.id] = Finding(SuspendCause.BUDGET, budget.spent_segments, budget.segments)
    return {run.id: why[run.campaign_id] for run in running if run.campaign_id in why}


def _is_under_way(connection: Connection, account: int, now: int) -> bool:
    k, c = chunks.c, campaigns.c
    leased = select(k.first_seq).join(runs, runs.c.id == k.run_id).join(campaigns, c.id == runs.c.campaign_id)
    own = or_(c.id == account, c.budget_of == account)
    held = leased.where(own, k.state == ChunkState.LEASED, k.lease_until > now)
    return connection.execute(held.limit(1)).first() is not None


# ---- The pause


def _suspend(connection: Connection, run: Row[Any], why: Finding, now: int) -> bool:
    """Pause the run, as the system's own act; whether it was running still."""
    reasons = {} if why.cause in (SuspendCause.DAILY, *OF_BUDGET) else _reasons(connection, run.id)
    said = {"cause": why.cause.value, "bad": why.bad, "of": why.of, "reasons": reasons}
    if not move(connection, run.id, RunState.RUNNING, RunState.PAUSED, suspended={**said, "at": now}):
        return False
    log.error("a run has paused itself", run=run.id, cause=why.cause.value, bad=why.bad, of=why.of)
    of = {"campaign": run.campaign_id, "carrier": run.carrier}
    audit.note(connection, "loa", approval_digest.SUSPENDED, f"run/{run.id}", **of, **said)
    return True


def _reasons(connection: Connection, run_id: int) -> dict[str, int]:
    """Return the most frequent reasons of the run's failures."""
    t = tallies.c
    query = select(t.reason, func.sum(t.n).label("n")).where(t.run_id == run_id, t.state.in_(FAILED))
    rows = connection.execute(
        query.group_by(t.reason).order_by(func.sum(t.n).desc(), t.reason).limit(_REASONS)
    )
    return {Reason(row.reason).name.lower(): int(row.n) for row in rows if row.n > 0}
