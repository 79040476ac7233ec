"""All states, the only allowed transitions between them, and the effect of receipts on a delivery."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import NamedTuple

from app.core.errors import Conflict
from app.core.phone import Sentence
from carriers.contract import Reason, ReceiptLevel, ReceiptStatus

MAX_PARTS = 15  # parts are bits of a 16-bit number


class DeliveryState(IntEnum):
    """State of one text to one subscriber. Values are stored: never renumber."""

    QUEUED = 0
    SUBMITTED = 1  # accepted by the carrier, no final receipt yet
    UNKNOWN = 2  # possibly accepted; code never sends it again
    REJECTED = 3  # refused by the carrier at once
    UNDELIVERED = 4  # by a receipt
    EXPIRED = 5  # by a receipt: the validity ran out
    RELAYED = 6  # by a receipt of operator level: delivered to the carrier's centre, unproved for the handset
    DELIVERED = 7  # by a receipt of handset level
    NOT_SENT = 8  # cancelled, the window closed first, do-not-send, or reached by another round
    EXCLUDED = 9  # never queued, so no delivery row: counted in tallies; why, in left_out


class ChunkState(IntEnum):
    """State of a chunk. Values are stored: never renumber."""

    READY = 0
    LEASED = 1
    DONE = 2


class NotSent(IntEnum):
    """Why a subscriber got nothing; shares the reason column with carriers.contract.Reason, from 20 up."""

    CANCELLED = 20
    WINDOW_CLOSED = 21
    REPEATED = 22  # the same number in another batch of the campaign
    WRITTEN_OFF = 23  # unknown, and an operator decided to leave it so
    DO_NOT_SEND = 24  # the number's holder asked the carrier not to send such messages
    OTHER_ROUND = 25  # another campaign of the same rounds reached the number, or may have


REASON_NAMES: dict[int, str] = {
    int(each): each.name.lower() for kind in (Reason, NotSent) for each in kind if each
}


class SuspendCause(StrEnum):
    """What was too much, so that a run has paused itself."""

    FAILED = "failed"  # refused, undelivered or expired
    REFUSED = "refused"  # by the carrier, at once
    UNKNOWN = "unknown"  # without an answer
    DAILY = "daily"  # messages of the carrier on this day
    BUDGET = "budget"  # SMS parts of the campaign
    BUDGET_DONG = "budget_dong"  # their cost, of runs that paused when a budget could be in đồng


OF_BUDGET = (SuspendCause.BUDGET, SuspendCause.BUDGET_DONG)


_SUSPENDED = {
    SuspendCause.FAILED: Sentence(
        "{bad} of its last {of} messages failed", "trong {of} tin gần nhất có {bad} tin bị lỗi"
    ),
    SuspendCause.REFUSED: Sentence(
        "the carrier rejected {bad} of its last {of} messages",
        "trong {of} tin gần nhất, nhà mạng từ chối {bad} tin",
    ),
    SuspendCause.UNKNOWN: Sentence(
        "{bad} of its last {of} messages have no answer",
        "trong {of} tin gần nhất có {bad} tin không có trả lời",
    ),
    SuspendCause.DAILY: Sentence(
        "its carrier has received {bad} messages today, and the limit is {of}",
        "hôm nay nhà mạng đã nhận {bad} tin; mức tối đa mỗi ngày là {of} tin",
    ),
    SuspendCause.BUDGET: Sentence(
        "{bad} of the {of} SMS parts in the campaign's budget have been or may have been sent",
        "hạn mức của chiến dịch là {of} bản tin, đã gửi hoặc có thể đã gửi {bad} bản tin",
    ),
    SuspendCause.BUDGET_DONG: Sentence(
        "{bad} of the {of} đồng in the campaign's budget have been or may have been spent",
        "hạn mức của chiến dịch là {of} đồng, đã chi hoặc có thể đã chi {bad} đồng",
    ),
}


def suspended_because(cause: SuspendCause, bad: int, total: int, language: str = "en") -> str:
    """Say why a run has paused itself: the one wording of pages, mails, API and commands."""
    numbers = {"bad": f"{bad:,}", "of": f"{total:,}"}
    if language == "vi":
        numbers = {name: number.replace(",", ".") for name, number in numbers.items()}
    said = _SUSPENDED[cause]
    return (said.vi if language == "vi" else said.en).format_map(numbers)


FAILED = (DeliveryState.REJECTED, DeliveryState.UNDELIVERED, DeliveryState.EXPIRED)
RECEIVED = (DeliveryState.RELAYED, DeliveryState.DELIVERED)
SENT = (DeliveryState.SUBMITTED, DeliveryState.UNKNOWN, *FAILED, *RECEIVED)


class BatchState(StrEnum):
    IMPORTING = "importing"
    READY = "ready"
    FAILED = "failed"
    ERASED = "erased"  # its numbers are erased; uploading the same file imports it anew


class CampaignState(StrEnum):
    DRAFT = "draft"
    SUBMITTED = "submitted"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"  # given up before anything was sent; an edit makes it a draft again


class RunState(StrEnum):
    PLANNED = "planned"
    RUNNING = "running"
    PAUSED = "paused"
    CANCELLING = "cancelling"  # queued deliveries are being closed; `closing` says why
    SENT = "sent"  # every delivery submitted, refused or closed; receipts may still come
    FINISHED = "finished"  # every delivery is final or has waited long enough for a receipt
    CANCELLED = "cancelled"


# Nothing of it changes any more by sending or waiting: for good, since no run leaves these.
OVER = (RunState.FINISHED, RunState.CANCELLED)
# Every message has been handed over, refused or closed.
ENDED = (RunState.SENT, *OVER)
# Nothing more will be sent, though what is queued may still be being closed.
SENDS_NO_MORE = (RunState.CANCELLING, *ENDED)


class LinkState(StrEnum):
    RUNNING = "running"
    HALTED = "halted"  # the carrier refuses everything; a person must resume


HALTED_BY_HAND = "by_hand"  # the code of a link that a person has halted


_CAMPAIGN_MOVES = {
    CampaignState.DRAFT: {CampaignState.SUBMITTED, CampaignState.WITHDRAWN},
    CampaignState.SUBMITTED: {CampaignState.APPROVED, CampaignState.REJECTED, CampaignState.DRAFT},
    CampaignState.APPROVED: {CampaignState.DRAFT},  # an edit voids the approval
    CampaignState.REJECTED: {CampaignState.DRAFT},
    CampaignState.WITHDRAWN: {CampaignState.DRAFT},
}
_RUN_MOVES = {
    RunState.PLANNED: {RunState.RUNNING, RunState.CANCELLING},
    RunState.RUNNING: {RunState.PAUSED, RunState.CANCELLING, RunState.SENT},
    RunState.PAUSED: {RunState.RUNNING, RunState.CANCELLING},
    RunState.CANCELLING: {RunState.CANCELLED, RunState.SENT},  # sent: closed at the end of its window
    # Running again: a lease holder that was thought dead reports what it has certainly not sent.
    RunState.SENT: {RunState.FINISHED, RunState.RUNNING},
    RunState.FINISHED: set[RunState](),  # what is over stays over
    RunState.CANCELLED: set[RunState](),
}


def move_campaign(old: str, new: CampaignState) -> CampaignState:
    """Return `new` if the transition is allowed; raise Conflict otherwise."""
    if new not in _CAMPAIGN_MOVES[CampaignState(old)]:
        raise Conflict("The campaign is {old} and cannot become {new}.", old=old, new=new)
    return new


def move_run(old: str, new: RunState) -> RunState:
    if new not in _RUN_MOVES[RunState(old)]:
        raise Conflict("The run is {old} and cannot become {new}.", old=old, new=new)
    return new


class DeliveryStatus(NamedTuple):
    """What is known of a delivery's parts. Bit i of a mask is part i; bits are only ever added."""

    state: int
    reason: int
    parts: int
    delivered: int = 0  # parts with a receipt of handset level
    relayed: int = 0  # parts with a receipt of operator level
    failed: int = 0  # parts refused, undelivered or expired
    on_way: int = 0  # parts of an unknown message that the carrier has; kept in the journal only


def apply_receipt(
    standing: DeliveryStatus, part: int, status: ReceiptStatus, level: ReceiptLevel, reason: int
) -> DeliveryStatus:
    """Return the status after one receipt. Only bits are added, so order and repetition do not matter.

    A part with any delivered receipt is delivered, whatever else was reported. A message is delivered when
    all parts are, and failed when every part is settled and at least one is not delivered. An unknown message
    was accepted if every part is in transit or settled.
    """
    delivered, relayed, failed = standing.delivered, standing.relayed, standing.failed
    worst = standing.reason
    bit = 1 << part
    if status is ReceiptStatus.DELIVERED:
        if level is ReceiptLevel.HANDSET:
            delivered |= bit
        else:
            relayed |= bit
    elif status in (ReceiptStatus.UNDELIVERED, ReceiptStatus.EXPIRED):
        failed |= bit
        expired = status is ReceiptStatus.EXPIRED
        worst = max(worst, reason or (Reason.EXPIRED if expired else Reason.OTHER))
    elif status is ReceiptStatus.IN_TRANSIT and standing.state == DeliveryState.UNKNOWN:
        return _on_way(standing._replace(on_way=standing.on_way | bit))
    else:
        return standing
    return conclude(standing, delivered, relayed, failed, worst)


def _on_way(standing: DeliveryStatus) -> DeliveryStatus:
    """Mark an unknown message as submitted once the carrier has all of its parts."""
    everything = (1 << standing.parts) - 1
    had = standing.on_way | standing.delivered | standing.relayed | standing.failed
    if had & everything != everything:
        return standing
    return standing._replace(state=DeliveryState.SUBMITTED, reason=kept_reason(standing.reason))


def conclude(
    standing: DeliveryStatus, delivered: int, relayed: int, failed: int, reason: int
) -> DeliveryStatus:
    """Derive the state from masks and reason only, so that the order of receipts does not matter.

    What was refused at once stays so until receipts say that all of its parts have arrived.
    """
    everything = (1 << standing.parts) - 1
    state = standing.state
    if delivered & everything == everything:
        state, reason = DeliveryState.DELIVERED, Reason.NONE
    elif (delivered | relayed) & everything == everything:
        state, reason = DeliveryState.RELAYED, Reason.NONE
    elif state != DeliveryState.REJECTED and (delivered | relayed | failed) & everything == everything:
        reason = kept_reason(reason, Reason.OTHER)
        state = DeliveryState.EXPIRED if reason == Reason.EXPIRED else DeliveryState.UNDELIVERED
    return DeliveryStatus(state, reason, standing.parts, delivered, relayed, failed, standing.on_way)


def apply_late_answer(unknown: DeliveryStatus, answer: DeliveryStatus) -> DeliveryStatus:
    """Return the status after a carrier's answer for a message that was called unknown before it came.

    Receipts may have spoken of its parts meanwhile, and stay true. A message that is refused keeps its number
    of parts: the receipt of one part would pass for all.
    """
    failed, reason = answer.failed | unknown.failed, max(answer.reason, kept_reason(unknown.reason))
    if answer.state == DeliveryState.REJECTED:
        answer = answer._replace(parts=max(unknown.parts, answer.parts))
    return conclude(answer, unknown.delivered, unknown.relayed, failed, reason)


def kept_reason(reason: int, otherwise: int = Reason.NONE) -> int:
    """Return what an unknown message that was accepted after all keeps: the reason of a failed part.

    The reason of a written-off delivery goes; those of its failed parts were not stored.
    """
    return reason if reason < NotSent.CANCELLED else otherwise
