"""Reads receipts in every known dialect, TLVs first and text second, and makes ids comparable."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from typing import NamedTuple

from carriers.contract import LinkOptions, Reason, Receipt, ReceiptLevel, ReceiptStatus
from carriers.options import plain_code
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

# SMPP v3.4, appendix B. ACCEPTD is not final: it says nothing of the telephone.
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

# No list of a Vietnamese carrier is public. Message centres commonly pass on the MAP error of 3GPP TS 29.002;
# a link whose carrier means something else names its own codes in the setting `reasons`.
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
GSM_NETWORK = 3  # first octet of network_error_code: the two that follow are a MAP error

_KEY = r"(?:id|sub|dlvrd|submit ?date|done ?date|stat|err|text):"
# The specification's own order, which nearly every receipt has: read at a fifth of the general cost.
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


class Fields(NamedTuple):
    """What the text of a receipt says; empty where it says nothing."""

    id: str = ""
    stat: str = ""
    err: str = ""
    done: str = ""


def is_receipt(message: ShortMessage) -> bool:
    """Whether a deliver_sm is a receipt, and no message from a telephone.

    By its esm_class, by an id in a TLV, which no subscriber can set, or, since some centres leave esm_class 0
    and send no TLV, by the whole form of appendix B. A subscriber can write that as well, so it moves a
    message only by an id that the carrier gave and never tells, and only one to that number.
    """
    if _is_marked(message):
        return True
    text = _text(message)
    states_one = TAG_MESSAGE_STATE in message.tlvs and bool(read_fields(text).id)
    return not message.esm_class and (states_one or _is_appendix_b(text))


def _is_marked(message: ShortMessage) -> bool:
    kind = message.esm_class & ESM_RECEIPT_MASK
    return kind in (ESM_RECEIPT, ESM_NOTIFICATION) or bool(_given(message.tlvs))


def _given(tlvs: Mapping[int, bytes]) -> str:
    """The id in receipted_message_id; empty for none."""
    return _printable(tlvs.get(TAG_RECEIPTED_MESSAGE_ID, b"").split(b"\0")[0].decode("latin-1")).strip()


def _is_appendix_b(text: str) -> bool:
    """Whether it begins with an id, has a state of SMPP, and one field more, all before `text:`."""
    own = _QUOTED.split(text, maxsplit=1)[0]
    return bool(_BEGINS.match(own) and _BESIDES.search(own)) and read_fields(own).stat in STATUSES


def read_receipt(message: ShortMessage, settings: SmppSettings) -> Receipt:
    """The receipt in a deliver_sm; whatever it leaves out stays empty, nothing raises."""
    text = _text(message)
    fields = read_fields(text)
    stat = _stat(message.tlvs, fields)
    status = STATUSES.get(stat, ReceiptStatus.UNKNOWN)
    err, reason = _error(message.tlvs, fields.err, settings.reasons)
    return Receipt(
        reference=_reference(message.tlvs, fields.id, settings.id_mode),
        phone=_phone(message.source, message.destination),
        status=status,
        level=settings.receipt_level,
        reason=_reason(status, reason),
        code=f"{stat}/{err}"[:CODE_LIMIT] if err else stat[:CODE_LIMIT],
        done_at=moment(fields.done, settings.receipt_zone),
        raw=_raw(text, message.tlvs),
        sender=_sender(message.source, message.destination),
        by_id_only=not _is_marked(message),
    )


def fields_of(message: ShortMessage) -> Fields:
    """The fields of the receipt that its text is."""
    return read_fields(_text(message))


def written_ids(message: ShortMessage) -> tuple[str, ...]:
    """The ids in a receipt as the carrier wrote them, in the TLV and in the text."""
    return tuple(each for each in (_given(message.tlvs), read_fields(_text(message)).id) if each)


def read_answer(body: bytes, reference: str, level: ReceiptLevel) -> Receipt | None:
    """What a query_sm_resp says of a message, in the form of a receipt; None where it can't be read."""
    try:
        _, final_date, state, error = read_query_resp(body)
    except PduError:
        return None
    stat = STATES.get(state, f"state {state}")
    status = STATUSES.get(stat, ReceiptStatus.UNKNOWN)
    code = f"{stat}/{error}" if error else stat
    reason = _reason(status, MAP_ERRORS.get(str(error)))
    done_at = absolute_time(final_date.decode("latin-1"))
    return Receipt(reference, None, status, level, reason, code, done_at, f"query_sm: {code}")


def read_fields(text: str) -> Fields:
    """The fields of a receipt's text, in any order; the message's own words never overrule the carrier's."""
    usual = _USUAL.match(text)
    if usual is not None:
        return Fields(usual["id"], usual["stat"].upper(), usual["err"], usual["done"])
    own, *quoted = _QUOTED.split(text, maxsplit=1)
    found = _scan(own)
    if quoted and not ("id" in found and "stat" in found):
        found = {**_scan(quoted[0]), **found}
    return Fields(
        found.get("id", ""), found.get("stat", "").upper(), found.get("err", ""), found.get("done", "")
    )


def _scan(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for key, value in _FIELD.findall(text):
        found.setdefault(key[:4].lower(), value)
    return found


def canonical(reference: str, mode: str, side: str) -> str:
    """An id in the one form that answers and receipts of a link share.

    side: "response" or "receipt"; mode: the link's id_mode, which names the base of the response first. Lower
    case, no leading zeros; hexadecimal where the two bases differ. What is no decimal number stays text.
    """
    decimal = (mode == "hex_dec" and side == "receipt") or (mode == "dec_hex" and side == "response")
    if decimal and len(reference) <= ID_LIMIT and reference.isascii() and reference.isdigit():
        return format(int(reference), "x")
    return reference.lower().lstrip("0") or ("0" if reference else "")


def canonical_ids(link: LinkOptions) -> Callable[[str], str]:
    """The form in which the link keeps ids, for whoever else brings one: a webhook writes as receipts do."""
    mode = str(link.options.get("id_mode", "same"))
    return lambda reference: canonical(reference.strip(), mode, "receipt")


def spellings(reference: str, mode: str) -> tuple[str, ...]:
    """How a carrier may have written a canonical id in its answer, the likeliest first."""
    plain = reference
    if mode == "dec_hex" and re.fullmatch(r"[0-9a-f]{1,128}", reference):
        plain = str(int(reference, 16))
    forms = [form.zfill(width) for width in (0, 8, 10) for form in (plain, plain.upper())]
    return tuple(dict.fromkeys(forms))


@lru_cache(maxsize=4096)
def moment(digits: str, zone: timezone) -> datetime | None:
    """A receipt's date: yyMMddHHmm, with seconds, or with the century as well; None where it is none."""
    form = {10: "%y%m%d%H%M", 12: "%y%m%d%H%M%S", 14: "%Y%m%d%H%M%S"}.get(len(digits))
    if form is None or not (digits.isascii() and digits.isdigit()):
        return None
    try:
        return datetime.strptime(digits, form).replace(tzinfo=zone)
    except ValueError:
        return None


def absolute_time(text: str) -> datetime | None:
    """SMPP's absolute time, YYMMDDhhmmsstnnp: nn quarters of an hour ahead (+) or behind (-) of UTC."""
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
    """Without control characters: a NUL, for one, does not go into a PostgreSQL text."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else " " for letter in text)


def _stat(tlvs: Mapping[int, bytes], fields: Fields) -> str:
    state = tlvs.get(TAG_MESSAGE_STATE, b"")
    return STATES.get(state[0], fields.stat) if len(state) == 1 else fields.stat


def _error(tlvs: Mapping[int, bytes], err: str, own: Mapping[str, Reason]) -> tuple[str, Reason | None]:
    """The error code as it came ("" for none), and the reason that tables know for it."""
    network = tlvs.get(TAG_NETWORK_ERROR_CODE, b"")
    if not err.strip("0") and len(network) == 3 and any(network[1:]):
        err = str(int.from_bytes(network[1:], "big"))
        known = MAP_ERRORS if network[0] == GSM_NETWORK else {}
    else:
        known = MAP_ERRORS
    plain = plain_code(err)
    if plain == "0":
        return "", None
    return err, own.get(plain) or known.get(plain)


def _reason(status: ReceiptStatus, found: Reason | None) -> Reason:
    if status is ReceiptStatus.UNDELIVERED:
        return found or Reason.OTHER
    if status is ReceiptStatus.EXPIRED:
        return found or Reason.EXPIRED
    return Reason.NONE


def _reference(tlvs: Mapping[int, bytes], text_id: str, mode: str) -> str | None:
    """The id out of the TLV, else out of the text.

    Where bases differ, some carriers put the answer's form into the TLV: then it agrees with the text's. An
    id longer than any that we were given is cut, and is not ours: without one its phone would count.
    """
    given, text_id = _given(tlvs)[:ID_LIMIT], text_id[:ID_LIMIT]
    if not given:
        return canonical(text_id, mode, "receipt") or None
    as_answered = canonical(given, mode, "response")
    if text_id and as_answered == canonical(text_id, mode, "receipt"):
        return as_answered
    return canonical(given, mode, "receipt")


def _phone(source: bytes, destination: bytes) -> str | None:
    """Whichever address is a phone: the specification has it as the source, one aggregator the other way."""
    for address in (source, destination):
        match = _PHONE.fullmatch(address)
        if match is not None:
            return (match[1] or b"84" + match[2]).decode()
    abroad = _ABROAD.fullmatch(source)  # not nobody's: an id that is ours is another's here
    return abroad[1].decode() if abroad else None


def _sender(source: bytes, destination: bytes) -> str:
    """Whichever address has a letter is the sender ID of the message; empty for none."""
    names = (address.decode("latin-1").strip() for address in (destination, source))
    return next((_printable(name) for name in names if any(map(str.isalpha, name))), "")


def _raw(text: str, tlvs: Mapping[int, bytes]) -> str:
    if text:
        return text[:RAW_LIMIT]
    return " ".join(f"{tag:04x}={value[:40].hex()}" for tag, value in tlvs.items())[:RAW_LIMIT]
