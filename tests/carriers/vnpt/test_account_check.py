"""What a check of the link finds: each in a sentence, and nothing sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import respx

from carriers.contract import Checked, CheckFinding
from tests.carriers.vnpt.links import PASSWORD, URL, open_link

CONTRACT = {
    "CONTRACTID": "70001",
    "STARTVALIDDATE": "01/01/2023",
    "ENDVALIDDATED": "31/12/2024",
    "CONTRACTTYPEID": "1",
}
ANSWERS: dict[str, dict[str, Any]] = {
    "get_adser": {"ADSERDETAIL": [{"ADSERID": "500"}]},
    "get_contract": {"CONTRACTDETAIL": [CONTRACT]},
    "get_label": {
        "LABELDETAIL": [{"LABELID": "1", "LABEL": "KHAC"}, {"LABELID": "900101", "LABEL": "CongAn"}]
    },
    "get_template": {
        "TEMPLATEDETAIL": {"TEMPLATEID": "800123", "TEMPLATECONTENT": "{D,500}", "TOTALPARAM": "1"}
    },
    "get_prepaid_orders": {"DATA": [{"PACKAGE_ID": "7", "BALANCE": "1,200"}]},
}


@contextmanager
def account(router: respx.MockRouter, **changed: Any) -> Iterator[list[dict[str, str]]]:
    """An account that answers so; what it was asked."""
    asked: list[dict[str, str]] = []

    def reply(request: httpx.Request) -> httpx.Response:
        fields = json.loads(request.content)["RQST"]
        asked.append(fields)
        name = fields["name"]
        return httpx.Response(200, json={"RPLY": {"name": name, **ANSWERS[name], **changed.get(name, {})}})

    router.post(URL).mock(side_effect=reply)
    yield asked


async def findings(**more: object) -> list[CheckFinding]:
    async with open_link(**more) as carrier:
        assert isinstance(carrier, Checked)
        return list(await carrier.check())


async def test_an_account_in_order_is_good_in_every_part(respx_mock: respx.MockRouter) -> None:
    with account(respx_mock) as asked:
        found = await findings()
    assert found == [
        CheckFinding(True, "VNPT has one customer for this account: 500."),
        CheckFinding(True, "Contract 70001 is valid until 31-12-2024."),
        CheckFinding(True, "Label 900101 is CongAn."),
        CheckFinding(True, "Template 800123 reads as in the settings."),
        CheckFinding(True, "Package 7 has 1200 left."),
    ]
    assert [each["name"] for each in asked] == list(ANSWERS)
    assert [each.get("ADSERID") for each in asked] == [None, "500", "500", None, None]
    account_fields = {"APIUSER": "loa-api", "APIPASS": PASSWORD, "AGENTID": "999", "USERNAME": "SONLA_CA"}
    assert all(account_fields.items() <= each.items() for each in asked)
    assert asked[2]["CONTRACTID"] == asked[4]["CONTRACTID"] == "70001"
    assert asked[3]["LABELID"] == "900101"


async def test_a_customer_that_the_settings_name_is_not_asked_for(respx_mock: respx.MockRouter) -> None:
    with account(respx_mock) as asked:
        await findings(adser_id="501", package_id="9")
    assert [each["name"] for each in asked] == list(ANSWERS)[1:]
    assert (asked[0]["ADSERID"], asked[-1]["PACKAGEID"]) == ("501", "9")


@pytest.mark.parametrize(
    ("operation", "changed", "sentence"),
    [
        ("get_adser", {"ADSERDETAIL": []}, "Set adser_id: VNPT lists these customers: none."),
        (
            "get_adser",
            {"ADSERDETAIL": [{"ADSERID": "1"}, {"ADSERID": "2"}]},
            "Set adser_id: VNPT lists these customers: 1, 2.",
        ),
        (
            "get_contract",
            {"CONTRACTDETAIL": [{"CONTRACTID": "8"}]},
            "VNPT does not list contract 70001; it lists: 8.",
        ),
        (
            "get_contract",
            {"CONTRACTDETAIL": {**CONTRACT, "ENDVALIDDATED": "28-01-2024"}},
            "Contract 70001 ended on 28-01-2024: have it renewed.",
        ),
        (
            "get_contract",
            {"CONTRACTDETAIL": {**CONTRACT, "STARTVALIDDATE": "2024-02-01 00:00"}},
            "Contract 70001 begins on 01-02-2024 only.",
        ),
        (
            "get_contract",
            {"CONTRACTDETAIL": {**CONTRACT, "ENDVALIDDATED": "khong han"}},
            "Contract 70001 has an unreadable end date: 'khong han'.",
        ),
        (
            "get_contract",
            {"CONTRACTDETAIL": {**CONTRACT, "CONTRACTTYPEID": 2}},
            "Contract 70001 is of type 2, and traffic = cskh means type 1.",
        ),
        ("get_label", {"LABELDETAIL": []}, "VNPT does not list label 900101; it lists: none."),
        (
            "get_label",
            {"LABELDETAIL": [{"LABELID": 900101, "LABEL": "THUE"}]},
            "Label 900101 is THUE at VNPT, and CONGAN in the settings.",
        ),
        (
            "get_template",
            {"TEMPLATEDETAIL": [{"TEMPLATEID": "7"}]},
            "VNPT does not list template 800123; it lists: 7.",
        ),
        (
            "get_template",
            {"TEMPLATEDETAIL": {"TEMPLATEID": "800123", "TEMPLATECONTENT": "{D,9}", "TOTALPARAM": 2}},
            "Template 800123 takes 2 parameters at VNPT, and 1 in the settings.",
        ),
        (
            "get_template",
            {"TEMPLATEDETAIL": {"TEMPLATEID": "800123", "TEMPLATECONTENT": "Bao: {D,9}"}},
            "Template 800123 reads otherwise at VNPT: Bao: {D,9}",
        ),
        (
            "get_template",
            {"TEMPLATEDETAIL": {"TEMPLATEID": "800123", "TEMPLATECONTENT": "Bao: {Z}"}},
            "Template 800123 at VNPT has a brace that is not part of a placeholder such as {D,160} or {P1}: "
            "compare it by hand.",
        ),
        ("get_prepaid_orders", {"DATA": [{"BALANCE": 0}]}, "The package has 0 left."),
        (
            "get_prepaid_orders",
            {"DATA": {"PACKAGE_ID": "7", "BALANCE": "het"}},
            "Package 7 has an unreadable balance: 'het'.",
        ),
        (
            "get_label",
            {"ERROR": "14", "ERROR_DESC": f"label {PASSWORD}"},
            "VNPT refuses get_label with code 14: label [redacted].",
        ),
        ("get_label", {"ERROR": 3}, "VNPT refuses get_label with code 3: without a word."),
    ],
)
async def test_what_is_not_as_it_should_be_is_said_and_the_rest_is_looked_at(
    operation: str, changed: dict[str, Any], sentence: str, respx_mock: respx.MockRouter
) -> None:
    with account(respx_mock, **{operation: changed}) as asked:
        found = await findings()
    assert CheckFinding(False, sentence) in found
    assert [each["name"] for each in asked] == list(ANSWERS)


async def test_an_account_that_is_refused_is_not_tried_again(respx_mock: respx.MockRouter) -> None:
    refused = {"ERROR": "1", "ERROR_DESC": f"pass {PASSWORD}, ip=192.0.2.7"}
    with account(respx_mock, get_contract=refused) as asked:
        found = await findings(adser_id="500")
    sentence = "VNPT refuses get_contract with code 1: pass [redacted], ip=192.0.2.7."
    assert found == [CheckFinding(False, sentence)]
    assert len(asked) == 1


async def test_a_contract_is_valid_on_its_first_and_on_its_last_day(respx_mock: respx.MockRouter) -> None:
    today = {**CONTRACT, "STARTVALIDDATE": "29-01-2024", "ENDVALIDDATED": "29-01-2024"}
    with account(respx_mock, get_contract={"CONTRACTDETAIL": today}):
        assert CheckFinding(True, "Contract 70001 is valid until 29-01-2024.") in await findings()


async def test_an_account_that_pays_later_has_no_package(respx_mock: respx.MockRouter) -> None:
    with account(respx_mock, get_prepaid_orders={"DATA": []}):
        found = await findings()
    assert found[-1] == CheckFinding(True, "VNPT lists no package that is paid in advance.")


async def test_a_carrier_that_is_away_is_a_finding_after_a_few_tries(respx_mock: respx.MockRouter) -> None:
    route = respx_mock.post(URL).mock(side_effect=httpx.ReadTimeout("slow"))
    found = await findings(adser_id="500", read_tries=2)
    assert [finding.good for finding in found] == [False] * 4
    assert "get_contract" in found[0].what
    assert route.call_count == 8


async def test_rows_come_from_xml_as_well(respx_mock: respx.MockRouter) -> None:
    def reply(request: httpx.Request) -> httpx.Response:
        inside = {
            b'name="get_contract"': "<CONTRACTDETAIL><CONTRACTID>70001</CONTRACTID><ENDVALIDDATED>"
            "31-12-2024</ENDVALIDDATED></CONTRACTDETAIL>",
            b'name="get_label"': "<LABELDETAIL><LABELID>1</LABELID></LABELDETAIL><LABELDETAIL><LABELID>"
            "900101</LABELID><LABEL>CONGAN</LABEL></LABELDETAIL>",
        }
        found = next((value for key, value in inside.items() if key in request.content), "")
        return httpx.Response(200, text=f"<RPLY><ERROR>0</ERROR>{found}</RPLY>")

    respx_mock.post(URL).mock(side_effect=reply)
    found = await findings(adser_id="500", format="xml")
    assert found[:2] == [
        CheckFinding(True, "Contract 70001 is valid until 31-12-2024."),
        CheckFinding(True, "Label 900101 is CONGAN."),
    ]
