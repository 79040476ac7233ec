"""What VNPT's codes mean: one table for replies to a list, one for message statuses; networks."""

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
from carriers.phrases import Phrase


class Wait(Enum):
    """Refused for now; for how long depends on the clock and on the link's settings."""

    HOURS = "until the hours that are open"
    POLICY = "for the pause that the link names"
    TOMORROW = "until the next day's open hours"


class ReplyCode(NamedTuple):
    """One reply code, its result and source. of_one_number: it concerns one number, so the list is split."""

    code: str
    becomes: SubmitResult | Wait
    source: str
    of_one_number: bool = False


def _halt(code: str, what_to_do: str) -> Halted:
    return Halted(code, Phrase("{what} Then resume the link.", what=what_to_do))


def _top_up(code: str, whose: str) -> Halted:
    return _halt(code, Phrase("The {whose} package is used up. Ask VNPT to top it up.", whose=whose))


# Codes of send_sms_list. Sources: docs/carriers/vnpt.md; * was seen in recorded answers (V1). What would
# affect every message halts the link, so that no delivery is used up; what concerns one number or one text
# is final for that delivery.
TABLE: Sequence[ReplyCode] = (
    # An exception at the carrier, perhaps after the messages were queued.
    ReplyCode("-1", Unknown("VNPT had an exception (code -1)"), "V2 V4 V5"),
    ReplyCode("0", Accepted(), "V1* V2 V4 V5"),
    ReplyCode(
        "1",
        _halt(
            "1",
            "VNPT rejects the account or this server's address. Correct user and password, or ask "
            "VNPT to allow the address in its answer.",
        ),
        "V1* V2 V4 V5",
    ),
    ReplyCode(
        "2", _halt("2", "VNPT reads times in a different format. Correct schedule_format."), "V1* V2 V4 V5"
    ),
    ReplyCode(
        "3", _halt("3", "VNPT does not know the operation. Compare base_url with the contract."), "V2 V4 V5"
    ),
    ReplyCode(
        "7",
        _halt(
            "7",
            "The template is not approved, or agent, contract, label and template do not belong "
            "together. Compare templates, label_id, contract_id and agent_id with `loa carrier "
            "check`.",
        ),
        "V1* V2 V4 V5",
    ),
    ReplyCode("8", Wait.HOURS, "V1 V2 V5"),
    ReplyCode(
        "9",
        _halt("9", "The template is for another kind of traffic. Correct the setting `traffic`."),
        "V1* V2 V5",
    ),
    ReplyCode("10", _halt("10", "VNPT does not know the portal user. Correct portal_user."), "V1* V2 V4 V5"),
    ReplyCode("11", Rejected("11", Reason.FILTERED), "V1* V2 V4 V5"),
    ReplyCode("12", Wait.POLICY, "V2 V4 V5"),
    ReplyCode("13", _halt("13", "The contract is wrong or not valid. Check contract_id."), "V1* V2 V4 V5"),
    ReplyCode("14", _halt("14", "The label is wrong or not active. Check label_id."), "V1* V2 V4 V5"),
    ReplyCode("15", _halt("15", "The agent is wrong or not active. Check agent_id."), "V1* V2 V4 V5"),
    ReplyCode("16", Deferred("16", 1.0, throttled=True), "V2 V5"),
    ReplyCode("17", Rejected("17", Reason.WRONG_REQUEST), "V1* V2 V5"),
    ReplyCode("20", _top_up("20", "contract's"), "V2 V5"),
    ReplyCode("21", _top_up("21", "customer's"), "V1* V2 V5"),
    ReplyCode("22", _top_up("22", "agent's"), "V1* V2 V5"),
    ReplyCode("23", Rejected("23", Reason.NO_SUCH_NUMBER), "V1* V2 V5", of_one_number=True),
    ReplyCode("24", _halt("24", "VNPT considers the sending time past. Compare both clocks."), "V1* V2 V5"),
    ReplyCode("25", Rejected("25", Reason.OTHER_NETWORK), "V1* V2 V5", of_one_number=True),
    ReplyCode("26", Wait.TOMORROW, "V1 V2 V5", of_one_number=True),
    ReplyCode("27", Rejected("27", Reason.FILTERED), "V2 V5"),
    ReplyCode("28", Rejected("28", Reason.FILTERED), "V2 V5"),
    ReplyCode("29", _halt("29", "The sender ID's registration has expired. Have it renewed."), "V1* V2 V5"),
    ReplyCode("30", Rejected("30", Reason.FILTERED), "V1* V2 V5"),
    ReplyCode("31", _halt("31", "VNPT lists the customer (adser) as inactive. Ask VNPT."), "V1* V2 V5"),
    ReplyCode("32", _halt("32", "VNPT does not know the template id. Check templates."), "V5"),
    # We never send a request id twice. Whoever did, such as a proxy that repeated the request, may have had
    # the messages taken or not: only a status query can tell.
    ReplyCode("33", Unknown("VNPT has seen this request id before (code 33)"), "V2"),
    ReplyCode(
        "34",
        _halt("34", "The contract requires encrypted lists, which this link does not send."),
        "V1* V2 V5",
    ),
    ReplyCode("35", _halt("35", "VNPT treats the list as encrypted. Ask VNPT."), "V1* V2 V5"),
    ReplyCode("36", _halt("36", "VNPT treats the list as encrypted. Ask VNPT."), "V1* V2 V5"),
    ReplyCode("101", _halt("101", "VNPT cannot read the request. Check format and xml_name."), "V4"),
)
_ROWS = {row.code: row for row in TABLE}


class StatusRow(NamedTuple):
    """One status of a message, its meaning (None: ask again later) and source."""

    code: str
    says: ReceiptStatus | None
    source: str


REFUSED_STATUS = "10"
# Statuses of get_sms_status_api. What a 0 proves depends on the traffic: SENT (operator) for CSKH, DELIVRD
# for QC (receipt_level caps it); 3 is QC's SENT.
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

# VNPT's numbering of networks (V2) -> our names.
NETWORKS = {"1": "vnpt", "2": "mobifone", "3": "viettel", "4": "gmobile", "5": "vietnamobile"}
OWN_NETWORK = "vnpt"
# Number ranges as of November 2026, used to build lists of one network, which is what VNPT takes in one
# request. Only a hint: numbers are ported, and VNPT's answer says whose a number is.
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
    """Return the code's row; an undocumented code is Unknown and kept as it came."""
    return _ROWS.get(code) or ReplyCode(
        code, Unknown(Phrase("VNPT answered with code {code}, which is not documented", code=code)), ""
    )


def status_of(code: str) -> ReceiptStatus | None:
    """Return what a status means; None: ask again later."""
    return _STATUSES.get(code, ReceiptStatus.UNKNOWN)


def plain_code(value: object) -> str | None:
    """Normalise a code, which carriers write as string or number; None if it is not one."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    text = str(value).strip()
    return str(int(text)) if re.fullmatch(r"-?[0-9]{1,6}", text) else None


def network_in(words: str) -> str:
    """Return the right network named by code 25, such as "right network = [3]"; "" if none."""
    named = re.search(r"network\W{0,12}([1-5])(?![0-9])", words, re.IGNORECASE)
    alone = re.search(r"\[\s*([1-5])\s*\]", words)
    found = named or alone
    return NETWORKS[found[1]] if found else ""


def range_holder(phone: str) -> str:
    """Return which network holds the number's range, "" if the table has none."""
    return _HOLDERS.get(phone[2:4], "")
