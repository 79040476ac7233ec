"""Every documented code of send_sms_list, in every spelling that it is seen in, and what it becomes."""

from __future__ import annotations

import json
from collections.abc import Callable

import httpx
import pytest
import respx

from carriers.contract import (
    Accepted,
    Deferred,
    Halted,
    Reason,
    Rejected,
    SubmitResult,
    Unknown,
)
from carriers.vnpt.codes import STATUSES, TABLE, network_in, plain_code
from tests.carriers.vnpt.links import URL, open_link, send_one, sms

REF = ("SLA-000001",)
# Halted results are told by their code alone: their sentences are for people.
HALTED = ("1", "2", "3", "7", "9", "10", "13", "14", "15", "20", "21", "22", "24", "29", "31", "32", "34")
HALTED += ("35", "36", "101")
OTHERS: dict[str, SubmitResult] = {
    "-1": Unknown("VNPT had an exception (code -1): words", REF),
    "0": Accepted(REF),
    "8": Deferred("8", 1800),  # in hours that our table leaves open
    "11": Rejected("11", Reason.FILTERED),
    "12": Deferred("12", 1800),
    "16": Deferred("16", 1.0, throttled=True),
    "17": Rejected("17", Reason.WRONG_REQUEST),
    "23": Rejected("23", Reason.NO_SUCH_NUMBER),
    "25": Rejected("25", Reason.OTHER_NETWORK),
    "26": Deferred("26", 22.5 * 3600),  # from half past nine to eight of the next day
    "27": Rejected("27", Reason.FILTERED),
    "28": Rejected("28", Reason.FILTERED),
    "30": Rejected("30", Reason.FILTERED),
    "33": Unknown("VNPT has seen this request id before (code 33): words", REF),
}
Write = Callable[[str, str], httpx.Response]


def as_string(code: str, words: str) -> httpx.Response:
    return httpx.Response(200, json={"RPLY": {"name": "send_sms_list", "ERROR": code, "ERROR_DESC": words}})


def as_number(code: str, words: str) -> httpx.Response:
    body = {"RPLY": {"name": "send_sms_list", "ERROR": int(code), "ERROR_DESC": words}}
    return httpx.Response(200, text=json.dumps(body), headers={"content-type": "text/plain"})


def as_xml(code: str, words: str) -> httpx.Response:
    return httpx.Response(
        200,
        text=f'<RPLY name="send_sms_list"><ERROR>{code}</ERROR><ERROR_DESC>{words}</ERROR_DESC></RPLY>',
    )


def as_xml_with_elements(code: str, words: str) -> httpx.Response:
    inside = f"<name>send_sms_list</name><ERROR> {code}\n</ERROR><ERROR_DESC>{words}</ERROR_DESC>"
    return httpx.Response(200, text=f'\ufeff<?xml version="1.0"?>\n<RPLY>{inside}</RPLY>')


WAYS = [as_string, as_number, as_xml, as_xml_with_elements]


def test_the_tables_of_this_test_name_every_documented_code_once() -> None:
    codes = [row.code for row in TABLE]
    assert sorted(codes) == sorted([*HALTED, *OTHERS])
    documented = {-1, 0, 1, 2, 3, *range(7, 18), *range(20, 37), 101}
    assert {int(code) for code in codes} == documented
    assert all(row.source for row in (*TABLE, *STATUSES))


@pytest.mark.parametrize("write", WAYS, ids=lambda write: write.__name__)
@pytest.mark.parametrize("code", sorted(OTHERS, key=int))
async def test_a_code_becomes_its_word(code: str, write: Write, respx_mock: respx.MockRouter) -> None:
    respx_mock.post(URL).mock(return_value=write(code, "words"))
    expected = OTHERS[code]
    if expected == Accepted(REF):
        respx_mock.post(URL).mock(return_value=write(code, "Success"))
    assert await send_one() == expected


@pytest.mark.parametrize("write", WAYS, ids=lambda write: write.__name__)
@pytest.mark.parametrize("code", HALTED)
async def test_what_would_hit_every_message_halts_the_link_and_says_what_to_do(
    code: str, write: Write, respx_mock: respx.MockRouter
) -> None:
    respx_mock.post(URL).mock(return_value=write(code, "ip=192.0.2.7"))
    async with open_link() as carrier:
        (result,) = await carrier.submit([sms()])
        assert isinstance(result, Halted)
        assert result.code == code
        assert result.reason.endswith("Then resume the link. VNPT: ip=192.0.2.7")
        assert carrier.halted() == result


@pytest.mark.parametrize("code", ["4", "18", "37", "99", "-2", "102"])
async def test_a_code_that_nobody_documents_is_unknown_and_kept(
    code: str, respx_mock: respx.MockRouter
) -> None:
    respx_mock.post(URL).mock(return_value=as_string(code, "loi moi"))
    expected = Unknown(f"VNPT answered with code {code}, which is not documented: loi moi", REF)
    assert await send_one() == expected


@pytest.mark.parametrize(
    ("words", "network"),
    [
        ("sai mang; right network = [3]; chua khai bao label", "viettel"),
        ("right network=[1]", "vnpt"),
        ("Right Network = 2", "mobifone"),
        ("RIGHT_NETWORK:[4].", "gmobile"),
        ("mang dung: [ 5 ]", "vietnamobile"),
        ("right network = [9]", ""),
        ("right network = [35]", ""),
        ("wrong network", ""),
        ("x" * 300 + " right network = [2]", "mobifone"),
        ("", ""),
    ],
)
async def test_a_ported_number_names_the_network_that_serves_it(
    words: str, network: str, respx_mock: respx.MockRouter
) -> None:
    respx_mock.post(URL).mock(return_value=as_string("25", words))
    assert await send_one() == Rejected("25", Reason.OTHER_NETWORK, network)
    assert network_in(words) == network


@pytest.mark.parametrize(
    ("value", "code"),
    [("0", "0"), (0, "0"), (" 23\n", "23"), ("023", "23"), ("-1", "-1"), (-1, "-1"), ("00", "0")],
)
def test_codes_are_read_from_strings_and_numbers(value: object, code: str) -> None:
    assert plain_code(value) == code


@pytest.mark.parametrize("value", [None, True, False, 0.0, "", "ok", "0x0", "1e0", "٠", [], {}, "1234567"])
def test_what_is_no_code_is_none(value: object) -> None:
    assert plain_code(value) is None
