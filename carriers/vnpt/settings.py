"""Settings of one VNPT link, each with its reader, bounds and default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from carriers.contract import LinkError, LinkOptions, ReceiptLevel
from carriers.http import HttpSettings
from carriers.options import by, one_of, read_options, seconds, string, whole
from carriers.text.template import Template, parse
from carriers.vnpt.codec import ATTRIBUTE, ELEMENT, JSON, XML
from carriers.vnpt.hours import BLOCKED, Blocked, read_blocked

CSKH, QC = "cskh", "qc"  # customer care, advertising: CONTRACTTYPEID 1 and 2
STATUS_OPERATIONS = ("get_sms_status_api", "get_sms_status", "get_sms_status_web")
# A status query names one number of a request (V2), or the request alone (V3, V5).
OF_NUMBER, OF_REQUEST = "number", "request"
# SCHEDULETIME is written both ways in public documents.
DAYS = {"dd-MM-yyyy": "%d-%m-%Y", "dd/MM/yyyy": "%d/%m/%Y"}


def _id(value: object) -> str:
    text = str(string(18, 1)(value))
    if not text.isdecimal():
        raise ValueError("must be a number, as VNPT gave it")
    return text


def _id_or_none(value: object) -> str:
    return _id(value) if value != "" else ""


def _day(value: object) -> str:
    return DAYS[one_of(*DAYS)(value)]


def _templates(value: object) -> tuple[Template, ...]:
    """Read TEMPLATEID -> registered content, such as {"800123" = "Canh bao: {D,140}"}."""
    if not isinstance(value, Mapping) or not value:
        raise ValueError('must be a table of template ids with their contents, such as {"800123" = "{P1}"}')
    return tuple(_template(identity, content) for identity, content in value.items())


def _template(identity: object, content: object) -> Template:
    try:
        return parse(_id(identity), str(content))
    except ValueError as error:
        raise ValueError(f"holds a template, {str(identity)[:18]!r}, that {error}") from None


def _level(value: object) -> ReceiptLevel:
    return ReceiptLevel[one_of("operator", "handset")(value).upper()]


@dataclass(frozen=True, slots=True, kw_only=True)
class VnptSettings(HttpSettings):
    """Validated settings of one link; base_url ends in smsbn/api or smsmarketing/api, password is APIPASS."""

    user: str = field(metadata=by(string(64, 1)))  # APIUSER
    portal_user: str = field(metadata=by(string(64, 1)))  # USERNAME
    agent_id: str = field(metadata=by(_id))
    contract_id: str = field(metadata=by(_id, content=True))
    label_id: str = field(metadata=by(_id, content=True))
    label: str = field(metadata=by(string(11, 1), content=True))  # the sender ID that label_id stands for
    traffic: str = field(metadata=by(one_of(CSKH, QC), content=True))
    templates: tuple[Template, ...] = field(metadata=by(_templates, content=True))
    format: str = field(default=JSON, metadata=by(one_of(JSON, XML)))
    xml_name: str = field(default=ATTRIBUTE, metadata=by(one_of(ATTRIBUTE, ELEMENT)))
    schedule_format: str = field(default="%d-%m-%Y", metadata=by(_day))
    per_submit: int = field(default=100, metadata=by(whole(1, 1000)))
    blocked_hours: Blocked = field(default_factory=lambda: read_blocked(BLOCKED), metadata=by(read_blocked))
    # After code 12, and after code 8 in hours that blocked_hours leaves open.
    refused_pause_s: float = field(default=1800.0, metadata=by(seconds(1, 86_400)))
    status_operation: str = field(default=STATUS_OPERATIONS[0], metadata=by(one_of(*STATUS_OPERATIONS)))
    status_request: str = field(default=OF_NUMBER, metadata=by(one_of(OF_NUMBER, OF_REQUEST)))
    status_field: str = field(default="STATUS", metadata=by(one_of("STATUS", "ERROR")))
    # CSKH ends at SENT. That QC has DELIVRD rests on one source (V2), so the contract must state it.
    receipt_level: ReceiptLevel = field(default=ReceiptLevel.OPERATOR, metadata=by(_level))
    adser_id: str = field(default="", metadata=by(_id_or_none))
    package_id: str = field(default="", metadata=by(_id_or_none))
    read_tries: int = field(default=3, metadata=by(whole(1, 10)))
    read_pause_s: float = field(default=1.0, metadata=by(seconds(0.001, 60)))

    @property
    def contract_type(self) -> str:
        return "1" if self.traffic == CSKH else "2"


def read(link: LinkOptions) -> VnptSettings:
    """Read the link's settings and check them together; LinkError says which is wrong."""
    settings = read_options(link, VnptSettings, "a VNPT link")
    if settings.traffic == CSKH and settings.receipt_level is ReceiptLevel.HANDSET:
        raise LinkError(
            f"Link {link.name}: receipt_level cannot be handset, because traffic cskh is tracked "
            "only up to the operator."
        )
    if settings.status_request == OF_REQUEST and settings.per_submit != 1:
        raise LinkError(
            f"Link {link.name}: per_submit must be 1, for status_request = {OF_REQUEST} names no number."
        )
    return settings
