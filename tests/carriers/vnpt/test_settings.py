"""A link's settings: sentences that name the link, the setting and the remedy, never the value."""

from __future__ import annotations

import pytest

from carriers.contract import LinkError, LinkOptions, ReceiptLevel
from carriers.registry import build
from carriers.vnpt.carrier import VnptCarrier
from carriers.vnpt.hours import BLOCKED, read_blocked
from carriers.vnpt.settings import VnptSettings, read
from tests.carriers.vnpt.links import PASSWORD, options


def settings(**more: object) -> VnptSettings:
    return read(LinkOptions("vnpt-1", "vnpt", 100, options(**more)))


def test_the_defaults_are_those_of_the_documents() -> None:
    own = settings()
    assert (own.format, own.xml_name, own.schedule_format) == ("json", "attribute", "%d-%m-%Y")
    assert (own.per_submit, own.blocked_hours) == (100, read_blocked(BLOCKED))
    assert (own.status_operation, own.status_request) == ("get_sms_status_api", "number")
    assert (own.status_field, own.contract_type) == ("STATUS", "1")


@pytest.mark.parametrize(
    ("more", "level"),
    [
        ({"traffic": "cskh"}, ReceiptLevel.OPERATOR),
        ({"traffic": "qc"}, ReceiptLevel.OPERATOR),
        ({"traffic": "qc", "receipt_level": "operator"}, ReceiptLevel.OPERATOR),
        ({"traffic": "qc", "receipt_level": "handset"}, ReceiptLevel.HANDSET),
        ({"traffic": "cskh", "receipt_level": "operator"}, ReceiptLevel.OPERATOR),
    ],
)
def test_a_status_proves_the_handset_only_where_the_link_says_so(
    more: dict[str, object], level: ReceiptLevel
) -> None:
    carrier = VnptCarrier(LinkOptions("vnpt-1", "vnpt", 100, options(**more)))
    assert carrier.receipt_level is level
    assert carrier.limits.per_submit == 100


@pytest.mark.parametrize(
    "name",
    [
        *("base_url", "password", "user", "portal_user", "agent_id"),
        *("contract_id", "label_id", "label", "traffic", "templates"),
    ],
)
def test_what_only_the_contract_can_say_has_no_default(name: str) -> None:
    given = options()
    del given[name]
    with pytest.raises(LinkError, match=f"Link vnpt-1: {name} is missing"):
        read(LinkOptions("vnpt-1", "vnpt", 100, given))


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"traffic": "otp"}, "traffic must be one of: cskh, qc"),
        ({"agent_id": "A9"}, "agent_id must be a number, as VNPT gave it"),
        ({"label_id": ""}, "label_id must be"),
        ({"label": "QUA-DAI-MOT-CHUT"}, "label must be plain text of 1 to 11 characters"),
        ({"templates": {}}, "templates must be a table of template ids"),
        ({"templates": "800123"}, "templates must be a table of template ids"),
        ({"templates": {"x": "{P1}"}}, "templates holds a template, 'x', that must be a number"),
        ({"templates": {"7": "{X,1}"}}, "templates holds a template, '7', that has a brace"),
        ({"format": "soap"}, "format must be one of: json, xml"),
        ({"xml_name": "both"}, "xml_name must be one of: attribute, element"),
        ({"schedule_format": "yyyyMMdd"}, "schedule_format must be one of: dd-MM-yyyy, dd/MM/yyyy"),
        ({"per_submit": 0}, "per_submit must be a whole number from 1 to 1000"),
        ({"blocked_hours": "-"}, "blocked_hours must leave some minute of the day open"),
        ({"status_operation": "get"}, "status_operation must be one of"),
        ({"receipt_level": "handset"}, "receipt_level cannot be handset, because traffic cskh"),
        ({"receipt_level": "none"}, "receipt_level must be one of: operator, handset"),
        ({"status_request": "request"}, "per_submit must be 1, for status_request = request"),
        ({"adser_id": "x"}, "adser_id must be a number"),
        ({"apipass": "x"}, "a VNPT link has no setting apipass"),
    ],
)
def test_a_wrong_setting_is_named_with_its_remedy(more: dict[str, object], words: str) -> None:
    with pytest.raises(LinkError, match="Link vnpt-1: ") as caught:
        settings(**more)
    assert words in str(caught.value)
    assert PASSWORD not in str(caught.value)


def test_a_question_by_request_alone_wants_lists_of_one() -> None:
    assert settings(status_request="request", per_submit=1).per_submit == 1


def test_the_password_is_in_no_repr() -> None:
    assert PASSWORD not in repr(settings())


def test_the_registry_knows_the_kind() -> None:
    carrier = build("vnpt", LinkOptions("vnpt-1", "vnpt", 100, options()))
    assert isinstance(carrier, VnptCarrier)
