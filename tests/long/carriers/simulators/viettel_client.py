"""A client of Viettel's service that knows nothing of the adapter, and a simulated service to ask."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

import httpx
from defusedxml.ElementTree import fromstring

from carriers.simulators.viettel import Viettel, ViettelBehaviour

PHONE = "84981230001"
ACCOUNT = {"User": "loa", "Password": "p", "CPCode": "SLA_CA"}
ONE = {
    **ACCOUNT,
    "RequestID": "1",
    "UserID": PHONE,
    "ReceiverID": PHONE,
    "ServiceID": "CA SONLA",
    "CommandCode": "bulksms",
    "Content": "Canh bao: giu ma OTP",
    "ContentType": "0",
}
LIST = {
    **ACCOUNT,
    "RequestID": "1",
    "ServiceID": "CA SONLA",
    "CommandCode": "bulksms",
    "ContentType": "0",
}
BEHAVIOUR: dict[str, Any] = {"account": "loa:p", "cp_code": "SLA_CA"}
TAKEN = "Insert MT_QUEUE: OK"


class Client:
    """A client that knows nothing of the adapter."""

    def __init__(self, viettel: Viettel, http: httpx.AsyncClient) -> None:
        self.viettel, self.http = viettel, http

    async def post(self, body: str | bytes, query: str = "", **headers: str) -> httpx.Response:
        named = {"content-type": "text/xml;charset=UTF-8", **headers}
        return await self.http.post(self.viettel.url + query, content=body, headers=named)

    async def ask(self, operation: str, fields: dict[str, str], more: str = "") -> Element:
        """The response element of an operation."""
        response = await self.post(envelope(operation, fields, more))
        assert response.status_code == 200, response.text
        assert response.text.partition("?>")[2].startswith("<S:Envelope xmlns:S=")
        (found,) = fromstring(response.content)[0]
        assert found.tag == f"{{http://impl.bulkSms.ws/}}{operation}Response"
        return found

    async def one(self, operation: str = "wsCpMt", **fields: str) -> tuple[str, str]:
        """Message and result of a single submit."""
        return said((await self.ask(operation, {**ONE, **fields}))[0])

    async def list(self, *messages: tuple[str, str, str], **fields: str) -> Element:
        """The `return` of a list of (text, id, number)."""
        inside = "".join(
            f"<Msg><message>{text}</message><msgId>{name}</msgId><receiver>{phone}</receiver></Msg>"
            for text, name, phone in messages
        )
        return (await self.ask("wsCpMt4", {**LIST, **fields}, inside))[0]


def envelope(operation: str, fields: dict[str, str], more: str = "") -> str:
    inside = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in fields.items())
    return (
        '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
        'xmlns:impl="http://impl.bulkSms.ws/"><soapenv:Header/><soapenv:Body>'
        f"<impl:{operation}>{inside}{more}</impl:{operation}></soapenv:Body></soapenv:Envelope>"
    )


def said(element: Element) -> tuple[str, str]:
    return element.findtext("message", ""), element.findtext("result", "")


def details(element: Element) -> list[tuple[str, str, str, str]]:
    names = ("msgId", "receiver", "result", "message")
    return [tuple(each.findtext(name, "") for name in names) for each in element.findall("details")]  # type: ignore[misc]


@asynccontextmanager
async def running(**behaviour: Any) -> AsyncIterator[Client]:
    client = httpx.AsyncClient(verify=False)  # over plain HTTP: no authorities to read
    async with Viettel(ViettelBehaviour(**{**BEHAVIOUR, **behaviour})) as viettel, client as http:
        yield Client(viettel, http)
