"""Stores what the other addressees of a directive report, version by version."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, insert, update

from app.core.errors import Invalid, NotFound
from app.core.masking import NO_MOBILE, holds_mobile, names_mobile, require_no_mobile
from app.core.phone import normalise
from app.database.connection import shared_ms
from app.database.models import addressees, outreach
from app.reports.figures import addressees as known
from app.reports.figures.addressees import Addressee, AddresseeKind, Outreach, OutreachItem
from app.reports.figures.carrier_statement import far
from app.reports.intake.statement_input import Circumstances, InputFault, PaperClaim, refusal
from app.reports.intake.statement_rules import (
    confirms,
    fault,
    numbered,
    paper_faults,
    range_faults,
    word_faults,
)
from app.reports.intake.statement_service import paper_columns
from app.security import audit, kept_rows
from carriers.phrases import Phrase

MOST_REACHED = 2_000_000_000  # views, so it may exceed the population
# Names become workbook cells, which cannot hold control characters.
NAME = r"^[^\x00-\x1f\x7f\u2028\u2029\ufffe\uffff]*$"
EMAIL = r"^[^@\s<>,;\x00-\x1f]+@[^@\s<>,;\x00-\x1f]+$"
_LONGEST_EMAIL = 254
_URL = re.compile(r"https?://[^\s<>\"']{3,490}")


@dataclass(frozen=True, slots=True)
class OutreachClaim:
    """A report by an addressee, under its name in the directive."""

    addressee: str
    items: tuple[OutreachItem, ...]
    paper: PaperClaim


def register(connection: Connection, addressee: Addressee, who: str) -> Addressee:
    """Add an addressee, or its kind, carrier and e-mail to a name of the directive."""
    _check(addressee)
    if (addressee.kind is AddresseeKind.CARRIER) != (addressee.carrier is not None):
        raise Invalid(
            "`carrier` is required when the addressee is a carrier (for example viettel), and not allowed "
            "otherwise.",
            field="carrier",
        )
    found = find(connection, addressee.directive_id, addressee.name)
    values = {"kind": str(addressee.kind), "carrier": addressee.carrier, "email": addressee.email}
    if found is not None and found.id is not None:
        connection.execute(update(addressees).where(addressees.c.id == found.id).values(values))
    else:
        row = {"directive_id": addressee.directive_id, "name": addressee.name, **values}
        connection.execute(insert(addressees).values(row))
    own = addressees.c.directive_id == addressee.directive_id, addressees.c.name == addressee.name
    audit.note(
        connection,
        who,
        "addressee.set",
        f"directive/{addressee.directive_id}",
        kept=kept_rows.kept(connection, addressees, *own),
        name=addressee.name,
        kind=str(addressee.kind),
    )
    return _need(connection, addressee.directive_id, addressee.name)


def _check(addressee: Addressee) -> None:
    """Raise Invalid for a name that no document can hold, or a malformed e-mail address."""
    if not re.fullmatch(NAME, addressee.name):
        raise Invalid("A name must not contain control characters or line breaks.", field="name")
    require_no_mobile(addressee.email or "", "email")
    if addressee.carrier is not None and isinstance(normalise(addressee.carrier), int):
        raise Invalid(NO_MOBILE, field="carrier")
    if addressee.email is not None and not (
        len(addressee.email) <= _LONGEST_EMAIL and re.fullmatch(EMAIL, addressee.email)
    ):
        raise Invalid("An e-mail address must look like vanthu@example.gov.vn.", field="email")


def would_replace(connection: Connection, addressee: Addressee) -> bool:
    found = find(connection, addressee.directive_id, addressee.name)
    said = (addressee.kind, addressee.carrier, addressee.email)
    return found is not None and found.id is not None and (found.kind, found.carrier, found.email) != said


def find(connection: Connection, directive_id: int, name: str) -> Addressee | None:
    """Return the addressee of this name or None; raises NotFound without the directive."""
    return next((each for each in known.of_directive(connection, directive_id) if each.name == name), None)


def _need(connection: Connection, directive_id: int, name: str) -> Addressee:
    found = find(connection, directive_id, name)
    if found is None:
        raise NotFound(
            "The directive has no addressee “{name}”. Enter the name as in the directive, or add "
            "the addressee first.",
            name=name[:80],
            field="addressee",
        )
    return found


def report(connection: Connection, directive_id: int, claim: OutreachClaim, who: str) -> Outreach:
    """Store what an addressee reports as its next version; raises Invalid with a sentence per fault.

    Operators of a single carrier may not call this (app/security/roles.py), so any scan may be referred to.
    """
    of = _need(connection, directive_id, claim.addressee)
    if of.kind is AddresseeKind.CARRIER:
        raise Invalid(
            "{name} reports through its runs. State its figures there (POST /v1/runs/ID/statements).",
            name=of.name,
            field="addressee",
        )
    of = of if of.id is not None else register(connection, of, who)
    before = known.reports(connection, directive_id).get(of.id or 0, [])
    version = len(before) + 1
    around = circumstances(
        shared_ms(connection), known.issued_on(connection, directive_id), before[-1] if before else None
    )
    if found := list(faults(claim, around)):
        raise refusal(found)
    row: dict[str, Any] = {"addressee_id": of.id, "items": [asdict(item) for item in claim.items]}
    row |= paper_columns(connection, claim.paper, version, who, None)
    connection.execute(insert(outreach).values(row))
    detail: dict[str, Any] = {"addressee": of.name, "version": version, "items": len(claim.items)}
    own = outreach.c.addressee_id == of.id, outreach.c.version == version
    detail["kept"] = kept_rows.kept(connection, outreach, *own)
    audit.note(connection, who, "outreach.reported", f"directive/{directive_id}", **detail)
    return known.reports(connection, directive_id)[of.id or 0][-1]


def report_all(
    connection: Connection, directive_id: int, claims: Sequence[OutreachClaim], who: str
) -> list[Outreach]:
    """Store several reports, or none if one is refused."""
    return [report(connection, directive_id, claim, who) for claim in claims]


def circumstances(now_ms: int, issued_on: str, last: Outreach | None) -> Circumstances:
    """Return what a report is checked with; issued_on: of the letter; last: the version before, if any."""
    pieces = sum(item.pieces for item in last.items) if last else None
    return Circumstances(now_ms, correcting=last is not None, before=pieces, since=issued_on)


def faults(claim: OutreachClaim, around: Circumstances) -> Iterator[InputFault]:
    if not claim.items:
        yield fault(
            ("items",),
            "Enter what was done, with one item for each channel.",
            "Chưa có dòng kết quả nào; hãy ghi một dòng.",
        )
    for n, item in enumerate(claim.items):
        yield from _item(n, item)
    pieces = sum(item.pieces for item in claim.items)
    if around.before is not None and far(pieces, around.before) and not confirms(claim.paper, str(pieces)):
        yield fault(
            ("items", 0, "pieces"),
            Phrase(
                "The total of {pieces} is far from the previous version, {other}. If it is correct, "
                "enter {answer} "
                "in the reason for the correction; otherwise correct it.",
                pieces=pieces,
                other=around.before,
                answer=pieces,
            ),
            f"Tổng số {pieces} chênh lệch quá lớn so với bản trước ({around.before}): nếu đúng, hãy ghi "
            f"“{pieces}” vào lý do đính chính; nếu không, hãy sửa lại.",
        )
    yield from paper_faults(claim.paper, around)


def _item(n: int, item: OutreachItem) -> Iterator[InputFault]:
    yield from range_faults(("items", n, "pieces"), item.pieces)
    yield from range_faults(("items", n, "reach"), item.reach, MOST_REACHED)
    yield from range_faults(("items", n, "minutes"), item.minutes)
    yield from word_faults(("items", n, "note"), item.note)
    if holds_mobile(item.languages):
        yield numbered(("items", n, "languages"))
    if names_mobile(item.url):
        yield numbered(("items", n, "url"))
    if len(item.languages) > 200:
        yield fault(("items", n, "languages"), "At most 200 characters.", "Dài quá 200 ký tự; hãy rút gọn.")
    if item.url and not _URL.fullmatch(item.url):
        yield fault(
            ("items", n, "url"),
            "A web address must start with http:// or https:// and contain no spaces.",
            "Địa chỉ trang web phải bắt đầu bằng http:// hoặc https:// và không có khoảng trắng.",
        )
