"""Addressees of a directive: who must report, what each reported, who is late, totals by channel."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, select

from app.core.areas import fold
from app.core.errors import no_such
from app.database.models import addressees, directives, outreach
from app.ledger.directive_deadline import held_at
from app.reports.figures.document_meta import PaperMeta, joined, paper


class AddresseeKind(StrEnum):
    """Groups of addressees, in the order of the consolidated report."""

    DEPARTMENT = "department"
    LOCALITY = "locality"
    UNION = "union"
    PRESS = "press"
    BANK = "bank"
    CARRIER = "carrier"
    OTHER = "other"


KINDS: dict[AddresseeKind, str] = {
    AddresseeKind.DEPARTMENT: "Sở, ban, ngành",
    AddresseeKind.LOCALITY: "Ủy ban nhân dân các cấp",
    AddresseeKind.UNION: "Mặt trận, đoàn thể",
    AddresseeKind.PRESS: "Báo, đài",
    AddresseeKind.BANK: "Ngân hàng",
    AddresseeKind.CARRIER: "Doanh nghiệp viễn thông",
    AddresseeKind.OTHER: "Cơ quan, đơn vị khác",
}

# Parts of names, folded, most specific first: "Viễn thông Quân đội" is Viettel, "Viễn thông Sơn La" VNPT.
_CARRIER_NAMES = {"viettel": "viettel", "vienthongquandoi": "viettel", "vinaphone": "vnpt", "vnpt": "vnpt"}
_CARRIER_NAMES |= {"mobifone": "mobifone", "mobiphone": "mobifone", "vietnamobile": "vietnamobile"}
_CARRIER_NAMES |= {"gmobile": "gmobile", "buuchinhvienthong": "vnpt"}
# Short names match whole words only; _BRANCH begins the name of VNPT's branch in a province.
_CARRIER_WORDS = {"itel": "itel", "itelecom": "itel", "gtel": "gmobile", "mobi": "mobifone"}
_BRANCH = ("vienthong", "trungtamvienthong")
_EVERY = ("cac", "nhung")  # plural articles, as in "Các ngân hàng"
# First words of names, folded. A guess only: a person may set another kind.
_FIRST_WORDS: dict[AddresseeKind, str] = {
    AddresseeKind.PRESS: "bao dai trungtamtruyenthong congthongtin coquanbaochi",
    AddresseeKind.BANK: "nganhang agribank vietcombank bidv vietinbank nhnn",
    AddresseeKind.LOCALITY: "ubnd uybannhan congan huyen thanhpho thixa xa phuong",
    AddresseeKind.UNION: "mattran mttq uybanmttq uybanmat hoi doan doanthe tinhdoan liendoan congdoan",
    AddresseeKind.DEPARTMENT: "so ban chicuc cuc vanphong thanhtra truong benhvien",
}
_KIND_OF = {words: kind for kind, all_words in _FIRST_WORDS.items() for words in all_words.split()}


class OutreachChannel(StrEnum):
    MEETING = "meeting"
    LOUDSPEAKER = "loudspeaker"
    PRINT = "print"
    RADIO = "radio"
    TELEVISION = "television"
    WEBSITE = "website"
    SOCIAL = "social"
    COUNTER = "counter"
    NOTICE = "notice"
    OTHER = "other"


CHANNELS: dict[OutreachChannel, str] = {
    OutreachChannel.MEETING: "Hội nghị, họp bản/tổ dân phố",
    OutreachChannel.LOUDSPEAKER: "Loa truyền thanh",
    OutreachChannel.PRINT: "Báo in, tờ rơi, pa nô",
    OutreachChannel.RADIO: "Phát thanh",
    OutreachChannel.TELEVISION: "Truyền hình",
    OutreachChannel.WEBSITE: "Cổng/trang thông tin điện tử",
    OutreachChannel.SOCIAL: "Mạng xã hội",
    OutreachChannel.COUNTER: "Tại quầy, điểm giao dịch",
    OutreachChannel.NOTICE: "Thông báo trong ứng dụng, thư điện tử",
    OutreachChannel.OTHER: "Hình thức khác",
}


@dataclass(frozen=True, slots=True)
class OutreachItem:
    """What was done through one channel: `pieces` (items, broadcasts, meetings), `reach` in people or views.

    None means not stated. minutes: of broadcasts; languages: as in "phổ thông, Thái"; link: a URL.
    """

    channel: OutreachChannel
    pieces: int
    reach: int | None = None
    minutes: int | None = None
    languages: str = ""
    url: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Addressee:
    """Who must report. `id` is None while only the directive names it; `carrier`: whose runs count."""

    id: int | None
    directive_id: int
    name: str
    kind: AddresseeKind
    carrier: str | None = None
    email: str | None = None


@dataclass(frozen=True, slots=True)
class Outreach:
    """One version of an addressee's own report."""

    addressee: str
    items: tuple[OutreachItem, ...]
    paper: PaperMeta


@dataclass(frozen=True, slots=True)
class AddresseeStatus:
    """An addressee's latest report and when its first arrived (ms since 1970); None for none yet.

    late: the first report came after the deadline, or is still missing after it.
    """

    addressee: Addressee
    report: Outreach | None
    first_ms: int | None
    late: bool


@dataclass(frozen=True, slots=True)
class ChannelTotal:
    """Sum of all latest reports for one channel; reach and minutes cover only the items that state them.

    None: no item states it.
    """

    channel: OutreachChannel
    units: int
    pieces: int
    reach: int | None
    minutes: int | None


def of_directive(connection: Connection, directive_id: int) -> list[Addressee]:
    """Return the addressees named in the directive, in its order, then those added later.

    Raises NotFound without a directive.
    """
    d = directives.c
    names = connection.execute(select(d.addressees).where(d.id == directive_id)).scalar()
    if names is None:
        raise no_such("directive", directive_id, field="directive_id")
    query = select(addressees).where(addressees.c.directive_id == directive_id).order_by(addressees.c.id)
    known = {
        row.name: Addressee(row.id, directive_id, row.name, AddresseeKind(row.kind), row.carrier, row.email)
        for row in connection.execute(query)
    }
    order = dict.fromkeys([*names, *known])
    return [known.get(name) or guessed(directive_id, name) for name in order]


def issued_on(connection: Connection, directive_id: int) -> str:
    """Return the day of the directive's letter, as an ISO date."""
    query = select(directives.c.issued_on).where(directives.c.id == directive_id)
    return str(connection.execute(query).scalar_one())


def guessed(directive_id: int, name: str) -> Addressee:
    words = _words(name)
    carrier = _carrier(words)
    if carrier is not None:
        return Addressee(None, directive_id, name, AddresseeKind.CARRIER, carrier)
    kinds = (_KIND_OF[first] for n in (4, 3, 2, 1) if (first := "".join(words[:n])) in _KIND_OF)
    return Addressee(None, directive_id, name, next(kinds, AddresseeKind.OTHER))


def _words(name: str) -> list[str]:
    """Return the folded words of a name, without leading bullets, numbers and "các"."""
    words = [word for part in name.split() if (word := fold(part))]
    while len(words) > 1 and (words[0].isdigit() or words[0] in _EVERY):
        words = words[1:]
    return words


def _carrier(words: Sequence[str]) -> str | None:
    whole = "".join(words)
    parts = (carrier for part, carrier in _CARRIER_NAMES.items() if part in whole)
    short = (_CARRIER_WORDS[word] for word in words if word in _CARRIER_WORDS)
    known = next(parts, None) or next(short, None)
    return known or ("vnpt" if whole.startswith(_BRANCH) else None)


def reports(
    connection: Connection, directive_id: int, until_ms: int | None = None
) -> dict[int, list[Outreach]]:
    """Return all versions of reports by addressee id, oldest first; `until_ms`: as of then."""
    query = joined(outreach).join(addressees, addressees.c.id == outreach.c.addressee_id)
    query = query.add_columns(addressees.c.name).where(addressees.c.directive_id == directive_id)
    if until_ms is not None:
        query = query.where(outreach.c.at <= until_ms)
    found: dict[int, list[Outreach]] = {}
    for row in connection.execute(query.order_by(outreach.c.addressee_id, outreach.c.version)):
        items = tuple(_item(each) for each in row.items)
        found.setdefault(row.addressee_id, []).append(Outreach(row.name, items, paper(row)))
    return found


def _item(stored: Mapping[str, Any]) -> OutreachItem:
    return OutreachItem(**{**stored, "channel": OutreachChannel(stored["channel"])})


def addressee_statuses(
    connection: Connection, directive_id: int, now_ms: int, until_ms: int | None = None
) -> list[AddresseeStatus]:
    """Return every addressee but the carriers, whose part app/directives/status.py reads from runs."""
    query = select(directives.c.report_deadline).where(directives.c.id == directive_id)
    found, deadline = reports(connection, directive_id, until_ms), connection.execute(query).scalar()
    deadline = held_at(connection, directive_id, deadline, now_ms)
    asked = of_directive(connection, directive_id)
    return [
        _status(each, found.get(each.id or 0, []), deadline, now_ms)
        for each in asked
        if each.kind is not AddresseeKind.CARRIER
    ]


def _status(
    addressee: Addressee, versions: list[Outreach], deadline: int | None, now_ms: int
) -> AddresseeStatus:
    first = versions[0].paper.received_ms if versions else None
    return AddresseeStatus(
        addressee, versions[-1] if versions else None, first, is_late(first, deadline, now_ms)
    )


def is_late(first_ms: int | None, deadline_ms: int | None, now_ms: int) -> bool:
    """Return whether a report received at `first_ms` (None: not yet) is late at `now_ms`."""
    return deadline_ms is not None and (now_ms if first_ms is None else first_ms) > deadline_ms


def totals(statuses: Iterable[AddresseeStatus], unsaid: int | None = None) -> list[ChannelTotal]:
    """Sum the latest reports by channel, in the order of the form; unused channels are left out.

    unsaid: for what no item states.
    """
    items = [(n, item) for n, each in enumerate(statuses) if each.report for item in each.report.items]
    return [
        _total(channel, own, unsaid)
        for channel in OutreachChannel
        if (own := [pair for pair in items if pair[1].channel is channel])
    ]


def stated_sum(numbers: Iterable[int | None], unsaid: int | None = None) -> int | None:
    """Sum the numbers that are stated; `unsaid` if none is."""
    known = [n for n in numbers if n is not None]
    return sum(known) if known else unsaid


def _total(
    channel: OutreachChannel, items: list[tuple[int, OutreachItem]], unsaid: int | None
) -> ChannelTotal:
    return ChannelTotal(
        channel=channel,
        units=len({n for n, _ in items}),
        pieces=sum(item.pieces for _, item in items),
        reach=stated_sum((item.reach for _, item in items), unsaid),
        minutes=stated_sum((item.minutes for _, item in items), unsaid),
    )
