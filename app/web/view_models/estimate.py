"""Cost and finish time of a text at each carrier, with and without diacritics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import Connection, select

from app.campaigns import forecast, text_cost
from app.campaigns.drafts import TextForm
from app.campaigns.forecast import Deadlines, Load, Rate
from app.campaigns.text_cost import Preview
from app.core import clock, sending_window
from app.core.config import Settings
from app.database.models import batches, directives
from app.web import display_names
from app.web.translations import Said, say
from carriers import text as sms

# Hints on a text

KINDS: dict[str, Said] = {
    "link": say("Links make a warning look like fraud. Remove the link, or have it confirmed."),
    "phone": say("This number is not approved. Have it approved or remove it."),
    "data_request": say("This sounds like a demand. Say what people must NOT do."),
    "exclamation": say("Repeated exclamation marks sound like fraud. Use a full stop."),
    "advertising": say("Advertising language, which requires a label and consent. Rephrase it."),
    "invisible": say("An invisible character used to evade filters. Delete it."),
    "false_letter": say("Looks like a letter but is not Vietnamese. Type it again."),
}
_OTHER = say("Review this passage.")
FIX = say("Use plain letters: this can take extra SMS parts.")
DELETE = say("Delete it: it can take extra SMS parts.")


@dataclass(frozen=True, slots=True)
class Hint:
    """A hint at character `position` (from 0). plain: replacement, if known."""

    position: int
    excerpt: str
    plain: str | None
    said: Said
    grave: bool


def hints(wording: str) -> list[Hint]:
    text = sms.nfc(wording)
    found = [
        Hint(fix.position, fix.name, fix.replacement or None, FIX if fix.replacement else DELETE, grave=False)
        for fix in sms.fixes(wording)
    ]
    for each in sms.lint(wording):
        excerpt = text[each.position : each.position + each.length]
        shown = excerpt if each.kind in ("link", "exclamation", "data_request", "advertising") else ""
        grave = each.severity is sms.Severity.ERROR
        found.append(Hint(each.position, shown, None, KINDS.get(each.kind, _OTHER), grave))
    return sorted(found, key=lambda hint: hint.position)


NO_LINK = say("no link to this carrier")
HALTED = say("every link is halted")
AFTER_WINDOW = say("after the end of the window")
AFTER_REPORT = say("after the report deadline")
BY_ITSELF = say("the carrier sends by itself at its own rate")


@dataclass(frozen=True, slots=True)
class Cost:
    """One form at one carrier: total SMS parts, finish time, and a problem with it, if any."""

    segments: int
    finishes_at: datetime | None
    wrong: Said | None


@dataclass(frozen=True, slots=True)
class CarrierEstimate:
    """A carrier's subscribers and cost by form. rate: SMS parts per second of its links."""

    carrier: str
    subscribers: int
    rate: float
    costs: Mapping[str, Cost]


@dataclass(frozen=True, slots=True)
class Estimate:
    """Both forms of a text: as sent, at each carrier, with hints."""

    forms: Mapping[str, Preview]
    shares: Sequence[CarrierEstimate]
    hints: Sequence[Hint]
    totals: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Sizes:
    """Subscribers by carrier: of the chosen batches, and of carriers that send themselves."""

    batches: Mapping[str, int]
    held: Mapping[str, int]


def chosen(connection: Connection, batch_ids: Iterable[int]) -> dict[str, int]:
    query = select(batches.c.carrier, batches.c.accepted).where(batches.c.id.in_(list(batch_ids)))
    found: dict[str, int] = {}
    for carrier, accepted in connection.execute(query):
        found[carrier] = found.get(carrier, 0) + accepted
    return found


def deadlines(connection: Connection, window: sending_window.Window, directive_id: int | None) -> Deadlines:
    due = connection.scalar(select(directives.c.report_deadline).where(directives.c.id == directive_id))
    return Deadlines(window, None if due is None else clock.from_ms(due))


def estimate(connection: Connection, forms: tuple[str, str], sizes: Sizes, deadlines: Deadlines) -> Estimate:
    previews: dict[str, Preview] = {
        TextForm.UNACCENTED: text_cost.preview(forms[1]),
        TextForm.ACCENTED: text_cost.preview(forms[0]),
    }
    parts = {form: shown.segments for form, shown in previews.items()}
    shares = [
        _share(carrier, n, parts, (forecast.rate_at(connection, carrier, clock.now()), deadlines))
        for carrier, n in sorted(sizes.batches.items(), key=lambda item: display_names.network(item[0]))
    ]
    shares += [_by_itself(carrier, n, parts) for carrier, n in sorted(sizes.held.items())]
    totals = {form: sum(share.costs[form].segments for share in shares) for form in parts}
    return Estimate(previews, shares, hints(forms[0]), totals)


def both(wording: str) -> tuple[str, str]:
    return sms.nfc(wording), sms.unaccent(wording)


def _share(carrier: str, n: int, parts: Mapping[str, int], at: tuple[Rate, Deadlines]) -> CarrierEstimate:
    costs = {form: _cost(Load(n, n, n * each, n * each), *at) for form, each in parts.items()}
    return CarrierEstimate(carrier, n, at[0].segments_per_second, costs)


def _cost(load: Load, rate: Rate, deadlines: Deadlines) -> Cost:
    done = forecast.conclude(0, load, rate, deadlines, clock.now()).finishes_at
    return Cost(load.segments, done, _wrong(done, rate, deadlines))


def _wrong(done: datetime | None, rate: Rate, deadlines: Deadlines) -> Said | None:
    if done is None:
        return HALTED if rate.links else NO_LINK
    if deadlines.window.end is not None and done > deadlines.window.end:
        return AFTER_WINDOW
    return AFTER_REPORT if deadlines.report is not None and done > deadlines.report else None


def prices(settings: Settings, purpose: str, carriers: Iterable[str]) -> dict[str, Decimal]:
    """Return đồng for an SMS part, without VAT, by carrier; none where none is set."""
    found = {carrier: settings.money.price(carrier, purpose) for carrier in carriers}
    return {carrier: each for carrier, each in found.items() if each is not None}


def _by_itself(carrier: str, n: int, parts: Mapping[str, int]) -> CarrierEstimate:
    return CarrierEstimate(
        carrier, n, 0.0, {form: Cost(n * each, None, BY_ITSELF) for form, each in parts.items()}
    )
