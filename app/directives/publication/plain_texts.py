"""The kit's plain texts: SMS forms, articles for Zalo and Facebook, and what is read aloud."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from app.core import clock
from app.directives.publication import form_words as words
from app.directives.publication import read_aloud
from app.directives.publication.kit_source import KitSource
from carriers import text as sms

# What the editor of a Zalo OA article takes, and a post of Facebook, in characters.
ZALO_TITLE, ZALO_SUMMARY, FACEBOOK_POST = 150, 300, 63_206


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


def zalo(of: KitSource) -> str:
    """Write an article for Zalo OA: title, summary and body, each within its length."""
    heading = _cut(f"{title(of)} – {of.head.name}", ZALO_TITLE)
    lines = [words.HEADLINE, heading, "", words.SUMMARY, _cut(_line(of.original), ZALO_SUMMARY)]
    return _joined([*lines, "", words.BODY, *_article(of)])


def facebook(of: KitSource) -> str:
    return _joined([f"{title(of)} – {of.head.name}", "", *_article(of)])[:FACEBOOK_POST]


def broadcast(of: KitSource) -> str:
    """Write what is read on radio and over loudspeakers, with how long that takes."""
    read = list(_read_aloud(of))
    n = sum(len(line.split()) for line in read)
    minutes, seconds = divmod(round(n * 60 / of.words_per_minute), 60)
    length = (
        f"{minutes} {words.MINUTES} {seconds} {words.SECONDS}" if minutes else f"{seconds} {words.SECONDS}"
    )
    rate = f"({n} {words.COUNTED} {of.words_per_minute} {words.RATE})"
    head = [
        words.AIR_TITLE,
        *_about(of),
        f"{words.DURATION} {words.ABOUT} {length} {rate}",
        "",
        words.READ_FROM,
    ]
    return _joined([*head, "", *read])


def _read_aloud(of: KitSource) -> Iterator[str]:
    yield words.OPENING
    yield f"{title(of)}. {words.SOURCE.rstrip(':')} {of.head.name}."
    yield from (read_aloud.aloud(line) for line in of.original.splitlines() if line.strip())
    if of.verify:
        yield f"{words.VERIFY.rstrip(':')} {read_aloud.aloud(of.verify)}."
    yield words.CLOSING


def _article(of: KitSource) -> Iterator[str]:
    yield of.original
    yield ""
    if of.verify:
        yield f"{words.VERIFY} {of.verify}"
    yield f"{words.SOURCE} {of.head.name}"


def _about(of: KitSource) -> tuple[str, str]:
    return f"{words.APPROVED} {day(of.approved_at)}", f"{words.DIGEST} {of.digest}"


def _line(text: str) -> str:
    return " ".join(text.split())


def _cut(text: str, most: int) -> str:
    """Cut between words; the end shows that something is missing."""
    if len(text) <= most:
        return text
    return f"{text[: most - 1].rpartition(' ')[0] or text[: most - 1]}…"


def _joined(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"
