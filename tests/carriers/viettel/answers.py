"""Answers of Viettel's service as composed for tests, and links that get them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape, quoteattr

import httpx
import respx

from carriers.contract import LinkOptions, OutboundSms
from carriers.viettel.carrier import ViettelCarrier, viettel
from carriers.xml import child_text, find, local_name, read_xml

URL = "http://sms.example.vn:8998/bulkapi"
PASSWORD = "s3cr3t-w0rd"
TEXT = "Cong an tinh canh bao: khong cung cap ma OTP cho bat ky ai."
SENDER = "CA SONLA"
TAKEN = "Insert MT_QUEUE: OK"
BASE: dict[str, object] = {
    "base_url": URL,
    "user": "loa",
    "password": PASSWORD,
    "cp_code": "SLA_CA",
    "read_pause_s": 0.001,
}
Answer = Callable[[httpx.Request], httpx.Response]


def sms(number: int = 1, *, key: str = "", text: str = TEXT) -> OutboundSms:
    return OutboundSms(f"8498123{number:04d}", text, SENDER, key=key or f"k-{number}")


def envelope(operation: str, inside: str) -> bytes:
    """The envelope of a response, with the service's prefixes."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/"><S:Body>'
        f'<ns2:{operation}Response xmlns:ns2="http://impl.bulkSms.ws/">{inside}</ns2:{operation}Response>'
        "</S:Body></S:Envelope>"
    ).encode()


def single(message: str, result: object, operation: str = "wsCpMt") -> bytes:
    inside = f"<return><message>{escape(message)}</message><result>{result}</result></return>"
    return envelope(operation, inside)


def detail(message: str, result: object, msg_id: str, receiver: str) -> str:
    return (
        f"<details><message>{escape(message)}</message><msgId>{msg_id}</msgId>"
        f"<receiver>{receiver}</receiver><result>{result}</result></details>"
    )


def listed(details: Sequence[str], message: str = "OK", result: object = 1) -> bytes:
    inside = f"{''.join(details)}<message>{escape(message)}</message><result>{result}</result>"
    return envelope("wsCpMt4", f"<return>{inside}</return>")


def failures(rows: Sequence[tuple[str, str]], code: str = "0", message: str = "") -> bytes:
    inside = "".join(f"<result receiver={quoteattr(who)} message={quoteattr(why)}/>" for who, why in rows)
    said = f"<errorCode>{code}</errorCode><message>{escape(message)}</message>{inside}"
    return envelope("getFailSub", f"<return>{said}</return>")


def fault(code: str, words: str) -> bytes:
    return (
        '<S:Envelope xmlns:S="http://schemas.xmlsoap.org/soap/envelope/"><S:Body>'
        f"<S:Fault><faultcode>{code}</faultcode><faultstring>{escape(words)}</faultstring></S:Fault>"
        "</S:Body></S:Envelope>"
    ).encode()


def operation_of(request: httpx.Request) -> Element:
    """The operation that a request asks for, with its arguments."""
    body = find(read_xml(request.content), "Body")
    assert body is not None
    return body[0]


def asked(request: httpx.Request) -> tuple[str, dict[str, str]]:
    """A request's operation and its plain arguments."""
    operation = operation_of(request)
    return local_name(operation), {
        local_name(each): child_text(operation, local_name(each)) for each in operation
    }


@asynccontextmanager
async def link(answer: Answer | bytes | Sequence[bytes], **options: object) -> AsyncIterator[ViettelCarrier]:
    """An open link whose requests get this answer; several: one after the other."""
    with respx.mock(assert_all_called=False) as router:
        route = router.post(URL)
        if callable(answer):
            route.mock(side_effect=answer)
        elif isinstance(answer, bytes):
            route.respond(content=answer, content_type="text/xml;charset=utf-8")
        else:
            route.mock(side_effect=[httpx.Response(200, content=each) for each in answer])
        carrier = viettel(LinkOptions("viettel-1", "viettel", 100, {**BASE, **options}))
        assert isinstance(carrier, ViettelCarrier)
        await carrier.open()
        try:
            yield carrier
        finally:
            await carrier.close()


class Service:
    """Answers each request by `answer`, and keeps what was asked."""

    def __init__(self, answer: Callable[[dict[str, str]], bytes]) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self._answer = answer

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(asked(request))
        return httpx.Response(200, content=self._answer(self.asked[-1][1]))
