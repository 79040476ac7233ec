"""Read XML without document types or entities, and write XML with all text escaped."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from xml.etree.ElementTree import Element, ParseError
from xml.sax.saxutils import escape

from defusedxml import DTDForbidden, EntitiesForbidden, ExternalReferenceForbidden
from defusedxml.ElementTree import fromstring

from carriers.phrases import Phrase

# Not allowed in XML 1.0, not even as a reference: controls, lone surrogates, U+FFFE and U+FFFF.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]*")
_FORBIDDEN: dict[type[Exception], str] = {
    DTDForbidden: "a document type",
    EntitiesForbidden: "entities of its own",
    ExternalReferenceForbidden: "a reference to elsewhere",
}
# Parsers read a bare CR as LF, and white space in attributes as blanks, unless written as references.
_IN_TEXT = {"\r": "&#13;"}
_IN_ATTRIBUTE = {'"': "&quot;", "\r": "&#13;", "\n": "&#10;", "\t": "&#9;"}


class XmlError(ValueError):
    """The input is not XML that we accept, or a text has a character that XML can't carry."""


class Markup(str):
    """Finished XML; any other string is text and is escaped."""

    __slots__ = ()


def read_xml(body: bytes) -> Element:
    """Parse a document and return its root; XmlError for malformed XML, DTDs and external references."""
    try:
        root: Element = fromstring(body, forbid_dtd=True, forbid_entities=True, forbid_external=True)
    except ParseError as error:
        line, column = error.position
        raise XmlError(
            Phrase("The data is not valid XML: line {line}, column {column}.", line=line, column=column)
        ) from None
    except (ValueError, LookupError) as error:  # forbidden parts and unknown encodings
        what = _FORBIDDEN.get(type(error), "an unreadable encoding")
        raise XmlError(Phrase("The XML was rejected: {why}.", why=what)) from None
    return root


def local_name(element: Element) -> str:
    """Return the name without its namespace: carriers vary prefixes and namespaces, not names."""
    return element.tag.rpartition("}")[2]


def children(element: Element, name: str) -> Iterator[Element]:
    return (each for each in element if local_name(each) == name)


def child(element: Element, name: str) -> Element | None:
    return next(children(element, name), None)


def child_text(element: Element, name: str) -> str:
    """Return the stripped text of that child; "" if there is none."""
    found = child(element, name)
    return "" if found is None else (found.text or "").strip()


def find(element: Element, name: str) -> Element | None:
    """Return the first element with that local name at any depth, the element itself included."""
    return next((each for each in element.iter() if local_name(each) == name), None)


def write(name: str, *content: str, attributes: Mapping[str, str] | None = None) -> Markup:
    """Write one element: Markup is inserted as is, other text escaped; XmlError if a character can't be."""
    if not _NAME.fullmatch(name):
        raise XmlError(f"{name!r} is not a valid element name.")
    written = "".join(
        f' {key}="{_escaped(value, _IN_ATTRIBUTE)}"' for key, value in (attributes or {}).items()
    )
    inside = "".join(each if isinstance(each, Markup) else _escaped(each, _IN_TEXT) for each in content)
    return Markup(f"<{name}{written}>{inside}</{name}>")


def document(root: Markup) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?>{root}'.encode()


def _escaped(text: str, more: Mapping[str, str]) -> str:
    odd = _NOT_XML.search(text)
    if odd is not None:
        raise XmlError(
            Phrase(
                "Character {character}, U+{code}, is not allowed in XML. Remove it.",
                character=odd.start() + 1,
                code=f"{ord(odd[0]):04X}",
            )
        )
    return escape(text, dict(more))
