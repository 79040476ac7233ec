"""Labels of a delivery's states, reasons, submit results, receipts and decisions."""

from __future__ import annotations

from typing import NamedTuple

from app.core.states import DeliveryState, NotSent
from app.ledger.contract import ResultKind, StateEvent
from app.web.translations import Said, say
from carriers.contract import Reason, ReceiptStatus

STATES: dict[DeliveryState, Said] = {
    DeliveryState.QUEUED: say("waiting to be sent"),
    DeliveryState.SUBMITTED: say("accepted by the carrier, no receipt yet"),
    DeliveryState.UNKNOWN: say("outcome unknown"),
    DeliveryState.REJECTED: say("rejected by the carrier"),
    DeliveryState.UNDELIVERED: say("not received"),
    DeliveryState.EXPIRED: say("expired before delivery"),
    DeliveryState.RELAYED: say("accepted by the carrier's centre"),
    DeliveryState.DELIVERED: say("received by the handset"),
    DeliveryState.NOT_SENT: say("not sent"),
    DeliveryState.EXCLUDED: say("excluded"),
}
TONES: dict[DeliveryState, str] = {
    DeliveryState.QUEUED: "off",
    DeliveryState.SUBMITTED: "busy",
    DeliveryState.UNKNOWN: "wait",
    DeliveryState.REJECTED: "bad",
    DeliveryState.UNDELIVERED: "bad",
    DeliveryState.EXPIRED: "bad",
    DeliveryState.RELAYED: "good",
    DeliveryState.DELIVERED: "good",
    DeliveryState.NOT_SENT: "off",
    DeliveryState.EXCLUDED: "off",
}
REASONS: dict[int, Said] = {
    Reason.OTHER: say("another reason"),
    Reason.SYSTEM: say("carrier system error"),
    Reason.EXPIRED: say("phone off or out of coverage"),
    Reason.HANDSET: say("memory full, or the phone cannot display it"),
    Reason.BARRED: say("barred from receiving"),
    Reason.OTHER_NETWORK: say("ported to another network"),
    Reason.NO_SUCH_NUMBER: say("number does not exist"),
    Reason.FILTERED: say("rejected by a filter or the sender ID's registration"),
    Reason.WRONG_REQUEST: say("request not accepted by the carrier"),
    NotSent.CANCELLED: say("the run was cancelled"),
    NotSent.WINDOW_CLOSED: say("the sending window had ended"),
    NotSent.REPEATED: say("the number is in another batch of the campaign"),
    NotSent.WRITTEN_OFF: say("written off by a person"),
    NotSent.DO_NOT_SEND: say("on the do-not-send list"),
    NotSent.OTHER_ROUND: say("reached, or possibly reached, by another campaign in the same follow-up chain"),
}


class Remedy(NamedTuple):
    """What can be done about messages that failed. again: sending them again may help; next: a follow-up."""

    said: Said
    again: bool = False
    next: bool = False


REMEDIES: dict[int, Remedy] = {
    Reason.OTHER: Remedy(
        say("Ask the carrier what its code means before anything is sent again."), again=True
    ),
    Reason.SYSTEM: Remedy(
        say("Once the carrier has fixed it, resend the rejected messages."), again=True, next=True
    ),
    Reason.EXPIRED: Remedy(say("A follow-up some days later reaches many of them."), next=True),
    Reason.HANDSET: Remedy(
        say("A follow-up reaches some of them. Use other channels for the rest."), next=True
    ),
    Reason.BARRED: Remedy(
        say("Resending does not help: these numbers block such messages. Use other channels.")
    ),
    Reason.OTHER_NETWORK: Remedy(
        say("Resending here does not help: pass the numbers to their new carrier."), next=True
    ),
    Reason.NO_SUCH_NUMBER: Remedy(
        say(
            "Sending again does not help, because these numbers are not in use. Have them "
            "removed from the list."
        )
    ),
    Reason.FILTERED: Remedy(
        say("Have the carrier register the sender and the text, then resend."), again=True, next=True
    ),
    Reason.WRONG_REQUEST: Remedy(say("Tell your Loa administrator, then resend."), again=True, next=True),
}
HELPLESS = frozenset(reason for reason, each in REMEDIES.items() if not each.again)
RESULTS: dict[str, Said] = {
    ResultKind.ACCEPTED.name.lower(): say("sent: accepted by the carrier"),
    ResultKind.REJECTED.name.lower(): say("sent: permanently rejected by the carrier"),
    ResultKind.DEFERRED.name.lower(): say("sent: deferred by the carrier, to be retried"),
    ResultKind.HALTED.name.lower(): say("sent: the carrier rejects everything, and the link halts"),
    ResultKind.UNKNOWN.name.lower(): say("sent: no answer, so the outcome is unknown"),
    ResultKind.SETTLED.name.lower(): say("a receipt shows that the carrier had accepted it"),
}
RECEIPTS: dict[str, Said] = {
    ReceiptStatus.DELIVERED.value: say("receipt: delivered"),
    ReceiptStatus.UNDELIVERED.value: say("receipt: not delivered"),
    ReceiptStatus.EXPIRED.value: say("receipt: expired"),
    ReceiptStatus.IN_TRANSIT.value: say("receipt: on its way"),
    ReceiptStatus.UNKNOWN.value: say("receipt: the carrier does not know"),
}
STATE_CHANGES: dict[str, Said] = {
    StateEvent.LOST.name.lower(): say("the answer was lost: the outcome is unknown"),
    StateEvent.REQUEUED.name.lower(): say("queued again"),
    StateEvent.WRITTEN_OFF.name.lower(): say("written off: stays unknown"),
    StateEvent.PARTLY.name.lower(): say("some parts were rejected"),
    StateEvent.REFUSED.name.lower(): say("the resend was rejected"),
}
LEVELS: dict[str, Said] = {
    "none": say("no level"),
    "operator": say("carrier's centre"),
    "handset": say("handset"),
}
EVENTS: dict[str, dict[str, Said]] = {
    "submission": RESULTS,
    "receipt": RECEIPTS,
    "state_change": STATE_CHANGES,
}
