"""Parse receipts in every known dialect, TLVs first and text second, and make ids comparable."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import NamedTuple

from carriers.contract import LinkOptions, Reason, Receipt, ReceiptStatus
from carriers.options import plain_code
from carriers.phrases import Phrase
from carriers.smpp.pdu import (
    ESM_NOTIFICATION,
    ESM_RECEIPT,
    ESM_RECEIPT_MASK,
    TAG_MESSAGE_STATE,
    TAG_NETWORK_ERROR_CODE,
    TAG_RECEIPTED_MESSAGE_ID,
    PduError,
    ShortMessage,
    read_query_resp,
)
from carriers.smpp.settings import SmppSettings

RAW_LIMIT = 500
CODE_LIMIT = 80
ID_LIMIT = 128

# SMPP v3.4, 5.2.28: message_state, and the word that appendix B has for it.
STATES = {
    1: "ENROUTE",
    2: "DELIVRD",
    3: "EXPIRED",
    4: "DELETED",
    5: "UNDELIV",
    6: "ACCEPTD",
    7: "UNKNOWN",
    8: "REJECTD",
}

# SMPP v3.4, appendix B. ACCEPTD is not final: it says nothing about the phone.
STATUSES = {
    "ENROUTE": ReceiptStatus.IN_TRANSIT,
    "ACCEPTD": ReceiptStatus.IN_TRANSIT,
    "DELIVRD": ReceiptStatus.DELIVERED,
    "EXPIRED": ReceiptStatus.EXPIRED,
    "DELETED": ReceiptStatus.UNDELIVERED,
    "UNDELIV": ReceiptStatus.UNDELIVERED,
    "REJECTD": ReceiptStatus.UNDELIVERED,
    "UNKNOWN": ReceiptStatus.UNKNOWN,
}

# No Vietnamese carrier publishes a list. Message centres commonly pass on the MAP error of 3GPP TS 29.002;
# a link whose carrier uses other codes lists them in the setting `reasons`.
MAP_ERRORS = {
    "1": Reason.NO_SUCH_NUMBER,  # unknownSubscriber
    "5": Reason.NO_SUCH_NUMBER,  # unidentifiedSubscriber
    "6": Reason.EXPIRED,  # absentSubscriberSM
    "9": Reason.BARRED,  # illegalSubscriber
    "11": Reason.BARRED,  # teleserviceNotProvisioned
    "12": Reason.HANDSET,  # illegalEquipment
    "13": Reason.BARRED,  # callBarred
    "21": Reason.HANDSET,  # facilityNotSupported
    "27": Reason.EXPIRED,  # absentSubscriber
    "31": Reason.HANDSET,  # subscriberBusyForMT-SMS
    "32": Reason.HANDSET,  # sm-DeliveryFailure: memory full, equipment error
    "34": Reason.SYSTEM,  # systemFailure
    "35": Reason.SYSTEM,  # dataMissing
    "36": Reason.SYSTEM,  # unexpectedDataValue
}
VENDOR_TAGS = range(0x1400, 0x4000)  # SMPP v3.4, 5.3.2: reserved for vendors
GSM_NETWORK = 3  # first octet of network_error_code: the next two are a MAP error

_KEY = r"(?:id|sub|dlvrd|submit ?date|done ?date|stat|err|text):"
# Fast path: the specification's order, which nearly every receipt uses, at a fifth of the general cost.
_USUAL = re.compile(
    r"id:(?P<id>\S+) sub:\d* dlvrd:\d* submit date:\d* done date:(?P<done>\d*)"
    r" stat:(?P<stat>\w+) err:(?P<err>\w*)(?= |$)"
)
# A value never begins with the next key: a field may be empty.
_FIELD = re.compile(rf"(?i)(?<!\S)(id|done ?date|stat|err): ?((?!{_KEY})\S*)")
_BEGINS = re.compile(r"(?i)\s*id: ?[^\s:]+\s")
_BESIDES = re.compile(r"(?i)\s(?:sub|dlvrd|submit ?date|done ?date|err):")
_QUOTED = re.compile(r"(?i)(?<!\S)text:")
_ABROAD = re.compile(rb"\+?(?:00)?((?!84|0|1[89]00)\d{11,15})")
_PHONE = re.compile(rb"\+?(?:00)?(84\d{9})|0(\d{9})")


# The same in a whole short_message, and what a link's receipts have in common, which is read once.
_PLAIN = re.compile(
    rb"id:([\x21-\x7e]+) sub:\d* dlvrd:\d* submit date:\d* (done date:\d* stat:\w+ err:\w*)(?: [\x20-\x7e]*)?"
)
_OWN_PHONE = re.compile(rb"84\d{9}")


class Fields(NamedTuple):
    """The fields in a receipt's text; empty if missing."""

    id: str = ""
    stat: str = ""
    err: str = ""
    done: str = ""


def is_receipt(message: ShortMessage) -> bool:
    """Whether a deliver_sm is a receipt rather than a message from a phone.

    Recognised by esm_class, by an id in a TLV (which no subscriber can set), or, since some centres leave
    esm_class 0 and send no TLV, by the complete form of appendix B. A subscriber can write that form too, so
    such a receipt only counts with an id that the carrier gave us and never shows, and only for that number.
    """
    if _is_marked(message):
        return True
    text = _text(message)
    states_one = TAG_MESSAGE_STATE in message.tlvs and bool(read_fields(text).id)
    return not message.esm_class and (states_one or _is_appendix_b(text))


def _is_marked(message: ShortMessage) -> bool:
    kind = message.esm_class & ESM_RECEIPT_MASK
    return kind in (ESM_RECEIPT, ESM_NOTIFICATION) or bool(_tlv_id(message.tlvs))


def _tlv_id(tlvs: Mapping[int, bytes]) -> str:
    return _printable(tlvs.get(TAG_RECEIPTED_MESSAGE_ID, b"").split(b"\0")[0].decode("latin-1")).strip()


def _is_appendix_b(text: str) -> bool:
    """Whether the text starts with an id and has an SMPP state and another field, all before `text:`."""
    before = _QUOTED.split(text, maxsplit=1)[0]
    return bool(_BEGINS.match(before) and _BESIDES.search(before)) and read_fields(before).stat in STATUSES


def read_receipt(message: ShortMessage, settings: SmppSettings) -> Receipt:
    """Parse the receipt in a deliver_sm; missing fields stay empty, nothing raises."""
    text = _text(message)
    fields = read_fields(text)
    stat = _stat(message.tlvs, fields)
    status = STATUSES.get(stat, ReceiptStatus.UNKNOWN)
    err, reason = _error(message.tlvs, fields.err, settings.reasons)
    return Receipt(  # by place, in the order of its fields: by name takes half as long again
        _reference(message.tlvs, fields.id, settings.id_mode),
        _phone(message.source, message.destination),
        status,
        settings.receipt_level,
        _reason(status, reason),
        _code(stat, err),
        moment(fields.done, settings.receipt_zone),
        _raw(text, message.tlvs),
        _name_of(message.destination) or _printable_name(message.source),
        not _is_marked(message),
    )


class PlainReceipts:
    """Reads receipts in the form that nearly all have, as read_receipt does, at a third of its cost."""

    def __init__(self, settings: SmppSettings) -> None:
        self._settings, self._outcome = settings, lru_cache(maxsize=4096)(self._read_outcome)

    def read(self, message: ShortMessage) -> Receipt | None:
        """Return None for one of any other form."""
        if message.esm_class != ESM_RECEIPT or message.data_coding == 8 or message.tlvs:
            return None
        plain = _PLAIN.fullmatch(message.message)
        if plain is None or _OWN_PHONE.fullmatch(message.source) is None:
            return None
        number, told = plain.groups()
        status, reason, code, done_at = self._outcome(told)
        return Receipt(
            canonical(number.decode()[:ID_LIMIT], self._settings.id_mode, "receipt") or None,
            message.source.decode(),
            status,
            self._settings.receipt_level,
            reason,
            code,
            done_at,
            message.message.decode()[:RAW_LIMIT],
            _name_of(message.destination),
        )

    def _read_outcome(self, rest: bytes) -> tuple[ReceiptStatus, Reason, str, datetime | None]:
        fields = read_fields((b"id:0 sub: dlvrd: submit date: " + rest).decode())
        status = STATUSES.get(fields.stat, ReceiptStatus.UNKNOWN)
        err, reason = _error({}, fields.err, self._settings.reasons)
        done_at = moment(fields.done, self._settings.receipt_zone)
        return status, _reason(status, reason), _code(fields.stat, err), done_at


def _code(stat: str, err: str) -> str:
    return f"{stat}/{err}"[:CODE_LIMIT] if err else stat[:CODE_LIMIT]


def fields_of(message: ShortMessage) -> Fields:
    return read_fields(_text(message))


def written_ids(message: ShortMessage) -> tuple[str, ...]:
    return tuple(each for each in (_tlv_id(message.tlvs), read_fields(_text(message)).id) if each)


def read_answer(body: bytes, reference: str, settings: SmppSettings) -> Receipt | None:
    """Read a query_sm_resp as a receipt; None if it can't be parsed."""
    try:
        _, final_date, state, error = read_query_resp(body)
    except PduError:
        return None
    stat = STATES.get(state, f"state {state}")
    status = STATUSES.get(stat, ReceiptStatus.UNKNOWN)
    code = f"{stat}/{error}" if error else stat
    _, known = _error({}, str(error), settings.reasons)
    done_at = absolute_time(final_date.decode("latin-1"))
    level, reason = settings.receipt_level, _reason(status, known)
    return Receipt(reference, None, status, level, reason, code, done_at, f"query_sm: {code}")


def read_fields(text: str) -> Fields:
    """Parse a receipt's text, fields in any order; the quoted message never overrides the carrier."""
    usual = _USUAL.match(text)
    if usual is not None:
        number, done, stat, err = usual.groups()
        return Fields(number, stat.upper(), err, done)
    before, *quoted = _QUOTED.split(text, maxsplit=1)
    found = _find_fields(before)
    if quoted and not ("id" in found and "stat" in found):
        found = {**_find_fields(quoted[0]), **found}
    return Fields(
        found.get("id", ""), found.get("stat", "").upper(), found.get("err", ""), found.get("done", "")
    )


def _find_fields(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in _FIELD.findall(text):
        found.setdefault(key[:4].lower(), value)
    return found


def canonical(reference: str, mode: str, side: str) -> str:
    """Return an id in the one form that answers and receipts of a link share.

    side: "response" or "receipt"; mode: the link's id_mode, which names the base of the response first. Lower
    case, no leading zeros; hexadecimal if the two bases differ. What is not a decimal number stays text.
    """
    decimal = (mode == "hex_dec" and side == "receipt") or (mode == "dec_hex" and side == "response")
    if decimal and len(reference) <= ID_LIMIT and reference.isascii() and reference.isdigit():
        return format(int(reference), "x")
    return reference.lower().lstrip("0") or ("0" if reference else "")


def canonical_ids(link: LinkOptions) -> Callable[[str], str]:
    """Return how to normalise ids from other sources; webhooks write them as receipts do."""
    mode = str(link.options.get("id_mode", "same"))
    return lambda reference: canonical(reference.strip(), mode, "receipt")


def spellings(reference: str, mode: str) -> tuple[str, ...]:
    """Return how a carrier may have written a canonical id in its answer, likeliest first."""
    plain = reference
    if mode == "dec_hex" and re.fullmatch(r"[0-9a-f]{1,128}", reference):
        plain = str(int(reference, 16))
    forms = [form.zfill(width) for width in (0, 8, 10) for form in (plain, plain.upper())]
    return tuple(dict.fromkeys(forms))


@lru_cache(maxsize=4096)
def moment(digits: str, zone: timezone) -> datetime | None:
    """Parse a receipt's date: yyMMddHHmm, optionally with seconds and with the century; None if invalid."""
    form = {10: "%y%m%d%H%M", 12: "%y%m%d%H%M%S", 14: "%Y%m%d%H%M%S"}.get(len(digits))
    if form is None or not (digits.isascii() and digits.isdigit()):
        return None
    try:
        return datetime.strptime(digits, form).replace(tzinfo=zone)
    except ValueError:
        return None


def absolute_time(text: str) -> datetime | None:
    """Parse SMPP's absolute time, YYMMDDhhmmsstnnp: nn quarter hours ahead (+) or behind (-) of UTC."""
    match = re.fullmatch(r"(\d{12})\d(\d\d)([+-])", text)
    if match is None:
        return None
    ahead = timedelta(minutes=15 * min(int(match[2]), 48))
    return moment(match[1], timezone(ahead if match[3] == "+" else -ahead))


def _text(message: ShortMessage) -> str:
    return _printable(
        message.message.decode("utf-16-be" if message.data_coding == 8 else "latin-1", "replace")
    )


def _printable(text: str) -> str:
    """Replace control characters: PostgreSQL text can't hold a NUL, for one."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _stat(tlvs: Mapping[int, bytes], fields: Fields) -> str:
    state = tlvs.get(TAG_MESSAGE_STATE, b"")
    return STATES.get(state[0], fields.stat) if len(state) == 1 else fields.stat


def _error(tlvs: Mapping[int, bytes], err: str, overrides: Mapping[str, Reason]) -> tuple[str, Reason | None]:
    """Return the error code as received ("" for none) and its reason by the tables."""
    network = tlvs.get(TAG_NETWORK_ERROR_CODE, b"")
    if not err.strip("0") and len(network) == 3 and any(network[1:]):
        err = str(int.from_bytes(network[1:], "big"))
        known = MAP_ERRORS if network[0] == GSM_NETWORK else {}
    else:
        known = MAP_ERRORS
    plain = plain_code(err)
    if plain == "0":
        return "", None
    return err, overrides.get(plain) or known.get(plain)


def _reason(status: ReceiptStatus, reason: Reason | None) -> Reason:
    if status is ReceiptStatus.UNDELIVERED:
        return reason or Reason.OTHER
    if status is ReceiptStatus.EXPIRED:
        return reason or Reason.EXPIRED
    return Reason.NONE


def _reference(tlvs: Mapping[int, bytes], text_id: str, mode: str) -> str | None:
    """Return the id from the TLV, else from the text.

    If the bases differ, some carriers put the answer's form into the TLV; it then agrees with the text's. An
    id longer than any that we were given is cut, so it matches nothing: dropping it would match by phone
    instead.
    """
    tlv_id, text_id = _tlv_id(tlvs)[:ID_LIMIT], text_id[:ID_LIMIT]
    if not tlv_id:
        return canonical(text_id, mode, "receipt") or None
    as_answered = canonical(tlv_id, mode, "response")
    if text_id and as_answered == canonical(text_id, mode, "receipt"):
        return as_answered
    return canonical(tlv_id, mode, "receipt")


def _phone(source: bytes, destination: bytes) -> str | None:
    """Find the subscriber: the source by the specification; one aggregator swaps the addresses."""
    for address in (source, destination):
        match = _PHONE.fullmatch(address)
        if match is not None:
            return (match[1] or b"84" + match[2]).decode()
    # A foreign number is returned too: the receipt is about somebody else, even if its id is ours.
    abroad = _ABROAD.fullmatch(source)
    return abroad[1].decode() if abroad else None


def _printable_name(address: bytes) -> str:
    """Return an address with letters, which is a sender ID; "" for a number."""
    name = address.decode("latin-1").strip()
    return _printable(name) if any(map(str.isalpha, name)) else ""


# A link's receipts go to few addresses.
_name_of = lru_cache(maxsize=256)(_printable_name)


def _raw(text: str, tlvs: Mapping[int, bytes]) -> str:
    """Return the text with the carrier's own parameters, or all parameters where there is no text."""
    kept = {tag: value for tag, value in tlvs.items() if not text or tag in VENDOR_TAGS}
    said = " ".join(f"{tag:04x}={value[:40].hex()}" for tag, value in kept.items())
    return f"{text} {said}".strip()[:RAW_LIMIT] if kept else text[:RAW_LIMIT]


# ---- A wrong id_mode, seen by ids of receipts that would match ids of answers if read in another base

REMEMBERED = 5_000  # ids of answers
ENOUGH = 10  # receipts that only another mode would have matched
# Only one id in SELDOM is checked after SURE receipts that fit our mode alone, or LEARNT of which none fits
# another: at some thousand messages a second a receipt comes when its answer is no longer remembered.
SURE, LEARNT, SELDOM = 100, 1000, 16
MODES = ("same", "hex_dec", "dec_hex")


def wrong_mode(mode: str, fits: str) -> str:
    return Phrase(
        "id_mode is {mode}, but receipts match messages only with {other}. Set id_mode to {right}.",
        mode=mode,
        other=fits,
        right=fits,
    )


class IdBases:
    """Compares receipt ids with those of the latest answers, both as the carrier wrote them."""

    def __init__(self, mode: str) -> None:
        self._mode = mode
        self._newest: deque[str] = deque()
        self._known: dict[str, set[str]] = {each: set() for each in MODES}
        self._fits: dict[str, int] = {mode: 0}
        self._turn = self._compared = 0

    def answered(self, written: str) -> None:
        if self._is_skipped():
            return
        self._newest.append(written)
        for mode, ids in self._known.items():
            ids.add(canonical(written, mode, "response"))
        if len(self._newest) > REMEMBERED:
            oldest = self._newest.popleft()
            for mode, ids in self._known.items():
                ids.discard(canonical(oldest, mode, "response"))

    def received(self, reference: str | None, written: Callable[[], Sequence[str]]) -> str | None:
        """Compare the ids of a receipt; return the mode that fits instead of ours, once that is certain."""
        if self._is_skipped():
            return None
        others = {
            mode
            for each in written()
            for mode, ids in self._known.items()
            if mode != self._mode and canonical(each, mode, "receipt") in ids
        }
        is_ours = reference in self._known[self._mode]
        self._compared += 1
        if is_ours == bool(others):  # the id is ambiguous, or no longer remembered
            return None
        return self._count(self._mode if is_ours else min(others))

    def _count(self, mode: str) -> str | None:
        """Count one id that fits only this mode; an id that fits our own resets all others."""
        if mode == self._mode:
            self._fits = {mode: self._fits[mode] + 1}
            return None
        self._fits[mode] = self._fits.get(mode, 0) + 1
        return mode if self._fits[mode] >= ENOUGH else None

    def _is_skipped(self) -> bool:
        self._turn += 1
        if self._turn % SELDOM == 0:
            return False
        return self._fits[self._mode] >= SURE or (self._compared >= LEARNT and len(self._fits) == 1)
