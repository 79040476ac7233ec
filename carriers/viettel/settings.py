"""Settings of one Viettel link, each with its reader, bounds and default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from carriers.contract import (
    Deferred,
    Halted,
    LinkError,
    LinkOptions,
    Reason,
    ReceiptLevel,
    ReceiptStatus,
    Rejected,
)
from carriers.http import HttpSettings
from carriers.options import Read, by, flag, level, one_of, read_options, reasons, seconds, string, whole
from carriers.viettel.codes import Refusal

LIST, ONE, WITH_RECEIPT = "wsCpMt4", "wsCpMt", "wsCpMtRegDlr"
# No date format is evidenced; notation of the settings -> strftime.
DATES = {
    "dd/MM/yyyy": "%d/%m/%Y",
    "dd-MM-yyyy": "%d-%m-%Y",
    "yyyy-MM-dd": "%Y-%m-%d",
    "yyyyMMdd": "%Y%m%d",
    "ddMMyyyy": "%d%m%Y",
}
HOURS = {"dd/MM/yyyy HH": "%d/%m/%Y %H", "dd-MM-yyyy HH": "%d-%m-%Y %H", "yyyyMMddHH": "%Y%m%d%H"}


def _digits(value: object) -> str:
    text = str(string(18, 1)(value))
    if not text.isdecimal():
        raise ValueError("must be a number: the carrier refuses any other request id")
    return text


def _format(formats: Mapping[str, str]) -> Read:
    """Read one of these formats, as strftime has it."""
    known = one_of(*formats)

    def read(value: object) -> str:
        return formats[known(value)]

    return read


def _statuses(value: object) -> Mapping[str, ReceiptStatus]:
    """Read the meaning of dlrStatus numbers, such as {"1" = "delivered"}."""
    words = {status.value: status for status in ReceiptStatus}
    if not isinstance(value, Mapping) or not set(map(str, value.values())) <= set(words):
        raise ValueError(f"must be a table of dlrStatus numbers with words out of: {', '.join(words)}")
    return {str(number).strip(): words[str(word)] for number, word in value.items()}


def _messages(value: object) -> Mapping[str, Refusal]:
    """Read the contract's own messages, such as {"OVER SPEED" = "throttled"}."""
    words: dict[str, Reason | None] = dict.fromkeys(("halted", "throttled", "deferred"))
    words |= {reason.name.lower(): reason for reason in Reason if reason > Reason.OTHER}
    if not isinstance(value, Mapping) or not set(map(str, value.values())) <= set(words):
        raise ValueError(f"must be a table of messages with words out of: {', '.join(words)}")
    if any(len(str(text).strip()) < 4 for text in value):
        raise ValueError("must have messages of four characters at least: shorter ones are part of others")
    return {str(text): _refusal(str(text), str(word), words[str(word)]) for text, word in value.items()}


def _refusal(text: str, word: str, reason: Reason | None) -> Refusal:
    code = text.strip()[:40]
    if reason is not None:
        return Rejected(code, reason)
    if word == "halted":
        return Halted(
            code, "The link halted on this message from the carrier, as its setting `messages` requires."
        )
    return Deferred(code, retry_after_s=1.0, counts=word == "deferred", throttled=word == "throttled")


@dataclass(frozen=True, slots=True, kw_only=True)
class ViettelSettings(HttpSettings):
    """Validated settings of one link; the password never shows in its repr."""

    user: str = field(metadata=by(string(64, 1)))
    cp_code: str = field(metadata=by(string(64, 1), content=True))
    operation: str = field(default=LIST, metadata=by(one_of(LIST, ONE, WITH_RECEIPT)))
    per_submit: int = field(default=50, metadata=by(whole(1, 1000)))
    msg_id: str = field(default="key", metadata=by(one_of("key", "number")))
    request_id: str = field(default="1", metadata=by(_digits))
    command_code: str = field(default="bulksms", metadata=by(string(32, 1), content=True))
    max_bytes: int = field(default=480, metadata=by(whole(1, 10_000)))
    accented: bool = field(default=True, metadata=by(flag, content=True))
    plain_type: str = field(default="0", metadata=by(one_of("0", "F"), content=True))
    messages: Mapping[str, Refusal] = field(default_factory=dict, metadata=by(_messages))
    # Later queries. None of this is evidenced, so the contract must state it.
    receipt_level: ReceiptLevel = field(default=ReceiptLevel.NONE, metadata=by(level))
    dlr_statuses: Mapping[str, ReceiptStatus] = field(default_factory=dict, metadata=by(_statuses))
    reasons: Mapping[str, Reason] = field(default_factory=dict, metadata=by(reasons))
    failure_date: str = field(default="%d/%m/%Y", metadata=by(_format(DATES)))
    failure_page: int = field(default=500, metadata=by(whole(1, 10_000)))
    failure_first_page: int = field(default=1, metadata=by(whole(0, 1)))
    failure_pages: int = field(default=2000, metadata=by(whole(1, 100_000)))
    report_by: str = field(default="day", metadata=by(one_of("day", "hour")))
    report_date: str = field(default="%d/%m/%Y", metadata=by(_format(DATES)))
    report_hour: str = field(default="%d/%m/%Y %H", metadata=by(_format(HOURS)))
    no_error: str = field(default="0", metadata=by(string(8, 1)))
    tax_code: str = field(default="", metadata=by(string(32)))
    read_tries: int = field(default=3, metadata=by(whole(1, 10)))
    read_pause_s: float = field(default=1.0, metadata=by(seconds(0.001, 60)))

    @property
    def list_size(self) -> int:
        return self.per_submit if self.operation == LIST else 1


def read_settings(link: LinkOptions) -> ViettelSettings:
    """Read the link's settings and check them together; LinkError says which is wrong."""
    own = read_options(link, ViettelSettings, "a Viettel link")
    if own.operation != LIST and str(link.options.get("per_submit", 1)) != "1":
        raise LinkError(f"Link {link.name}: per_submit must be 1, for {own.operation} takes one number.")
    if own.dlr_statuses and own.operation != WITH_RECEIPT and (own.operation, own.msg_id) != (LIST, "number"):
        raise LinkError(
            f"Link {link.name}: dlr_statuses needs ids that are numbers: operation {WITH_RECEIPT}, "
            f'or {LIST} with msg_id = "number".'
        )
    if own.dlr_statuses and own.receipt_level is ReceiptLevel.NONE:
        raise LinkError(
            f"Link {link.name}: dlr_statuses needs receipt_level (operator or handset) beside it: "
            "what does a status prove by your contract?"
        )
    return own
