"""Checks that keep a warning from looking like fraud: links, numbers, demands, tone, false letters."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from carriers.phrases import Phrase
from carriers.text.alphabet import VIETNAMESE, name_of, nfc, septets, unaccent

#: Emergency and state numbers that every text may name; 156 and 5656 take reports of fraud and spam.
PUBLIC_NUMBERS = frozenset({"111", "112", "113", "114", "115", "156", "5656"})


class Severity(StrEnum):
    """error: change the text; warning: a person must look at it and confirm."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class TextFinding:
    """One problem in a text; `position` and `length` count characters of the normal form from 0.

    kind: link, phone, data_request, exclamation, advertising, false_letter or invisible; message: a sentence
    with the remedy, in which personal numbers are masked.
    """

    kind: str
    severity: Severity
    position: int
    length: int
    message: str


def lint(
    text: str,
    allowed_numbers: frozenset[str] = frozenset(),
    allowed_hosts: frozenset[str] = frozenset(),
) -> list[TextFinding]:
    """Return all findings in order of position.

    allowed_numbers: approved numbers in any usual notation; allowed_hosts: confirmed hosts below gov.vn. The
    checks support the person who approves and do not replace them.
    """
    composed = nfc(text)
    small = _same_length(composed, str.lower)
    plain = _same_length(small, unaccent)
    numbers = PUBLIC_NUMBERS | {_national(n) for n in allowed_numbers}
    found = [
        *_links(small, allowed_hosts),
        *_phones(plain, numbers),
        *_demands(composed, plain),
        *_exclamations(plain),
        *_advertising(composed, plain),
        *_characters(composed),
    ]
    return sorted(found, key=lambda finding: finding.position)


def _same_length(text: str, change: Callable[[str], str]) -> str:
    """Apply `change` per letter, skipping what would grow or vanish, so that positions stay valid."""
    return "".join(n if len(n := change(c)) == 1 else c for c in text)


# Links

# Top-level domains used here and in known frauds; a list, since "tiền.Không" is a missing blank, not a host.
_ENDINGS = (
    "vn|com|net|org|info|biz|xyz|top|site|online|shop|store|app|io|me|cc|co|link|click|club|vip|icu|live|pro"
    "|asia|mobi|tk|ml|ga|cf|gq|ly|gl|gd|gg|to|ai|dev|cn|ru|us|uk|tv|ws|win|bet|fun|space|website|tech|page"
)
_LINK = re.compile(
    r"(?<![\w-])(?<![\w-][.@])"  # only at the start of a word, so that a long run of labels is scanned once
    rf"(?:[a-z][a-z0-9+]*://\S+|www\.\S+|(?:[\w-]+[.@])+(?:{_ENDINGS})\b(?![.@]?[\w-])(?:[/:?#]\S*)?)"
)


def _links(small: str, allowed: frozenset[str]) -> Iterator[TextFinding]:
    for match in _LINK.finditer(small):
        link = match[0].rstrip(".,;:!?)\"'")
        host = _host(link)
        if not _official(host):
            message = Phrase(
                "The text links to {host}. Links make a warning look like fraud. Remove it.",
                host=host,
            )
            yield TextFinding("link", Severity.ERROR, match.start(), len(link), message)
        elif host not in allowed:
            message = Phrase(
                "The text contains {host}. Confirm that the address is right, or remove it.", host=host
            )
            yield TextFinding("link", Severity.WARNING, match.start(), len(link), message)


def _host(link: str) -> str:
    """Return the host that a browser would open: after scheme and user name, before port and path."""
    authority = re.split(r"[/?#\\]", link.split("://", 1)[-1], maxsplit=1)[0]
    return authority.rsplit("@", 1)[-1].split(":", 1)[0].rstrip(".")


def _official(host: str) -> bool:
    return host == "gov.vn" or host.endswith(".gov.vn")


# Phone numbers

_AMOUNT = r"\s*(?:dong|d|vnd|nghin|ngan|trieu|ty|nguoi|lan|tin)\b|%"
_PHONE = re.compile(
    r"(?<!\d)(?<!\d[.,/-])(?!\d\d?[./-]\d\d?[./-]\d{4}\b)"  # not inside an amount, and not a date
    r"(?:\+\d(?:[\s.()-]{0,2}\d){7,14}|(?:0084|84|0)(?:[\s.()-]{0,2}\d){8,10}|1[89]00(?:[\s.-]?\d){4,6})"
    rf"(?!\d|{_AMOUNT})"
)
_SHORT_CODE = re.compile(
    r"\b(?:goi|nhan tin|soan tin|gui|lien he|hotline|tong dai|duong day nong)"
    r"(?:[\s:,]+(?:ve|den|toi|cho|so|tong dai|dien thoai|duong day nong|ngay|qua))*[\s:]+"
    rf"(\d{{3,6}})\b(?![\s.,/-]?\d|/|{_AMOUNT})"
)


def _phones(plain: str, allowed: frozenset[str]) -> Iterator[TextFinding]:
    long = [(m.start(), m[0]) for m in _PHONE.finditer(plain)]
    short = [(m.start(1), m[1]) for m in _SHORT_CODE.finditer(plain)]
    for at, written in long + short:
        number = _national(written)
        if number not in allowed:
            message = Phrase(
                "{number} is not an approved number. Have it approved or remove it.", number=_masked(number)
            )
            yield TextFinding("phone", Severity.ERROR, at, len(written), message)


def _national(number: str) -> str:
    """Return digits only, with 0 in place of the country code."""
    digits = re.sub(r"\D", "", number)
    return re.sub(r"^(?:0084|84)0?(?=\d{9,10}$)", "0", digits)


def _masked(national: str) -> str:
    """Mask a personal number; a hotline or short number stays whole."""
    if len(national) < 9 or national.startswith(("1800", "1900")):
        return national
    digits = "84" + national[1:] if national.startswith("0") else national
    return digits[:4] + "*" * (len(digits) - 6) + digits[-2:]


# Demands for data

_DEMAND = re.compile(
    r"\b(?:cung cap|gui|nhap|doc|cho biet|nhan tin|khai bao|dien|xac nhan|tra loi|soan)\b[^.!?;\n]{0,40}?"
    r"\b(otp|ma xac thuc|ma xac nhan|ma bao mat|mat khau|ma pin|cvv|so the|so tai khoan|so cccd|so cmnd"
    r"|so can cuoc|can cuoc cong dan|sinh trac)\b"
)
# Words before the verb that make it a warning: "don't", or words that describe the trick. Accents are kept
# where they distinguish words: "dùng" (use) is not "đừng" (don't), while unaccented both are "dung".
_WARNING_WORDS = re.compile(
    r"\b(?:(?<!nếu )không|(?<!neu )khong|đừng|dung|chớ|chưa bao giờ|chua bao gio|kẻ|ke gian"
    r"|đối tượng|doi tuong|giả|gia danh|gia mao|xưng|xung|mạo danh|mao danh|lừa|lua dao|thủ đoạn|thu doan"
    r"|bị yêu cầu|bi yeu cau|mọi yêu cầu|moi yeu cau|đòi|người lạ|nguoi la)\b",
    re.IGNORECASE,
)
_SENTENCE = 300  # how many characters to look back for them


def _demands(composed: str, plain: str) -> Iterator[TextFinding]:
    for match in _DEMAND.finditer(plain):
        before = re.split(r"[.!?;\n]", composed[max(0, match.start() - _SENTENCE) : match.start()])[-1]
        if not _WARNING_WORDS.search(before):
            wanted = composed[match.start(1) : match.end(1)]
            message = f'This reads as a demand for "{wanted}": say what people must NOT do (KHÔNG đọc OTP).'
            yield TextFinding("data_request", Severity.WARNING, match.start(), len(match[0]), message)


# Tone, false letters, invisible characters

_CHAIN = re.compile(r"[!?](?:\s*[!?])+")
_SCRIPTS = (
    *("CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC", "LISU"),
    *("FULLWIDTH", "MATHEMATICAL", "LATIN"),
)


def _exclamations(plain: str) -> Iterator[TextFinding]:
    for match in _CHAIN.finditer(plain):
        if "!" in match[0]:
            message = "A chain of exclamation marks is the tone of frauds: one full stop says more."
            yield TextFinding("exclamation", Severity.WARNING, match.start(), len(match[0]), message)


# Words by which carriers and people take a text for advertising (Decree 91/2020: a label [QC] and consent).
_ADVERTISING = re.compile(r"\b(?:quang cao|khuyen mai|giam gia|uu dai|qua tang|trung thuong)\b")


def _advertising(composed: str, plain: str) -> Iterator[TextFinding]:
    for match in _ADVERTISING.finditer(plain):
        before = re.split(r"[.!?;\n]", composed[max(0, match.start() - _SENTENCE) : match.start()])[-1]
        if not _WARNING_WORDS.search(before):
            word = composed[match.start() : match.end()]
            message = f'"{word}" is a word of advertising, which needs a label and consent: say it otherwise.'
            yield TextFinding("advertising", Severity.WARNING, match.start(), len(word), message)


def _characters(composed: str) -> Iterator[TextFinding]:
    """Flag non-Latin letters among Latin ones; a text wholly in another script is another language."""
    latin = any(c in VIETNAMESE or (c.isascii() and c.isalpha()) for c in composed)
    for at, c in enumerate(composed):
        if _invisible(c):
            message = Phrase("{name} is invisible and is used to evade filters. Delete it.", name=name_of(c))
            yield TextFinding("invisible", Severity.ERROR, at, 1, message)
        elif latin and _false_letter(c):
            message = Phrase(
                "{letter} is {name}, not a Vietnamese letter. Type it again.", letter=c, name=name_of(c)
            )
            yield TextFinding("false_letter", Severity.ERROR, at, 1, message)


def _invisible(character: str) -> bool:
    """Whether it is a control, format, private-use or lone surrogate character."""
    return character not in "\n\r\t\f" and unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co")


def _false_letter(character: str) -> bool:
    if character.isascii() or character in VIETNAMESE or not character.isalpha():
        return False
    script = unicodedata.name(character, "").split(" ")[0]
    return script in _SCRIPTS and not (script == "LATIN" and septets(character))
