"""What a text costs in each form, and advice to its author; pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from carriers import text as sms
from carriers.contract import Encoding


class Advice(NamedTuple):
    """One remark on a text: its position (from 0), its severity, and a sentence."""

    position: int
    severity: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Preview:
    """One form of a text as it will be sent: its SMS parts, and how many for all subscribers."""

    wording: str
    encoding: Encoding
    units: int
    segments: int
    parts: tuple[str, ...]
    total_segments: int


@dataclass(frozen=True, slots=True)
class Previews:
    """Both forms, with advice on the text as it was written."""

    accented: Preview
    unaccented: Preview
    advice: list[Advice]


def preview(wording: str, subscribers: int = 0) -> Preview:
    cut = sms.split(wording)
    segments = len(cut.parts)
    return Preview(sms.nfc(wording), cut.encoding, cut.units, segments, cut.parts, segments * subscribers)


def previews(wording: str, subscribers: int = 0) -> Previews:
    return Previews(
        preview(wording, subscribers), preview(sms.unaccent(wording), subscribers), advice(wording)
    )


def grave(texts: Iterable[str]) -> list[str]:
    """Return what must be changed in these texts, or acknowledged by who approves them."""
    found = (each for text in texts for each in sms.lint(text))
    return list(dict.fromkeys(each.message for each in found if each.severity is sms.Severity.ERROR))


def advice(wording: str) -> list[Advice]:
    """Report what costs parts needlessly, and what makes a warning look like the fraud."""
    repairs = [Advice(fix.position, "warning", f"{fix.name}: {fix.cost}.") for fix in sms.fixes(wording)]
    findings = [Advice(each.position, each.severity, each.message) for each in sms.lint(wording)]
    return sorted(repairs + findings)
