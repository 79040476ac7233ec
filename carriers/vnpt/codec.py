"""Bodies of VNPT's API: requests in JSON or XML, and replies in either, parsed into one shape."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element

from carriers.contract import Unknown
from carriers.http import Failure, HttpAnswer, failure_of, quoted
from carriers.xml import Markup, document, find, local_name, read_xml, write

JSON, XML = "json", "xml"
ATTRIBUTE, ELEMENT = "attribute", "element"
CONTENT_TYPES = {JSON: "application/json; charset=UTF-8", XML: "text/xml;charset=UTF-8"}
# A field is text, or a list of field groups (PARAMS), which XML writes as one element each.
Fields = Mapping[str, str | Sequence[Mapping[str, str]]]
Reply = Mapping[str, Any]


def body(form: str, xml_name: str, operation: str, fields: Fields) -> bytes:
    """Encode the request; ValueError if a text can't be carried."""
    if form == JSON:
        return json.dumps({"RQST": {"name": operation, **fields}}, ensure_ascii=False).encode()
    named = {"name": operation} if xml_name == ATTRIBUTE else None
    inside = [] if named else [write("name", operation)]
    for name, value in fields.items():
        inside += [write(name, each) for each in _elements(value)]
    return document(write("RQST", *inside, attributes=named))


def _elements(value: str | Sequence[Mapping[str, str]]) -> Sequence[str]:
    if isinstance(value, str):
        return [value]
    return [Markup("".join(write(name, text) for name, text in each.items())) for each in value]


def reply(answer: HttpAnswer) -> Reply | Failure:
    """Return the fields of RPLY, in JSON or XML; or what their absence says about the messages."""
    failed = failure_of(answer)
    if failed is not None:
        return failed
    is_xml = answer.body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")
    try:
        found = _from_xml(answer.body) if is_xml else _from_json(answer.body)
    except (ValueError, RecursionError):
        return Unknown("the answer cannot be read")
    return Unknown("the answer has no RPLY in it") if found is None else found


def _from_json(content: bytes) -> Reply | None:
    whole = json.loads(content)
    found = whole.get("RPLY") if isinstance(whole, dict) else None
    return found if isinstance(found, dict) else None


def _from_xml(content: bytes) -> Reply | None:
    found = find(read_xml(content), "RPLY")
    plain = None if found is None else _plain(found)
    return plain if isinstance(plain, dict) else None


def _plain(element: Element) -> dict[str, Any] | str:
    """Convert to the shape of JSON: text, or fields; a repeated field becomes a list."""
    if not len(element) and not element.attrib:
        return (element.text or "").strip()
    fields: dict[str, Any] = dict(element.attrib)
    for each in element:
        name, value = local_name(each), _plain(each)
        if name in fields:
            before = fields[name]
            fields[name] = [*(before if isinstance(before, list) else [before]), value]
        else:
            fields[name] = value
    return fields


def words(reply: Reply) -> str:
    """Return the description of the code, unredacted: not to be shown."""
    text = reply.get("ERROR_DESC")
    return text if isinstance(text, str) else ""


def said(reply: Reply, *secrets: str) -> str:
    """Return the description of the code, fit to keep and show."""
    return quoted(words(reply), *secrets)


def details(reply: Reply, name: str) -> list[Reply]:
    """Return the rows of a list such as LABELDETAIL; a single row may come without its list."""
    value = reply.get(name)
    rows = value if isinstance(value, list) else [value]
    return [row for row in rows if isinstance(row, dict)]
