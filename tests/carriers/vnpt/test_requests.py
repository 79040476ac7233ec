"""What a request has in it: every field as documented, lists of one network, names of our own."""

from __future__ import annotations

import httpx
import pytest
import respx
from defusedxml.ElementTree import fromstring

from carriers.contract import Accepted, Deferred, Halted, OutboundSms, Reason, Rejected, Unknown
from tests.carriers.vnpt.links import ACCENTED, PASSWORD, TEXT, URL, asked, open_link, sms

OK = httpx.Response(200, json={"RPLY": {"name": "send_sms_list", "ERROR": "0", "ERROR_DESC": "success"}})


async def test_a_request_in_json_has_every_documented_field(respx_mock: respx.MockRouter) -> None:
    route = respx_mock.post(URL).mock(return_value=OK)
    async with open_link() as carrier:
        results = await carrier.submit([sms(1), sms(2)])
    request = route.calls.last.request
    assert request.headers["content-type"] == "application/json; charset=UTF-8"
    assert asked(request) == {
        "name": "send_sms_list",
        "REQID": "SLA-000001",
        "LABELID": "900101",
        "CONTRACTTYPEID": "1",
        "CONTRACTID": "70001",
        "TEMPLATEID": "800123",
        "PARAMS": [{"NUM": "1", "CONTENT": TEXT}],
        "SCHEDULETIME": "",
        "MOBILELIST": "84912340001,84912340002",
        "ISTELCOSUB": "0",
        "AGENTID": "999",
        "APIUSER": "loa-api",
        "APIPASS": PASSWORD,
        "USERNAME": "SONLA_CA",
        "DATACODING": "0",
    }
    assert results == [Accepted(("SLA-000001",))] * 2


@pytest.mark.parametrize("xml_name", ["attribute", "element"])
async def test_a_request_in_xml_has_the_same_fields_all_escaped(
    xml_name: str, respx_mock: respx.MockRouter
) -> None:
    answer = '<RPLY name="send_sms_list"><ERROR>0</ERROR><ERROR_DESC>success</ERROR_DESC></RPLY>'
    route = respx_mock.post(URL).mock(return_value=httpx.Response(200, text=answer))
    templates = {"7": "Bao {A,20}: {D,100}"}
    text = "Bao A&B: goi <113> \"ngay\" 'nhe'"
    async with open_link(format="xml", xml_name=xml_name, templates=templates, traffic="qc") as carrier:
        results = await carrier.submit([sms(1, text)])
    request = route.calls.last.request
    assert request.headers["content-type"] == "text/xml;charset=UTF-8"
    root = fromstring(request.content)
    assert root.tag == "RQST"
    assert (root.get("name"), root.findtext("name")) == (
        ("send_sms_list", None) if xml_name == "attribute" else (None, "send_sms_list")
    )
    params = [(each.findtext("NUM"), each.findtext("CONTENT")) for each in root.findall("PARAMS")]
    assert params == [("1", "A&B"), ("2", "goi <113> \"ngay\" 'nhe'")]
    assert (root.findtext("MOBILELIST"), root.findtext("CONTRACTTYPEID")) == ("84912340001", "2")
    assert root.findtext("APIPASS") == PASSWORD
    assert results == [Accepted(("SLA-000001",))]


async def test_a_template_without_parameters_has_one_empty_pair(respx_mock: respx.MockRouter) -> None:
    route = respx_mock.post(URL).mock(return_value=OK)
    async with open_link(templates={"7": TEXT}) as carrier:
        await carrier.submit([sms()])
    assert asked(route.calls.last.request)["PARAMS"] == [{"NUM": "1", "CONTENT": ""}]


async def test_a_text_goes_out_by_the_template_that_it_fits(respx_mock: respx.MockRouter) -> None:
    route = respx_mock.post(URL).mock(return_value=OK)
    async with open_link(templates={"7": "Khac: {D,100}", "8": "Cong an tinh canh bao: {D,100}"}) as carrier:
        await carrier.submit([sms()])
    fields = asked(route.calls.last.request)
    assert fields["TEMPLATEID"] == "8"
    assert fields["PARAMS"] == [{"NUM": "1", "CONTENT": "khong cung cap ma OTP cho bat ky ai."}]


async def test_a_text_that_fits_no_template_halts_the_link_before_anything_is_sent(
    respx_mock: respx.MockRouter,
) -> None:
    route = respx_mock.post(URL).mock(return_value=OK)
    async with open_link(templates={"7": "Khac: {D,100}", "8": "Cong an {B,5}"}) as carrier:
        results = await carrier.submit([sms(1), sms(2)])
    assert all(isinstance(result, Halted) and "(7, 8)" in result.reason for result in results)
    assert not route.called


@pytest.mark.longer
async def test_another_sender_id_than_the_label_halts_the_link(respx_mock: respx.MockRouter) -> None:
    route = respx_mock.post(URL).mock(return_value=OK)
    async with open_link() as carrier:
        (result,) = await carrier.submit([OutboundSms("84912340001", TEXT, "THUE")])
        assert isinstance(result, Halted)
        assert "sends as CONGAN" in result.reason
    assert not route.called
    async with open_link() as carrier:
        assert await carrier.submit([OutboundSms("84912340001", TEXT, "CongAn", key="k")]) == [
            Accepted(("k",))
        ]


async def test_a_text_longer_than_the_link_carries_is_refused_here(respx_mock: respx.MockRouter) -> None:
    route = respx_mock.post(URL).mock(return_value=OK)
    async with open_link(max_segments=1) as carrier:
        assert await carrier.submit([sms(1, TEXT * 3)]) == [
            Rejected("more parts than the link allows", Reason.WRONG_REQUEST)
        ]
    assert not route.called


@pytest.mark.parametrize("form", ["json", "xml"])
async def test_half_a_character_is_refused_here(form: str, respx_mock: respx.MockRouter) -> None:
    route = respx_mock.post(URL).mock(return_value=OK)
    async with open_link(format=form) as carrier:
        (result,) = await carrier.submit([sms(1, "Canh bao \ud83d")])
    assert result == Rejected("a character that cannot be transmitted", Reason.WRONG_REQUEST)
    assert not route.called


async def test_accents_go_as_datacoding_8_in_normal_form(respx_mock: respx.MockRouter) -> None:
    route = respx_mock.post(URL).mock(return_value=OK)
    async with open_link() as carrier:
        await carrier.submit([sms(1, "Cảnh báo")])  # with combining marks
    request = route.calls.last.request
    fields = asked(request)
    assert fields["DATACODING"] == "8"
    assert fields["PARAMS"] == [{"NUM": "1", "CONTENT": "Cảnh báo"}]
    assert "Cảnh báo".encode() in request.content


async def test_accents_go_to_ranges_of_vinaphone_alone(respx_mock: respx.MockRouter) -> None:
    route = respx_mock.post(URL).mock(return_value=OK)
    messages = [
        sms(1, ACCENTED),
        sms(2, ACCENTED, prefix="8497234"),
        sms(3, ACCENTED),
        sms(4, ACCENTED, prefix="8487234"),
    ]
    async with open_link() as carrier:
        results = await carrier.submit(messages)
    refused = Rejected("accents towards another network", Reason.WRONG_REQUEST)
    assert results == [Accepted(("SLA-000001",)), refused, Accepted(("SLA-000001",)), refused]
    assert asked(route.calls.last.request)["MOBILELIST"] == "84912340001,84912340003"
    assert route.call_count == 1


@pytest.mark.longer
async def test_lists_have_one_network_each_as_far_as_ranges_tell(respx_mock: respx.MockRouter) -> None:
    route = respx_mock.post(URL).mock(return_value=OK)
    messages = [
        sms(1),
        sms(2, prefix="8497234"),
        sms(3, prefix="8488234"),
        sms(4, prefix="8432234"),
        sms(5, prefix="8451234"),
    ]
    async with open_link() as carrier:
        results = await carrier.submit(messages)
    lists = {asked(call.request)["REQID"]: asked(call.request)["MOBILELIST"] for call in route.calls}
    assert lists == {
        "SLA-000001": "84912340001,84882340003",
        "SLA-000002-2": "84972340002,84322340004",
        "SLA-000005-3": "84512340005",
    }
    names = ["SLA-000001", "SLA-000002-2", "SLA-000001", "SLA-000002-2", "SLA-000005-3"]
    assert results == [Accepted((name,)) for name in names]


async def test_what_is_no_mobile_number_is_never_in_a_list(respx_mock: respx.MockRouter) -> None:
    route = respx_mock.post(URL).mock(return_value=OK)
    phones = ["84912340001,84912340002", "0912340001", "849123400", "849123４0001", ""]
    messages = [OutboundSms(phone, TEXT, "CONGAN", key="k") for phone in phones]
    async with open_link() as carrier:
        results = await carrier.submit([*messages, sms(9)])
    assert results[:-1] == [Rejected("not 84 and nine digits", Reason.NO_SUCH_NUMBER)] * len(phones)
    assert asked(route.calls.last.request)["MOBILELIST"] == "84912340009"


async def test_a_list_holds_no_more_numbers_than_the_link_takes(respx_mock: respx.MockRouter) -> None:
    route = respx_mock.post(URL).mock(return_value=OK)
    async with open_link(per_submit=3) as carrier:
        assert carrier.limits.per_submit == 3
        results = await carrier.submit([sms(n) for n in range(7)])
    sizes = [len(asked(call.request)["MOBILELIST"].split(",")) for call in route.calls]
    assert sorted(sizes) == [1, 3, 3]
    assert [result.refs for result in results if isinstance(result, Accepted)] == [
        (f"SLA-{n - n % 3:06d}",) for n in range(7)
    ]


@pytest.mark.longer
async def test_without_a_key_a_list_gets_a_name_that_no_other_has(respx_mock: respx.MockRouter) -> None:
    route = respx_mock.post(URL).mock(return_value=OK)
    async with open_link(per_submit=1) as carrier:
        await carrier.submit([sms(n, key="") for n in range(20)])
    names = {asked(call.request)["REQID"] for call in route.calls}
    assert len(names) == 20
    assert all(name.isalnum() for name in names)


async def test_a_lost_list_defers_the_lists_that_were_not_sent(respx_mock: respx.MockRouter) -> None:
    route = respx_mock.post(URL).mock(side_effect=httpx.ReadTimeout("slow"))
    async with open_link() as carrier:
        results = await carrier.submit([sms(1), sms(2, prefix="8497234")])
    assert [type(result) for result in results] == [Unknown, Deferred]
    assert route.call_count == 1


async def test_neither_logs_nor_words_have_the_password(
    respx_mock: respx.MockRouter, caplog: pytest.LogCaptureFixture
) -> None:
    words = f"user loa-api pass {PASSWORD} khong hop le"
    respx_mock.post(URL).mock(
        return_value=httpx.Response(200, json={"RPLY": {"ERROR": "1", "ERROR_DESC": words}})
    )
    async with open_link() as carrier:
        shown = f"{await carrier.submit([sms()])} {carrier.settings!r} {carrier.halted()}"
    assert PASSWORD not in shown + caplog.text
    assert "[redacted]" in shown
