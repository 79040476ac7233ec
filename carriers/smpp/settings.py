"""Settings of one SMPP link, each with its reader, bounds and default."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timezone

from carriers import refusal_streak
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

# message_payload, sar_msg_ref_num, sar_total_segments and sar_segment_seqnum.
OWN_TAGS = (0x0424, 0x020C, 0x020E, 0x020F)
AUTO = (
    "can't be 'auto': an id of digits only reads as decimal and as hexadecimal, so a guess would hang some "
    "receipts on the wrong message; ask the carrier, and name one of: same, hex_dec, dec_hex"
)


def id_mode(value: object) -> str:
    """Read how ids of answers and receipts differ; it is never guessed."""
    if value == "auto":
        raise ValueError(AUTO)
    return str(one_of("same", "hex_dec", "dec_hex")(value))


TEMPLATE_CODE = "field:template_code"
_TAG = re.compile("(?:0x)?([0-9a-fA-F]{4})")


def tlvs(value: object) -> Mapping[int, str]:
    """Read optional parameters by tag, such as {"0x1401" = "text:PA05"}, for each submit_sm.

    A value is text:... (ASCII), hex:... (octets) or field:template_code (the template that the text fits).
    """
    if not isinstance(value, Mapping):
        raise ValueError('must be a table of tags, such as { "0x1401" = "text:PA05" }')
    found: dict[int, str] = {}
    for name, said in value.items():
        tag = _TAG.fullmatch(str(name))
        if tag is None or int(tag[1], 16) in OWN_TAGS:
            raise ValueError(f"{name}: a tag has four hexadecimal digits and is none that Loa sends itself")
        try:
            octets = tlv_value(str(said), "0")
        except ValueError:
            raise ValueError(f"{name}: must be text:..., hex:... or {TEMPLATE_CODE}") from None
        if not 1 <= len(octets) <= 254:
            raise ValueError(f"{name}: must be 1 to 254 octets")
        found[int(tag[1], 16)] = str(said)
    return found


def tlv_value(text: str, template_code: str) -> bytes:
    """Return the octets of an optional parameter; ValueError for none of the three forms."""
    if text == TEMPLATE_CODE:
        return template_code.encode("ascii")
    form, _, rest = text.partition(":")
    if form not in ("text", "hex"):
        raise ValueError(text)
    return rest.encode("ascii") if form == "text" else bytes.fromhex(rest)


def tls(value: object) -> bool | str:
    """Read true (system CAs) or the path of the CA file that signed the carrier's certificate."""
    if str(value).lower() in ("true", "false"):
        return flag(value)
    if not isinstance(value, str) or not value:
        raise ValueError("must be true, false or the path of a CA file")
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class SmppSettings:
    """Validated settings of one link; the password never shows in its repr."""

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
    # Short enough to notice a silent centre within half a minute.
    enquire_link_s: float = field(default=10.0, metadata=by(seconds(0.05, 3600)))
    response_timeout_s: float = field(default=15.0, metadata=by(seconds(0.05, 600)))
    reconnect_min_s: float = field(default=1.0, metadata=by(seconds(0.01, 600)))
    # Below ten seconds, so that sending resumes soon after a long outage.
    reconnect_max_s: float = field(default=8.0, metadata=by(seconds(0.01, 600)))
    # The longest pause between tries of a refused bind, and between probes of an unanswered link.
    probe_max_s: float = field(default=60.0, metadata=by(seconds(0.01, 3600)))
    source_ton: int = field(default=5, metadata=by(whole(0, 255), content=True))
    source_npi: int = field(default=0, metadata=by(whole(0, 255), content=True))
    dest_ton: int = field(default=1, metadata=by(whole(0, 255)))
    dest_npi: int = field(default=1, metadata=by(whole(0, 255)))
    service_type: str = field(default="", metadata=by(string(5), content=True))
    validity: str = field(default="none", metadata=by(one_of("none", "relative")))
    long_text: str = field(default="udh", metadata=by(one_of("udh", "sar", "udh+sar", "payload")))
    ucs2: bool = field(default=True, metadata=by(flag, content=True))
    gsm_data_coding: int = field(default=0, metadata=by(whole(0, 255), content=True))
    # How the carrier reads data_coding 0: differs for @ $ _ and the brackets.
    gsm_alphabet: str = field(default="gsm7", metadata=by(one_of("gsm7", "latin1"), content=True))
    max_segments: int = field(default=10, metadata=by(whole(1, 255)))
    # Retries of a part refused for now while others of its message were taken, and the first pause.
    part_retries: int = field(default=5, metadata=by(whole(0, 20)))
    # query_sm per second; each takes a place in the window.
    queries_per_second: float = field(default=5.0, metadata=by(number(0.01, 1000)))
    part_retry_s: float = field(default=0.5, metadata=by(seconds(0.001, 60)))
    # Refusals in a row for a reason of ours until the link halts; for the carrier's own, until it pauses.
    strange_in_a_row: int = field(default=refusal_streak.DEFAULT, metadata=by(whole(1, 1_000_000)))
    # Nobody has said more: only the contract can state that a receipt comes from the handset.
    receipt_level: ReceiptLevel = field(default=ReceiptLevel.OPERATOR, metadata=by(level))
    receipt_zone: timezone = field(default=VIETNAM, metadata=by(utc_offset))
    id_mode: str = field(default="same", metadata=by(id_mode))
    # Optional parameters that the carrier demands on each submit_sm, by tag.
    tlvs: Mapping[int, str] = field(default_factory=dict, metadata=by(tlvs, content=True))
    reasons: Mapping[str, Reason] = field(default_factory=dict, metadata=by(reasons))


def read_settings(link: LinkOptions) -> SmppSettings:
    """Read and check the link's options; LinkError names the link, the option and the remedy."""
    settings = read_options(link, SmppSettings, "an SMPP link")
    if settings.reconnect_min_s > settings.reconnect_max_s:
        raise LinkError(f"Link {link.name}: reconnect_min_s must not be above reconnect_max_s.")
    return settings


def limits(link: LinkOptions, settings: SmppSettings) -> Limits:
    """What the link may carry."""
    return Limits(
        link.segments_per_second,
        settings.window * settings.binds,
        encodings=frozenset(Encoding) if settings.ucs2 else frozenset({Encoding.GSM7}),
        max_segments=settings.max_segments,
        one_receipt=settings.long_text == "payload",
    )
