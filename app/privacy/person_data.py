"""What is held on one number: where, since when, why, and who has looked for it; audited, and as a paper.

Lists are searched row by row, since no index has their numbers: seconds for millions, and no writer waits.
"""

from __future__ import annotations

import hashlib
import io
import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, FromClause, Select, func, or_, select

from app.core import areas, clock
from app.core.masking import mask_written, names
from app.core.phone import mask, one_mobile
from app.database.connection import Database
from app.database.models import (
    addressees,
    api_keys,
    approvals,
    audit,
    batches,
    campaigns,
    deliveries,
    directives,
    do_not_send,
    inbound_messages,
    issued_reports,
    links,
    outreach,
    panel_telephones,
    people,
    person_requests,
    quarantine,
    receipt_files,
    receipt_lines,
    receipts,
    report_files,
    runs,
    sender_names,
    statements,
    subscribers,
)
from app.dispatch.find_person import ACTION, READ, number_tag, require_few
from app.reports.frozen.freeze_record import ISSUED
from app.security import Caller, row_stamps
from app.security import audit as acts

_WORDS_OF_PAPER, _END = "word/document.xml", "</w:p>"
_MARKUP = re.compile("<[^<>]*>")


class WrittenPlace(NamedTuple):
    """A record that names the number. name: as acts of the audit call it; n: rows."""

    name: str
    n: int
    since: int


def find(connection: Connection, phone: int) -> Iterator[WrittenPlace]:
    """Yield each record whose words have the number, once."""
    for noun, of, number, since, columns in _records():
        found: dict[Any, list[int]] = {}
        for row in connection.execute(select(number, since, *columns).select_from(of).order_by(number)):
            if any(names(said, phone) for said in _texts(row[2:])):
                found.setdefault(row[0], []).append(row[1])
        for key, times in found.items():
            yield WrittenPlace(f"{noun}/{key}", len(times), min(times))
    yield from _papers(connection, phone)
    yield from _accounts(connection, phone)


def _records() -> Iterator[tuple[str, FromClause, ColumnElement[Any], ColumnElement[int], tuple[Any, ...]]]:
    """Yield noun, rows, the record's number, since when, and the columns of words."""
    c, d, o, s = campaigns.c, directives.c, outreach.c, statements.c
    yield "campaign", campaigns, c.id, c.created_at, (c.name, c.wording, c.texts)
    a = approvals.c
    yield "approval", approvals, a.id, a.at, (a.reason,)
    words = (d.number, d.issuer, d.subject, d.addressees, d.legal_basis, d.contact)
    yield "directive", directives, d.id, d.created_at, words
    own = addressees.join(directives, addressees.c.directive_id == d.id)
    yield "addressee", own, addressees.c.id, d.created_at, (addressees.c.name,)
    n = sender_names.c
    yield "sender-name", sender_names, n.id, n.changed_at, (n.contact, n.template, n.remarks)
    for noun, table, of in (("statement", statements, s), ("outreach", outreach, o)):
        yield noun, table, of.id, of.at, (of.number, of.reason, of.note)


def _texts(values: Any) -> Iterator[str]:
    """Yield each text in columns, of which some are lists or have texts by language."""
    for value in values:
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            yield from _texts(value.values())
        elif isinstance(value, list):
            yield from _texts(value)


def _papers(connection: Connection, phone: int) -> Iterator[WrittenPlace]:
    """Yield issued reports: their remarks stand in the papers alone."""
    f, i = report_files.c, issued_reports.c
    query = select(f.report_id, i.at, f.content).join(issued_reports, i.report_id == f.report_id)
    query = query.where(f.format == f"{ISSUED}docx").order_by(f.report_id)
    for row in connection.execute(query).yield_per(1):
        with zipfile.ZipFile(io.BytesIO(row.content)) as paper:
            if any(names(said, phone) for said in _paragraphs(paper.read(_WORDS_OF_PAPER).decode())):
                yield WrittenPlace(f"report/{row.report_id}", 1, row.at)


def _paragraphs(paper: str) -> Iterator[str]:
    """Yield the words of each paragraph, so that figures of two are not read as one number."""
    for each in paper.split(_END):
        yield _MARKUP.sub("", each)


def _accounts(connection: Connection, phone: int) -> Iterator[WrittenPlace]:
    """Yield keys and persons who are named by the number, and the acts that name them so."""
    a, called = audit.c, list[str]()
    for noun, table in (("key", api_keys), ("person", people)):
        for row in connection.execute(select(table.c.name, table.c.created_at).order_by(table.c.name)):
            if names(row.name, phone):
                called += (row.name, f"{noun}/{row.name}")
                yield WrittenPlace(f"{noun}/{mask_written(row.name)}", 1, row.created_at)
    if called:
        mine = or_(a.who.in_(called), a.subject.in_(called))
        n, first = connection.execute(select(func.count(), func.min(a.at)).where(mine)).one()
        if n:
            yield WrittenPlace("audit", n, first)


_SLICE = 10_000  # texts of one query


class HeldKind(StrEnum):
    """Where a number is held."""

    LIST = "list"  # a file of numbers that was handed in
    MESSAGE = "message"  # a message to it
    RECEIPTS = "receipts"  # what the carrier said of such a message
    RESULT_FILE = "result_file"  # a line of a carrier's file
    QUARANTINE = "quarantine"  # a receipt that matches no message
    INBOUND = "inbound"  # a message from it
    DO_NOT_SEND = "do_not_send"  # that it wants none
    PANEL = "panel"  # a test telephone, with its holder's consent
    ASKED = "asked"  # what its holder asks about it, as long as that is not answered
    NAMED = "named"  # a message of somebody else that has it in its text
    WRITTEN = "written"  # a name, reason, letter or paper of the agency that has it in its words


class HeldWhy(StrEnum):
    """Why it is held."""

    TASK = "task"  # to carry out an official letter's campaign, and to report on it
    PROOF = "proof"  # to prove what was sent and received, until the report's term is over
    REQUEST = "request"  # to heed what its holder asked for
    OTHERS = "others"  # words of somebody else, until their own term is over
    RECORDS = "records"  # part of the agency's records, which the program does not erase


_WHY = {
    HeldKind.LIST: HeldWhy.TASK,
    HeldKind.MESSAGE: HeldWhy.TASK,
    HeldKind.RECEIPTS: HeldWhy.PROOF,
    HeldKind.RESULT_FILE: HeldWhy.PROOF,
    HeldKind.QUARANTINE: HeldWhy.PROOF,
    HeldKind.INBOUND: HeldWhy.REQUEST,
    HeldKind.DO_NOT_SEND: HeldWhy.REQUEST,
    HeldKind.PANEL: HeldWhy.TASK,
    HeldKind.ASKED: HeldWhy.REQUEST,
    HeldKind.NAMED: HeldWhy.OTHERS,
    HeldKind.WRITTEN: HeldWhy.RECORDS,
}


@dataclass(frozen=True, slots=True)
class HeldData:
    """One place. name: of the list, campaign, file or carrier; n: rows there; area: as the list has it.

    by: who handed it in; null where a carrier or its holder did.
    """

    kind: HeldKind
    why: HeldWhy
    name: str
    carrier: str
    n: int
    since: datetime
    area: str | None = None
    by: str | None = None


@dataclass(frozen=True, slots=True)
class NumberSighting:
    """Who has looked for the number, or read what is held on it."""

    who: str
    at: datetime
    action: str


@dataclass(frozen=True, slots=True)
class PersonData:
    """All that is held on a number, masked. seen: who has looked for it; null without a secret_key, since
    the audit has no number then. paper: the same for who asks, in Vietnamese; sha256, seal: over it; seal: by
    the key, null without one."""

    phone: str
    at: datetime
    held: list[HeldData]
    seen: list[NumberSighting] | None
    paper: str = ""
    sha256: str = ""
    seal: str | None = None


def person_data(db: Database, number: str, who: Caller) -> PersonData:
    """Return what is held on this exact number; the audit has who asked before the answer is given."""
    phone = one_mobile(number)
    db.read(require_few, who.name)
    held = db.read(held_on, phone)
    return db.write(_noted, phone, held, who)


def _noted(connection: Connection, phone: int, held: list[HeldData], who: Caller) -> PersonData:
    seen, tag = _seen(connection, phone), number_tag(connection, phone)
    details = {"tag": tag} if tag else {}
    acts.note(connection, who.name, READ, f"phone/{mask(phone)}", places=len(held), **details)
    now = clock.local(clock.now())
    found = PersonData(mask(phone), now, held, seen)
    text = "\n".join(_paper(found)) + "\n"
    seal = row_stamps.make(connection, f"{READ} {text}".encode())
    return replace(found, paper=text, sha256=hashlib.sha256(text.encode()).hexdigest(), seal=seal)


def _seen(connection: Connection, phone: int) -> list[NumberSighting] | None:
    """Return who has looked for the number, by its keyed tag."""
    tag = number_tag(connection, phone)
    if tag is None:
        return None
    a = audit.c
    query = select(a.who, a.at, a.action, a.detail).where(a.action.in_((ACTION, READ)))
    masked = query.where(a.subject == f"phone/{mask(phone)}").order_by(a.id)
    return [
        NumberSighting(row.who, clock.moment(row.at), row.action)
        for row in connection.execute(masked)
        if row.detail.get("tag") == tag
    ]


def held_on(connection: Connection, phone: int) -> list[HeldData]:
    """Return where this number is held, oldest first."""
    return sorted(_held(connection, phone), key=lambda item: item.since)


def _held(connection: Connection, phone: int) -> Iterator[HeldData]:
    yield from _lists(connection, phone)
    yield from _messages(connection, phone)
    for kind, query in _others(phone):
        for row in connection.execute(query):
            yield _place(kind, row.name, row.carrier, row.n, row.since)
    yield from _named(connection, phone)
    for record in find(connection, phone):
        yield _place(HeldKind.WRITTEN, record.name, "", record.n, record.since)
    n = do_not_send.c
    for row in connection.execute(select(do_not_send).where(n.phone == phone).order_by(n.carrier)):
        yield _place(HeldKind.DO_NOT_SEND, row.carrier, row.carrier, 1, row.added_at, by=row.added_by)
    t = panel_telephones.c
    for row in connection.execute(select(panel_telephones).where(t.phone == phone)):
        yield _place(HeldKind.PANEL, f"panel/{row.id}", row.carrier, 1, row.added_at, by=row.added_by)
    yield from asked(connection, phone)


def asked(connection: Connection, phone: int, but: int | None = None) -> Iterator[HeldData]:
    """Yield the open requests about the number, each of which has it. but: the one that is being answered."""
    q = person_requests.c
    query = select(person_requests).where(q.phone == phone, q.id.is_distinct_from(but)).order_by(q.id)
    for row in connection.execute(query):
        yield _place(HeldKind.ASKED, row.reference, "", 1, row.recorded_at, by=row.recorded_by)


def _place(kind: HeldKind, name: str, carrier: str, n: int, since: int, **more: str | None) -> HeldData:
    return HeldData(kind, _WHY[kind], name, carrier, n, clock.moment(since), **more)


def _lists(connection: Connection, phone: int) -> Iterator[HeldData]:
    s, b = subscribers.c, batches.c
    query = select(b.name, b.carrier, b.created_at, b.created_by, s.area).join(batches, b.id == s.batch_id)
    today = clock.local(clock.now()).date()
    for row in connection.execute(query.where(s.phone == phone).order_by(b.id)):
        area = None if row.area is None else areas.name(row.area, today)
        yield _place(HeldKind.LIST, row.name, row.carrier, 1, row.created_at, area=area, by=row.created_by)


def _messages(connection: Connection, phone: int) -> Iterator[HeldData]:
    """Ask each campaign by (campaign, phone), which is an index, and its receipts by the message."""
    d, r, c = deliveries.c, receipts.c, campaigns.c
    every = connection.execute(select(c.id, c.name).order_by(c.id)).all()
    for campaign in every:
        own = select(d.batch_id, d.seq, d.run_id, d.submitted_at)
        row = connection.execute(own.where(d.campaign_id == campaign.id, d.phone == phone)).first()
        if row is None:
            continue
        run: Any = connection.execute(select(runs).where(runs.c.id == row.run_id)).one()
        since = row.submitted_at or run.started_at or run.created_at
        name = mask_written(campaign.name)  # it may have a number from before names took none
        yield _place(HeldKind.MESSAGE, name, run.carrier, 1, since)
        these = (r.campaign_id == campaign.id, r.batch_id == row.batch_id, r.seq == row.seq)
        n, first = connection.execute(select(func.count(), func.min(r.received_at)).where(*these)).one()
        if n:
            yield _place(HeldKind.RECEIPTS, name, run.carrier, n, first)


def _others(phone: int) -> Iterator[tuple[HeldKind, Select[Any]]]:
    f, line, m, q = receipt_files.c, receipt_lines.c, inbound_messages.c, quarantine.c
    found = select(f.name, f.carrier, func.count().label("n"), f.created_at.label("since"))
    of_files = found.join(receipt_lines, line.file_id == f.id).where(line.phone == phone)
    yield HeldKind.RESULT_FILE, of_files.group_by(f.id, f.name, f.carrier, f.created_at).order_by(f.id)
    for kind, column in ((HeldKind.QUARANTINE, q), (HeldKind.INBOUND, m)):
        said = (func.count().label("n"), func.min(column.received_at).label("since"))
        query = select(links.c.name, links.c.carrier, *said).join(links, links.c.id == column.link_id)
        yield kind, query.where(column.phone == phone).group_by(links.c.name, links.c.carrier)


def _named(connection: Connection, phone: int) -> Iterator[HeldData]:
    """Read the texts of all others, slice by slice: a number is spelt in too many ways to ask for it."""
    m, after, found = inbound_messages.c, 0, dict[int, list[int]]()
    others = or_(m.phone.is_(None), m.phone != phone)
    query = select(m.id, m.link_id, m.received_at, m.text).where(others).order_by(m.id).limit(_SLICE)
    while rows := connection.execute(query.where(m.id > after)).all():
        for row in rows:
            if names(row.text, phone):
                found.setdefault(row.link_id, []).append(row.received_at)
        after = rows[-1].id
    own = select(links.c.id, links.c.name, links.c.carrier).where(links.c.id.in_(found))
    for link in connection.execute(own.order_by(links.c.id)):
        times = found[link.id]
        yield _place(HeldKind.NAMED, link.name, link.carrier, len(times), min(times))


# ---- The paper

KINDS = {
    HeldKind.LIST: "Danh sách thuê bao",
    HeldKind.MESSAGE: "Tin nhắn gửi đến số này",
    HeldKind.RECEIPTS: "Biên nhận của tin đã gửi",
    HeldKind.RESULT_FILE: "Tệp kết quả của nhà mạng",
    HeldKind.QUARANTINE: "Biên nhận chưa khớp tin nào",
    HeldKind.INBOUND: "Tin nhắn từ số này",
    HeldKind.DO_NOT_SEND: "Danh sách không gửi",
    HeldKind.PANEL: "Tổ máy kiểm chứng (có sự đồng ý của người giữ máy)",
    HeldKind.ASKED: "Yêu cầu của chủ thuê bao, đang giải quyết",
    HeldKind.NAMED: "Tin nhắn của người khác có nêu số này",
    HeldKind.WRITTEN: "Hồ sơ của đơn vị có nêu số này",
}
WHYS = {
    HeldWhy.TASK: "thực hiện chiến dịch theo công văn",
    HeldWhy.PROOF: "chứng minh kết quả gửi, đến hết thời hạn lưu",
    HeldWhy.REQUEST: "thực hiện yêu cầu của chủ thuê bao",
    HeldWhy.OTHERS: "là lời của người khác, lưu đến hết thời hạn của tin đó",
    HeldWhy.RECORDS: "là hồ sơ của đơn vị, chương trình không xóa",
}


def place_name(held: HeldData) -> str:
    """Return what a paper calls the place."""
    return f"{KINDS[held.kind]}: {held.name}" + (f" ({held.carrier})" if held.carrier else "")


def _paper(person: PersonData) -> list[str]:
    """Return the lines of the document for the person who asked what is held on the number."""
    lines = [
        "DỮ LIỆU CÁ NHÂN ĐANG LƯU VỀ MỘT SỐ THUÊ BAO",
        f"Số thuê bao: {person.phone}",
        f"Thời điểm tra cứu: {person.at:%H:%M:%S %d/%m/%Y}",
        "",
        f"Đang lưu ở {len(person.held)} nơi:" if person.held else "Không lưu dữ liệu nào về số này.",
    ]
    for n, each in enumerate(person.held, 1):
        area = f"; địa bàn: {each.area}" if each.area else ""
        by = f"; người nhập: {each.by}" if each.by else ""
        lines.append(
            f"{n}. {place_name(each)}, {each.n} dòng, từ "
            f"{each.since:%H:%M %d/%m/%Y}{area}{by}; mục đích: {WHYS[each.why]}."
        )
    return [*lines, "", *_who(person.seen)]


def _who(seen: Sequence[NumberSighting] | None) -> list[str]:
    if seen is None:
        return ["Ai đã tra cứu số này: không xác định được, vì chưa đặt secret_key."]
    if not seen:
        return ["Chưa ai tra cứu số này trước lần này."]
    return ["Đã tra cứu số này:", *(f"- {each.who}, {each.at:%H:%M %d/%m/%Y}" for each in seen)]


def whole_paper(person: PersonData) -> str:
    """Return the paper with its digest and seal."""
    end = [f"SHA-256: {person.sha256}", f"Dấu xác nhận: {person.seal or 'không có khóa'}"]
    return "\n".join([person.paper, *end]) + "\n"
