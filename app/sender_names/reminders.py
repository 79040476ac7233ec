"""Reminders of registrations that end: by mail 90, 30 and 7 days before, and on the overview."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from app.core import clock
from app.core.config import Settings
from app.core.masking import one_line
from app.core.phone import network
from app.notifications import staff_mails
from app.notifications.outbox import Notice, NotificationChannel
from app.security.roles import Role
from app.sender_names import register
from app.sender_names.register import NameState, SenderName

KIND = "sender_name.ends"
DAYS = (90, 30, 7)


@dataclass(frozen=True, slots=True)
class Ending:
    """A registration that ends, or has ended, and the days left; negative once it is over."""

    entry: SenderName
    days: int


def ending(connection: Connection, now: datetime, carrier: str | None = None) -> list[Ending]:
    """Return what ends within 90 days or has ended, unless the register has a longer entry; soonest first."""
    today = clock.local(now).date()
    entries = register.names(connection, carrier, today)
    found = []
    for entry in entries:
        if entry.valid_to is None or entry.state not in (NameState.REGISTERED, NameState.EXPIRED):
            continue
        days = (entry.valid_to - today).days
        if days <= max(DAYS) and not any(_follows(other, entry) for other in entries):
            found.append(Ending(entry, days))
    return sorted(found, key=lambda item: item.days)


def _follows(other: SenderName, entry: SenderName) -> bool:
    """Return whether another entry says the same for longer."""
    same = (other.carrier, other.name, other.purpose, other.template) == (
        *(entry.carrier, entry.name, entry.purpose, entry.template),
    )
    longer = other.valid_to is None or (entry.valid_to is not None and other.valid_to > entry.valid_to)
    return same and longer and other.state is NameState.REGISTERED and other.id != entry.id


def due(connection: Connection, settings: Settings, now: datetime) -> list[Notice]:
    """Return the mails whose day has come; the outbox drops those that it has already.

    A day that was missed is made up for until the next one, but nobody is reminded of what is over.
    """
    if settings.mail is None:
        return []
    found = [each for each in ending(connection, now) if each.days >= 0]
    return [notice for each in found for notice in _notices(connection, settings, each)]


def _notices(connection: Connection, settings: Settings, ending: Ending) -> Iterator[Notice]:
    entry, step = ending.entry, min(day for day in DAYS if ending.days <= day)
    what = f"mẫu tin {one_line(entry.template_code or '')} của tên" if entry.template else "tên"
    name = f"{what} {one_line(entry.name)} tại {network(entry.carrier)}".replace("  ", " ")
    lead = register.rules(connection, entry.carrier).lead_days
    text = (
        f"Đăng ký {name} có hiệu lực đến hết ngày {entry.valid_to:%d/%m/%Y}, còn {ending.days} ngày.\n"
        f"Nhà mạng này thường cần khoảng {lead} ngày để đăng ký.\n\n"
        "Đề nghị gia hạn, rồi cập nhật ở mục Tên định danh của Loa. Sau ngày đó nhà mạng từ chối tin.\n\n"
        "Thư do hệ thống Loa gửi tự động; xin không trả lời.\n"
    )
    mail = {"subject": f"Loa: sắp hết hạn đăng ký {name}", "text": text}
    for address in _addresses(connection, settings, entry.carrier):
        key = f"sender-name/{entry.id}/{entry.valid_to}/{step}/{address}"
        yield Notice(key[:200], KIND, NotificationChannel.EMAIL, address, mail)


def _addresses(connection: Connection, settings: Settings, carrier: str) -> list[str]:
    """Return who is always told, the office, and the carrier's own operators, each once."""
    always = settings.mail.to if settings.mail else ()
    people = [
        each.address
        for each in staff_mails.staff(connection, settings)
        if each.role in (Role.ADMIN, Role.APPROVER) or each.carrier == carrier
    ]
    return list(dict.fromkeys((*always, *people)))
