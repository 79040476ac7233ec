"""What a submitted campaign has that it had not when it was last decided on, or last submitted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from app.campaigns import approval
from app.core import clock
from app.database.models import approvals, audit
from app.web.translations import Said, say

CONTENT: dict[str, Said] = {
    "text_areas": say("Areas of languages"),
    "sender": say("Sender ID"),
    "purpose": say("Purpose"),
    "window": say("Sending window"),
    "day": say("Hours of each day"),
    "budget": say("Budget"),
}
# What acts of older versions, which have none, mean.
_LACKING: Mapping[str, Any] = {"budget": [None, None, None], "text_areas": {}}
PEOPLE: Said = say("Subscribers")


class WordDifference(NamedTuple):
    """Some words of a text: `kind` is "same", "added" or "removed" since the last decision."""

    kind: str
    words: str


@dataclass(frozen=True, slots=True)
class ContentDifference:
    """One thing that was otherwise at the last decision; carrier: whose number of people it is."""

    said: Said
    carrier: str | None
    before: str
    now: str


@dataclass(frozen=True, slots=True)
class ContentComparison:
    """The content now against an earlier one. texts: language -> its words, if they differ."""

    said: Said
    texts: Mapping[str, Sequence[WordDifference]]
    differences: Sequence[ContentDifference]


def compared(connection: Connection, campaign_id: int) -> list[ContentComparison]:
    """Compare with the last decision, and with the last submission before this one where that came later."""
    now, decided = approval.content(connection, campaign_id), _decided_on(connection, campaign_id)
    before = [(say("What is otherwise than at the last decision"), decided.content)] if decided else []
    submitted = _submitted_before(connection, campaign_id)
    if submitted is not None and (decided is None or submitted.at > decided.at):
        content = submitted.detail.get("content")  # acts of older versions have none
        before += [(say("What is otherwise than when it was last submitted"), content)] if content else []
    found = [
        ContentComparison(said, _text_differences(of["texts"], now["texts"]), _differences(of, now))
        for said, of in before
    ]
    return [each for each in found if each.texts or each.differences]


def _decided_on(connection: Connection, campaign_id: int) -> Any:
    """Return the last decision that kept the content; None if there is none."""
    a = approvals.c
    query = select(a.at, a.content).where(a.campaign_id == campaign_id, a.decision != "voided")
    return connection.execute(query.where(a.content.is_not(None)).order_by(a.id.desc()).limit(1)).first()


def _submitted_before(connection: Connection, campaign_id: int) -> Any:
    """Return the act of the submission before the newest one; None if there was no other."""
    a = audit.c
    query = select(a.at, a.detail).where(
        a.subject == f"campaign/{campaign_id}", a.action == "campaign.submit"
    )
    return connection.execute(query.order_by(a.id.desc()).offset(1).limit(1)).first()


def _text_differences(before: Mapping[str, str], now: Mapping[str, str]) -> dict[str, list[WordDifference]]:
    pairs = {code: (before.get(code, ""), now.get(code, "")) for code in sorted({*before, *now})}
    return {code: list(word_differences(*pair)) for code, pair in pairs.items() if pair[0] != pair[1]}


def word_differences(before: str, now: str) -> Iterator[WordDifference]:
    old, new = before.split(), now.split()
    for kind, i1, i2, j1, j2 in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            yield WordDifference("same", " ".join(new[j1:j2]))
            continue
        if i1 < i2:
            yield WordDifference("removed", " ".join(old[i1:i2]))
        if j1 < j2:
            yield WordDifference("added", " ".join(new[j1:j2]))


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[ContentDifference]:
    """Compare all but the texts; moments become ISO strings of Viet Nam, numbers stay digits."""
    found = [
        ContentDifference(said, None, _shown(key, before.get(key, _LACKING.get(key))), _shown(key, now[key]))
        for key, said in CONTENT.items()
        if before.get(key, _LACKING.get(key)) != now[key]
    ]
    carriers = sorted({*before["people"], *now["people"]})
    pairs = {each: (before["people"].get(each, 0), now["people"].get(each, 0)) for each in carriers}
    return found + [
        ContentDifference(PEOPLE, carrier, str(pair[0]), str(pair[1]))
        for carrier, pair in pairs.items()
        if pair[0] != pair[1]
    ]


def _shown(key: str, value: Any) -> str:
    if key == "window":
        ends = [f"{clock.local(clock.from_ms(ms)):%H:%M %d/%m/%Y}" if ms else "…" for ms in value]
        return " – ".join(ends)
    if key == "text_areas":
        return "; ".join(f"{language}: {', '.join(codes)}" for language, codes in sorted(value.items()))
    if key == "budget":
        return " – ".join("…" if each is None else str(each) for each in value[:2])
    return "–".join(value) if isinstance(value, list) else str(value)
