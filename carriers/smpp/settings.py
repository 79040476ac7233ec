"""One SMPP link's settings: each option with its reader, its bounds and its default, in one table."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from datetime import timedelta, timezone
from typing import Any

from carriers.contract import LinkError, LinkOptions, Reason, ReceiptLevel

# A reader takes what the settings file says and gives the value, or raises ValueError("what it must be").
Read = Callable[[object], Any]
VIETNAM = timezone(timedelta(hours=7))

AUTO = (
    "can't be 'auto': an id of digits only reads as decimal and as hexadecimal, so a guess would hang some "
    "receipts on the wrong message; ask the carrier, and name one of: same, hex_dec, dec_hex"
)


def by(read: Read) -> Mapping[str, Read]:
    """Field metadata: the reader of one setting."""
    return {"read": read}


def string(longest: int, shortest: int = 0) -> Read:
    """Text without control characters; numbers are taken as their digits."""

    def read(value: object) -> str:
        given = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else "\0"
        if not shortest <= len(given) <= longest or not re.fullmatch(r"[\x20-\x7e]*", given):
            raise ValueError(f"must be plain text of {shortest} to {longest} characters")
        return given

    return read


def whole(low: int, high: int) -> Read:
    """A whole number within bounds."""

    def read(value: object) -> int:
        if not re.fullmatch(r"\d{1,9}", str(value)) or not low <= int(str(value)) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(str(value))

    return read


def seconds(low: float, high: float) -> Read:
    """A time in seconds within bounds."""

    def read(value: object) -> float:
        if not re.fullmatch(r"\d{1,6}(\.\d{1,6})?", str(value)) or not low <= float(str(value)) <= high:
            raise ValueError(f"must be a number of seconds from {low:g} to {high:g}")
        return float(str(value))

    return read


def flag(value: object) -> bool:
    """true or false, also as the text that an environment variable gives."""
    if str(value).lower() not in ("true", "false"):
        raise ValueError("must be true or false")
    return str(value).lower() == "true"


def one_of(*names: str) -> Read:
    """One of a few words."""

    def read(value: object) -> str:
        if value not in names:
            raise ValueError(f"must be one of: {', '.join(names)}")
        return str(value)

    return read


def id_mode(value: object) -> str:
    """How ids of answers and of receipts differ; never guessed."""
    if value == "auto":
        raise ValueError(AUTO)
    return str(one_of("same", "hex_dec", "dec_hex")(value))


def level(value: object) -> ReceiptLevel:
    """The most that a receipt proves, by its name."""
    return ReceiptLevel[one_of("handset", "operator", "none")(value).upper()]


def tls(value: object) -> bool | str:
    """true: the system's authorities; a path: the CA file that signed the carrier's certificate."""
    if str(value).lower() in ("true", "false"):
        return flag(value)
    if not isinstance(value, str) or not value:
        raise ValueError("must be true, false or the path of a CA file")
    return value


def utc_offset(value: object) -> timezone:
    """The zone of the dates in receipts, such as +07:00."""
    match = re.fullmatch(r"([+-])([01]\d):([0-5]\d)", str(value))
    if match is None:
        raise ValueError("must be an offset such as +07:00")
    ahead = timedelta(hours=int(match[2]), minutes=int(match[3]))
    return timezone(ahead if match[1] == "+" else -ahead)


def reasons(value: object) -> Mapping[str, Reason]:
    """The link's own error codes, such as {"001" = "no_such_number"}: leading zeros and case don't count."""
    words = {reason.name.lower(): reason for reason in Reason}
    if not isinstance(value, Mapping) or not set(map(str, value.values())) <= set(words):
        raise ValueError(f"must be a table of error codes with words out of: {', '.join(words)}")
    return {plain_code(str(code)): words[str(word)] for code, word in value.items()}


def plain_code(code: str) -> str:
    """An error code as tables have it: lower case, without leading zeros."""
    return code.lower().lstrip("0") or "0"


@dataclass(frozen=True, slots=True, kw_only=True)
class SmppSettings:
    """Checked settings of one link; the password never shows in its repr."""

    host: str = field(metadata=by(string(255, 1)))
    port: int = field(metadata=by(whole(1, 65535)))
    system_id: str = field(metadata=by(string(64, 1)))
    password: str = field(repr=False, metadata=by(string(64)))
    system_type: str = field(default="", metadata=by(string(64)))
    address_range: str = field(default="", metadata=by(string(64)))
    addr_ton: int = field(default=0, metadata=by(whole(0, 255)))
    addr_npi: int = field(default=0, metadata=by(whole(0, 255)))
    bind: str = field(default="transceiver", metadata=by(one_of("transceiver", "transmitter_receiver")))
    binds: int = field(default=1, metadata=by(whole(1, 16)))
    window: int = field(default=10, metadata=by(whole(1, 1000)))
    tls: bool | str = field(default=False, metadata=by(tls))
    enquire_link_s: float = field(default=30.0, metadata=by(seconds(0.05, 3600)))
    response_timeout_s: float = field(default=15.0, metadata=by(seconds(0.05, 600)))
    reconnect_min_s: float = field(default=1.0, metadata=by(seconds(0.01, 600)))
    # Below ten seconds, so that sending goes on soon after a long outage.
    reconnect_max_s: float = field(default=8.0, metadata=by(seconds(0.01, 600)))
    source_ton: int = field(default=5, metadata=by(whole(0, 255)))
    source_npi: int = field(default=0, metadata=by(whole(0, 255)))
    dest_ton: int = field(default=1, metadata=by(whole(0, 255)))
    dest_npi: int = field(default=1, metadata=by(whole(0, 255)))
    service_type: str = field(default="", metadata=by(string(5)))
    validity: str = field(default="none", metadata=by(one_of("none", "relative")))
    long_text: str = field(default="udh", metadata=by(one_of("udh", "sar", "udh+sar", "payload")))
    ucs2: bool = field(default=True, metadata=by(flag))
    gsm_data_coding: int = field(default=0, metadata=by(whole(0, 255)))
    # What an octet of data_coding 0 means to the carrier: differs for @ $ _ and the brackets.
    gsm_alphabet: str = field(default="gsm7", metadata=by(one_of("gsm7", "latin1")))
    max_segments: int = field(default=10, metadata=by(whole(1, 255)))
    # A part refused for a moment while its siblings were taken: how often it is sent again, after how long.
    part_retries: int = field(default=5, metadata=by(whole(0, 20)))
    part_retry_s: float = field(default=0.5, metadata=by(seconds(0.001, 60)))
    receipt_level: ReceiptLevel = field(default=ReceiptLevel.HANDSET, metadata=by(level))
    receipt_zone: timezone = field(default=VIETNAM, metadata=by(utc_offset))
    id_mode: str = field(default="same", metadata=by(id_mode))
    reasons: Mapping[str, Reason] = field(default_factory=dict, metadata=by(reasons))


def read_settings(link: LinkOptions) -> SmppSettings:
    """The link's options, checked; LinkError names the link, the option and the remedy (never its value)."""
    known: dict[str, Field[Any]] = {each.name: each for each in fields(SmppSettings)}
    _refuse_unknown(link, known)
    _refuse_missing(link, known)
    values: dict[str, Any] = {}
    for name, value in link.options.items():
        try:
            values[name] = known[name].metadata["read"](value)
        except ValueError as error:
            raise LinkError(f"Link {link.name}: {name} {error}.") from None
    return _consistent(link, SmppSettings(**values))


def _refuse_unknown(link: LinkOptions, known: Mapping[str, Field[Any]]) -> None:
    strange = sorted(set(link.options) - set(known))
    if strange:
        raise LinkError(
            f"Link {link.name}: an SMPP link has no setting {', '.join(strange)}; "
            f"it knows: {', '.join(known)}."
        )


def _refuse_missing(link: LinkOptions, known: Mapping[str, Field[Any]]) -> None:
    for name, each in known.items():
        if each.default is MISSING and each.default_factory is MISSING and name not in link.options:
            raise LinkError(f"Link {link.name}: {name} is missing; the carrier's SMPP sheet states it.")


def _consistent(link: LinkOptions, settings: SmppSettings) -> SmppSettings:
    if settings.reconnect_min_s > settings.reconnect_max_s:
        raise LinkError(f"Link {link.name}: reconnect_min_s must not be above reconnect_max_s.")
    return settings
