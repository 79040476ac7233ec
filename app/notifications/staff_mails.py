"""E-mails to those who work here: a campaign waits, a run may begin, a link is halted, a term is shorter.

Who is told is `mail.people` of the settings, by their names as in `loa user list`: who is left out gets none.
Like other events these are found in the tables, so none is missed whatever the way, and the outbox's keys let
any number of processes say each once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, select

from app.core import clock
from app.core.config import Settings
from app.core.masking import one_line
from app.core.phone import network
from app.core.states import HALTED_BY_HAND, CampaignState, LinkState, RunState
from app.database.models import campaigns, links, people, runs
from app.notifications.events import recent_acts
from app.notifications.outbox import Notice, NotificationChannel
from app.security.principal import base_name
from app.security.roles import AUTHORS, SENDERS, Role

SUBMITTED, APPROVED, HALTED = "campaign.submitted", "campaign.approved", "link.halted"
SHORTENED = "retention.shorten"
_ACTS = ("campaign.submit", "campaign.approved")
_NEWS = timedelta(hours=1)  # older events are no news: the address may have been added just now
_END = "\n\nThư do hệ thống Loa gửi tự động; xin không trả lời.\n"


@dataclass(frozen=True, slots=True)
class Staff:
    """Somebody who works here and has an address; carrier: the only one whose runs they see, if any."""

    name: str
    role: Role
    carrier: str | None
    address: str


def staff(connection: Connection, settings: Settings) -> list[Staff]:
    """Return the people of `mail.people` who may sign in."""
    own = settings.mail.people if settings.mail else {}
    query = select(people.c.name, people.c.role, people.c.carrier).where(
        people.c.name.in_(own), people.c.disabled_at.is_(None)
    )
    return [Staff(row.name, Role(row.role), row.carrier, own[row.name]) for row in connection.execute(query)]


def happened(connection: Connection, settings: Settings, now: datetime) -> list[Notice]:
    """Return the mails about what has happened lately; the outbox drops known ones."""
    recipients = staff(connection, settings)
    if not recipients:
        return []
    since = clock.to_ms(now - _NEWS)
    found = [*_of_campaigns(connection, recipients, since), *_of_links(connection, recipients, since)]
    return [*found, *_of_terms(connection, recipients, since)]


def _of_campaigns(connection: Connection, recipients: Sequence[Staff], since: int) -> Iterator[Notice]:
    """Write about what still stands as the act left it: who decides at once sends nobody to look in vain."""
    last = {act.subject: act for act in reversed(recent_acts(connection, since, _ACTS))}
    for act in last.values():
        campaign_id = int(act.subject.rpartition("/")[2])
        campaign = connection.execute(select(campaigns).where(campaigns.c.id == campaign_id)).first()
        if campaign is None:
            continue
        if act.action == "campaign.submit" and campaign.state == CampaignState.SUBMITTED:
            yield from _submitted(act, campaign, recipients)
        elif act.action == "campaign.approved" and campaign.state == CampaignState.APPROVED:
            yield from _approved(connection, act, campaign, recipients)


def _submitted(act: Row[Any], campaign: Row[Any], recipients: Sequence[Staff]) -> Iterator[Notice]:
    """Write to who may decide: nobody who had a hand in it."""
    hands = {base_name(name) for name in (campaign.created_by, *campaign.editors, act.who)}
    text = (
        f"{one_line(act.who)} đã trình chiến dịch “{one_line(campaign.name)}” lúc {_moment(act.at)}.\n"
        f"Tên định danh: {one_line(campaign.sender)}.\n\n"
        "Đề nghị đăng nhập Loa, mục Phê duyệt, để xem và quyết định."
    )
    for each in recipients:
        if each.role in AUTHORS and each.name not in hands:
            yield _mail(act, SUBMITTED, each, f"Chờ phê duyệt: {one_line(campaign.name)}", text)


def _approved(
    connection: Connection, act: Row[Any], campaign: Row[Any], recipients: Sequence[Staff]
) -> Iterator[Notice]:
    """Write to the operators of the carriers whose runs may begin."""
    query = select(runs.c.carrier).where(runs.c.campaign_id == campaign.id, runs.c.state == RunState.PLANNED)
    carriers = set(connection.execute(query).scalars())
    for each in recipients:
        if each.role is Role.OPERATOR and each.carrier and each.carrier in carriers:
            text = (
                f"Chiến dịch “{one_line(campaign.name)}” đã được phê duyệt lúc {_moment(act.at)}.\n"
                f"Đợt gửi tại {network(each.carrier)} chưa bắt đầu. Giờ gửi mỗi ngày: {campaign.day_starts}–"
                f"{campaign.day_ends}.\n\nĐề nghị đăng nhập Loa, mục Tổng quan, để bắt đầu gửi."
            )
            yield _mail(act, APPROVED, each, f"Có thể bắt đầu gửi: {one_line(campaign.name)}", text)


def _of_links(connection: Connection, recipients: Sequence[Staff], since: int) -> Iterator[Notice]:
    """Write to the carrier's operators and the administrators, who may resume it."""
    halted = select(links).where(links.c.state == LinkState.HALTED.value, links.c.changed_at >= since)
    for row in connection.execute(halted):
        code = f" (mã {one_line(row.code)})" if row.code not in (None, HALTED_BY_HAND) else ""
        text = (
            f"Kết nối {row.name} của {network(row.carrier)} đã dừng lúc {_moment(row.changed_at)}{code}: tin "
            "của nhà mạng này chờ đến khi có người cho chạy tiếp.\n\n"
            "Đề nghị cùng nhà mạng khắc phục nguyên nhân, rồi đăng nhập Loa, mục Kết nối, để cho chạy tiếp."
        )
        for each in recipients:
            if each.role in SENDERS and each.carrier in (None, row.carrier):
                key = f"link/{row.id}/halted/{row.changed_at}/mail/{each.address}"
                yield _notice(key, HALTED, each, f"Kết nối {row.name} đã dừng", text)


def _of_terms(connection: Connection, recipients: Sequence[Staff], since: int) -> Iterator[Notice]:
    """Write to the administrators: what is erased by mistake can't be restored."""
    for act in recent_acts(connection, since, (SHORTENED,)):
        before, after = act.detail["before"], act.detail["after"]
        text = (
            f"{one_line(act.who)} đã xác nhận rút ngắn thời hạn lưu trữ lúc {_moment(act.at)}:\n"
            f"retention_days: {before['days']} → {after['days']}; "
            f"records_months: {before['months']} → {after['months']}.\n\n"
            "Dữ liệu quá thời hạn mới sẽ bị xóa trong ít phút và không khôi phục được.\n"
            "Nếu nhầm, đề nghị dừng Loa, sửa lại cấu hình rồi khởi động lại."
        )
        for each in recipients:
            if each.role is Role.ADMIN:
                yield _mail(act, SHORTENED, each, "Thời hạn lưu trữ được rút ngắn", text)


def _mail(act: Row[Any], kind: str, to: Staff, subject: str, text: str) -> Notice:
    return _notice(f"audit/{act.id}/mail/{to.address}", kind, to, subject, text)


def _notice(key: str, kind: str, to: Staff, subject: str, text: str) -> Notice:
    payload = {"subject": " ".join(("Loa:", subject)), "text": text + _END}
    return Notice(key[:200], kind, NotificationChannel.EMAIL, to.address, payload)


def _moment(ms: int) -> str:
    return f"{clock.moment(ms):%H:%M ngày %d/%m/%Y}"
