"""Events for webhook endpoints, found in the tables: runs, links, reports and the audit's head."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, select

from app.core import clock
from app.core.config import Settings
from app.core.phone import network
from app.core.states import OF_BUDGET, LinkState, RunState, SuspendCause, suspended_because
from app.database.models import audit, campaigns, frozen_reports, links, runs
from app.notifications.outbox import Notice, NotificationChannel

STARTED, PAUSED, RESUMED, SUSPENDED = "run.started", "run.paused", "run.resumed", "run.suspended"
SENT, FINISHED = "run.sent", "run.finished"
HALTED, FROZEN, AT_RISK, HEAD = "link.halted", "report.frozen", "deadline.at_risk", "audit.head"
KINDS = (STARTED, PAUSED, SUSPENDED, RESUMED, SENT, FINISHED, HALTED, FROZEN, AT_RISK, HEAD)

# Older events are no news: the endpoint may have been added just now.
_NEWS = timedelta(hours=1)
# People's orders, by their audit action.
_ORDERS = {"run.pause": PAUSED, "run.suspended": SUSPENDED, "run.resume": RESUMED}
_ACTS = 500  # the newest ones suffice, because every sweep looks
_HOUR_MS = 3_600_000


class NotificationEvent(NamedTuple):
    """An event. key: unique for good; at: milliseconds since 1970."""

    kind: str
    key: str
    at: int
    data: dict[str, Any]


def happened(connection: Connection, settings: Settings, now: datetime) -> list[Notice]:
    """Return notices of recent events for all subscribed endpoints, and mails of those that want a person.

    The outbox drops known ones.
    """
    since = clock.to_ms(now - _NEWS)
    orders = list(_orders(connection, since)) if settings.endpoints or settings.mail else []
    mails = [mail for event in orders if event.kind == SUSPENDED for mail in _mails(settings, event)]
    if not settings.endpoints:
        return mails
    found = [*_of_runs(connection, since), *orders]
    found += [*_of_links(connection, since), *_of_reports(connection, since)]
    if any(HEAD in endpoint.events for endpoint in settings.endpoints.values()):
        found += _heads(connection, since)
    return [*mails, *notices(settings, found)]


def notices(settings: Settings, events: Iterable[NotificationEvent]) -> Iterator[Notice]:
    for event in events:
        at = clock.moment(event.at).isoformat()
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


def _mails(settings: Settings, event: NotificationEvent) -> Iterator[Notice]:
    """Write to who is always told: somebody must look, then resume or cancel the run."""
    data = event.data
    name = f"Đợt gửi {data['run_id']} (nhà mạng {network(data['carrier'])})"
    why = suspended_because(SuspendCause(data["cause"]), data["bad"], data["of"], "vi")
    at = clock.moment(event.at).strftime("%H:%M ngày %d/%m/%Y")
    todo = "kiểm tra nguyên nhân, sau đó gửi tiếp hoặc hủy"
    if data["cause"] in OF_BUDGET:
        todo = "xin hạn mức cao hơn để người khác duyệt, hoặc hủy"
    lines = (
        f"{name} đã tự tạm dừng lúc {at}: {why}.",
        f"Đề nghị {todo}: trang /runs/{data['run_id']}.",
        "Thư do hệ thống Loa gửi tự động.",
        "",
    )
    mail = {"subject": f"{name} đã tự tạm dừng", "text": "\n".join(lines)}
    for address in settings.mail.to if settings.mail else ():
        yield Notice(
            f"{event.key}/email/{address}"[:200], event.kind, NotificationChannel.EMAIL, address, mail
        )


def wants(events: Sequence[str], kind: str) -> bool:
    """Return whether an endpoint wants this kind; audit heads must be subscribed to by name."""
    return kind in events or (kind != HEAD and "*" in events)


def recent_acts(connection: Connection, since: int, actions: Collection[str] | None = None) -> list[Row[Any]]:
    """Return acts of these kinds (all kinds without) since then, newest first; of the newest _ACTS alone.

    Every second somebody asks: a look for certain actions would read the whole audit each time.
    """
    newest = select(audit).order_by(audit.c.id.desc()).limit(_ACTS)
    acts = [act for act in connection.execute(newest) if act.at >= since]
    return acts if actions is None else [act for act in acts if act.action in actions]


def _heads(connection: Connection, since: int) -> Iterator[NotificationEvent]:
    """Yield the head of the audit's chain after each approval, and at the last row of each full hour."""
    acts = recent_acts(connection, since)
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
    for row in connection.execute(named.where(r.ended_at >= since)):
        key = f"run/{row.id}/ended/{row.ended_at}"
        if row.state == RunState.CANCELLED:
            yield NotificationEvent(FINISHED, key, row.ended_at, _run(row))
        elif row.state in (RunState.SENT, RunState.FINISHED):  # it may have finished since
            yield NotificationEvent(SENT, key, row.ended_at, _run(row) | {"state": RunState.SENT.value})
    for row in connection.execute(named.where(r.finished_at >= since, r.state == RunState.FINISHED)):
        yield NotificationEvent(
            FINISHED, f"run/{row.id}/finished/{row.finished_at}", row.finished_at, _run(row)
        )


def _orders(connection: Connection, since: int) -> Iterator[NotificationEvent]:
    """Yield pauses and resumptions, which only the audit records."""
    for act in recent_acts(connection, since, _ORDERS):
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
