"""Answer what a person asks about their own data: carry it out or refuse it, and write the paper."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from sqlalchemy import Connection, Row, Table, exists, func, or_, select, update
from sqlalchemy import delete as delete_from

from app.campaigns.approval import FourEyes
from app.core import clock
from app.core.errors import Conflict
from app.core.masking import mask_written
from app.core.phone import mask
from app.core.states import BatchState
from app.database.connection import Database
from app.database.models import (
    batches,
    follow_ups,
    inbound_messages,
    panel_telephones,
    person_requests,
    quarantine,
    receipt_files,
    run_batches,
    subscribers,
)
from app.inbound.reply_kinds import ReplyKind
from app.ledger import batch_rows
from app.ledger.ledger import Ledger
from app.ledger.row_locking import lock_batches
from app.privacy import certificates, do_not_send
from app.privacy import person_requests as requests
from app.privacy.person_data import WHYS, HeldData, HeldKind, asked, held_on, person_data, place_name
from app.privacy.person_requests import PersonRequest, RequestKind, RequestOutcome
from app.security import Caller, audit
from app.security.credential_provenance import behind, shared
from app.security.principal import base_name
from app.telephone_panel import register

_AT_ONCE = 500
_STAY = (HeldKind.MESSAGE, HeldKind.RECEIPTS, HeldKind.RESULT_FILE, HeldKind.NAMED, HeldKind.WRITTEN)


@dataclass(frozen=True, slots=True)
class UnusedLine:
    """The number's line in a batch that no campaign uses, with the rows' digest before and without it."""

    batch_id: int
    seq: int
    before: str | None
    after: str


@dataclass(frozen=True, slots=True)
class ErasablePerson:
    """What can be erased of a number, by key, and what has to be kept."""

    phone: int
    inbound: Sequence[int]
    quarantine: Sequence[int]
    lines: Sequence[UnusedLine]
    kept: Sequence[HeldData]
    imported: frozenset[tuple[str, int]]  # the files that were looked through


def find(connection: Connection, phone: int) -> ErasablePerson:
    """Find what can be erased of this number, and what has to be kept.

    Raises Conflict while a file is imported, which may have the number.
    """
    imported = _imported(connection)  # first: what comes in during the look is missing here
    m, q = inbound_messages.c, quarantine.c
    mine = or_(m.kind.is_(None), m.kind != ReplyKind.REPORT.value)
    came = connection.execute(select(m.id).where(m.phone == phone, mine)).scalars().all()
    waits = connection.execute(select(q.id).where(q.phone == phone)).scalars().all()
    lines = _unused(connection, phone)
    return ErasablePerson(phone, came, waits, lines, _kept_places(connection, phone, lines), imported)


def _imported(connection: Connection) -> frozenset[tuple[str, int]]:
    """Return the files whose import is over. Raises Conflict for one that is at work or was broken off."""
    _require_none_importing(connection)
    return frozenset(
        (table.name, row_id)
        for table in (batches, receipt_files)
        for row_id in connection.execute(
            select(table.c.id).where(table.c.state == BatchState.READY)
        ).scalars()
    )


def _require_none_importing(connection: Connection) -> None:
    if (batch := _first_importing(connection, batches)) is not None:
        raise Conflict(
            "Batch {batch} is being imported and may contain the number. Answer again when the "
            "import is finished. If it has stalled, upload the same file again.",
            batch=batch,
        )
    if (file := _first_importing(connection, receipt_files)) is not None:
        raise Conflict(
            "Receipt file {file} is being imported and may contain the number. Answer again when "
            "the import is finished. If it has stalled, upload the same file again.",
            file=file,
        )


def _first_importing(connection: Connection, table: Table) -> int | None:
    query = select(table.c.id).where(table.c.state == BatchState.IMPORTING).order_by(table.c.id).limit(1)
    return connection.execute(query).scalar()


def _unused(connection: Connection, phone: int) -> list[UnusedLine]:
    """Return its lines in batches of files that no run uses, whose rows no approval has bound.

    Not in one whose rows were altered past Loa: another digest would hide that.
    """
    s, b = subscribers.c, batches.c
    used = exists().where(run_batches.c.batch_id == b.id) | exists().where(follow_ups.c.batch_id == b.id)
    query = select(s.batch_id, s.seq, b.rows_sha256).join(batches, b.id == s.batch_id)
    mine = query.where(s.phone == phone, b.state == BatchState.READY.value, ~used).order_by(b.id)
    return [
        UnusedLine(row.batch_id, row.seq, row.rows_sha256, _without(connection, row.batch_id, row.seq))
        for row in connection.execute(mine).all()
        if not batch_rows.rows_altered(connection, row.batch_id)
    ]


def _without(connection: Connection, batch_id: int, seq: int) -> str:
    return batch_rows.hash_rows(connection, batch_id, {seq})[1]


def _kept_places(connection: Connection, phone: int, lines: Sequence[UnusedLine]) -> list[HeldData]:
    """Return the places that stay: what was sent or bound, proofs, reports of scams, and the lists."""
    b, m = batches.c, inbound_messages.c
    of = select(b.name, b.carrier).where(b.id.in_([each.batch_id for each in lines]))
    unused = Counter((row.name, row.carrier) for row in connection.execute(of))
    reports = connection.scalar(
        select(func.count()).where(m.phone == phone, m.kind == ReplyKind.REPORT.value)
    )
    found = []
    for each in held_on(connection, phone):
        if each.kind is HeldKind.INBOUND and reports:
            found.append(replace(each, n=reports))
        elif each.kind is HeldKind.LIST and unused[each.name, each.carrier]:
            unused[each.name, each.carrier] -= 1  # of two lists of one name the other one may stay
        elif each.kind in _STAY or each.kind is HeldKind.LIST:
            found.append(each)
    return found


def erase(connection: Connection, ledger: Ledger, person: ErasablePerson) -> dict[str, int]:
    """Erase what was found; return the rows by table.

    Raises Conflict if a list was changed or used since, or a file has come in.
    """
    if _imported(connection) - person.imported:
        raise Conflict("A file arrived during the search. Answer again.")
    ledger.forget_for_good(connection)
    counts: Counter[str] = Counter()
    for table, ids in ((inbound_messages, person.inbound), (quarantine, person.quarantine)):
        for start in range(0, len(ids), _AT_ONCE):
            some = table.c.id.in_(ids[start : start + _AT_ONCE])
            gone = connection.execute(delete_from(table).where(some, table.c.phone == person.phone))
            counts[table.name] += gone.rowcount
    counts[panel_telephones.name] += register.erase_number(connection, person.phone)
    lock_batches(connection, [line.batch_id for line in person.lines])
    for line in person.lines:
        counts[subscribers.name] += _erase_line(connection, person.phone, line)
    return {name: n for name, n in sorted(counts.items()) if n}


def _erase_line(connection: Connection, phone: int, line: UnusedLine) -> int:
    b, s = batches.c, subscribers.c
    unused = ~exists().where(run_batches.c.batch_id == b.id)
    after = None if line.before is None else line.after
    values = {"accepted": b.accepted - 1, "lines": b.lines - 1, "rows_sha256": after}
    same = b.rows_sha256.is_(None) if line.before is None else b.rows_sha256 == line.before
    held = update(batches).where(b.id == line.batch_id, b.state == BatchState.READY.value, unused, same)
    if connection.execute(held.values(values)).rowcount != 1:
        raise Conflict(
            "Batch {line} was used or changed during the search. Answer again.",
            line=line.batch_id,
        )
    own = (s.batch_id == line.batch_id, s.seq == line.seq, s.phone == phone)
    return connection.execute(delete_from(subscribers).where(*own)).rowcount


_R = person_requests.c
_LISTED_BY = "request"
_TITLE = "TRẢ LỜI YÊU CẦU CỦA CHỦ THỂ DỮ LIỆU CÁ NHÂN"
_KINDS = {
    RequestKind.SEE: "cho biết dữ liệu đang lưu",
    RequestKind.ERASE: "xóa dữ liệu",
    RequestKind.RESTRICT: "hạn chế xử lý dữ liệu",
    RequestKind.OBJECT: "phản đối việc gửi tin",
}


@dataclass(frozen=True, slots=True)
class PersonAnswer:
    """How to answer. why: in words for who asked."""

    outcome: RequestOutcome
    why: str


@dataclass(frozen=True, slots=True)
class _Done:
    """What was done: rows erased by table, carriers' lists that are new, places kept, a paper."""

    rows: Mapping[str, int] = field(default_factory=dict)
    lists: int | None = None
    kept: Sequence[HeldData] = ()
    paper: str = ""


@dataclass(frozen=True, slots=True)
class PersonAnswers:
    """Answers requests in `who`'s name. days: the setting retention_days."""

    db: Database
    ledger: Ledger
    days: int
    who: Caller

    def answer(self, number: int, decision: PersonAnswer) -> PersonRequest:
        """Answer a request; the same answer again changes nothing.

        Raises FourEyes for who has recorded a request to erase, Conflict if it was answered otherwise, or if
        a file is being imported that may have the number to be erased.
        """
        row = self.db.read(requests.row_of, number)
        if row.outcome is not None:
            return self.db.read(_known, row, decision)
        if decision.outcome is RequestOutcome.REFUSED:
            return self.db.write(self._close, number, decision, None)
        match RequestKind(row.kind):
            case RequestKind.SEE:
                done = _Done(paper=person_data(self.db, str(row.phone), self.who).paper)
                return self.db.write(self._close, number, decision, done)
            case RequestKind.ERASE:
                self.db.read(_check_second, row, self.who)
                found = self.db.read(find, row.phone)
                return self.db.write(self._erase, number, decision, found)
            case RequestKind.RESTRICT | RequestKind.OBJECT:
                return self.db.write(self._stop, number, decision)

    def _erase(
        self, connection: Connection, number: int, decision: PersonAnswer, person: ErasablePerson
    ) -> PersonRequest:
        if (row := requests.held(connection, number)).outcome is not None:
            return _known(connection, row, decision)
        rows = erase(connection, self.ledger, person)
        lists = do_not_send.add_everywhere(connection, person.phone, _by(number))
        kept = [*person.kept, *asked(connection, person.phone, but=number)]
        return self._close(connection, number, decision, _Done(rows, lists, kept))

    def _stop(self, connection: Connection, number: int, decision: PersonAnswer) -> PersonRequest:
        if (row := requests.held(connection, number)).outcome is not None:
            return _known(connection, row, decision)
        lists = do_not_send.add_everywhere(connection, row.phone, _by(number))
        return self._close(connection, number, decision, _Done(lists=lists))

    def _close(
        self, connection: Connection, number: int, decision: PersonAnswer, done: _Done | None
    ) -> PersonRequest:
        """Write the answer with its paper; the number goes from the request. done: None if it is refused."""
        row = requests.held(connection, number)
        if row.outcome is not None:
            return _known(connection, row, decision)
        why, now = _words(decision), clock.now_ms()
        paper = "\n".join(_paper(row, why, done, (self.who.name, now, self.days))) + "\n"
        sha256, seal = requests.stamp(connection, number, paper)
        values: dict[str, Any] = {"outcome": decision.outcome.value, "answer": why, "paper": paper}
        values |= {"answered_at": now, "answered_by": self.who.name[:80], "sha256": sha256, "seal": seal}
        self.ledger.forget_for_good(connection)
        connection.execute(update(person_requests).where(_R.id == number).values(values | {"phone": None}))
        details = {"kind": row.kind, "outcome": decision.outcome.value, "sha256": sha256}
        details |= {"rows": dict(done.rows), "lists": done.lists} if done else {}
        audit.note(connection, self.who.name, requests.ANSWERED, f"{requests.SUBJECT}/{number}", **details)
        return requests.get(connection, number)


def _words(decision: PersonAnswer) -> str:
    return mask_written(decision.why.strip())


def _by(number: int) -> str:
    return f"{_LISTED_BY} {number}"


def _known(connection: Connection, row: Row[Any], decision: PersonAnswer) -> PersonRequest:
    """Return what was answered before. Raises Conflict if that was something else, or in other words."""
    if (row.outcome, row.answer) != (decision.outcome.value, _words(decision)):
        raise Conflict(
            "Request {row} was already answered ({outcome}) by {by}: “{answer}”. To give a "
            "different answer, record a new request.",
            row=row.id,
            outcome=row.outcome,
            by=row.answered_by,
            answer=row.answer,
        )
    return requests.get(connection, row.id)


def _check_second(connection: Connection, row: Row[Any], who: Caller) -> None:
    """Raise FourEyes unless somebody else has recorded the request: what is erased never comes back."""
    own, theirs = {base_name(who.name)}, {base_name(row.recorded_by)}
    if shared(own | behind(connection, who.name), theirs | behind(connection, row.recorded_by)):
        raise FourEyes(
            "You recorded this request or supplied the account that did. Someone else must erase the data."
        )


# ---- The paper


def _paper(row: Row[Any], why: str, done: _Done | None, by: tuple[str, int, int]) -> list[str]:
    """Return the lines of the paper. by: who answered, when in ms, retention_days."""
    who, at, days = by
    came = date.fromordinal(row.came_on)
    lines = [
        _TITLE,
        f"Yêu cầu số {row.id}: {_KINDS[RequestKind(row.kind)]}",
        f"Số thuê bao: {mask(row.phone)}",
        f"Ngày nhận: {came:%d/%m/%Y}; căn cứ: {row.reference}",
        f"Kết quả: {'đã thực hiện' if done else 'từ chối'}",
        f"Nội dung trả lời: {why}",
    ]
    if done is not None and row.kind == RequestKind.ERASE:
        lines += ["", *_erased(done.rows), *_kept(done.kept, days)]
    if done is not None and done.lists is not None:
        lines += ["", "Số này nằm trong danh sách không gửi của mọi nhà mạng; không gửi tin nào nữa."]
    if done is not None and done.paper:
        lines += ["", done.paper.rstrip()]
    return [*lines, "", f"Người trả lời: {who}, lúc {clock.moment(at):%H:%M:%S %d/%m/%Y}"]


def _erased(rows: Mapping[str, int]) -> list[str]:
    if not rows:
        return ["Đã xóa: không có dữ liệu nào được phép xóa trước hạn."]
    words = certificates.WORDS
    return ["Đã xóa:", *(f"- {n:,} dòng: {words.get(table, table)}" for table, n in rows.items())]


def _kept(remaining: Sequence[HeldData], days: int) -> list[str]:
    """Return what stays, each with its reason."""
    lines = [f"- {place_name(each)}, {each.n} dòng: {WHYS[each.why]}." for each in remaining]
    but = " ngoài các hồ sơ nêu trên" if any(each.kind is HeldKind.WRITTEN for each in remaining) else ""
    rest = [
        "- Số này trong danh sách không gửi: để không gửi tin nữa.",
        f"- Nhật ký, chỉ có số đã che{but}.",
        f"- Số tổng hợp và báo cáo đã chốt: không có số thuê bao{but}.",
    ]
    until = (
        f"Tin đã gửi, biên nhận, tệp kết quả và danh sách đã duyệt bị xóa sau {days} ngày kể từ báo cáo của "
        f"chiến dịch; tin báo lừa đảo và tin của người khác sau {days} ngày kể từ khi nhận; số trong yêu cầu "
        "đang giải quyết khi yêu cầu đó được trả lời. Bản sao lưu hết hạn theo quy định của "
        "đơn vị."
    )
    return ["", "Giữ lại, vì:", *lines, *rest, until]
