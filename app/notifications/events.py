"""Events for webhook endpoints, found in the tables: runs, links, reports and the audit's head."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, select

from app.core import clock
from app.core.config import Settings
from app.core.states import LinkState, RunState
from app.database.models import audit, campaigns, frozen_reports, links, runs
from app.notifications.outbox import Notice, NotificationChannel

STARTED, PAUSED, RESUMED, FINISHED = "run.started", "run.paused", "run.resumed", "run.finished"
HALTED, FROZEN, AT_RISK, HEAD = "link.halted", "report.frozen", "deadline.at_risk", "audit.head"
KINDS = (STARTED, PAUSED, RESUMED, FINISHED, HALTED, FROZEN, AT_RISK, HEAD)

# Older events are no news: the endpoint may have been added just now.
_NEWS = timedelta(hours=1)
_OVER = (RunState.SENT, RunState.FINISHED, RunState.CANCELLED)
# People's orders, by their audit action. The newest rows suffice, because every sweep looks.
_ORDERS = {"run.pause": PAUSED, "run.resume": RESUMED}
_ACTS = 500
_HOUR_MS = 3_600_000


class NotificationEvent(NamedTuple):
    """An event. key: unique for good; at: milliseconds since 1970."""

    kind: str
    key: str
    at: int
    data: dict[str, Any]


def happened(connection: Connection, settings: Settings, now: datetime) -> list[Notice]:
    """Return notices of recent events for all subscribed endpoints; the outbox drops known ones."""
    if not settings.endpoints:
        return []
    since = clock.to_ms(now - _NEWS)
    found = [*_of_runs(connection, since), *_orders(connection, since)]
    found += [*_of_links(connection, since), *_of_reports(connection, since)]
    if any(HEAD in endpoint.events for endpoint in settings.endpoints.values()):
        found += _heads(connection, since)
    return list(notices(settings, found))


def notices(settings: Settings, events: Iterable[NotificationEvent]) -> Iterator[Notice]:
    for event in events:
        at = clock.local(clock.from_ms(event.at)).isoformat()
        payload = {"type": event.kind, "timestamp": at, "data": event.data}
        for name, endpoint in settings.endpoints.items():
            if wants(endpoint.events, event.kind):
                yield Notice(
                    f"{event.key}/endpoint/{name}"[:200],
                    event.kind,
                    NotificationChannel.WEBHOOK,
                    name,
                    payload,
                )


def wants(events: Sequence[str], kind: str) -> bool:
    """Return whether an endpoint wants this kind; audit heads must be subscribed to by name."""
    return kind in events or (kind != HEAD and "*" in events)


def _heads(connection: Connection, since: int) -> Iterator[NotificationEvent]:
    """Yield the head of the audit's chain after each approval, and at the last row of each full hour."""
    newest = select(audit).order_by(audit.c.id.desc()).limit(_ACTS)
    acts = [act for act in connection.execute(newest) if act.at >= since]
    approvals = [act for act in acts if act.action in ("campaign.approved", "approval.signed")]
    over = [act for act in reversed(acts) if act.at < clock.now_ms() // _HOUR_MS * _HOUR_MS]
    hours = {act.at // _HOUR_MS: act for act in over}
    for act in {act.id: act for act in (*approvals, *hours.values())}.values():
        data = {"head": f"{act.id}:{act.hash}", "action": act.action}
        yield NotificationEvent(HEAD, f"audit/{act.id}/head", act.at, data)


def _of_runs(connection: Connection, since: int) -> Iterator[NotificationEvent]:
    r = runs.c
    named = select(runs, campaigns.c.name).join(campaigns, campaigns.c.id == r.campaign_id)
    for row in connection.execute(named.where(r.started_at >= since)):
        yield NotificationEvent(STARTED, f"run/{row.id}/started/{row.started_at}", row.started_at, _run(row))
    for row in connection.execute(named.where(r.ended_at >= since, r.state.in_(_OVER))):
        yield NotificationEvent(FINISHED, f"run/{row.id}/ended/{row.ended_at}", row.ended_at, _run(row))


def _orders(connection: Connection, since: int) -> Iterator[NotificationEvent]:
    """Yield pauses and resumptions, which only the audit records."""
    newest = select(audit).order_by(audit.c.id.desc()).limit(_ACTS)
    acts = [act for act in connection.execute(newest) if act.action in _ORDERS and act.at >= since]
    for act in acts:
        data = {"run_id": int(act.subject.rpartition("/")[2]), **act.detail, "by": act.who}
        yield NotificationEvent(_ORDERS[act.action], f"audit/{act.id}", act.at, data)


def _of_links(connection: Connection, since: int) -> Iterator[NotificationEvent]:
    halted = select(links).where(links.c.state == LinkState.HALTED.value, links.c.changed_at >= since)
    for row in connection.execute(halted):
        data = {"link": row.name, "carrier": row.carrier, "code": row.code, "reason": row.reason}
        yield NotificationEvent(HALTED, f"link/{row.id}/halted/{row.changed_at}", row.changed_at, data)


def _of_reports(connection: Connection, since: int) -> Iterator[NotificationEvent]:
    r = frozen_reports.c
    for row in connection.execute(select(frozen_reports).where(r.created_at >= since)):
        yield NotificationEvent(FROZEN, f"report/{row.id}/frozen", row.created_at, _report(row))


def _run(row: Row[Any]) -> dict[str, Any]:
    return {
        "run_id": row.id,
        "campaign_id": row.campaign_id,
        "campaign": row.name,
        "carrier": row.carrier,
        "state": row.state,
    }


def _report(row: Row[Any]) -> dict[str, Any]:
    return {
        "report_id": row.id,
        "of": row.kind,
        "subject_id": row.subject_id,
        "carrier": row.carrier,
        "version": row.version,
        "sha256": row.sha256,
    }
