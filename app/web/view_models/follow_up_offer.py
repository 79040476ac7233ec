"""Whom a follow-up can write to, or does: messages by outcome, reason and code, with what can be done."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import urlencode

from sqlalchemy import Connection

from app.campaigns.follow_ups import FollowUp
from app.ledger import unreached
from app.ledger.unreached import HELPLESS, MAY_BE_COPIES, Cause, Outcome
from app.web.translations import Said, say
from app.web.view_models import delivery_labels
from carriers.contract import Reason

_PERHAPS_RECEIVED = (Outcome.ACCEPTED, *MAY_BE_COPIES)
_DUPLICATE = say("The carrier may have these already, so they are never sent again.")
_NOBODY = say("No one: reached since, being written to by another follow-up, or on the do-not-send list.")


@dataclass(frozen=True, slots=True)
class OfferedCause:
    """Messages with one cause. subscribers: whom a follow-up can write to now; remedy: what can be done.

    cause: as a follow-up names it; code: None for all codes of the reason, and where there is none; form: the
    address of the form where this alone is selected.
    """

    cause: str
    form: str
    reason: Said | None
    code: str | None
    messages: int
    subscribers: int
    is_chosen: bool
    remedy: Said | None


@dataclass(frozen=True, slots=True)
class OfferedOutcome:
    """The causes of an outcome. is_perhaps: these people may have got the message."""

    outcome: Outcome
    label: Said
    is_perhaps: bool
    causes: list[OfferedCause]


@dataclass(frozen=True, slots=True)
class Offer:
    """What can be followed up at the carriers; none for all. form: the address where that is selected."""

    outcomes: list[OfferedOutcome]
    carriers: list[str]
    form: str

    @property
    def subscribers(self) -> int:
        """How many a follow-up to the chosen causes would get."""
        return sum(cause.subscribers for group in self.outcomes for cause in group.causes if cause.is_chosen)

    @property
    def copies(self) -> int:
        """How many people may get the text twice if all causes are chosen."""
        doubtful = [group for group in self.outcomes if group.outcome in MAY_BE_COPIES]
        return sum(cause.subscribers for group in doubtful for cause in group.causes)


def offer(
    connection: Connection, campaign_id: int, carriers: Collection[str] = (), chosen: Collection[str] = ()
) -> Offer:
    """Return what can be followed up of the campaign at these carriers.

    chosen: the causes that somebody has chosen; none for the usual ones.
    """
    sums: dict[Cause, tuple[int, int, bool]] = {}
    for count in unreached.counts(connection, [campaign_id]):
        if not carriers or count.carrier in carriers:
            messages, subscribers, _ = sums.get(count.cause, (0, 0, False))
            sums[count.cause] = (messages + count.messages, subscribers + count.subscribers, count.usual)
    groups: dict[Outcome, list[OfferedCause]] = {outcome: [] for outcome in Outcome}
    for cause, (messages, subscribers, usual) in sums.items():
        is_chosen = cause.spelt() in chosen if chosen else usual
        form = _form(campaign_id, carriers, cause.spelt())
        groups[cause.outcome].append(_offered(cause, form, messages, subscribers, is_chosen))
    outcomes = [
        OfferedOutcome(
            outcome,
            delivery_labels.OUTCOMES[outcome],
            outcome in _PERHAPS_RECEIVED,
            sorted(causes, key=lambda cause: -cause.messages),
        )
        for outcome, causes in groups.items()
        if causes
    ]
    return Offer(outcomes, sorted(carriers), _form(campaign_id, carriers))


def _form(campaign_id: int, carriers: Collection[str], *causes: str) -> str:
    fields = [("carrier", carrier) for carrier in carriers] + [("cause", cause) for cause in causes]
    return f"/campaigns/{campaign_id}/follow-up?{urlencode(fields)}"


def _reason(reason: Reason) -> Said:
    return delivery_labels.REASONS.get(reason, delivery_labels.REASONS[Reason.OTHER])


def _offered(cause: Cause, form: str, messages: int, subscribers: int, is_chosen: bool) -> OfferedCause:
    remedy = None if cause.reason is None else delivery_labels.REMEDIES.get(cause.reason)
    if not subscribers:
        is_duplicate = cause.outcome is Outcome.REJECTED and unreached.says_duplicate(cause.code or "")
        remedy = _DUPLICATE if is_duplicate else _NOBODY
    return OfferedCause(
        cause=cause.spelt(),
        form=form,
        reason=None if cause.reason is None else _reason(cause.reason),
        code=cause.code or None,
        messages=messages,
        subscribers=subscribers,
        is_chosen=is_chosen and subscribers > 0,
        remedy=remedy,
    )


@dataclass(frozen=True, slots=True)
class ChosenOutcome:
    """An outcome that a follow-up writes to: for all reasons, for all except some, or only for some.

    only: reasons, each with its code or None for all.
    """

    label: Said
    is_perhaps: bool
    excluded: list[Said]
    only: list[tuple[Said, str | None]]


def chosen_outcomes(follow_up: FollowUp) -> list[ChosenOutcome]:
    """Return whom the follow-up writes to, as its author has chosen."""
    causes = [Cause.read(text) for text in follow_up.causes]
    return [
        _chosen(outcome, [cause for cause in causes if cause.outcome is outcome])
        for outcome in follow_up.outcomes
    ]


def _chosen(outcome: Outcome, causes: Collection[Cause]) -> ChosenOutcome:
    label, is_perhaps = delivery_labels.OUTCOMES[outcome], outcome in _PERHAPS_RECEIVED
    if any(cause.reason is None for cause in causes):
        return ChosenOutcome(label, is_perhaps, [], [])
    if set(causes) == set(unreached.usual_causes([outcome])):
        return ChosenOutcome(label, is_perhaps, [_reason(reason) for reason in HELPLESS], [])
    only = [(_reason(cause.reason), cause.code or None) for cause in causes if cause.reason is not None]
    return ChosenOutcome(label, is_perhaps, [], only)
