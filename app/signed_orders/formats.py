"""The formats of orders and results: schemas, and what a schema can't say.

What carriers need of it is in loa_carrier.py, which is given to them as one file.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from app.core.errors import Invalid
from app.core.masking import holds_person
from app.signed_orders import loa_carrier
from app.signed_orders.loa_carrier import (
    CARRIER,
    CLOCKS,
    CODE,
    COUNTS,
    DAY,
    HASH,
    MAYBE,
    ORDER,
    PROSE,
    RESULT,
    TIME,
    WHICH,
    N,
    Refused,
    Rule,
    Signed,
    fields,
    moment,
    rule,
)

_PUBLISHED = "The message itself: it alone may have a phone number, such as a hotline."
_ON = rule("string", pattern=f"^{DAY}$")
_CLOCK = rule("string", pattern="^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$")
_FIGURES = (*COUNTS, "by_area", "by_cause")


def _text(most: int, least: int = 1) -> Rule:
    return rule("string", minLength=least, maxLength=most)


def _list(items: Rule, most: int, least: int = 0) -> Rule:
    return rule("array", items=items, minItems=least, maxItems=most)


def _word(*words: str) -> Rule:
    return rule("string", enum=list(words))


_TEXT = fields(
    language=_text(20, 0),
    text=_text(2000) | {"$comment": _PUBLISHED},
    sha256=HASH,
    parts=rule("integer", minimum=1, maximum=10),
)
_CONTENT = fields(
    ["object", "null"],
    directive=fields(["object", "null"], number=_text(60), issued_on=_ON, issuer=_text(200)),
    purpose=_text(20),
    sender=_text(11),
    texts=_list(_TEXT, 20, 1),
    begins_at=MAYBE,
    ends_at=MAYBE,
    day_begins=_CLOCK,
    day_ends=_CLOCK,
    time_zone=_word("Asia/Ho_Chi_Minh"),
    area_basis=_word("dia_chi_dang_ky", "tram_phuc_vu", "khong_phan_dia_ban"),
    areas_of=_ON,
    areas=_list(fields(code=rule("string", pattern=f"^{CODE}$"), name=_text(200)), 400),
    estimated=N,
    figures=_list(_word(*_FIGURES), len(_FIGURES), 1),
    report_by=MAYBE,
    valid_until=TIME,
    approval=fields(sha256=HASH, approved_at=TIME),
)
SCHEMAS: dict[str, Rule] = {
    ORDER: fields(
        format=_word(ORDER),
        kind=_word("order", "change", "repeat", "withdrawal"),
        number=WHICH,
        issuer=_text(200),
        carrier=CARRIER,
        issued_at=TIME,
        replaces=fields(["object", "null"], number=WHICH, sha256=HASH),
        reason=PROSE,
        content=_CONTENT,
    ),
    RESULT: loa_carrier.SCHEMA,
}


def check_order(order: Any, now: datetime | None = None, *, expired: bool = False) -> None:
    """Raise Refused for what is not a document of an order; `now`: its time is checked as well.

    expired: it may be over, since it also counts then that it replaces older documents.
    """
    loa_carrier.check(order, SCHEMAS[ORDER], "order")
    content, withdraws = order["content"], order["kind"] == "withdrawal"
    if withdraws is not (content is None):
        raise Refused("An order must have content; in a withdrawal, content must be null.")
    if withdraws and not (order["replaces"] and order["reason"]):
        raise Refused("A withdrawal must name the order that it withdraws, and give a reason.")
    if order["kind"] in ("change", "repeat") and not (order["replaces"] and order["reason"]):
        raise Refused("A change or a repeat must name the document before it, and give a reason.")
    if order["replaces"]:
        (chain, serial), before = place(order["number"]), place(order["replaces"]["number"])
        if before[0] != chain or before[1] >= serial:
            raise Refused("A document must replace an earlier one of the same order.")
    if now is not None and moment(order["issued_at"]) > now + CLOCKS:
        raise Refused("The order is dated in the future. Check the clocks of both sides.")
    if content is not None:
        _check_content(content)
        if now is not None and not expired:
            require_valid(order, now)


def place(number: str) -> tuple[int, int]:
    """Return of which order a document is, and which of its documents: 12-3 is the third of order 12."""
    chain, _, serial = number.partition("-")
    return int(chain), int(serial)


def require_valid(order: Any, now: datetime) -> None:
    """Raise Refused for an order that may not be begun any more."""
    until = order["content"]["valid_until"]
    if moment(until) < now:
        raise Refused("The order was valid until {until}. Ask for a new one.", until)


def _check_content(content: Any) -> None:
    if any(hashlib.sha256(each["text"].encode()).hexdigest() != each["sha256"] for each in content["texts"]):
        raise Refused("The SHA-256 of a text does not match the text, so the order is damaged.")
    codes = [area["code"] for area in content["areas"]]
    if len(codes) != len(set(codes)):
        raise Refused("The order names an area twice.")
    begins, ends = content["begins_at"], content["ends_at"]
    if begins and ends and ends <= begins:
        raise Refused("The sending window ends before it begins.")


def read(content: bytes, form: str) -> Signed:
    """Read a signed document of this format: verify its signatures, then `check` it. Raises Invalid."""
    try:
        signed = loa_carrier.read(content)
        if signed.format != form:
            raise Refused("The document must be of the format {form}, not {format}.", form, signed.format)
    except Refused as refusal:
        raise Invalid(refusal.template, **refusal.values, field="file") from None
    return signed


def check(signed: Signed, now: datetime, *, expired: bool = False) -> None:
    """Raise Invalid with a sentence for content that is not as its format requires."""
    try:
        if signed.format == ORDER:
            check_order(signed.content, now, expired=expired)
        else:
            loa_carrier.check_result(signed.content, now)
    except Refused as refusal:
        raise Invalid(refusal.template, **refusal.values, field="file") from None
    remarks = (signed.content["remarks"], signed.content["changes"]) if signed.format == RESULT else ()
    if any(map(holds_person, remarks)):
        raise Invalid(
            "The remarks contain a phone number. Documents must not contain any. Remove it.", field="file"
        )
