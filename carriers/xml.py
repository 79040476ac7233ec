"""XML for carriers that speak it: read without document types and entities, written with all escaped."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from xml.etree.ElementTree import Element, ParseError
from xml.sax.saxutils import escape

from defusedxml import DTDForbidden, EntitiesForbidden, ExternalReferenceForbidden
from defusedxml.ElementTree import fromstring

# What XML 1.0 can't carry, not even as a reference: controls, halves of surrogate pairs, U+FFFE and U+FFFF.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]*")
_FORBIDDEN: dict[type[Exception], str] = {
    DTDForbidden: "a document type",
    EntitiesForbidden: "entities of its own",
    ExternalReferenceForbidden: "a reference to elsewhere",
}
# A bare CR is read as a line feed, and in attributes every white space as a blank, unless written as numbers.
_IN_TEXT = {"\r": "&#13;"}
_IN_ATTRIBUTE = {'"': "&quot;", "\r": "&#13;", "\n": "&#10;", "\t": "&#9;"}


class XmlError(ValueError):
    """What came is no XML that we read, or a text has a character that XML can't carry."""


class Markup(str):
    """Finished XML; any other string is text and is escaped."""

    __slots__ = ()


def read_xml(body: bytes) -> Element:
    """The root of a document; XmlError for what is no XML, and for types, entities and anything external."""
    try:
        root: Element = fromstring(body, forbid_dtd=True, forbid_entities=True, forbid_external=True)
    except ParseError as error:
        line, column = error.position
        raise XmlError(f"What came is no XML: line {line}, column {column}.") from None
    except (ValueError, LookupError) as error:  # forbidden parts, and encodings that nobody has
        what = _FORBIDDEN.get(type(error), "an encoding that can't be read")
        raise XmlError(f"What came is refused as XML: {what}.") from None
    return root


def local_name(element: Element) -> str:
    """The name without its namespace: carriers' prefixes and namespaces vary, their names don't."""
    return element.tag.rpartition("}")[2]


def children(element: Element, name: str) -> Iterator[Element]:
    """The direct children of that local name."""
    return (each for each in element if local_name(each) == name)


def child(element: Element, name: str) -> Element | None:
    """The first direct child of that local name."""
    return next(children(element, name), None)


def child_text(element: Element, name: str) -> str:
    """The text of that child without surrounding white space; "" where there is none."""
    found = child(element, name)
    return "" if found is None else (found.text or "").strip()


def find(element: Element, name: str) -> Element | None:
    """The first element of that local name at any depth, the element itself included."""
    return next((each for each in element.iter() if local_name(each) == name), None)


def write(name: str, *content: str, attributes: Mapping[str, str] | None = None) -> Markup:
    """One element: Markup goes in as it is, text is escaped; XmlError where XML can't carry a character."""
    if not _NAME.fullmatch(name):
        raise XmlError(f"{name!r} is no name of an element.")
    written = "".join(
        f' {key}="{_escaped(value, _IN_ATTRIBUTE)}"' for key, value in (attributes or {}).items()
    )
    inside = "".join(each if isinstance(each, Markup) else _escaped(each, _IN_TEXT) for each in content)
    return Markup(f"<{name}{written}>{inside}</{name}>")


def document(root: Markup) -> bytes:
    """A whole document in UTF-8, with its declaration."""
    return f'<?xml version="1.0" encoding="UTF-8"?>{root}'.encode()


def _escaped(text: str, more: Mapping[str, str]) -> str:
    odd = _NOT_XML.search(text)
    if odd is not None:
        raise XmlError(
            f"Character {odd.start() + 1}, U+{ord(odd[0]):04X}, can't be carried by XML: take it out."
        )
    return escape(text, dict(more))
