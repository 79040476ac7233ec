"""What to look at in a wording, in the reader's language: characters to write otherwise, signs of fraud."""

from __future__ import annotations

from dataclasses import dataclass

from app.web.translations import Said, say
from carriers import text as sms

KINDS: dict[str, Said] = {
    "link": say("A link makes a warning look like the fraud itself: leave it out, or have it confirmed."),
    "phone": say("This is no approved number: have it approved or leave it out."),
    "data_request": say("This reads as a demand: say what people must NOT do."),
    "exclamation": say("A chain of exclamation marks is the tone of frauds: one full stop says more."),
    "invisible": say("A character that can't be seen and is used to slip past filters: delete it."),
    "false_letter": say("Looks like a letter but is none of Vietnamese: type it again."),
}
_OTHER = say("Look at this place.")
FIX = say("Write it plainly: as it stands it can cost SMS parts.")
DELETE = say("Delete it: it can cost SMS parts.")


@dataclass(frozen=True, slots=True)
class Hint:
    """One place of a wording, from character `position` (from 0). plain: what to write instead, if known."""

    position: int
    excerpt: str
    plain: str | None
    said: Said
    grave: bool


def hints(wording: str) -> list[Hint]:
    """In the order of the text."""
    text = sms.nfc(wording)
    found = [
        Hint(fix.position, fix.name, fix.replacement or None, FIX if fix.replacement else DELETE, grave=False)
        for fix in sms.fixes(wording)
    ]
    for each in sms.lint(wording):
        excerpt = text[each.position : each.position + each.length]
        shown = excerpt if each.kind in ("link", "exclamation", "data_request") else ""
        grave = each.severity is sms.Severity.ERROR
        found.append(Hint(each.position, shown, None, KINDS.get(each.kind, _OTHER), grave))
    return sorted(found, key=lambda hint: hint.position)
