"""What carriers would refuse of a campaign, by the register: when it is written, decided on and started."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from difflib import SequenceMatcher
from enum import StrEnum
from typing import Annotated, Any

from annotated_types import Interval
from pydantic import Field
from sqlalchemy import Connection, Row, insert, select

from app.api.bodies import KeptProse, StrictBody
from app.core import clock
from app.core.errors import Conflict, Invalid, no_such
from app.core.ids import LARGEST, Exact
from app.core.phone import network
from app.database.models import campaigns, links, register_overrides, runs
from app.operations import Transaction, operation
from app.security import kept_rows
from app.security.roles import EVERYBODY, Role
from app.sender_names import register
from app.sender_names.register import NameState, Rules, SenderName
from app.text_verification.compare import TextPart, word_by_word
from carriers.phrases import Phrase, join
from carriers.text import nfc, template, unaccent

TAG = register.TAG

_RENEW = "Have it renewed, or send on other days."
_OVERRIDE = (
    "Correct the campaign or the register, or give a reason for sending anyway: on the campaign's page, or "
    "with `loa sender-name override`."
)
_SOON = timedelta(days=30)
CampaignId = Annotated[int, Interval(ge=1, le=LARGEST), Exact]


class FindingKind(StrEnum):
    """What a finding is about."""

    EMPTY = "empty"  # the register has nothing of this carrier
    NAME = "name"
    PERIOD = "period"
    TEMPLATE = "template"
    TEMPLATE_CODE = "template_code"
    WORD = "word"
    SENDER_IN_TEXT = "sender_in_text"


@dataclass(frozen=True, slots=True)
class Content:
    """What is checked: as whom, why, which texts, and the first and last day on which they may be sent."""

    sender: str
    purpose: str
    texts: tuple[str, ...]
    first: date
    last: date
    endless: bool = False  # the window has no end, so nobody knows the last day


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that the register says against a campaign at a carrier.

    refused: whether the carrier would refuse it; else it is advice. entry: the row of the register that it is
    about. differences: of the nearest template and the text, word by word. override: why it is sent all the
    same, and by whose word.
    """

    carrier: str
    kind: FindingKind
    refused: bool
    sentence: str
    entry: int | None = None
    differences: tuple[TextPart, ...] = ()
    override: str | None = None
    overridden_by: str | None = None

    @property
    def stands(self) -> bool:
        """Whether it keeps the campaign from being sent."""
        return self.refused and self.override is None


class OverrideBody(StrictBody):
    """Why the campaign is sent although the register says that a carrier refuses it."""

    reason: KeptProse = Field(examples=["Viettel has confirmed by telephone that the name is renewed."])


@operation(
    "GET /v1/campaigns/{campaign_id}/register-findings",
    roles=EVERYBODY,
    command="sender-name check",
    columns=("carrier", "kind", "refused", "sentence", "entry", "override"),
)
def list_register_findings(tx: Transaction, campaign_id: CampaignId) -> list[Finding]:
    """Check a campaign against the register: what its carriers would refuse, and advice."""
    carriers = None if tx.who.carrier is None else {tx.who.carrier}
    return of_campaign(tx.connection, _campaign(tx.connection, campaign_id), carriers)


@operation(
    "POST /v1/campaigns/{campaign_id}/register-override",
    roles=frozenset({Role.ADMIN, Role.APPROVER}),
    command="sender-name override",
    audit="overrode the register's objection to {subject}",
    done="The campaign can now be sent despite the register.",
    page="/campaigns/{campaign_id}",
)
def override_register(tx: Transaction, campaign_id: CampaignId, body: OverrideBody) -> None:
    """Override, with a reason, the register's current objections to a campaign. Later ones count again."""
    campaign = _campaign(tx.connection, campaign_id)
    standing = [each for each in of_campaign(tx.connection, campaign) if each.stands]
    if not standing:
        raise Conflict(
            "The register raises no objection to campaign {number}, so no reason is needed.",
            number=campaign_id,
        )
    row = {"campaign_id": campaign_id, "reason": body.reason, "at": clock.now_ms(), "by": tx.who.name[:80]}
    row["findings"] = [_hash(each, _content(campaign)) for each in standing]
    made = insert(register_overrides).values(row).returning(register_overrides.c.id)
    own = register_overrides.c.id == tx.connection.execute(made).scalar_one()
    said = {"reason": body.reason, "findings": [str(each.sentence) for each in standing]}
    kept = kept_rows.kept(tx.connection, register_overrides, own)
    tx.note(f"campaign/{campaign_id}", **said, kept=kept)


def require_registered(
    connection: Connection, campaign: Row[Any], carriers: Collection[str] | None = None
) -> None:
    """Raise Invalid if a carrier would refuse the campaign and nobody has given a reason to send it.

    carriers: only of these; by default of all its runs.
    """
    standing = [each for each in of_campaign(connection, campaign, carriers) if each.stands]
    if standing:
        sentences = list(dict.fromkeys(each.sentence for each in standing))
        faults = [("register", sentence) for sentence in (*sentences, _OVERRIDE)]
        raise Invalid(join((*sentences, _OVERRIDE)), field="register", faults=faults)


def of_campaign(
    connection: Connection, campaign: Row[Any], carriers: Collection[str] | None = None
) -> list[Finding]:
    """Return what the register says against a campaign at the carriers of its runs, with overrides."""
    query = select(runs.c.carrier).where(runs.c.campaign_id == campaign.id).order_by(runs.c.carrier)
    own = [each for each in connection.execute(query).scalars() if carriers is None or each in carriers]
    content = _content(campaign)
    found = look(connection, content, own)
    overrides = register_overrides.c
    given = select(overrides.findings, overrides.reason, overrides.by).where(
        overrides.campaign_id == campaign.id
    )
    by_hash = {each: (row.reason, row.by) for row in connection.execute(given) for each in row.findings}
    return [
        replace(each, override=reason, overridden_by=by)
        for each in found
        for reason, by in [by_hash.get(_hash(each, content), (None, None))]
    ]


def look(connection: Connection, content: Content, carriers: Sequence[str]) -> list[Finding]:
    """Return what the register says against such a content at these carriers."""
    found: list[Finding] = []
    for carrier in carriers:
        entries, own_rules = register.names(connection, carrier), register.rules(connection, carrier)
        if not entries:
            found.append(_empty(carrier, content.sender))
        else:
            found += _of_name(carrier, entries, content)
            found += _of_template(carrier, entries, own_rules, content)
        found += _of_template_code(connection, carrier, entries, content)
        found += _of_words(own_rules, content)
        found += _of_sender_in_text(connection, carrier, content)
    return found


def _empty(carrier: str, sender: str) -> Finding:
    return Finding(
        carrier,
        FindingKind.EMPTY,
        False,
        Phrase(
            "The register has no sender name of this carrier, so it is not known whether {sender} is "
            "accepted. Enter its names under Sender names.",
            sender=sender,
        ),
    )


def _of_name(carrier: str, entries: Sequence[SenderName], content: Content) -> Iterator[Finding]:
    sender, at = content.sender, network(carrier)
    same = [each for each in entries if each.name.casefold() == sender.casefold()]
    own = [each for each in same if each.template is None] or same
    registered = [each for each in own if each.state is NameState.REGISTERED]
    fitting = [each for each in registered if each.covers(content.purpose)]
    missing = _first_day_without(fitting, content)
    if missing is None:
        end = max(each.valid_to or date.max for each in fitting)
        if content.endless and end < content.last + _SOON:
            day = _day(end)
            said = _said(
                "The registration of {sender} at {carrier} ends on {day}, and the sending window has no end.",
                sender,
                at,
                day=day,
            )
            yield Finding(carrier, FindingKind.PERIOD, False, said)
        if all(each.name != sender for each in fitting):
            yield Finding(
                carrier,
                FindingKind.NAME,
                False,
                _said(
                    "{carrier} has registered {name}. Write {sender} in exactly the same way.",
                    sender,
                    at,
                    name=fitting[0].name,
                ),
                fitting[0].id,
            )
        return
    if fitting:
        over = [item for item in fitting if item.valid_to is not None and item.valid_to < missing]
        if over:
            entry = max(over, key=lambda item: item.valid_to or date.min)
            said = _said(
                "The registration of {sender} at {carrier} ends on {day}, before the sending window does.",
                sender,
                at,
                day=_day(entry.valid_to),
                bound="end",
            )
        else:
            entry = min(fitting, key=lambda item: item.valid_from or date.min)
            day = _day(entry.valid_from)
            said = _said(
                "The registration of {sender} at {carrier} starts only on {day}.",
                sender,
                at,
                day=day,
                bound="start",
            )
        yield Finding(carrier, FindingKind.PERIOD, True, join((said, _RENEW)), entry.id)
    elif registered:
        purpose = "{sender} is not registered at {carrier} for the purpose {purpose}."
        said = _said(purpose, sender, at, purpose=content.purpose)
        yield Finding(carrier, FindingKind.NAME, True, said, registered[0].id)
    elif own:
        entry = next((item for item in own if item.state is NameState.ASKED), own[-1])
        yield Finding(carrier, FindingKind.NAME, True, _not_yet(entry, at), entry.id)
    else:
        yield Finding(
            carrier, FindingKind.NAME, True, _said("{sender} is not registered at {carrier}.", sender, at)
        )


def _said(template: str, sender: str, carrier: str, **more: object) -> Phrase:
    return Phrase(template, sender=sender, carrier=carrier, **more)


def _not_yet(entry: SenderName, at: str) -> Phrase:
    match entry.state:
        case NameState.ASKED:
            said = "The registration of {sender} at {carrier} has been requested but not yet granted."
        case NameState.REFUSED:
            said = "{carrier} has refused to register {sender}."
        case _:
            said = "The registration of {sender} at {carrier} has expired."
    return _said(said, entry.name, at, state=entry.state.value)


def _first_day_without(entries: Sequence[SenderName], content: Content) -> date | None:
    """Return the first day of sending that no entry covers; a renewal may follow as an entry of its own."""
    day = content.first
    for entry in sorted(entries, key=lambda entry: entry.valid_from or date.min):
        if (entry.valid_from or date.min) <= day <= (entry.valid_to or date.max):
            if entry.valid_to is None or entry.valid_to >= content.last:
                return None
            day = entry.valid_to + timedelta(days=1)
    return day


def _templates(entries: Sequence[SenderName], content: Content) -> list[SenderName]:
    registered = [
        entry
        for entry in entries
        if entry.template is not None
        and entry.name.casefold() == content.sender.casefold()
        and entry.state is NameState.REGISTERED
        and entry.covers(content.purpose)
    ]
    periods: dict[tuple[str | None, str | None], list[SenderName]] = {}
    for entry in registered:
        periods.setdefault((entry.template, entry.template_code), []).append(entry)
    lasting = {key for key, alike in periods.items() if _first_day_without(alike, content) is None}
    return [entry for entry in registered if (entry.template, entry.template_code) in lasting]


def fits(entry: SenderName, text: str) -> bool:
    """Return whether the text is one of those that the entry's template allows."""
    return template.parse("", entry.template or "").parameters(nfc(text)) is not None


def _of_template(
    carrier: str, entries: Sequence[SenderName], own_rules: Rules, content: Content
) -> Iterator[Finding]:
    sender, at, known = content.sender, network(carrier), _templates(entries, content)
    for text in content.texts:
        if any(fits(each, text) for each in known) or not (known or own_rules.needs_template):
            continue
        if not known:
            none = "{carrier} only accepts registered texts, and no template of {sender} is registered there."
            said = _said(none, sender, at)
            yield Finding(carrier, FindingKind.TEMPLATE, True, said)
            continue
        nearest = max(known, key=lambda item: _alike(item.template or "", text))
        yield Finding(
            carrier,
            FindingKind.TEMPLATE,
            own_rules.needs_template,
            _said("The text matches no template of {sender} that is registered at {carrier}.", sender, at),
            nearest.id,
            tuple(word_by_word(nfc(nearest.template or ""), nfc(text))),
        )


def _of_template_code(
    connection: Connection, carrier: str, entries: Sequence[SenderName], content: Content
) -> Iterator[Finding]:
    needs = select(links.c.id).where(
        links.c.carrier == carrier, links.c.left_at.is_(None), links.c.needs_template_code
    )
    if connection.execute(needs.limit(1)).first() is None:
        return
    codes = [code(entries, content, text) for text in content.texts]
    if not all(codes):
        said = Phrase(
            "{carrier} needs the code of a registered template, and no template matches the text.",
            carrier=network(carrier),
        )
        yield Finding(carrier, FindingKind.TEMPLATE_CODE, True, said)


def code(entries: Sequence[SenderName], content: Content, text: str) -> str:
    """Return the carrier's code of the registered template that the text fits, "" if there is none."""
    known = (each for each in _templates(entries, content) if each.template_code)
    return next((each.template_code or "" for each in known if fits(each, text)), "")


def template_codes(connection: Connection, campaign: Row[Any]) -> dict[str, list[str]]:
    """Return the codes of the templates that the campaign's text fits, for its approval to bind."""
    query = select(runs.c.carrier).where(runs.c.campaign_id == campaign.id).order_by(runs.c.carrier)
    content = _content(campaign)
    found = {
        carrier: code(register.names(connection, carrier), content, campaign.texts.get("", ""))
        for carrier in connection.execute(query).scalars()
    }
    return {f"{carrier}/template": [each] for carrier, each in found.items() if each}


def _alike(original: str, text: str) -> float:
    return SequenceMatcher(None, original.split(), text.split(), autojunk=False).ratio()


def _of_words(own_rules: Rules, content: Content) -> Iterator[Finding]:
    texts = " ".join(content.texts)
    for word in own_rules.forbidden_words:
        if _stands_in(word, texts):
            at = network(own_rules.carrier)
            said = Phrase(
                "{carrier} refuses texts with the word “{word}”. Use another one.", carrier=at, word=word
            )
            yield Finding(own_rules.carrier, FindingKind.WORD, True, said)


def _stands_in(word: str, text: str) -> bool:
    """Return whether the words stand in a text as they are; case and diacritics do not count."""
    plain = re.escape(unaccent(nfc(word)).casefold())
    return re.search(rf"(?<!\w){plain}(?!\w)", unaccent(nfc(text)).casefold()) is not None


def _of_sender_in_text(connection: Connection, carrier: str, content: Content) -> Iterator[Finding]:
    query = select(links.c.sender_in_text).where(links.c.carrier == carrier, links.c.left_at.is_(None))
    settings = set(connection.execute(query).scalars()) or {None}
    if settings == {False} or all(_stands_in(content.sender, each) for each in content.texts):
        return
    refused, at = True in settings, network(carrier)
    yield Finding(
        carrier,
        FindingKind.SENDER_IN_TEXT,
        refused,
        _said(
            "{carrier} refuses texts that do not contain the sender name {sender}."
            if refused
            else "The text does not contain the sender name {sender}. The carrier may require it.",
            content.sender,
            at,
        ),
    )


def _content(campaign: Row[Any]) -> Content:
    texts = tuple(campaign.texts.values())
    return content(campaign.sender, campaign.purpose, texts, campaign.window_start, campaign.window_end)


def content(
    sender: str, purpose: str, texts: tuple[str, ...], window_start: int | None, window_end: int | None
) -> Content:
    """Return what is checked; a window that has begun, or has no end, counts from today, or until today."""
    today, start, end = (
        None if ms is None else clock.moment(ms).date() for ms in (clock.now_ms(), window_start, window_end)
    )
    first = max(today or date.min, start or date.min)
    return Content(sender, purpose, texts, first, max(first, end or first), end is None)


def _hash(finding: Finding, content: Content) -> str:
    """Return the hash of what is found, without the words that tell it: a release may reword them."""
    found = (finding.carrier, finding.kind.value, finding.entry is None, *_values(finding.sentence))
    return hashlib.sha256(repr((*found, content.sender, content.purpose, content.texts)).encode()).hexdigest()


def _values(sentence: str) -> Iterator[tuple[str, str]]:
    """Yield the values of a sentence, and of the sentences in it; some tell findings apart, in no place."""
    for name, value in getattr(sentence, "values", {}).items():
        if isinstance(sentence, Phrase) and sentence.is_row:
            yield from _values(value)
        else:
            yield name, str(value)


def _campaign(connection: Connection, campaign_id: int) -> Row[Any]:
    row = connection.execute(select(campaigns).where(campaigns.c.id == campaign_id)).first()
    if row is None:
        raise no_such("campaign", campaign_id)
    return row


def _day(on: date | None) -> str:
    return "" if on is None else f"{on:%d/%m/%Y}"
