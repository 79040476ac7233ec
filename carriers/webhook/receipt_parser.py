"""Parse one event as a receipt by the carrier's mapping, never claiming more than it says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from carriers.contract import (
    Misread,
    Reason,
    Receipt,
    ReceiptLevel,
    ReceiptsRead,
    ReceiptStatus,
    WebhookRequest,
)
from carriers.options import plain_code
from carriers.webhook.events import Unreadable, events_of, take
from carriers.webhook.field_mapping import FieldMapping, Path

ID_LIMIT = 128
CODE_LIMIT = 80
RAW_LIMIT = 1000
_WORD_LIMIT = 40
_PHONE = re.compile(r"(?:\+|00)?84([0-9]{9})|0?([1-9][0-9]{8})")
_COUNT = re.compile(r"[0-9]{1,9}")
_SEPARATORS = str.maketrans("", "", " .-\u00a0")
# Years outside are placeholders, such as 0001-01-01.
_YEARS = range(2000, 2100)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


_encode = json.JSONEncoder(separators=(",", ":")).encode


class _Wrong(ValueError):
    """A field that can't be parsed: its name, and what it must be."""

    def __init__(self, field: str, what: str) -> None:
        super().__init__(what)
        self.field = field


def receipts_read(request: WebhookRequest, shape: FieldMapping) -> ReceiptsRead:
    """Parse the receipts of a request. An unreadable event does not affect the others."""
    try:
        events = events_of(request, shape)
    except Unreadable as error:
        return ReceiptsRead((), (Misread("", str(error)),))
    receipts, misread = [], []
    for nth, event in enumerate(events.items):
        try:
            receipts.append(receipt_of(event, shape))
        except _Wrong as error:
            misread.append(Misread(events.place(nth) + error.field, str(error)))
    return ReceiptsRead(receipts, misread)


def receipt_of(event: object, shape: FieldMapping) -> Receipt:
    """Parse one event, at handset level: the link's own level caps it later."""
    word = _text(event, shape.status, _WORD_LIMIT)
    if not word:
        raise _Wrong(".".join(shape.status), "is missing.")
    reference, phone = _reference(event, shape), _phone(event, shape.phone)
    if reference is None and phone is None:
        raise _Wrong(_names(shape), "is missing: the message that the receipt speaks of.")
    status = shape.statuses.get(word.upper(), ReceiptStatus.UNKNOWN)
    error = _plain(take(event, shape.code)) if shape.code and shape.code != shape.status else ""
    reason = shape.reasons.get(plain_code(error or word))
    return Receipt(
        reference,
        phone,
        _confirmed(event, shape, status, phone),
        ReceiptLevel.HANDSET,
        Reason.NONE if reason is None or status is ReceiptStatus.DELIVERED else reason,
        (f"{word}/{error}" if error else word)[:CODE_LIMIT],
        _moment(take(event, shape.done_at), shape) if shape.done_at else None,
        _raw(event),
    )


def _confirmed(event: object, shape: FieldMapping, status: ReceiptStatus, phone: str | None) -> ReceiptStatus:
    """Return the status as far as the carrier's other fields confirm it."""
    if shape.needs_phone and phone is None:
        return ReceiptStatus.UNKNOWN  # a total over many messages
    if status is not ReceiptStatus.DELIVERED or not shape.succeeded:
        return status
    good, bad = _count(event, shape.succeeded), _count(event, shape.failed)
    if good and not bad:
        return ReceiptStatus.DELIVERED
    return ReceiptStatus.UNDELIVERED if bad and not good else ReceiptStatus.UNKNOWN


def _text(event: object, path: Path, longest: int) -> str:
    """Return a field as text, "" if missing; integers are converted to their digits."""
    value = take(event, path)
    if value is None:
        return ""
    if not isinstance(value, str | int):
        raise _Wrong(".".join(path), "must be text or a whole number.")
    text = str(value).strip()
    if len(text) > longest or not text.isprintable():
        raise _Wrong(".".join(path), f"must have at most {longest} characters, all of them printable.")
    return text


def _reference(event: object, shape: FieldMapping) -> str | None:
    for path in shape.reference:
        if found := _text(event, path, ID_LIMIT):
            return found
    return None


def _names(shape: FieldMapping) -> str:
    return " or ".join(".".join(path) for path in (*shape.reference, shape.phone) if path)


def _phone(event: object, path: Path) -> str | None:
    text = _text(event, path, 40).translate(_SEPARATORS) if path else ""
    if not text:
        return None
    found = _PHONE.fullmatch(text)
    if found is None:
        raise _Wrong(".".join(path), "must be a number of Vietnam, such as 84912345678.")
    return f"84{found[1] or found[2]}"


def _count(event: object, path: Path) -> int:
    text = _text(event, path, 20) if path else ""
    if text and not _COUNT.fullmatch(text):
        raise _Wrong(".".join(path), "must be a whole number.")
    return int(text or 0)


def _plain(value: object) -> str:
    """Return a carrier's code or words, without characters that no database stores."""
    if not isinstance(value, str | int):
        return ""
    text = str(value).strip()
    return text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)


def _moment(value: object, shape: FieldMapping) -> datetime | None:
    """Parse the carrier's time, aware; None if unreadable: a receipt is worth more than its time."""
    read = _READERS.get(shape.time_format)
    try:
        at = read(value) if read else datetime.strptime(str(value), shape.time_format)  # noqa: DTZ007
        at = at if at.tzinfo else at.replace(tzinfo=shape.zone)
    except (ValueError, OverflowError):
        return None
    return at if at.year in _YEARS else None


def _iso(value: object) -> datetime:
    return datetime.fromisoformat(str(value).strip())


def _unix(value: object, unit: timedelta = timedelta(seconds=1)) -> datetime:
    return _EPOCH + float(str(value)) * unit


def _unix_ms(value: object) -> datetime:
    return _unix(value, timedelta(milliseconds=1))


_READERS: dict[str, Callable[[object], datetime]] = {"iso": _iso, "unix": _unix, "unix_ms": _unix_ms}


def _raw(event: object) -> str:
    try:
        return _encode(event)[:RAW_LIMIT]
    except RecursionError:
        return ""
