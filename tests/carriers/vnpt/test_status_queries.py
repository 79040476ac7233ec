"""The status of a message: what each number says, and no more than the traffic's SENT or DELIVRD proves."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import respx
from structlog.testing import capture_logs

from carriers.contract import (
    QueriedReceipts,
    Question,
    ReadError,
    Reason,
    Receipt,
    ReceiptLevel,
    ReceiptStatus,
)
from carriers.vnpt.codes import STATUSES
from tests.carriers.vnpt.links import PASSWORD, URL, asked, open_link

# In Vietnam it is the 30th.
QUESTION = Question("SLA-000001", "84912340001", "CONGAN", datetime(2024, 1, 29, 18, 0, tzinfo=UTC))
SAYS: dict[str, ReceiptStatus | None] = {
    "-1": None,
    "0": ReceiptStatus.DELIVERED,
    "1": ReceiptStatus.UNDELIVERED,
    "2": ReceiptStatus.IN_TRANSIT,
    "3": ReceiptStatus.IN_TRANSIT,
    "4": ReceiptStatus.IN_TRANSIT,
    "5": ReceiptStatus.IN_TRANSIT,
    "77": ReceiptStatus.UNKNOWN,
}
REFUSED = "10"
LEVELS = {"cskh": ReceiptLevel.OPERATOR, "qc": ReceiptLevel.HANDSET}


def answer(form: str, **fields: Any) -> httpx.Response:
    fields = {"name": "get_sms_status_api", **fields}
    if form == "json":
        return httpx.Response(200, json={"RPLY": fields})
    if form == "number":
        return httpx.Response(200, json={"RPLY": {**fields, "STATUS": int(fields["STATUS"])}})
    inside = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
    return httpx.Response(200, text=f"<RPLY>{inside}</RPLY>")


def test_the_table_of_this_test_names_every_documented_status() -> None:
    documented = {code: says for code, says in SAYS.items() if code != "77"} | {REFUSED: None}
    assert {row.code: row.says for row in STATUSES} == documented


@pytest.mark.parametrize("form", ["json", "number", "xml"])
@pytest.mark.parametrize("traffic", ["cskh", "qc"])
@pytest.mark.parametrize("code", sorted(SAYS, key=int))
async def test_a_status_becomes_its_word_at_the_level_of_the_traffic(
    code: str, traffic: str, form: str, respx_mock: respx.MockRouter
) -> None:
    respx_mock.post(URL).mock(return_value=answer(form, STATUS=code, MT_COUNT="2"))
    async with open_link(traffic=traffic, receipt_level=LEVELS[traffic].name.lower()) as carrier:
        assert isinstance(carrier, QueriedReceipts)
        receipt = await carrier.query(QUESTION)
    says = SAYS[code]
    if says is None:
        assert receipt is None
        return
    reason = Reason.OTHER if says is ReceiptStatus.UNDELIVERED else Reason.NONE
    raw = f"get_sms_status_api STATUS={code} MT_COUNT=2"
    expected = Receipt("SLA-000001", "84912340001", says, LEVELS[traffic], reason, code, raw=raw)
    assert receipt == expected


async def test_a_question_names_the_message_and_the_day_in_viet_nam(respx_mock: respx.MockRouter) -> None:
    route = respx_mock.post(URL).mock(return_value=answer("json", STATUS="2"))
    async with open_link() as carrier:
        await carrier.query(QUESTION)
    assert asked(route.calls.last.request) == {
        "name": "get_sms_status_api",
        "REQID": "SLA-000001",
        "MSISND": "84912340001",
        "AGENTID": "999",
        "CONTRACTID": "70001",
        "LABELID": "900101",
        "TEMPLATEID": "800123",
        "SCHEDULETIME": "30-01-2024",
        "APIUSER": "loa-api",
        "APIPASS": PASSWORD,
    }


async def test_the_other_shape_names_the_request_alone(respx_mock: respx.MockRouter) -> None:
    route = respx_mock.post(URL).mock(return_value=answer("json", ERROR="0", ERROR_DESC=""))
    more = {"status_request": "request", "status_operation": "get_sms_status", "status_field": "ERROR"}
    async with open_link(per_submit=1, schedule_format="dd/MM/yyyy", **more) as carrier:
        receipt = await carrier.query(QUESTION)
    assert asked(route.calls.last.request) == {
        "name": "get_sms_status",
        "REQID": "SLA-000001",
        "CONTRACTID": "70001",
        "AGENTID": "999",
        "SENDTIME": "30/01/2024",
        "APIUSER": "loa-api",
        "APIPASS": PASSWORD,
    }
    assert receipt is not None
    assert (receipt.status, receipt.phone) == (ReceiptStatus.DELIVERED, "84912340001")
    assert receipt.raw == "get_sms_status ERROR=0 MT_COUNT="


async def test_code_1_is_a_failed_message_unless_its_words_speak_of_the_account(
    respx_mock: respx.MockRouter,
) -> None:
    route = respx_mock.post(URL)
    async with open_link(status_field="ERROR") as carrier:
        route.mock(return_value=answer("json", ERROR="1", ERROR_DESC="SENT_FAIL"))
        receipt = await carrier.query(QUESTION)
        assert receipt is not None
        assert receipt.status is ReceiptStatus.UNDELIVERED
        route.mock(return_value=answer("json", ERROR="1", ERROR_DESC="user, pass, ip khong hop le"))
        with pytest.raises(ReadError, match="VNPT refuses get_sms_status_api with 1: user, pass, ip"):
            await carrier.query(QUESTION)


@pytest.mark.longer
async def test_with_several_templates_each_is_asked_for(respx_mock: respx.MockRouter) -> None:
    def reply(request: httpx.Request) -> httpx.Response:
        known = json.loads(request.content)["RQST"]["TEMPLATEID"] == "8"
        return answer("json", STATUS="0" if known else "-1")

    route = respx_mock.post(URL).mock(side_effect=reply)
    async with open_link(templates={"7": "A {B,5}", "8": "{P1}", "9": "{D,5}"}) as carrier:
        receipt = await carrier.query(QUESTION)
    assert receipt is not None
    assert route.call_count == 2


async def test_a_refused_account_is_an_alarm_and_leaves_the_sending_alone(
    respx_mock: respx.MockRouter,
) -> None:
    refused = answer("json", STATUS=REFUSED, ERROR_DESC=f"pass {PASSWORD}")
    route = respx_mock.post(URL).mock(return_value=refused)
    async with open_link() as carrier:
        with pytest.raises(ReadError) as caught:
            await carrier.query(QUESTION)
        assert carrier.halted() is None
    assert str(caught.value) == "VNPT refuses get_sms_status_api with 10: pass [redacted]."
    assert route.call_count == 1  # asking again would lock the account


async def test_a_lost_answer_is_asked_for_again_and_then_given_up(respx_mock: respx.MockRouter) -> None:
    route = respx_mock.post(URL).mock(side_effect=[httpx.ReadTimeout("slow"), answer("json", STATUS="0")])
    async with open_link() as carrier:
        assert await carrier.query(QUESTION) is not None
        route.mock(side_effect=httpx.ReadTimeout("slow"))
        with capture_logs() as logs:
            assert [await carrier.query(QUESTION) for _ in range(2)] == [None, None]
    assert route.call_count == 2 + 3 + 3
    assert [log["event"] for log in logs] == ["no status from VNPT"]  # once, until an answer comes


async def test_an_answer_that_can_not_be_read_says_nothing(respx_mock: respx.MockRouter) -> None:
    respx_mock.post(URL).mock(return_value=httpx.Response(200, text="<html>502</html>"))
    async with open_link() as carrier:
        assert await carrier.query(QUESTION) is None


@pytest.mark.parametrize(
    ("response", "words"),
    [
        (httpx.Response(200, json={"RPLY": {"ERROR": "3", "ERROR_DESC": "method"}}), "with 3: method."),
        (httpx.Response(200, json={"RPLY": {"STATUS": "sent"}}), "with no code: without a word."),
        (
            httpx.Response(401, text="no"),
            "VNPT cannot be queried for get_sms_status_api (http 401): The carrier",
        ),
    ],
)
async def test_an_answer_without_a_status_is_said(
    response: httpx.Response, words: str, respx_mock: respx.MockRouter
) -> None:
    respx_mock.post(URL).mock(return_value=response)
    async with open_link() as carrier:
        with pytest.raises(ReadError) as caught:
            await carrier.query(QUESTION)
    assert words in str(caught.value)


async def test_a_closed_link_asks_nothing() -> None:
    async with open_link() as carrier:
        await carrier.close()
        with pytest.raises(ReadError, match="link closed"):
            await carrier.query(QUESTION)
