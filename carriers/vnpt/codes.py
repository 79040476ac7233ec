"""What VNPT's codes mean: one table for answers to a list, one for the status of a message; networks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from carriers.contract import (
    Accepted,
    Deferred,
    Halted,
    Reason,
    ReceiptStatus,
    Rejected,
    SubmitResult,
    Unknown,
)


class Wait(Enum):
    """Refused for now, and for how long depends on the clock and on the link's settings."""

    HOURS = "until the hours that are open"
    POLICY = "for the pause that the link names"
    TOMORROW = "until the next day's open hours"


class ReplyCode(NamedTuple):
    """One code; what it comes to; its source; whether it speaks of one number, so that a list is split."""

    code: str
    becomes: SubmitResult | Wait
    source: str
    of_one_number: bool = False


def _halt(code: str, what_to_do: str) -> Halted:
    return Halted(code, f"{what_to_do} Then resume the lane.")


def _top_up(code: str, whose: str) -> Halted:
    return _halt(code, f"The {whose} package is used up: have VNPT top it up.")


# Codes of send_sms_list. Sources are those of docs/carriers/vnpt.md; * was seen in recorded answers (V1).
# What would hit every message alike halts the lane, so that no delivery is used up by it; what concerns one
# number or one text is final for that delivery.
TABLE: Sequence[ReplyCode] = (
    # An exception at the carrier: nobody says before or after the messages were made.
    ReplyCode("-1", Unknown("VNPT had an exception (code -1)"), "V2 V4 V5"),
    ReplyCode("0", Accepted(), "V1* V2 V4 V5"),
    ReplyCode(
        "1",
        _halt(
            "1",
            "VNPT refuses our account or our address: correct user and password, or have VNPT let the "
            "address in that its answer names.",
        ),
        "V1* V2 V4 V5",
    ),
    ReplyCode("2", _halt("2", "VNPT reads times in another way: correct schedule_format."), "V1* V2 V4 V5"),
    ReplyCode(
        "3", _halt("3", "VNPT does not know the operation: compare base_url with the contract."), "V2 V4 V5"
    ),
    ReplyCode(
        "7",
        _halt(
            "7",
            "The template is not approved, or agent, contract, label and template do not belong together: "
            "compare templates, label_id, contract_id and agent_id with `loa carrier check`.",
        ),
        "V1* V2 V4 V5",
    ),
    ReplyCode("8", Wait.HOURS, "V1 V2 V5"),
    ReplyCode("9", _halt("9", "The template is not for this kind of traffic: correct traffic."), "V1* V2 V5"),
    ReplyCode("10", _halt("10", "VNPT does not know the portal user: correct portal_user."), "V1* V2 V4 V5"),
    ReplyCode("11", Rejected("11", Reason.FILTERED), "V1* V2 V4 V5"),
    ReplyCode("12", Wait.POLICY, "V2 V4 V5"),
    ReplyCode(
        "13", _halt("13", "The contract is wrong or not in force: compare contract_id."), "V1* V2 V4 V5"
    ),
    ReplyCode("14", _halt("14", "The label is wrong or not active: compare label_id."), "V1* V2 V4 V5"),
    ReplyCode("15", _halt("15", "The agent is wrong or not active: compare agent_id."), "V1* V2 V4 V5"),
    ReplyCode("16", Deferred("16", 1.0, throttled=True), "V2 V5"),
    ReplyCode("17", Rejected("17", Reason.WRONG_REQUEST), "V1* V2 V5"),
    ReplyCode("20", _top_up("20", "contract's"), "V2 V5"),
    ReplyCode("21", _top_up("21", "customer's"), "V1* V2 V5"),
    ReplyCode("22", _top_up("22", "agent's"), "V1* V2 V5"),
    ReplyCode("23", Rejected("23", Reason.NO_SUCH_NUMBER), "V1* V2 V5", of_one_number=True),
    ReplyCode("24", _halt("24", "VNPT takes our time for past: compare both clocks."), "V1* V2 V5"),
    ReplyCode("25", Rejected("25", Reason.OTHER_NETWORK), "V1* V2 V5", of_one_number=True),
    ReplyCode("26", Wait.TOMORROW, "V1 V2 V5", of_one_number=True),
    ReplyCode("27", Rejected("27", Reason.FILTERED), "V2 V5"),
    ReplyCode("28", Rejected("28", Reason.FILTERED), "V2 V5"),
    ReplyCode("29", _halt("29", "The sender ID's registration has run out: have it renewed."), "V1* V2 V5"),
    ReplyCode("30", Rejected("30", Reason.FILTERED), "V1* V2 V5"),
    ReplyCode("31", _halt("31", "VNPT has the customer (adser) as not active: ask VNPT."), "V1* V2 V5"),
    ReplyCode("32", _halt("32", "VNPT does not know the template id: compare templates."), "V5"),
    # Nothing here sends a request id twice, so whoever used ours before, a proxy that repeated the request
    # or a stranger, may have had the messages taken or not: the status of each says.
    ReplyCode("33", Unknown("VNPT has seen our request id before (code 33)"), "V2"),
    ReplyCode(
        "34", _halt("34", "The contract wants encrypted lists, which this link does not send."), "V1* V2 V5"
    ),
    ReplyCode("35", _halt("35", "VNPT takes our list for an encrypted one: ask VNPT."), "V1* V2 V5"),
    ReplyCode("36", _halt("36", "VNPT takes our list for an encrypted one: ask VNPT."), "V1* V2 V5"),
    ReplyCode("101", _halt("101", "VNPT can't read our request: compare format and xml_name."), "V4"),
)
_ROWS = {row.code: row for row in TABLE}


class StatusRow(NamedTuple):
    """One status of a message; what it says (None: ask again later); its source."""

    code: str
    says: ReceiptStatus | None
    source: str


REFUSED_STATUS = "10"
# Statuses of get_sms_status_api. What a 0 proves depends on the traffic: SENT (operator) for CSKH, DELIVRD
# for QC; 3 is QC's SENT.
STATUSES: Sequence[StatusRow] = (
    StatusRow("-1", None, "V2"),
    StatusRow("0", ReceiptStatus.DELIVERED, "V2"),
    StatusRow("1", ReceiptStatus.UNDELIVERED, "V2"),
    StatusRow("2", ReceiptStatus.IN_TRANSIT, "V2"),
    StatusRow("3", ReceiptStatus.IN_TRANSIT, "V2"),
    StatusRow("4", ReceiptStatus.IN_TRANSIT, "V2"),
    StatusRow("5", ReceiptStatus.IN_TRANSIT, "V2"),
    StatusRow(REFUSED_STATUS, None, "V2"),
)
_STATUSES = {row.code: row.says for row in STATUSES}

# VNPT's numbering of networks (V2), in the words of the ranges.
NETWORKS = {"1": "vnpt", "2": "mobifone", "3": "viettel", "4": "gmobile", "5": "vietnamobile"}
OWN_NETWORK = "vnpt"
# Who holds which range, as of November 2026. A hint that keeps lists of one network, which is what VNPT takes
# in one request; never a proof: numbers are ported, and VNPT's answer says whose a number is.
RANGES = {
    OWN_NETWORK: ("91", "94", "88", "81", "82", "83", "84", "85"),
    "mobifone": ("90", "93", "89", "70", "76", "77", "78", "79"),
    "viettel": ("98", "97", "96", "86", "32", "33", "34", "35", "36", "37", "38", "39"),
    "vietnamobile": ("92", "52", "56", "58"),
    "gmobile": ("99", "59"),
    "itel": ("87",),
}
_HOLDERS = {prefix: network for network, prefixes in RANGES.items() for prefix in prefixes}


def row_of(code: str) -> ReplyCode:
    """The code's row; a code that nobody documents says neither taken nor refused, and is kept as it came."""
    return _ROWS.get(code) or ReplyCode(
        code, Unknown(f"VNPT answered with code {code}, which is not documented"), ""
    )


def status_of(code: str) -> ReceiptStatus | None:
    """What a status says of the message; None where it says nothing."""
    return _STATUSES.get(code, ReceiptStatus.UNKNOWN)


def plain_code(value: object) -> str | None:
    """A code as the tables have it: carriers write it as a string or as a number; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    text = str(value).strip()
    return str(int(text)) if re.fullmatch(r"-?[0-9]{1,6}", text) else None


def network_in(words: str) -> str:
    """The right network that code 25 names, such as "right network = [3]"; "" where it names none."""
    named = re.search(r"network\W{0,12}([1-5])(?![0-9])", words, re.IGNORECASE)
    alone = re.search(r"\[\s*([1-5])\s*\]", words)
    found = named or alone
    return NETWORKS[found[1]] if found else ""


def range_holder(phone: str) -> str:
    """Who holds the number's range, "" where the table has it for nobody."""
    return _HOLDERS.get(phone[2:4], "")
