"""What the simulated Viettel says later, of its account and in SOAP; and how it runs by itself."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import httpx
import pytest

from carriers.options import VIETNAM
from carriers.simulators.viettel import ViettelBehaviour
from carriers.simulators.web import HttpTrouble
from tests.long.carriers.simulators.viettel_client import (
    ACCOUNT,
    LIST,
    ONE,
    PHONE,
    TAKEN,
    Client,
    envelope,
    running,
    said,
)

# ---- statuses, failures, reports


@pytest.mark.parametrize("where", ["result", "message"])
async def test_a_registered_message_can_be_asked_about(where: str) -> None:
    async with running(dlr_id_in=where, outcomes="UNDELIV/001=1.0", receipt_delay_s=60) as client:
        names = []
        for text in ("pending", "settled"):
            words, result = await client.one("wsCpMtRegDlr", Content=text)
            assert (words == TAKEN, result == "1") == (where == "result", where == "message")
            names.append(result if where == "result" else words.rpartition("=")[2])
            client.viettel.change(receipt_delay_s=0)
        await settled(client, 1)
        asked = {**ACCOUNT, "MessageIds": f"{names[0]}, 77,{names[1]}"}
        found = (await client.ask("getDlrStatus", asked))[0].findall("details")
        statuses = [(each.findtext("messageId"), each.findtext("dlrStatus")) for each in found]
        assert statuses == [(names[0], "0"), (names[1], "2")]
        assert int(names[0]) > 1


def today(client: Client) -> datetime:
    """The day of the messages, which may just have ended."""
    return (
        client.viettel.messages[0].taken_at if client.viettel.messages else datetime.now(VIETNAM)
    ).astimezone(VIETNAM)


async def failures(client: Client, page: int = 1, **fields: str) -> tuple[str, list[tuple[str, str]]]:
    asked = {
        "username": "loa",
        "password": "p",
        "cpCode": "SLA_CA",
        "alias": "CA SONLA",
        "date": f"{today(client):%d/%m/%Y}",
        "pageNumber": str(page),
        "pageSize": "2",
        **fields,
    }
    found = (await client.ask("getFailSub", asked))[0]
    rows = [(each.get("receiver", ""), each.get("message", "")) for each in found.findall("result")]
    return found.findtext("errorCode", ""), rows


async def settled(client: Client, but: int = 0) -> None:
    """Wait until the fates of all messages but so many have come about."""
    for _ in range(500):
        if client.viettel.report()["messages_en_route"] == but:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("messages are still on their way")


async def test_failures_come_in_pages_for_one_brand_and_one_day() -> None:
    async with running(outcomes="UNDELIV/027=1.0") as client:
        await client.list(*((f"t{number}", str(number), f"8498123000{number}") for number in range(3)))
        await client.list(("t", "9", "84981230009"), ServiceID="CA KHAC")
        await settled(client)
        why = "UNDELIV/027"
        assert await failures(client) == ("0", [("84981230000", why), ("84981230001", why)])
        assert await failures(client, 2) == ("0", [("84981230002", why)])
        assert await failures(client, 3) == ("0", [])
        assert await failures(client, alias="CA KHAC") == ("0", [("84981230009", why)])
        before = today(client) - timedelta(days=1)
        assert await failures(client, date=f"{before:%d/%m/%Y}") == ("0", [])


@pytest.mark.parametrize(
    "wrong", [{"password": "x"}, {"date": "2026-11-25"}, {"pageNumber": "0"}, {"pageSize": "x"}]
)
async def test_failures_that_can_not_be_listed_are_an_error(wrong: dict[str, str]) -> None:
    async with running() as client:
        assert await failures(client, **wrong) == ("1", [])


async def test_reports_count_what_was_taken_refused_and_failed() -> None:
    # Should a new hour begin in between, the figures of both are together what was sent.
    now = datetime.now(VIETNAM)
    async with running(senders="VT=CA SONLA,VN=CA SONLA", outcomes="EXPIRED=1.0", refused="66") as client:
        await client.one(Content="x" * 200)
        await client.one(ReceiverID="84911230001", UserID="84911230001")
        await client.one(ReceiverID="84901230001", UserID="84901230001")
        await client.one(ReceiverID="84981230066", UserID="84981230066")
        await settled(client)
        days = {"startDate": f"{now:%d/%m/%Y}", "endDate": f"{now + timedelta(days=1):%d/%m/%Y}"}
        hours = [f"{now + timedelta(hours=each):%d/%m/%Y %H}" for each in range(2)]
        asked = [("wsReportDaily", days), *(("wsReportHour", {"timeReport": hour}) for hour in hours)]
        rows = [[*await client.ask(name, {**ACCOUNT, **fields})] for name, fields in asked]
        wrong = await client.ask("wsReportDaily", {**ACCOUNT, **days, "Password": "x"})
        outside = await client.ask(
            "wsReportDaily", {**ACCOUNT, "startDate": "01/01/2024", "endDate": "02/01/2024"}
        )
    for found in (rows[0], [*rows[1], *rows[2]]):
        names = (
            "sumMT",
            "mtSent",
            "mtSentVt",
            "mtSentOut",
            "mtError",
            "mtErrorAlias",
            "mtFailure",
            "smsSent",
        )
        counts = [sum(int(row.findtext(name, "")) for row in found) for name in names]
        assert counts == [4, 2, 1, 1, 2, 1, 2, 3]
        assert {row.findtext("cpAlias") for row in found} == {"CA SONLA"}
    assert [said(row) for row in wrong] == [("Authenticate: WRONG_INFORMATION_AUTHENTICATE", "0")]
    assert list(outside) == []


async def test_the_account_has_its_address_and_its_names() -> None:
    async with running(senders="VT=CA SONLA|CA SLA,VN=CA SONLA", seen_ip="203.0.113.9") as client:
        assert (await client.ask("getIp", {}))[0].text == "203.0.113.9"
        found = (await client.ask("wsGetCpCode", {**ACCOUNT, "TaxCode": "5500"}))[0]
        assert [(each.tag, each.text) for each in found] == [
            ("alias", "CA SLA"),
            ("alias", "CA SONLA"),
            ("cpCode", "SLA_CA"),
        ]


# ---- SOAP and troubles


@pytest.mark.parametrize("action", ['""', "", "http://impl.bulkSms.ws/wsCpMt", '"anything"'])
@pytest.mark.parametrize("query", ["", "?wsdl"])
async def test_any_soap_action_is_taken_and_a_post_to_the_wsdl_as_well(query: str, action: str) -> None:
    async with running() as client:
        response = await client.post(envelope("wsCpMt", ONE), query, soapaction=action)
        assert TAKEN in response.text


@pytest.mark.parametrize(
    "body", ["", "no xml", "<a/>", envelope("wsOther", {}), '<!DOCTYPE x [<!ENTITY e "x">]><a>&e;</a>']
)
async def test_what_is_no_call_of_an_operation_is_the_client_s_fault(body: str) -> None:
    async with running() as client:
        response = await client.post(body)
        assert response.status_code == 500
        assert "<S:Fault><faultcode>S:Client</faultcode><faultstring>" in response.text


@pytest.mark.parametrize(("code", "taken"), [("S:Server", 1), ("S:Client", 0)])
async def test_a_fault_of_the_server_comes_after_the_message_was_taken(code: str, taken: int) -> None:
    async with running(fault=1.0, fault_code=code) as client:
        for body in (envelope("wsCpMt", ONE), envelope("wsCpMt4", LIST)):
            response = await client.post(body)
            assert response.status_code == 500
            assert f"<faultcode>{code}</faultcode>" in response.text
        assert client.viettel.copies(PHONE) == taken


@pytest.mark.parametrize("trouble", [HttpTrouble.GZIP, HttpTrouble.CHUNKED])
async def test_answers_may_be_packed_or_in_chunks(trouble: HttpTrouble) -> None:
    async with running() as client:
        client.viettel.next(trouble)
        response = await client.post(envelope("wsCpMt", ONE))
        assert TAKEN in response.text
        assert ("gzip" in response.headers.get("content-encoding", "")) is (trouble is HttpTrouble.GZIP)
        assert ("transfer-encoding" in response.headers) is (trouble is HttpTrouble.CHUNKED)


async def test_a_message_may_be_taken_and_never_answered() -> None:
    async with running() as client:
        client.viettel.next(HttpTrouble.HANG)
        with pytest.raises(httpx.ReadTimeout):
            await client.http.post(client.viettel.url, content=envelope("wsCpMt", ONE), timeout=0.2)
        assert client.viettel.copies(PHONE) == 1


@pytest.mark.parametrize(
    "behaviour",
    [
        {"dlr_id_in": "header"},
        {"fault_code": "Server"},
        {"ported": "07=XX"},
        {"senders": "CONGAN"},
    ],
)
def test_a_manner_that_is_none_is_refused(behaviour: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=next(iter(behaviour))):
        ViettelBehaviour(**behaviour)  # type: ignore[arg-type]
