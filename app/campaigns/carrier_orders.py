"""The order to a carrier that sends to its own subscribers: what, where, when, approval."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Connection, select

from app.campaigns import approval, carrier_audience, optimistic_lock, queries
from app.campaigns.optimistic_lock import Record
from app.core import areas, clock
from app.core.areas import Basis
from app.core.errors import Conflict
from app.database.models import directives
from app.ledger import calls
from carriers import text as sms

BASES: dict[Basis, str] = {
    Basis.REGISTERED: "theo địa chỉ đăng ký",
    Basis.SERVING: "theo trạm phục vụ",
    Basis.UNDIVIDED: "không phân địa bàn",
}


@dataclass(frozen=True, slots=True)
class OrderedText:
    """One text exactly as it is to be sent; sha256: of its UTF-8 form, for comparison."""

    language: str
    text: str
    sha256: str
    segments: int


@dataclass(frozen=True, slots=True)
class OrderedArea:
    """An area to reach, by its code and its name on the day of the order."""

    code: str
    name: str


@dataclass(frozen=True, slots=True)
class CarrierOrder:
    """What the carrier's operator is asked to do. areas: none means the whole province.

    digest: what was approved, a hash over texts, sender, window, hours and audience.
    """

    run_id: int
    campaign_id: int
    campaign: str
    carrier: str
    directive: str | None
    report_deadline: datetime | None
    sender: str
    purpose: str
    texts: list[OrderedText]
    areas: list[OrderedArea]
    area_basis: str
    estimated: int
    window_start: datetime | None
    window_end: datetime | None
    day_starts: str
    day_ends: str
    digest: str
    approved_by: str
    approved_at: datetime


def order(connection: Connection, run_id: int) -> CarrierOrder:
    """Return the order of a run whose carrier sends. Raises Conflict for others, or before its approval."""
    run = optimistic_lock.run(connection, run_id)
    held = carrier_audience.of_run(connection, run_id)
    if held is None:
        raise Conflict(
            "Loa sends run {run} from its batches, so there is no order for the carrier.", run=run_id
        )
    calls.refuse(connection, run_id)
    campaign = optimistic_lock.campaign(connection, run.campaign_id)
    decision = approval.require_approved(connection, campaign)
    seen = queries.campaign(connection, campaign.id)
    letter = _letter(connection, campaign.directive_id)
    return CarrierOrder(
        run_id=run_id,
        campaign_id=campaign.id,
        campaign=campaign.name,
        carrier=run.carrier,
        directive=f"{letter.number} ({letter.issued_on})" if letter else None,
        report_deadline=clock.moment(letter.report_deadline) if letter else None,
        sender=campaign.sender,
        purpose=campaign.purpose,
        texts=_texts(campaign),
        areas=_areas(held, campaign),
        area_basis=held.area_basis,
        estimated=held.estimated,
        window_start=seen.window_start,
        window_end=seen.window_end,
        day_starts=campaign.day_starts,
        day_ends=campaign.day_ends,
        digest=decision.digest,
        approved_by=decision.by,
        approved_at=clock.moment(decision.at),
    )


def as_text(order: CarrierOrder) -> str:
    """Render the order as plain text in Vietnamese, for the operator and the file."""
    basis = BASES[Basis(order.area_basis)]
    lines = [
        "YÊU CẦU NHẮN TIN ĐẾN THUÊ BAO DO DOANH NGHIỆP QUẢN LÝ",
        "",
        f"Chiến dịch: {order.campaign} (mã trong Loa: chiến dịch {order.campaign_id}, "
        f"đợt gửi {order.run_id})",
        f"Doanh nghiệp: {order.carrier}",
        f"Văn bản yêu cầu: {order.directive or '(chưa ghi)'}",
        f"Hạn báo cáo: {moment(order.report_deadline)}",
        f"Tên định danh: {order.sender}",
        f"Địa bàn: {areas_in_words(order)}",
        f"Cách xác định địa bàn: {basis}",
        f"Quy mô ước tính: {_number(order.estimated)} thuê bao",
        f"Thời gian gửi: từ {moment(order.window_start)} "
        f"đến {moment(order.window_end)}, mỗi ngày {order.day_starts}–{order.day_ends}",
    ]
    lines += _texts_in_words(order)
    lines += [
        "",
        f"Phê duyệt lúc {moment(order.approved_at)}; mã phê duyệt: {order.digest}",
        "Chỉ gửi đúng nội dung trên. Không chuyển số thuê bao cho bất kỳ ai; chỉ báo lại số liệu tổng hợp.",
    ]
    return "\n".join(lines) + "\n"


def _texts_in_words(order: CarrierOrder) -> Iterator[str]:
    for each in order.texts:
        whose = f" ({each.language})" if each.language else ""
        yield from ("", f"Nội dung{whose}:", each.text)
        yield f"Số bản tin/tin: {each.segments}; mã băm (SHA-256): {each.sha256}"


def areas_in_words(order: CarrierOrder) -> str:
    """List the areas; those that were merged by the campaign's day with the ones that they belong to now."""
    on = _day(order.window_start)
    return "; ".join(_area(area, on) for area in order.areas) or "toàn tỉnh"


def _area(area: OrderedArea, on: date) -> str:
    named = f"{area.name} ({area.code})"
    if areas.find(area.code, on):
        return named
    return f"{named}, nay thuộc {', '.join(areas.name(code, on) for code in areas.rows_of(area.code, on))}"


def _day(start: datetime | None) -> date:
    return clock.local(start or clock.now()).date()


def moment(at: datetime | None) -> str:
    return "(không ấn định)" if at is None else clock.local(at).strftime("%H:%M ngày %d/%m/%Y")


def _number(n: int) -> str:
    return f"{n:,}".replace(",", ".")


def _texts(campaign: Record) -> list[OrderedText]:
    return [
        OrderedText(language, wording, hashlib.sha256(wording.encode()).hexdigest(), sms.segments(wording))
        for language, wording in sorted(campaign.texts.items())
    ]


def _areas(held: carrier_audience.Audience, campaign: Record) -> list[OrderedArea]:
    on = _day(clock.from_ms(campaign.window_start) if campaign.window_start else None)
    return [OrderedArea(code, areas.name(code, on)) for code in held.areas]


def _letter(connection: Connection, directive_id: int | None) -> Record | None:
    return connection.execute(select(directives).where(directives.c.id == directive_id)).first()
