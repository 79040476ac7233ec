"""A link's settings: sentences that name the link, the setting and the remedy, never the value."""

from __future__ import annotations

import pytest

from carriers import registry
from carriers.contract import Halted, LinkError, LinkOptions, Reason, ReceiptLevel, ReceiptStatus, Rejected
from carriers.viettel.carrier import QueriedViettel, ViettelCarrier
from carriers.viettel.settings import ViettelSettings, read_settings
from tests.carriers.viettel.answers import BASE, PASSWORD


def read(**options: object) -> ViettelSettings:
    return read_settings(LinkOptions("viettel-1", "viettel", 100, {**BASE, **options}))


def test_four_settings_are_enough() -> None:
    own = read_settings(
        LinkOptions(
            "v", "viettel", 1, {name: BASE[name] for name in ("base_url", "user", "password", "cp_code")}
        )
    )
    assert (own.operation, own.per_submit, own.list_size, own.msg_id) == ("wsCpMt4", 50, 50, "key")
    assert (own.request_id, own.command_code, own.max_bytes, own.plain_type) == ("1", "bulksms", 480, "0")
    assert (own.receipt_level, own.dlr_statuses, own.messages) == (ReceiptLevel.NONE, {}, {})


def test_tables_become_values() -> None:
    own = read(
        operation="wsCpMtRegDlr",
        dlr_statuses={1: "delivered", " 2 ": "expired"},
        receipt_level="handset",
        reasons={"03": "barred"},
        messages={"OUT OF BALANCE": "halted", "KHOA CHIEU": "barred"},
        report_hour="yyyyMMddHH",
    )
    assert own.list_size == 1
    assert own.dlr_statuses == {"1": ReceiptStatus.DELIVERED, "2": ReceiptStatus.EXPIRED}
    assert own.reasons == {"3": Reason.BARRED}
    assert isinstance(own.messages["OUT OF BALANCE"], Halted)
    assert own.messages["KHOA CHIEU"] == Rejected("KHOA CHIEU", Reason.BARRED)
    assert own.report_hour == "%Y%m%d%H"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"base_url": "sms.example.vn"}, "base_url must be an address such as"),
        ({"base_url": "http://a.vn/bulkapi?wsdl"}, "base_url must be an address such as"),
        ({"base_url": "http://u:p@a.vn/bulkapi"}, "base_url must hold no user name and no password"),
        ({"user": ""}, "user must be plain text of 1 to 64 characters"),
        ({"request_id": "SLA-1"}, "request_id must be a number: the carrier refuses any other"),
        ({"operation": "wsCpBatchMt"}, "operation must be one of: wsCpMt4, wsCpMt, wsCpMtRegDlr"),
        ({"per_submit": 0}, "per_submit must be a whole number from 1 to 1000"),
        ({"operation": "wsCpMt", "per_submit": 5}, "per_submit must be 1, for wsCpMt takes one number"),
        ({"msg_id": "uuid"}, "msg_id must be one of: key, number"),
        ({"failure_date": "%d/%m/%Y"}, "failure_date must be one of: dd/MM/yyyy, dd-MM-yyyy"),
        ({"report_hour": "HH"}, "report_hour must be one of: dd/MM/yyyy HH"),
        ({"dlr_statuses": {"1": "ok"}}, "dlr_statuses must be a table of dlrStatus numbers with words"),
        ({"dlr_statuses": ["1"]}, "dlr_statuses must be a table of dlrStatus numbers with words"),
        ({"dlr_statuses": {"1": "delivered"}}, "dlr_statuses needs ids that are numbers"),
        (
            {"dlr_statuses": {"1": "delivered"}, "operation": "wsCpMtRegDlr"},
            "dlr_statuses needs receipt_level (operator or handset) beside it",
        ),
        ({"messages": {"OUT OF BALANCE": "stop"}}, "messages must be a table of messages with words"),
        ({"messages": {" OK ": "halted"}}, "messages must have messages of four characters at least"),
        ({"reasons": {"1": "none of these"}}, "reasons must be a table of error codes with words"),
        ({"window": 5}, "a Viettel link has no setting window. It knows: base_url"),
    ],
)
def test_a_wrong_setting_is_named_with_its_remedy(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(LinkError) as told:
        read(**options)
    assert str(told.value).startswith(f"Link viettel-1: {sentence}")
    assert PASSWORD not in str(told.value)


@pytest.mark.parametrize("name", ["base_url", "user", "password", "cp_code"])
def test_what_has_no_default_is_asked_for(name: str) -> None:
    options = {key: value for key, value in BASE.items() if key != name}
    with pytest.raises(LinkError, match=rf"Link v: {name} is missing"):
        read_settings(LinkOptions("v", "viettel", 1, options))


def test_numbers_as_ids_let_a_list_be_asked_about() -> None:
    own = read(msg_id="number", dlr_statuses={"1": "delivered"}, receipt_level="operator")
    assert own.list_size == 50


def test_the_password_shows_in_no_repr() -> None:
    assert PASSWORD not in repr(read())


def test_the_registry_builds_the_link_that_the_settings_ask_for() -> None:
    plain = registry.build("viettel", LinkOptions("v", "viettel", 100, dict(BASE)))
    assert type(plain) is ViettelCarrier
    asking = {"operation": "wsCpMtRegDlr", "dlr_statuses": {"1": "delivered"}, "receipt_level": "operator"}
    queried = registry.build("viettel", LinkOptions("v", "viettel", 100, {**BASE, **asking}))
    assert type(queried) is QueriedViettel
    assert queried.receipt_level is ReceiptLevel.OPERATOR
