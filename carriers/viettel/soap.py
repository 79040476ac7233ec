"""SOAP 1.1 as Viettel's service uses it: unqualified arguments in a qualified operation, and faults."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from xml.etree.ElementTree import Element

from carriers.contract import Halted, Unknown
from carriers.http import Failure, HttpAnswer, failure_of
from carriers.phrases import Phrase
from carriers.xml import Markup, XmlError, child, child_text, document, find, local_name, read_xml, write

ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"
SERVICE = "http://impl.bulkSms.ws/"
# The WSDL has an empty SOAPAction (T2, T3).
HEADERS = {"Content-Type": "text/xml;charset=UTF-8", "SOAPAction": '""'}
# A fault that blames the request means that it was not processed (SOAP 1.1, 4.4.1).
_OUR_FAULT = {"client", "versionmismatch", "mustunderstand"}


def arguments(pairs: Iterable[tuple[str, str]]) -> Markup:
    """Write arguments in order; XmlError if a text can't be carried."""
    return Markup("".join(write(name, value) for name, value in pairs))


def request(operation: str, *inside: Markup) -> bytes:
    call = write(f"ws:{operation}", *inside, attributes={"xmlns:ws": SERVICE})
    return document(write("S:Envelope", write("S:Body", call), attributes={"xmlns:S": ENVELOPE}))


def response(answer: HttpAnswer, operation: str, quoted: Callable[[str], str]) -> Element | Failure:
    """Return the operation's response element, or what its absence says about the messages.

    quoted: makes the carrier's words fit to keep and show.
    """
    if answer.status not in (200, 500):  # a fault comes with 500
        return failure_of(answer) or Unknown(
            Phrase("the carrier answered with HTTP {status}", status=answer.status)
        )
    try:
        root = read_xml(answer.body)
    except XmlError as error:
        return failure_of(answer) or Unknown(Phrase("the answer cannot be read: {why}", why=error))
    fault = find(root, "Fault")
    if fault is not None:
        return _fault_result(fault, quoted)
    return failure_of(answer) or _inside(root, operation)


def _inside(root: Element, operation: str) -> Element | Unknown:
    body = child(root, "Body") if local_name(root) == "Envelope" else None
    found = None if body is None else child(body, f"{operation}Response")
    return (
        Unknown(
            Phrase("the answer is not a SOAP envelope with an answer to {operation}", operation=operation)
        )
        if found is None
        else found
    )


def _fault_result(fault: Element, quoted: Callable[[str], str]) -> Failure:
    """Classify a fault: a request that is to blame was not processed, others may be half done."""
    code = child_text(fault, "faultcode").rpartition(":")[2].partition(".")[0]
    words = quoted(child_text(fault, "faultstring"))
    if code.lower() in _OUR_FAULT:
        return Halted(
            f"soap fault {code}"[:40],
            Phrase("The carrier's service cannot read the request: {words}", words=words),
        )
    return Unknown(Phrase("soap fault {code}: {words}", code=quoted(code), words=words))
