"""The link against the simulated carrier: what the two say of each other adds up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from structlog.testing import capture_logs

from carriers.contract import (
    Accepted,
    Deferred,
    Halted,
    LinkOptions,
    OutboundSms,
    Question,
    Reason,
    Receipt,
    ReceiptStatus,
    Rejected,
    Unknown,
)
from carriers.options import VIETNAM
from carriers.simulators.viettel import Viettel, ViettelBehaviour
from carriers.simulators.web import HttpTrouble
from carriers.viettel.carrier import QueriedViettel, ViettelCarrier, viettel
from tests.carriers.viettel.answers import BASE, PASSWORD, SENDER, sms

BEHAVIOUR = {"account": f"loa:{PASSWORD}", "cp_code": "SLA_CA", "senders": f"VT={SENDER}"}
DLR = {"1": "delivered", "2": "undelivered", "0": "in_transit"}


@asynccontextmanager
async def working(
    behaviour: dict[str, Any] | None = None, **options: object
) -> AsyncIterator[tuple[ViettelCarrier, Viettel]]:
    async with Viettel(ViettelBehaviour(**{**BEHAVIOUR, **(behaviour or {})})) as service:
        own = {**BASE, "base_url": service.url, **options}
        carrier = viettel(LinkOptions("viettel-1", "viettel", 1000, own))
        assert isinstance(carrier, ViettelCarrier)
        await carrier.open()
        try:
            yield carrier, service
        finally:
            await carrier.close()


def parcel(count: int) -> list[OutboundSms]:
    return [sms(number) for number in range(count)]


def keys(messages: list[OutboundSms]) -> list[Accepted]:
    return [Accepted((message.key,)) for message in messages]


def day_of(service: Viettel) -> datetime:
    return service.messages[0].taken_at.astimezone(VIETNAM)


@pytest.mark.longer
async def test_a_parcel_goes_out_in_lists_and_every_number_gets_one_copy() -> None:
    messages = parcel(500)
    async with working({"gzip": 0.5, "chunked": 0.5}, per_submit=100) as (carrier, service):
        assert await carrier.submit(messages) == keys(messages)
        report = service.report()
        assert [each.request_id for each in service.messages] == [message.key for message in messages]
    assert (report["requests"], report["messages"], report["copies_max"]) == (5, 500, 1)


async def test_ported_numbers_are_named_with_their_network() -> None:
    async with working({"ported": "2=VN,3=MB,4=VM,5=VT", "refused": "7"}) as (carrier, service):
        results = await carrier.submit(parcel(9))
    elsewhere = [
        Rejected(f"ALIAS_INVALID:TELCO={telco}", Reason.OTHER_NETWORK, network)
        for telco, network in (("VN", "vnpt"), ("MB", "mobifone"), ("VM", "vietnamobile"))
    ]
    wrong = Rejected("RECEIVER_ID FORMAT_ERROR", Reason.NO_SUCH_NUMBER)
    assert results[2:5] == elsewhere
    assert results[7] == wrong
    assert results[:2] + results[5:7] + results[8:] == keys([*parcel(2), *parcel(9)[5:7], parcel(9)[8]])
    assert service.report()["messages"] == 5


async def test_an_unregistered_sender_halts_the_link_and_uses_up_nothing() -> None:
    async with working({"senders": "VN=CA SONLA"}) as (carrier, _):
        assert {type(result) for result in await carrier.submit(parcel(3))} == {Halted}
        assert carrier.halted() is not None


@pytest.mark.parametrize(
    "trouble",
    [HttpTrouble.HANG, HttpTrouble.BREAK_AFTER, HttpTrouble.CUT, HttpTrouble.ERROR_502, HttpTrouble.HUGE],
)
async def test_an_unknown_message_sent_again_is_a_duplicate_and_arrives_once(
    trouble: HttpTrouble,
) -> None:
    message = sms(1, key="first")
    async with working(answer_timeout_s=0.5) as (carrier, service):
        service.next(trouble)
        (lost,) = await carrier.submit([message])
        assert isinstance(lost, Unknown)
        assert lost.refs == ("first",)
        second = await carrier.submit([sms(1, key="second")])
        assert second == [Rejected("DUPLICATE_MESSAGE", Reason.FILTERED)]
        assert service.copies(message.phone) == 1


@pytest.mark.longer
async def test_an_answer_that_leaves_messages_out_makes_exactly_those_unknown() -> None:
    messages = parcel(100)
    async with working({"details_missing": 0.2}) as (carrier, service):
        results = await carrier.submit(messages)
        assert service.report()["messages"] == 100
    kinds = {type(result) for result in results}
    assert kinds == {Accepted, Unknown}
    assert [result.refs for result in results] == [(message.key,) for message in messages]  # type: ignore[union-attr]


@pytest.mark.parametrize(("code", "kind"), [("S:Client", Halted), ("S:Server", Unknown)])
async def test_faults_of_the_service(code: str, kind: type) -> None:
    async with working({"fault": 1.0, "fault_code": code}) as (carrier, service):
        assert {type(result) for result in await carrier.submit(parcel(3))} == {kind}
        assert service.report()["messages"] == (3 if kind is Unknown else 0)


@pytest.mark.longer
async def test_an_empty_account_halts_after_some_messages_whatever_its_words() -> None:
    async with working({"balance": 10}, strange_in_a_row=5) as (carrier, service):
        results = await carrier.submit(parcel(40))
        assert [type(each) for each in results] == [Accepted] * 10 + [Rejected] * 5 + [Halted] * 25
        found = await carrier.check()
        assert [each.good for each in found] == [True, False]
    async with working({"balance": 10}, messages={"BALANCE_NOT_ENOUGH": "halted"}) as (carrier, service):
        results = await carrier.submit(parcel(40))
        assert [type(each) for each in results] == [Accepted] * 10 + [Halted] * 30
        assert service.report()["messages"] == 10


@pytest.mark.parametrize("words", ["", "OVER_SPEED"])
async def test_throttling_defers_the_whole_list(words: str) -> None:
    contract = {"messages": {"OVER_SPEED": "throttled"}, "http_statuses": {"429": "throttled"}}
    async with working({"throttle": 1.0, "too_fast": words}, **contract) as (carrier, service):
        results = await carrier.submit(parcel(3))
        assert all(
            isinstance(result, Deferred) and result.throttled and not result.counts for result in results
        )
        assert service.report()["messages"] == 0


@pytest.mark.longer
async def test_failures_of_the_day_are_those_of_the_carrier() -> None:
    async with working(
        {"outcomes": "UNDELIV/027=0.3"}, failure_page=7, reasons={"UNDELIV/027": "expired"}
    ) as (carrier, service):
        await carrier.submit(parcel(100))
        while service.report()["messages_en_route"]:
            await carrier.check()
        found = await carrier.failures(day_of(service).date(), SENDER)
        failed = [each.phone for each in service.messages if each.status == "UNDELIV"]
        figures = await carrier.figures(day_of(service).date(), day_of(service).date())
        assert await carrier.failures(day_of(service).date(), "CA KHAC") == []
    assert len(failed) > 14
    assert [each.phone for each in found] == failed
    assert {(each.status, each.reference, each.reason) for each in found} == {
        (ReceiptStatus.UNDELIVERED, None, Reason.EXPIRED)
    }
    counts = {each.name: each.count for each in figures}
    assert counts[f"{SENDER} sumMT"] == counts[f"{SENDER} mtSentVt"] == 100
    assert counts[f"{SENDER} mtFailure"] == len(failed)


@pytest.mark.longer
@pytest.mark.parametrize("where", ["result", "message"])
async def test_a_registered_message_is_asked_about_by_the_id_it_got(where: str) -> None:
    options = {"operation": "wsCpMtRegDlr", "dlr_statuses": DLR, "receipt_level": "handset"}
    async with working({"dlr_id_in": where, "receipt_delay_s": 60.0}, **options) as (carrier, service):
        assert isinstance(carrier, QueriedViettel)
        (pending,) = await carrier.submit([sms(1)])
        service.change(receipt_delay_s=0.0)
        (settled,) = await carrier.submit([sms(2)])
        while service.report()["messages_en_route"] > 1:
            await carrier.check()
        found = [await _ask(carrier, result) for result in (pending, settled)]
    assert [each.status for each in found if each] == [ReceiptStatus.IN_TRANSIT, ReceiptStatus.DELIVERED]


@pytest.mark.longer
async def test_a_list_with_numbers_as_ids_can_be_asked_about() -> None:
    options = {"msg_id": "number", "dlr_statuses": DLR, "receipt_level": "operator"}
    async with working(**options) as (carrier, service):
        assert isinstance(carrier, QueriedViettel)
        (result,) = await carrier.submit([sms(1)])
        while service.report()["messages_en_route"]:
            await carrier.check()
        found = await _ask(carrier, result)
        assert found is not None
        assert found.status is ReceiptStatus.DELIVERED
        assert await carrier.query(Question("123", sms(1).phone, SENDER, datetime.now(UTC))) is None


async def _ask(carrier: QueriedViettel, result: object) -> Receipt | None:
    assert isinstance(result, Accepted)
    (reference,) = result.refs
    assert reference is not None
    return await carrier.query(Question(reference, sms().phone, SENDER, datetime.now(UTC)))


@pytest.mark.longer
async def test_a_check_of_the_link_sends_nothing_and_names_no_secret() -> None:
    with capture_logs() as logs:
        async with working({"seen_ip": "203.0.113.9"}, tax_code="5500123456") as (carrier, service):
            found = await carrier.check()
            service.change(account="loa:other")
            refused = await carrier.check()
            assert service.report()["submits"] == 0
    assert [each.what for each in found] == [
        "The carrier sees us at 203.0.113.9: this address must be on its list.",
        "User, password and CP code are taken. The balance is 1000000000.",
        "wsGetCpCode has CP code SLA_CA for this tax code, sender IDs: CA SONLA.",
    ]
    assert [each.good for each in refused] == [True, False, False]
    assert PASSWORD not in f"{found}{refused}{logs}"
