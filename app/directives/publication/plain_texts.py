"""The kit's plain texts: the forms of the SMS."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from app.core import clock
from app.directives.publication import form_words as words
from app.directives.publication.kit_source import KitSource
from carriers import text as sms


@dataclass(frozen=True, slots=True)
class SmsForm:
    """One form of the text. sent: the campaign's own form."""

    key: str
    name: str
    text: str
    sent: bool

    @property
    def file(self) -> str:
        return f"sms-{self.key}.txt"


def title(of: KitSource) -> str:
    return words.TITLES[of.purpose]


def day(at: datetime) -> str:
    return f"{clock.local(at):%d/%m/%Y}"


def sms_forms(of: KitSource) -> list[SmsForm]:
    """Return the Vietnamese text without and with its diacritics, and those of other languages."""
    sent, plain = of.sent[""], sms.unaccent(of.original)
    forms = [SmsForm("khong-dau", words.PLAIN, plain, plain == sent)]
    if of.original != plain:
        forms.append(SmsForm("co-dau", words.ACCENTED, of.original, of.original == sent))
    others = ((code, text) for code, text in of.sent.items() if code)
    return forms + [SmsForm(code.lower(), f"{words.LANGUAGE} {code}", text, True) for code, text in others]


def sms_sheet(of: KitSource) -> str:
    """List each form with its SMS parts."""
    lines = [words.SMS_TITLE, *_about(of)]
    for form in sms_forms(of):
        cut = sms.split(form.text).parts
        sent = f" ({words.SENT})" if form.sent else ""
        lines += ["", f"{form.name}{sent}: {len(cut)} {words.PARTS}", form.text]
        lines += [f"{words.PART} {n}/{len(cut)}: {part}" for n, part in enumerate(cut, 1) if len(cut) > 1]
    return _joined(lines)


def _about(of: KitSource) -> tuple[str, str]:
    return f"{words.APPROVED} {day(of.approved_at)}", f"{words.DIGEST} {of.digest}"


def _joined(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"
