"""One SMPP link's settings: each option with its reader, its bounds and its default, in one table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timezone

from carriers import in_a_row
from carriers.contract import Encoding, Limits, LinkError, LinkOptions, Reason, ReceiptLevel
from carriers.options import (
    VIETNAM,
    by,
    flag,
    level,
    number,
    one_of,
    read_options,
    reasons,
    seconds,
    string,
    utc_offset,
    whole,
)

AUTO = (
    "can't be 'auto': an id of digits only reads as decimal and as hexadecimal, so a guess would hang some "
    "receipts on the wrong message; ask the carrier, and name one of: same, hex_dec, dec_hex"
)


def id_mode(value: object) -> str:
    """How ids of answers and of receipts differ; never guessed."""
    if value == "auto":
        raise ValueError(AUTO)
    return str(one_of("same", "hex_dec", "dec_hex")(value))


def tls(value: object) -> bool | str:
    """true: the system's authorities; a path: the CA file that signed the carrier's certificate."""
    if str(value).lower() in ("true", "false"):
        return flag(value)
    if not isinstance(value, str) or not value:
        raise ValueError("must be true, false or the path of a CA file")
    return value


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
    # Well below half a minute, so that a silent centre is seen within that.
    enquire_link_s: float = field(default=10.0, metadata=by(seconds(0.05, 3600)))
    response_timeout_s: float = field(default=15.0, metadata=by(seconds(0.05, 600)))
    reconnect_min_s: float = field(default=1.0, metadata=by(seconds(0.01, 600)))
    # Below ten seconds, so that sending goes on soon after a long outage.
    reconnect_max_s: float = field(default=8.0, metadata=by(seconds(0.01, 600)))
    # Between tries of a bind that is refused, and between messages that probe a link without answers.
    probe_max_s: float = field(default=60.0, metadata=by(seconds(0.01, 3600)))
    source_ton: int = field(default=5, metadata=by(whole(0, 255), says=True))
    source_npi: int = field(default=0, metadata=by(whole(0, 255), says=True))
    dest_ton: int = field(default=1, metadata=by(whole(0, 255)))
    dest_npi: int = field(default=1, metadata=by(whole(0, 255)))
    service_type: str = field(default="", metadata=by(string(5), says=True))
    validity: str = field(default="none", metadata=by(one_of("none", "relative")))
    long_text: str = field(default="udh", metadata=by(one_of("udh", "sar", "udh+sar", "payload")))
    ucs2: bool = field(default=True, metadata=by(flag, says=True))
    gsm_data_coding: int = field(default=0, metadata=by(whole(0, 255), says=True))
    # What an octet of data_coding 0 means to the carrier: differs for @ $ _ and the brackets.
    gsm_alphabet: str = field(default="gsm7", metadata=by(one_of("gsm7", "latin1"), says=True))
    max_segments: int = field(default=10, metadata=by(whole(1, 255)))
    # A part refused for a moment while its siblings were taken: how often it is sent again, after how long.
    part_retries: int = field(default=5, metadata=by(whole(0, 20)))
    # Questions (query_sm) a second: each takes a place in the window.
    queries_per_second: float = field(default=5.0, metadata=by(number(0.01, 1000)))
    part_retry_s: float = field(default=0.5, metadata=by(seconds(0.001, 60)))
    # Refusals in a row for a reason of ours: then the lane halts. As many "in trouble": then the link pauses.
    strange_in_a_row: int = field(default=in_a_row.DEFAULT, metadata=by(whole(1, 1_000_000)))
    receipt_level: ReceiptLevel = field(default=ReceiptLevel.HANDSET, metadata=by(level))
    receipt_zone: timezone = field(default=VIETNAM, metadata=by(utc_offset))
    id_mode: str = field(default="same", metadata=by(id_mode))
    reasons: Mapping[str, Reason] = field(default_factory=dict, metadata=by(reasons))


def read_settings(link: LinkOptions) -> SmppSettings:
    """The link's options, checked; LinkError names the link, the option and the remedy (never its value)."""
    settings = read_options(link, SmppSettings, "an SMPP link")
    if settings.reconnect_min_s > settings.reconnect_max_s:
        raise LinkError(f"Link {link.name}: reconnect_min_s must not be above reconnect_max_s.")
    return settings


def limits(link: LinkOptions, own: SmppSettings) -> Limits:
    """What the link may carry."""
    return Limits(
        link.segments_per_second,
        own.window * own.binds,
        encodings=frozenset(Encoding) if own.ucs2 else frozenset({Encoding.GSM7}),
        max_segments=own.max_segments,
        one_receipt=own.long_text == "payload",
    )
