"""SOAP 1.1 for the simulated Viettel, with the real one's prefixes S and ns2."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from carriers.simulators.web import SimulatedReply
from carriers.xml import Markup, child, child_text, document, local_name, read_xml, write

ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"
SERVICE = "http://impl.bulkSms.ws/"
XML = "text/xml;charset=utf-8"


@dataclass(frozen=True, slots=True)
class Call:
    """One called operation."""

    operation: str
    element: Element

    def __getitem__(self, name: str) -> str:
        """Return the text of an argument; "" if missing: all are optional in the schema."""
        return child_text(self.element, name)


def read_call(body: bytes) -> Call | None:
    """Return the operation of an envelope, None if there is none; XmlError for invalid XML."""
    root = read_xml(body)
    inside = child(root, "Body") if local_name(root) == "Envelope" else None
    if inside is None or len(inside) != 1:
        return None
    return Call(local_name(inside[0]), inside[0])


def tags(pairs: Iterable[tuple[str, object]]) -> list[Markup]:
    return [write(name, str(value)) for name, value in pairs]


def respond(call: Call, code: str, *inside: Markup) -> SimulatedReply:
    """Return the operation's response; `code` is what the report counts."""
    name = f"ns2:{call.operation}Response"
    response = write(name, *inside, attributes={"xmlns:ns2": SERVICE})
    return SimulatedReply(_envelope(response), code, content_type=XML)


def fault(code: str, words: str) -> SimulatedReply:
    """Return S:Fault, with HTTP 500 as SOAP 1.1 requires."""
    inside = write("S:Fault", *tags((("faultcode", code), ("faultstring", words))))
    return SimulatedReply(_envelope(inside), f"fault {code}", 500, XML)


def _envelope(inside: Markup) -> bytes:
    return document(write("S:Envelope", write("S:Body", inside), attributes={"xmlns:S": ENVELOPE}))
