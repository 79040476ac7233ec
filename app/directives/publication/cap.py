"""The kit's envelope for alerting systems: a CAP 1.2 message (urn:oasis:names:tc:emergency:cap:1.2)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from xml.etree import ElementTree

from app.core import clock
from app.directives.publication import form_words as words
from app.directives.publication.kit_source import KitSource
from app.directives.publication.plain_texts import title
from carriers.text import nfc

NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"
AREA_CODES = "VN-DVHC"  # codes of Decision 19/2025/QĐ-TTg, and before it those of Decision 124/2004
PROVINCE = "14"
_DIGEST = "loa-digest-sha256"
_UNKNOWN_SENDER = "loa"  # while neither a code of the agency nor a public host is set
# category, urgency, severity, certainty by purpose: decision 080
_KINDS = {
    "tuyen_truyen": ("Safety", "Future", "Minor", "Likely"),
    "canh_bao_khan": ("Security", "Expected", "Moderate", "Observed"),
}
_Part = tuple[str, str]


def identifier(of: KitSource) -> str:
    """Return an identifier without blanks, commas, < and &: the same for the same approval only."""
    return f"loa-{of.campaign_id}-{clock.to_ms(of.approved_at)}-{of.digest[:16]}"


def message(of: KitSource) -> bytes:
    """Return the message in UTF-8, its elements in the order of the schema."""
    alert = ElementTree.Element("alert", {"xmlns": NAMESPACE})
    sender = of.head.organ_id or of.host or _UNKNOWN_SENDER
    _add(alert, ("identifier", identifier(of)), ("sender", sender), ("sent", moment(of.approved_at)))
    _add(alert, ("status", "Actual"), ("msgType", "Alert"), ("scope", "Public"))
    _info(alert, of, "vi-VN", of.original)
    for code, text in of.sent.items():
        if code:
            _info(alert, of, code, text)
    ElementTree.indent(alert)
    written = ElementTree.tostring(alert, "unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{written}\n'.encode()


def moment(at: datetime) -> str:
    """Return the time as CAP wants it: whole seconds and the zone in figures, never Z."""
    return clock.local(at).isoformat(timespec="seconds")


def _info(alert: ElementTree.Element, of: KitSource, language: str, text: str) -> None:
    category, urgency, severity, certainty = _KINDS[of.purpose]
    info = ElementTree.SubElement(alert, "info")
    _add(info, ("language", language), ("category", category), ("event", title(of)))
    _add(info, ("urgency", urgency), ("severity", severity), ("certainty", certainty))
    _add(info, ("effective", moment(of.approved_at)))
    # A message that has expired before it takes effect is dropped by receivers.
    if of.expires_at is not None and of.expires_at > of.approved_at:
        _add(info, ("expires", moment(of.expires_at)))
    _add(info, ("senderName", of.head.name), ("headline", title(of)), ("description", nfc(text)))
    if of.verify:
        _add(info, ("web", of.verify))
    _pair(info, "parameter", _DIGEST, of.digest)
    area = ElementTree.SubElement(info, "area")
    _add(area, ("areaDesc", "; ".join(name for _, name in of.areas) or words.WHOLE_PROVINCE))
    for code in _codes(of):
        _pair(area, "geocode", AREA_CODES, code)


def _codes(of: KitSource) -> Iterator[str]:
    yield from (code for code, _ in of.areas)
    if not of.areas:
        yield PROVINCE


def _add(parent: ElementTree.Element, *parts: _Part) -> None:
    for name, text in parts:
        ElementTree.SubElement(parent, name).text = text


def _pair(parent: ElementTree.Element, name: str, kind: str, value: str) -> None:
    _add(ElementTree.SubElement(parent, name), ("valueName", kind), ("value", value))
