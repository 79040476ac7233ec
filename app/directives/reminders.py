"""Reminders: one notice for each configured day, addressee and channel, never twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from app.campaigns import directives
from app.campaigns.directives import Directive
from app.core import clock
from app.core.config import Settings
from app.core.masking import one_line
from app.database.models import directives as table
from app.directives.status import Missing, Status, countdown, days_left, status
from app.notifications import staff_mails
from app.notifications.outbox import Notice, NotificationChannel

KIND = "directive.due"
# A day missed by more than this is skipped: nobody wants last week's reminders at once.
_GRACE = timedelta(days=1)


def due(connection: Connection, settings: Settings, now: datetime) -> list[Notice]:
    """Return the reminders whose day has come at `now` (aware); the outbox drops those it has already."""
    return [
        notice
        for letter, days in _letters(connection, settings.reminder_days, now)
        for notice in notices(connection, letter, days, settings, now)
    ]


def _letters(connection: Connection, days: Sequence[int], now: datetime) -> Iterator[tuple[Directive, int]]:
    """Yield each directive with the configured day that has come."""
    if not days:
        return
    first = clock.to_ms(now + timedelta(days=min(days)) - _GRACE)
    last = clock.to_ms(now + timedelta(days=max(days)))
    near = select(table.c.id).where(table.c.report_deadline.between(first, last)).order_by(table.c.id)
    for directive_id in connection.execute(near).scalars().all():
        letter = directives.get(connection, directive_id)
        for day in days:
            if letter.report_deadline and _is_due(letter.report_deadline - timedelta(days=day), now):
                yield letter, day


def _is_due(moment: datetime, now: datetime) -> bool:
    return moment <= now < moment + _GRACE


def notices(
    connection: Connection, letter: Directive, days: int, settings: Settings, now: datetime
) -> list[Notice]:
    """Return the notices for `days` before the deadline (negative: after it); none if nothing is missing."""
    found = status(connection, letter.id, now)
    missing = found.missing
    if not missing:
        return []
    key = f"directive/{letter.id}/due/{days}"
    if put_off := len(letter.deadline_changes):  # another deadline is reminded of anew
        key += f"/{put_off}"
    return [
        *(_to_addressees(letter, missing, key, now) if settings.mail else ()),
        *(_to_office(letter, missing, key, _office(connection, settings), now) if settings.mail else ()),
        *_to_operators(connection, letter, found, key, settings, now),
        *_to_endpoints(letter, missing, key, settings, now),
    ]


def _to_addressees(
    letter: Directive, missing: Sequence[Missing], key: str, now: datetime
) -> Iterator[Notice]:
    """Write one e-mail to each address, however many things are missing."""
    for address in dict.fromkeys(each.email for each in missing if each.email):
        own = [each for each in missing if each.email == address]
        text = "\n".join(
            [
                f"Kính gửi: {', '.join(dict.fromkeys(one_line(each.who) for each in own))}",
                "",
                f"{_about(letter)}, hạn báo cáo là {_moment(letter.report_deadline)} "
                f"({countdown(letter.report_deadline, now)}).",
                *([f"Căn cứ: {_ended(letter.legal_basis)}"] if letter.legal_basis else []),
                "Đến nay còn thiếu:",
                *(f"- {one_line(each.what)}" for each in own),
                "",
                *([f"Cần trao đổi, xin liên hệ: {_ended(letter.contact)}", ""] if letter.contact else []),
                "Nếu đã gửi báo cáo, xin bỏ qua thư này. Thư do hệ thống Loa gửi tự động.",
                "",
            ]
        )
        yield Notice(
            f"{key}/email/{address}"[:200], KIND, NotificationChannel.EMAIL, address, _mail(letter, text)
        )


def _office(connection: Connection, settings: Settings) -> list[str]:
    """Return who gathers the reports, and the people who decide on campaigns; each address once."""
    admins = [each.address for each in staff_mails.staff(connection, settings) if each.carrier is None]
    return list(dict.fromkeys([*(settings.mail.to if settings.mail else ()), *admins]))


def _to_office(
    letter: Directive, missing: Sequence[Missing], key: str, addresses: Sequence[str], now: datetime
) -> Iterator[Notice]:
    """Write the whole list to those who gather the reports."""
    lines = [f"- {one_line(each.who)}: {one_line(each.what)}" for each in missing]
    head = f"{_about(letter)}: {countdown(letter.report_deadline, now)}. Còn thiếu {len(missing)} mục:"
    text = "\n".join([head, *lines, ""])
    for address in addresses:
        yield Notice(
            f"{key}/desk/{address}"[:200], KIND, NotificationChannel.EMAIL, address, _mail(letter, text)
        )


def _to_operators(
    connection: Connection, letter: Directive, status: Status, key: str, settings: Settings, now: datetime
) -> Iterator[Notice]:
    """Write to each operator what is missing of the own carrier's runs."""
    for each in staff_mails.staff(connection, settings):
        own = [run for run in status.runs if run.missing and run.carrier == each.carrier]
        if own:
            lines = [
                f"- {one_line(run.campaign)} (đợt {run.run_id}): {one_line(run.missing or '')}" for run in own
            ]
            head = (
                f"{_about(letter)}: {countdown(letter.report_deadline, now)}. Còn thiếu ở nhà mạng của bạn:"
            )
            text, target = "\n".join([head, *lines, ""]), each.address
            yield Notice(
                f"{key}/operator/{target}"[:200], KIND, NotificationChannel.EMAIL, target, _mail(letter, text)
            )


def _mail(letter: Directive, text: str) -> dict[str, str]:
    subject = f"Nhắc báo cáo theo văn bản {one_line(letter.number)}, hạn {_moment(letter.report_deadline)}"
    return {"subject": subject, "text": text}


def _to_endpoints(
    letter: Directive, missing: Sequence[Missing], key: str, settings: Settings, now: datetime
) -> Iterator[Notice]:
    deadline = letter.report_deadline
    data = {
        "directive_id": letter.id,
        "number": letter.number,
        "legal_basis": letter.legal_basis,
        "contact": letter.contact,
        "report_deadline": deadline.isoformat() if deadline else None,
        "days": days_left(deadline, now) if deadline else None,  # as the mails say
        "missing": [{"who": each.who, "what": each.what, "late": each.late} for each in missing],
    }
    payload = {"type": KIND, "timestamp": clock.now().isoformat(), "data": data}
    for name, endpoint in settings.endpoints.items():
        if {KIND, "*"} & set(endpoint.events):
            yield Notice(f"{key}/endpoint/{name}", KIND, NotificationChannel.WEBHOOK, name, payload)


def _about(letter: Directive) -> str:
    day = letter.issued_on.strftime("%d/%m/%Y")
    number, issuer, subject = map(one_line, (letter.number, letter.issuer, letter.subject))
    return f"Văn bản số {number} ngày {day} của {issuer} về việc “{subject}”"


def _ended(text: str) -> str:
    """Return it as a sentence, with one full stop at its end."""
    line = one_line(text)
    return line if line.endswith((".", "!", "?", "…")) else f"{line}."


def _moment(at: datetime | None) -> str:
    return "" if at is None else clock.local(at).strftime("%H:%M ngày %d/%m/%Y")
