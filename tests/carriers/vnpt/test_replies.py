"""Answers that are none, or not what we expect: never a claim, and never sent again on a guess."""

from __future__ import annotations

import httpx
import pytest
import respx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from carriers.contract import Accepted, Deferred, Halted, Unknown
from carriers.http import HttpAnswer
from carriers.vnpt import codec
from tests.carriers.vnpt.links import URL, open_link, send_one, sms

REF = ("SLA-000001",)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"null",
        b"[]",
        b'"RPLY"',
        b"{}",
        b'{"RPLY":null}',
        b'{"RPLY":[]}',
        b'{"RPLY":{}}',
        b'{"RPLY":{"ERROR":null}}',
        b'{"RPLY":{"ERROR":""}}',
        b'{"RPLY":{"ERROR":"ok"}}',
        b'{"RPLY":{"ERROR":true}}',
        b'{"RPLY":{"ERROR":{"a":1}}}',
        b'{"RPLY":{"ERROR":"0"',
        b'{"ERROR":"0"}',
        b"[" * 100_000,
        b'{"RPLY":{"ERROR":' + b"1" * 6000 + b"}}",
        b"\xff\xfe\xfd" * 50,
        b"<html><body>Error</body></html>",
        b"<!DOCTYPE html><html><body>200</body></html>",
        b"<RPLY/>",
        b"<RPLY>0</RPLY>",
        b"<RPLY><ERROR>0</ERROR>",
        b"<RPLY><ERROR>0</ERROR><ERROR>1</ERROR></RPLY>",
        b"<RPLY><ERROR><CODE>0</CODE></ERROR></RPLY>",
        b'<!DOCTYPE a [<!ENTITY z "0">]><RPLY><ERROR>&z;</ERROR></RPLY>',
        b"<RPLY>" + b"<a>" * 100_000 + b"</a>" * 100_000 + b"</RPLY>",
    ],
    ids=lambda body: repr(body[:24]),
)
async def test_an_answer_without_a_verdict_is_unknown(body: bytes, respx_mock: respx.MockRouter) -> None:
    route = respx_mock.post(URL).mock(return_value=httpx.Response(200, content=body))
    result = await send_one()
    assert isinstance(result, Unknown)
    assert result.refs == REF
    assert route.call_count == 1


@pytest.mark.longer
@given(body=st.binary(max_size=200))
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_random_bytes_are_never_a_verdict(body: bytes) -> None:
    assert isinstance(codec.reply(HttpAnswer(200, body)), Unknown)


@pytest.mark.longer
@given(body=st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_an_answer_in_another_shape_is_never_a_verdict(body: object) -> None:
    assert isinstance(codec.reply(HttpAnswer(200, codec.json.dumps(body).encode())), Unknown)


async def test_words_of_any_kind_do_not_spoil_the_verdict(respx_mock: respx.MockRouter) -> None:
    respx_mock.post(URL).mock(
        return_value=httpx.Response(200, text='{"RPLY":{"ERROR":"0","ERROR_DESC":[1]}}')
    )
    assert await send_one() == Accepted(REF)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (500, Unknown),
        (502, Unknown),
        (504, Unknown),
        (503, Unknown),
        (408, Unknown),
        (429, Unknown),
        (401, Halted),
        (403, Halted),
        (404, Halted),
        (302, Unknown),
    ],
)
@pytest.mark.parametrize("body", ["<html>Bad Gateway</html>", '{"RPLY":{"ERROR":"0"}}'])
async def test_the_http_status_has_the_first_word(
    status: int, kind: type, body: str, respx_mock: respx.MockRouter
) -> None:
    respx_mock.post(URL).mock(return_value=httpx.Response(status, text=body))
    assert isinstance(await send_one(), kind)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (httpx.ConnectError("refused"), Deferred),
        (httpx.ConnectTimeout("slow"), Deferred),
        (httpx.ReadTimeout("slow"), Unknown),
        (httpx.WriteTimeout("slow"), Unknown),
        (httpx.ReadError("reset"), Unknown),
        (httpx.RemoteProtocolError("cut"), Unknown),
    ],
)
async def test_only_what_was_certainly_not_read_is_deferred(
    error: Exception, kind: type, respx_mock: respx.MockRouter
) -> None:
    route = respx_mock.post(URL).mock(side_effect=error)
    result = await send_one()
    assert isinstance(result, kind)
    assert route.call_count == 1
    if isinstance(result, Unknown):
        assert result.refs == REF


async def test_one_verdict_stands_for_the_whole_list(respx_mock: respx.MockRouter) -> None:
    respx_mock.post(URL).mock(return_value=httpx.Response(200, json={"RPLY": {"ERROR": "-1"}}))
    async with open_link() as carrier:
        results = await carrier.submit([sms(n) for n in range(5)])
    assert results == [Unknown("VNPT had an exception (code -1)", ("SLA-000000",))] * 5
