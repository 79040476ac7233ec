"""The states of everything, the only moves between them, and what receipts make of a delivery."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from typing import NamedTuple

from app.core.errors import Conflict
from carriers.contract import Reason, ReceiptLevel, ReceiptStatus

MAX_PARTS = 15  # a part is a bit of a 16-bit number


class DeliveryState(IntEnum):
    """Where one text to one subscriber stands. Numbers are stored: never renumber."""

    QUEUED = 0
    SUBMITTED = 1  # taken by the carrier, no final receipt yet
    UNKNOWN = 2  # perhaps taken; never sent again by code
    REJECTED = 3  # refused by the carrier at once
    UNDELIVERED = 4  # a receipt says so
    EXPIRED = 5  # a receipt says that the validity ran out
    RELAYED = 6  # a receipt of operator level: the carrier's centre delivered it, the handset is not proved
    DELIVERED = 7  # a receipt of handset level
    NOT_SENT = 8  # cancelled, or the window closed before its turn
    EXCLUDED = 9  # never queued: repeated in the campaign (counted in tallies, no delivery row)


class NotSent(IntEnum):
    """Why a subscriber got nothing; kept in the reason column beside carriers.contract.Reason, from 20 up."""

    CANCELLED = 20
    WINDOW_CLOSED = 21
    REPEATED = 22  # the same number in another batch of the campaign
    WRITTEN_OFF = 23  # unknown, and an operator has decided to leave it so
    DO_NOT_SEND = 24  # the holder of the number has asked the carrier for nothing of this kind


FAILED = (DeliveryState.REJECTED, DeliveryState.UNDELIVERED, DeliveryState.EXPIRED)
RECEIVED = (DeliveryState.RELAYED, DeliveryState.DELIVERED)
SENT = (DeliveryState.SUBMITTED, DeliveryState.UNKNOWN, *FAILED, *RECEIVED)


class BatchState(StrEnum):
    IMPORTING = "importing"
    READY = "ready"
    FAILED = "failed"
    ERASED = "erased"  # its numbers were due for erasure; the same file again is imported anew


class CampaignState(StrEnum):
    DRAFT = "draft"
    SUBMITTED = "submitted"
    APPROVED = "approved"
    REJECTED = "rejected"


class RunState(StrEnum):
    PLANNED = "planned"
    RUNNING = "running"
    PAUSED = "paused"
    CANCELLING = "cancelling"  # what is still queued is being closed; `closing` says why
    SENT = "sent"  # every delivery handed over, refused or closed; receipts may still come
    FINISHED = "finished"  # every delivery has its final state, or has waited long enough for a receipt
    CANCELLED = "cancelled"


class LaneState(StrEnum):
    RUNNING = "running"
    HALTED = "halted"  # the carrier refuses all; a person resumes


_CAMPAIGN_MOVES = {
    CampaignState.DRAFT: {CampaignState.SUBMITTED},
    CampaignState.SUBMITTED: {CampaignState.APPROVED, CampaignState.REJECTED, CampaignState.DRAFT},
    CampaignState.APPROVED: {CampaignState.DRAFT},  # an edit voids the approval
    CampaignState.REJECTED: {CampaignState.DRAFT},
}
_RUN_MOVES = {
    RunState.PLANNED: {RunState.RUNNING, RunState.CANCELLING},
    RunState.RUNNING: {RunState.PAUSED, RunState.CANCELLING, RunState.SENT},
    RunState.PAUSED: {RunState.RUNNING, RunState.CANCELLING},
    RunState.CANCELLING: {RunState.CANCELLED, RunState.SENT},  # sent: closed at its window's end
    RunState.SENT: {
        RunState.FINISHED,
        RunState.RUNNING,
    },  # running again: an operator sends unknown ones again
    RunState.FINISHED: {RunState.RUNNING},
    RunState.CANCELLED: set[RunState](),
}


def move_campaign(old: str, new: CampaignState) -> CampaignState:
    """`new`, where the move is allowed; else Conflict."""
    if new not in _CAMPAIGN_MOVES[CampaignState(old)]:
        raise Conflict(f"The campaign is {old}; it can't become {new}.")
    return new


def move_run(old: str, new: RunState) -> RunState:
    """`new`, where the move is allowed; else Conflict."""
    if new not in _RUN_MOVES[RunState(old)]:
        raise Conflict(f"The run is {old}; it can't become {new}.")
    return new


class DeliveryStatus(NamedTuple):
    """What is known of one delivery's parts. Masks have bit i for part i; they only ever gain bits."""

    state: int
    reason: int
    parts: int
    delivered: int = 0  # parts with a receipt of handset level
    relayed: int = 0  # parts with a receipt of operator level
    failed: int = 0  # parts refused, undelivered or expired
    on_way: int = 0  # of an unknown message, parts that the carrier has; kept in the journal alone


def apply_receipt(
    standing: DeliveryStatus, part: int, status: ReceiptStatus, level: ReceiptLevel, reason: int
) -> DeliveryStatus:
    """The standing after one receipt: only bits are added, so any order and any repetition end the same.

    A part with any delivered receipt is delivered, whatever else was said of it; a message is delivered when
    all its parts are, and has failed when every part is settled and at least one is not delivered. An unknown
    message of which every part is on its way, or settled, was taken.
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
    """An unknown message one more part of which the carrier has: taken once it has all of them."""
    everything = (1 << standing.parts) - 1
    had = standing.on_way | standing.delivered | standing.relayed | standing.failed
    if had & everything != everything:
        return standing
    return standing._replace(state=DeliveryState.SUBMITTED, reason=_kept(standing.reason))


def conclude(
    standing: DeliveryStatus, delivered: int, relayed: int, failed: int, reason: int
) -> DeliveryStatus:
    """The state that the masks make: a pure function of masks and reason, so independent of the order."""
    everything = (1 << standing.parts) - 1
    state = standing.state
    if delivered & everything == everything:
        state, reason = DeliveryState.DELIVERED, Reason.NONE
    elif (delivered | relayed) & everything == everything:
        state, reason = DeliveryState.RELAYED, Reason.NONE
    elif (delivered | relayed | failed) & everything == everything:
        reason = _kept(reason, Reason.OTHER)
        state = DeliveryState.EXPIRED if reason == Reason.EXPIRED else DeliveryState.UNDELIVERED
    return DeliveryStatus(state, reason, standing.parts, delivered, relayed, failed, standing.on_way)


def _kept(reason: int, otherwise: int = Reason.NONE) -> int:
    """A written-off delivery bears that reason until now; what its parts failed of was not kept apart."""
    return reason if reason < NotSent.CANCELLED else otherwise
