"""The simulated VNPT: which code it answers, in which order, in which spelling; and what it keeps."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from defusedxml.ElementTree import fromstring

from carriers.simulators.vnpt import Vnpt, VnptBehaviour
from carriers.simulators.web import HttpTrouble

PHONE = "84912340001"
CLOCK = "2024-01-29T09:30"
BEHAVIOUR: dict[str, Any] = {
    "account": "u:p",
    "traffic": "2",
    "template": "Canh bao: {D,200}",
    "ported": "77=3",
    "refused": "66",
    "quota": 1000,
    "clock": CLOCK,
}
LIST: dict[str, Any] = {
    "name": "send_sms_list",
    "REQID": "SLA-1",
    "LABELID": "900101",
    "CONTRACTTYPEID": "2",
    "CONTRACTID": "70001",
    "TEMPLATEID": "800123",
    "PARAMS": [{"NUM": "1", "CONTENT": "giu ma OTP"}],
    "SCHEDULETIME": "",
    "MOBILELIST": PHONE,
    "ISTELCOSUB": "0",
    "AGENTID": "999",
    "APIUSER": "u",
    "APIPASS": "p",
    "USERNAME": "SONLA_CA",
    "DATACODING": "0",
}
STATUS = {
    "name": "get_sms_status_api",
    "REQID": "SLA-1",
    "MSISND": PHONE,
    "AGENTID": "999",
    "CONTRACTID": "70001",
    "LABELID": "900101",
    "TEMPLATEID": "800123",
    "SCHEDULETIME": "29-01-2024",
    "APIUSER": "u",
    "APIPASS": "p",
}


class Desk:
    """A client that knows nothing of the adapter."""

    def __init__(self, vnpt: Vnpt, client: httpx.AsyncClient) -> None:
        self.vnpt, self._client = vnpt, client

    async def raw(self, body: bytes | str, content_type: str, path: str = "/smsbn/api") -> httpx.Response:
        address = f"http://{self.vnpt.host}:{self.vnpt.port}{path}"
        return await self._client.post(address, content=body, headers={"content-type": content_type})

    async def ask(self, fields: dict[str, Any], path: str = "/smsbn/api") -> dict[str, Any]:
        response = await self.raw(json.dumps({"RQST": fields}), "application/json; charset=UTF-8", path)
        assert response.status_code == 200
        found: dict[str, Any] = response.json()["RPLY"]
        return found

    async def send(self, path: str = "/smsbn/api", **changed: Any) -> str:
        return str((await self.ask({**LIST, **changed}, path))["ERROR"])

    async def status(self, **changed: Any) -> str:
        return str((await self.ask({**STATUS, **changed}))["STATUS"])


@asynccontextmanager
async def desk(**changed: Any) -> AsyncIterator[Desk]:
    client = httpx.AsyncClient(trust_env=False, timeout=10, verify=False)
    async with Vnpt(VnptBehaviour(**{**BEHAVIOUR, **changed})) as vnpt, client:
        yield Desk(vnpt, client)


# Each breaks one rule; all those before it are kept, all those after it are broken as well where they can be.
BROKEN: list[tuple[str, dict[str, Any]]] = [
    ("1", {"APIPASS": "x"}),
    ("3", {"name": "send_sms"}),
    ("7", {"PARAMS": []}),
    ("28", {"PARAMS": [{"NUM": "1", "CONTENT": "x" * 201}]}),
    ("9", {"CONTRACTTYPEID": "1"}),
    ("2", {"SCHEDULETIME": "29/01/2024 10:00"}),
    ("23", {"MOBILELIST": ""}),
    ("23", {"MOBILELIST": "0912340001"}),
    ("23", {"MOBILELIST": f"{PHONE}, 84912340002"}),
    ("23", {"MOBILELIST": f"{PHONE},84972340001"}),
    ("23", {"MOBILELIST": f"{PHONE},84912340066"}),
    ("25", {"MOBILELIST": f"{PHONE},84912340077"}),
    ("35", {"ENCRYPTED": "1"}),
    ("17", {"PARAMS": [{"NUM": "1", "CONTENT": "giữ mã OTP"}]}),
    ("17", {"DATACODING": "8", "MOBILELIST": "84972340001"}),
    ("17", {"DATACODING": "4"}),
]


@pytest.mark.parametrize(("code", "broken"), BROKEN, ids=lambda each: each if isinstance(each, str) else "")
async def test_each_rule_has_its_code(code: str, broken: dict[str, Any]) -> None:
    async with desk() as asked:
        assert await asked.send(**broken) == code
        assert not asked.vnpt.messages
        assert await asked.send() == "0"


@pytest.mark.parametrize("first", range(len(BROKEN)))
async def test_the_first_broken_rule_is_the_one_that_is_named(first: int) -> None:
    everything = {name: value for _, broken in reversed(BROKEN[first:]) for name, value in broken.items()}
    async with desk() as asked:
        assert await asked.send(**everything) == BROKEN[first][0]


@pytest.mark.parametrize(
    ("code", "behaviour"),
    [
        ("22", {"quota": 1}),
        ("8", {"clock": "2024-01-29T12:00"}),
        ("26", {"per_day": 0}),
        ("16", {"throttle": 1.0}),
    ],
)
async def test_each_limit_has_its_code(code: str, behaviour: dict[str, Any]) -> None:
    async with desk(**behaviour) as asked:
        assert await asked.send(MOBILELIST=f"{PHONE},84912340002") == code
        assert not asked.vnpt.messages


async def test_words_name_what_the_documents_say_they_name() -> None:
    async with desk() as asked:
        refused = await asked.ask({**LIST, "APIPASS": "x"})
        assert refused["ERROR_DESC"] == "user, pass, ip, status khong hop le, ip=127.0.0.1"
        ported = await asked.ask({**LIST, "MOBILELIST": "84912340077"})
        assert "right network = [3]" in ported["ERROR_DESC"]


async def test_customer_care_goes_at_any_hour_and_any_number_of_times() -> None:
    async with desk(traffic="1", clock="2024-01-29T23:00") as asked:
        assert [await asked.send(CONTRACTTYPEID="1") for _ in range(5)] == ["0"] * 5


async def test_three_advertisements_a_day_and_more_on_the_next() -> None:
    async with desk() as asked:
        assert [await asked.send() for _ in range(4)] == ["0", "0", "0", "26"]
        asked.vnpt.advance(24 * 3600)
        assert await asked.send() == "0"


# ---- spellings


async def test_codes_are_strings_or_numbers_and_success_has_two_spellings() -> None:
    async with desk() as asked:
        assert await asked.ask(LIST) == {"name": "send_sms_list", "ERROR": "0", "ERROR_DESC": "success"}
        asked.vnpt.change(error_as_number=True, success="Success")
        assert await asked.ask(LIST) == {"name": "send_sms_list", "ERROR": 0, "ERROR_DESC": "Success"}


@pytest.mark.parametrize("head", ['<RQST name="send_sms_list">', "<RQST><name>send_sms_list</name>"])
async def test_xml_is_answered_in_xml_whichever_way_it_names_the_operation(head: str) -> None:
    fields = "".join(f"<{k}>{v}</{k}>" for k, v in LIST.items() if k not in ("name", "PARAMS"))
    params = "<PARAMS><NUM>1</NUM><CONTENT>a &amp; b &lt;c&gt;</CONTENT></PARAMS>"
    async with desk() as asked:
        response = await asked.raw(f"{head}{fields}{params}</RQST>", "text/xml;charset=UTF-8")
        root = fromstring(response.content)
        assert (root.tag, root.get("name"), root.findtext("ERROR")) == ("RPLY", "send_sms_list", "0")
        assert [message.text for message in asked.vnpt.messages] == ["Canh bao: a & b <c>"]


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("<RQST><CONTENT>a & b</CONTENT></RQST>", "text/xml"),
        ("<OTHER/>", "text/xml"),
        ("", "text/xml"),
        ("{", "application/json"),
        ("[]", "application/json"),
        ('{"RQST": "x"}', "application/json"),
    ],
)
async def test_what_can_not_be_read_is_an_exception(body: str, content_type: str) -> None:
    async with desk() as asked:
        response = await asked.raw(body, content_type)
        if "xml" in content_type:
            assert fromstring(response.content).findtext("ERROR") == "-1"
        else:
            assert response.json()["RPLY"]["ERROR"] == "-1"


async def test_other_addresses_are_not_there() -> None:
    async with desk() as asked:
        assert (await asked.raw("{}", "application/json", "/smsbn")).status_code == 404
        assert await asked.send("/smsmarketing/api") == "0"


async def test_a_template_without_parameters_wants_one_empty_pair() -> None:
    async with desk(template="Canh bao.") as asked:
        assert await asked.send(PARAMS=[]) == "7"
        assert await asked.send(PARAMS=[{"NUM": "1", "CONTENT": ""}]) == "0"
        assert asked.vnpt.messages[0].text == "Canh bao."


async def test_parameters_are_filled_in_by_their_order() -> None:
    async with desk(template="{A,5} noi: {P1}!") as asked:
        await asked.send(PARAMS=[{"NUM": "1", "CONTENT": "CA"}, {"NUM": "2", "CONTENT": "giu OTP"}])
        assert asked.vnpt.messages[0].text == "CA noi: giu OTP!"


# ---- what is kept


async def test_a_list_that_was_refused_counts_nowhere_as_taken() -> None:
    async with desk() as asked:
        await asked.send(MOBILELIST=f"{PHONE},84912340066")
        report = asked.vnpt.report()
    assert (report["messages"], report["refused"], report["answers"]) == (0, 2, {"23": 1})


async def test_the_package_is_used_up_by_segments() -> None:
    async with desk(quota=3) as asked:
        long = [{"NUM": "1", "CONTENT": "x" * 190}]
        assert await asked.send(PARAMS=long) == "0"
        assert await asked.send(PARAMS=long) == "22"
        assert await asked.send() == "0"
        orders = await asked.ask({**STATUS, "name": "get_prepaid_orders", "PACKAGEID": "7"})
        assert orders["DATA"] == [{"PACKAGE_ID": "7", "BALANCE": "0"}]


# ---- statuses


@pytest.mark.parametrize(
    ("traffic", "outcomes", "codes"),
    [
        ("1", "", ["5", "2", "0", "0"]),
        ("2", "", ["5", "2", "3", "0"]),
        ("1", "UNDELIV/001=1", ["5", "2", "1", "1"]),
        ("2", "EXPIRED/027=1", ["5", "2", "3", "1"]),
    ],
)
async def test_a_status_moves_with_the_carriers_clock(traffic: str, outcomes: str, codes: list[str]) -> None:
    async with desk(traffic=traffic, outcomes=outcomes, stage_s=60) as asked:
        await asked.send(CONTRACTTYPEID=traffic)
        seen = []
        for _ in codes:
            seen.append(await asked.status())
            asked.vnpt.advance(60)
    assert seen == codes


async def test_a_message_that_is_never_reported_stays_on_its_way() -> None:
    async with desk(unreported=1.0) as asked:
        await asked.send()
        assert await asked.status() == "3"


async def test_a_status_is_found_by_name_number_and_day() -> None:
    async with desk() as asked:
        await asked.send()
        assert await asked.ask(STATUS) == {"name": "get_sms_status_api", "STATUS": "0", "MT_COUNT": "1"}
        assert await asked.status(REQID="other") == "-1"
        assert await asked.status(MSISND="84912340002") == "-1"
        assert await asked.status(SCHEDULETIME="30-01-2024") == "-1"
        assert await asked.status(APIPASS="x") == "10"


async def test_the_account_lists_what_the_behaviour_says() -> None:
    async with desk() as asked:
        account = {"APIUSER": "u", "APIPASS": "p", "ADSERID": "500"}

        async def rows(operation: str, name: str) -> Any:
            return (await asked.ask({**account, "name": operation}))[name]

        assert (await rows("get_adser", "ADSERDETAIL"))[0]["ADSERID"] == "500"
        contract = (await rows("get_contract", "CONTRACTDETAIL"))[0]
        assert (contract["CONTRACTID"], contract["ENDVALIDDATED"]) == ("70001", "31-12-2030")
        assert (await rows("get_label", "LABELDETAIL"))[0]["LABEL"] == "CONGAN"
        template = (await rows("get_template", "TEMPLATEDETAIL"))[0]
        assert (template["TEMPLATECONTENT"], template["TOTALPARAM"]) == ("Canh bao: {D,200}", "1")
        assert (await asked.ask({**account, "name": "get_contract", "APIPASS": "x"}))["ERROR"] == "1"


# ---- misbehaviour


async def test_a_list_may_be_taken_and_never_answered() -> None:
    async with desk() as asked:
        asked.vnpt.next(HttpTrouble.HANG)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2):
                await asked.send()
        assert asked.vnpt.copies(PHONE) == 1


async def test_a_gateway_may_answer_502_with_a_page() -> None:
    async with desk() as asked:
        asked.vnpt.next(HttpTrouble.ERROR_502)
        response = await asked.raw(json.dumps({"RQST": LIST}), "application/json")
        assert response.status_code == 502
        assert response.text.startswith("<!DOCTYPE html>")


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        ({"ported": "77=9"}, "must be ENDING=NETWORK"),
        ({"clock": "noon"}, "noon"),
    ],
)
def test_a_manner_that_can_not_be_is_refused_in_words(behaviour: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        VnptBehaviour(**behaviour)
