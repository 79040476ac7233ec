"""Envelopes: as they are written, and whatever may come in place of the right one."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from datetime import date

import httpx
import pytest
from structlog.testing import capture_logs

from carriers.contract import (
    Accepted,
    Encoding,
    Halted,
    OutboundSms,
    ReadError,
    Reason,
    Rejected,
    SubmitResult,
    Unknown,
)
from tests.carriers.viettel.answers import (
    PASSWORD,
    SENDER,
    TAKEN,
    TEXT,
    Answer,
    asked,
    envelope,
    fault,
    link,
    single,
    sms,
)
from tests.exact import exactly

SINGLE = {"operation": "wsCpMt"}
LAUGHS = b"".join(b'<!ENTITY l%d "%s">' % (n, b"&l%d;" % (n - 1) * 10) for n in range(1, 9))
TAKEN_BODY = single(TAKEN, 1)


def with_doctype(doctype: bytes, said: bytes = b"OK") -> bytes:
    head, _, rest = TAKEN_BODY.partition(b"?>")
    return head + b"?>" + doctype + rest.replace(b"OK", said)


ATTACKS = {
    "billion laughs": with_doctype(b'<!DOCTYPE x [<!ENTITY l0 "ha">' + LAUGHS + b"]>", b"&l8;"),
    "external entity": with_doctype(b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/hostname">]>', b"&e;"),
    "parameter entity": with_doctype(b'<!DOCTYPE x [<!ENTITY % e SYSTEM "http://10.0.0.1/x.dtd">%e;]>'),
    "document type": with_doctype(b'<!DOCTYPE x SYSTEM "http://10.0.0.1/x.dtd">'),
    "document type alone": with_doctype(b"<!DOCTYPE x>"),
}
UNREADABLE = {
    "nothing": b"",
    "noise": bytes(range(256)),
    "half": TAKEN_BODY[: len(TAKEN_BODY) // 2],
    "a page": b"<html><body><h1>Insert MT_QUEUE: OK</h1></body></html>",
    "no envelope": b"<return><message>Insert MT_QUEUE: OK</message><result>1</result></return>",
    "an empty body": envelope("x", "")
    .replace(b"<ns2:xResponse", b"<ns2:wsOther")
    .replace(b"xResponse>", b"wsOther>"),
    "another operation's": single(TAKEN, 1, "wsCpMt2"),
    "no return": envelope("wsCpMt", ""),
    "an unknown encoding": TAKEN_BODY.replace(b"UTF-8", b"EBCDIC-9"),
    **ATTACKS,
}


async def one(answer: Answer | bytes | Sequence[bytes], **options: object) -> SubmitResult:
    async with link(answer, **options) as carrier:
        (result,) = await carrier.submit([sms()])
        return result


@pytest.mark.parametrize("name", UNREADABLE)
async def test_an_answer_that_can_not_be_read_is_unknown(name: str) -> None:
    alone, in_a_list = await one(UNREADABLE[name], **SINGLE), await one(UNREADABLE[name])
    assert isinstance(alone, Unknown)
    assert isinstance(in_a_list, Unknown)
    assert (alone.refs, in_a_list.refs) == ((), ("k-1",))


@pytest.mark.parametrize("name", ATTACKS)
async def test_an_attack_by_xml_is_an_error_of_a_read(name: str) -> None:
    async with link(ATTACKS[name]) as carrier:
        with pytest.raises(
            ReadError,
            match=exactly(
                "getFailSub was not answered: the answer cannot be read: The XML was rejected: a "
                "document type.."
            ),
        ):
            await carrier.failures(date(2026, 11, 25), SENDER)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (
            "S:Client",
            Halted(
                "soap fault Client",
                "The carrier's service cannot read the request: Cannot find dispatch method",
            ),
        ),
        (
            "S:VersionMismatch",
            Halted(
                "soap fault VersionMismatch",
                "The carrier's service cannot read the request: Cannot find dispatch method",
            ),
        ),
        ("S:Server", Unknown("soap fault Server: Cannot find dispatch method")),
        ("", Unknown("soap fault : Cannot find dispatch method")),
    ],
)
@pytest.mark.parametrize("status", [200, 500])
async def test_a_fault_says_whose_it_is(status: int, code: str, expected: SubmitResult) -> None:
    body = fault(code, "Cannot find\ndispatch method")
    assert await one(lambda _: httpx.Response(status, content=body), **SINGLE) == expected


async def test_a_fault_is_quoted_without_our_secrets() -> None:
    with capture_logs() as logs:
        result = await one(fault("S:Server", f"java.lang.X: {PASSWORD} for 84981230001"), **SINGLE)
    assert result == Unknown("soap fault Server: java.lang.X: [redacted] for [number]")
    assert PASSWORD not in str(logs)


@pytest.mark.longer
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *[(each, Halted) for each in (400, 401, 403, 404)],
        *[(each, Unknown) for each in (204, 302, 406, 408, 425, 429, 500, 502, 503, 504)],
    ],
)
async def test_another_status_says_what_it_says_everywhere(status: int, kind: type) -> None:
    alone = await one(lambda _: httpx.Response(status, content=TAKEN_BODY), **SINGLE)
    in_a_list = await one(lambda _: httpx.Response(status, content=b"<html>"))
    assert {type(alone), type(in_a_list)} == {kind}
    if isinstance(in_a_list, Unknown):
        assert in_a_list.refs == ("k-1",)


async def test_an_answer_may_be_packed_or_called_anything() -> None:
    headers = {"content-encoding": "gzip", "content-type": "image/png"}
    packed = httpx.Response(200, content=gzip.compress(TAKEN_BODY), headers=headers)
    assert await one(lambda _: packed, **SINGLE) == Accepted()


@pytest.mark.longer
async def test_prefixes_and_namespaces_do_not_matter() -> None:
    body = TAKEN_BODY.replace(b"ns2", b"n").replace(b"S:", b"soapenv:").replace(b":S=", b":soapenv=")
    assert await one(body, **SINGLE) == Accepted()
    assert (
        await one(body.replace(b"http://impl.bulkSms.ws/", b"http://other.example/"), **SINGLE) == Accepted()
    )


async def test_a_single_message_goes_out_as_the_service_takes_it() -> None:
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, content=TAKEN_BODY)

    text = "A & B <c> \"d\" 'e'"
    async with link(answer, **SINGLE, plain_type="F") as carrier:
        assert await carrier.submit([sms(text=text), sms(text="Cảnh báo")]) == [Accepted(), Accepted()]
    assert asked(requests[0]) == (
        "wsCpMt",
        {
            "User": "loa",
            "Password": PASSWORD,
            "CPCode": "SLA_CA",
            "RequestID": "1",
            "UserID": "84981230001",
            "ReceiverID": "84981230001",
            "ServiceID": SENDER,
            "CommandCode": "bulksms",
            "Content": text,
            "ContentType": "F",
        },
    )
    assert b"<Content>A &amp; B &lt;c&gt;" in requests[0].content
    assert [asked(requests[1])[1][name] for name in ("Content", "ContentType")] == ["Cảnh báo", "1"]


@pytest.mark.parametrize(
    ("text", "options", "code"),
    [
        ("x" * 481, {}, "text: too many bytes"),
        ("ả" * 161, {}, "text: too many bytes"),
        ("x" * 400, {"max_segments": 2}, "text: too many parts"),
        ("Cảnh báo", {"accented": False}, "text: this link does not support accents"),
        ("a\x00b", {}, "Character 2, U+0000, is not allowed in XML. Remove it."),
        ("a\ud800b", {}, "Character 2, U+D800, is not allowed in XML. Remove it."),
    ],
)
async def test_what_the_link_can_not_carry_is_refused_without_a_request(
    text: str, options: dict[str, object], code: str
) -> None:
    def never(_: httpx.Request) -> httpx.Response:
        raise AssertionError("nothing should be asked")

    async with link(never, **options) as carrier:
        results = await carrier.submit([sms(1, text=text), sms(2, text=text)])
    assert results == [Rejected(code, Reason.WRONG_REQUEST)] * 2


@pytest.mark.longer
async def test_480_bytes_are_carried() -> None:
    assert await one(single(TAKEN, 1), **SINGLE) == Accepted()
    async with link(TAKEN_BODY, **SINGLE) as carrier:
        assert await carrier.submit([sms(text="x" * 480)]) == [Accepted()]


async def test_a_link_without_accents_says_so_in_its_limits() -> None:
    async with link(TAKEN_BODY, accented=False) as carrier:
        assert carrier.limits.encodings == {Encoding.GSM7}
    async with link(TAKEN_BODY) as carrier:
        assert carrier.limits.encodings == set(Encoding)
        assert carrier.limits.per_submit == 50


@pytest.mark.parametrize(
    ("message", "result", "expected"),
    [
        (TAKEN, 90071992547, Accepted(("90071992547",))),
        (f"{TAKEN}, messageId=55", 1, Accepted(("55",))),
        (TAKEN, 1, Accepted()),
        (f"{TAKEN} 55 of 84981230001", 1, Accepted()),
        ("Check ReceiverID: FORMAT_ERROR", 0, Rejected("RECEIVER_ID FORMAT_ERROR", Reason.NO_SUCH_NUMBER)),
    ],
)
async def test_a_registered_message_has_its_id_in_the_result_or_in_the_words(
    message: str, result: int, expected: SubmitResult
) -> None:
    assert await one(single(message, result, "wsCpMtRegDlr"), operation="wsCpMtRegDlr") == expected


@pytest.mark.parametrize("words", ["no", "Check ReceiverID: FORMAT_ERROR"])
async def test_an_id_without_the_words_for_taken_is_unknown(words: str) -> None:
    assert isinstance(await one(single(words, 77, "wsCpMtRegDlr"), operation="wsCpMtRegDlr"), Unknown)


async def test_a_registered_duplicate_is_rejected() -> None:
    body = single("Check ServiceID: DUPLICATE MESSAGE 84981230001", 0, "wsCpMtRegDlr")
    async with link(body, operation="wsCpMtRegDlr") as carrier:
        assert await carrier.submit([OutboundSms("84981230001", TEXT, SENDER)]) == [
            Rejected("DUPLICATE_MESSAGE", Reason.FILTERED)
        ]
